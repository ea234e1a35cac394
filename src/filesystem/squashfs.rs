// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! SquashFS 4.0 superblock (Linux, `fs/squashfs/squashfs_fs.h`), little-endian, 96 bytes at 0.
//!
//! **In:** [`Windows`]. **Out:** a [`Superblock`]. **Refuses:** tables out of order or past the
//! end, a root inode outside its table, LZMA (which the kernel never had), other versions. The
//! format has neither checksum nor UUID nor label.

use std::ops::Range;

use super::fields::{Fields, power};
use super::{FileSystem, ProbeError, Superblock, Windows};

const MAGIC: &[u8; 4] = b"hsqs";
const LEN: u64 = 96;
/// All flags of version 4.0, up to uncompressed IDs.
const FLAGS: u64 = 0xfff;
const LZMA: u64 = 2;
/// A metadata block holds this many bytes.
const METADATA: u64 = 8192;
/// Where a table would begin that is not there.
const NO_TABLE: u64 = u64::MAX;

pub(super) fn magic(windows: &Windows) -> Option<Range<u64>> {
    windows.has(0, MAGIC).then_some(0..4)
}

/// None: compressed data follows the superblock at once.
pub(super) fn padding(_: &Windows) -> Vec<Range<u64>> {
    Vec::new()
}

pub(super) fn superblock(windows: &Windows) -> Result<Superblock, ProbeError> {
    let filesystem = FileSystem::Squashfs;
    let sb = Fields::new(filesystem, windows, 0, 96)?;
    let (major, minor) = (sb.le16(28)?, sb.le16(30)?);
    sb.supported("s_major", major, |it| it == 4)?;
    sb.supported("s_minor", minor, |it| it == 0)?;
    let (block, log_block) = (sb.le32(12)?, sb.le16(22)?);
    sb.require("block_log", log_block, |it| (12..=20).contains(&it))?;
    sb.require("block_size", block, |it| power(log_block) == it)?;
    let compressor = sb.le16(20)?;
    sb.require("compression", compressor, |it| (1..=6).contains(&it))?;
    let (inodes, ids) = (sb.le32(4)?, sb.le16(26)?);
    sb.require("inodes", inodes, |it| it > 0)?;
    sb.require("no_ids", ids, |it| it > 0)?;
    let size = tables(sb)?;
    sb.supported("compression", compressor, |it| it != LZMA)?;
    sb.features("flags", sb.le16(24)?, FLAGS)?;
    let size = sb.size(size, 1)?;
    Ok(Superblock { filesystem, size, label: None, uuid: None })
}

/// The tables lie one after the other, as written and as the kernel wants them; the bytes used.
fn tables(sb: Fields<'_>) -> Result<u64, ProbeError> {
    let mut end = sb.le64(40)?;
    sb.require("bytes_used", end, |end| end > LEN && i64::try_from(end).is_ok())?;
    let used = end;
    let (inodes, fragments) = (sb.le64(64)?, sb.le32(16)?);
    for (field, at, optional) in [
        ("xattr_id_table_start", 56, true),
        ("id_table_start", 48, false),
        ("lookup_table_start", 88, true),
        ("fragment_table_start", 80, fragments == 0),
    ] {
        let start = sb.le64(at)?;
        if !(optional && start == NO_TABLE) {
            sb.require(field, start, |it| (inodes..end).contains(&it))?;
            end = start;
        }
    }
    // An image of one empty directory has an empty directory table.
    let directories = sb.le64(72)?;
    sb.require("directory_table_start", directories, |it| it <= end)?;
    sb.require("inode_table_start", inodes, |it| (LEN..directories).contains(&it))?;
    let root = sb.le64(32)?;
    let inside = inodes.saturating_add(root >> 16) < directories;
    sb.require("root_inode", root, |it| inside && it & 0xffff < METADATA)?;
    Ok(used)
}
