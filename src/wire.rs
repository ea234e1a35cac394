// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Bounded reads over untrusted bytes.
//!
//! **In:** buffers whose content an attacker chose, files and streams that may be endless.
//! **Out:** fixed-size fields, or a buffer that is no longer than the limit given.
//! **Refuses:** reads past the end, files that are not regular, files over their limit.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A view of untrusted bytes; every read names its offset and says `None` past the end.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    /// Looks at `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// `len` bytes from `offset`.
    #[must_use]
    pub fn bytes(self, offset: usize, len: usize) -> Option<&'a [u8]> {
        self.0.get(offset..offset.checked_add(len)?)
    }

    /// `N` bytes from `offset`, by value.
    #[must_use]
    pub fn array<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        self.bytes(offset, N)?.try_into().ok()
    }

    /// One byte.
    #[must_use]
    pub fn u8(self, offset: usize) -> Option<u8> {
        self.0.get(offset).copied()
    }

    /// Little-endian 16-bit field.
    #[must_use]
    pub fn u16_le(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// Little-endian 32-bit field.
    #[must_use]
    pub fn u32_le(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// Little-endian 64-bit field.
    #[must_use]
    pub fn u64_le(self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// Big-endian 16-bit field (XFS).
    #[must_use]
    pub fn u16_be(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// Big-endian 32-bit field (XFS).
    #[must_use]
    pub fn u32_be(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// Big-endian 64-bit field (XFS).
    #[must_use]
    pub fn u64_be(self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }

    /// Whether `len` bytes from `offset` exist and are all zero.
    #[must_use]
    pub fn is_zero(self, offset: usize, len: usize) -> bool {
        self.bytes(offset, len).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    }
}

/// Reads a stream to its end, at most `limit` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] if there is more than `limit`; else what `reader` says.
pub fn read_bounded(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    io::copy(&mut reader.take(cap), &mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than the limit of {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// Reads a regular file of at most `limit` bytes. Opening never blocks, and links are followed
/// only to regular files.
///
/// # Errors
/// As [`read_bounded`]; [`io::ErrorKind::InvalidInput`] for what is not a regular file (a FIFO,
/// a device, a directory).
pub fn read_file_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    read_bounded(file, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_past_the_end_are_none() {
        let wire = Wire::new(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(wire.u64_le(0), Some(0x0807_0605_0403_0201));
        assert_eq!(wire.u32_be(4), Some(0x0506_0708));
        assert_eq!(wire.u64_le(1), None);
        assert_eq!(wire.u8(8), None);
        assert_eq!(wire.bytes(usize::MAX, 2), None);
        assert!(!wire.is_zero(0, 8) && !wire.is_zero(8, 1));
    }

    #[test]
    fn streams_stop_at_their_limit() {
        assert_eq!(read_bounded(&b"four"[..], 4).unwrap(), b"four");
        let error = read_bounded(io::repeat(0), 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for path in [dir.path(), fifo.as_path(), Path::new("/dev/zero")] {
            let error = read_file_bounded(path, 16).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
        let file = dir.path().join("file");
        std::fs::write(&file, "0123456789abcdef").unwrap();
        assert_eq!(read_file_bounded(&file, 16).unwrap(), b"0123456789abcdef");
        assert!(read_file_bounded(&file, 15).is_err());
    }
}
