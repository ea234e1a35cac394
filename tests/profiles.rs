// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the shipped profiles admit, and that they admit nothing else.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;

use veriroot::designator::PartitionDesignator;
use veriroot::image_policy::UseSet;
use veriroot::policy_file::{EffectivePolicy, OnRefusal, PolicyFile, Statements};

/// Profile, and the uses of every partition that may be more than ignored.
const PROFILES: [(&str, &[(&str, &str)]); 5] = [
    (
        "installer.toml",
        &[
            ("root", "signed"),
            ("esp", "unprotected"),
            ("root-verity", "unprotected"),
            ("root-verity-sig", "unprotected"),
        ],
    ),
    (
        "laboratory.toml",
        &[
            ("root", "signed+absent"),
            ("usr", "signed+absent"),
            ("root-verity", "unprotected+absent"),
            ("usr-verity", "unprotected+absent"),
            ("root-verity-sig", "unprotected+absent"),
            ("usr-verity-sig", "unprotected+absent"),
        ],
    ),
    (
        "netboot.toml",
        &[("root", "signed"), ("root-verity", "unprotected"), ("root-verity-sig", "unprotected")],
    ),
    (
        "usr-only.toml",
        &[("usr", "signed"), ("usr-verity", "unprotected"), ("usr-verity-sig", "unprotected")],
    ),
    (
        "usr-signed-root-plain.toml",
        &[
            ("root", "unprotected"),
            ("usr", "signed"),
            ("usr-verity", "unprotected"),
            ("usr-verity-sig", "unprotected"),
        ],
    ),
];

fn effective(name: &str) -> EffectivePolicy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy").join(name);
    let files = [PolicyFile::load(&path).unwrap()];
    EffectivePolicy::new(Statements { files: &files, ..Statements::default() }).unwrap()
}

#[test]
fn profiles_admit_what_is_written_here_and_nothing_else() {
    for (name, admitted) in PROFILES {
        let policy = effective(name);
        policy.bootable().unwrap();
        for designator in PartitionDesignator::ALL {
            let (rule, _) = policy.rule(designator);
            let expected = admitted.iter().find(|(it, _)| *it == designator.name());
            let expected = expected.map_or("unused+absent", |(_, uses)| uses);
            assert_eq!(rule.uses.to_string(), expected, "{name}: {designator}");
        }
    }
}

#[test]
fn every_profile_is_named_here() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
    let mut names: Vec<_> = veriroot::listing::names(&directory)
        .unwrap()
        .map(|it| it.unwrap().into_string().unwrap())
        .filter(|it| it != "README.md")
        .collect();
    names.sort();
    assert_eq!(names, PROFILES.map(|(name, _)| name));
}

#[test]
fn only_the_laboratory_opens_a_shell() {
    for (name, _) in PROFILES {
        let shell = effective(name).boot().on_refusal.value == OnRefusal::DangerShell;
        assert_eq!(shell, name == "laboratory.toml", "{name}");
    }
}

#[test]
fn the_netboot_profile_is_the_built_in_policy() {
    let built_in = EffectivePolicy::new(Statements::default()).unwrap();
    assert_eq!(effective("netboot.toml").image_policy(), built_in.image_policy());
    assert!(!built_in.rule(PartitionDesignator::Home).0.uses.may_be_used());
    assert_eq!(built_in.rule(PartitionDesignator::Usr).0.uses, UseSet::ignore());
}
