// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Sizes and places with their unit in the type; checked arithmetic only.
//!
//! **In:** numbers from tables an attacker wrote. **Out:** [`ByteRange`]s whose end exists, sector
//! sizes a GPT can have. **Refuses:** everything that wraps, is empty or is no power of two.

use std::fmt;

/// Logical sector size of a partition table, bytes: 512, 1024, 2048 or 4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SectorSize(u32);

impl SectorSize {
    /// The sizes systemd looks for a header at (systemd 262, gpt.c), in that order.
    pub const ALL: [Self; 4] = [Self(512), Self(1024), Self(2048), Self(4096)];

    /// The one that every file system can live with.
    pub const SMALLEST: Self = Self(512);

    /// Bytes per sector.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0)
    }

    /// Bytes per sector, as the kernel's block layer wants it.
    #[must_use]
    pub fn bytes_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SectorSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Logical block address: a count of sectors from the start of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lba(pub u64);

impl Lba {
    /// Byte offset of the sector; `None` where it does not fit 64 bits.
    #[must_use]
    pub fn offset(self, sector: SectorSize) -> Option<u64> {
        self.0.checked_mul(sector.bytes())
    }
}

impl fmt::Display for Lba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A non-empty run of bytes of an image; `offset + len` always fits 63 bits, as the kernel's
/// `loff_t` demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRange {
    offset: u64,
    len: u64,
}

impl ByteRange {
    /// A range of `len` bytes from `offset`; `None` if it is empty or its end does not exist.
    #[must_use]
    pub fn new(offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        (len > 0 && i64::try_from(end).is_ok()).then_some(Self { offset, len })
    }

    /// First byte.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Bytes in the range, never 0.
    #[must_use]
    pub fn len(self) -> u64 {
        self.len
    }

    /// Always false: an empty range cannot be made.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    /// One past the last byte.
    #[must_use]
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// The part of this range that begins `offset` bytes in and is `len` bytes long; `None` if it
    /// is empty or does not lie inside.
    #[must_use]
    pub fn part(self, offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        if end > self.len {
            return None;
        }
        Self::new(self.offset.checked_add(offset)?, len)
    }

    /// Whether the two share a byte.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}..{}", self.offset, self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_wrap_or_are_empty_cannot_be_made() {
        assert_eq!(ByteRange::new(0, 0), None);
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(i64::MAX as u64, 1), None);
        let whole = ByteRange::new(512, 1024).unwrap();
        assert_eq!((whole.offset(), whole.len(), whole.end()), (512, 1024, 1536));
    }

    #[test]
    fn parts_stay_inside() {
        let whole = ByteRange::new(512, 1024).unwrap();
        assert_eq!(whole.part(0, 1024), Some(whole));
        assert_eq!(whole.part(1, 1024), None);
        assert_eq!(whole.part(u64::MAX, 2), None);
        assert_eq!(whole.part(1023, 1), ByteRange::new(1535, 1));
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let a = ByteRange::new(0, 512).unwrap();
        let b = ByteRange::new(512, 1).unwrap();
        assert!(!a.overlaps(b) && !b.overlaps(a));
        assert!(a.overlaps(ByteRange::new(511, 9).unwrap()));
    }

    #[test]
    fn an_lba_past_64_bits_has_no_offset() {
        assert_eq!(Lba(u64::MAX / 512 + 1).offset(SectorSize::ALL[0]), None);
        assert_eq!(Lba(34).offset(SectorSize::ALL[3]), Some(34 * 4096));
    }
}
