// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Content with two answers, content that only looks like it, and content that is never mounted.
//!
//! **In:** real file systems with magics and whole superblocks of other types written into them.
//! **Out:** refusal or acceptance by the rule in `filesystem::probe`. **Refuses:** nothing.

use veriroot::filesystem::{FileSystem, ProbeError, probe};

use crate::device::{Device, btrfs, erofs, ext4, squashfs, vfat, xfs};

fn foreign(name: &'static str) -> ProbeError {
    ProbeError::Foreign { name }
}

fn ambiguous(first: FileSystem, second: FileSystem) -> ProbeError {
    ProbeError::Ambiguous { first, second }
}

/// Places of file content in EROFS, ext4 and SquashFS, and from 4096 on in XFS with such sectors.
const IN_CONTENT: &[(u64, &[u8])] = &[
    (4086, b"SWAPSPACE2"),
    (4086, b"S1SUSPEND\0"),
    (4096, b"\xFC\x4E\x2B\xA9"),
    (8192 + 52, b"ReIsErFs"),
    (0x4000, b"SKUL\xBA\xBE\0\x02"),
    (16404, b"\0\0\0\x07version\0"),
    (32768, b"JFS1"),
    (0x8001, b"CD001"),
    (0x8001, b"\x01CD001\x01"),
    (34817, b"NSR02"),
    (65536, b"ReIsEr4"),
    (65600, b"_BHRfS_M"),
];

#[test]
fn magics_in_file_content_change_nothing() {
    for base in [erofs(), ext4(), squashfs(), xfs()] {
        let whole = probe(&base.windows()).unwrap();
        let from = if whole.filesystem == FileSystem::Xfs { 4096 } else { 0 };
        for (at, magic) in IN_CONTENT.iter().filter(|(at, _)| *at >= from) {
            let answer = probe(&base.with(*at, magic).resealed(whole.filesystem).windows());
            assert_eq!(answer.as_ref(), Ok(&whole), "{at}");
        }
        // ZFS uberblocks, MD and BIOS RAID magics in the last sectors.
        for (back, magic) in [
            (0x20000 - 0x400, &b"\x0c\xb1\xba\0\0\0\0\0"[..]),
            (0x10000, b"\xFC\x4E\x2B\xA9"),
            (0x2000, b"\xFC\x4E\x2B\xA9\x01\0\0\0"),
            (512, b"\xDE\x11\xDE\x11"),
            (1024, b"Intel Raid ISM Cfg Sig. "),
        ] {
            let answer = probe(&base.with(base.len - back, magic).windows());
            assert_eq!(answer.as_ref(), Ok(&whole), "{back}");
        }
    }
}

#[test]
fn squashfs_content_may_look_like_any_superblock() {
    let base = squashfs();
    for (at, magic) in [
        (512, &b"LABELONE"[..]),
        (1024, b"\xe2\xe1\xf5\xe0"),
        (1024, b"\x10\x20\xF5\xF2"),
        (1024, b"BD"),
        (1040, b"\x7F\x13"),
        (1080, b"\x53\xEF"),
        (510, b"\x55\xAA"),
        (512, b"EFI PART"),
    ] {
        assert!(probe(&base.with(at, magic).windows()).is_ok(), "{magic:x?}");
    }
}

#[test]
fn magics_where_a_file_system_keeps_nothing_are_refused() {
    for (base, end) in [(erofs(), 1024), (ext4(), 1024), (btrfs(), 65536)] {
        let own = probe(&base.windows()).unwrap().filesystem;
        for (at, magic, name) in [
            (0, &b"LUKS\xBA\xBE"[..], "crypto_LUKS"),
            (0, b"verity\0\0", "DM_verity_hash"),
            (0, b"HM", "LVM1_member"),
            (0, b"\xFC\x4E\x2B\xA9", "linux_raid_member"),
            (3, b"NTFS    ", "ntfs"),
            (3, b"EXFAT   ", "exfat"),
            (3, b"-FVE-FS-", "BitLocker"),
            (32, b"NXSB", "apfs"),
            (512, b"LABELONE", "LVM2_member"),
            (512, b"EFI PART", "gpt"),
            (1024, b"\x10\x20\xF5\xF2", "f2fs"),
            (1040, b"\x7F\x13", "minix"),
            (4086, b"SWAPSPACE2", "swap"),
            (4096, b"\xFC\x4E\x2B\xA9", "linux_raid_member"),
            (0x8001, b"CD001", "iso9660"),
            (0xfff6, b"S1SUSPEND", "swsuspend"),
        ] {
            if at + (magic.len() as u64) <= end {
                let answer = probe(&base.with(at, magic).windows());
                assert_eq!(answer, Err(foreign(name)), "{own} {at}");
            }
        }
        for (at, magic, other) in [
            (0, &b"hsqs"[..], FileSystem::Squashfs),
            (0, b"XFSB", FileSystem::Xfs),
            (54, b"FAT12   ", FileSystem::Vfat),
            (54, b"FAT16   ", FileSystem::Vfat),
            (82, b"FAT32   ", FileSystem::Vfat),
            (1024, b"\xe2\xe1\xf5\xe0", FileSystem::Erofs),
            (1080, b"\x53\xEF", FileSystem::Ext4),
        ] {
            if at + (magic.len() as u64) <= end {
                let answer = probe(&base.with(at, magic).windows());
                assert_eq!(answer, Err(ambiguous(own.min(other), own.max(other))), "{own} {at}");
            }
        }
        // The mark of a boot sector alone, and text that is no magic.
        assert!(probe(&base.with(510, &[0x55, 0xAA]).windows()).is_ok());
        assert!(probe(&base.with(100, b"hsqs").windows()).is_ok());
    }
}

