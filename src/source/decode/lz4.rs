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
        // It says "nothing more" where its input ends, too; the input knows.
        match frame.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => output.put(buffer.get(..read).unwrap_or_default())?,
            Err(error) => return Err(Error::damaged(error)),
        }
    }
}
