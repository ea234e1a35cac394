// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What must hold behind a foreign magic, so that it is no accident.
//!
//! **In:** [`Windows`] and where the magic stands. **Out:** yes, if the checksum is right or, where
//! there is none, if numbers agree that random bytes would not. **Refuses:** nothing.

use crate::filesystem::Windows;
use crate::wire::Wire;

/// `len` bytes that begin `back` before `at`.
fn view(windows: &Windows, at: u64, back: u64, len: usize) -> Option<Wire<'_>> {
    windows.at(at.checked_sub(back)?, len).map(Wire::new)
}

fn sector(at: u64) -> Option<u64> {
    at.checked_div(512)
}

/// For what only stands where our own types keep nothing, or has no more to look at.
pub(super) fn magic_only(_: &Windows, _: u64) -> bool {
    false
}

pub(super) fn luks(windows: &Windows, at: u64) -> bool {
    let version = view(windows, at, 0, 8).and_then(|it| it.u16_be(6));
    matches!(version, Some(1 | 2))
}

pub(super) fn second_luks2(windows: &Windows, at: u64) -> bool {
    view(windows, at, 0, 264)
        .is_some_and(|it| it.u16_be(6) == Some(2) && it.u64_be(256) == Some(at))
}

pub(super) fn lvm2(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let label = view(windows, at, 0, 512)?;
        let mut crc = crc32fast::Hasher::new_with_initial(!0xF597_A6CF);
        crc.update(label.bytes(20, 492)?);
        Some(
            label.u64_le(8) == sector(at)
                && label.bytes(24, 8)? == b"LVM2 001"
                && label.u32_le(16)? == !crc.finalize(),
        )
    };
    sound() == Some(true)
}

/// Sum of the 32-bit words, the checksum itself taken as zero, carries added again.
fn md_sum(bytes: &[u8], stored: u32) -> Option<u32> {
    let words = bytes.chunks(4).map(|word| {
        let mut padded = [0; 4];
        padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
        u64::from(u32::from_le_bytes(padded))
    });
    let sum = words.fold(0u64, u64::saturating_add).checked_sub(u64::from(stored))?;
    let folded = (sum & 0xffff_ffff).saturating_add(sum >> 32);
    u32::try_from(folded & 0xffff_ffff).ok()
}

pub(super) fn md_1(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let fixed = view(windows, at, 0, 256)?;
        let roles = usize::try_from(fixed.u32_le(220)?).ok().filter(|roles| *roles <= 1920)?;
        let all = windows.at(at, roles.checked_mul(2)?.checked_add(256)?)?;
        let stored = fixed.u32_le(216)?;
        let placed = fixed.u32_le(4)? == 1 && fixed.u64_le(144) == sector(at);
        Some(placed && md_sum(all, stored) == Some(stored))
    };
    sound() == Some(true)
}

pub(super) fn md_0(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let all = view(windows, at, 0, 4096)?;
        let stored = all.u32_le(152)?;
        let version = (all.u32_le(4)?, all.u32_le(8)?);
        Some(version == (0, 90) && md_sum(all.bytes(0, 4096)?, stored) == Some(stored))
    };
    sound() == Some(true)
}

pub(super) fn ddf(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let header = view(windows, at, 0, 512)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(header.bytes(0, 4)?);
        crc.update(&[0xff; 4]);
        crc.update(header.bytes(8, 504)?);
        Some(header.u32_be(4)? == crc.finalize())
    };
    sound() == Some(true)
}

pub(super) fn isw(windows: &Windows, at: u64) -> bool {
    windows.has(at.saturating_add(24), b"1.")
}

pub(super) fn bcache(windows: &Windows, at: u64) -> bool {
    let sector = at.checked_sub(24).and_then(sector);
    view(windows, at, 24, 24).is_some_and(|it| it.u64_le(8) == sector)
}

pub(super) fn bcachefs(windows: &Windows, at: u64) -> bool {
    let sector = at.checked_sub(24).and_then(sector);
    view(windows, at, 24, 112).is_some_and(|it| it.u64_le(104) == sector)
}

/// The name-value list of a label: XDR, version 0, unique names, first of them `version`.
pub(super) fn zfs(windows: &Windows, at: u64) -> bool {
    view(windows, at, 20, 12)
        .is_some_and(|it| it.u8(0) == Some(1) && it.u16_le(2) == Some(0) && it.u64_be(4) == Some(1))
}

/// Version 1, pages that lie on the device, and zeros where `mkswap` writes them.
pub(super) fn swap(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let (page, header) = (at.checked_add(10)?, view(windows, 1024, 0, 512)?);
        let last = u64::from(header.u32_le(4)?);
        let fits = last > 0 && last.checked_add(1)?.checked_mul(page)? <= windows.device_len();
        Some(header.u32_le(0)? == 1 && fits && header.is_zero(44, 468))
    };
    sound() == Some(true)
}

