// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partition tables: ours beside gptman's reading, and every field wrong once.

use std::fs::File;
use std::io::{Cursor, Read, Seek};

use uuid::Uuid;
use veriroot::dissect::gpt::{Copy, GptError, HEAD, Primary, Table};
use veriroot::units::{ByteRange, Lba};
use veriroot_test_support::ddi::{Ddi, Image};
use veriroot_test_support::fixture_path;
use veriroot_test_support::gpt::{Entry, Gpt, Header};

use crate::verdict::unpack;

fn part(image: &mut (impl Read + Seek), range: ByteRange) -> Vec<u8> {
    image.seek(std::io::SeekFrom::Start(range.offset())).unwrap();
    let mut bytes = vec![0; range.len().try_into().unwrap()];
    image.read_exact(&mut bytes).unwrap();
    bytes
}

fn read(image: &mut (impl Read + Seek)) -> Result<Table, GptError> {
    let length = image.seek(std::io::SeekFrom::End(0)).unwrap();
    let head = ByteRange::new(0, length.min(HEAD.try_into().unwrap())).unwrap();
    let head = part(image, head);
    let primary = Primary::parse(&head, length)?;
    let tail = part(image, primary.backup_range().unwrap());
    primary.finish(&tail)
}

fn agree(name: &str, image: &mut (impl Read + Seek)) {
    let ours = read(image).unwrap();
    image.rewind().unwrap();
    let theirs = gptman::GPT::find_from(image).unwrap();
    let sector = theirs.sector_size;
    assert_eq!(ours.sector_size.bytes(), sector, "{name}");
    assert_eq!(ours.disk_guid.to_bytes_le(), theirs.header.disk_guid, "{name}");
    let theirs: Vec<_> = theirs.iter().filter(|(_, it)| it.is_used()).collect();
    assert_eq!(ours.entries.len(), theirs.len(), "{name}");
    for (ours, (number, theirs)) in ours.entries.iter().zip(theirs) {
        let start = theirs.starting_lba.checked_mul(sector).unwrap();
        let len = theirs.size().unwrap().checked_mul(sector).unwrap();
        assert_eq!(ours.number, number, "{name}");
        assert_eq!(ours.range, ByteRange::new(start, len).unwrap(), "{name} {number}");
        assert_eq!(ours.type_guid.to_bytes_le(), theirs.partition_type_guid, "{name} {number}");
        assert_eq!(ours.guid.to_bytes_le(), theirs.unique_partition_guid, "{name} {number}");
        assert_eq!(ours.attributes, theirs.attribute_bits, "{name} {number}");
        assert_eq!(ours.label, theirs.partition_name.as_str(), "{name} {number}");
    }
}

#[test]
fn gptman_reads_the_same_from_real_images() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for entry in fixture_path("").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".zst").filter(|it| it.ends_with(".raw")) else {
            continue;
        };
        let path = directory.path().join(name);
        unpack(name, &path);
        agree(name, &mut File::open(path).unwrap());
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn gptman_reads_the_same_at_every_sector_size() {
    // gptman looks for headers at 512 and 4096 alone.
    for sector in [512, 4096] {
        let image = Ddi::builder().sector(sector).root_second().build();
        let image = image.relabel("root", &"\u{e9}".repeat(36)).set_attributes("root", 1 << 63 | 7);
        agree("built", &mut Cursor::new(image.bytes));
    }
    for sector in [1024, 2048] {
        let table = read(&mut Cursor::new(Ddi::builder().sector(sector).build().bytes)).unwrap();
        assert_eq!(usize::try_from(table.sector_size.bytes()).unwrap(), sector);
    }
}

type Change = fn(&mut Gpt);

fn broken(change: Change) -> Result<Table, GptError> {
    read(&mut Cursor::new(Ddi::builder().build().edit_gpt(change).bytes))
}

