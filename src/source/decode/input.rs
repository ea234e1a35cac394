// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The compressed bytes, and whether a decoder saw their end.
//!
//! **In:** a stream. **Out:** the same bytes; afterwards, why a decoder stopped. **Refuses:** a
//! decoder that is content although its input ended on it: libraries take an end of file for the
//! end of a stream here and there.

use std::io::{self, BufRead, BufReader, Read};

use super::Error;
use crate::limits;

/// Compressed bytes on their way into a decoder.
pub(super) struct Input<R> {
    inner: BufReader<R>,
    ran_dry: bool,
    failed: Option<io::Error>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(limits::DECODE_CHUNK, inner);
        Self { inner, ran_dry: false, failed: None }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes).map_err(Error::Input)?;
        Ok(bytes)
    }

    /// What a decoder's word is worth.
    pub(super) fn judge(&mut self, decoded: Result<(), Error>) -> Result<(), Error> {
        match decoded {
            // Limits hold and output fails whatever the input did.
            Err(error @ (Error::Limit(_) | Error::Output(_))) => Err(error),
            _ if self.failed.is_some() => {
                Err(Error::Input(self.failed.take().unwrap_or_else(|| io::ErrorKind::Other.into())))
            }
            _ if self.ran_dry => Err(Error::Truncated),
            decoded => decoded,
        }
    }

    /// Takes the end of the input, and nothing else.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        let rest = self.fill_buf().map(<[u8]>::is_empty).map_err(Error::Input)?;
        if rest { Ok(()) } else { Err(Error::Trailing) }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = io::Error::from(error.kind());
            // Interrupted calls are repeated by whoever made them.
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed.get_or_insert(error);
            }
            told
        })
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf);
        let read = self.note(read)?;
        self.ran_dry |= read == 0 && !buf.is_empty();
        Ok(read)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.inner.fill_buf().map(<[u8]>::is_empty) {
                Ok(empty) => {
                    self.ran_dry |= empty;
                    return Ok(self.inner.buffer());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.note::<()>(Err(error))?;
                }
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}