pub(super) fn f2fs(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 0, 24)?;
        let (sector, sectors, block) = (it.u32_le(8)?, it.u32_le(12)?, it.u32_le(16)?);
        let fits = (9..=16).contains(&sector) && (12..=16).contains(&block);
        Some(fits && sector.checked_add(sectors)? == block && it.u32_le(20)? == 9)
    };
    sound() == Some(true)
}

/// A descriptor of type 0 and version 1, after the one that begins the extended area.
pub(super) fn udf(windows: &Windows, at: u64) -> bool {
    let begins = |start: u64| start < at && windows.has(start.saturating_sub(1), b"\0BEA01\x01");
    let framed =
        view(windows, at, 1, 7).is_some_and(|it| it.u8(0) == Some(0) && it.u8(6) == Some(1));
    framed && (32769..at).step_by(2048).any(begins)
}

/// A primary volume descriptor says each number in both byte orders.
pub(super) fn iso9660(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 1, 190)?;
        let (blocks, block, root) = (it.u32_le(80)?, it.u16_le(128)?, it.u32_le(158)?);
        let twice = it.u32_be(84)? == blocks && it.u16_be(130)? == block && it.u32_be(162)? == root;
        let numbers = blocks > 0 && root > 0 && block.is_power_of_two() && block >= 512;
        Some(twice && numbers && (it.u8(0)?, it.u8(6)?, it.u8(156)?) == (1, 1, 34))
    };
    sound() == Some(true)
}

pub(super) fn nilfs2(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 6, 1024)?;
        let rest = usize::from(it.u16_le(8)?).checked_sub(20)?;
        let mut crc = crc32fast::Hasher::new_with_initial(!it.u32_le(12)?);
        crc.update(it.bytes(0, 16)?);
        crc.update(&[0; 4]);
        crc.update(it.bytes(20, rest)?);
        Some(it.u32_le(16)? == !crc.finalize())
    };
    sound() == Some(true)
}

pub(super) fn jfs(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 0, 24)?;
        let block = 1u32.checked_shl(u32::from(it.u16_le(20)?))?;
        let fits = (512..=4096).contains(&block) && it.u32_le(16)? == block;
        Some(fits && matches!(it.u32_le(4)?, 1 | 2))
    };
    sound() == Some(true)
}

pub(super) fn reiserfs(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 52, 52)?;
        let (blocks, free, block) = (it.u32_le(0)?, it.u32_le(4)?, it.u16_le(44)?);
        Some(block.is_power_of_two() && (512..=8192).contains(&block) && free < blocks)
    };
    sound() == Some(true)
}

pub(super) fn gfs2(windows: &Windows, at: u64) -> bool {
    view(windows, at, 0, 20).is_some_and(|it| it.u32_be(4) == Some(1) && it.u32_be(16) == Some(100))
}

pub(super) fn hfsplus(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 0, 52)?;
        let (block, blocks, free) = (it.u32_be(40)?, it.u32_be(44)?, it.u32_be(48)?);
        Some(block.is_power_of_two() && block >= 512 && blocks > 0 && free < blocks)
    };
    sound() == Some(true)
}

pub(super) fn cramfs(windows: &Windows, at: u64) -> bool {
    windows.has(at.saturating_add(16), b"Compressed ROMFS")
}

/// Both bitmaps before the first zone of data, zones of one block.
pub(super) fn minix(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 16, 20)?;
        let (inodes, zones, first) = (it.u16_le(4)?, it.u16_le(6)?, it.u16_le(8)?);
        let bitmaps = inodes.checked_add(zones)?;
        let numbers = it.u16_le(0)? > 0 && inodes > 0 && zones > 0 && bitmaps < first;
        Some(numbers && it.u16_le(10)? == 0 && it.u16_le(18)? <= 3)
    };
    sound() == Some(true)
}

pub(super) fn minix3(windows: &Windows, at: u64) -> bool {
    let sound = || {
        let it = view(windows, at, 24, 30)?;
        let (inodes, zones, first) = (it.u16_le(6)?, it.u16_le(8)?, it.u16_le(10)?);
        let bitmaps = inodes.checked_add(zones)?;
        let block = it.u16_le(28)?;
        let numbers = it.u32_le(0)? > 0 && inodes > 0 && zones > 0 && bitmaps < first;
        Some(numbers && it.u16_le(12)? == 0 && block.is_power_of_two() && block >= 1024)
    };
    sound() == Some(true)
}
