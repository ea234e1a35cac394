// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What we accept, shown to other programs.
//!
//! **In:** so many mutants of hash trees, partition tables or signatures. **Out:** how many were
//! tried, accepted, and shown. **Refuses:** (panics) a mutant that is accepted here and refused, or
//! read otherwise, there. What only we refuse is no difference to worry about.
//!
//! The other program sees each distinct thing that was accepted once. For signatures it is OpenSSL,
//! in this process, and the target itself asks it.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use serde_json::Value;
use uuid::Uuid;
use veriroot::dissect::gpt::Table;

use crate::mutate::mutant;
use crate::targets::gpt::judge_gpt;
use crate::targets::verity::{Accepted, judge_tree};
use crate::{Target, Verdict, target};

/// Runs one comparison: `tree`, `gpt` or `cms`; `None` for anything else.
///
/// # Panics
/// If there is a difference that matters, or the other program is missing.
#[must_use]
pub fn run(what: &str, mutants: u64) -> Option<String> {
    Some(match what {
        "tree" => over(target("verity_tree")?, mutants, "veritysetup", |input, seen| {
            judge_tree(input)
                .map(|it| seen.insert(digest(&[&it.data, &it.hash_area])).then(|| veritysetup(&it)))
        }),
        "gpt" => over(target("gpt")?, mutants, "sfdisk", |input, seen| {
            let (bytes, table) = judge_gpt(input)?;
            // sfdisk takes a file for a disk with sectors of 512 bytes.
            let shown = table.sector_size.bytes() == 512 && seen.insert(digest(&[&bytes]));
            Some(shown.then(|| sfdisk(&bytes, &table)))
        }),
        "cms" => over(target("cms")?, mutants, "OpenSSL", |input, seen| {
            let accepted = (target("cms")?.check)(input) == Verdict::Accepted;
            accepted.then(|| seen.insert(digest(&[input])).then_some(()))
        }),
        _ => return None,
    })
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    openssl::sha::sha256(&parts.concat())
}

/// `try_one` gives nothing for a refusal, else whether the other program was shown something new.
fn over(
    target: &Target,
    mutants: u64,
    other: &str,
    try_one: impl Fn(&[u8], &mut BTreeSet<[u8; 32]>) -> Option<Option<()>>,
) -> String {
    let (seeds, mut seen) = ((target.seeds)(), BTreeSet::new());
    let (mut accepted, mut shown) = (0_u64, 0_u64);
    for number in 0..mutants {
        let input = mutant(&seeds, target.words, number);
        let tried = try_one(&input, &mut seen);
        accepted += u64::from(tried.is_some());
        shown += u64::from(tried.flatten().is_some());
    }
    format!(
        "{}: {mutants} mutants, {accepted} accepted, {shown} distinct ones shown to {other}: accepted all",
        target.name
    )
}

fn veritysetup(accepted: &Accepted) {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::write(path("data"), &accepted.data).unwrap();
    std::fs::write(path("hash"), &accepted.hash_area).unwrap();
    let output = Command::new("veritysetup")
        .arg("verify")
        .args([path("data"), path("hash")])
        .arg(HEXLOWER.encode(&accepted.root_hash))
        .stdin(Stdio::null())
        .output()
        .expect("veritysetup is not there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "veritysetup refuses what we accept: {said}");
}

fn sfdisk(bytes: &[u8], table: &Table) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let output = Command::new("sfdisk")
        .arg("--json")
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .expect("sfdisk is not there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sfdisk refuses what we accept: {said}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let theirs = &value["partitiontable"];
    assert_eq!(theirs["label"], "gpt");
    let mut partitions = theirs["partitions"].as_array().cloned().unwrap_or_default();
    // An entry of nil type is unused, whatever else stands in it (UEFI 2.10, table 5.6); sfdisk
    // lists it all the same where it has a size.
    partitions.retain(|it| it["type"] != Uuid::nil().to_string());
    assert_eq!(partitions.len(), table.entries.len(), "{value}");
    for (ours, theirs) in table.entries.iter().zip(partitions) {
        assert_eq!(theirs["start"], ours.range.offset() / 512, "{theirs}");
        assert_eq!(theirs["size"], ours.range.len() / 512, "{theirs}");
        let text = |key: &str| theirs[key].as_str().unwrap().to_lowercase();
        assert_eq!(text("type"), ours.type_guid.to_string(), "{theirs}");
        assert_eq!(text("uuid"), ours.guid.to_string(), "{theirs}");
        let number = text("node");
        assert!(number.ends_with(&ours.number.to_string()), "{theirs}");
    }
}
