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
use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::fixture;
use veriroot_test_support::guest::{self, Firmware, Initrd, Kernel, Run, Verdict};
use veriroot_test_support::http::{Request, Server};

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
fn uki(directory: &TempDir, server: &Server, signing: Option<&(PathBuf, PathBuf)>) -> Vec<u8> {
    let kernel = Kernel::find();
    let initrd = Initrd::with_modules(&kernel, &guest::release_program(), &["efivarfs"])
        .policy("netboot.toml", &guest::netboot_policy("1s"))
        .certificate("trusted.crt", fixture("trusted.crt"))
        .build();
    let cmdline = guest::announced(server, "/boot/image.raw");
    let out = directory.path().join("uki.efi");
    let mut arguments = vec![kernel.image(), initrd.path(), Path::new(&cmdline), &out];
    if let Some((key, certificate)) = signing {
        arguments.extend([key.as_path(), certificate]);
    }
    script("uki.sh", &arguments);
    fs::read(out).expect("the image that was made")
}

/// Boots until the machine is off, or firmware has given up the image.
fn boot(chain: Chain, image: Image) -> Boot {
    let directory = tempfile::tempdir().expect("a directory");
    let key = key(directory.path());
    let server = Server::of("/boot/image.raw", image.bytes);
    server.serve(
        "/boot/veriroot.efi",
        uki(&directory, &server, (chain == Chain::Whole).then_some(&key)),
    );

    let variables = directory.path().join("vars.fd");
    let url = format!("http://10.0.2.2:{}/boot/veriroot.efi", server.address().port());
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

fn signed() -> Image {
    Image::from_zst_fixture("boot-signed")
}

/// Who asked for a path, by their user agents.
fn clients(boot: &Boot, path: &str) -> Vec<String> {
    let of_path = boot.requests.iter().filter(|it| it.path == path);
    let mut names: Vec<String> = of_path
        .map(|it| it.header("user-agent").unwrap_or_default())
        .map(|it| it.split('/').next().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn assert_booted(boot: &Boot) {
    let Boot { run, .. } = boot;
    run.require("ROOT-UP");
    let mount = run.require("/dev/dm-0 / erofs");
    assert!(mount.text.starts_with("/dev/dm-0 / erofs ro"), "{}", mount.text);
    assert!(run.went_off, "{}", run.tail());
    assert_eq!(clients(boot, "/boot/veriroot.efi"), ["UefiHttpBoot"]);
    assert_eq!(clients(boot, "/boot/image.raw"), ["veriroot"]);
}

#[test]
fn boots_over_http() {
    assert_booted(&boot(Chain::Off, signed()));
}

#[test]
fn boots_over_http_with_secure_boot() {
    assert_booted(&boot(Chain::Whole, signed()));
}

/// The firmware's part: the twin of `boots_over_http`, where it is off.
#[test]
fn firmware_refuses_an_unsigned_kernel_image() {
    let boot = boot(Chain::Broken, signed());
    let said = boot.run.lines.iter().any(|it| it.text.contains("Access Denied"));
    assert!(said && boot.run.find("INIT:").is_none(), "{}", boot.run.tail());
    assert_eq!(clients(&boot, "/boot/image.raw"), [""; 0]);
}

/// The image beside it was swapped for another that boots, by somebody without the key.
#[test]
fn refuses_an_image_that_was_swapped_on_the_server() {
    let Boot { run, .. } = boot(Chain::Whole, Image::from_zst_fixture("boot-stranger"));
    let (stage, class) = (Stage::Authenticate, Class::Sig);
    let expected = Verdict {
        stage: stage.name().to_owned(),
        class: class.name().to_owned(),
        exit: i32::from(class.exit_code()),
    };
    assert_eq!(run.verdict(), Some(expected), "{}", run.tail());
    assert!(run.went_off && run.find("ROOT-UP").is_none(), "{}", run.tail());
}
