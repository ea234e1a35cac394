// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The boot matrix where busybox is the whole initrd: each accepted case goes to the first program
//! of its root, the refused ones share a guest.

use std::time::Duration;

use veriroot_test_support::guest::{self, Guest, Initrd, Kernel};
use veriroot_test_support::http::Server;

use veriroot_test_support::matrix::{Case, Origin, assert_refusals, refusals, trusting};

fn boot(name: &str) {
    let (case, server, kernel) = (Case::of(name), Server::start(), Kernel::find());
    case.serve(&server);
    let initrd = case.initrd(Initrd::with_program(&kernel, &guest::release_program())).build();
    let guest = Guest::new(&kernel, &initrd).limit(Duration::from_secs(300));
    case.assert(&guest.boot(&case.cmdline(Origin::Server(&server))));
}

#[test]
fn boots_raw_by_loop_ref() {
    boot("raw-by-loop-ref");
}

#[test]
fn boots_raw_by_dissection() {
    boot("raw-dissect");
}

#[test]
fn boots_usr_alone() {
    boot("usr-only");
}

#[test]
fn boots_tar() {
    boot("tar");
}

#[test]
fn boots_with_a_system_extension() {
    boot("sysext");
}

#[test]
fn refuses_what_no_machine_may_boot() {
    let (server, kernel) = (Server::start(), Kernel::find());
    let batch = refusals(&server, |case| case.cmdline(Origin::Server(&server)));
    let initrd = trusting(Initrd::with_program(&kernel, &guest::release_program()));
    assert_refusals(&batch.run(&kernel, initrd));
}
