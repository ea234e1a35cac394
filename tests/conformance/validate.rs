// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Layouts as `systemd-dissect --validate --image-policy=` judges them, beside ours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use veriroot::image_filter::ImageFilter;

use crate::verdict::{layout, unpack, verdict};

/// One run of systemd-dissect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    policy: String,
    image: String,
    rc: i32,
    message: String,
}

fn recorded() -> Vec<Recorded> {
    let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(VERDICTS)).unwrap();
    let lines = BufReader::new(zstd::Decoder::new(file).unwrap()).lines();
    let all: Vec<Recorded> =
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(all.len(), 2646);
    all
}

const VERDICTS: &str = "tests/conformance/validate.jsonl.zst";

/// Rule, how many of the recorded verdicts it makes stricter, why.
fn rules() -> BTreeMap<&'static str, usize> {
    let mut table = BTreeMap::new();
    for line in include_str!("stricter.tsv").lines().filter(|line| !line.starts_with('#')) {
        let [rule, count, reason] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        assert!(reason.len() > 10, "{rule}: no reason");
        assert_eq!(table.insert(rule, count.parse().unwrap()), None, "{rule} twice");
    }
    table.retain(|_, count| *count > 0);
    table
}

#[test]
fn layouts_are_refused_where_systemd_refuses_and_beyond_by_listed_rules_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut layouts = BTreeMap::new();
    let (mut accepted, mut refused) = (0, 0);
    let (mut looser, mut stricter) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for it in recorded() {
        let layout = layouts.entry(it.image.clone()).or_insert_with(|| {
            let path = directory.path().join(&it.image);
            unpack(&it.image, &path);
            layout(&path, &ImageFilter::default())
        });
        match (verdict(&it.policy, layout), it.rc == 0) {
            (Ok(()), true) => accepted += 1,
            (Err(_), false) => refused += 1,
            (Ok(()), false) => {
                looser.push(format!("{}: {:?}: {}", it.image, it.policy, it.message))
            }
            (Err((rule, said)), true) => stricter
                .entry(rule)
                .or_default()
                .push(format!("{}: {:?}: {said}", it.image, it.policy)),
        }
    }
    assert!(looser.is_empty(), "{} looser than systemd:\n{}", looser.len(), looser.join("\n"));
    let counted: BTreeMap<_, _> = stricter.iter().map(|(rule, all)| (*rule, all.len())).collect();
    println!("{accepted} accepted by both, {refused} refused by both, stricter: {counted:?}");
    assert_eq!(counted, rules(), "the differences are not those listed: {stricter:#?}");
}
