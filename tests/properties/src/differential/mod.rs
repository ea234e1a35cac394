// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What we accept, shown to other programs.
//!
//! **In:** so many mutants of hash trees, partition tables, signatures or archives. **Out:** how many
//! were tried, accepted, and shown. **Refuses:** (panics) a mutant that is accepted here and refused,
//! or read otherwise, there. What only we refuse is no difference to worry about.
//!
//! The other program sees each distinct thing that was accepted once. For signatures it is OpenSSL,
//! in this process, and the target itself asks it.

mod archives;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use uuid::Uuid;
use veriroot::dissect::gpt::Table;

use crate::mutate::{mutant, remember};
use crate::targets::gpt::judge_gpt;
use crate::targets::tar::judge_tar;
use crate::targets::verity::{Accepted, judge_tree};
use crate::{Verdict, target};

/// Runs one comparison: `tree`, `gpt`, `cms` or `tar`; `None` for anything else.
///
/// # Panics
/// If there is a difference that matters, or the other program is missing.
#[must_use]
pub fn run(what: &str, mutants: u64) -> Option<String> {
    Some(match what {
        "tree" => {
            let judge =
                |input: &[u8]| judge_tree(input).map(|it| (digest(&[&it.data, &it.hash_area]), it));
            over("veritysetup", mutants, of_target("verity_tree"), judge, |it| veritysetup(&it))
        }
        "gpt" => {
            let judge = |input: &[u8]| judge_gpt(input).map(|it| (digest(&[&it.0]), it));
            over("fdisk", mutants, of_target("gpt"), judge, |it| fdisk(&it.0, &it.1))
        }
        "cms" => {
            let check = target("cms")?.check;
            let judge =
                |input: &[u8]| (check(input) == Verdict::Accepted).then(|| (digest(&[input]), ()));
            over("OpenSSL", mutants, of_target("cms"), judge, |()| {})
        }
        "tar" => archives(mutants, &archives::READERS.map(|(name, _)| name)),
        _ => return None,
    })
}

/// Every second mutant is one of the target, the others are made of whole members.
///
/// # Panics
/// If a reader of those names, of `tar`, `bsdtar` and `python3`, refuses what we accept, or unpacks
/// it to another tree.
#[must_use]
pub fn archives(mutants: u64, readers: &[&str]) -> String {
    let asked = archives::READERS.into_iter().filter(|it| readers.contains(&it.0));
    let asked: Vec<_> = asked.collect();
    let of_bytes = of_target("tar");
    let of_either = |number: u64| match number % 2 {
        0 => of_bytes(number),
        _ => [vec![0], archives::mutant(number)].concat(),
    };
    let judge = |input: &[u8]| judge_tar(input).map(|it| (digest(&[&it.0]), it));
    let show = |(archive, tree): (Vec<u8>, _)| archives::compare(&archive, &tree, &asked);
    over(&readers.join(", "), mutants, of_either, judge, show)
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    openssl::sha::sha256(&parts.concat())
}

/// The mutants of a target by their numbers.
fn of_target(name: &str) -> impl Fn(u64) -> Vec<u8> + Sync {
    let target = target(name).expect("no such target");
    let seeds = (target.seeds)();
    move |number| mutant(&seeds, target.words, number)
}

/// On every processor: `judge` gives nothing for a refusal, else what tells the thing apart and the
/// thing; `show` has the other program read what it has not seen.
fn over<T>(
    other: &str,
    mutants: u64,
    input: impl Fn(u64) -> Vec<u8> + Sync,
    judge: impl Fn(&[u8]) -> Option<([u8; 32], T)> + Sync,
    show: impl Fn(T) + Sync,
) -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let seen = Mutex::new(BTreeSet::new());
    let one = |number| {
        let input = input(number);
        remember(number, &input);
        let Some((digest, it)) = judge(&input) else { return };
        accepted.fetch_add(1, Ordering::Relaxed);
        let is_new = seen.lock().unwrap().insert(digest);
        if is_new {
            show(it);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                numbers.take_while(|it| *it < mutants).for_each(&one);
            });
        }
    });
    let (accepted, shown) = (accepted.into_inner(), seen.into_inner().unwrap().len());
    format!(
        "{mutants} mutants, {accepted} accepted, {shown} distinct ones: no difference to {other}"
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

fn fdisk(bytes: &[u8], table: &Table) {
    // Behind a name that ends in a digit it would put a `p` before the number.
    let file = tempfile::Builder::new().suffix(".raw").tempfile_in("/dev/shm").unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let sector = table.sector_size.bytes();
    let output = Command::new("fdisk")
        .args(["--list", "--output", "Device,Start,Sectors,Type-UUID,UUID", "--sector-size"])
        .arg(sector.to_string())
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .expect("fdisk is not there");
    let said = String::from_utf8(output.stdout).unwrap().to_lowercase();
    // Where fdisk takes no table for sound it reads the protective MBR and succeeds.
    assert!(output.status.success() && said.contains("\ndisklabel type: gpt\n"), "{said}");
    let name = file.path().display().to_string().to_lowercase();
    let theirs: Vec<Vec<&str>> = said
        .lines()
        .filter_map(|it| it.strip_prefix(&name))
        .map(|it| it.split_whitespace().collect())
        // An entry of nil type is unused, whatever else stands in it (UEFI 2.10, table 5.6); fdisk
        // lists it all the same where it has a size.
        .filter(|it: &Vec<&str>| it[3] != Uuid::nil().to_string())
        .collect();
    let ours: Vec<Vec<String>> = table
        .entries
        .iter()
        .map(|it| {
            let (start, len) = (it.range.offset() / sector, it.range.len() / sector);
            let numbers = [u64::from(it.number), start, len].map(|it| it.to_string());
            [&numbers[..], &[it.type_guid.to_string(), it.guid.to_string()]].concat()
        })
        .collect();
    assert_eq!(theirs, ours, "{said}");
}
