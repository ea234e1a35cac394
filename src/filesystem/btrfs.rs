// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! btrfs superblock (Linux, `include/uapi/linux/btrfs_tree.h`), little-endian, 4096 bytes at 64 KiB.
//!
//! **In:** [`Windows`]. **Out:** a [`Superblock`]. **Refuses:** more than one device; a log to
//! replay; checksums other than CRC-32C and SHA-256; features for several or zoned devices. The
//! mirrors at 64 MiB and later are not looked at, and neither does a mount.

use std::ops::Range;

use super::fields::Fields;
use super::{FileSystem, ProbeError, Superblock, Windows};

const OFFSET: u64 = 64 << 10;
const MAGIC: &[u8; 8] = b"_BHRfS_M";

/// `incompat_flags`: mixed back references, default subvolume, mixed groups, LZO, Zstandard, big
/// metadata, extended inode references, skinny metadata, no holes, metadata UUID, simple quotas.
const INCOMPAT: u64 = 0x1_077f;
/// `incompat_flags`: `metadata_uuid` says what the device item repeats.
const METADATA_UUID: u64 = 0x400;
/// `flags`: written, relocated, seed.
const FLAGS: u64 = 0x1_0000_0003;

pub(super) fn magic(windows: &Windows) -> Option<Range<u64>> {
    windows.has(65600, MAGIC).then_some(65600..65608)
}

/// Room for a boot loader; `mkfs.btrfs` writes zeros.
pub(super) fn padding(_: &Windows) -> Vec<Range<u64>> {
    std::iter::once(0..OFFSET).collect()
}

pub(super) fn superblock(windows: &Windows) -> Result<Superblock, ProbeError> {
    let filesystem = FileSystem::Btrfs;
    let sb = Fields::new(filesystem, windows, OFFSET, 4096)?;
    let kind = sb.le16(0xC4)?;
    sb.require("csum_type", kind, |it| it <= 3)?;
    let covered = sb.bytes(32, 4064)?;
    match kind {
        0 => sb.require_crc32c(sb.le32(0)?, &[covered])?,
        2 => sb.equal(&openssl::sha::sha256(covered)[..], sb.bytes(0, 32)?)?,
        _ => {}
    }
    let (total, sector) = geometry(sb)?;
    trees(sb, sector)?;
    sb.supported("csum_type", kind, |kind| matches!(kind, 0 | 2))?;
    sb.features("flags", sb.le64(0x38)?, FLAGS)?;
    sb.features("incompat_flags", sb.le64(0xBC)?, INCOMPAT)?;
    let devices = sb.le64(0x88)?;
    sb.alone("num_devices", devices, |it| it == 1)?;
    let log = sb.le64(0x60)?;
    sb.clean("log_root", log, |log| log == 0)?;
    let size = sb.size(total, 1)?;
    let (label, uuid) = (sb.label(0x12B, 256)?, sb.uuid(0x20)?);
    Ok(Superblock { filesystem, size, label, uuid })
}

/// Sizes; the bytes of the whole file system and of one sector.
fn geometry(sb: Fields<'_>) -> Result<(u64, u64), ProbeError> {
    let address = sb.le64(0x30)?;
    sb.require("bytenr", address, |it| it == OFFSET)?;
    let (sector, node, leaf) = (sb.le32(0x90)?, sb.le32(0x94)?, sb.le32(0x98)?);
    let is_size = |size: u64| size.is_power_of_two() && (4096..=65536).contains(&size);
    sb.require("sectorsize", sector, is_size)?;
    sb.require("nodesize", node, |it| is_size(it) && it >= sector)?;
    sb.require("leafsize", leaf, |it| it == node)?;
    let (total, used) = (sb.le64(0x70)?, sb.le64(0x78)?);
    sb.require("total_bytes", total, |it| it >= 1 << 20)?;
    let used_fits = (node.saturating_mul(6)..=total).contains(&used);
    sb.require("bytes_used", used, |_| used_fits)?;
    let devices = sb.le64(0x88)?;
    sb.require("num_devices", devices, |it| it != 0)?;
    let on_device = sb.le64(0xD1)?;
    let device_fits = on_device == total || (devices > 1 && on_device < total);
    sb.require("dev_item.total_bytes", on_device, |_| device_fits)?;
    Ok((total, sector))
}

/// Where the trees begin, and that the device item is of this file system.
fn trees(sb: Fields<'_>, sector: u64) -> Result<(), ProbeError> {
    for (field, at, optional) in
        [("root", 0x50, false), ("chunk_root", 0x58, false), ("log_root", 0x60, true)]
    {
        let root = sb.le64(at)?;
        sb.require(field, root, |it| it.is_multiple_of(sector) && (optional || it != 0))?;
    }
    for (field, at) in [("root_level", 0xC6), ("chunk_root_level", 0xC7), ("log_root_level", 0xC8)]
    {
        let level = sb.u8(at)?;
        sb.require(field, level, |it| it < 8)?;
    }
    // At least one key and one chunk with one stripe; at most the whole array.
    let array = sb.le32(0xA0)?;
    sb.require("sys_chunk_array_size", array, |it| (97..=2048).contains(&it))?;
    let renamed = sb.le64(0xBC)? & METADATA_UUID != 0;
    let uuid = sb.bytes(if renamed { 0x23B } else { 0x20 }, 16)?;
    let on_device = sb.bytes(0x11B, 16)?;
    sb.require("dev_item.fsid", sb.u8(0x11B)?, |_| on_device == uuid)
}
