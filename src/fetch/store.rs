// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Where judged bytes go.
//!
//! **In:** bytes that were found right. **Out:** sealed memory for a boot, nothing for an audit.
//! **Refuses:** nothing; every failure is the kernel's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::dissect::Ended;
use crate::sys::memfd::{Memfd, SealedMemfd, available};

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What the kernel says.
    #[error("the memory for the image: {0}")]
    Kernel(#[from] io::Error),
    /// Less memory than the image takes.
    #[error(
        "the image takes {} MiB and {} MiB have to stay free, of which the machine has {} MiB",
        needed >> 20, reserve >> 20, available >> 20
    )]
    Short {
        /// Bytes the used partitions take.
        needed: u64,
        /// Bytes that have to stay free.
        reserve: u64,
        /// Bytes there are (`MemAvailable`).
        available: u64,
    },
}

mod sealed {
    /// Whoever made a store of their own could hand on other bytes than were judged.
    #[expect(unnameable_types, reason = "so that nobody else can implement it")]
    pub trait Sealed {}

    impl Sealed for super::LetGo {}
    impl Sealed for super::Saving {}
    impl Sealed for super::Sealing {}
}

/// A place for bytes, at the offsets they have in the image. There are three, and no others:
///
/// ```
/// # use veriroot::fetch::{LetGo, Sealing, Store};
/// fn store<S: Store>(_: S) {}
/// store(LetGo);
/// store(Sealing::with_reserve(0));
/// ```
/// ```compile_fail,E0277
/// struct Mine;
/// impl veriroot::fetch::Store for Mine {
///     type Kept = Self;
///     const TAKES_OPEN: bool = false;
///     fn make_room(&mut self, _: u64) -> std::io::Result<()> { Ok(()) }
///     fn put(&self, _: u64, _: &[u8]) -> std::io::Result<()> { Ok(()) }
///     fn keep(self, _: veriroot::dissect::Ended) -> std::io::Result<Self> { Ok(self) }
/// }
/// ```
pub trait Store: sealed::Sealed + Sync {
    /// What is left when all bytes are in.
    type Kept;

    /// Whether partitions that policy opens are put too.
    const TAKES_OPEN: bool;
    /// Whether it takes the table and the signatures too, as they were judged.
    const REMEMBERS: bool = false;

    /// Prepares for an image of `len` bytes, of which `needed` will be put; holes take no memory.
    ///
    /// # Errors
    /// [`StoreError`], before anything is fetched.
    fn make_room(&mut self, len: u64, needed: u64) -> Result<(), StoreError>;

    /// Takes judged bytes.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` or `ENOMEM` where memory is gone.
    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `bytes` with what an earlier run left at `offset`: claims, to be judged as if they came
    /// from a mirror. `false` if there was none.
    fn earlier(&self, _offset: u64, _bytes: &mut [u8]) -> bool {
        false
    }

    /// Whether an earlier run may have left anything.
    fn resumes(&self) -> bool {
        false
    }

    /// Closes the store against every change, when the image's end was seen.
    ///
    /// # Errors
    /// What the kernel says.
    fn keep(self, ended: Ended) -> io::Result<Self::Kept>;
}

/// For an audit: bytes are judged and let go, so that memory stays constant.
#[derive(Debug)]
pub struct LetGo;

impl Store for LetGo {
    type Kept = Self;
    const TAKES_OPEN: bool = false;

    fn make_room(&mut self, _len: u64, _needed: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn put(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn keep(self, _ended: Ended) -> io::Result<Self> {
        Ok(self)
    }
}

/// For a boot: a memfd, sealed at the end.
#[derive(Debug)]
pub struct Sealing {
    memfd: Option<Memfd>,
    reserve: u64,
}

impl Sealing {
    /// Takes no more memory than leaves `reserve` bytes free.
    #[must_use]
    pub fn with_reserve(reserve: u64) -> Self {
        Self { memfd: None, reserve }
    }
}

impl Store for Sealing {
    type Kept = SealedMemfd;
    const TAKES_OPEN: bool = true;

    fn make_room(&mut self, len: u64, needed: u64) -> Result<(), StoreError> {
        let (available, reserve) = (available()?, self.reserve);
        if needed.saturating_add(reserve) > available {
            return Err(StoreError::Short { needed, reserve, available });
        }
        self.memfd = Some(Memfd::create("veriroot-image", len)?);
        Ok(())
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.memfd.as_ref().ok_or(io::ErrorKind::NotFound)?.write_at(offset, bytes)
    }

    fn keep(self, _ended: Ended) -> io::Result<SealedMemfd> {
        self.memfd.ok_or(io::ErrorKind::NotFound)?.seal()
    }
}

/// For a download by hand: a file of this machine, which anybody may change afterwards, so nothing
/// rests on it until it was judged again.
#[derive(Debug)]
pub struct Saving {
    file: File,
    resumes: bool,
}

impl Saving {
    /// Writes to `file`, and takes from it what an earlier run has left there.
    #[must_use]
    pub fn into(file: File) -> Self {
        let resumes = file.metadata().is_ok_and(|it| it.len() > 0);
        Self { file, resumes }
    }
}

impl Store for Saving {
    type Kept = File;
    const TAKES_OPEN: bool = false;
    const REMEMBERS: bool = true;

    fn make_room(&mut self, len: u64, _needed: u64) -> Result<(), StoreError> {
        Ok(self.file.set_len(len)?)
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn earlier(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.file.read_exact_at(bytes, offset).is_ok()
    }

    fn resumes(&self) -> bool {
        self.resumes
    }

    fn keep(self, _ended: Ended) -> io::Result<File> {
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_asked_for_before_it_is_taken() {
        let mut store = Sealing::with_reserve(0);
        assert!(store.make_room(4096, 4096).is_ok());
        store.put(0, b"kept").unwrap();
        let mut greedy = Sealing::with_reserve(u64::MAX);
        let refused = greedy.make_room(4096, 4096);
        assert!(matches!(refused, Err(StoreError::Short { needed: 4096, .. })));
    }
}