#[test]
fn boot_code_of_vfat_is_no_place_for_a_magic() {
    let base = vfat();
    let go = b"\x3B\xD6\x67\x49\x29\x2E\xD8\x4A\x83\x99\xF6\xA3\x39\xE3\xD0\x01";
    assert_eq!(probe(&base.with(424, go).windows()), Err(foreign("BitLocker")));
    assert_eq!(probe(&base.with(3, b"-FVE-FS-").windows()), Err(foreign("BitLocker")));
    assert_eq!(probe(&base.with(3, b"NTFS    ").windows()), Err(foreign("ntfs")));
    // The reserved sectors end at 16 KiB now, and tables follow.
    let shorter = base.with(14, &[4, 0]);
    assert!(probe(&shorter.with(0x8001, b"CD001").windows()).is_ok());
    assert_eq!(probe(&base.with(0x8001, b"CD001").windows()), Err(foreign("iso9660")));
    assert!(probe(&base.with(3, b"MSWIN4.1").windows()).is_ok());
    let answer = probe(&base.with(1080, b"\x53\xEF").windows());
    assert_eq!(answer, Err(ambiguous(FileSystem::Ext4, FileSystem::Vfat)));
}

#[test]
fn the_rest_of_the_first_xfs_sector_is_no_place_for_a_magic() {
    let filesystem = FileSystem::Xfs;
    let large = xfs().with(102, &[0x10, 0]).with(121, &[12]).with(512, &[0; 3584]);
    assert!(probe(&large.resealed(filesystem).windows()).is_ok());
    for (at, magic, error) in [
        (512, &b"LABELONE"[..], foreign("LVM2_member")),
        (1080, b"\x53\xEF", ambiguous(FileSystem::Ext4, filesystem)),
        (4086, b"SWAPSPACE2", foreign("swap")),
    ] {
        let answer = probe(&large.with(at, magic).resealed(filesystem).windows());
        assert_eq!(answer, Err(error));
    }
}

/// Two whole superblocks; the second keeps its own bytes alone.
fn polyglots() -> Vec<(Device, FileSystem, FileSystem)> {
    use FileSystem::{Btrfs, Erofs, Ext4, Squashfs, Vfat, Xfs};
    let with = |base: Device, guest: &Device, range: std::ops::Range<usize>| {
        base.with(range.start as u64, &guest.head[range])
    };
    let (e, x, b, q) = (erofs(), ext4(), btrfs(), squashfs());
    vec![
        (with(e.clone(), &q, 0..96), Erofs, Squashfs),
        (with(q.clone(), &e, 1024..4096), Erofs, Squashfs),
        (with(xfs(), &e, 1024..4096), Erofs, Xfs),
        (with(q.clone(), &x, 1024..2048), Ext4, Squashfs),
        (with(x.clone(), &q, 0..96), Ext4, Squashfs),
        (with(q, &b, 65536..69632), Btrfs, Squashfs),
        (with(e, &b, 65536..69632), Btrfs, Erofs),
        (with(x.clone(), &b, 65536..69632), Btrfs, Ext4),
        (with(xfs(), &b, 65536..69632), Btrfs, Xfs),
        (with(vfat(), &b, 65536..69632), Btrfs, Vfat),
        (with(xfs(), &x, 1024..2048), Ext4, Xfs),
        (with(vfat(), &x, 1024..2048), Ext4, Vfat),
    ]
}

#[test]
fn two_sound_superblocks_are_refused_whatever_the_size_of_the_device() {
    for (device, first, second) in polyglots() {
        for len in [80 << 10, 1 << 20, 1_474_560, 8 << 20, 1 << 40] {
            let answer = probe(&device.resized(len).windows());
            assert_eq!(answer, Err(ambiguous(first, second)), "{len}");
        }
    }
}

#[test]
fn a_second_superblock_counts_even_if_it_would_be_refused_alone() {
    let guest = ext4().with(0x460, &[0xc6]).resealed(FileSystem::Ext4);
    let device = squashfs().with(1024, &guest.head[1024..2048]);
    assert_eq!(
        probe(&device.windows()),
        Err(ambiguous(FileSystem::Ext4, FileSystem::Squashfs)),
        "a journal to replay"
    );
    // With a wrong checksum no driver takes it: it is file content.
    assert!(probe(&device.with(2044, &[0; 4]).windows()).is_ok());
}

