// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Entries become files.
//!
//! **In:** entries that both readers agree on, an empty directory that nobody else can enter.
//! **Out:** the tree, each file with owner, mode, attributes and time, directories last.
//! **Refuses:** what the kernel does, and to go on without memory. Every step is relative to the
//! directory and beneath it: no link is followed, whoever made it, and nothing is ever opened that
//! exists already.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, makedev, mkdirat,
    mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, linkat, symlinkat};
use rustix::fs::{OFlags, ResolveFlags};

use super::entry::{Entry, Kind};
use super::error::UnpackError;
use super::walk::Sink;
use crate::fetch::Progress;
use crate::sys::memfd::available;
use crate::sys::openat2;
use crate::sys::xattr;

/// Bytes copied at once.
const CHUNK: usize = 256 * 1024;

/// Bytes written between two looks at the machine's memory.
const LOOK: u64 = 4 << 20;

/// The tree under way.
pub(super) struct Disk<'a> {
    root: BorrowedFd<'a>,
    /// Directories, in the order of their entries: parents first.
    directories: Vec<Entry>,
    /// The directory that was written to last.
    parent: Option<(String, OwnedFd)>,
    buffer: Vec<u8>,
    /// Memory that stays free, bytes.
    reserve: u64,
    /// Bytes written since the last look.
    unseen: u64,
    progress: &'a mut dyn Progress,
}

impl<'a> Disk<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, reserve: u64, progress: &'a mut dyn Progress) -> Self {
        Self {
            root,
            directories: Vec::new(),
            parent: None,
            buffer: vec![0; CHUNK],
            reserve,
            unseen: 0,
            progress,
        }
    }

    /// Gives the directories their owners, modes, attributes and times, the innermost first.
    pub(super) fn finish(mut self) -> Result<(), UnpackError> {
        self.parent = None;
        if !self.directories.iter().any(|it| it.path.as_str().is_empty()) {
            let readable = Mode::from_bits_truncate(0o755);
            fchmod(self.root, readable).map_err(|errno| UnpackError::Create {
                path: ".".to_owned(),
                error: errno.into(),
            })?;
        }
        while let Some(entry) = self.directories.pop() {
            let directory = match entry.path.as_str() {
                "" => self.root.try_clone_to_owned(),
                path => beneath(self.root, path, OFlags::RDONLY),
            };
            directory.and_then(|it| dress(&it, &entry)).map_err(|error| failed(&entry, error))?;
        }
        Ok(())
    }

    fn create(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let Some((parent, name)) = entry.path.split() else { return Ok(()) };
        self.enter(parent)?;
        let Some((_, directory)) = &self.parent else { return Ok(()) };
        let private = Mode::S_IRWXU;
        match &entry.kind {
            Kind::Directory => mkdirat(directory, name, private)?,
            Kind::File { size } => {
                let flags = OFlag::O_WRONLY
                    | OFlag::O_CREAT
                    | OFlag::O_EXCL
                    | OFlag::O_NOFOLLOW
                    | OFlag::O_CLOEXEC;
                let mode = Mode::S_IRUSR | Mode::S_IWUSR;
                let mut file = File::from(openat(directory, name, flags, mode)?);
                self.copy(content, &mut file, *size)?;
                dress(&file, entry)?;
            }
            Kind::HardLink { target } => {
                let (parent, first) = target.split().unwrap_or_default();
                let other = match parent {
                    "" => self.root.try_clone_to_owned()?,
                    path => beneath(self.root, path, OFlags::PATH)?,
                };
                linkat(other, first, directory, name, AtFlags::empty())?;
            }
            Kind::Symlink { target } => {
                symlinkat(target.as_slice(), directory, name)?;
                dress_at(directory, name, entry)?;
            }
            Kind::Device { block, major, minor } => {
                let kind = if *block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
                let device = makedev(u64::from(*major), u64::from(*minor));
                mknodat(directory, name, kind, private, device)?;
                dress_at(directory, name, entry)?;
                fchmodat(directory, name, mode(entry), FchmodatFlags::FollowSymlink)?;
            }
            Kind::Fifo => {
                mknodat(directory, name, SFlag::S_IFIFO, private, 0)?;
                dress_at(directory, name, entry)?;
                fchmodat(directory, name, mode(entry), FchmodatFlags::FollowSymlink)?;
            }
        }
        Ok(())
    }

    /// Opens the directory that comes next, unless it is the one that is open.
    fn enter(&mut self, parent: &str) -> io::Result<()> {
        if self.parent.as_ref().is_some_and(|(open, _)| open == parent) {
            return Ok(());
        }
        let directory = match parent {
            "" => self.root.try_clone_to_owned()?,
            path => beneath(self.root, path, OFlags::PATH)?,
        };
        self.parent = Some((parent.to_owned(), directory));
        Ok(())
    }

    /// Copies exactly `size` bytes, and looks now and then whether memory is left.
    fn copy(&mut self, content: &mut dyn Read, file: &mut File, size: u64) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let part = self.buffer.get_mut(..most).unwrap_or_default();
            content.read_exact(part)?;
            file.write_all(part)?;
            let written = u64::try_from(most).unwrap_or(u64::MAX);
            left = left.saturating_sub(written);
            self.unseen = self.unseen.saturating_add(written);
            self.progress.advance(written);
            if self.unseen >= LOOK {
                self.unseen = 0;
                if available()? < self.reserve {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
            }
        }
        Ok(())
    }
}

impl Sink for Disk<'_> {
    fn take(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), UnpackError> {
        self.create(entry, content).map_err(|error| failed(entry, error))?;
        if entry.kind == Kind::Directory {
            self.directories.push(entry.clone());
        }
        // So that whoever waits sees empty files go by, too.
        self.progress.advance(0);
        Ok(())
    }
}

fn failed(entry: &Entry, error: io::Error) -> UnpackError {
    UnpackError::Create { path: entry.path.to_string(), error }
}

/// Opens a directory of the tree: every component is a directory below the root and no link.
fn beneath(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    Ok(openat2::open(root, path, flags, resolve)?)
}

/// Owner first: changing it takes set-id bits and capabilities away. The time last.
fn dress(file: &impl AsFd, entry: &Entry) -> io::Result<()> {
    fchown(file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
    fchmod(file, mode(entry))?;
    for (name, value) in &entry.xattrs {
        xattr::create(file, name, value)?;
    }
    let time = time(entry);
    Ok(futimens(file, &time, &time)?)
}

/// The same for what can't be opened: it was made just now, in a directory that nobody else can
/// enter.
fn dress_at(directory: &OwnedFd, name: &str, entry: &Entry) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    fchownat(directory, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let time = time(entry);
    Ok(utimensat(directory, name, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}

fn mode(entry: &Entry) -> Mode {
    Mode::from_bits_truncate(entry.mode)
}

fn time(entry: &Entry) -> TimeSpec {
    let (seconds, nanoseconds) = entry.mtime;
    TimeSpec::new(i64::try_from(seconds).unwrap_or_default(), i64::from(nanoseconds))
}
