// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Where judged bytes go.
//!
//! **In:** bytes that were found right. **Out:** sealed memory for a boot, nothing for an audit, a
//! file for a download by hand. **Refuses:** nothing; every failure is the kernel's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use crate::dissect::Ended;
use crate::sys::memfd::{Memfd, SealedMemfd, available, punch};
use crate::units::ByteRange;

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

    /// What an earlier run left in `range` was found right, and stays.
    fn stays(&self, _range: ByteRange) {}

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
/// rests on it until it was judged again. What stood in it before and was not judged is gone at the end.
#[derive(Debug)]
pub struct Saving {
    file: File,
    len: u64,
    resumes: bool,
    /// Where bytes stand that were judged: beginnings and ends.
    right: Mutex<BTreeMap<u64, u64>>,
}

impl Saving {
    /// Writes to `file`, and takes from it what an earlier run has left there.
    #[must_use]
    pub fn into(file: File) -> Self {
        let resumes = file.metadata().is_ok_and(|it| it.len() > 0);
        Self { file, len: 0, resumes, right: Mutex::default() }
    }

    /// Everything that was not judged, in order.
    fn wrong(&self) -> Vec<ByteRange> {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = 0;
        let mut wrong = Vec::new();
        for (from, to) in right.iter().map(|(from, to)| (*from, *to)).chain([(self.len, self.len)])
        {
            wrong.extend(ByteRange::new(at, from.saturating_sub(at)));
            at = to.max(at);
        }
        wrong
    }
}

/// Bytes written at a time where no holes can be made.
const ZEROS: usize = 64 * 1024;

/// Makes NULs of a range.
fn clear(file: &File, range: ByteRange) -> io::Result<()> {
    match punch(file, range) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => fill_with_zeros(file, range),
        done => done,
    }
}

fn fill_with_zeros(file: &File, range: ByteRange) -> io::Result<()> {
    let (mut at, zeros) = (range.offset(), vec![0; ZEROS]);
    while at < range.end() {
        let left = usize::try_from(range.end().saturating_sub(at)).unwrap_or(usize::MAX);
        let part = zeros.get(..left.min(ZEROS)).unwrap_or_default();
        file.write_all_at(part, at)?;
        at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

impl Store for Saving {
    type Kept = File;
    const TAKES_OPEN: bool = false;
    const REMEMBERS: bool = true;

    fn make_room(&mut self, len: u64, _needed: u64) -> Result<(), StoreError> {
        self.len = len;
        Ok(self.file.set_len(len)?)
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        ByteRange::new(offset, len).into_iter().for_each(|range| self.stays(range));
        Ok(())
    }

    fn earlier(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.file.read_exact_at(bytes, offset).is_ok()
    }

    fn stays(&self, range: ByteRange) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut from, mut to) = (range.offset(), range.end());
        // One entry for what touches: lanes leave few gaps.
        if let Some((before, end)) = right.range(..=from).next_back().map(|(a, b)| (*a, *b))
            && end >= from
        {
            (from, to) = (before, to.max(end));
        }
        while let Some((next, end)) = right.range(from..=to).next().map(|(a, b)| (*a, *b)) {
            right.remove(&next);
            to = to.max(end);
        }
        right.insert(from, to);
    }

    fn resumes(&self) -> bool {
        self.resumes
    }

    fn keep(self, _ended: Ended) -> io::Result<File> {
        self.wrong().into_iter().try_for_each(|range| clear(&self.file, range))?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_judged_is_everything_else() {
        let range = |from: u64, to: u64| ByteRange::new(from, to - from).unwrap();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 100_000], 0).unwrap();
        let mut store = Saving::into(file);
        store.make_room(90_000, 0).unwrap();
        assert_eq!(store.wrong(), [range(0, 90_000)]);
        for (from, to) in [(100, 200), (8192, 70_000), (300, 400), (150, 320), (70_000, 70_001)] {
            store.stays(range(from, to));
        }
        store.put(10, b"put").unwrap();
        let wrong = [(0, 10), (13, 100), (400, 8192), (70_001, 90_000)];
        assert_eq!(store.wrong(), wrong.map(|(from, to)| range(from, to)));
        for how in [clear, fill_with_zeros] {
            store.file.write_all_at(&[7; 90_000], 0).unwrap();
            store.wrong().into_iter().for_each(|it| how(&store.file, it).unwrap());
            let mut bytes = vec![1; 90_000];
            store.file.read_exact_at(&mut bytes, 0).unwrap();
            for (at, byte) in bytes.into_iter().enumerate() {
                let gone = wrong.iter().any(|(from, to)| (*from..*to).contains(&(at as u64)));
                assert_eq!(byte, if gone { 0 } else { 7 }, "{at}");
            }
        }
        store.stays(range(0, 90_000));
        assert_eq!(store.wrong(), []);
    }

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
