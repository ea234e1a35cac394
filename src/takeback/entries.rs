// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Taking back what came into a directory.
//!
//! **In:** a directory, and what was in it before. **Out:** what came since is gone, with everything
//! in it. **Refuses:** to follow a link, and to go where something else is mounted; that stays.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, open, unlinkat};
use rustix::io::{Errno, Result};

use crate::limits;
use crate::sys::openat2;

/// What was in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    directory: PathBuf,
    before: Names,
}

#[derive(Clone, Debug)]
enum Names {
    /// There was no such directory.
    Absent,
    Known(BTreeSet<CString>),
    /// It could not be read: what came since is not known, and nothing is touched.
    Unknown,
}

impl Entries {
    /// Looks what is there.
    pub(super) fn look(directory: &Path) -> Self {
        let names = opened(directory).and_then(|it| names(it.as_fd()));
        let before = match names {
            Ok(names) => Names::Known(names.into_iter().collect()),
            Err(Errno::NOENT) => Names::Absent,
            Err(_) => Names::Unknown,
        };
        Self { directory: directory.to_owned(), before }
    }

    /// Removes what came since, and says what of it stays.
    pub(super) fn take_back(&self) -> Vec<String> {
        let nothing = BTreeSet::new();
        let before = match &self.before {
            Names::Absent => &nothing,
            Names::Known(names) => names,
            Names::Unknown => return Vec::new(),
        };
        let shown = |it: &Path| it.to_string_lossy().into_owned();
        let directory = match opened(&self.directory) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Vec::new(),
            Err(_) => return vec![shown(&self.directory)],
        };
        let Ok(mut names) = names(directory.as_fd()) else { return vec![shown(&self.directory)] };
        names.retain(|it| !before.contains(it));
        names.retain(|it| remove(directory.as_fd(), it, DEPTH).is_err());
        if matches!(self.before, Names::Absent) && names.is_empty() {
            // Empty, it does no harm where it stays.
            std::fs::remove_dir(&self.directory).ok();
        }
        let stays = |it: CString| shown(&self.directory.join(it.to_string_lossy().as_ref()));
        names.into_iter().map(stays).collect()
    }
}

/// Directories inside each other: a tree, and those in it.
const DEPTH: usize = limits::ARCHIVE_DEPTH.saturating_add(1);

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn opened(directory: &Path) -> Result<OwnedFd> {
    open(directory, DIRECTORY, Mode::empty())
}

fn names(directory: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Removes an entry with everything beneath it, on this mount, through no link. No tree of a boot is
/// deeper than `depth`.
fn remove(parent: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => (),
        done => return done,
    }
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let directory = openat2::open(parent, name, DIRECTORY, resolve)?;
    for name in names(directory.as_fd())? {
        // What stays keeps its directory from going.
        remove(directory.as_fd(), &name, depth).ok();
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_came_since_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("run/old/deep")).unwrap();
        fs::write(path("outside"), "").unwrap();
        fs::create_dir(path("elsewhere")).unwrap();
        fs::write(path("elsewhere/file"), "").unwrap();
        let before = Entries::look(&path("run"));

        // A tree, one under way, a note, and links that lead out.
        fs::create_dir_all(path("run/tools/usr/lib")).unwrap();
        fs::write(path("run/tools/usr/lib/os-release"), "").unwrap();
        symlink(path("elsewhere"), path("run/tools/link")).unwrap();
        fs::create_dir(path("run/.veriroot-tools-0011223344556677")).unwrap();
        fs::write(path("run/note"), "").unwrap();
        symlink(path("outside"), path("run/link")).unwrap();
        fs::write(path("run/old/new"), "").unwrap();
        assert_eq!(before.take_back(), Vec::<String>::new());
        let left: Vec<_> =
            crate::listing::names(&path("run")).unwrap().map(|it| it.unwrap()).collect();
        assert_eq!(left, ["old"]);
        assert!(path("run/old/deep").exists() && path("run/old/new").exists());
        assert!(path("outside").exists() && path("elsewhere/file").exists());
    }

    #[test]
    fn a_directory_that_came_since_goes_and_what_can_not_be_read_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let absent = Entries::look(&path("run"));
        assert_eq!(absent.take_back(), Vec::<String>::new());
        fs::create_dir_all(path("run/tools/usr")).unwrap();
        assert_eq!(absent.take_back(), Vec::<String>::new());
        assert!(!path("run").exists());

        fs::create_dir_all(path("real/tools")).unwrap();
        symlink(path("real"), path("link")).unwrap();
        let link = Entries::look(&path("link"));
        assert!(matches!(link.before, Names::Unknown));
        fs::create_dir(path("real/more")).unwrap();
        assert_eq!(link.take_back(), Vec::<String>::new());
        assert!(path("real/more").exists());
    }

    #[test]
    fn what_stays_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let before = Entries::look(dir.path());
        let deep = vec!["d"; DEPTH + 1].join("/");
        fs::create_dir_all(dir.path().join(deep)).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let stays = before.take_back();
        assert_eq!(stays, [dir.path().join("d").display().to_string()]);
        // The twin that is as deep as a tree may be.
        let before = Entries::look(dir.path());
        let deep = vec!["e"; DEPTH].join("/");
        fs::create_dir_all(dir.path().join(deep)).unwrap();
        assert_eq!(before.take_back(), Vec::<String>::new());
        assert!(!dir.path().join("e").exists());
    }
}
