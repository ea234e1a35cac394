// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot dissect`: exit codes, the documented JSON, and layouts held against policies.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

use std::process::Command;

use serde_json::{Value, json};
use veriroot_test_support::ddi::{Arch, Ddi, Image, NO_AUTO, Volume};
use veriroot_test_support::erofs::Erofs;

/// Exit code and stdout.
fn dissect(bytes: &[u8], arguments: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.raw");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["dissect", "--architecture=x86-64"])
        .args(arguments)
        .arg(&path)
        .env_remove("LANG")
        .env_remove("LC_ALL")
        .env_remove("LC_CTYPE")
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Exit code and the finding that refuses.
fn judged(bytes: &[u8], arguments: &[&str]) -> (i32, Value) {
    let (code, text) = dissect(bytes, &[arguments, &["--json=short"]].concat());
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["authenticated"], json!(false));
    assert_eq!(shown["exit-code"], json!(code));
    (code, shown)
}

fn refusal(image: &Image, policy: &str) -> String {
    let (code, shown) = judged(&image.bytes, &[&format!("--image-policy={policy}")]);
    assert_eq!((code, &shown["layout-admitted"]), (21, &json!(false)), "{policy}: {shown}");
    shown["refusal"]["id"].as_str().unwrap().to_owned()
}

fn admitted(image: &Image, policy: &str) {
    let (code, shown) = judged(&image.bytes, &[&format!("--image-policy={policy}")]);
    assert_eq!((code, &shown["layout-admitted"]), (0, &json!(true)), "{policy}: {shown}");
}

fn luks() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    bytes[..8].copy_from_slice(b"LUKS\xBA\xBE\x00\x02");
    bytes
}

#[test]
fn the_json_is_the_documented_one() {
    let image = Ddi::builder().build();
    let (code, shown) = judged(&image.bytes, &[]);
    assert_eq!(code, 0);
    assert_eq!(shown["layout-admitted"], Value::Null);
    let root = image.entry("root");
    assert_eq!(
        shown["partitions"][0],
        json!({
            "number": 1,
            "designator": "root",
            "architecture": "x86-64",
            "uuid": root.guid.to_string(),
            "label": "root-x86-64",
            "type-uuid": root.type_guid.to_string(),
            "start": root.first_lba.checked_mul(512),
            "size": image.range("root").len(),
            "filesystem": "erofs",
            "read-only": true,
            "growfs": false,
            "verity": { "data": 1, "hash": 2, "signature": 3 },
            "note": null,
        })
    );
}

