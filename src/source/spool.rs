// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Streams, whose ends are not known before they came.
//!
//! **In:** a stream of this machine that may be endless. **Out:** all of it in sealed memory.
//! **Refuses:** the first byte over the limit, and to take the last memory of the machine.

use std::fs::File;
use std::io::{self, Read};

use super::Error;
use crate::limits;
use crate::sys::memfd::{Memfd, available};

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

    fn len_of(bytes: &[u8]) -> u64 {
        bytes.len() as u64
    }
}
