// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every combination of use flags, in every place a clause can have, against every state a
//! partition can be found in.
//!
//! The expectations are worked out here from systemd.image-policy(7) alone, on sets of names, and
//! share nothing with the library. What an image can be is found by trying all of them.

use std::collections::BTreeSet;

use veriroot::designator::PartitionDesignator;
use veriroot::image_policy::{Fault, Flag, ImagePolicy, Use, UseSet};

type Names = BTreeSet<&'static str>;

const FLAGS: [&str; 7] =
    ["verity", "signed", "encrypted", "encryptedwithintegrity", "unprotected", "unused", "absent"];

const DESIGNATORS: [&str; 13] = [
    "root",
    "usr",
    "home",
    "srv",
    "esp",
    "xbootldr",
    "swap",
    "root-verity",
    "usr-verity",
    "root-verity-sig",
    "usr-verity-sig",
    "tmp",
    "var",
];

/// What a partition may turn out to be, as the flags each state can pass for.
const FOUND: [&[&str]; 9] = [
    &["absent"],
    &["unused"],
    &["unprotected"],
    &["unprotected", "unused"],
    &["unprotected", "unused", "verity"],
    &["unprotected", "unused", "verity", "signed"],
    &["encrypted", "unused"],
    &["encrypted", "encryptedwithintegrity", "unused"],
    &["encrypted", "unused", "verity", "signed"],
];

/// A policy as a list of clauses; the empty name is the default.
type Clauses = [(&'static str, Names)];

fn flags_of(clauses: &Clauses, designator: &'static str) -> Names {
    let named = |name| clauses.iter().find(|(it, _)| *it == name).map(|(_, flags)| flags.clone());
    let raw = named(designator).or_else(|| {
        let (data, needs): (_, &[&str]) = match designator {
            "root-verity" => ("root", &["verity", "signed"]),
            "usr-verity" => ("usr", &["verity", "signed"]),
            "root-verity-sig" => ("root", &["signed"]),
            "usr-verity-sig" => ("usr", &["signed"]),
            _ => return None,
        };
        let data = named(data)?;
        let idle = data.iter().copied().filter(|it| matches!(*it, "unused" | "absent"));
        needs.iter().any(|it| data.contains(it)).then(|| idle.chain(["unprotected"]).collect())
    });
    let mut flags = raw.or_else(|| named("")).unwrap_or_else(|| ["unused", "absent"].into());
    match designator {
        "root" | "usr" => {}
        _ if designator.contains("-verity") => {
            flags.retain(|it| matches!(*it, "unprotected" | "unused" | "absent"));
        }
        _ => flags.retain(|it| !matches!(*it, "verity" | "signed")),
    }
    flags
}

/// Whether any image at all meets the clauses.
fn some_image_meets(clauses: &Clauses) -> bool {
    let may_be_something = |it: &&'static str| !flags_of(clauses, it).is_empty();
    DESIGNATORS.iter().all(may_be_something)
        && some_triple_meets(clauses, ["root", "root-verity", "root-verity-sig"])
        && some_triple_meets(clauses, ["usr", "usr-verity", "usr-verity-sig"])
}

/// Tries every way in which data, hash tree and signature can be there and be used.
fn some_triple_meets(clauses: &Clauses, names: [&'static str; 3]) -> bool {
    let [data, hash, signature] = names.map(|it| flags_of(clauses, it));
    FLAGS.iter().any(|data_as| {
        ["unprotected", "unused", "absent"].iter().any(|hash_as| {
            ["unprotected", "unused", "absent"].iter().any(|signature_as| {
                let data_used = !matches!(*data_as, "unused" | "absent");
                let hash_used = *hash_as == "unprotected";
                let signature_used = *signature_as == "unprotected";
                let sound = match *data_as {
                    "verity" => hash_used,
                    "signed" => hash_used && signature_used,
                    _ => true,
                };
                let orphan = (hash_used && !data_used) || (signature_used && !hash_used);
                let meets = data.contains(data_as)
                    && hash.contains(hash_as)
                    && signature.contains(signature_as);
                sound && !orphan && meets
            })
        })
    })
}

fn text_of(clauses: &Clauses) -> String {
    let clause = |(name, flags): &(&str, Names)| {
        format!("{name}={}", flags.iter().copied().collect::<Vec<_>>().join("+"))
    };
    clauses.iter().map(clause).collect::<Vec<_>>().join(":")
}

fn set_of(names: &Names) -> UseSet {
    Use::ALL.iter().copied().filter(|it| names.contains(it.name())).collect()
}

/// Compares one policy in full; says whether it was accepted.
fn compare(clauses: &Clauses) -> bool {
    let text = text_of(clauses);
    let policy = match ImagePolicy::parse(&text) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(matches!(error.fault, Fault::Impossible(_)), "{text}: {error}");
            assert!(!some_image_meets(clauses), "{text}: some image meets it");
            return false;
        }
    };
    assert!(some_image_meets(clauses), "{text}: no image meets it");
    for name in DESIGNATORS {
        let expected = flags_of(clauses, name);
        let rule = policy.rule(PartitionDesignator::from_name(name).unwrap());
        for state in FOUND {
            let found: Names = state.iter().copied().collect();
            let both: Names = expected.intersection(&found).copied().collect();
            assert_eq!(rule.admitted(set_of(&found)), set_of(&both), "{text}: {name} {state:?}");
        }
    }
    true
}

fn combinations() -> impl Iterator<Item = Names> {
    (1_u32..128).map(|bits| {
        let said = |(index, _): &(usize, &&str)| bits & (1 << index) != 0;
        FLAGS.iter().enumerate().filter(said).map(|(_, name)| *name).collect()
    })
}

#[test]
fn every_combination_of_flags_means_what_the_manual_says() {
    let ignore: Names = ["unused", "absent"].into();
    let (mut accepted, mut refused) = (0, 0);
    let mut count =
        |clauses: &Clauses| *if compare(clauses) { &mut accepted } else { &mut refused } += 1;
    for flags in combinations() {
        for name in DESIGNATORS {
            count(&[(name, flags.clone())]);
            count(&[(name, flags.clone()), ("", ["absent"].into())]);
            count(&[(name, flags.clone()), ("", FLAGS.into())]);
        }
        count(&[("", flags.clone())]);
        count(&[("root", ["signed"].into()), ("", flags.clone())]);
        count(&[("usr", ignore.clone()), ("", flags)]);
    }
    assert_eq!(accepted + refused, 127 * (13 * 3 + 3));
    assert!(accepted > 1000 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn data_hash_tree_and_signature_meet_their_rules_together() {
    let parts: [Names; 5] = [
        ["unprotected"].into(),
        ["absent"].into(),
        ["unused", "absent"].into(),
        ["unprotected", "absent"].into(),
        ["verity", "unused"].into(),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for data in combinations() {
        for hash in &parts {
            for signature in &parts {
                let clauses = [
                    ("usr", data.clone()),
                    ("usr-verity", hash.clone()),
                    ("usr-verity-sig", signature.clone()),
                ];
                *if compare(&clauses) { &mut accepted } else { &mut refused } += 1;
            }
        }
    }
    assert_eq!((accepted, refused), (2725, 450));
}
