// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every field of the six superblocks, one at a time, with the checksum made right again.
//!
//! **In:** real superblocks. **Out:** the exact refusal for each value that is wrong, acceptance
//! for the nearest one that is not. **Refuses:** nothing.

use veriroot::filesystem::{FileSystem, ProbeError, probe};

use crate::device::{Device, btrfs, erofs, ext4, squashfs, vfat, xfs};

/// What a row expects, as a function of the type.
enum Expect {
    Sound,
    Dirty(&'static str, u64),
    Extra(&'static str, u64),
    Field(&'static str, u64),
    Foreign(&'static str),
    Larger(u64),
    Unknown(&'static str, u64),
    Unsupported(&'static str, u64),
}

use Expect::{Dirty, Extra, Field, Foreign, Larger, Sound, Unknown, Unsupported};

impl Expect {
    fn error(&self, filesystem: FileSystem, device: u64) -> Option<ProbeError> {
        Some(match *self {
            Sound => return None,
            Dirty(field, found) => ProbeError::Dirty { filesystem, field, found },
            Extra(field, found) => ProbeError::ExtraDevice { filesystem, field, found },
            Field(field, found) => ProbeError::Field { filesystem, field, found },
            Foreign(name) => ProbeError::Foreign { name },
            Larger(claimed) => ProbeError::LargerThanDevice { filesystem, claimed, device },
            Unknown(field, bits) => ProbeError::UnknownFeatures { filesystem, field, bits },
            Unsupported(field, found) => ProbeError::Unsupported { filesystem, field, found },
        })
    }
}

/// Writes each row's bytes at its offset from `start` and compares the answer.
fn check(filesystem: FileSystem, base: &Device, start: u64, rows: &[(u64, &[u8], Expect)]) {
    let accepted = probe(&base.resealed(filesystem).windows()).unwrap();
    assert_eq!(accepted.filesystem, filesystem);
    for (at, bytes, expect) in rows {
        let device = base.with(start + at, bytes).resealed(filesystem);
        let answer = probe(&device.windows());
        assert_eq!(
            answer.clone().err(),
            expect.error(filesystem, device.len),
            "{filesystem} {at:#x} {bytes:x?}"
        );
        assert!(answer.is_err() || answer.unwrap().filesystem == filesystem);
    }
}

const U32_MAX: u64 = 0xffff_ffff;

#[test]
fn erofs_fields() {
    // 50 blocks of 4096 bytes, metadata from block 0, root inode 36.
    let rows: &[(u64, &[u8], Expect)] = &[
        (12, &[8], Field("blkszbits", 8)),
        (12, &[17], Field("blkszbits", 17)),
        (12, &[0], Field("blkszbits", 0)),
        (12, &[255], Field("blkszbits", 255)),
        (90, &[1], Field("dirblkbits", 1)),
        (13, &[184], Sound),
        (13, &[185], Field("sb_extslots", 185)),
        (80, &[0x7f], Sound),
        (80, &[0x80], Unknown("feature_incompat", 0x80)),
        (80, &[0x41, 1], Unknown("feature_incompat", 0x100)),
        (80, &[0, 0, 0, 0x80], Unknown("feature_incompat", 0x8000_0000)),
        (36, &[1], Sound),
        (36, &[0], Field("blocks", 0)),
        (36, &[151], Sound),
        (36, &[152], Larger(152 * 4096)),
        (36, &[0xff; 4], Larger(U32_MAX * 4096)),
        (40, &[49], Sound),
        (40, &[50], Field("meta_blkaddr", 50)),
        (40, &[0xff; 4], Field("meta_blkaddr", U32_MAX)),
        (44, &[49], Sound),
        (44, &[50], Field("xattr_blkaddr", 50)),
        (14, &[0xff, 0x18], Sound),
        (14, &[0x00, 0x19], Field("root_nid", 0x1900)),
        (86, &[1, 0], Extra("extra_devices", 1)),
    ];
    check(FileSystem::Erofs, &erofs(), 1024, rows);
}

#[test]
fn erofs_checksums_are_compared_for_every_block_size() {
    let filesystem = FileSystem::Erofs;
    let base = erofs();
    for at in [1028, 1050, 4095] {
        let answer = probe(&base.with(at, &[base.head[at as usize] ^ 1]).windows());
        assert_eq!(answer, Err(ProbeError::Checksum { filesystem }), "{at}");
    }
    assert!(probe(&base.with(4096, &[base.head[4096] ^ 1]).windows()).is_ok());
    // Without its feature bit there is no checksum to compare.
    let unsealed = base.with(1024 + 8, &[base.head[1032] & !1]).with(1028, &[0; 4]);
    assert!(probe(&unsealed.windows()).is_ok());
    for (bits, covered) in [(9, 512), (10, 1024), (11, 1024), (13, 7168), (16, 64512)] {
        let device = base.with(1024 + 12, &[bits]).with(1024 + 36, &[8]).with(1028, &[0; 4]);
        let device = if bits < 11 { device.with(1024 + 36, &[0, 1]) } else { device };
        let sum = crate::device::crc32c(&device.head[1024..1024 + covered]);
        let device = device.with(1028, &sum.to_le_bytes());
        assert!(probe(&device.windows()).is_ok(), "{bits}");
    }
}

#[test]
fn checksums_cover_what_no_field_rule_does() {
    // A byte of a label or a UUID: everything else still agrees.
    for (filesystem, base, at) in [
        (FileSystem::Btrfs, btrfs(), 65536 + 0x12B),
        (FileSystem::Ext4, ext4(), 1024 + 0x78),
        (FileSystem::Xfs, xfs(), 108),
        (FileSystem::Xfs, xfs(), 511),
    ] {
        let changed = base.with(at, &[base.head[at as usize] ^ 1]);
        assert_eq!(probe(&changed.windows()), Err(ProbeError::Checksum { filesystem }), "{at}");
        assert!(probe(&changed.resealed(filesystem).windows()).is_ok(), "{at}");
    }
}

#[test]
fn ext4_fields() {
    // 8192 blocks of 4096 bytes in one group of 32768, 2048 inodes of 256 bytes.
    let rows: &[(u64, &[u8], Expect)] = &[
        (0x175, &[0], Field("s_checksum_type", 0)),
        (0x4C, &[0], Field("s_rev_level", 0)),
        (0x4C, &[2], Field("s_rev_level", 2)),
        (0x60, &[0xca], Foreign("jbd")),
        (0x18, &[7], Field("s_log_block_size", 7)),
        (0x18, &[0xff; 4], Field("s_log_block_size", U32_MAX)),
        (0x1C, &[3], Field("s_log_cluster_size", 3)),
        (0x1C, &[1], Field("s_log_cluster_size", 1)),
        (0x14, &[1], Field("s_first_data_block", 1)),
        (0x24, &[0; 4], Field("s_clusters_per_group", 0)),
        (0x24, &[1, 0x80], Field("s_clusters_per_group", 0x8001)),
        (0x20, &[0; 4], Field("s_blocks_per_group", 0)),
        (0x20, &[8, 0x80], Field("s_blocks_per_group", 0x8008)),
        (0x58, &[0, 0], Field("s_inode_size", 0)),
        (0x58, &[64, 0], Field("s_inode_size", 64)),
        (0x58, &[128, 0], Sound),
        (0x58, &[129, 0], Field("s_inode_size", 129)),
        (0x58, &[0, 0x10], Sound),
        (0x58, &[0, 0x20], Field("s_inode_size", 8192)),
        (0x28, &[0; 4], Field("s_inodes_per_group", 0)),
        (0x28, &[1, 0x80], Field("s_inodes_per_group", 0x8001)),
        (0x28, &[0, 0x10], Field("s_inodes_count", 2048)),
        (0, &[0xff; 4], Field("s_inodes_count", U32_MAX)),
        (0x54, &[10], Field("s_first_ino", 10)),
        (0x54, &[12], Sound),
        (0xFE, &[32, 0], Field("s_desc_size", 32)),
        (0xFE, &[65, 0], Field("s_desc_size", 65)),
        (0xFE, &[128, 0], Sound),
        (4, &[0; 4], Field("s_blocks_count", 0)),
        (4, &[0xff, 0x1f], Sound),
        (4, &[1, 0x20], Larger(8193 * 4096)),
        (0x150, &[1], Field("s_inodes_count", 2048)),
        (0x160, &[4], Unsupported("s_flags", 4)),
        (0x60, &[0xc6], Dirty("s_feature_incompat", 0x22c6)),
        (0x60, &[0xc2, 0x23], Unknown("s_feature_incompat", 0x100)),
        (0x60, &[0xc2, 0x22, 0, 0x80], Unknown("s_feature_incompat", 0x8000_0000)),
        (0x60, &[0xc2, 0xe6, 3], Sound),
        (0x3A, &[0], Dirty("s_state", 0)),
        (0x3A, &[3], Dirty("s_state", 3)),
        (0xE4, &[1], Extra("s_journal_dev", 1)),
        (0xE0, &[0], Extra("s_journal_inum", 0)),
    ];
    check(FileSystem::Ext4, &ext4(), 1024, rows);
}

#[test]
fn ext4_may_allocate_in_clusters_that_agree_with_its_groups() {
    let clusters = ext4().with(0x465, &[6]).with(0x424, &[0, 0x40]).with(0x41C, &[3]);
    let rows: &[(u64, &[u8], Expect)] = &[
        (0x1C, &[3], Sound),
        (0x1C, &[1], Field("s_log_cluster_size", 1)),
        (0x1C, &[4], Field("s_blocks_per_group", 32768)),
        (0x1C, &[21], Field("s_log_cluster_size", 21)),
    ];
    check(FileSystem::Ext4, &clusters, 1024, rows);
}

#[test]
fn ext4_is_not_ext3_and_not_ext2() {
    // Features of ext3, 32-byte descriptors; then those bits one by one that ext4 begins with.
    let ext3 = ext4().with(0x400 + 0x60, &[2, 0, 0, 0]).with(0x400 + 0x64, &[3, 0, 0, 0]);
    check(
        FileSystem::Ext4,
        &ext4(),
        0,
        &[(0x400 + 0x60, &[2, 0, 0, 0, 3, 0, 0, 0], Foreign("ext3"))],
    );
    let ext2 = ext3.with(0x400 + 0x5C, &[0x38]);
    assert_eq!(probe(&ext2.windows()), Err(ProbeError::Foreign { name: "ext2" }));
    assert!(probe(&ext3.with(0x400 + 0x60, &[0x42]).windows()).is_ok());
    assert!(probe(&ext3.with(0x400 + 0x64, &[8]).windows()).is_ok());
}

#[test]
fn btrfs_fields() {
    let base = btrfs();
    let len = base.len;
    let (before, after) = ((len - 4096).to_le_bytes(), (len + 4096).to_le_bytes());
    let rows: &[(u64, &[u8], Expect)] = &[
        (0xC4, &[1], Unsupported("csum_type", 1)),
        (0xC4, &[3], Unsupported("csum_type", 3)),
        (0xC4, &[4], Field("csum_type", 4)),
        (0x30, &[1], Field("bytenr", 65537)),
        (0x90, &[0, 8], Field("sectorsize", 2048)),
        (0x90, &[0, 0, 2], Field("sectorsize", 131_072)),
        (0x90, &[1, 16], Field("sectorsize", 4097)),
        (0x94, &[0, 8], Field("nodesize", 2048)),
        (0x94, &[0, 0, 2], Field("nodesize", 131_072)),
        (0x94, &[0, 0x20], Field("leafsize", 16384)),
        (0x94, &[0, 0x20, 0, 0, 0, 0x20], Sound),
        (0x70, &[0; 8], Field("total_bytes", 0)),
        (0x78, &[0; 8], Field("bytes_used", 0)),
        (0x78, &after, Field("bytes_used", len + 4096)),
        (0x88, &[0], Field("num_devices", 0)),
        (0x88, &[2], Extra("num_devices", 2)),
        (0xD1, &before, Field("dev_item.total_bytes", len - 4096)),
        (0x50, &[1], Field("root", u64_at(&base, 0x50) | 1)),
        (0x50, &[0; 8], Field("root", 0)),
        (0x58, &[1], Field("chunk_root", u64_at(&base, 0x58) | 1)),
        (0x58, &[0; 8], Field("chunk_root", 0)),
        (0x60, &[1], Field("log_root", 1)),
        (0x60, &[0, 0x10], Dirty("log_root", 4096)),
        (0xC6, &[7], Sound),
        (0xC6, &[8], Field("root_level", 8)),
        (0xC7, &[8], Field("chunk_root_level", 8)),
        (0xC8, &[8], Field("log_root_level", 8)),
        (0xA0, &[96, 0], Field("sys_chunk_array_size", 96)),
        (0xA0, &[1, 8], Field("sys_chunk_array_size", 2049)),
        (0xA0, &[0, 8], Sound),
        (0x11B, &[0; 16], Field("dev_item.fsid", 0)),
        (0x38, &[3, 0, 0, 0, 1], Sound),
        (0x38, &[5], Unknown("flags", 4)),
        (0x38, &[1, 0, 0, 0, 2], Unknown("flags", 1 << 33)),
        (0xBC, &[0xc1], Unknown("incompat_flags", 0x80)),
        (0xBC, &[0, 0x10], Unknown("incompat_flags", 0x1000)),
        (0xBC, &[0, 0, 0, 0, 0, 0, 0, 0x80], Unknown("incompat_flags", 1 << 63)),
        (0xBC, &[0x7f, 3, 1], Sound),
    ];
    check(FileSystem::Btrfs, &base, 65536, rows);
    let grown = base.with(65536 + 0x70, &after).with(65536 + 0xD1, &after);
    check(FileSystem::Btrfs, &base, 0, &[(65536 + 0x22B, &[0; 8], Sound)]);
    let answer = probe(&grown.resealed(FileSystem::Btrfs).windows());
    assert_eq!(answer.err(), Larger(len + 4096).error(FileSystem::Btrfs, len));
    // SHA-256 instead of CRC-32C.
    let sha = base.with(65536 + 0xC4, &[2]);
    let sum = openssl::sha::sha256(&sha.head[65568..69632]);
    assert!(probe(&sha.with(65536, &sum).windows()).is_ok());
    let answer = probe(&sha.resealed(FileSystem::Btrfs).windows());
    assert_eq!(answer, Err(ProbeError::Checksum { filesystem: FileSystem::Btrfs }));
}

fn u64_at(device: &Device, at: usize) -> u64 {
    u64::from_le_bytes(device.head[65536 + at..65544 + at].try_into().unwrap())
}

#[test]
fn xfs_fields() {
    let base = xfs();
    let be32 = |at: usize| u32::from_be_bytes(base.head[at..at + 4].try_into().unwrap());
    let (group, groups, blocks) = (be32(84), be32(88), be32(12));
    assert_eq!(u64::from(blocks) * 4096, base.len);
    let (more, most) = ((blocks + 1).to_be_bytes(), (group * groups + 1).to_be_bytes());
    let least = (group * (groups - 1) + 64).to_be_bytes();
    let fewer = (group * (groups - 1) + 63).to_be_bytes();
    let rows: &[(u64, &[u8], Expect)] = &[
        (102, &[0, 0], Field("sb_sectsize", 0)),
        (102, &[1, 0], Field("sb_sectsize", 256)),
        (102, &[2, 1], Field("sb_sectsize", 513)),
        (102, &[0x80, 1], Field("sb_sectsize", 0x8001)),
        (121, &[10], Field("sb_sectlog", 10)),
        (121, &[255], Field("sb_sectlog", 255)),
        (101, &[0xb4], Unsupported("sb_versionnum", 4)),
        (101, &[0xb6], Field("sb_versionnum", 6)),
        (126, &[1], Field("sb_inprogress", 1)),
        (4, &[0; 4], Field("sb_blocksize", 0)),
        (4, &[0, 0, 2, 0], Field("sb_blocksize", 512)),
        (4, &[0, 0, 0x10, 1], Field("sb_blocksize", 4097)),
        (4, &[0, 2, 0, 0], Field("sb_blocksize", 131_072)),
        (4, &[0x80, 0, 0, 0], Field("sb_blocksize", 1 << 31)),
        (120, &[13], Field("sb_blocklog", 13)),
        (192, &[4], Sound),
        (192, &[5], Field("sb_dirblklog", 5)),
        (84, &[0, 0, 0, 63], Field("sb_agblocks", 63)),
        (84, &[0xff; 4], Field("sb_agblklog", 15)),
        (124, &[14], Field("sb_agblklog", 14)),
        (88, &[0; 4], Field("sb_agcount", 0)),
        (8, &[0; 8], Field("sb_dblocks", 0)),
        (8, &[0xff; 8], Field("sb_dblocks", u64::MAX)),
        (12, &most, Field("sb_dblocks", u64::from(group * groups) + 1)),
        (12, &fewer, Field("sb_dblocks", u64::from(group * (groups - 1)) + 63)),
        (12, &least, Sound),
        (12, &more, Field("sb_dblocks", u64::from(blocks) + 1)),
        (96, &[0; 4], Field("sb_logblocks", 0)),
        (104, &[0, 0], Field("sb_inodesize", 0)),
        (104, &[0, 128], Field("sb_inodesize", 128)),
        (104, &[16, 0], Field("sb_inodesize", 4096)),
        (122, &[8], Field("sb_inodelog", 8)),
        (106, &[0, 0], Field("sb_inopblock", 0)),
        (106, &[0, 16], Field("sb_inopblock", 16)),
        (123, &[4], Field("sb_inopblog", 4)),
        (127, &[100], Sound),
        (127, &[101], Field("sb_imax_pct", 101)),
        (56, &[0; 8], Field("sb_rootino", 0)),
        (56, &[0xff; 8], Field("sb_rootino", u64::MAX)),
        (216, &[0, 0, 0, 0xef], Sound),
        (216, &[0, 0, 0, 0x11], Unknown("sb_features_incompat", 0x10)),
        (216, &[0, 0, 1, 1], Unknown("sb_features_incompat", 0x100)),
        (216, &[0x80, 0, 0, 0], Unknown("sb_features_incompat", 1 << 31)),
        (220, &[0, 0, 0, 1], Dirty("sb_features_log_incompat", 1)),
        (48, &[0; 8], Extra("sb_logstart", 0)),
        (16, &[0, 0, 0, 0, 0, 0, 0, 1], Extra("sb_rblocks", 1)),
    ];
    check(FileSystem::Xfs, &base, 0, rows);
}

#[test]
fn squashfs_fields() {
    // 6408 bytes; tables at 5645 inodes, 5863 directories, 6086 fragments, 6166 export, 6180 ids,
    // 6384 xattrs, which is not where the tables begin but where their indexes do.
    let base = squashfs();
    let len = base.len.to_le_bytes();
    let more = (base.len + 1).to_le_bytes();
    let rows: &[(u64, &[u8], Expect)] = &[
        (28, &[3], Unsupported("s_major", 3)),
        (30, &[1], Unsupported("s_minor", 1)),
        (22, &[11], Field("block_log", 11)),
        (22, &[21], Field("block_log", 21)),
        (22, &[16], Field("block_size", 131_072)),
        (12, &[0; 4], Field("block_size", 0)),
        (12, &[0, 0, 0, 0x80], Field("block_size", 1 << 31)),
        (20, &[0], Field("compression", 0)),
        (20, &[7], Field("compression", 7)),
        (20, &[2], Unsupported("compression", 2)),
        (20, &[6], Sound),
        (4, &[0; 4], Field("inodes", 0)),
        (26, &[0; 2], Field("no_ids", 0)),
        (40, &[96, 0], Field("bytes_used", 96)),
        (40, &[0xff; 8], Field("bytes_used", u64::MAX)),
        (40, &len, Sound),
        (40, &more, Larger(base.len + 1)),
        (56, &[0x08, 0x19], Field("xattr_id_table_start", 6408)),
        (56, &[0xff; 8], Sound),
        (48, &[0xf0, 0x18], Field("id_table_start", 6384)),
        (48, &[0xff; 8], Field("id_table_start", u64::MAX)),
        (88, &[0x24, 0x18], Field("lookup_table_start", 6180)),
        (88, &[0xff; 8], Sound),
        (80, &[0x16, 0x18], Field("fragment_table_start", 6166)),
        (80, &[0xff; 8], Field("fragment_table_start", u64::MAX)),
        (80, &[0x0c, 0x16], Field("fragment_table_start", 5644)),
        (72, &[0xc6, 0x17], Sound),
        (72, &[0xc7, 0x17], Field("directory_table_start", 6087)),
        (64, &[95, 0], Field("inode_table_start", 95)),
        (64, &[0xe7, 0x16], Field("inode_table_start", 5863)),
        (32, &[0xff, 0x1f], Sound),
        (32, &[0x00, 0x20], Field("root_inode", 8192)),
        (32, &[0xff; 8], Field("root_inode", u64::MAX)),
        (34, &[0xda], Field("root_inode", 218 << 16 | 691)),
        (24, &[0xff, 0x0f], Sound),
        (24, &[0, 0x10], Unknown("flags", 0x1000)),
    ];
    check(FileSystem::Squashfs, &base, 0, rows);
}

#[test]
fn vfat_fields() {
    let base = vfat();
    let sector = u64::from(u16::from_le_bytes([base.head[11], base.head[12]]));
    let total = base.len / sector;
    let number = |value: u64| u32::try_from(value).unwrap().to_le_bytes();
    let reserved = u64::from(u16::from_le_bytes([base.head[14], base.head[15]]));
    let table = u64::from(u32::from_le_bytes(base.head[36..40].try_into().unwrap()));
    let fewer = number(table / 2);
    // More sectors need a longer table.
    let more = [number(total + 1), number(table + 1)].concat();
    let rows: &[(u64, &[u8], Expect)] = &[
        (0, &[0], Field("BS_jmpBoot", 0)),
        (0, &[0xE9], Sound),
        (510, &[0], Field("Signature_word", 0xAA00)),
        (11, &[0, 1], Field("BPB_BytsPerSec", 256)),
        (11, &[0, 0x20], Field("BPB_BytsPerSec", 8192)),
        (11, &[0, 3], Field("BPB_BytsPerSec", 768)),
        (13, &[0], Field("BPB_SecPerClus", 0)),
        (13, &[3], Field("BPB_SecPerClus", 3)),
        (14, &[0; 2], Field("BPB_RsvdSecCnt", 0)),
        (16, &[0], Field("BPB_NumFATs", 0)),
        (16, &[1], Sound),
        (16, &[3], Field("BPB_NumFATs", 3)),
        (21, &[0xF0], Sound),
        (21, &[0xF7], Field("BPB_Media", 0xF7)),
        (36, &[0; 4], Field("BPB_FATSz32", 0)),
        (36, &fewer, Field("BPB_FATSz32", table / 2)),
        (17, &[16, 0], Field("BPB_RootEntCnt", 16)),
        (17, &[1, 0], Field("BPB_RootEntCnt", 1)),
        (32, &[0; 4], Field("BPB_TotSec32", 0)),
        (32, &more, Larger(base.len + sector)),
        (42, &[1], Field("BPB_FSVer", 1)),
        (44, &[1], Field("BPB_RootClus", 1)),
        (44, &[0xff; 4], Field("BPB_RootClus", U32_MAX)),
        (48, &[2], Field("BPB_FSInfo", 2)),
        (48, &[0, 0], Sound),
        (48, &[0xff, 0xff], Sound),
        (sector, b"rraA", Field("BPB_FSInfo", 1)),
        (sector + 484, b"RrAa", Field("BPB_FSInfo", 1)),
    ];
    assert!(reserved > 2);
    check(FileSystem::Vfat, &base, 0, rows);
}

#[test]
fn fat12_and_fat16_are_told_by_their_clusters() {
    // 512-byte sectors and clusters, two tables, 512 root entries in 32 sectors.
    let volume = |table: u8, table_high: u8, clusters: u64| {
        let sectors = 1 + 2 * u64::from(u16::from_le_bytes([table, table_high])) + 32 + clusters;
        let total = u32::try_from(sectors).unwrap().to_le_bytes();
        let device = Device::zeros(sectors * 512).with(0, &[0xEB, 0x3C, 0x90]);
        let device = device.with(11, &[0, 2, 1, 1, 0, 2, 0, 2, 0, 0, 0xF8, table, table_high]);
        probe(&device.with(32, &total).with(510, &[0x55, 0xAA]).windows())
    };
    let filesystem = FileSystem::Vfat;
    let field = |field, found| Err(ProbeError::Field { filesystem, field, found });
    assert!(volume(12, 0, 0xFF4).is_ok());
    assert_eq!(volume(11, 0, 0xFF4), field("BPB_FATSz32", 11));
    assert_eq!(volume(12, 0, 0xFF5), field("BPB_FATSz32", 12));
    assert!(volume(16, 0, 0xFF5).is_ok());
    assert!(volume(0, 1, 0xFFF4).is_ok());
    assert_eq!(volume(0, 2, 0xFFF5), field("BPB_TotSec32", 1 + 1024 + 32 + 0xFFF5));
}

#[test]
fn superblocks_that_the_device_cuts_off_are_refused() {
    for (filesystem, base, cut) in [
        (FileSystem::Btrfs, btrfs(), 65536 + 4096),
        (FileSystem::Erofs, erofs(), 4096),
        (FileSystem::Ext4, ext4(), 2048),
        (FileSystem::Squashfs, squashfs(), 96),
        (FileSystem::Vfat, vfat().with(48, &[0, 0]), 512),
        (FileSystem::Xfs, xfs(), 4096),
    ] {
        let answer = probe(&base.resized(cut - 1).windows());
        assert_eq!(answer, Err(ProbeError::Truncated { filesystem }));
        // Whole, but the only part of the file system that is there.
        let answer = probe(&base.resized(cut).windows());
        assert!(
            matches!(answer, Err(ProbeError::LargerThanDevice { device, .. }) if device == cut)
        );
    }
}
