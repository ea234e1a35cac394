// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-systemd`: an initrd of dracut with systemd 262 as its first program, which knows
//! `rd.systemd.pull=` itself, and has to wait for veriroot, load nothing itself, and refuse with it.
//!
//! One boot for each test: the first program can't be contained.

use std::path::Path;
use std::time::Duration;

use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::fixture;
use veriroot_test_support::guest::{self, Guest, Initrd, InitrdBuilder, Kernel, Run, Verdict};
use veriroot_test_support::http::{Request, Server};

/// Says nothing between our lines, and ends a boot that systemd gave up.
const WORDS: &str = "systemd.show_status=no rd.emergency=poweroff";

/// A boot and what the server saw of it.
struct Boot {
    run: Run,
    requests: Vec<Request>,
}

fn initrd() -> InitrdBuilder {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/systemd/dracut.img");
    Initrd::on_top_of(&[&base]).certificate("trusted.crt", fixture("trusted.crt"))
}

fn boot(initrd: InitrdBuilder, image: Image) -> Boot {
    let (server, kernel) = (Server::of("/image.raw", image.bytes), Kernel::find());
    let initrd = initrd.build();
    let cmdline = format!("{} {WORDS}", guest::announced(&server, "/image.raw"));
    let guest = Guest::new(&kernel, &initrd).memory_mib(1536).limit(Duration::from_secs(900));
    Boot { run: guest.boot(&cmdline), requests: server.requests() }
}

fn with_policy(image: Image) -> Boot {
    boot(initrd().policy("netboot.toml", &guest::netboot_policy("1s")), image)
}

fn signed() -> Image {
    Image::from_zst_fixture("boot-signed")
}

/// Refused for this, no root came up, and the machine is off.
fn assert_refused(boot: &Boot, stage: Stage, class: Class) {
    let Boot { run, .. } = boot;
    let expected = Verdict {
        stage: stage.name().to_owned(),
        class: class.name().to_owned(),
        exit: i32::from(class.exit_code()),
    };
    assert_eq!(run.verdict(), Some(expected), "{}", run.tail());
    assert!(run.went_off && run.find("ROOT-UP").is_none(), "{}", run.tail());
}

/// Everything that asked for the image is this program.
fn assert_one_client(boot: &Boot) {
    let agents: Vec<_> = boot.requests.iter().map(|it| it.header("user-agent")).collect();
    let ours = |it: &Option<&str>| it.is_some_and(|it| it.starts_with("veriroot"));
    assert!(!agents.is_empty() && agents.iter().all(ours), "{agents:?}");
}

#[test]
fn boots_signed_image_on_verity() {
    let boot = with_policy(signed());
    let Boot { run, .. } = &boot;
    run.require("ROOT-UP");
    run.require("PRETTY_NAME=\"Bootable fixture\"");
    let mount = run.require("/dev/dm-0 / erofs");
    assert!(mount.text.starts_with("/dev/dm-0 / erofs ro"), "{}", mount.text);
    let device = run.require("dm-0 root ro=1 uuid=");
    assert!(!device.text.ends_with("uuid="), "{}", device.text);
    assert!(run.find("dm-1").is_none() && run.went_off, "{}", run.tail());
    assert_one_client(&boot);
}

#[test]
fn refuses_flipped_bit_in_data() {
    let middle = signed().content("root").len() / 2;
    let boot = with_policy(signed().flip_bit("root", middle, 3));
    assert_refused(&boot, Stage::Fetch, Class::Verity);
    assert_one_client(&boot);
}

#[test]
fn refuses_image_signed_by_stranger() {
    let boot = with_policy(Image::from_zst_fixture("boot-stranger"));
    assert_refused(&boot, Stage::Authenticate, Class::Sig);
    assert_one_client(&boot);
}

/// A policy that leaves the machine to who stands at it: systemd's emergency mode, with the summary.
#[test]
fn refuses_into_emergency_mode_where_the_policy_says_so() {
    let policy = "[boot]\non-refusal = \"danger-shell\"\nhold = \"1s\"\n";
    let image = Image::from_zst_fixture("boot-stranger");
    let boot = boot(initrd().policy("policy.toml", policy), image);
    assert_refused(&boot, Stage::Authenticate, Class::Sig);
}

/// A generator of systemd that is not masked would load the image a second time.
#[test]
fn refuses_to_run_beside_the_importer_of_systemd() {
    let rival = "etc/systemd/system-generators/systemd-import-generator";
    let initrd = initrd()
        .script(rival, "#!/bin/sh\nexit 0\n")
        .policy("netboot.toml", &guest::netboot_policy("1s"));
    let boot = boot(initrd, signed());
    assert_refused(&boot, Stage::Request, Class::Config);
    assert!(boot.requests.is_empty(), "{:?}", boot.requests);
    boot.run.require("stage      request (request-rival)");
}
