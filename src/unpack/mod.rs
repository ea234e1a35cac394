// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! An archive becomes a tree of files.
//!
//! **In:** an [`Archive`]: the whole file is authenticated, or a policy file waives that in so many
//! words. **Out:** [`Unpacked`]: the tree, complete, in a staging directory that nobody else can
//! enter; [`Unpacked::place`] gives it its name in one step. **Refuses:** archives that two readers
//! could read differently, names that lead elsewhere, kinds of files that policy does not let in,
//! trees that memory has no room for. All or nothing: what is refused leaves nothing behind.
//!
//! The archive is walked twice. The first walk writes nothing: after it every entry was found to be
//! right, and it is known how much memory the tree takes. The second one unpacks, under the same
//! rules.

mod disk;
mod entry;
mod error;
mod fault;
mod gate;
mod header;
mod path;
mod pax;
mod staging;
mod walk;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

pub use entry::{Entry, Kind};
pub use error::UnpackError;
pub use fault::Fault;
pub use path::EntryPath;
pub use walk::Totals;

use crate::authenticate::archive::Archive;
use crate::fetch::Progress;
use crate::purpose::Purpose;
use disk::Disk;
use staging::Staging;
use walk::{LookOnly, Tree, walk};

/// What a tree is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// What is used so. A system has `usr`; so has a system extension, or `opt`; a configuration
    /// extension has `etc`.
    Of(Purpose),
    /// Nothing is asked of it.
    Any,
}

impl TreeKind {
    /// The directories of which one has to be there, and their names in words.
    fn needs(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Of(Purpose::System | Purpose::Portable | Purpose::Machine) => (&["usr"], "usr"),
            Self::Of(Purpose::Sysext) => (&["usr", "opt"], "usr or opt"),
            Self::Of(Purpose::Confext) => (&["etc"], "etc"),
            Self::Any => (&[], ""),
        }
    }

    /// systemd takes a single directory off that has a tree in it. Which tree is meant is not
    /// guessed here.
    fn fits(self, tree: &Tree) -> Result<(), UnpackError> {
        let (needs, missing) = self.needs();
        if needs.is_empty() || needs.iter().any(|it| tree.has_directory(it)) {
            return Ok(());
        }
        Err(UnpackError::Layout { missing })
    }
}

/// Where a tree goes.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The directory it comes to stand in, such as /run/machines: in a tmpfs.
    pub place: PathBuf,
    /// Its name there.
    pub name: String,
    /// What it is to be.
    pub kind: TreeKind,
}

/// A complete tree that has no name yet. Made by [`unpack`] alone.
///
/// It can't be put together, doubled, or made of an archive that nobody vouches for:
///
/// ```
/// # use veriroot::{authenticate::archive::Archive, fetch::Progress, unpack::{Destination, unpack}};
/// fn next(it: Archive, to: &Destination, progress: &mut dyn Progress) -> bool {
///     unpack(it, to, progress).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{policy::AdmittedArchive, fetch::Progress, unpack::{Destination, unpack}};
/// fn next(it: AdmittedArchive, to: &Destination, progress: &mut dyn Progress) -> bool {
///     unpack(it, to, progress).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::unpack::Unpacked;
/// fn forge(it: Unpacked) -> Unpacked {
///     Unpacked { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::unpack::Unpacked;
/// let twice = Unpacked::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Unpacked {
    staging: Staging,
    totals: Totals,
}

/// Looks at every entry of an archive and writes nothing.
///
/// # Errors
/// The first entry that is not as it has to be.
pub fn judge(archive: &mut Archive, kind: TreeKind) -> Result<Totals, UnpackError> {
    let rules = archive.rules();
    let (totals, tree) = walk(archive.source(), rules, &mut LookOnly)?;
    kind.fits(&tree)?;
    Ok(totals)
}

/// Unpacks an archive.
///
/// # Errors
/// As [`judge`]; the place, the memory or the kernel. Nothing is left then.
pub fn unpack(
    mut archive: Archive,
    destination: &Destination,
    progress: &mut dyn Progress,
) -> Result<Unpacked, UnpackError> {
    let Destination { place, name, kind } = destination;
    let staging = Staging::create(place, name)?;
    let expected = judge(&mut archive, *kind)?;
    staging.has_room(expected, archive.reserve())?;
    progress.begin(expected.bytes);
    let mut disk = Disk::new(staging.directory(), archive.reserve(), progress);
    let rules = archive.rules();
    let (totals, _tree) = walk(archive.source(), rules, &mut disk)?;
    disk.finish()?;
    Ok(Unpacked { staging, totals })
}

impl Unpacked {
    /// What it holds.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Its directory: to be looked at, not to be used.
    #[must_use]
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.staging.directory()
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// [`UnpackError::Taken`], or what the kernel says; nothing is left then.
    pub fn place(self) -> Result<Placed, UnpackError> {
        Ok(Placed(self.staging.place()?))
    }
}

/// A tree in its place. Made by [`Unpacked::place`] alone.
#[derive(Debug)]
#[must_use]
pub struct Placed(PathBuf);

impl Placed {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes it away again, as far as the kernel lets it.
    pub(crate) fn take_back(&self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
