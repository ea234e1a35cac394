// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `docs/findings.md` against the sources, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use veriroot::image_policy::lint::KINDS;

const STAGES: [&str; 11] = [
    "request",
    "source",
    "dissect",
    "policy",
    "authenticate",
    "fetch",
    "identify",
    "verity",
    "unpack",
    "expose",
    "boot",
];

/// Words that look like ids and are none: a class of systemd's root=, a symptom of doctor, the
/// network child's name.
const OTHERS: [&str; 4] = ["boot-origin", "dissect-force", "policy-files", "source-child"];

/// The rows of the table under a heading, by id.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let lines = section.lines().take_while(|it| !it.starts_with("## "));
    let mut rows = BTreeMap::new();
    for line in lines.filter(|it| it.starts_with("| `")) {
        let cells = line.trim_matches('|').split(" | ").map(|it| it.trim().to_owned());
        let mut cells: Vec<String> = cells.collect();
        let id = cells.remove(0).trim_matches('`').to_owned();
        assert!(rows.insert(id.clone(), cells).is_none(), "{id} stands there twice");
    }
    rows
}

/// Every string literal of the library's sources, without their tests, that has the form of an id.
fn ids(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            ids(&path, found);
            continue;
        }
        if path.extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for literal in code.split('"') {
            let mut words = literal.split('-');
            let stage = words.next().is_some_and(|it| STAGES.contains(&it));
            let mut rest = words.peekable();
            let named = rest.peek().is_some();
            let word = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase());
            if stage && named && rest.all(word) {
                found.insert(literal.to_owned());
            }
        }
    }
}

#[test]
fn every_finding_is_documented_and_every_documented_one_exists() {
    let mut found = BTreeSet::new();
    ids(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let rows = table("# What veriroot can find");
    // The child's name is also the id of the finding that it can't be started.
    found.retain(|it| !OTHERS.contains(&it.as_str()) || rows.contains_key(it));
    let documented: BTreeSet<String> = rows.keys().cloned().collect();
    assert_eq!(found, documented, "left: in src; right: in docs/findings.md");
    assert!(found.len() > 50, "{}", found.len());
    for (id, cells) in rows {
        let [stage, classes, means, advice] = cells.as_slice() else { panic!("{id}: {cells:?}") };
        assert!(id.starts_with(&format!("{stage}-")) && STAGES.contains(&stage.as_str()), "{id}");
        assert!(!classes.is_empty() && means.ends_with('.') && !advice.is_empty(), "{id}");
    }
}

#[test]
fn every_lint_is_documented_in_its_own_words() {
    let documented = table("## Lints");
    let own: BTreeMap<String, Vec<String>> =
        KINDS.iter().map(|it| (it.id.to_owned(), vec![it.about.to_owned()])).collect();
    assert_eq!(documented, own);
}