#[test]
fn sound_foreign_structures_in_file_content_are_refused() {
    let base = squashfs();
    for (at, bytes, name) in foreign_structures(base.len) {
        let device = base.with(at, &bytes);
        assert_eq!(probe(&device.windows()), Err(foreign(name)), "{name} {at}");
        let alone = Device::zeros(base.len).with(at, &bytes);
        assert_eq!(probe(&alone.windows()), Err(foreign(name)), "{name} {at}");
        // One bit of it the other way is file content again.
        let last = at + bytes.len() as u64 - 1;
        let broken = device.with(last, &[bytes[bytes.len() - 1] ^ 0x80]);
        assert!(probe(&broken.windows()).is_ok(), "{name} {at}");
    }
}

/// The least that is sound of each type, its last byte among what is looked at.
fn foreign_structures(device_len: u64) -> Vec<(u64, Vec<u8>, &'static str)> {
    let blob = |len: usize, parts: &[(usize, &[u8])]| {
        let mut bytes = vec![0; len];
        parts.iter().for_each(|(at, part)| bytes[*at..at + part.len()].copy_from_slice(part));
        bytes
    };
    let swap = blob(4096 - 1024, &[(0, &[1]), (4, &[9]), (3062, b"SWAPSPACE2")]);
    let luks = blob(264, &[(0, b"SKUL\xBA\xBE\0\x02"), (256, &0x4000u64.to_be_bytes())]);
    let mut lvm = blob(512, &[(0, b"LABELONE"), (8, &[1]), (24, b"LVM2 001")]);
    let mut crc = crc32fast::Hasher::new_with_initial(!0xF597_A6CF);
    crc.update(&lvm[20..]);
    lvm[16..20].copy_from_slice(&(!crc.finalize()).to_le_bytes());
    let magic = 0xA92B_4EFC_u32;
    let sum = magic.wrapping_add(1 + 8 + 7).to_le_bytes();
    let md_1 =
        blob(256, &[(0, &magic.to_le_bytes()), (4, &[1]), (144, &[8]), (216, &sum), (255, &[0])]);
    let md_1 = {
        let mut it = md_1;
        it[252] = 7;
        it
    };
    let md_0_at = (device_len & !0xffff) - 0x10000;
    let sum = magic.wrapping_add(90).to_le_bytes();
    let md_0 = blob(4096, &[(0, &magic.to_le_bytes()), (8, &[90]), (152, &sum)]);
    let iso = blob(
        166,
        &[
            (0, b"\x01CD001\x01"),
            (80, &[9, 0, 0, 0, 0, 0, 0, 9]),
            (128, &[0, 8, 8, 0]),
            (156, &[34]),
            (158, &[5, 0, 0, 0, 0, 0, 0, 5]),
        ],
    );
    let udf = blob(2055, &[(0, b"\0BEA01\x01"), (2048, b"\0NSR03\x01")]);
    let f2fs = blob(
        24,
        &[(0, b"\x10\x20\xF5\xF2"), (8, &[9]), (12, &[3]), (16, &[12]), (20, &[9, 0, 0, 0])],
    );
    let bcache = b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81";
    let bcache = blob(40, &[(8, &[8]), (24, bcache)]);
    let jfs = blob(24, &[(0, b"JFS1\x01"), (16, &[0, 0x10]), (20, &[12, 0])]);
    let jfs = jfs[..22].to_vec();
    vec![
        (1024, swap, "swap"),
        (0x4000, luks, "crypto_LUKS"),
        (512, lvm, "LVM2_member"),
        (4096, md_1, "linux_raid_member"),
        (md_0_at, md_0, "linux_raid_member"),
        (32768, iso, "iso9660"),
        (32768, udf, "udf"),
        (1024, f2fs.clone(), "f2fs"),
        (5120, f2fs, "f2fs"),
        (4096, bcache, "bcache"),
        (32768, jfs, "jfs"),
    ]
}

#[test]
fn types_that_are_never_mounted_are_named() {
    for (at, magic, name) in [
        (0, &b"LUKS\xBA\xBE\0\x01"[..], "crypto_LUKS"),
        (0, b"LUKS\xBA\xBE\0\x02", "crypto_LUKS"),
        (0, b"\0\0\0ReFS\0", "ReFS"),
        (3, b"NTFS    ", "ntfs"),
        (32, b"NXSB", "apfs"),
        (32768, b"JFS1", "jfs"),
        (0x8001, b"CD001", "iso9660"),
        (65536, b"ReIsEr4", "reiser4"),
    ] {
        let device = Device::zeros(1 << 20).with(at, magic);
        assert_eq!(probe(&device.windows()), Err(foreign(name)));
    }
    // An encrypted decoy with another superblock behind it.
    let decoy = ext4().with(0, b"LUKS\xBA\xBE\0\x02").with(1080, &[0x53, 0xEF]);
    assert_eq!(probe(&decoy.windows()), Err(foreign("crypto_LUKS")));
    for len in [0, 1, 511, 512, 1024, 1 << 20] {
        assert_eq!(probe(&Device::zeros(len).windows()), Err(ProbeError::Unrecognised), "{len}");
    }
}
