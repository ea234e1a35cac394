// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partition tables, their CRCs mended after every change.
//!
//! **In:** a script of edits on both copies of a table. **Out:** a verdict. **Refuses:** (panics)
//! a table that is accepted and that a second reader refuses or reads otherwise.

use std::cell::RefCell;
use std::ops::Range;

use veriroot::dissect::gpt::{HEAD, Primary, Table};
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::gpt::Gpt;

use crate::edits::{self, Script};
use crate::{Target, Verdict};

/// Both copies of a GPT.
pub(super) const GPT: Target = Target {
    name: "gpt",
    invariant: "the entries of an accepted table lie inside the usable range, overlap nowhere and \
                have distinct GUIDs, both copies say the same, and a second reader finds the same \
                entries",
    check,
    seeds: || {
        let mut seeds = edits::seeds(&[0, 1, 2, 3, 4, 5, 6, 7], 5);
        // Both copies alike, as a tool would write it: only so is a change a table.
        for offset in [0_u16, 16, 32, 40, 48, 56, 128, 160, 168] {
            seeds.push([vec![0], edits::record(2, 6, offset, [1, 0, 0, 0])].concat());
        }
        seeds
    },
    words: &[],
    smoke: 1000,
};

thread_local! {
    static BASES: RefCell<[Image; 2]> = RefCell::new([512, 4096].map(|sector| {
        let volume = Volume::new(Erofs::root_tree(4096).build()).unsigned();
        let image = Ddi::empty().sector(sector).total(0).volume("root", volume);
        image.partition("esp", vec![0; 4096]).build()
    }));
}

/// MBR, header, array, backup array, backup header.
pub(super) fn regions(image: &Image) -> [Range<usize>; 5] {
    let (sector, end) = (image.gpt.sector, image.bytes.len());
    let array = image.gpt.backup_start();
    [
        0..512,
        sector..2 * sector,
        2 * sector..2 * sector + 16384,
        array..array + 16384,
        end - sector..end,
    ]
}

/// Copies the primary table over the backup one, with the three fields that differ.
pub(super) fn sync_backup(bytes: &mut [u8], [_, header, array, backup, last]: &[Range<usize>; 5]) {
    bytes.copy_within(array.clone(), backup.start);
    bytes.copy_within(header.clone(), last.start);
    let sector = header.len();
    let number = |place: &Range<usize>| ((place.start / sector) as u64).to_le_bytes();
    let (my, other, entries) = (number(last), 1_u64.to_le_bytes(), number(backup));
    for (at, value) in [(24, my), (32, other), (72, entries)] {
        bytes[last.start + at..last.start + at + 8].copy_from_slice(&value);
    }
}

/// Computes both CRCs of both copies anew, over the array where it is and as long as it says.
pub(super) fn mend_crcs(bytes: &mut [u8], [_, header, array, backup, last]: &[Range<usize>; 5]) {
    for (header, array) in [(header, array), (last, backup)] {
        let word = |bytes: &[u8], at: usize| {
            let at = header.start + at;
            u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
        };
        let len = word(bytes, 80).saturating_mul(word(bytes, 84)).min(bytes.len() - array.start);
        let crc = crc32fast::hash(&bytes[array.start..array.start + len]);
        bytes[header.start + 88..header.start + 92].copy_from_slice(&crc.to_le_bytes());
        bytes[header.start + 16..header.start + 20].fill(0);
        let len = word(bytes, 12).min(header.len());
        let crc = crc32fast::hash(&bytes[header.start..header.start + len]);
        bytes[header.start + 16..header.start + 20].copy_from_slice(&crc.to_le_bytes());
    }
}

fn check(input: &[u8]) -> Verdict {
    match judge_gpt(input) {
        Some(_) => Verdict::Accepted,
        None => Verdict::Refused,
    }
}

/// Bit 0: CRCs as they are; bit 1: the backup as it is; bit 2: sectors of 4096 bytes.
pub(crate) fn judge_gpt(input: &[u8]) -> Option<(Vec<u8>, Table)> {
    BASES.with_borrow(|bases| {
        let script = Script::new(input);
        let base = &bases[usize::from(!script.mends(2))];
        let (mut bytes, regions) = (base.bytes.clone(), regions(base));
        script.apply(&mut bytes, &regions);
        if script.mends(1) {
            sync_backup(&mut bytes, &regions);
        }
        if script.mends(0) {
            mend_crcs(&mut bytes, &regions);
        }
        let length = bytes.len() as u64;
        let parsed = Primary::parse(&bytes[..HEAD], length).and_then(|primary| {
            let range = primary.backup_range().unwrap();
            primary.finish(&bytes[range.offset() as usize..range.end() as usize])
        });
        let table = parsed.ok()?;
        judge(&bytes, &table);
        Some((bytes, table))
    })
}

/// The second reader panics at what is not sound.
fn judge(bytes: &[u8], table: &Table) {
    let second = Gpt::read(bytes);
    assert_eq!(table.sector_size.bytes(), second.sector as u64);
    assert_eq!(second.backup_entries, None, "the copies differ");
    let used: Vec<_> = (1..).zip(&second.entries).filter(|(_, it)| it.is_used()).collect();
    assert_eq!(table.entries.len(), used.len());
    let sector = second.sector as u64;
    for (entry, (number, theirs)) in table.entries.iter().zip(used) {
        assert_eq!(
            (entry.number, entry.type_guid, entry.guid),
            (number, theirs.type_guid, theirs.guid)
        );
        assert_eq!(entry.range.offset(), theirs.first_lba * sector);
        assert_eq!(entry.range.end(), (theirs.last_lba + 1) * sector);
        assert!(entry.range.end() <= bytes.len() as u64 && !entry.range.is_empty());
        assert!(theirs.first_lba >= second.primary.first_usable);
        assert!(theirs.last_lba <= second.primary.last_usable);
        assert_eq!(entry.label, theirs.label());
        for other in table.entries.iter().filter(|it| it.number != entry.number) {
            assert!(!entry.range.overlaps(other.range) && entry.guid != other.guid);
            assert!(
                entry.range.end() <= other.range.offset()
                    || other.range.end() <= entry.range.offset()
            );
        }
    }
    for place in table.places {
        assert!(table.entries.iter().all(|it| !it.range.overlaps(place)), "over the table itself");
    }
}
