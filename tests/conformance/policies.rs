// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Image policies as systemd-analyze 262 reads them, beside ours.

use std::collections::BTreeMap;

use serde::Deserialize;
use veriroot::designator::PartitionDesignator;
use veriroot::image_policy::{
    Fault, FileSystemSet, FlagSet, ImagePolicy, ParseError, Rule, Switch, SwitchSet,
    SystemdReading, UseSet,
};

/// What systemd-analyze printed. It leaves the long form out where the short one is the same.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    policy: String,
    ok: bool,
    long: Option<String>,
    table: Option<BTreeMap<String, [String; 4]>>,
    error: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    let all: Vec<Recorded> = include_str!("policies.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(all.len(), 147);
    all
}

/// Policy, our fault, reason.
fn differences() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let mut table = BTreeMap::new();
    for line in include_str!("differences.tsv").lines().filter(|line| !line.starts_with('#')) {
        let [policy, fault, reason] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        assert!(reason.len() > 10, "{policy}: no reason");
        assert_eq!(table.insert(policy, (fault, reason)), None, "{policy} twice");
    }
    table
}

#[test]
fn the_lenient_reading_is_systemds() {
    for it in recorded() {
        match SystemdReading::parse(&it.policy) {
            Ok(reading) => {
                assert!(it.ok, "{:?}: systemd refuses it: {:?}", it.policy, it.error);
                assert_eq!(table_of(&reading), it.table.unwrap(), "{:?}", it.policy);
                match it.long {
                    Some(long) => {
                        assert_eq!(reading.long(), long, "{:?}", it.policy);
                        assert_ne!(reading.short(), long, "{:?}", it.policy);
                    }
                    None => assert_eq!(reading.short(), reading.long(), "{:?}", it.policy),
                }
            }
            Err(error) => {
                assert!(!it.ok, "{:?}: systemd takes it, we say: {error}", it.policy);
                let said = it.error.unwrap();
                if !said.starts_with("unrecognized option") {
                    assert_eq!(errno_text(&error), said, "{:?}", it.policy);
                }
            }
        }
    }
}

#[test]
fn our_reading_differs_only_where_the_table_says_so() {
    let mut known = differences();
    let mut unknown = Vec::new();
    for it in recorded() {
        let ours = ImagePolicy::parse(&it.policy);
        let difference = known.remove(it.policy.as_str());
        match (ours, it.ok, difference) {
            (Ok(policy), true, None) => {
                assert_eq!(rules_of(|it| policy.rule(it)), rules_of_table(&it), "{:?}", it.policy);
                if let Some(long) = it.long {
                    assert_eq!(policy.long(), long, "{:?}", it.policy);
                }
            }
            (Err(_), false, None) => {}
            (Err(error), true, Some((fault, _))) => {
                assert_eq!(name_of(&error.fault), fault, "{:?}", it.policy);
            }
            (Err(error), true, None) => {
                unknown.push(format!("{}\t{}\t{error}", it.policy, name_of(&error.fault)));
            }
            (Ok(_), false, _) => panic!("{:?}: looser than systemd", it.policy),
            (_, _, Some(_)) => panic!("{:?}: a known difference that is none", it.policy),
        }
    }
    assert!(unknown.is_empty(), "unknown differences:\n{}", unknown.join("\n"));
    assert!(known.is_empty(), "not among the recorded policies: {known:?}");
}

fn table_of(reading: &SystemdReading) -> BTreeMap<String, [String; 4]> {
    let mut table: BTreeMap<_, _> = PartitionDesignator::ALL
        .into_iter()
        .map(|it| (it.name().to_owned(), row(reading.rule(it))))
        .collect();
    table.insert("default".to_owned(), row(reading.default_clause()));
    table
}

fn rules_of(rule: impl Fn(PartitionDesignator) -> Rule) -> Vec<[String; 4]> {
    PartitionDesignator::ALL.into_iter().map(|it| row(rule(it))).collect()
}

fn rules_of_table(it: &Recorded) -> Vec<[String; 4]> {
    let table = it.table.as_ref().unwrap();
    PartitionDesignator::ALL.into_iter().map(|it| table[it.name()].clone()).collect()
}

fn row(rule: Rule) -> [String; 4] {
    let uses = match rule.uses {
        uses if uses == UseSet::open() => "open".to_owned(),
        uses if uses == UseSet::ignore() => "ignore".to_owned(),
        uses => uses.to_string(),
    };
    let filesystems = match rule.filesystems {
        all if all == FileSystemSet::all() => FileSystemSet::EMPTY,
        some => some,
    };
    [uses, switch(rule.read_only), switch(rule.growfs), filesystems.to_string()]
}

fn switch(set: SwitchSet) -> String {
    let only = |flag| set == FlagSet::from_iter([flag]);
    let said = if only(Switch::On) {
        "yes"
    } else if only(Switch::Off) {
        "no"
    } else {
        "-"
    };
    said.to_owned()
}

fn errno_text(error: &ParseError) -> &'static str {
    match error.fault {
        Fault::DuplicateClause { .. } => "Name not unique on network",
        Fault::UnknownDesignator { .. } => "Invalid slot",
        Fault::UnknownFlag { .. } => "Invalid request code",
        _ => "Invalid argument",
    }
}

fn name_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::DuplicateFlag => "duplicate-flag",
        Fault::Impossible(_) => "impossible",
        Fault::MissingEquals => "missing-equals",
        Fault::NoUse => "no-use",
        other => panic!("no recorded policy should fail with {other:?}"),
    }
}
