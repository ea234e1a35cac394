// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! FAT12, FAT16 and FAT32 boot sector (Microsoft FAT specification 1.03), little-endian, at 0.
//!
//! **In:** [`Windows`]. **Out:** a [`Superblock`]. **Refuses:** BIOS parameter blocks whose numbers
//! do not agree, and NTFS, exFAT and BitLocker, which have much the same first bytes.
//!
//! Off-spec: FAT32 with fewer than 65525 clusters is taken, as Linux and UEFI firmware do; small
//! system partitions are made that way.

use std::ops::Range;

use super::fields::Fields;
use super::{FileSystem, ProbeError, Superblock, Windows};

/// Clusters at most, by the width of a table entry; what is above marks bad and last ones.
const FAT12_CLUSTERS: u64 = 0xFF4;
const FAT16_CLUSTERS: u64 = 0xFFF4;
const FAT32_CLUSTERS: u64 = 0x0FFF_FFF4;

/// The names that formatters write, or a jump and the mark of a boot sector.
pub(super) fn magic(windows: &Windows) -> Option<Range<u64>> {
    let named = [(54, b"FAT12   "), (54, b"FAT16   "), (82, b"FAT32   ")]
        .into_iter()
        .any(|(at, name)| windows.has(at, name));
    let jumps = windows.has(0, &[0xEB]) || windows.has(0, &[0xE9]);
    (named || (jumps && windows.has(510, &[0x55, 0xAA]))).then_some(0..512)
}

/// Maker's name and boot code, and the reserved sectors but for the copies FAT32 keeps there.
pub(super) fn padding(windows: &Windows) -> Vec<Range<u64>> {
    let reserved = Fields::new(FileSystem::Vfat, windows, 0, 512)
        .and_then(|sb| Ok(sb.le16(11)?.saturating_mul(sb.le16(14)?)));
    let mut ranges = vec![3..11, 90..510];
    ranges.extend(reserved.map(|end| 512..end));
    ranges
}

pub(super) fn superblock(windows: &Windows) -> Result<Superblock, ProbeError> {
    let filesystem = FileSystem::Vfat;
    let sb = Fields::new(filesystem, windows, 0, 512)?;
    let (jump, mark) = (sb.u8(0)?, sb.le16(510)?);
    sb.require("BS_jmpBoot", jump, |it| it == 0xEB || it == 0xE9)?;
    sb.require("Signature_word", mark, |it| it == 0xAA55)?;
    let (sector, cluster) = (sb.le16(11)?, sb.u8(13)?);
    let sector_fits = sector.is_power_of_two() && (512..=4096).contains(&sector);
    sb.require("BPB_BytsPerSec", sector, |_| sector_fits)?;
    sb.require("BPB_SecPerClus", cluster, |it| it.is_power_of_two())?;
    let (reserved, tables) = (sb.le16(14)?, sb.u8(16)?);
    sb.require("BPB_RsvdSecCnt", reserved, |it| it > 0)?;
    sb.require("BPB_NumFATs", tables, |it| (1..=2).contains(&it))?;
    let media = sb.u8(21)?;
    sb.require("BPB_Media", media, |it| it == 0xF0 || it >= 0xF8)?;

    let (short_table, long_table) = (sb.le16(22)?, sb.le32(36)?);
    let is_fat32 = short_table == 0;
    let table = if is_fat32 { long_table } else { short_table };
    sb.require("BPB_FATSz32", table, |it| it > 0)?;
    let entries = sb.le16(17)?;
    let root_bytes = entries.saturating_mul(32);
    let root_fits = root_bytes.is_multiple_of(sector) && (root_bytes == 0) == is_fat32;
    sb.require("BPB_RootEntCnt", entries, |_| root_fits)?;

    let (short_total, long_total) = (sb.le16(19)?, sb.le32(32)?);
    let total = if short_total == 0 { long_total } else { short_total };
    let metadata = tables
        .saturating_mul(table)
        .saturating_add(reserved)
        .saturating_add(root_bytes.div_ceil(sector));
    let clusters = total.saturating_sub(metadata).checked_div(cluster).unwrap_or(0);
    sb.require("BPB_TotSec32", total, |_| clusters > 0)?;
    let (most, entry_bits) = match clusters {
        _ if is_fat32 => (FAT32_CLUSTERS, 32),
        ..=FAT12_CLUSTERS => (FAT12_CLUSTERS, 12),
        _ => (FAT16_CLUSTERS, 16),
    };
    sb.require("BPB_TotSec32", total, |_| clusters <= most)?;
    // Two entries more than clusters: numbers begin at 2.
    let needed = clusters.saturating_add(2).saturating_mul(entry_bits).div_ceil(8);
    sb.require("BPB_FATSz32", table, |it| it.saturating_mul(sector) >= needed)?;
    if is_fat32 {
        fat32(sb, windows, sector, clusters)?;
    }
    let size = sb.size(total, sector)?;
    let label = sb.label(if is_fat32 { 71 } else { 43 }, 11)?;
    let label = label.map(|text| text.trim_end().to_owned());
    let label = label.filter(|text| !text.is_empty() && text != "NO NAME");
    Ok(Superblock { filesystem, size, label, uuid: None })
}

/// What only FAT32 has: a version, a root directory in clusters, an information sector.
fn fat32(sb: Fields<'_>, windows: &Windows, sector: u64, clusters: u64) -> Result<(), ProbeError> {
    let (version, root, info) = (sb.le16(42)?, sb.le32(44)?, sb.le16(48)?);
    sb.require("BPB_FSVer", version, |it| it == 0)?;
    sb.require("BPB_RootClus", root, |it| (2..clusters.saturating_add(2)).contains(&it))?;
    let reserved = sb.le16(14)?;
    if info != 0 && info != 0xFFFF {
        let at = info.saturating_mul(sector);
        let signed = windows.has(at, b"RRaA") && windows.has(at.saturating_add(484), b"rrAa");
        sb.require("BPB_FSInfo", info, |it| it < reserved && signed)?;
    }
    Ok(())
}
