// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A file system without a table, and beside it the root hash, the signature and the hash tree of the
//! signed image that it was taken from.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails, which is what a test is for"
)]

use data_encoding::{BASE64, HEXLOWER};
use veriroot_test_support::guest::{self, Guest, Kernel, Run};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, signed};

/// Boots it with a tree that `change` was done to.
fn boot(change: impl FnOnce(&mut [u8])) -> Run {
    let image = signed();
    let json = image.content("root-verity-sig");
    let end = json.iter().position(|byte| *byte == 0).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json[..end]).unwrap();
    let der = BASE64.decode(json["signature"].as_str().unwrap().as_bytes()).unwrap();
    let mut tree = image.content("root-verity").to_vec();
    change(&mut tree);
    let (server, kernel) = (Server::of("/image.raw", image.content("root")), Kernel::find());
    server.serve("/image.roothash", HEXLOWER.encode(image.root_hash("root")).as_bytes());
    server.serve("/image.roothash.p7s", der);
    server.serve("/image.verity", tree);
    let words = guest::announced(&server, "/image.raw")
        .replace("root=/dev/disk/by-loop-ref/image.raw-part2", "root=dissect");
    Guest::new(&kernel, &initrd(&kernel).build()).boot(&words)
}

#[test]
fn boots_file_system_with_files_beside_it() {
    let run = boot(|_| {});
    run.require("ROOT-UP");
    run.require("/dev/dm-0 / erofs");
}

#[test]
fn refuses_a_tree_that_is_not_that_of_the_root_hash() {
    let run = boot(|tree| tree[4096] ^= 1);
    run.require("REFUSED    not authentic (class verity, exit code 22)");
    run.require("stage      fetch (fetch-tree)");
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}
