// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot audit --root-hash= --usr-hash=`: a pin adds a demand, and replaces a signature only
//! where a policy file says that whoever pins is authenticated.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

use std::fs;
use std::process::Command;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::keys;

const SIGNED: &str = "image-policy = \"root=signed:=ignore\"\n";
const PINNABLE: &str =
    "image-policy = \"root=verity+signed:root-verity-sig=absent+unprotected:=ignore\"\n";
const AUTHENTICATED: &str = "[trust]\ncommand-line = \"authenticated\"\n";

/// Exit code and verdict on an image under a policy file.
fn audit(image: &Image, policy: &str, options: &[&str]) -> (i32, Value) {
    let anchors = keys::anchors(&[&keys::trusted()]);
    let place = tempfile::tempdir().unwrap();
    let (file, disk) = (place.path().join("site.toml"), place.path().join("image.raw"));
    fs::write(&file, policy).unwrap();
    fs::write(&disk, &image.bytes).unwrap();
    let program = env!("CARGO_BIN_EXE_veriroot");
    let output = Command::new(program)
        .args(["audit", "--json=short", "--quiet", "--architecture=x86-64"])
        .arg(format!("--policy-file={}", file.display()))
        .arg(format!("--certificate={}", anchors.path().display()))
        .args(options)
        .arg(&disk)
        .output()
        .unwrap();
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), verdict)
}

/// The verdict's last finding: id, and who demands it.
fn refusal(verdict: &Value) -> (Value, Value) {
    assert_eq!(verdict["verdict"], json!("refused"));
    let finding = verdict["findings"].as_array().unwrap().last().unwrap();
    (finding["id"].clone(), finding["required-by"].clone())
}

fn hex(image: &Image) -> String {
    HEXLOWER.encode(image.root_hash("root"))
}

#[test]
fn a_pin_adds_to_what_a_signature_proves() {
    let image = Ddi::builder().build();
    let right = hex(&image);
    let wrong = right.replace(|it: char| it == right.chars().next().unwrap(), "e");
    for policy in [SIGNED.to_owned(), format!("{SIGNED}{AUTHENTICATED}")] {
        let root_hash = format!("--root-hash={}", right.to_uppercase());
        let (code, verdict) = audit(&image, &policy, &[&root_hash]);
        assert_eq!((code, &verdict["partitions"][0]["root-hash"]), (0, &json!(right)));
        let (code, verdict) = audit(&image, &policy, &[&format!("--root-hash={wrong}")]);
        assert_eq!((code, &verdict["class"]), (21, &json!("pair")));
        let option = (json!("authenticate-pin"), json!("option --root-hash="));
        assert_eq!(refusal(&verdict), option);
        // The right hash for a partition that is not there.
        let (code, verdict) = audit(&image, &policy, &[&format!("--usr-hash={right}")]);
        assert_eq!((code, &verdict["class"]), (21, &json!("pair")));
        assert_eq!(refusal(&verdict).1, json!("option --usr-hash="));
    }
}

#[test]
fn a_pin_replaces_a_signature_only_by_policy() {
    let image = Ddi::builder().change("root", Volume::unsigned).build();
    let pin = format!("--root-hash={}", hex(&image));
    let authenticated = format!("{PINNABLE}{AUTHENTICATED}");
    let (code, verdict) = audit(&image, &authenticated, &[&pin]);
    assert_eq!((code, &verdict["partitions"][0]["root-hash"]), (0, &json!(hex(&image))));
    assert_eq!(verdict["partitions"][0]["signer"], json!(format!("pinned by {pin}")));
    let finding =
        |id| verdict["findings"].as_array().unwrap().iter().any(|it| it["id"] == json!(id));
    assert!(finding("authenticate-pin") && !finding("authenticate-signature"));
    for (policy, options) in
        [(PINNABLE, &[pin.as_str()][..]), (PINNABLE, &[]), (authenticated.as_str(), &[])]
    {
        let (code, verdict) = audit(&image, policy, options);
        assert_eq!((code, &verdict["class"]), (22, &json!("sig")), "{policy}");
        assert_eq!(refusal(&verdict).0, json!("authenticate-evidence"));
    }
    // A policy that demands a signature demands one.
    let (code, verdict) = audit(&image, &format!("{SIGNED}{AUTHENTICATED}"), &[&pin]);
    assert_eq!((code, &verdict["class"]), (21, &json!("policy")));
}

#[test]
fn a_pin_does_not_undo_a_revocation() {
    let image = Ddi::builder().change("root", Volume::unsigned).build();
    let revoking =
        |hash: &str| format!("{PINNABLE}{AUTHENTICATED}revoked = [\"root-hash:{hash}\"]\n");
    let pin = format!("--root-hash={}", hex(&image));
    assert_eq!(audit(&image, &revoking(&"ab".repeat(32)), &[&pin]).0, 0);
    let (code, verdict) = audit(&image, &revoking(&hex(&image)), &[&pin]);
    assert_eq!((code, &verdict["class"]), (22, &json!("revoked")));
    let (id, by) = refusal(&verdict);
    assert_eq!(id, json!("authenticate-revoked"));
    assert!(by.as_str().unwrap().ends_with("site.toml:4"), "{by}");
}

// SEL-08
#[test]
fn only_whole_root_hashes_are_pins() {
    let image = Ddi::builder().build();
    let right = hex(&image);
    assert_eq!(audit(&image, SIGNED, &[&format!("--root-hash={right}")]).0, 0);
    let wrong = [
        String::new(),
        right.split_at(32).0.to_owned(),
        right.split_at(62).0.to_owned(),
        right.split_at(63).0.to_owned(),
        format!("{right}00"),
        format!("0x{right}"),
        format!(" {right}"),
        "/etc/root.hash".to_owned(),
    ];
    for hash in wrong {
        let (code, verdict) = audit(&image, SIGNED, &[&format!("--root-hash={hash}")]);
        assert_eq!((code, verdict), (2, Value::Null), "{hash}");
    }
    // Of the other length, but whole: well formed, and of no image with SHA-256.
    let long = format!("--root-hash={}", right.repeat(2));
    assert_eq!(audit(&image, SIGNED, &[&long]).0, 21);
    let twice = format!("--root-hash={right}");
    assert_eq!(audit(&image, SIGNED, &[&twice, &twice]).0, 2);
}
