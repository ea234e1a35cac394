// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! With no namespace around it, the reboot a refusal ends with is the machine's: the program does
//! not return to the initrd, which could carry on.

use veriroot_test_support::guest::{self, Guest, Kernel};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, stranger};

#[test]
fn reboots_the_machine_on_refusal() {
    let (server, kernel) = (Server::of("/image.raw", stranger().bytes), Kernel::find());
    let run = Guest::new(&kernel, &initrd(&kernel).bare().build())
        .boot(&guest::announced(&server, "/image.raw"));

    run.require("REFUSED ");
    let restarts = run.lines.iter().any(|line| line.text.ends_with("reboot: Restarting system"));
    assert!(restarts && run.went_off, "{}", run.tail());
    assert!(run.find("INIT: no root").is_none(), "{}", run.tail());
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}