#[test]
fn the_table_shows_the_pairing_and_says_that_it_is_unauthenticated() {
    let (code, text) = dissect(&Ddi::builder().build().bytes, &[]);
    assert_eq!(code, 0);
    for line in ["unauthenticated", "erofs, tree 2, sig 3", "hash tree of 1", "signature of 1"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
}

#[test]
fn each_kind_of_trouble_has_its_exit_code() {
    let image = Ddi::builder().build().bytes;
    assert_eq!(judged(&image, &["--image-policy=root=signed"]).0, 0);
    assert_eq!(judged(&image, &["--image-policy=root=bogus"]).0, 2);
    assert_eq!(judged(&image, &["--image-policy=root=absent"]).0, 21);
    assert_eq!(judged(&image[..image.len() - 512], &[]).0, 20);
    assert_eq!(dissect(&image, &["--image-filter=root=[a"]).0, 2);
}

#[test]
fn a_file_system_without_a_table_is_a_root_that_only_an_open_policy_admits() {
    let bare = Erofs::root_tree(4096).build();
    let (code, shown) = judged(&bare, &["--image-policy=root=unprotected:=ignore"]);
    assert_eq!((code, &shown["partitions"][0]["number"]), (0, &Value::Null));
    assert_eq!(shown["partitions"][0]["filesystem"], json!("erofs"));
    let (code, shown) = judged(&bare, &["--image-policy=root=signed"]);
    assert_eq!((code, &shown["refusal"]["id"]), (21, &json!("policy-layout")));
    assert_eq!(judged(&luks(), &["--image-policy=root=unprotected:=ignore"]).0, 21);
    assert_eq!(judged(&[0; 4096], &[]).0, 20);
    let mut with_old_table = bare.clone();
    with_old_table[450] = 0x83;
    with_old_table[510..512].copy_from_slice(&[0x55, 0xAA]);
    assert_eq!(judged(&with_old_table, &[]).1["refusal"]["id"], json!("dissect-gpt"));
    let backup_alone = Ddi::builder().build().edit_gpt(|gpt| gpt.primary.signature = [0; 8]);
    let (code, shown) = judged(&backup_alone.bytes, &[]);
    assert_eq!((code, &shown["refusal"]["id"]), (20, &json!("dissect-gpt")));
    assert!(shown["refusal"]["found"].as_str().unwrap().contains("backup header"), "{shown}");
}

#[test]
fn a_filter_takes_candidates_away_and_nothing_else() {
    let image = Ddi::builder().build().relabel("root", "v_1");
    let newer = image.entry("root").clone();
    let image = image.add_partition("root", Arch::X86_64, &Erofs::root_tree(4096).build());
    let number = image.gpt.entries.iter().filter(|it| it.is_used()).count().to_string();
    let image = image.relabel(&number, "v_2");
    assert_eq!(newer.label(), "v_1");
    // The newest has no hash tree; the one that has is the only one that the filter leaves.
    let policy = "--image-policy=root=signed:=ignore";
    assert_eq!(judged(&image.bytes, &[policy]).0, 21);
    assert_eq!(judged(&image.bytes, &[policy, "--image-filter=root=v_1"]).0, 0);
    let (code, shown) = judged(&image.bytes, &[policy, "--image-filter=root=v_3"]);
    assert_eq!((code, &shown["partitions"][0]["note"]), (21, &json!("filtered out")));
}

#[test]
fn encrypted_partitions_are_recognised_and_never_used() {
    let image = Ddi::builder().partition("home", luks()).build();
    admitted(&image, "root=signed:=ignore");
    for home in ["unprotected", "encrypted", "open"] {
        assert_eq!(refusal(&image, &format!("root=signed:home={home}:=ignore")), "policy-layout");
    }
    let plain = Ddi::builder().partition("home", Erofs::usr_tree(4096).build()).build();
    admitted(&plain, "root=signed:home=unprotected:=ignore");
    assert_eq!(refusal(&plain, "root=signed:home=encrypted:=ignore"), "policy-layout");
}

#[test]
fn file_systems_are_held_against_the_policy() {
    let image = Ddi::builder().partition("esp", Erofs::usr_tree(4096).build()).build();
    admitted(&image, "root=signed+erofs:=ignore");
    assert_eq!(refusal(&image, "root=signed+ext4:=ignore"), "policy-filesystem");
    assert_eq!(refusal(&image, "root=signed:esp=unprotected:=ignore"), "policy-filesystem");
}

#[test]
fn partitions_that_do_not_go_together_are_refused() {
    let usr = || Volume::new(Erofs::usr_tree(4096).build());
    let two = Ddi::builder().volume("usr", usr()).build();
    admitted(&two, "root=signed:=ignore");
    admitted(&two, "usr=signed:=ignore");
    assert_eq!(refusal(&two, "root=signed:usr=signed:=ignore"), "policy-discord");
    let plain_usr = Ddi::builder().volume("usr", usr().plain()).build();
    assert_eq!(refusal(&plain_usr, "root=signed:usr=unprotected:=ignore"), "policy-discord");
    let image = Ddi::builder().build();
    assert_eq!(refusal(&image, "root=ignore:=open"), "policy-discord");
    let plain_root = Ddi::builder().change("root", Volume::plain).volume("usr", usr()).build();
    admitted(&plain_root, "root=unprotected:usr=signed:=ignore");
}

#[test]
fn another_machines_partitions_are_there_and_not_usable() {
    let image = Ddi::builder().arch(Arch::Arm64).build();
    assert_eq!(refusal(&image, "root=signed:=ignore"), "policy-group");
    assert_eq!(refusal(&image, "root=absent:=open"), "policy-layout");
    let idle = Ddi::builder().build().set_attributes("root", NO_AUTO);
    assert_eq!(refusal(&idle, "root=signed:=ignore"), "policy-layout");
}
