// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Exactly one answer to "which file system is this?".
//!
//! **In:** [`Windows`] on any bytes. **Out:** the one [`Superblock`] of a type that may be mounted.
//! **Refuses:** superblocks that are not sound, types that are never mounted, and content that
//! another program could take for something else.
//!
//! What counts as "something else" beside a sound superblock:
//!
//! - A type whose own structure is sound (checksums, counts that agree), wherever it stands, even
//!   if it is refused for its features or its size.
//! - Any magic alone where the file system keeps nothing, such as the first 1024 bytes of EROFS and
//!   ext4: its `mkfs` writes zeros there, so somebody else wrote that magic.
//! - Not a magic alone elsewhere: that is the content of a file, and compressed files contain
//!   everything.
//!
//! The size of the device plays no part in this, and neither does the order of the types.

use std::ops::Range;

use uuid::Uuid;

use super::foreign::{self, Sighting};
use super::{FileSystem, ProbeError, Windows};
use super::{btrfs, erofs, ext4, squashfs, vfat, xfs};

/// What a sound superblock says. As good as the bytes it was read from: a claim, if they were not
/// verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The type, one of [`FileSystem::MOUNTABLE`].
    pub filesystem: FileSystem,
    /// Bytes the file system takes; at most the length of the device.
    pub size: u64,
    /// Text chosen by whoever made the image: escape it before it is shown.
    pub label: Option<String>,
    /// The UUID, where the type has one.
    pub uuid: Option<Uuid>,
}

/// How one type is recognised.
struct Format {
    filesystem: FileSystem,
    /// Where its magic is, if it is there.
    magic: fn(&Windows) -> Option<Range<u64>>,
    /// Where a file system of this type keeps nothing.
    padding: fn(&Windows) -> Vec<Range<u64>>,
    superblock: fn(&Windows) -> Result<Superblock, ProbeError>,
}

macro_rules! format {
    ($filesystem:ident, $module:ident) => {
        Format {
            filesystem: FileSystem::$filesystem,
            magic: $module::magic,
            padding: $module::padding,
            superblock: $module::superblock,
        }
    };
}

const FORMATS: [Format; 6] = [
    format!(Btrfs, btrfs),
    format!(Erofs, erofs),
    format!(Ext4, ext4),
    format!(Squashfs, squashfs),
    format!(Vfat, vfat),
    format!(Xfs, xfs),
];

/// A type whose magic is there, and what its superblock says.
struct Candidate<'a> {
    format: &'a Format,
    magic: Range<u64>,
    verdict: Result<Superblock, ProbeError>,
}

impl Candidate<'_> {
    fn is_nonsense(&self) -> bool {
        self.verdict.as_ref().is_err_and(|error| error.is_nonsense())
    }

    fn keeps_nothing_at(&self, windows: &Windows, place: &Range<u64>) -> bool {
        let inside = |range: Range<u64>| range.start <= place.start && place.end <= range.end;
        (self.format.padding)(windows).into_iter().any(inside)
    }
}

/// Finds the one file system on a device.
///
/// # Errors
/// [`ProbeError`] names the cause: nothing known, a superblock that is not sound or not supported,
/// a type that is never mounted, or two answers.
pub fn probe(windows: &Windows) -> Result<Superblock, ProbeError> {
    judge(windows, &FORMATS)
}

fn judge(windows: &Windows, formats: &[Format]) -> Result<Superblock, ProbeError> {
    let mut candidates: Vec<_> = formats
        .iter()
        .filter_map(|format| {
            let magic = (format.magic)(windows)?;
            Some(Candidate { format, magic, verdict: (format.superblock)(windows) })
        })
        .collect();
    candidates.sort_by_key(|candidate| candidate.format.filesystem);
    let (nonsense, present): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(Candidate::is_nonsense);
    let foreign = foreign::sightings(windows);
    match present.as_slice() {
        [] => Err(nothing_sound(windows, &nonsense, &foreign)),
        [only] => {
            alone(windows, only, &nonsense, &foreign)?;
            only.verdict.clone()
        }
        [one, two, ..] => Err(ambiguous(one, two)),
    }
}

fn ambiguous(one: &Candidate<'_>, two: &Candidate<'_>) -> ProbeError {
    let (one, two) = (one.format.filesystem, two.format.filesystem);
    ProbeError::Ambiguous { first: one.min(two), second: one.max(two) }
}

/// That nothing else stands beside the one sound superblock.
fn alone(
    windows: &Windows,
    only: &Candidate<'_>,
    nonsense: &[Candidate<'_>],
    foreign: &[Sighting],
) -> Result<(), ProbeError> {
    let planted = |place| only.keeps_nothing_at(windows, place);
    if let Some(it) = foreign.iter().find(|it| it.is_sound || planted(&it.place)) {
        return Err(ProbeError::Foreign { name: it.name });
    }
    match nonsense.iter().find(|it| planted(&it.magic)) {
        Some(it) => Err(ambiguous(only, it)),
        None => Ok(()),
    }
}

/// The most telling cause on a device without a sound superblock: a sound foreign one, a magic of
/// ours with what is wrong behind it, a foreign magic.
fn nothing_sound(
    windows: &Windows,
    nonsense: &[Candidate<'_>],
    foreign: &[Sighting],
) -> ProbeError {
    let planted = |place| nonsense.iter().any(|it| it.keeps_nothing_at(windows, place));
    let sound = foreign.iter().find(|it| it.is_sound || planted(&it.place));
    let broken = nonsense.iter().find_map(|it| it.verdict.as_ref().err());
    let telling = foreign.iter().find(|it| it.is_telling());
    match (sound, broken, telling) {
        (Some(it), _, _) | (None, None, Some(it)) => ProbeError::Foreign { name: it.name },
        (None, Some(error), _) => *error,
        (None, None, None) => ProbeError::Unrecognised,
    }
}
