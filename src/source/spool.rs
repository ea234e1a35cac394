// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Whole files in memory: sources whose every byte is asked for.
//!
//! **In:** a source. **Out:** all of it in sealed memory. **Refuses:** to take the last memory of the
//! machine.

use std::fs::File;
use std::io;

use super::{Error, Source};
use crate::sys::memfd::{Memfd, available};
use crate::units::ByteRange;

/// Bytes taken at a time.
const CHUNK: usize = 1 << 20;

/// Reads all of `source` into sealed memory; every byte is shown to `seen`, once and in order.
pub(super) fn take<E: From<Error>>(
    source: &mut Source,
    reserve: u64,
    mut seen: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<File, E> {
    let name = source.name().to_owned();
    let memory = |error| Error::Memory { name: name.clone(), source: error };
    let missing = available().map_err(memory)? < source.len().saturating_add(reserve);
    if missing {
        return Err(memory(io::ErrorKind::OutOfMemory.into()).into());
    }
    let memfd = Memfd::create("veriroot-whole", source.len()).map_err(memory)?;
    let mut buffer = vec![0; CHUNK];
    if let Some(range) = ByteRange::new(0, source.len()) {
        source.read_into::<E>(range, &mut buffer, |offset, chunk| {
            seen(chunk)?;
            memfd.write_at(offset, chunk).map_err(|error| memory(error).into())
        })?;
    }
    Ok(memfd.seal().map_err(memory)?.into_file())
}

/// Shows every byte of a source that is in sealed memory already.
pub(super) fn show<E: From<Error>>(
    source: &mut Source,
    mut seen: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = vec![0; CHUNK];
    match ByteRange::new(0, source.len()) {
        Some(range) => source.read_into(range, &mut buffer, |_, chunk| seen(chunk)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
