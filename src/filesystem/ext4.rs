// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! ext4 superblock (Linux, `fs/ext4/ext4.h`), little-endian, 1024 bytes at 1024.
//!
//! **In:** [`Windows`]. **Out:** a [`Superblock`]. **Refuses:** ext2, ext3 and journal devices;
//! journals to replay or on another device; geometry that the kernel would refuse.

use std::ops::Range;

use super::fields::{Fields, INVERTED, power};
use super::{FileSystem, ProbeError, Superblock, Windows};

const OFFSET: u64 = 1024;
const MAGIC: [u8; 2] = 0xEF53_u16.to_le_bytes();

/// `s_feature_compat`: has a journal.
const HAS_JOURNAL: u64 = 4;

/// `s_feature_incompat`: the journal must be replayed.
const RECOVER: u64 = 4;
/// `s_feature_incompat`: no file system, but the journal of one.
const JOURNAL_DEV: u64 = 8;
/// `s_feature_incompat`: block counts of 64 bits, larger group descriptors.
const WIDE: u64 = 0x80;
/// `s_feature_incompat` of ext2 and ext3: file types, `RECOVER`, meta block groups.
const EXT3_INCOMPAT: u64 = 0x16;
/// Everything the kernel reads but `RECOVER` and multi-mount protection, which is for shared disks:
/// file types, meta block groups, extents, 64 bits, flexible groups, inodes for xattrs, checksum
/// seed, large directories, inline data, encryption, case folding.
const INCOMPAT: u64 = 0x2 | 0x10 | 0x40 | WIDE | 0x200 | 0x400 | 0x3_E000;

/// `s_feature_ro_compat` of ext2 and ext3: sparse superblocks, large files, B-tree directories.
const EXT3_RO_COMPAT: u64 = 7;
/// `s_feature_ro_compat`: allocation in clusters.
const BIGALLOC: u64 = 0x200;
/// `s_feature_ro_compat`: checksums, also of the superblock.
const METADATA_CSUM: u64 = 0x400;

/// `s_state`: cleanly unmounted, without errors.
const CLEAN: u64 = 1;
/// `s_flags`: for a test driver, not for ext4.
const TEST_FILESYSTEM: u64 = 4;

pub(super) fn magic(windows: &Windows) -> Option<Range<u64>> {
    windows.has(1080, &MAGIC).then_some(1080..1082)
}

/// Room for a boot sector; `mke2fs` writes zeros.
pub(super) fn padding(_: &Windows) -> Vec<Range<u64>> {
    std::iter::once(0..OFFSET).collect()
}

pub(super) fn superblock(windows: &Windows) -> Result<Superblock, ProbeError> {
    let filesystem = FileSystem::Ext4;
    let sb = Fields::new(filesystem, windows, OFFSET, 1024)?;
    let (compat, incompat, ro_compat) = (sb.le32(0x5C)?, sb.le32(0x60)?, sb.le32(0x64)?);
    if ro_compat & METADATA_CSUM != 0 {
        let kind = sb.u8(0x175)?;
        sb.require("s_checksum_type", kind, |it| it == 1)?;
        sb.require_crc32c(sb.le32(0x3FC)? ^ INVERTED, &[sb.bytes(0, 0x3FC)?])?;
    }
    let revision = sb.le32(0x4C)?;
    sb.require("s_rev_level", revision, |it| it == 1)?;
    if incompat & JOURNAL_DEV != 0 {
        return Err(ProbeError::Foreign { name: "jbd" });
    }
    let (blocks, block) = geometry(sb, incompat, ro_compat)?;
    let flags = sb.le32(0x160)?;
    sb.supported("s_flags", flags, |it| it & TEST_FILESYSTEM == 0)?;
    if incompat & !EXT3_INCOMPAT == 0 && ro_compat & !EXT3_RO_COMPAT == 0 {
        let name = if compat & HAS_JOURNAL != 0 { "ext3" } else { "ext2" };
        return Err(ProbeError::Foreign { name });
    }
    sb.clean("s_feature_incompat", incompat, |it| it & RECOVER == 0)?;
    sb.features("s_feature_incompat", incompat, INCOMPAT)?;
    let state = sb.le16(0x3A)?;
    sb.clean("s_state", state, |it| it == CLEAN)?;
    if compat & HAS_JOURNAL != 0 {
        // The kernel would look for a device of that number.
        let (journal, device) = (sb.le32(0xE0)?, sb.le32(0xE4)?);
        sb.alone("s_journal_dev", device, |it| it == 0)?;
        sb.alone("s_journal_inum", journal, |it| it != 0)?;
    }
    let size = sb.size(blocks, block)?;
    let (label, uuid) = (sb.label(0x78, 16)?, sb.uuid(0x68)?);
    Ok(Superblock { filesystem, size, label, uuid })
}

/// Counts that must agree with each other; the number of blocks and their size.
fn geometry(sb: Fields<'_>, incompat: u64, ro_compat: u64) -> Result<(u64, u64), ProbeError> {
    let (log_block, log_cluster) = (sb.le32(0x18)?, sb.le32(0x1C)?);
    sb.require("s_log_block_size", log_block, |it| it <= 6)?;
    let block = power(log_block).saturating_mul(1024);
    let clusters_differ = ro_compat & BIGALLOC != 0;
    let log_ratio = log_cluster.checked_sub(log_block);
    let ratio_fits = log_ratio.is_some_and(|log| log == 0 || clusters_differ) && log_cluster <= 20;
    sb.require("s_log_cluster_size", log_cluster, |_| ratio_fits)?;
    let ratio = power(log_ratio.unwrap_or_default());
    let first = sb.le32(0x14)?;
    sb.require("s_first_data_block", first, |it| it == u64::from(log_cluster == 0))?;

    // One block of bitmap for the clusters of a group, one for its inodes.
    let bits = block.saturating_mul(8);
    let (per_group, clusters) = (sb.le32(0x20)?, sb.le32(0x24)?);
    sb.require("s_clusters_per_group", clusters, |it| (1..=bits).contains(&it))?;
    sb.require("s_blocks_per_group", per_group, |per_group| {
        per_group == clusters.saturating_mul(ratio)
    })?;
    let inode = sb.le16(0x58)?;
    let inode_fits = inode.is_power_of_two() && (128..=block).contains(&inode);
    sb.require("s_inode_size", inode, |_| inode_fits)?;
    let (inodes, inodes_per_group) = (sb.le32(0)?, sb.le32(0x28)?);
    sb.require("s_inodes_per_group", inodes_per_group, |inodes_per_group| {
        (1..=bits).contains(&inodes_per_group)
    })?;
    let first_inode = sb.le32(0x54)?;
    sb.require("s_first_ino", first_inode, |it| (11..=inodes).contains(&it))?;

    let mut blocks = sb.le32(4)?;
    if incompat & WIDE != 0 {
        blocks |= sb.le32(0x150)?.saturating_mul(1 << 32);
        let descriptor = sb.le16(0xFE)?;
        let fits = descriptor.is_power_of_two() && (64..=1024).contains(&descriptor);
        sb.require("s_desc_size", descriptor, |_| fits)?;
    }
    sb.require("s_blocks_count", blocks, |it| it > first)?;
    let groups = blocks.saturating_sub(first).div_ceil(per_group);
    let inodes_fit = groups.saturating_mul(inodes_per_group) == inodes;
    sb.require("s_inodes_count", inodes, |_| inodes_fit)?;
    Ok((blocks, block))
}
