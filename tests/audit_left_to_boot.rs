// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What only a boot can hold against an image: an audit is no weaker for it, and says so.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

use std::process::Command;

use serde_json::{Value, json};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::fixture_path;

/// Exit code and verdict under a policy file of that text.
fn audit(fixture: &str, policy: &str) -> (i32, Value) {
    let dir = tempfile::tempdir().unwrap();
    let (image, file) = (dir.path().join("image.raw"), dir.path().join("policy.toml"));
    Image::from_zst_fixture(fixture).write_to(&image);
    std::fs::write(&file, policy).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["audit", "--json=short", "--architecture=x86-64"])
        .arg(format!("--policy-file={}", file.display()))
        .arg(format!("--certificate={}", fixture_path("trusted.crt").display()))
        .arg(&image)
        .output()
        .unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Id and who demands it, of every finding that is only noted.
fn noted(verdict: &Value) -> Vec<(Value, String)> {
    let findings = verdict["findings"].as_array().unwrap().iter();
    let line = |text: &Value| text.as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    findings
        .filter(|it| it["outcome"] == "noted")
        .map(|it| (it["id"].clone(), line(&it["required-by"])))
        .collect()
}

#[test]
fn demands_that_need_a_boot_are_noted() {
    let policy = "[trust]\nkernel-keyring = \"require\"\nminimum-version = \"99\"\n";
    let (code, verdict) = audit("boot-signed", policy);
    assert_eq!((code, &verdict["verdict"]), (0, &json!("accepted")), "{verdict}");
    let expected = [
        (json!("verity-kernel-keyring"), "2".to_owned()),
        (json!("expose-version"), "3".to_owned()),
    ];
    assert_eq!(noted(&verdict), expected);
}

#[test]
fn an_audit_without_such_demands_notes_nothing() {
    let (code, verdict) = audit("boot-signed", "[trust]\nkernel-keyring = \"off\"\n");
    assert_eq!(code, 0, "{verdict}");
    assert_eq!(noted(&verdict), []);
}

#[test]
fn noting_them_makes_no_stranger_welcome() {
    let (code, verdict) = audit("boot-stranger", "[trust]\nkernel-keyring = \"require\"\n");
    assert_eq!((code, &verdict["class"]), (22, &json!("sig")), "{verdict}");
}
