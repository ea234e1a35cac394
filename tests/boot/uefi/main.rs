// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-uefi`: the whole chain over HTTP. Firmware loads a unified kernel image, made with the
//! systemd-stub of today, and veriroot loads the disk image beside it. With Secure Boot on, under a
//! key made here, firmware refuses a unified kernel image that is not signed, and veriroot a disk
//! image that is not the signer's.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that panics has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use veriroot_test_support::guest::{self, Firmware, Initrd, InitrdBuilder, Kernel, Run};
use veriroot_test_support::http::{Request, Server};

use veriroot_test_support::matrix::{Case, Origin, assert_refusals, refusals, trusting};

/// Where the kernel image is; images are below the same directory.
const KERNEL_IMAGE: &str = "/boot/veriroot.efi";

const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// How far the chain of signatures goes.
#[derive(Clone, Copy, PartialEq)]
enum Chain {
    /// Secure Boot is off, and the unified kernel image not signed.
    Off,
    /// Secure Boot is on, and the unified kernel image not signed.
    Broken,
    /// Secure Boot is on, and the unified kernel image signed.
    Whole,
}

/// What the unified kernel image is made of.
struct Boots {
    initrd: Initrd,
    cmdline: String,
}

/// A boot and what the server saw of it.
struct Boot {
    run: Run,
    requests: Vec<Request>,
}

/// The directory of the peer, where the tools of today are.
fn peer() -> PathBuf {
    let path = std::env::var_os("VERIROOT_PEER").map(PathBuf::from);
    path.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("build/peer"))
}

/// Runs a script beside this file, which says itself what went wrong.
fn script(name: &str, arguments: &[&Path]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boot/uefi").join(name);
    let status = Command::new(&path).arg(peer()).args(arguments).status();
    let status = status.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(status.success(), "{name}: {status}: run `make boot-uefi`");
}

/// A key for Secure Boot, and its certificate.
fn key(directory: &Path) -> (PathBuf, PathBuf) {
    let (key, certificate) = (directory.join("db.key"), directory.join("db.crt"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{made:?}");
    (key, certificate)
}

/// The unified kernel image, with the command line of a netboot in it.
fn uki(directory: &TempDir, boot: &Boots, signing: Option<&(PathBuf, PathBuf)>) -> Vec<u8> {
    let kernel = Kernel::find();
    let out = directory.path().join("uki.efi");
    let initrd = boot.initrd.path();
    let mut arguments = vec![kernel.image(), initrd, Path::new(&boot.cmdline), &out];
    if let Some((key, certificate)) = signing {
        arguments.extend([key.as_path(), certificate]);
    }
    script("uki.sh", &arguments);
    fs::read(out).expect("the image that was made")
}

/// The plain initrd, which has to see what the firmware says.
fn initrd() -> InitrdBuilder {
    Initrd::with_modules(&Kernel::find(), &guest::release_program(), &["efivarfs"])
}

/// Boots until the machine is off, or firmware has given up the image.
fn boot(chain: Chain, boots: &Boots, server: &Server) -> Boot {
    let directory = tempfile::tempdir().expect("a directory");
    let key = key(directory.path());
    let kernel_image = uki(&directory, boots, (chain == Chain::Whole).then_some(&key));
    server.serve(KERNEL_IMAGE, kernel_image);

    let variables = directory.path().join("vars.fd");
    let url = format!("http://10.0.2.2:{}{KERNEL_IMAGE}", server.address().port());
    let mut arguments = vec![Path::new(VARIABLES), Path::new(&url), &variables];
    if chain != Chain::Off {
        arguments.push(&key.1);
    }
    script("vars.sh", &arguments);

    let firmware = Firmware {
        code: Path::new(CODE),
        variables: &variables,
        memory_mib: 1536,
        limit: Duration::from_secs(900),
    };
    let run = firmware.boot_while(|line| !line.text.contains("BdsDxe: failed to load"));
    Boot { run, requests: server.requests() }
}

/// Boots a case of the matrix by the name of its image alone: it is beside the kernel image.
fn boot_case(chain: Chain, case: &Case) -> Boot {
    let server = Server::start();
    case.serve(&server);
    let boots =
        Boots { initrd: case.initrd(initrd()).build(), cmdline: case.cmdline(Origin::Beside) };
    boot(chain, &boots, &server)
}

/// Who asked for paths that end so, by their user agents.
fn clients(boot: &Boot, end: &str) -> Vec<String> {
    let of_path = boot.requests.iter().filter(|it| it.path.ends_with(end));
    let mut names: Vec<String> = of_path
        .map(|it| it.header("user-agent").unwrap_or_default())
        .map(|it| it.split('/').next().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What becomes of it, and that firmware loads its part and this program the other.
fn plays(chain: Chain, name: &str) {
    let case = Case::of(name);
    let boot = boot_case(chain, case);
    case.assert(&boot.run);
    assert_eq!(clients(&boot, ".efi"), ["UefiHttpBoot"]);
    let image = if name == "tar" { ".tar" } else { ".raw" };
    assert_eq!(clients(&boot, image), ["veriroot"]);
}

#[test]
fn boots_over_http() {
    plays(Chain::Off, "raw-by-loop-ref");
}

#[test]
fn boots_over_http_with_secure_boot() {
    plays(Chain::Whole, "raw-by-loop-ref");
}

#[test]
fn boots_raw_by_dissection() {
    plays(Chain::Whole, "raw-dissect");
}

#[test]
fn boots_usr_alone() {
    plays(Chain::Whole, "usr-only");
}

#[test]
fn boots_tar() {
    plays(Chain::Whole, "tar");
}

#[test]
fn boots_with_a_system_extension() {
    plays(Chain::Whole, "sysext");
}

/// The firmware's part: the twin of `boots_over_http`, where it is off.
#[test]
fn firmware_refuses_an_unsigned_kernel_image() {
    let boot = boot_case(Chain::Broken, Case::of("raw-by-loop-ref"));
    let said = boot.run.lines.iter().any(|it| it.text.contains("Access Denied"));
    assert!(said && boot.run.find("INIT:").is_none(), "{}", boot.run.tail());
    assert_eq!(clients(&boot, ".raw"), [""; 0]);
}

/// The image beside it was swapped for another that boots, by somebody without the key.
#[test]
fn refuses_an_image_that_was_swapped_on_the_server() {
    plays(Chain::Whole, "stranger");
}

/// All refusals, in one machine that the firmware loaded.
#[test]
fn refuses_what_no_machine_may_boot() {
    let server = Server::start();
    let batch = refusals(&server, |case| case.cmdline(Origin::Beside));
    let cmdline = "console=ttyS0 panic=-1 quiet".to_owned();
    let boots = Boots { initrd: batch.initrd(trusting(initrd())), cmdline };
    let boot = boot(Chain::Whole, &boots, &server);
    assert_refusals(&batch.outcomes(&boot.run));
}