/// A header field of both headers, CRCs right, and the value that the error has to name.
const HEADER_FIELDS: &[(Change, &str, u64)] = &[
    (|gpt| gpt.each_header(|it| it.revision = 0x0002_0000), "revision", 0x0002_0000),
    (|gpt| gpt.each_header(|it| it.header_size = 91), "header_size", 91),
    (|gpt| gpt.each_header(|it| it.header_size = 93), "header_size", 93),
    (|gpt| gpt.each_header(|it| it.header_size = u32::MAX), "header_size", u32::MAX as u64),
    (|gpt| gpt.primary.my_lba = 2, "my_lba", 2),
    (|gpt| gpt.primary.alternate_lba = 0, "alternate_lba", 0),
    (|gpt| gpt.primary.alternate_lba = 1, "alternate_lba", 1),
    (|gpt| gpt.primary.alternate_lba -= 1, "alternate_lba", 16382),
    (|gpt| gpt.primary.alternate_lba = u64::MAX, "alternate_lba", u64::MAX),
    (|gpt| gpt.each_header(|it| it.first_usable = 33), "first_usable_lba", 33),
    (|gpt| gpt.each_header(|it| it.first_usable = u64::MAX), "first_usable_lba", u64::MAX),
    (|gpt| gpt.each_header(|it| it.last_usable += 1), "last_usable_lba", 16351),
    (|gpt| gpt.each_header(|it| it.last_usable = u64::MAX), "last_usable_lba", u64::MAX),
    (|gpt| gpt.primary.entries_lba = 0, "entries_lba", 0),
    (|gpt| gpt.primary.entries_lba = 1 << 63, "entries_lba", 1 << 63),
    (|gpt| gpt.each_header(|it| it.entry_count = 0), "entry_count", 0),
    (|gpt| gpt.each_header(|it| it.entry_count = 129), "entry_count", 129),
    (|gpt| gpt.each_header(|it| it.entry_count = u32::MAX), "entry_count", u32::MAX as u64),
    (|gpt| gpt.each_header(|it| it.entry_size = 0), "entry_size", 0),
    (|gpt| gpt.each_header(|it| it.entry_size = 127), "entry_size", 127),
    (|gpt| gpt.each_header(|it| it.entry_size = 256), "entry_size", 256),
    (|gpt| gpt.each_header(|it| it.entry_size = 1 << 31), "entry_size", 1 << 31),
];

#[test]
fn every_header_field_is_checked() {
    broken(|_| ()).unwrap();
    for (index, (change, expected, value)) in HEADER_FIELDS.iter().enumerate() {
        match broken(*change).unwrap_err() {
            GptError::Field { copy: Copy::Primary, field, found, .. } => {
                assert_eq!((field, found), (*expected, *value), "{index}");
            }
            other => panic!("{index} {expected} {value}: {other}"),
        }
    }
    let reserved = broken(|gpt| gpt.each_header(|it| it.reserved = 1));
    assert_eq!(reserved.unwrap_err(), GptError::Reserved { copy: Copy::Primary });
    let no_header = broken(|gpt| gpt.each_header(|it| it.signature[0] = 0));
    assert_eq!(no_header.unwrap_err(), GptError::NoHeader);
}

#[test]
fn a_backup_that_differs_is_no_backup() {
    let other: [fn(&mut Header); 6] = [
        |it| it.signature[0] = 0,
        |it| it.my_lba -= 1,
        |it| it.alternate_lba = 2,
        |it| it.first_usable += 1,
        |it| it.last_usable -= 1,
        |it| it.disk_guid = Uuid::nil(),
    ];
    for (index, change) in other.into_iter().enumerate() {
        let image = Ddi::builder().build().edit_gpt(|gpt| change(&mut gpt.backup));
        assert_eq!(
            read(&mut Cursor::new(image.bytes)).unwrap_err(),
            GptError::BackupDiffers,
            "{index}"
        );
    }
    let fewer = broken(|gpt| gpt.backup.entry_count = 127);
    assert_eq!(fewer.unwrap_err(), GptError::EntriesCrc { copy: Copy::Backup });
    let array = broken(|gpt| {
        let mut entries = gpt.entries.clone();
        entries[0].attributes = 1;
        gpt.backup_entries = Some(entries);
    });
    assert_eq!(array.unwrap_err(), GptError::BackupDiffers);
}

