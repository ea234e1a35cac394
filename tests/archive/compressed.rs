// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Compressed archives: one whole stream, whatever its first bytes look like.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar::{self, Member};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .args(["-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout
    })
}

/// An archive whose first file begins as a partition table that ends where the archive does.
fn like_an_image() -> Vec<u8> {
    let packed = |sectors: u64| {
        let mut body = vec![0; 512];
        body[..8].copy_from_slice(b"EFI PART");
        body[32..40].copy_from_slice(&(sectors - 1).to_le_bytes());
        tar::archive(&[Member::file("first", &body)])
    };
    let sectors = packed(1).len() / 512;
    packed(sectors as u64)
}

/// Exit code and last finding for an archive that a trust anchor signed as it is.
fn audited(bytes: &[u8]) -> (i32, Value) {
    let (place, anchors) = (tempfile::tempdir().unwrap(), keys::anchors(&[&keys::trusted()]));
    let archive = place.path().join("tree.tar.gz");
    fs::write(&archive, bytes).unwrap();
    let signature = Cms::detached(&keys::trusted(), bytes).build();
    fs::write(place.path().join("tree.tar.gz.p7s"), signature).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["audit", "--json=short", "--certificate"])
        .arg(anchors.path())
        .arg(&archive)
        .output()
        .unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let last = verdict["findings"].as_array().unwrap().last().unwrap().clone();
    (output.status.code().unwrap(), last["id"].clone())
}

#[test]
fn an_archive_is_read_to_its_end_though_it_begins_like_an_image() {
    let tree = like_an_image();
    let plain = tar::archive(&[Member::file("first", &[1; 512])]);
    for archive in [&plain, &tree] {
        let whole = gzip(archive);
        assert_eq!(audited(&whole).0, 0);
        let mut sum = whole.clone();
        let at = sum.len() - 8;
        sum[at] ^= 1;
        for (what, bytes) in [
            ("cut", whole[..whole.len() - 1].to_vec()),
            ("wrong sum", sum),
            ("garbage behind", [&whole[..], b"garbage"].concat()),
            ("a second stream", [&whole[..], &gzip(&plain)].concat()),
        ] {
            assert_eq!(audited(&bytes), (20, json!("source-decode")), "{what}");
        }
        // One sound stream of more than the archive.
        for behind in [&plain[..], &[7; 512]] {
            let (code, id) = audited(&gzip(&[&archive[..], behind].concat()));
            assert_eq!((code, id), (20, json!("unpack-entry")));
        }
    }
}
