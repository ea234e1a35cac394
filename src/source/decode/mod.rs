// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One layer of compression, taken off strictly.
//!
//! **In:** a compressed stream that nobody vouches for. **Out:** its bytes, in order, while they are
//! decoded; at the end it is known that the stream was whole and its checksums right.
//! **Refuses:** what ends early or goes on behind its end, wrong checksums and sizes, a second
//! member, skippable frames, dictionaries, filters, more memory than [`crate::limits::DECODE_WINDOW`]
//! before any is taken, more output than allowed. What a file is called says nothing: its first
//! bytes do.
//!
//! None of this runs in the program itself: the decode child does it (`super::decoder`).

use std::io::{self, Read};

mod bzip2;
mod engine;
mod format;
mod gzip;
mod input;
mod lz4;
mod xz;
mod zstd;

pub use format::Format;

use input::Input;

/// Why a stream is not what it seems to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not well formed, or a checksum or size in it is wrong.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The compressed bytes did not come.
    #[error("the compressed bytes did not come")]
    Input(#[source] io::Error),
    /// Needs more than is allowed.
    #[error("over the limit: {0}")]
    Limit(String),
    /// Nobody takes the decoded bytes.
    #[error("the decoded bytes are not taken")]
    Output(#[source] io::Error),
    /// Something follows its end.
    #[error("more bytes behind its end: one member or frame is taken, and nothing after it")]
    Trailing,
    /// Ends before its end.
    #[error("cut off")]
    Truncated,
    /// Well formed, and not taken.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
}

impl Error {
    fn damaged(reason: impl ToString) -> Self {
        Self::Damaged(reason.to_string())
    }
}

/// Decodes the one stream that `input` holds and hands its bytes to `sink`, at most `size_max`.
/// Returns how many there were.
///
/// # Errors
/// An [`enum@Error`]; bytes that `sink` has seen before are worth nothing then.
pub fn decode(
    format: Format,
    input: impl Read,
    size_max: u64,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Error> {
    let mut input = Input::new(input);
    let mut output = Output { sink, len: 0, size_max };
    let decoded = match format {
        Format::Bzip2 => bzip2::decode(&mut input, &mut output),
        Format::Gzip => gzip::decode(&mut input, &mut output),
        Format::Lz4 => lz4::decode(&mut input, &mut output),
        Format::Xz => xz::decode(&mut input, &mut output),
        Format::Zstd => zstd::decode(&mut input, &mut output),
    };
    input.judge(decoded)?;
    input.end()?;
    Ok(output.len)
}

/// Where decoded bytes go, as long as they are not too many.
struct Output<'a> {
    sink: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
    len: u64,
    size_max: u64,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.announce(len)?;
        self.len = len;
        if bytes.is_empty() { Ok(()) } else { (self.sink)(bytes).map_err(Error::Output) }
    }

    /// Refuses a length that is announced, before anything is done for it.
    fn announce(&self, len: u64) -> Result<(), Error> {
        if len <= self.size_max {
            return Ok(());
        }
        Err(Error::Limit(format!("more than {} bytes when decoded", self.size_max)))
    }
}

#[cfg(test)]
mod tests;