#[test]
fn every_crc_is_checked() {
    let verbatim = |change: Change| {
        read(&mut Cursor::new(Ddi::builder().build().broken_gpt(change).bytes)).unwrap_err()
    };
    for (change, error) in [
        ((|gpt| gpt.primary.crc ^= 1) as Change, GptError::HeaderCrc { copy: Copy::Primary }),
        (|gpt| gpt.backup.crc ^= 1, GptError::HeaderCrc { copy: Copy::Backup }),
        (|gpt| gpt.entries[0].attributes ^= 1, GptError::EntriesCrc { copy: Copy::Primary }),
        (
            |gpt| {
                let mut entries = gpt.entries.clone();
                entries[0].attributes ^= 1;
                gpt.backup_entries = Some(entries);
            },
            GptError::EntriesCrc { copy: Copy::Backup },
        ),
    ] {
        assert_eq!(verbatim(change), error);
    }
}

fn entry(change: fn(&mut Entry)) -> GptError {
    let image: Image = Ddi::builder().build().edit_gpt(|gpt| change(&mut gpt.entries[0]));
    read(&mut Cursor::new(image.bytes)).unwrap_err()
}

#[test]
fn every_entry_field_is_checked() {
    let outside = |first, last| GptError::Outside { number: 1, first: Lba(first), last: Lba(last) };
    let last = Ddi::builder().build().gpt.entries[0].last_lba;
    let first = Ddi::builder().build().gpt.entries[0].first_lba;
    let second = Ddi::builder().build().gpt.entries[1].guid;
    assert_eq!(entry(|it| it.first_lba = it.last_lba + 1), outside(last + 1, last));
    assert_eq!(entry(|it| it.first_lba = 33), outside(33, last));
    assert_eq!(entry(|it| it.first_lba = 0), outside(0, last));
    assert_eq!(entry(|it| it.last_lba = 16351), outside(first, 16351));
    assert_eq!(entry(|it| it.last_lba = u64::MAX), outside(first, u64::MAX));
    assert_eq!(entry(|it| it.last_lba += 1), GptError::Overlap { first: 1, second: 2 });
    assert_eq!(entry(|it| it.guid = Uuid::nil()), GptError::NoGuid { number: 1 });
    let attributes = 1 << 3;
    assert_eq!(entry(|it| it.attributes = 1 << 3), GptError::Attributes { number: 1, attributes });
    assert_eq!(entry(|it| it.name = [0xD800; 36]), GptError::Name { number: 1 });
    assert_eq!(entry(|it| it.name[35] = 65), GptError::Name { number: 1 });
    let twice = broken(|gpt| gpt.entries[0].guid = gpt.entries[1].guid);
    assert_eq!(twice.unwrap_err(), GptError::DuplicateGuid { first: 1, second: 2, guid: second });
    // What is allowed beside it: the bits of the type, the whole name, the whole usable range.
    broken(|gpt| {
        gpt.entries[0].attributes = u64::MAX << 48 | 7;
        gpt.entries[0].name = [65; 36];
        gpt.entries[0].first_lba = 34;
        gpt.entries.swap(0, 127);
    })
    .unwrap();
}

#[test]
fn the_old_table_holds_the_protective_entry_alone() {
    for (change, what) in [
        ((|gpt| gpt.mbr[511] = 0) as Change, "no 55 AA at its end"),
        (|gpt| gpt.mbr[450] = 0x83, "a partition other than the protective one"),
        (|gpt| gpt.mbr[462 + 4] = 0x83, "a partition other than the protective one"),
        (|gpt| gpt.mbr[454] = 2, "the protective partition does not cover the image"),
        (|gpt| gpt.mbr[458] ^= 1, "the protective partition does not cover the image"),
        (|gpt| gpt.mbr[446..462].fill(0), "not exactly one protective partition"),
    ] {
        assert_eq!(broken(change).unwrap_err(), GptError::Mbr { what });
    }
    broken(|gpt| gpt.mbr[..440].fill(0x90)).unwrap();
}

#[test]
fn headers_at_two_sector_sizes_are_two_tables() {
    let mut image = Ddi::builder().sector(4096).build();
    image.bytes.copy_within(4096..4096 + 92, 512);
    let error = read(&mut Cursor::new(image.bytes)).unwrap_err();
    assert!(matches!(error, GptError::AmbiguousSectorSize { .. }), "{error}");
}
