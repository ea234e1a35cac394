// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The first 512 bytes, and what else could pass for a table.
//!
//! **In:** the first and the last bytes of an image. **Out:** nothing but a yes.
//! **Refuses:** tables in the old MBR format, whole or hybrid, and a GPT that is only a backup.

use super::GptError;
use crate::units::SectorSize;
use crate::wire::Wire;

/// A protective MBR and nothing else (UEFI 5.2.3): a hybrid one shows another disk to readers
/// of the old table. Boot code and disk signature are nobody's business here.
pub(super) fn check_mbr(head: &[u8], sectors: u64) -> Result<(), GptError> {
    let mbr = Wire::new(head);
    let err = |what| GptError::Mbr { what };
    if mbr.array(510) != Some([0x55, 0xAA]) {
        return Err(err("no 55 AA at its end"));
    }
    let mut protective = 0_u32;
    for at in [446, 462, 478, 494] {
        if mbr.is_zero(at, 16) {
            continue;
        }
        if mbr.u8(at.saturating_add(4)) != Some(0xEE) {
            return Err(err("a partition other than the protective one"));
        }
        let covered = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
        let size = mbr.u32_le(at.saturating_add(12));
        if mbr.u32_le(at.saturating_add(8)) != Some(1)
            || (size != Some(covered) && size != Some(u32::MAX))
        {
            return Err(err("the protective partition does not cover the image"));
        }
        protective = protective.saturating_add(1);
    }
    if protective == 1 { Ok(()) } else { Err(err("not exactly one protective partition")) }
}

/// That an image without a primary header has no other partition table either: no backup header
/// in its last bytes, no partitions in the old MBR format. FAT keeps boot code where that format
/// has its partitions, and is known by its own magic.
///
/// # Errors
/// [`GptError::BackupAlone`] or [`GptError::Mbr`].
pub(in crate::dissect) fn check_no_table(head: &[u8], tail: &[u8]) -> Result<(), GptError> {
    for size in SectorSize::ALL {
        let at = usize::try_from(size.bytes()).ok().and_then(|size| tail.len().checked_sub(size));
        if at.and_then(|at| Wire::new(tail).bytes(at, 8)) == Some(b"EFI PART") {
            return Err(GptError::BackupAlone);
        }
    }
    let mbr = Wire::new(head);
    let is_fat = [54, 82].iter().any(|at| mbr.bytes(*at, 3) == Some(b"FAT"));
    if mbr.array(510) == Some([0x55, 0xAA]) && !mbr.is_zero(446, 64) && !is_fat {
        return Err(GptError::Mbr { what: "partitions of the old format, and no GPT" });
    }
    Ok(())
}
