// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot audit --class=`: an extension is judged by the policy and the keys of its class, as a
//! boot judges it, and what may be the system is not thereby an extension.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use veriroot_test_support::ddi::{Ddi, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar::{self, Member};

const RELEASE: &str = "lib/extension-release.d/extension-release.tools";

/// A key for one scope, and the policy of the classes.
fn policy(certificate: &str, scope: &str) -> String {
    format!(
        "image-policy = \"root=signed+absent:usr=signed+absent:=ignore\"\n\
         [extensions]\nsysext = \"usr=signed:=ignore\"\n[[trust.signer]]\n\
         certificate = \"{certificate}\"\ndesignators = [\"{scope}\"]\n"
    )
}

/// Exit code, and class and id of the refusal, of a file under a key of some scope.
fn audit(name: &str, bytes: &[u8], scope: &str, options: &[&str]) -> (i32, Value, Value) {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::write(path("key.crt"), keys::trusted().certificate_pem()).unwrap();
    fs::write(path("site.toml"), policy(&path("key.crt").display().to_string(), scope)).unwrap();
    fs::write(path(name), bytes).unwrap();
    fs::write(path(&format!("{name}.p7s")), Cms::detached(&keys::trusted(), bytes).build())
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["audit", "--json=short", "--quiet", "--architecture=x86-64"])
        .arg(format!("--policy-file={}", path("site.toml").display()))
        .arg(format!("--certificate={}", path("key.crt").display()))
        .args(options)
        .arg(path(name))
        .output()
        .unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let at = |pointer: &str| verdict.pointer(pointer).cloned().unwrap_or_default();
    let findings = at("/findings").as_array().map_or(0, Vec::len);
    let id = at(&format!("/findings/{}/id", findings.saturating_sub(1)));
    (output.status.code().unwrap(), at("/class"), id)
}

const SYSEXT: &str = "--class=sysext";

#[test]
fn an_image_is_judged_by_what_holds_for_its_class() {
    let tree = Erofs::new().file(RELEASE, 0o644, "ID=_any\n");
    let extension = Ddi::empty().volume("usr", Volume::new(tree.build())).build();
    let judge = |scope, options: &[&str]| audit("tools.raw", &extension.bytes, scope, options);
    assert_eq!(judge("sysext", &[SYSEXT]).0, 0);
    assert_eq!(judge("usr", &[]).0, 0);
    // A key for the system's usr signs no extension, and the other way round.
    let sig = json!("sig");
    assert_eq!((judge("usr", &[SYSEXT]).0, judge("usr", &[SYSEXT]).1), (22, sig.clone()));
    assert_eq!((judge("sysext", &[]).0, judge("sysext", &[]).1), (22, sig.clone()));
    assert_eq!(judge("sysext", &["--class=confext"]).1, sig);
}

#[test]
fn an_image_that_the_class_does_not_admit_is_refused() {
    let root = Ddi::builder().build();
    let judge = |options: &[&str]| audit("root.raw", &root.bytes, "sysext", options);
    let (code, class, _) = judge(&[SYSEXT]);
    assert_eq!((code, class), (21, json!("policy")));
    assert_eq!(audit("root.raw", &root.bytes, "root", &[]).0, 0);
}

#[test]
fn an_archive_is_signed_for_its_class_and_laid_out_as_it() {
    let extension = [Member::dir("usr"), Member::file("usr/tool", b"tool")];
    let system = tar::archive(&[Member::dir("etc"), Member::file("etc/os-release", b"ID=x")]);
    let judge = |bytes: &[u8], scope, options: &[&str]| audit("tools.tar", bytes, scope, options);
    let extension = tar::archive(&extension);
    assert_eq!(judge(&extension, "sysext", &[SYSEXT]).0, 0);
    assert_eq!(judge(&extension, "archive", &[]).0, 0);
    assert_eq!(judge(&extension, "archive", &[SYSEXT]).1, json!("sig"));
    assert_eq!(judge(&extension, "sysext", &[]).1, json!("sig"));
    // Neither usr nor opt is in it.
    let (code, _, id) = judge(&system, "sysext", &[SYSEXT]);
    assert_eq!((code, id), (20, json!("unpack-layout")));
    assert_eq!(judge(&system, "confext", &["--class=confext"]).0, 0);
}

#[test]
fn what_is_said_of_the_system_is_not_said_of_a_class() {
    let hash = "00".repeat(32);
    let (root, usr) = (format!("--root-hash={hash}"), format!("--usr-hash={hash}"));
    for option in ["--image-policy=usr=signed", "--image-filter=usr=x*", &root, &usr] {
        let (code, class, _) = audit("x.raw", b"", "root", &[SYSEXT, option]);
        // Not a verdict on the image: the words contradict each other.
        assert_eq!((code, class), (2, Value::Null), "{option}");
    }
    assert_eq!(audit("x.raw", b"", "root", &["--class=service"]).0, 2);
}
