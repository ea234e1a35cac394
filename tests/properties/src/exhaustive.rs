// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every single bit of the metadata, every cut, every block.
//!
//! **In:** four images (erofs and squashfs, RSA and ECDSA), and how many of the changes to take.
//! **Out:** [`Tally`]. **Refuses:** (panics) an acceptance that no rule of `dont-care.tsv` explains,
//! and a refusal of what a rule says does not matter.

use std::collections::BTreeMap;
use std::ops::Range;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::judge::Bench;
use crate::mutate::Random;

/// The rules, each with its reason: name, what it covers, why it does not matter.
pub const RULES: &str = include_str!("../dont-care.tsv");

/// What was tried and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Changes tried.
    pub tried: u64,
    /// Refused.
    pub refused: u64,
    /// Accepted since they change nothing that counts, by rule.
    pub harmless: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.refused += other.refused;
        for (rule, count) in other.harmless {
            *self.harmless.entry(rule).or_default() += count;
        }
    }
}

/// An image, and what it is.
#[derive(Debug)]
pub struct Fixture {
    /// `erofs RSA`.
    pub name: &'static str,
    /// Its bytes, and where what stands.
    pub image: Image,
}

/// The images: two levels of tree where the data are many enough.
#[must_use]
pub fn fixtures() -> Vec<Fixture> {
    let erofs = Erofs::root_tree(119 * 4096).build();
    let squashfs = Image::from_zst_fixture("root-squashfs-signed");
    // As many blocks as its own superblock says; the partition may have more.
    let squashfs = squashfs.content("root").to_vec();
    let (k1, e1) = (keys::trusted(), keys::trusted_ec());
    [
        ("erofs RSA", &erofs, &k1),
        ("erofs ECDSA", &erofs, &e1),
        ("squashfs RSA", &squashfs, &k1),
        ("squashfs ECDSA", &squashfs, &e1),
    ]
    .map(|(name, content, signer)| {
        let volume = Volume::new(content.clone()).signed_by(signer);
        Fixture { name, image: Ddi::empty().total(0).volume("root", volume).build() }
    })
    .into()
}

/// The parts of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Mbr,
    Table,
    Hash,
    Signature,
}

fn parts(image: &Image) -> Vec<(Part, Range<usize>)> {
    let (sector, len) = (image.gpt.sector, image.bytes.len());
    vec![
        (Part::Mbr, 0..512),
        (Part::Table, sector..2 * sector + 16384),
        (Part::Hash, image.range("root-verity")),
        (Part::Signature, image.range("root-verity-sig")),
        (Part::Table, image.gpt.backup_start()..len),
    ]
}

/// Flips every `step`th bit of the metadata, from the first one of `from` on.
///
/// # Panics
/// If one is wrongly accepted or refused.
#[must_use]
pub fn flips(fixture: &Fixture, from: usize, step: usize) -> Tally {
    let (bench, image) = (Bench::new(), &fixture.image);
    bench.put(&image.bytes);
    bench.judge().0.unwrap_or_else(|e| panic!("{}: the twin is refused: {e}", fixture.name));
    let mut tally = Tally::default();
    let bits = parts(image).into_iter().flat_map(|(part, range)| {
        let start = range.start;
        range.flat_map(move |at| (0..8).map(move |bit| (part, start, at, bit)))
    });
    for (part, start, at, bit) in bits.skip(from).step_by(step) {
        let byte = image.bytes[at];
        let flipped = byte ^ 1 << bit;
        bench.put_at(at, &[flipped]);
        let (result, _) = bench.judge();
        bench.put_at(at, &[byte]);
        let rule = harmless(image, part, at - start, flipped);
        tally.tried += 1;
        match (result, rule) {
            (Err(_), None) => tally.refused += 1,
            (Ok(()), Some(rule)) => *tally.harmless.entry(rule).or_default() += 1,
            (Ok(()), None) => {
                panic!("{}: {part:?} byte {} bit {bit}: WRONGLY ACCEPTED", fixture.name, at - start)
            }
            (Err(error), Some(rule)) => panic!(
                "{}: {part:?} byte {} bit {bit}: refused, but {rule} says it does not matter: {error}",
                fixture.name,
                at - start
            ),
        }
    }
    tally
}

/// The rule by which a changed byte does not matter.
fn harmless(image: &Image, part: Part, at: usize, flipped: u8) -> Option<&'static str> {
    let rule = match (part, at) {
        (Part::Mbr, 0..446) => "mbr-boot-code",
        (Part::Mbr, 446) => "mbr-boot-flag",
        (Part::Mbr, 447..=449 | 451..=453) => "mbr-chs",
        (Part::Hash, 16..32) => "superblock-uuid",
        (Part::Hash, 512..4096) => "superblock-gap",
        (Part::Signature, _) => {
            return harmless_json(image.content("root-verity-sig"), at, flipped);
        }
        _ => return None,
    };
    assert!(RULES.contains(&format!("\n{rule}\t")), "{rule} is not listed");
    Some(rule)
}

