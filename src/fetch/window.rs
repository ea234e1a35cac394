// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The beginning and the end of a partition, kept while its bytes pass by.
//!
//! **In:** consecutive chunks. **Out:** what the file-system prober looks at.
//! **Refuses:** nothing.

use crate::filesystem::{ProbeError, Windows};
use crate::source::{self, Source};
use crate::units::ByteRange;

/// Beginning and end of a device, as far as the file-system prober looks.
#[derive(Debug)]
pub struct Ends {
    len: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Ends {
    /// For a device of `len` bytes, none of which has come.
    pub(super) fn new(len: u64) -> Self {
        let zeros = |most: u64| vec![0; usize::try_from(len.min(most)).unwrap_or_default()];
        Self { len, head: zeros(Windows::HEAD), tail: zeros(Windows::TAIL) }
    }

    /// Takes the bytes from `offset` on. Chunks come in any order, each byte at least once.
    pub(super) fn take(&mut self, offset: u64, chunk: &[u8]) {
        let tail_at = self.len.saturating_sub(Windows::TAIL);
        overlay(&mut self.head, 0, offset, chunk);
        overlay(&mut self.tail, tail_at, offset, chunk);
    }

    /// The same for the prober.
    ///
    /// # Errors
    /// As [`Windows::new`].
    pub fn into_windows(self) -> Result<Windows, ProbeError> {
        Windows::new(self.len, self.head, self.tail)
    }
}

/// Copies what `chunk` (from `offset` on) has of `window` (from `at` on).
fn overlay(window: &mut [u8], at: u64, offset: u64, chunk: &[u8]) {
    let index = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    let to = window.get_mut(index(offset.saturating_sub(at))..).unwrap_or_default();
    let from = chunk.get(index(at.saturating_sub(offset))..).unwrap_or_default();
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// Where the ends of a partition stand; they are read one after the other.
pub(super) fn ranges(data: ByteRange) -> [ByteRange; 2] {
    let head = data.part(0, data.len().min(Windows::HEAD)).unwrap_or(data);
    let tail_len = data.len().min(Windows::TAIL);
    let tail = data.part(data.len().saturating_sub(tail_len), tail_len).unwrap_or(data);
    [head, tail]
}

/// Reads the ends of a partition that nothing vouches for.
pub(super) fn read(source: &mut Source, data: ByteRange) -> Result<Ends, source::Error> {
    let [head, tail] = ranges(data);
    Ok(Ends {
        len: data.len(),
        head: source.read(head, Windows::HEAD)?,
        tail: source.read(tail, Windows::TAIL)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_the_same_however_the_bytes_were_cut() {
        for len in [1_u64, 4096, Windows::HEAD, Windows::HEAD + Windows::TAIL + 4096, 1 << 20] {
            let bytes: Vec<u8> = (0..len).map(|at| ((at * 7) >> 3) as u8).collect();
            for cut in [4096, 12_288, 1 << 20] {
                let mut ends = Ends::new(len);
                for (index, chunk) in bytes.chunks(cut).enumerate().rev() {
                    ends.take((index * cut) as u64, chunk);
                }
                let tail = bytes.len().saturating_sub(Windows::TAIL as usize);
                assert_eq!(ends.head, bytes[..bytes.len().min(Windows::HEAD as usize)]);
                assert_eq!(ends.tail, bytes[tail..]);
                assert!(ends.into_windows().is_ok());
            }
        }
    }
}
