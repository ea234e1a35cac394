// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partitions that policy opens.
//!
//! **In:** bytes that nobody vouches for. **Out:** the same, where a boot will use them; what a
//! prober looks at. **Refuses:** nothing: that is what opening means.

use super::blocks::CHUNK;
use super::window::{self, Ends};
use super::{FetchError, Progress, Store, StoreError};
use crate::source::Source;
use crate::units::ByteRange;

/// What policy opens is taken as it comes: nobody vouches for a byte of it. Its file system is
/// looked for in the bytes that are kept, and where none are, in no more than that needs.
pub(super) fn fetch<S: Store>(
    source: &mut Source,
    data: ByteRange,
    store: &S,
    progress: &mut dyn Progress,
) -> Result<Ends, FetchError> {
    if !S::TAKES_OPEN {
        return Ok(window::read(source, data)?);
    }
    let mut ends = Ends::new(data.len());
    let mut buffer = vec![0; CHUNK];
    source.read_into(data, &mut buffer, |offset, chunk| {
        store.put(offset, chunk).map_err(StoreError::from)?;
        ends.take(offset.saturating_sub(data.offset()), chunk);
        progress.advance(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        Ok::<(), FetchError>(())
    })?;
    Ok(ends)
}
