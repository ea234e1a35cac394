// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The twin of every refusal: the announced command line, a signed image, and the root the
//! image's own init finds itself on is the dm-verity device.

use veriroot_test_support::guest::{self, Guest, Kernel};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, signed};

#[test]
fn boots_signed_image_on_verity() {
    let (server, kernel) = (Server::of("/image.raw", signed().bytes), Kernel::find());
    let run = Guest::new(&kernel, &initrd(&kernel).build())
        .boot(&guest::announced(&server, "/image.raw"));

    run.require("ROOT-UP");
    run.require("PRETTY_NAME=\"Bootable fixture\"");
    let mount = run.require("/dev/dm-0 / erofs");
    assert!(mount.text.starts_with("/dev/dm-0 / erofs ro"), "{}", mount.text);
    let device = run.require("dm-0 root ro=1 uuid=");
    assert!(!device.text.ends_with("uuid="), "{}", device.text);
    assert!(run.find("dm-1").is_none(), "{}", run.tail());
    assert!(run.went_off, "{}", run.tail());
}
