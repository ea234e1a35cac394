// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The verdict on every image that the tools of the field made.

use crate::program::{SIGNED, audit};

const USR: &str = "--image-policy=usr=signed:=ignore";

#[track_caller]
fn accepted(fixture: &str, arguments: &[&str]) {
    let ran = audit(fixture, arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let json = ran.json();
    assert!(json.get("class").is_none());
    let findings = json["findings"].as_array().unwrap();
    // A usr without a root is noted: a boot of this version does not expose it.
    let as_it_should = |it: &serde_json::Value| {
        it["outcome"] == "passed" || (it["outcome"] == "noted" && it["id"] == "expose-root")
    };
    assert!(findings.iter().all(as_it_should), "{findings:?}");
    for partition in json["partitions"].as_array().unwrap() {
        assert!(partition["blocks-verified"].as_u64().unwrap() > 0, "{partition}");
        assert_eq!(partition["root-hash"].as_str().unwrap().len(), 64);
        assert!(partition["signer"].as_str().unwrap().starts_with("signed by "));
    }
}

#[track_caller]
fn refused(fixture: &str, arguments: &[&str], (code, class): (i32, &str)) {
    let ran = audit(fixture, arguments);
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.json()["class"], class, "{ran:?}");
    assert!(ran.refusal()["advice"].as_str().is_some_and(|it| !it.is_empty()), "{ran:?}");
}

macro_rules! verdicts {
    ($($name:ident: $judge:ident($fixture:literal, $arguments:expr $(, $expected:expr)?);)*) => {
        $(#[test] fn $name() { $judge($fixture, &$arguments $(, $expected)?) })*
    };
}

const POLICY: (i32, &str) = (21, "policy");
const SIG: (i32, &str) = (22, "sig");

verdicts! {
    accepts_erofs: accepted("root-erofs-signed", [SIGNED]);
    accepts_squashfs: accepted("root-squashfs-signed", [SIGNED]);
    accepts_ext4: accepted("root-ext4-signed", [SIGNED]);
    accepts_btrfs: accepted("root-btrfs-signed", [SIGNED]);
    accepts_xfs: accepted("root-xfs-signed", [SIGNED]);
    accepts_signature_first: accepted("root-erofs-signed-sigfirst", [SIGNED]);
    accepts_sectors_of_4096_bytes: accepted("root-erofs-4k-sectors", [SIGNED]);
    accepts_versioned_root_beside_empty_slot: accepted("root-ab-versions", [SIGNED]);
    accepts_signed_root_of_full_house: accepted("full-house", [SIGNED]);
    accepts_bootable_image: accepted("boot-signed", [SIGNED]);
    accepts_arm64_for_arm64: accepted("root-erofs-arm64", [SIGNED, "--architecture=arm64"]);
    accepts_usr_where_usr_is_wanted: accepted("usr-erofs-signed", [USR]);
    accepts_usr_beside_plain_root_where_usr_is_wanted: accepted("usr-signed-root-plain", [USR]);

    refuses_root_and_usr_of_full_house_together:
        refused("full-house", ["--image-policy=root=signed:usr=signed:=ignore"], (21, "pair"));
    refuses_unsigned_tree: refused("root-erofs-verity-unsigned", [SIGNED], POLICY);
    refuses_plain_root: refused("root-erofs-plain", [SIGNED], POLICY);
    refuses_usr_alone: refused("usr-erofs-signed", [SIGNED], POLICY);
    refuses_plain_root_beside_signed_usr: refused("usr-signed-root-plain", [SIGNED], POLICY);
    refuses_esp_only: refused("esp-only", [SIGNED], POLICY);
    refuses_generic_data: refused("generic-data", [SIGNED], POLICY);
    refuses_root_where_usr_is_wanted: refused("root-erofs-signed", [USR], POLICY);
    refuses_stranger: refused("root-erofs-stranger", [SIGNED], SIG);
    refuses_second_key: refused("root-erofs-second-key", [SIGNED], SIG);
    refuses_bootable_image_by_stranger: refused("boot-stranger", [SIGNED], SIG);
}

#[test]
fn refuses_arm64_for_another_machine_and_names_it() {
    let ran = audit("root-erofs-arm64", &[SIGNED, "--architecture=x86-64"]);
    assert_eq!(ran.code, 21, "{ran:?}");
    assert!(ran.refusal()["found"].as_str().unwrap().contains("arm64"), "{ran:?}");
}
