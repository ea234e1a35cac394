// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `verify=` with a SHA-256 asks for one very file. It is a demand beside all others: the right file
//! is still only as good as its signature.

use veriroot_test_support::ddi::Image;
use veriroot_test_support::guest::{self, Guest, Kernel, Run};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, signed, stranger};

/// Boots one image, the checksum of another (or of the same) on the command line.
fn boot(image: Image, pinned: &Image) -> Run {
    let sha256 = openssl::sha::sha256(&pinned.bytes);
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let (server, kernel) = (Server::of("/image.raw", image.bytes), Kernel::find());
    let words =
        guest::announced(&server, "/image.raw").replace("verify=no", &format!("verify={hex}"));
    Guest::new(&kernel, &initrd(&kernel).build()).boot(&words)
}

#[test]
fn boots_file_with_the_checksum_of_the_command_line() {
    let run = boot(signed(), &signed());
    run.require("ROOT-UP");
    run.require("/dev/dm-0 / erofs");
}

#[test]
fn refuses_file_with_another_checksum() {
    let run = boot(signed(), &stranger());
    run.require("REFUSED    refused by policy (class pair, exit code 21)");
    run.require("stage      source (source-digest)");
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}

#[test]
fn refuses_file_of_a_stranger_whatever_its_checksum() {
    let run = boot(stranger(), &stranger());
    run.require("REFUSED    not authentic (class sig, exit code 22)");
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}
