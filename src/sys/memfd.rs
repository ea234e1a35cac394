// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Memory that can be written once and then never again (memfd_create(2), seals).
//!
//! **In:** bytes somebody else has judged. **Out:** a [`SealedMemfd`], which no process, root
//! included, can change, grow or shrink. **Refuses:** nothing; every failure is the kernel's.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::units::ByteRange;
use crate::wire::read_file_bounded;

/// /proc/meminfo, bytes. Kernels write about 1500.
const MEMINFO: usize = 16 * 1024;

/// Bytes copied at a time: what is zero throughout stays a hole.
const COPIED_AT_ONCE: usize = 64 * 1024;

/// An anonymous file of fixed length, holes where nothing was written.
#[derive(Debug)]
pub struct Memfd(File);

impl Memfd {
    /// Makes one of `len` bytes; memory is taken only for what is written.
    ///
    /// # Errors
    /// What memfd_create(2) and ftruncate(2) say.
    pub fn create(name: &str, len: u64) -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(name, flags)?);
        file.set_len(len)?;
        Ok(Self(file))
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What pwrite(2) says; `ENOSPC` where memory is gone.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    /// Reads what was written; holes are NULs.
    ///
    /// # Errors
    /// What pread(2) says; an unexpected end is an error too.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    /// Gives the memory under whole pages of a range back; what stood in the range is NULs then.
    ///
    /// # Errors
    /// What fallocate(2) says.
    pub fn let_go(&self, range: ByteRange) -> io::Result<()> {
        punch(&self.0, range)
    }

    /// Bytes of memory it takes.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn resident(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks().saturating_mul(512))
    }

    /// Makes every later change impossible.
    ///
    /// # Errors
    /// What fcntl(2) says; `EBUSY` if somebody has it mapped for writing.
    pub fn seal(self) -> io::Result<SealedMemfd> {
        let seals = SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_SEAL;
        fcntl(self.0.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        Ok(SealedMemfd(self.0))
    }

    /// Fixes the length and leaves the bytes open to change.
    ///
    /// # Errors
    /// What fcntl(2) says.
    fn keep_open(self) -> io::Result<PrivateMemfd> {
        let seals = SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
        fcntl(self.0.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        Ok(PrivateMemfd(self.0))
    }
}

/// Makes a hole of a range of a file: what stood there is NULs then, and takes no room.
///
/// # Errors
/// What fallocate(2) says; [`io::ErrorKind::Unsupported`] where the file system has no holes.
pub fn punch(file: &File, range: ByteRange) -> io::Result<()> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let signed = |it: u64| i64::try_from(it).map_err(io::Error::other);
    Ok(fallocate(file.as_fd(), flags, signed(range.offset())?, signed(range.len())?)?)
}

/// A copy that can be written to and has a fixed length. Nothing that was authenticated is in it.
#[derive(Debug)]
pub struct PrivateMemfd(File);

impl PrivateMemfd {
    /// The descriptor, for a loop device.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }
}

/// A [`Memfd`] that can't change any more.
#[derive(Debug)]
pub struct SealedMemfd(File);

impl SealedMemfd {
    /// The descriptor, for a loop device.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }

    /// The descriptor itself; it can't be written through.
    #[must_use]
    pub fn into_file(self) -> File {
        self.0
    }

    /// Copies `range` to where it may be changed; blocks of zeros take no memory.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` or `ENOMEM` where memory is gone.
    pub fn copy(&self, name: &str, range: ByteRange) -> io::Result<PrivateMemfd> {
        let copy = Memfd::create(name, range.len())?;
        let mut buffer = vec![0; COPIED_AT_ONCE];
        let mut offset = 0_u64;
        while offset < range.len() {
            let rest = usize::try_from(range.len().saturating_sub(offset)).unwrap_or(usize::MAX);
            let len = rest.min(buffer.len());
            let chunk = buffer.get_mut(..len).unwrap_or_default();
            self.0.read_exact_at(chunk, range.offset().saturating_add(offset))?;
            if chunk.iter().any(|byte| *byte != 0) {
                copy.write_at(offset, chunk)?;
            }
            offset = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
        copy.keep_open()
    }

    /// Reads exactly the bytes of `range` that fit `buffer`'s length.
    ///
    /// # Errors
    /// What pread(2) says; an unexpected end is an error too.
    pub fn read_at(&self, range: ByteRange, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, range.offset())
    }
}

/// Bytes that can be taken without swapping: `MemAvailable` (proc_meminfo(5)).
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the kernel does not say; else what reading /proc gives.
pub fn available() -> io::Result<u64> {
    let meminfo = read_file_bounded(Path::new("/proc/meminfo"), MEMINFO)?;
    available_of(&meminfo)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no MemAvailable"))
}

fn available_of(meminfo: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(meminfo).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_by_its_field() {
        let text = b"MemTotal: 9 kB\nMemFree:  3 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available_of(text), Some(2 << 20));
        for text in [&b""[..], b"MemAvailable: x kB\n", b"MemAvailable: 3\n", b"MemFree: 3 kB\n"] {
            assert_eq!(available_of(text), None);
        }
    }

    #[test]
    fn memory_is_given_back_by_pages() {
        let memfd = Memfd::create("test", 0).unwrap();
        memfd.write_at(0, &[7; 16384]).unwrap();
        assert_eq!(memfd.resident().unwrap(), 16384);
        memfd.let_go(ByteRange::new(4000, 8288).unwrap()).unwrap();
        assert_eq!(memfd.resident().unwrap(), 8192);
        let mut bytes = [0; 16384];
        memfd.read_at(0, &mut bytes).unwrap();
        assert!(
            bytes[..4000].iter().all(|it| *it == 7) && bytes[4000..12288].iter().all(|it| *it == 0)
        );
        assert!(memfd.read_at(16384, &mut [0]).is_err());
    }

    #[test]
    fn a_sealed_memfd_takes_no_write_and_keeps_its_length() {
        let memfd = Memfd::create("test", 8192).unwrap();
        memfd.write_at(4096, b"kept").unwrap();
        let other = memfd.0.try_clone().unwrap();
        let sealed = memfd.seal().unwrap();
        assert!(other.write_all_at(b"x", 4096).is_err());
        assert!(other.set_len(1).is_err() && other.set_len(1 << 20).is_err());
        let mut bytes = [0; 4];
        sealed.read_at(ByteRange::new(4096, 4).unwrap(), &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
    }
    #[test]
    fn a_copy_takes_writes_that_the_original_does_not_see() {
        let memfd = Memfd::create("test", 3 * 65536).unwrap();
        memfd.write_at(65536, b"kept").unwrap();
        memfd.write_at(2 * 65536 + 4096, b"last").unwrap();
        let sealed = memfd.seal().unwrap();
        let copy = sealed.copy("copy", ByteRange::new(65536, 65536 + 8192).unwrap()).unwrap();
        copy.file().write_all_at(b"gone", 0).unwrap();
        assert!(copy.file().set_len(1).is_err() && copy.file().set_len(1 << 20).is_err());
        let mut bytes = [0; 4];
        sealed.read_at(ByteRange::new(65536, 4).unwrap(), &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        copy.file().read_exact_at(&mut bytes, 65536 + 4096).unwrap();
        assert_eq!(&bytes, b"last");
        assert_eq!(copy.file().metadata().unwrap().len(), 65536 + 8192);
    }
}
