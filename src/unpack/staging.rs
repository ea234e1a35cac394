// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The place where a tree grows, and the one where it ends.
//!
//! **In:** a directory in a tmpfs and the name that the tree shall have there. **Out:** a
//! [`Staging`] directory that nobody else can enter; at the end the tree under its name, in one
//! step. **Refuses:** a directory that others can write to or that is on a disk, a name that is
//! taken.
//!
//! A staging directory goes with whoever made it. One that was left behind, because its maker was
//! killed, is taken away at the next start; a lock tells it from one that is in use.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, RenameFlags, open, openat, renameat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, fstatfs};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{UnlinkatFlags, unlinkat};
use openssl::rand::rand_bytes;

use super::error::UnpackError;
use super::walk::Totals;
use crate::limits;
use crate::listing;
use crate::sys::memfd::available;

/// What staging directories begin with.
const PREFIX: &str = ".veriroot-";

/// ramfs, where an initrd has no tmpfs (linux/magic.h).
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// A directory under way. Dropping it takes it away with everything in it.
#[derive(Debug)]
pub(super) struct Staging {
    parent: File,
    place: PathBuf,
    name: String,
    temporary: String,
    directory: Flock<OwnedFd>,
    placed: bool,
}

impl Staging {
    /// Makes one for a tree that shall be `place/name`.
    pub(super) fn create(place: &Path, name: &str) -> Result<Self, UnpackError> {
        let failed = |error: io::Error| UnpackError::Place { path: place.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o755).create(place).map_err(failed)?;
        let directory = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let parent = open(place, directory, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let parent = File::from(parent);
        private(&parent).map_err(failed)?;
        let prefix = format!("{PREFIX}{name}-");
        sweep(place, &parent, &prefix).map_err(failed)?;
        let path = place.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(UnpackError::Taken { path });
        }
        let mut random = [0; 8];
        rand_bytes(&mut random).map_err(|error| failed(io::Error::other(error)))?;
        let temporary = format!("{prefix}{}", HEXLOWER.encode(&random));
        if temporary.len() > limits::FILE_NAME {
            return Err(failed(Errno::ENAMETOOLONG.into()));
        }
        mkdirat(&parent, temporary.as_str(), Mode::S_IRWXU)
            .map_err(|errno| failed(errno.into()))?;
        let made = openat(&parent, temporary.as_str(), directory, Mode::empty());
        let locked = made.and_then(|it| {
            Flock::lock(it, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)
        });
        let directory = locked.map_err(|errno| {
            // Nothing is in it yet.
            unlinkat(&parent, temporary.as_str(), UnlinkatFlags::RemoveDir).ok();
            failed(errno.into())
        })?;
        let (place, name) = (place.to_owned(), name.to_owned());
        Ok(Self { parent, place, name, temporary, directory, placed: false })
    }

    /// The directory itself.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Its path, as long as it is under way.
    fn path(&self) -> PathBuf {
        self.place.join(&self.temporary)
    }

    /// Makes sure that the tree has room: in memory, and in this file system.
    pub(super) fn has_room(&self, totals: Totals, reserve: u64) -> Result<(), UnpackError> {
        let failed = |error: io::Error| UnpackError::Place { path: self.place.clone(), error };
        let (needed, memory) = (totals.memory, available().map_err(failed)?);
        if needed.saturating_add(reserve) > memory {
            return Err(UnpackError::Memory { needed, reserve, available: memory });
        }
        let space = fstatvfs(&self.parent).map_err(|errno| failed(errno.into()))?;
        // A tmpfs without limits says that it has none at all.
        let limited = space.blocks() != 0;
        let free = space.blocks_available().saturating_mul(space.fragment_size());
        if limited && needed > free {
            return Err(UnpackError::Memory { needed, reserve: 0, available: free });
        }
        if space.files() != 0 && totals.entries > space.files_available() {
            return Err(failed(Errno::ENOSPC.into()));
        }
        Ok(())
    }

    /// Gives the tree its name, in one step, if that is free.
    pub(super) fn place(mut self) -> Result<PathBuf, UnpackError> {
        let path = self.place.join(&self.name);
        let (from, to) = (self.temporary.as_str(), self.name.as_str());
        match renameat2(&self.parent, from, &self.parent, to, RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => {
                self.placed = true;
                Ok(path)
            }
            Err(Errno::EEXIST) => Err(UnpackError::Taken { path }),
            Err(errno) => Err(UnpackError::Place { path, error: errno.into() }),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.placed {
            // What can't be taken away now is at the next start.
            fs::remove_dir_all(self.path()).ok();
        }
    }
}

/// Whether the directory is in memory, and nobody but its owner and root can put names into it.
fn private(directory: &File) -> io::Result<()> {
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o022;
    let kind = fstatfs(directory)?.filesystem_type();
    if kind != TMPFS_MAGIC && kind != RAMFS_MAGIC {
        return Err(io::Error::other("not in a tmpfs: what is on a disk can be changed there"));
    }
    let metadata = directory.metadata()?;
    if fs::metadata("/")?.dev() == metadata.dev() {
        return Err(io::Error::other(
            "not a mount of its own: switch-root empties what is under /",
        ));
    }
    let mode = metadata.mode();
    let owner = nix::unistd::geteuid().as_raw();
    if (mode & OTHERS_WRITE != 0 && mode & STICKY == 0) || ![0, owner].contains(&metadata.uid()) {
        return Err(io::Error::other("others can write to it"));
    }
    Ok(())
}

/// Takes away what earlier starts left behind.
fn sweep(place: &Path, parent: &File, prefix: &str) -> io::Result<()> {
    const RANDOM: usize = 16;
    for name in listing::names(place)? {
        let name = name?;
        let random = name.to_str().and_then(|it| it.strip_prefix(prefix));
        let ours = |it: &str| it.len() == RANDOM && it.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !random.is_some_and(ours) {
            continue;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(parent, name.as_os_str(), flags, Mode::empty())?;
        // Somebody who is at work holds the lock.
        if Flock::lock(directory, FlockArg::LockExclusiveNonblock).is_ok() {
            fs::remove_dir_all(place.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_in_memory_beyond_what_stays_free() {
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        let staging = Staging::create(place.path(), "tree").unwrap();
        let tree = |memory| Totals { entries: 1, bytes: memory, memory };
        assert!(staging.has_room(tree(4096), 0).is_ok());
        for (memory, reserve) in [(4096, u64::MAX), (1 << 60, 0), (u64::MAX, u64::MAX)] {
            let refused = staging.has_room(tree(memory), reserve);
            assert!(matches!(refused, Err(UnpackError::Memory { needed, .. }) if needed == memory));
        }
    }
}
