// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partition tables.

use uuid::Uuid;
use veriroot_test_support::ddi::{Arch, Image, type_guid};
use veriroot_test_support::gpt::{Entry, Header};

use super::{Attack, Make, builder};
use crate::Case;

pub(super) const ALL: &[Make] =
    &[cuts, entries, headers, crcs, backups, sector_sizes, mbrs, ranges, names, guids, types];

fn header(image: Image, change: impl Fn(&mut Header)) -> Image {
    image.edit_gpt(|gpt| gpt.each_header(change))
}

fn cuts() -> Vec<Case> {
    let attack = Attack::new("GPT-02", "truncation: SIGBUS and short reads");
    let len = attack.twin.bytes.len();
    let cuts = [1, 511, 512, 1023, 1024, 17408, 1 << 20, len - 33 * 512, len - 512, len - 1];
    let attack = attack.refuse_each("cut at", cuts, Image::truncate);
    attack
        .refuse_each("longer by", [1, 512, 4096], |mut it, more| {
            it.bytes.resize(it.bytes.len() + more, 0);
            it
        })
        .done()
}

fn entries() -> Vec<Case> {
    Attack::new("GPT-03", "EDK2 CVE-2022-36763, gptfdisk CVE-2020-0256, kernel CVE-2011-1577")
        .refuse_each("entry size", [0, 1, 127, 129, 384, 4096, 1 << 31, u32::MAX], |it, size| {
            header(it, |it| it.entry_size = size)
        })
        .refuse_each("entry count", [0, 129, 1025, 1 << 25, u32::MAX], |it, count| {
            header(it, |it| it.entry_count = count)
        })
        .refuse_each("array at", [0, 1, 3, 1 << 63, u64::MAX], |it, lba| {
            header(it, |it| it.entries_lba = lba)
        })
        .done()
}

fn headers() -> Vec<Case> {
    Attack::new("GPT-04", "UEFI specification, table 5-5")
        .refuse_each("revision", [0, 0x100, 0x0001_0001, 0x0002_0000], |it, revision| {
            header(it, |it| it.revision = revision)
        })
        .refuse_each("header size", [0, 91, 93, 128, 513, u32::MAX], |it, size| {
            header(it, |it| it.header_size = size)
        })
        .refuse_each("my lba", [0, 2, u64::MAX], |it, lba| header(it, |it| it.my_lba = lba))
        .refuse_each("alternate lba", [0, 1, u64::MAX], |it, lba| {
            header(it, |it| it.alternate_lba = lba)
        })
        .refuse_each("first usable", [0, 33, u64::MAX], |it, lba| {
            header(it, |it| it.first_usable = lba)
        })
        .refuse_each("last usable", [1, u64::MAX], |it, lba| header(it, |it| it.last_usable = lba))
        .refuse("reserved field", |it| header(it, |it| it.reserved = 1))
        .refuse_each("reserved byte", [604, 1023], |mut it, at: usize| {
            it.bytes[at] = 1;
            it
        })
        .done()
}

fn crcs() -> Vec<Case> {
    Attack::new("GPT-01", "libavb: bit flips per region")
        .refuse("crc of the header", |it| it.broken_gpt(|gpt| gpt.primary.crc ^= 1))
        .refuse("crc of the backup header", |it| it.broken_gpt(|gpt| gpt.backup.crc ^= 1))
        .refuse("crc of the array", |it| it.broken_gpt(|gpt| gpt.entries[99].attributes = 1))
        .refuse("crc of the backup array", |it| {
            it.broken_gpt(|gpt| {
                let mut entries = gpt.entries.clone();
                entries[99].attributes = 1;
                gpt.backup_entries = Some(entries);
            })
        })
        .done()
}

fn backups() -> Vec<Case> {
    let attack = Attack::new("GPT-05", "libblkid takes the backup, systemd never does");
    let (start, len) = (attack.twin.gpt.backup_start(), attack.twin.bytes.len());
    let zero = |mut it: Image, range: std::ops::Range<usize>| {
        it.bytes[range].fill(0);
        it
    };
    attack
        .refuse("backup with another root", |it| {
            it.edit_gpt(|gpt| {
                let mut entries = gpt.entries.clone();
                entries[0].first_lba += 8;
                gpt.backup_entries = Some(entries);
            })
        })
        .refuse("backup of another disk", |it| {
            it.edit_gpt(|gpt| gpt.backup.disk_guid = Uuid::from_u128(7))
        })
        .refuse("no primary header", |it| zero(it, 512..1024))
        .refuse("no primary array", |it| zero(it, 1024..1024 + 16384))
        .refuse("no backup array", |it| zero(it, start..start + 16384))
        .refuse("no backup header", |it| zero(it, len - 512..len))
        .done()
}

fn sector_sizes() -> Vec<Case> {
    let large = builder().sector(4096).build();
    let evil = builder().sector(4096).change("root", |it| it.plain()).build();
    let small = Attack::new("GPT-06", "systemd ENOTUNIQ: two headers, two tables").refuse(
        "second header at 4096",
        |mut it| {
            it.bytes[4096..4188].copy_from_slice(&evil.bytes[4096..4188]);
            it
        },
    );
    let large = Attack::on("GPT-06", "systemd ENOTUNIQ: two headers, two tables", large)
        .refuse_each("second header at", [512, 1024, 2048], |mut it, at: usize| {
            it.bytes[at..at + 8].copy_from_slice(b"EFI PART");
            it
        });
    let mut cases = small.done();
    cases.extend(
        large.done().into_iter().map(|it| Case { name: format!("4096: {}", it.name), ..it }),
    );
    cases
}

