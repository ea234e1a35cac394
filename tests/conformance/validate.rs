// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Layouts as `systemd-dissect --validate --image-policy=` judges them, beside ours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Deserialize;
use veriroot::wire::read_bounded;
use veriroot_test_support::fixture_path;

use crate::verdict::{layout, verdict};

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

/// Unpacks without writing the zeros: the largest image has 600 MB of them.
fn unpack(name: &str, to: &Path) {
    const BLOCK: usize = 1 << 16;
    let zeros = [0; BLOCK];
    let packed = File::open(fixture_path(&format!("{name}.zst"))).unwrap();
    let mut packed = zstd::Decoder::new(packed).unwrap();
    let mut file = File::create(to).unwrap();
    let mut len = 0;
    loop {
        let block =
            read_bounded((&mut packed).take(zeros.len().try_into().unwrap()), BLOCK).unwrap();
        if block.is_empty() {
            break;
        }
        if block != zeros {
            file.seek(SeekFrom::Start(len)).unwrap();
            file.write_all(&block).unwrap();
        }
        len = len.checked_add(block.len().try_into().unwrap()).unwrap();
    }
    file.set_len(len).unwrap();
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
            layout(&path)
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
