// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-systemd`: an initrd of dracut with systemd 262 as its first program, which knows
//! `rd.systemd.pull=` itself, and has to wait for veriroot, load nothing itself, and refuse with it.
//!
//! One boot for each test: the first program can't be contained.

use std::path::Path;
use std::time::Duration;

use veriroot::finding::{Class, Stage};
use veriroot_test_support::guest::{Guest, Initrd, InitrdBuilder, Kernel, Line, Run, Verdict};
use veriroot_test_support::http::{Request, Server};

use veriroot_test_support::matrix::{Case, Origin, trusting};

/// Says nothing between our lines, and ends a boot that systemd gave up.
const WORDS: &str = "systemd.show_status=no rd.emergency=poweroff";

/// A boot and what the server saw of it.
struct Boot {
    run: Run,
    requests: Vec<Request>,
}

fn initrd() -> InitrdBuilder {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/systemd/dracut.img");
    Initrd::on_top_of(&[&base]).examined()
}

fn boot(case: &Case, initrd: InitrdBuilder) -> Boot {
    boot_while(case, initrd, |_| true)
}

/// The same, switched off at the line that `goes_on` refuses.
fn boot_while(case: &Case, initrd: InitrdBuilder, goes_on: impl FnMut(&Line) -> bool) -> Boot {
    let (server, kernel) = (Server::start(), Kernel::find());
    case.serve(&server);
    let initrd = initrd.build();
    let cmdline = format!("{} {WORDS}", case.cmdline(Origin::Server(&server)));
    let guest = Guest::new(&kernel, &initrd).memory_mib(1536).limit(Duration::from_secs(900));
    Boot { run: guest.boot_while(&cmdline, goes_on), requests: server.requests() }
}

/// Boots a case of the matrix: what becomes of it, and that everything that asked the server is this
/// program.
fn plays(name: &str) -> Boot {
    let case = Case::of(name);
    let boot = boot(case, case.initrd(initrd()));
    case.assert(&boot.run);
    let agents: Vec<_> = boot.requests.iter().map(|it| it.header("user-agent")).collect();
    let ours = |it: &Option<&str>| it.is_some_and(|it| it.starts_with("veriroot"));
    assert!(agents.iter().all(ours), "{agents:?}");
    assert_eq!(agents.is_empty(), name == "mirror-down", "{agents:?}");
    boot
}

#[test]
fn boots_raw_by_loop_ref() {
    let Boot { run, .. } = plays("raw-by-loop-ref");
    run.require("READY");
    run.require("PRETTY_NAME=\"Bootable fixture\"");
    let device = run.require("dm-0 root ro=1 uuid=");
    assert!(!device.text.ends_with("uuid="), "{}", device.text);
    assert!(run.find("dm-1").is_none(), "{}", run.tail());
}

#[test]
fn boots_raw_by_dissection() {
    drop(plays("raw-dissect"));
}

#[test]
fn boots_usr_alone() {
    drop(plays("usr-only"));
}

#[test]
fn boots_tar() {
    drop(plays("tar"));
}

#[test]
fn boots_with_a_system_extension() {
    drop(plays("sysext"));
}

#[test]
fn refuses_flipped_bit_in_data() {
    drop(plays("flipped-bit"));
}

#[test]
fn refuses_image_signed_by_stranger() {
    drop(plays("stranger"));
}

#[test]
fn refuses_image_without_signature() {
    drop(plays("stripped-signature"));
}

#[test]
fn refuses_plain_image() {
    drop(plays("unsigned"));
}

#[test]
fn refuses_image_that_policy_does_not_admit() {
    drop(plays("policy-mismatch"));
}

#[test]
fn refuses_to_wait_for_a_mirror_for_ever() {
    drop(plays("mirror-down"));
}

#[test]
fn refuses_image_that_memory_is_too_small_for() {
    drop(plays("memory-too-small"));
}

/// A policy that leaves the machine to who stands at it: systemd's emergency mode, with the summary.
#[test]
fn refuses_into_emergency_mode_where_the_policy_says_so() {
    let policy = "[boot]\non-refusal = \"danger-shell\"\nhold = \"1s\"\n";
    let case = Case::of("stranger");
    let initrd = trusting(initrd()).policy("policy.toml", policy);
    // The machine stays on, for whoever stands at it.
    let prompt = "Press Enter to continue";
    let run = boot_while(case, initrd, |line| !line.text.starts_with(prompt)).run;
    assert_eq!(run.verdict(), Some(case.verdict()), "{}", run.tail());
    run.require("Entering emergency mode.");
    run.require(prompt);
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}

/// A generator of systemd that is not masked would load the image a second time.
#[test]
fn refuses_to_run_beside_the_importer_of_systemd() {
    let rival = "etc/systemd/system-generators/systemd-import-generator";
    let case = Case::of("raw-by-loop-ref");
    let boot = boot(case, case.initrd(initrd()).script(rival, "#!/bin/sh\nexit 0\n"));
    boot.run.require("NOT READY");
    let (stage, class) = (Stage::Request, Class::Config);
    boot.run.assert_refused(&Verdict::of(stage.name(), class.name(), class.exit_code()));
    assert!(boot.requests.is_empty(), "{:?}", boot.requests);
    boot.run.require("stage      request (request-rival)");
}

/// A command line that asks for no transfer is left to the rest of the initrd, unless a policy file
/// says that this machine boots in no other way.
#[test]
fn refuses_boot_without_transfer_where_the_policy_requires_one() {
    let policy = "[boot]\nrequired = true\non-refusal = \"reboot\"\nhold = \"1s\"\n";
    let initrd = trusting(initrd()).policy("policy.toml", policy).build();
    let kernel = Kernel::find();
    let guest = Guest::new(&kernel, &initrd).memory_mib(1536).limit(Duration::from_secs(900));
    let run = guest.boot(&format!("root=/dev/vda1 console=ttyS0 panic=-1 quiet {WORDS}"));
    let (stage, class) = (Stage::Request, Class::Config);
    run.assert_refused(&Verdict::of(stage.name(), class.name(), class.exit_code()));
}
