// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partition tables: every field a reader could be misled by.

use uuid::Uuid;
use veriroot::dissect::DissectError;
use veriroot::dissect::gpt::{Copy, GptError};
use veriroot::error::Error;
use veriroot::policy::PolicyError;
use veriroot::source;
use veriroot_test_support::ddi::{Arch, Ddi, type_guid};
use veriroot_test_support::gpt::{Entry, Gpt, Header};

use crate::judge::{Machine, Twin, small};

/// The table's fault in a refusal.
fn fault(error: Error) -> GptError {
    match error {
        Error::Dissect(DissectError::Gpt(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// Which header field is at fault when both headers are changed alike, CRCs right.
fn field(twin: &Twin, change: impl Fn(&mut Header)) -> (Copy, &'static str, u64) {
    match fault(twin.refused(|it| it.edit_gpt(|gpt| gpt.each_header(change)))) {
        GptError::Field { copy, field, found, .. } => (copy, field, found),
        other => panic!("{other:?}"),
    }
}

#[test]
fn refuses_every_flipped_bit_of_both_headers_and_the_arrays_in_use() {
    let twin = Twin::new(Machine::default(), small().build());
    let (disk, length) = (twin.on_disk(), twin.image.bytes.len());
    let (array, backup) = (1024..1024 + 3 * 128, twin.image.gpt.backup_start());
    let parts = [512..1024, array, backup..backup + 3 * 128, length - 512..length];
    for offset in parts.into_iter().flatten() {
        let result = disk.with_flipped(offset, offset % 8);
        assert!(matches!(result, Err(Error::Dissect(_))), "byte {offset}: {result:?}");
    }
}

#[test]
fn refuses_every_flipped_bit_of_the_protective_mbr_but_in_boot_code() {
    let twin = Twin::new(Machine::default(), small().build());
    let disk = twin.on_disk();
    // Boot code, disk signature; then flags and cylinder addresses of the protective entry.
    let free =
        |at: usize| at < 450 && at != 447 || (447..450).contains(&at) || (451..454).contains(&at);
    for offset in 0..512 {
        let result = disk.with_flipped(offset, offset % 8);
        if free(offset) {
            assert!(result.is_ok(), "byte {offset}: {result:?}");
        } else {
            let fault = fault(result.unwrap_err());
            assert!(matches!(fault, GptError::Mbr { .. }), "byte {offset}: {fault:?}");
        }
    }
}

#[test]
fn refuses_image_cut_off_anywhere() {
    let twin = Twin::new(Machine::default(), small().build());
    let length = twin.image.bytes.len();
    let cuts = [1, 511, 512, 513, 1023, 1024, 1025, 1024 + 128 * 128, 1 << 20, length - 33 * 512];
    for cut in cuts.into_iter().chain((1..12).map(|it| length - it * 512)).chain([length - 1]) {
        let fault = fault(twin.refused(|it| it.truncate(cut)));
        assert!(
            matches!(fault, GptError::Truncated { .. } | GptError::NoHeader | GptError::Mbr { .. }),
            "{cut}: {fault:?}"
        );
    }
    assert_refused!(twin.refused(|it| it.truncate(0)), Error::Source(source::Error::Empty { .. }));
}

#[test]
fn refuses_bytes_behind_the_backup() {
    let twin = Twin::b0();
    for more in [1, 511, 512, 1 << 20] {
        let fault = fault(twin.refused(|mut it| {
            it.bytes.resize(it.bytes.len() + more, 0);
            it
        }));
        assert!(
            matches!(
                fault,
                GptError::Mbr { .. } | GptError::Field { .. } | GptError::Truncated { .. }
            ),
            "{fault:?}"
        );
    }
}

// GPT-03
#[test]
fn refuses_odd_entry_sizes_and_counts() {
    let twin = Twin::b0();
    for size in [0, 1, 127, 129, 256, 384, 4096, 1 << 31, u32::MAX] {
        assert_eq!(field(&twin, |it| it.entry_size = size).1, "entry_size", "{size}");
    }
    for count in [0, 129, 1024, 1025, 1 << 25, u32::MAX] {
        assert_eq!(field(&twin, |it| it.entry_count = count).1, "entry_count", "{count}");
    }
}

// GPT-03
#[test]
fn refuses_entry_array_elsewhere() {
    let twin = Twin::b0();
    for lba in [0, 1, 3, 16384, 1 << 63, u64::MAX] {
        let copy_and_field = field(&twin, |it| it.entries_lba = lba);
        assert_eq!(copy_and_field, (Copy::Primary, "entries_lba", lba));
    }
}

// GPT-04
#[test]
fn refuses_every_header_field_that_is_not_as_it_must_be() {
    let twin = Twin::b0();
    for revision in [0, 0x0000_0100, 0x0001_0001, 0x0002_0000] {
        assert_eq!(field(&twin, |it| it.revision = revision).1, "revision");
    }
    for size in [0, 91, 93, 128, 513, u32::MAX] {
        assert_eq!(field(&twin, |it| it.header_size = size).1, "header_size");
    }
    for lba in [0, 2, u64::MAX] {
        assert_eq!(field(&twin, |it| it.my_lba = lba), (Copy::Primary, "my_lba", lba));
    }
    for lba in [0, 1, 16382, 16384, u64::MAX] {
        let found = field(&twin, |it| it.alternate_lba = lba);
        assert_eq!(found, (Copy::Primary, "alternate_lba", lba));
    }
    for first in [0, 1, 33, 16384, u64::MAX] {
        assert_eq!(field(&twin, |it| it.first_usable = first).1, "first_usable_lba", "{first}");
    }
    for last in [16351, 16383, u64::MAX] {
        assert_eq!(field(&twin, |it| it.last_usable = last).1, "last_usable_lba", "{last}");
    }
}

// GPT-04
#[test]
fn refuses_data_in_reserved_places_of_the_header() {
    let twin = Twin::b0();
    let error = twin.refused(|it| it.edit_gpt(|gpt| gpt.each_header(|it| it.reserved = 1)));
    assert_eq!(fault(error), GptError::Reserved { copy: Copy::Primary });
    for (at, copy) in [(512 + 92, Copy::Primary), (1023, Copy::Primary)] {
        let error = twin.refused(|mut it| {
            it.bytes[at] = 1;
            it
        });
        assert_eq!(fault(error), GptError::Reserved { copy });
    }
    let error = twin.refused(|mut it| {
        *it.bytes.last_mut().unwrap() = 1;
        it
    });
    assert_eq!(fault(error), GptError::Reserved { copy: Copy::Backup });
}

// GPT-04
#[test]
fn refuses_wrong_crcs() {
    let twin = Twin::b0();
    type Change = fn(&mut Gpt);
    let break_each: [(Change, GptError); 4] = [
        (|it| it.primary.crc ^= 1, GptError::HeaderCrc { copy: Copy::Primary }),
        (|it| it.backup.crc ^= 1, GptError::HeaderCrc { copy: Copy::Backup }),
        (|it| it.entries[99].attributes = 1, GptError::EntriesCrc { copy: Copy::Primary }),
        (
            |it| {
                let mut entries = it.entries.clone();
                entries[99].attributes = 1;
                it.backup_entries = Some(entries);
            },
            GptError::EntriesCrc { copy: Copy::Backup },
        ),
    ];
    for (change, expected) in break_each {
        assert_eq!(fault(twin.refused(|it| it.broken_gpt(change))), expected);
    }
}

// GPT-05
#[test]
fn refuses_backup_that_is_sound_and_differs() {
    let twin = Twin::b0();
    let other_root = |gpt: &mut Gpt| {
        let mut entries = gpt.entries.clone();
        entries[0].first_lba += 8;
        gpt.backup_entries = Some(entries);
    };
    let changes: [fn(&mut Gpt); 5] = [
        other_root,
        |it| it.backup.disk_guid = Uuid::from_u128(7),
        |it| it.backup.first_usable += 1,
        |it| it.backup.alternate_lba = 2,
        |it| it.backup.my_lba -= 1,
    ];
    for change in changes {
        assert_eq!(fault(twin.refused(|it| it.edit_gpt(change))), GptError::BackupDiffers);
    }
}

// GPT-05
#[test]
fn refuses_either_table_alone() {
    let twin = Twin::b0();
    let (backup, length) = (twin.image.gpt.backup_start(), twin.image.bytes.len());
    let parts = [
        (512..1024, GptError::BackupAlone),
        (1024..1024 + 16384, GptError::EntriesCrc { copy: Copy::Primary }),
        (backup..backup + 16384, GptError::EntriesCrc { copy: Copy::Backup }),
        (length - 512..length, GptError::BackupDiffers),
    ];
    for (part, expected) in parts {
        let error = twin.refused(|mut it| {
            it.bytes[part].fill(0);
            it
        });
        assert_eq!(fault(error), expected);
    }
}

// GPT-06
#[test]
fn refuses_headers_at_two_sector_sizes() {
    let twin = Twin::new(Machine::default(), Ddi::builder().sector(4096).build());
    let small_sectors = Twin::b0();
    for at in [512, 1024, 2048] {
        let error = twin.refused(|mut it| {
            it.bytes[at..at + 8].copy_from_slice(b"EFI PART");
            it
        });
        assert!(matches!(fault(error), GptError::AmbiguousSectorSize { .. }));
    }
    // A whole second table, sound in itself, that lists an evil root.
    let evil = Ddi::builder().sector(4096).change("root", |it| it.plain()).build();
    let error = small_sectors.refused(|mut it| {
        it.bytes[4096..4096 + 92].copy_from_slice(&evil.bytes[4096..4096 + 92]);
        it
    });
    let fault = fault(error);
    // The array reaches over byte 4096, so its CRC would tell as well; two headers tell first.
    assert!(matches!(fault, GptError::AmbiguousSectorSize { .. }), "{fault:?}");
}

// GPT-07
#[test]
fn refuses_hybrid_and_missing_mbrs() {
    let twin = Twin::b0();
    let linux_over_root = |gpt: &mut Gpt| {
        gpt.mbr[462..478]
            .copy_from_slice(&[0x80, 0, 2, 0, 0x83, 0xFF, 0xFF, 0xFF, 0, 8, 0, 0, 0, 8, 0, 0]);
    };
    let changes: [fn(&mut Gpt); 7] = [
        |it| it.mbr[510..].fill(0),
        |it| it.mbr[446..462].fill(0),
        |it| it.mbr[450] = 0x83,
        linux_over_root,
        |it| it.mbr[454] = 2,
        |it| it.mbr[458] ^= 1,
        |it| it.mbr.copy_within(446..462, 478),
    ];
    for change in changes {
        let fault = fault(twin.refused(|it| it.edit_gpt(change)));
        assert!(matches!(fault, GptError::Mbr { .. }), "{fault:?}");
    }
    // "All of it" is how the largest disks say so, and systemd-repart any.
    twin.accepted(|it| it.edit_gpt(|gpt| gpt.mbr[458..462].fill(0xFF)));
}

// GPT-08
#[test]
fn refuses_partitions_outside_the_usable_range() {
    let twin = Twin::b0();
    let last_usable = twin.image.gpt.primary.last_usable;
    let ranges = [
        (4096, 4095),
        (0, 4096),
        (1, 4096),
        (33, 4096),
        (4096, last_usable + 1),
        (4096, u64::MAX),
        (u64::MAX, u64::MAX),
        (1 << 55, (1 << 55) + 1),
        (last_usable + 1, last_usable + 1),
    ];
    for (first, last) in ranges {
        let error = twin.refused(|it| {
            it.change_entry("root-verity", |entry| {
                (entry.first_lba, entry.last_lba) = (first, last);
            })
        });
        let fault = fault(error);
        assert!(matches!(fault, GptError::Outside { number: 2, .. }), "{fault:?}");
    }
}

// GPT-08
#[test]
fn refuses_overlapping_partitions_also_where_nobody_uses_them() {
    let twin = Twin::new(
        Machine::default(),
        Ddi::builder().partition("home", vec![1; 8192]).partition("srv", vec![2; 8192]).build(),
    );
    let (root, home) = (twin.image.entry("root").clone(), twin.image.entry("home").clone());
    let ranges = [
        (root.first_lba, root.last_lba),
        (root.last_lba, root.last_lba + 7),
        (root.first_lba + 8, root.first_lba + 15),
        (home.first_lba, home.last_lba),
    ];
    for (first, last) in ranges {
        let error = twin.refused(|it| {
            it.change_entry("srv", |entry| (entry.first_lba, entry.last_lba) = (first, last))
        });
        let fault = fault(error);
        assert!(matches!(fault, GptError::Overlap { .. }), "{fault:?}");
    }
    // The hash tree inside its own data.
    let error = twin.refused(|it| {
        it.change_entry("root-verity", |entry| {
            (entry.first_lba, entry.last_lba) = (root.first_lba, root.first_lba + 31);
        })
    });
    assert!(matches!(fault(error), GptError::Overlap { .. }));
}

// GPT-09
#[test]
fn refuses_names_that_are_no_text() {
    let twin = Twin::b0();
    let names: [fn(&mut [u16; 36]); 3] =
        [|it| it[0] = 0xD800, |it| it[35] = 0xDC00, |it| (it[0], it[1]) = (0, u16::from(b'x'))];
    for change in names {
        let fault = fault(twin.refused(|it| it.change_entry("root", |it| change(&mut it.name))));
        assert_eq!(fault, GptError::Name { number: 1 });
    }
    for label in ["", "../../x", "a\nb\x1b[2J", "\u{202e}toor", &"x".repeat(36)] {
        twin.accepted(|it| it.relabel("root", label));
    }
}

// GPT-10
#[test]
fn refuses_partitions_of_one_guid_and_of_none() {
    let twin = Twin::b0();
    let guid = twin.image.entry("root-verity-sig").guid;
    let error = twin.refused(|it| it.set_guid("root-verity", guid));
    assert_eq!(fault(error), GptError::DuplicateGuid { first: 2, second: 3, guid });
    let error = twin.refused(|it| it.set_guid("root-verity-sig", Uuid::nil()));
    assert_eq!(fault(error), GptError::NoGuid { number: 3 });
}

#[test]
fn refuses_reserved_attribute_bits() {
    let twin = Twin::b0();
    for bit in [3, 17, 47] {
        let error = twin.refused(|it| it.set_attributes("root", 1 << 60 | 1 << bit));
        assert!(matches!(fault(error), GptError::Attributes { number: 1, .. }));
    }
}

// GPT-11
#[test]
fn refuses_root_types_that_only_look_like_one() {
    let twin = Twin::b0();
    let root = type_guid("root", Arch::X86_64);
    let decoys = [
        Uuid::from_bytes(root.to_bytes_le()),
        Uuid::from_u128(root.as_u128() ^ 1),
        Uuid::from_u128(root.as_u128() ^ 1 << 127),
        type_guid("linux-generic", Arch::X86_64),
    ];
    for decoy in decoys {
        let error = twin.refused(|it| it.retype("root", decoy));
        assert_refused!(error, Error::Policy(PolicyError::Layout { .. }));
    }
}

// GPT-11
#[test]
fn refuses_unused_type_with_a_range_only_by_not_seeing_it() {
    let twin = Twin::b0();
    // A slot of type zero is unused, whatever else it says (UEFI 5.3.3).
    twin.accepted(|it| {
        it.edit_gpt(|gpt| {
            let root = gpt.entries[0].clone();
            gpt.entries[9] = Entry { type_guid: Uuid::nil(), ..root };
        })
    });
    let error = twin.refused(|it| it.retype("root", Uuid::nil()));
    assert_refused!(error, Error::Policy(PolicyError::Layout { .. }));
}
