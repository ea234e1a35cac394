// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The whole path, verification on.
//!
//! **In:** a script of edits on a whole image; tree, UUIDs, signature and CRCs are made anew after
//! them, as an attacker would who has every key but the right one. **Out:** a verdict.
//! **Refuses:** (panics) an image that is accepted and exposes anything its signer did not sign.

use std::cell::RefCell;
use std::ops::Range;

use uuid::Uuid;
use veriroot::error::Error;
use veriroot::finding::Refusal;
use veriroot::report::Report;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::gpt::Gpt;
use veriroot_test_support::keys;
use veriroot_test_support::sign;
use veriroot_test_support::verity::Params;

use super::gpt::{mend_crcs, regions as table_regions, sync_backup};
use crate::edits::{self, Script};
use crate::judge::Bench;
use crate::{Target, Verdict};

/// From bytes to a verdict.
pub(super) const IMAGE: Target = Target {
    name: "image",
    invariant: "an accepted image exposes the bytes that a trusted key signed, all of them and no \
                others, whatever was changed and made anew around them; a key that signs usr or \
                nothing does not sign a root; and the verdict is the same twice",
    check,
    seeds: || {
        let mut seeds =
            edits::seeds(&[0, 1, 2, 3, 4, 8, 16, 24, 32, 64, 96, 128, 160, 192, 224], 9);
        for mend in [4_u8, 12, 20, 28] {
            for region in [5, 6, 7] {
                seeds.push([vec![mend], edits::record(region, 0, 77, [3, 0, 0, 0])].concat());
            }
        }
        seeds
    },
    words: &[],
    smoke: 400,
};

struct Bed {
    images: Vec<Image>,
    bench: Bench,
}

thread_local! {
    static BED: RefCell<Bed> = RefCell::new(Bed::new());
}

/// Small enough to be judged often: two levels of tree.
fn images() -> Vec<Image> {
    let volume = |blocks: u64| {
        let tree = Params { hash_block: 512, ..Params::default() };
        Volume::new(Erofs::root_tree(blocks * 4096).build()).verity(tree)
    };
    let usr = Volume::new(Erofs::usr_tree(4096).build());
    let plain = Ddi::empty().total(0);
    vec![
        plain.clone().volume("root", volume(20)).build(),
        plain.clone().volume("root", volume(20).signed_by(&keys::trusted_ec())).build(),
        plain
            .clone()
            .volume("root", volume(18))
            .volume("usr", usr.signed_by(&keys::stranger()))
            .build(),
        plain.sector(4096).volume("root", volume(17)).partition("esp", vec![0; 8192]).build(),
    ]
}

impl Bed {
    fn new() -> Self {
        Self { images: images(), bench: Bench::new() }
    }
}

/// The five of the table, then root, tree, signature, and everything.
fn regions(image: &Image) -> Vec<Range<usize>> {
    let mut regions = table_regions(image).to_vec();
    regions.extend(["root", "root-verity", "root-verity-sig"].map(|it| image.range(it)));
    regions.push(0..image.bytes.len());
    regions
}

/// Bit 0: CRCs as they are; bit 1: the backup table as it is; bit 2: the tree is made anew; bit 3:
/// UUIDs and JSON follow the new tree; bit 4: with a signature of the stranger; bits 5 and 6: which
/// image; bit 7: the last sectors are cut off.
fn check(input: &[u8]) -> Verdict {
    BED.with_borrow_mut(|bed| {
        let script = Script::new(input);
        let number = usize::from(!script.mends(5)) + 2 * usize::from(!script.mends(6));
        let base = bed.images[number].clone();
        let mut changed = base.clone();
        let table = table_regions(&base);
        script.apply(&mut changed.bytes, &regions(&base));
        if !script.mends(2) {
            changed = rebuild(changed, !script.mends(3), !script.mends(4));
        }
        if script.mends(1) {
            sync_backup(&mut changed.bytes, &table);
        }
        if script.mends(0) {
            mend_crcs(&mut changed.bytes, &table);
        }
        if !script.mends(7) {
            changed.bytes.truncate(changed.bytes.len() - changed.gpt.sector);
        }
        bed.bench.put(&changed.bytes);
        let (result, report) = bed.bench.judge();
        let again = bed.bench.judge().0;
        let said = |it: &Result<(), Error>| it.as_ref().err().map(ToString::to_string);
        assert_eq!(said(&result), said(&again), "the same image, another verdict");
        match &result {
            Ok(()) => exposes_what_was_signed(&base, &changed, &report),
            Err(error) => {
                assert!(matches!(error.class().exit_code(), 20..=22), "{error}");
                assert!(report.partitions.iter().all(|it| it.filesystem.is_none()), "{report:?}");
            }
        }
        (&result).into()
    })
}

/// Makes the tree of the changed root anew, with what its superblock says where that can be built.
fn rebuild(image: Image, rename: bool, sign: bool) -> Image {
    let params = Params { hash_block: 512, ..Params::default() };
    let content = image.content("root").to_vec();
    let made = params.format(&content);
    let mut image = image;
    let hash_range = image.range("root-verity");
    let len = made.hash_area.len().min(hash_range.len());
    image.bytes[hash_range.start..hash_range.start + len].copy_from_slice(&made.hash_area[..len]);
    if !rename {
        return image;
    }
    let signature = if sign {
        sign::root_hash_partition(&keys::stranger(), &made.root_hash)
    } else {
        // The JSON speaks of the new tree, the signature still of the old one.
        let old = image.root_hash_hex("root");
        let text = String::from_utf8_lossy(image.content("root-verity-sig")).into_owned();
        let new = data_encoding::HEXLOWER.encode(&made.root_hash);
        text.replace(&old, &new).into_bytes()
    };
    let range = image.range("root-verity-sig");
    let len = signature.len().min(range.len());
    image.bytes[range.start..range.start + len].copy_from_slice(&signature[..len]);
    // The entries are changed in place: the script may have made a table that is none.
    let sector = image.gpt.sector;
    for (name, guid) in [("root", &made.root_hash[..16]), ("root-verity", &made.root_hash[16..])] {
        let at = 2 * sector + (image.number(name) - 1) * 128 + 16;
        let guid = Uuid::from_slice(guid).unwrap().to_bytes_le();
        image.bytes[at..at + 16].copy_from_slice(&guid);
    }
    image
}

fn exposes_what_was_signed(base: &Image, changed: &Image, report: &Report) {
    let roots: Vec<_> = report.partitions.iter().filter(|it| it.root_hash.is_some()).collect();
    let [root] = roots[..] else { panic!("{} roots: {report:?}", roots.len()) };
    assert_eq!(root.designator, "root");
    assert_eq!(root.root_hash.as_deref(), Some(&*base.root_hash_hex("root")), "nobody signed that");
    let table = Gpt::read(&changed.bytes);
    let entry = &table.entries[root.number as usize - 1];
    let start = entry.first_lba as usize * table.sector;
    let signed = base.content("root");
    assert_eq!(root.blocks_verified as usize * 4096, signed.len(), "more or less than was signed");
    assert!(changed.bytes[start..].starts_with(signed), "other bytes than were signed");
}
