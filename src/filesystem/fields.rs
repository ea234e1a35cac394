// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Fields of one superblock, so that each refusal names the field it is about.
//!
//! **In:** superblock bytes. **Out:** numbers, all as `u64` so that no sum of two can be missed.
//! **Refuses:** whatever [`Fields::require`] is told does not hold.

use crc::{CRC_32_ISCSI, Crc};
use uuid::Uuid;

use super::{FileSystem, ProbeError, Windows};
use crate::wire::Wire;

static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What the final inversion of CRC-32C changes; ext4 and EROFS store the sum without it.
pub(super) const INVERTED: u64 = 0xffff_ffff;

/// 2 to the value of a field that holds a logarithm; 0, which is no size, if 64 bits are too few.
pub(super) fn power(log: u64) -> u64 {
    u32::try_from(log).ok().and_then(|log| 1u64.checked_shl(log)).unwrap_or(0)
}

/// A superblock under examination.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    filesystem: FileSystem,
    wire: Wire<'a>,
    device_len: u64,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        filesystem: FileSystem,
        windows: &'a Windows,
        offset: u64,
        len: usize,
    ) -> Result<Self, ProbeError> {
        let bytes = windows.at(offset, len).ok_or(ProbeError::Truncated { filesystem })?;
        let (wire, device_len) = (Wire::new(bytes), windows.device_len());
        Ok(Self { filesystem, wire, device_len })
    }

    fn read<T>(self, value: Option<T>) -> Result<T, ProbeError> {
        value.ok_or(ProbeError::Truncated { filesystem: self.filesystem })
    }

    pub(super) fn u8(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u8(at)).map(u64::from)
    }

    pub(super) fn le16(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u16_le(at)).map(u64::from)
    }

    pub(super) fn le32(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u32_le(at)).map(u64::from)
    }

    pub(super) fn le64(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u64_le(at))
    }

    pub(super) fn be16(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u16_be(at)).map(u64::from)
    }

    pub(super) fn be32(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u32_be(at)).map(u64::from)
    }

    pub(super) fn be64(self, at: usize) -> Result<u64, ProbeError> {
        self.read(self.wire.u64_be(at))
    }

    /// Bytes of the superblock.
    pub(super) fn bytes(self, at: usize, len: usize) -> Result<&'a [u8], ProbeError> {
        self.read(self.wire.bytes(at, len))
    }

    /// [`ProbeError::Field`] unless `holds`.
    pub(super) fn require(
        self,
        field: &'static str,
        found: u64,
        holds: impl FnOnce(u64) -> bool,
    ) -> Result<(), ProbeError> {
        let filesystem = self.filesystem;
        if holds(found) { Ok(()) } else { Err(ProbeError::Field { filesystem, field, found }) }
    }

    /// [`ProbeError::Checksum`] unless `stored` is the CRC-32C (RFC 3720) of `parts`.
    pub(super) fn require_crc32c(self, stored: u64, parts: &[&[u8]]) -> Result<(), ProbeError> {
        let mut crc = CRC32C.digest();
        parts.iter().for_each(|part| crc.update(part));
        self.equal(u64::from(crc.finalize()), stored)
    }

    /// [`ProbeError::Checksum`] unless the two are equal.
    pub(super) fn equal<T: PartialEq>(self, computed: T, stored: T) -> Result<(), ProbeError> {
        let filesystem = self.filesystem;
        if computed == stored { Ok(()) } else { Err(ProbeError::Checksum { filesystem }) }
    }

    /// [`ProbeError::LargerThanDevice`] unless `count` units end on the device; else the bytes.
    pub(super) fn size(self, count: u64, unit: u64) -> Result<u64, ProbeError> {
        let claimed = count.saturating_mul(unit);
        let (filesystem, device) = (self.filesystem, self.device_len);
        if claimed > device {
            return Err(ProbeError::LargerThanDevice { filesystem, claimed, device });
        }
        Ok(claimed)
    }

    /// [`ProbeError::UnknownFeatures`] if a bit is set that is not `supported`.
    pub(super) fn features(
        self,
        field: &'static str,
        found: u64,
        supported: u64,
    ) -> Result<(), ProbeError> {
        let (filesystem, bits) = (self.filesystem, found & !supported);
        if bits == 0 {
            Ok(())
        } else {
            Err(ProbeError::UnknownFeatures { filesystem, field, bits })
        }
    }

    /// [`ProbeError::Dirty`] unless `clean`.
    pub(super) fn clean(
        self,
        field: &'static str,
        found: u64,
        clean: impl FnOnce(u64) -> bool,
    ) -> Result<(), ProbeError> {
        let filesystem = self.filesystem;
        if clean(found) { Ok(()) } else { Err(ProbeError::Dirty { filesystem, field, found }) }
    }

    /// [`ProbeError::ExtraDevice`] unless everything lies on this device `alone`.
    pub(super) fn alone(
        self,
        field: &'static str,
        found: u64,
        alone: impl FnOnce(u64) -> bool,
    ) -> Result<(), ProbeError> {
        let filesystem = self.filesystem;
        if alone(found) {
            Ok(())
        } else {
            Err(ProbeError::ExtraDevice { filesystem, field, found })
        }
    }

    /// [`ProbeError::Unsupported`] unless `supported`.
    pub(super) fn supported(
        self,
        field: &'static str,
        found: u64,
        supported: impl FnOnce(u64) -> bool,
    ) -> Result<(), ProbeError> {
        let filesystem = self.filesystem;
        if supported(found) {
            Ok(())
        } else {
            Err(ProbeError::Unsupported { filesystem, field, found })
        }
    }

    /// The label, up to its first NUL; `None` if there is none.
    pub(super) fn label(self, at: usize, len: usize) -> Result<Option<String>, ProbeError> {
        let bytes = self.bytes(at, len)?.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok((!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned()))
    }

    /// The UUID; `None` if it is all zero.
    pub(super) fn uuid(self, at: usize) -> Result<Option<Uuid>, ProbeError> {
        let uuid = Uuid::from_bytes(self.read(self.wire.array(at))?);
        Ok((!uuid.is_nil()).then_some(uuid))
    }
}
