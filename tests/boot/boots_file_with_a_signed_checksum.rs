// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `verify=signature`, which holds where nothing is said: SHA256SUMS beside the image, signed by a key
//! of systemd's keyring. gpg made both; there is none in the initrd.

use veriroot_test_support::ddi::Image;
use veriroot_test_support::gpg::Gnupg;
use veriroot_test_support::guest::{self, Guest, Kernel, Run};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, signed, stranger};

/// Boots an image beside a list that `signer` signed; alice's key is in the keyring.
fn boot(image: Image, signer: &str) -> Run {
    let gnupg = Gnupg::new();
    for name in ["alice", "mallory"] {
        gnupg.key(name, "ed25519");
    }
    let sha256 = openssl::sha::sha256(&image.bytes);
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{hex}  image.raw\n");
    let (server, kernel) = (Server::of("/image.raw", image.bytes), Kernel::find());
    server.serve("/SHA256SUMS", list.as_bytes());
    server.serve("/SHA256SUMS.gpg", gnupg.detached(signer, list.as_bytes()));
    let words = guest::announced(&server, "/image.raw").replace("verify=no,", "");
    let initrd =
        initrd(&kernel).file("etc/systemd/import-pubring.pgp", gnupg.export(&["alice"])).build();
    Guest::new(&kernel, &initrd).boot(&words)
}

#[test]
fn boots_file_with_a_signed_checksum() {
    let run = boot(signed(), "alice");
    run.require("ROOT-UP");
    run.require("/dev/dm-0 / erofs");
}

#[test]
fn refuses_checksum_signed_by_a_stranger() {
    let run = boot(signed(), "mallory");
    run.require("REFUSED    not authentic (class sig, exit code 22)");
    run.require("stage      source (source-signature)");
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}

#[test]
fn refuses_image_of_a_stranger_however_it_came() {
    let run = boot(stranger(), "alice");
    run.require("REFUSED    not authentic (class sig, exit code 22)");
    run.require("stage      authenticate (authenticate-signature)");
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}
