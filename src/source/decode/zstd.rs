// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Zstandard (RFC 8878), one frame.
//!
//! **In:** a stream that begins like zstd. **Out:** its bytes; the content checksum, where there is
//! one, and the content size are right. **Refuses:** windows over [`limits::DECODE_WINDOW`],
//! dictionaries, legacy and skippable frames, a second frame (zstd writes one however many threads
//! it has; pzstd makes more).

use std::io::Read;

use ::zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::engine::{Engine, Step, drive};
use super::input::Input;
use super::{Error, Output};
use crate::limits;

pub(super) fn decode(input: &mut Input<impl Read>, output: &mut Output<'_>) -> Result<(), Error> {
    let mut context = DCtx::try_create().ok_or_else(|| Error::Limit("no memory".to_owned()))?;
    let window = limits::DECODE_WINDOW.ilog2();
    context.set_parameter(DParameter::WindowLogMax(window)).map_err(explain)?;
    drive(&mut context, input, output)
}

impl Engine for DCtx<'_> {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Error> {
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(output);
        let due = self.decompress_stream(&mut to, &mut from).map_err(explain)?;
        let (consumed, produced) = (from.pos(), to.pos());
        Ok(Step { consumed, produced, done: due == 0 })
    }
}

fn explain(code: usize) -> Error {
    match get_error_name(code) {
        // ZSTD_error_frameParameter_windowTooLarge has no constant in the binding.
        name if name.contains("too much memory") => Error::Limit(name.to_owned()),
        name => Error::damaged(name),
    }
}
