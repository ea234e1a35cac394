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
#[derive(Clone, Copy)]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that is sound of EROFS and SquashFS; of the others their magic alone.
    fn device(types: &[FileSystem]) -> Windows {
        let mut bytes = vec![0; 8192];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        if types.contains(&FileSystem::Erofs) {
            put(1024, &[0xE2, 0xE1, 0xF5, 0xE0]);
            put(1036, &[12]);
            put(1060, &[1]);
        }
        if types.contains(&FileSystem::Squashfs) {
            put(0, b"hsqs\x01");
            put(12, &[0, 16]);
            put(20, &[1, 0, 12, 0, 0, 0, 1, 0, 4]);
            put(40, &[200]);
            put(48, &[130]);
            put(56, &[0xff; 8]);
            put(64, &[96]);
            put(72, &[120]);
            put(80, &[0xff; 16]);
        }
        if types.contains(&FileSystem::Xfs) {
            put(0, b"XFSB");
        }
        Windows::new(8192, bytes.clone(), bytes).unwrap()
    }

    #[test]
    fn the_order_of_the_types_plays_no_part() {
        use FileSystem::{Erofs, Squashfs, Xfs};
        let ambiguous = |first, second| Err(ProbeError::Ambiguous { first, second });
        for (windows, expected) in [
            (device(&[Erofs]), Ok(Erofs)),
            (device(&[Squashfs]), Ok(Squashfs)),
            (device(&[Erofs, Squashfs]), ambiguous(Erofs, Squashfs)),
            (device(&[Erofs, Xfs]), ambiguous(Erofs, Xfs)),
            (device(&[]), Err(ProbeError::Unrecognised)),
        ] {
            let mut formats = FORMATS;
            for turn in 0..2 * FORMATS.len() {
                formats.rotate_left(1);
                if turn == FORMATS.len() {
                    formats.reverse();
                }
                let answer = judge(&windows, &formats).map(|found| found.filesystem);
                assert_eq!(answer, expected);
            }
        }
    }
}
