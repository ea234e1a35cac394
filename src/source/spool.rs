// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Whole files in memory: streams, whose ends are not known before they came, and sources whose
//! every byte is asked for.
//!
//! **In:** a stream of this machine that may be endless; a source and a SHA-256.
//! **Out:** all of it in sealed memory. **Refuses:** the first byte over the limit, to take the last
//! memory of the machine, and a file with another SHA-256.

use std::fs::File;
use std::io::{self, Read};

use data_encoding::HEXLOWER;
use openssl::sha::Sha256;

use super::{Error, Source};
use crate::limits;
use crate::sys::memfd::{Memfd, available};
use crate::units::ByteRange;

/// Bytes taken between two looks at the machine's memory.
const CHUNK: usize = 1 << 20;

/// Reads `stream` to its end, which has to come within `limit` bytes.
pub(super) fn spool(mut stream: impl Read, name: &str, limit: u64) -> Result<(File, u64), Error> {
    let memory = |source| Error::Memory { name: name.to_owned(), source };
    let memfd = Memfd::create("veriroot-spool", 0).map_err(memory)?;
    let mut buffer = vec![0; CHUNK];
    let mut len: u64 = 0;
    loop {
        let filled = fill(&mut stream, &mut buffer)
            .map_err(|source| Error::File { name: name.to_owned(), source })?;
        let chunk = buffer.get(..filled).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        let end = len.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        if end > limit {
            return Err(Error::TooLarge { name: name.to_owned(), len: end, limit });
        }
        if available().map_err(memory)? < limits::SPOOL_RESERVE {
            return Err(memory(io::ErrorKind::OutOfMemory.into()));
        }
        memfd.write_at(len, chunk).map_err(memory)?;
        len = end;
    }
    Ok((memfd.seal().map_err(memory)?.into_file(), len))
}

/// Reads all of `source` into sealed memory and compares its SHA-256.
pub(super) fn whole(source: &mut Source, expected: &[u8; 32], reserve: u64) -> Result<File, Error> {
    let name = source.name().to_owned();
    let memory = |error| Error::Memory { name: name.clone(), source: error };
    let missing = available().map_err(memory)? < source.len().saturating_add(reserve);
    if missing {
        return Err(memory(io::ErrorKind::OutOfMemory.into()));
    }
    let memfd = Memfd::create("veriroot-whole", source.len()).map_err(memory)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    if let Some(range) = ByteRange::new(0, source.len()) {
        source.read_into(range, &mut buffer, |offset, chunk| {
            hash.update(chunk);
            memfd.write_at(offset, chunk).map_err(memory)
        })?;
    }
    let found = hash.finish();
    if found != *expected {
        let (expected, found) = (HEXLOWER.encode(expected), HEXLOWER.encode(&found));
        return Err(Error::Digest { name, expected, found });
    }
    Ok(memfd.seal().map_err(memory)?.into_file())
}

/// Fills the buffer, or what the rest of the stream fills of it.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled: usize = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_stream_is_taken_whole_and_sealed() {
        let bytes: Vec<u8> = (0..CHUNK + 4097).map(|it| (it % 251) as u8).collect();
        // A pipe gives what it has, not what was asked for.
        let dribble =
            bytes.chunks(60_001).fold(Box::new(io::empty()) as Box<dyn Read>, |before, chunk| {
                Box::new(before.chain(chunk))
            });
        let (file, len) = spool(dribble, "-", len_of(&bytes)).unwrap();
        assert_eq!(len, len_of(&bytes));
        let mut read = vec![0; bytes.len()];
        file.read_exact_at(&mut read, 0).unwrap();
        assert!(read == bytes && file.write_at(b"x", 0).is_err());
    }

    #[test]
    fn a_stream_over_the_limit_is_refused() {
        assert!(spool(&[0; 4096][..], "-", 4096).is_ok());
        let refused = spool(io::repeat(0), "-", 4096);
        assert!(matches!(refused, Err(Error::TooLarge { limit: 4096, .. })));
    }

    #[test]
    fn a_whole_file_goes_on_from_memory_if_its_digest_is_right() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; CHUNK + 5]).unwrap();
        let open = || Source::open_file(file.path()).unwrap();
        let right = openssl::sha::sha256(&vec![7; CHUNK + 5]);
        let mut source = open().whole(&right, 0).unwrap();
        std::fs::write(file.path(), b"changed").unwrap();
        let range = ByteRange::new(CHUNK as u64, 5).unwrap();
        assert_eq!(source.read(range, 5).unwrap(), [7; 5]);
        std::fs::write(file.path(), vec![7; CHUNK + 4]).unwrap();
        assert!(matches!(open().whole(&right, u64::MAX), Err(Error::Memory { .. })));
        let refused = open().whole(&right, 0);
        assert!(matches!(refused, Err(Error::Digest { .. })), "{refused:?}");
    }

    fn len_of(bytes: &[u8]) -> u64 {
        bytes.len() as u64
    }
}
