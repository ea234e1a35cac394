// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-initramfs-tools`: an initrd of Debian's initramfs-tools, whose boot script `veriroot`
//! asks the network for an address and hands the root on.
//!
//! One boot for each test: the first program can't be contained.

use std::path::Path;
use std::time::Duration;

use veriroot_test_support::guest::{Guest, Initrd, Kernel, Run};
use veriroot_test_support::http::Server;
use veriroot_test_support::matrix::{Case, Origin};

/// What boots, and what it does first here.
const BOOT: &str = "    veriroot boot ";
const EXAMINED: &str = "    veriroot doctor > /dev/console; veriroot boot ";

fn plays(name: &str) -> Run {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/initramfs-tools/initrd.img");
    let (case, server, kernel) = (Case::of(name), Server::start(), Kernel::find());
    case.serve(&server);
    let script = include_str!("../../../dist/initramfs-tools/scripts/veriroot");
    let script = script.replace(BOOT, EXAMINED);
    let initrd = case.initrd(Initrd::on_top_of(&[&base])).script("scripts/veriroot", &script);
    let initrd = initrd.build();
    let cmdline = format!("boot=veriroot ip=dhcp {}", case.cmdline(Origin::Server(&server)));
    let guest = Guest::new(&kernel, &initrd).memory_mib(1024).limit(Duration::from_secs(600));
    let run = guest.boot(&cmdline);
    case.assert(&run);
    run
}

#[test]
fn boots_raw_by_loop_ref() {
    plays("raw-by-loop-ref").require("READY");
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
fn refuses_to_wait_for_a_mirror_for_ever() {
    drop(plays("mirror-down"));
}
