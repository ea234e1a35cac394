// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Decoders that are given two buffers at a time.
//!
//! **In:** compressed bytes, a library's decoder. **Out:** decoded bytes, up to the end that the
//! decoder finds. **Refuses:** input that ends before, and a decoder that stands still.

use std::io::{BufRead, Read};

use super::input::Input;
use super::{Error, Output};
use crate::limits;

/// What a decoder did with its two buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Bytes of input that are done with.
    pub(super) consumed: usize,
    /// Bytes of output.
    pub(super) produced: usize,
    /// Whether that was the end.
    pub(super) done: bool,
}

/// A decoder of one stream.
pub(super) trait Engine {
    /// Decodes as much as the buffers allow.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Error>;
}

/// Runs a decoder to the end of its stream.
pub(super) fn drive(
    engine: &mut dyn Engine,
    input: &mut Input<impl Read>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut buffer = vec![0; limits::DECODE_CHUNK];
    loop {
        let available = input.fill_buf().map_err(Error::Input)?;
        let dry = available.is_empty();
        let step = engine.step(available, &mut buffer)?;
        input.consume(step.consumed);
        output.put(buffer.get(..step.produced).unwrap_or_default())?;
        if step.done {
            return Ok(());
        }
        if step.consumed == 0 && step.produced == 0 {
            return Err(if dry { Error::Truncated } else { Error::damaged("no progress") });
        }
    }
}

/// Bytes by which a library's counter went on.
pub(super) fn advance(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}
