// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot doctor --root=`: an initrd that has everything, and the same one less one thing.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that panics fails, which is what a test is for"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use veriroot_test_support::fixture;

/// A tree that is ready: systemd in it, veriroot beside it.
fn tree() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, content: &[u8]| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    for name in ["loop", "dm-mod", "dm-verity", "erofs", "squashfs", "ext4", "xfs", "btrfs"] {
        file(&format!("usr/lib/modules/1/{name}.ko"), b"");
    }
    file("usr/bin/veriroot", b"");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    for library in maps.lines().filter_map(|it| it.rsplit('/').next()) {
        if library.contains(".so") {
            file(&format!("usr/lib/x86_64-linux-gnu/{library}"), b"");
        }
    }
    // The program loads these two beside what a test does.
    file("usr/lib/x86_64-linux-gnu/libssl.so.3", b"");
    file("usr/lib/x86_64-linux-gnu/libcrypto.so.3", b"");
    file("etc/verity.d/trusted.crt", &fixture("trusted.crt"));
    file("etc/veriroot/policy.d/netboot.toml", b"image-policy = \"root=signed:=ignore\"\n");
    file("etc/ssl/certs/ca-certificates.crt", b"");
    file("usr/lib/systemd/systemd", b"");
    file("usr/lib/systemd/systemd-udevd", b"");
    file("usr/lib/systemd/system-generators/veriroot-generator", b"");
    file("usr/lib/systemd/system/veriroot-boot.service", b"");
    file("usr/lib/systemd/system-generators/systemd-import-generator", b"ELF");
    file("usr/lib/udev/rules.d/65-veriroot.rules", b"");
    let masks = root.path().join("etc/systemd/system-generators");
    fs::create_dir_all(&masks).unwrap();
    symlink("/dev/null", masks.join("systemd-import-generator")).unwrap();
    fs::create_dir(root.path().join("sysroot")).unwrap();
    root
}

fn doctor(root: &Path, more: &[&str]) -> (i32, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .arg("doctor")
        .arg(format!("--root={}", root.display()))
        .args(more)
        .output()
        .unwrap();
    assert!(ran.stderr.is_empty(), "{ran:?}");
    (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn an_initrd_that_has_everything_is_ready() {
    let root = tree();
    let (code, text) = doctor(root.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("READY      0 missing, 0 worth a look\n"), "{text}");
    assert!(text.lines().all(|it| it.len() <= 80), "{text}");
}

#[test]
fn what_every_boot_needs_is_missed_by_its_id() {
    for (path, id) in [
        ("usr/lib/modules/1/dm-verity.ko", "kernel-module"),
        ("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "program-libraries"),
        ("usr/bin/veriroot", "program"),
        ("etc/verity.d/trusted.crt", "trust-anchors"),
        ("etc/systemd/system-generators/systemd-import-generator", "systemd-rivals"),
        ("usr/lib/systemd/system-generators/veriroot-generator", "systemd-generator"),
        ("usr/lib/systemd/system/veriroot-boot.service", "systemd-unit"),
        ("sysroot", "sysroot"),
    ] {
        let root = tree();
        let gone = root.path().join(path);
        if gone.is_dir() {
            fs::remove_dir(gone).unwrap()
        } else {
            fs::remove_file(gone).unwrap()
        }
        let (code, text) = doctor(root.path(), &["--json=short"]);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &json["ready"]), (2, &Value::Bool(false)), "{path}: {text}");
        let symptoms = json["symptoms"].as_array().unwrap();
        let missing: Vec<_> = symptoms.iter().filter(|it| it["state"] == "missing").collect();
        assert_eq!(missing.len(), 1, "{path}: {text}");
        assert_eq!(missing[0]["id"], id, "{path}: {text}");
        assert_ne!(missing[0]["advice"], "", "{path}");
    }
}

#[test]
fn what_some_boots_need_is_a_warning() {
    for (path, id) in [
        ("usr/lib/modules/1/xfs.ko", "kernel-filesystem"),
        ("etc/ssl/certs/ca-certificates.crt", "tls-roots"),
        ("usr/lib/udev/rules.d/65-veriroot.rules", "udev-rules"),
    ] {
        let root = tree();
        fs::remove_file(root.path().join(path)).unwrap();
        let (code, text) = doctor(root.path(), &[]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains(&format!("warning    {id}: ")), "{text}");
    }
}

#[test]
fn a_policy_file_that_is_wrong_is_missed() {
    let root = tree();
    let policy = root.path().join("etc/veriroot/policy.d/netboot.toml");
    fs::write(&policy, "image-polcy = \"root=signed\"\n").unwrap();
    let (code, text) = doctor(root.path(), &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("missing    policy-files: "), "{text}");
    // https alone, and no roots to judge it by.
    fs::write(&policy, "[transport]\nplain-http = false\n").unwrap();
    fs::remove_file(root.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let (code, text) = doctor(root.path(), &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("missing    tls-roots: "), "{text}");
}
