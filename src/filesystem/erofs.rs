// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! EROFS superblock (Linux, `fs/erofs/erofs_fs.h`), little-endian, 128 bytes at 1024.
//!
//! **In:** [`Windows`]. **Out:** a [`Superblock`]. **Refuses:** what `mkfs.erofs` would not write;
//! extra devices; 48-bit and metabox layouts, which the kernel still calls experimental.

use std::ops::Range;

use super::fields::{Fields, INVERTED, power};
use super::{FileSystem, ProbeError, Superblock, Windows};

const OFFSET: u64 = 1024;
const MAGIC: [u8; 4] = 0xE0F5_E1E2_u32.to_le_bytes();

/// `feature_compat`: the superblock has a checksum.
const CHECKSUM: u64 = 1;

/// `feature_incompat` 0x01 (padded LZ4) to 0x40 (xattr prefixes).
const INCOMPAT: u64 = 0x7f;

pub(super) fn magic(windows: &Windows) -> Option<Range<u64>> {
    windows.has(OFFSET, &MAGIC).then_some(1024..1028)
}

/// `mkfs.erofs` leaves the first 1024 bytes zero.
pub(super) fn padding(_: &Windows) -> Vec<Range<u64>> {
    std::iter::once(0..OFFSET).collect()
}

pub(super) fn superblock(windows: &Windows) -> Result<Superblock, ProbeError> {
    let sb = Fields::new(FileSystem::Erofs, windows, OFFSET, 128)?;
    let bits = sb.u8(12)?;
    sb.require("blkszbits", bits, |it| (9..=16).contains(&it))?;
    let block = power(bits);
    if sb.le32(8)? & CHECKSUM != 0 {
        checksum(windows, block, sb.le32(4)?)?;
    }
    let dirblkbits = sb.u8(90)?;
    sb.require("dirblkbits", dirblkbits, |it| it == 0)?;
    let slots = sb.u8(13)?;
    let superblock_len = slots.saturating_mul(16).saturating_add(128);
    sb.require("sb_extslots", slots, |_| superblock_len <= 4096 - OFFSET)?;
    // With the 48-bit layout the fields below mean something else.
    sb.features("feature_incompat", sb.le32(80)?, INCOMPAT)?;
    let blocks = sb.le32(36)?;
    let end = blocks.saturating_mul(block);
    sb.require("blocks", blocks, |_| end >= OFFSET.saturating_add(superblock_len))?;
    let (meta, xattr) = (sb.le32(40)?, sb.le32(44)?);
    sb.require("meta_blkaddr", meta, |it| it < blocks)?;
    sb.require("xattr_blkaddr", xattr, |it| it < blocks)?;
    // An inode slot has 32 bytes; the smallest inode takes one.
    let root = sb.le16(14)?;
    let root_end =
        meta.saturating_mul(block).saturating_add(root.saturating_add(1).saturating_mul(32));
    sb.require("root_nid", root, |_| root_end <= end)?;
    let devices = sb.le16(86)?;
    sb.alone("extra_devices", devices, |it| it == 0)?;
    let size = sb.size(blocks, block)?;
    let (label, uuid) = (sb.label(64, 16)?, sb.uuid(48)?);
    Ok(Superblock { filesystem: FileSystem::Erofs, size, label, uuid })
}

/// CRC-32C from the superblock to the end of its block, stored without the final inversion.
fn checksum(windows: &Windows, block: u64, stored: u64) -> Result<(), ProbeError> {
    // A block of 1024 bytes or less ends before the superblock; the kernel then takes one block.
    let len = block.checked_sub(OFFSET).filter(|len| *len > 0).unwrap_or(block);
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let sb = Fields::new(FileSystem::Erofs, windows, OFFSET, len)?;
    let after = sb.bytes(8, len.saturating_sub(8))?;
    sb.require_crc32c(stored ^ INVERTED, &[sb.bytes(0, 4)?, &[0; 4], after])
}