fn mbrs() -> Vec<Case> {
    Attack::new("GPT-07", "polyglot partition tables")
        .refuse("no signature", |it| it.edit_gpt(|gpt| gpt.mbr[510..].fill(0)))
        .refuse("no protective entry", |it| it.edit_gpt(|gpt| gpt.mbr[446..462].fill(0)))
        .refuse("linux in place of protective", |it| it.edit_gpt(|gpt| gpt.mbr[450] = 0x83))
        .refuse("hybrid", |it| {
            let linux = [0x80, 0, 2, 0, 0x83, 0xFF, 0xFF, 0xFF, 0, 8, 0, 0, 0, 8, 0, 0];
            it.edit_gpt(|gpt| gpt.mbr[462..478].copy_from_slice(&linux))
        })
        .refuse("starts behind the header", |it| it.edit_gpt(|gpt| gpt.mbr[454] = 2))
        .refuse("does not cover the disk", |it| it.edit_gpt(|gpt| gpt.mbr[458] ^= 1))
        .refuse("two protective entries", |it| {
            it.edit_gpt(|gpt| gpt.mbr.copy_within(446..462, 478))
        })
        .accept("covers all there is", |it| it.edit_gpt(|gpt| gpt.mbr[458..462].fill(0xFF)))
        .done()
}

fn ranges() -> Vec<Case> {
    let twin = builder().partition("home", vec![1; 8192]).partition("srv", vec![2; 8192]).build();
    let (root, home) = (twin.entry("root").clone(), twin.entry("home").clone());
    let last = twin.gpt.primary.last_usable;
    let set = |name: &'static str| {
        move |it: Image, (first, last): (u64, u64)| {
            it.change_entry(name, |it| (it.first_lba, it.last_lba) = (first, last))
        }
    };
    let outside = [
        (4096, 4095),
        (0, 4096),
        (33, 4096),
        (last, last + 1),
        (4096, u64::MAX),
        (u64::MAX, u64::MAX),
        (1 << 55, (1 << 55) + 1),
    ];
    let over = [
        (root.first_lba, root.last_lba),
        (root.last_lba, root.last_lba + 7),
        (home.first_lba, home.last_lba),
    ];
    Attack::on("GPT-08", "systemd INT64_MAX/512, cryptsetup checkOverlapBug", twin)
        .refuse_each("tree at", outside, set("root-verity"))
        .refuse_each("srv over", over, set("srv"))
        .refuse("tree inside its data", |it| {
            set("root-verity")(it, (root.first_lba, root.first_lba + 31))
        })
        .done()
}

fn names() -> Vec<Case> {
    let unit =
        |it: Image, at: usize, unit: u16| it.change_entry("root", |entry| entry.name[at] = unit);
    Attack::new("GPT-09", "text that is no text in logs and paths")
        .refuse("lone high surrogate", |it| unit(it, 0, 0xD800))
        .refuse("lone low surrogate", |it| unit(it, 35, 0xDC00))
        .refuse("text behind the NUL", |it| unit(unit(it, 0, 0), 1, u16::from(b'x')))
        .accept("path", |it| it.relabel("root", "../../x"))
        .accept("control characters", |it| it.relabel("root", "a\nb\u{1b}[2J"))
        .accept("36 units", |it| it.relabel("root", &"x".repeat(36)))
        .done()
}

fn guids() -> Vec<Case> {
    Attack::new("GPT-10", "two partitions of one name")
        .refuse("tree has the signature's", |it| {
            let guid = it.entry("root-verity-sig").guid;
            it.set_guid("root-verity", guid)
        })
        .refuse("nil", |it| it.set_guid("root-verity-sig", Uuid::nil()))
        .refuse_each("reserved attribute bit", [3, 17, 47], |it, bit| {
            it.set_attributes("root", 1 << 60 | 1 << bit)
        })
        .done()
}

fn types() -> Vec<Case> {
    let root = type_guid("root", Arch::X86_64);
    let attack = Attack::new("GPT-11", "GUIDs that only look like root's");
    attack
        .refuse("big endian", |it| it.retype("root", Uuid::from_bytes(root.to_bytes_le())))
        .refuse("one bit off", |it| it.retype("root", Uuid::from_u128(root.as_u128() ^ 1)))
        .refuse("generic", |it| it.retype("root", type_guid("linux-generic", Arch::X86_64)))
        .refuse("of another architecture", |it| it.retype("root", type_guid("root", Arch::Arm64)))
        .refuse("nil", |it| it.retype("root", Uuid::nil()))
        .accept("nil with a range elsewhere", |it| {
            it.edit_gpt(|gpt| {
                let root = gpt.entries[0].clone();
                gpt.entries[9] = Entry { type_guid: Uuid::nil(), ..root };
            })
        })
        .done()
}
