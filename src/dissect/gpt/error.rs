// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why a partition table is rejected.
//!
//! **In:** typed facts of a table. **Out:** [`GptError`]. **Refuses:** nothing.

use uuid::Uuid;

use crate::units::{Lba, SectorSize};

/// Which of the two headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// At LBA 1.
    Primary,
    /// At the last LBA.
    Backup,
}

impl std::fmt::Display for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        })
    }
}

/// Why a partition table is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum GptError {
    #[error("headers at two sector sizes, {first} and {second} bytes")]
    AmbiguousSectorSize { first: SectorSize, second: SectorSize },
    #[error("partition {number} has reserved attribute bits set: {attributes:#018x}")]
    Attributes { number: u32, attributes: u64 },
    #[error("a backup header at the end, and no primary one")]
    BackupAlone,
    #[error("the backup table differs from the primary one: the image is cut off or was changed")]
    BackupDiffers,
    #[error("the {copy} header says {field} = {found}, where {expected} is right")]
    Field { copy: Copy, field: &'static str, found: u64, expected: String },
    #[error("partitions {first} and {second} have the same GUID {guid}")]
    DuplicateGuid { first: u32, second: u32, guid: Uuid },
    #[error("the CRC of the {copy} entry array is wrong")]
    EntriesCrc { copy: Copy },
    #[error("the CRC of the {copy} header is wrong")]
    HeaderCrc { copy: Copy },
    #[error("hybrid or odd MBR: {what}")]
    Mbr { what: &'static str },
    #[error("partition {number} has a name that is not UTF-16 text or goes on after its end")]
    Name { number: u32 },
    #[error("no partition table")]
    NoHeader,
    #[error("partition {number} has no unique GUID")]
    NoGuid { number: u32 },
    #[error("partition {number}, LBA {first} to {last}, is outside the usable range")]
    Outside { number: u32, first: Lba, last: Lba },
    #[error("partitions {first} and {second} overlap")]
    Overlap { first: u32, second: u32 },
    #[error("the {copy} header has data where zeros belong")]
    Reserved { copy: Copy },
    #[error("the image ends before its partition table does: {length} bytes")]
    Truncated { length: u64 },
}
