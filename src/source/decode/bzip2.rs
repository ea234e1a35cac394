// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! bzip2, one stream.
//!
//! **In:** a stream that begins like bzip2. **Out:** its bytes; block and stream CRCs are right.
//! **Refuses:** a second stream, which pbzip2 writes and bzip2 and lbzip2 do not.

use std::io::Read;

use ::bzip2::{Decompress, Status};

use super::engine::{Engine, Step, advance, drive};
use super::input::Input;
use super::{Error, Output};

pub(super) fn decode(input: &mut Input<impl Read>, output: &mut Output<'_>) -> Result<(), Error> {
    drive(&mut Decompress::new(false), input, output)
}

impl Engine for Decompress {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Error> {
        let before = (self.total_in(), self.total_out());
        let status = self.decompress(input, output).map_err(Error::damaged)?;
        Ok(Step {
            consumed: advance(before.0, self.total_in()),
            produced: advance(before.1, self.total_out()),
            done: status == Status::StreamEnd,
        })
    }
}
