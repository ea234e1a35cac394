// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! XFS superblock (Linux, `fs/xfs/libxfs/xfs_format.h`), version 5, big-endian, in sector 0.
//!
//! **In:** [`Windows`]. **Out:** a [`Superblock`]. **Refuses:** versions without checksums; a log
//! or real-time section on another device; geometry that the kernel would refuse. Whether the log
//! must be replayed stands in the log itself, so a mount says `norecovery`.

use std::ops::Range;

use super::fields::{Fields, power};
use super::{FileSystem, ProbeError, Superblock, Windows};

const MAGIC: &[u8; 4] = b"XFSB";
/// The superblock ends here; the rest of its sector is zero.
const LEN: u64 = 288;

/// `sb_features_incompat`: file types, sparse inodes, metadata UUID, big time, 64-bit extent
/// counts, exchange range, parent pointers. Not: needs repair, metadata directories, zoned.
const INCOMPAT: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

pub(super) fn magic(windows: &Windows) -> Option<Range<u64>> {
    windows.has(0, MAGIC).then_some(0..4)
}

/// The rest of the superblock's sector.
pub(super) fn padding(windows: &Windows) -> Vec<Range<u64>> {
    let sector = Fields::new(FileSystem::Xfs, windows, 102, 2).and_then(|sb| sb.be16(0));
    sector.map(|it| LEN..it).into_iter().collect()
}

pub(super) fn superblock(windows: &Windows) -> Result<Superblock, ProbeError> {
    let filesystem = FileSystem::Xfs;
    let start = Fields::new(filesystem, windows, 0, 512)?;
    let (sector, log_sector) = (start.be16(102)?, start.u8(121)?);
    let sector_fits = sector.is_power_of_two() && (512..=32768).contains(&sector);
    start.require("sb_sectsize", sector, |_| sector_fits)?;
    start.require("sb_sectlog", log_sector, |it| power(it) == sector)?;
    let version = start.be16(100)? & 0xf;
    start.require("sb_versionnum", version, |it| (1..=5).contains(&it))?;
    start.supported("sb_versionnum", version, |it| it == 5)?;

    let len = usize::try_from(sector).unwrap_or(usize::MAX);
    let sb = Fields::new(filesystem, windows, 0, len)?;
    let after = sb.bytes(228, len.saturating_sub(228))?;
    sb.require_crc32c(sb.le32(224)?, &[sb.bytes(0, 224)?, &[0; 4], after])?;
    let in_progress = sb.u8(126)?;
    sb.require("sb_inprogress", in_progress, |it| it == 0)?;
    let (blocks, block) = geometry(sb, sector)?;
    inodes(sb, block)?;
    sb.features("sb_features_incompat", sb.be32(216)?, INCOMPAT)?;
    let log_features = sb.be32(220)?;
    sb.clean("sb_features_log_incompat", log_features, |it| it == 0)?;
    let (log, realtime) = (sb.be64(48)?, sb.be64(16)?);
    sb.alone("sb_logstart", log, |log| log != 0)?;
    sb.alone("sb_rblocks", realtime, |it| it == 0)?;
    let size = sb.size(blocks, block)?;
    let (label, uuid) = (sb.label(108, 12)?, sb.uuid(32)?);
    Ok(Superblock { filesystem, size, label, uuid })
}

/// Block size and allocation groups; the number of blocks and their size.
fn geometry(sb: Fields<'_>, sector: u64) -> Result<(u64, u64), ProbeError> {
    let (block, log_block) = (sb.be32(4)?, sb.u8(120)?);
    let fits = block.is_power_of_two() && (1024..=65536).contains(&block) && block >= sector;
    sb.require("sb_blocksize", block, |_| fits)?;
    sb.require("sb_blocklog", log_block, |it| power(it) == block)?;
    let log_dir = sb.u8(192)?;
    sb.require("sb_dirblklog", log_dir, |it| it.saturating_add(log_block) <= 16)?;
    let (group_blocks, log_group) = (sb.be32(84)?, sb.u8(124)?);
    sb.require("sb_agblocks", group_blocks, |it| it >= 64)?;
    let rounded = group_blocks.checked_next_power_of_two();
    let log_fits = Some(power(log_group)) == rounded;
    sb.require("sb_agblklog", log_group, |_| log_fits)?;
    let (groups, blocks) = (sb.be32(88)?, sb.be64(8)?);
    sb.require("sb_agcount", groups, |it| it > 0)?;
    // Every group is full but the last, which has at least 64 blocks.
    let most = groups.saturating_mul(group_blocks);
    let least = most.saturating_sub(group_blocks).saturating_add(64);
    sb.require("sb_dblocks", blocks, |it| (least..=most).contains(&it))?;
    let log_blocks = sb.be32(96)?;
    sb.require("sb_logblocks", log_blocks, |it| it > 0)?;
    Ok((blocks, block))
}

/// Inode size and what follows from it.
fn inodes(sb: Fields<'_>, block: u64) -> Result<(), ProbeError> {
    let (inode, log_inode) = (sb.be16(104)?, sb.u8(122)?);
    let fits = inode.is_power_of_two() && (256..=2048).contains(&inode);
    sb.require("sb_inodesize", inode, |it| fits && it <= block)?;
    sb.require("sb_inodelog", log_inode, |it| power(it) == inode)?;
    let per_block = sb.be16(106)?;
    sb.require("sb_inopblock", per_block, |it| it.saturating_mul(inode) == block)?;
    let log_per_block = sb.u8(123)?;
    let log_fits = power(log_per_block) == per_block;
    sb.require("sb_inopblog", log_per_block, |_| log_fits)?;
    let percent = sb.u8(127)?;
    sb.require("sb_imax_pct", percent, |it| it <= 100)?;
    let root = sb.be64(56)?;
    sb.require("sb_rootino", root, |it| it != 0 && it != u64::MAX)
}
