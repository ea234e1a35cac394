// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-initramfs-tools`: an initrd of Debian's initramfs-tools, whose boot script `veriroot`
//! asks the network for an address and hands the root on.
//!
//! One boot for each test: the first program can't be contained.

use std::path::Path;
use std::time::Duration;

use veriroot_test_support::guest::{Guest, Initrd, Kernel};
use veriroot_test_support::http::Server;
use veriroot_test_support::matrix::{Case, Origin};

fn plays(name: &str) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/initramfs-tools/initrd.img");
    let (case, server, kernel) = (Case::of(name), Server::start(), Kernel::find());
    case.serve(&server);
    let initrd = case.initrd(Initrd::on_top_of(&[&base])).build();
    let cmdline = format!("boot=veriroot ip=dhcp {}", case.cmdline(Origin::Server(&server)));
    let guest = Guest::new(&kernel, &initrd).memory_mib(1024).limit(Duration::from_secs(600));
    case.assert(&guest.boot(&cmdline));
}

#[test]
fn boots_raw_by_loop_ref() {
    plays("raw-by-loop-ref");
}

#[test]
fn boots_usr_alone() {
    plays("usr-only");
}

#[test]
fn boots_tar() {
    plays("tar");
}

#[test]
fn boots_with_a_system_extension() {
    plays("sysext");
}

#[test]
fn refuses_flipped_bit_in_data() {
    plays("flipped-bit");
}

#[test]
fn refuses_image_signed_by_stranger() {
    plays("stranger");
}

#[test]
fn refuses_image_without_signature() {
    plays("stripped-signature");
}

#[test]
fn refuses_to_wait_for_a_mirror_for_ever() {
    plays("mirror-down");
}
