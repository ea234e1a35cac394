// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! LZ4, one frame.
//!
//! **In:** a stream that begins like an LZ4 frame. **Out:** its bytes; the checksums of header,
//! blocks and content that are there are right, and so is the content size. **Refuses:**
//! dictionaries, legacy and skippable frames, a second frame.

use std::io::Read;

use lz4_flex::frame::FrameDecoder;

use super::input::Input;
use super::{Error, Output};
use crate::limits;

pub(super) fn decode(input: &mut Input<impl Read>, output: &mut Output<'_>) -> Result<(), Error> {
    let mut frame = FrameDecoder::new(input);
    let mut buffer = vec![0; limits::DECODE_CHUNK];
    loop {
        let filled = fill(&mut frame, &mut buffer)?;
        output.put(buffer.get(..filled).unwrap_or_default())?;
        if filled < buffer.len() {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full, or nothing more comes: blocks may be as short as a byte, and each
/// piece of output is a message to the parent. The decoder says "nothing more" where its input ends,
/// too; the input knows.
fn fill(frame: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut filled: usize = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|it| !it.is_empty()) {
        match frame.read(rest).map_err(Error::damaged)? {
            0 => break,
            read => filled = filled.saturating_add(read),
        }
    }
    Ok(filled)
}
