// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a partition seems to hold, before anything is verified.
//!
//! **In:** the first and the last bytes of a partition; anybody's.
//! **Out:** a [`Claim`], for display and for a refusal that need not wait.
//! **Refuses:** nothing; [`crate::identify`] asks again on the bytes that will be used.

use crate::filesystem::{ProbeError, Superblock, Windows, probe};
use crate::source::{self, Source};
use crate::units::ByteRange;

/// What a partition's unverified bytes look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// LUKS. Whether with integrity tags is not looked at: it is never opened.
    Encrypted,
    /// One file system of the list.
    FileSystem(Superblock),
    /// Nothing that would be mounted.
    Unusable(ProbeError),
}

/// The name of LUKS among the types that are never mounted, as libblkid has it.
const LUKS: &str = "crypto_LUKS";

/// Reads both ends of a partition.
pub(super) fn read(source: &mut Source, range: ByteRange) -> Result<Claim, source::Error> {
    let head = range.part(0, range.len().min(Windows::HEAD)).unwrap_or(range);
    let tail_len = range.len().min(Windows::TAIL);
    let tail = range.part(range.len().saturating_sub(tail_len), tail_len).unwrap_or(range);
    let (head, tail) = (source.read(head, Windows::HEAD)?, source.read(tail, Windows::TAIL)?);
    Ok(match Windows::new(range.len(), head, tail).and_then(|windows| probe(&windows)) {
        Ok(superblock) => Claim::FileSystem(superblock),
        Err(ProbeError::Foreign { name: LUKS }) => Claim::Encrypted,
        Err(error) => Claim::Unusable(error),
    })
}