/// Text that another parser decodes to the same root hash and signature.
fn harmless_json(content: &[u8], at: usize, flipped: u8) -> Option<&'static str> {
    let end = content.iter().position(|it| *it == 0).unwrap();
    let fields = |bytes: &[u8]| -> Option<(Vec<u8>, String, Option<Vec<u8>>)> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| value.get(key)?.as_str();
        let hash = HEXLOWER_PERMISSIVE.decode(text("rootHash")?.as_bytes()).ok()?;
        let hint = match value.get("certificateFingerprint") {
            Some(hint) => Some(HEXLOWER_PERMISSIVE.decode(hint.as_str()?.as_bytes()).ok()?),
            None => None,
        };
        let sound = value.as_object()?.len() == 3 && hint.as_ref().is_none_or(|it| it.len() == 32);
        sound.then_some(())?;
        Some((hash, text("signature")?.to_owned(), hint))
    };
    let mut changed = content[..end].to_vec();
    match at {
        at if at < end => changed[at] = flipped,
        // The first byte of the padding: a blank behind a JSON text is still that text.
        at if at == end => changed.push(flipped),
        _ => return None,
    }
    let (before, after) = (fields(&content[..end])?, fields(&changed)?);
    let rule = match after {
        after if (&after.0, &after.1) != (&before.0, &before.1) => return None,
        after if after == before => "json-same-text",
        (.., None) => "json-hint-name",
        (.., Some(_)) => "json-hint",
    };
    assert!(RULES.contains(&format!("\n{rule}\t")), "{rule} is not listed");
    Some(rule)
}

/// Cuts the image at every `step`th place: each byte of the table, each sector of the rest, and
/// each byte of the signature's text.
///
/// # Panics
/// If one is accepted.
#[must_use]
pub fn cuts(fixture: &Fixture, from: usize, step: usize) -> Tally {
    let (bench, image) = (Bench::new(), &fixture.image);
    let (len, head) = (image.bytes.len(), 34 * 512);
    let tail = image.gpt.backup_start();
    let mut tally = Tally::default();
    let lengths = (0..head).chain((head..tail).step_by(512)).chain(tail..len);
    bench.put(&image.bytes);
    let lengths: Vec<usize> = lengths.skip(from).step_by(step).collect();
    for length in lengths.into_iter().rev() {
        bench.cut(length);
        assert!(bench.judge().0.is_err(), "{}: ACCEPTED, cut at {length}", fixture.name);
        tally.tried += 1;
    }
    bench.put(&image.bytes);
    let text = image.range("root-verity-sig");
    let end = image.content("root-verity-sig").iter().position(|it| *it == 0).unwrap();
    for cut in (0..end).skip(from).step_by(step) {
        bench.put_at(text.start + cut, &vec![0; end - cut]);
        assert!(bench.judge().0.is_err(), "{}: ACCEPTED, signature cut at {cut}", fixture.name);
        bench.put_at(text.start, &image.bytes[text.start..text.start + end]);
        tally.tried += 1;
    }
    tally.refused = tally.tried;
    tally
}

/// One bit in every data block and every hash block, and `many` random changes of several blocks.
///
/// # Panics
/// If one is accepted.
#[must_use]
pub fn blocks(fixture: &Fixture, from: usize, step: usize, many: u64) -> Tally {
    let (bench, image) = (Bench::new(), &fixture.image);
    bench.put(&image.bytes);
    let (data, hash) = (image.range("root"), image.range("root-verity"));
    let mut tally = Tally::default();
    let starts = data.clone().step_by(4096).chain((hash.start + 4096..hash.end).step_by(4096));
    let mut random = Random::new(from as u64);
    let mut changes: Vec<Vec<usize>> =
        starts.skip(from).step_by(step).map(|it| vec![it + random.below(4096)]).collect();
    for _ in 0..many {
        let places = (0..2 + random.below(8)).map(|_| {
            let at = random.below(data.len() + hash.len() - 4096);
            if at < data.len() { data.start + at } else { hash.start + 4096 + at - data.len() }
        });
        // Two changes of one byte might undo each other.
        let places: std::collections::BTreeSet<_> = places.collect();
        changes.push(places.into_iter().collect());
    }
    for places in changes {
        for at in &places {
            bench.put_at(*at, &[image.bytes[*at] ^ 1 << random.below(8)]);
        }
        assert!(bench.judge().0.is_err(), "{}: ACCEPTED: {places:?}", fixture.name);
        for at in &places {
            bench.put_at(*at, &[image.bytes[*at]]);
        }
        tally.tried += 1;
    }
    tally.refused = tally.tried;
    tally
}

/// All of it on so many threads, a part in `sample`.
#[must_use]
pub fn all(fixture: &Fixture, threads: usize, sample: usize, many: u64) -> [Tally; 3] {
    let step = threads * sample;
    let mut sums = [Tally::default(), Tally::default(), Tally::default()];
    std::thread::scope(|scope| {
        let each = (0..threads).map(|thread| {
            scope.spawn(move || {
                let from = thread * sample;
                let many = many / threads as u64;
                [
                    flips(fixture, from, step),
                    cuts(fixture, from, step),
                    blocks(fixture, from, step, many),
                ]
            })
        });
        for thread in each.collect::<Vec<_>>() {
            let done = thread.join().expect("see above");
            sums.iter_mut().zip(done).for_each(|(sum, part)| sum.add(part));
        }
    });
    sums
}
