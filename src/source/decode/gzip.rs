// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! gzip (RFC 1952), one member.
//!
//! **In:** a stream that begins like gzip. **Out:** its bytes; CRC-32 and length are right, and so
//! is the CRC of the header where there is one. **Refuses:** reserved flags, endless names, a second
//! member (gzip and pigz write one; bgzip and `cat` make more).
//!
//! Header and trailer are read here because libraries pass over wrong ones.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use super::engine::{Engine, Step, advance, drive};
use super::input::Input;
use super::{Error, Output};
use crate::limits;

/// Flags (RFC 1952, 2.3.1).
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

pub(super) fn decode(input: &mut Input<impl Read>, output: &mut Output<'_>) -> Result<(), Error> {
    header(input)?;
    let mut body = Body { inflate: Decompress::new(false), crc: crc32fast::Hasher::new(), len: 0 };
    drive(&mut body, input, output)?;
    let (crc, len) = (u32::from_le_bytes(input.array()?), u32::from_le_bytes(input.array()?));
    if crc != body.crc.finalize() {
        return Err(Error::damaged("its CRC is wrong"));
    }
    // Modulo 2^32 (RFC 1952, 2.3.1).
    if u64::from(len) != body.len & u64::from(u32::MAX) {
        return Err(Error::damaged("its length is wrong"));
    }
    Ok(())
}

/// A header, while its CRC is counted.
struct Header<'a, R> {
    input: &'a mut Input<R>,
    crc: crc32fast::Hasher,
}

impl<R: Read> Header<'_, R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.input.array()?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    /// Text up to its NUL.
    fn text(&mut self) -> Result<(), Error> {
        for _ in 0..limits::DECODE_NAME {
            if self.array()? == [0] {
                return Ok(());
            }
        }
        Err(Error::Limit(format!("a name of more than {} bytes", limits::DECODE_NAME)))
    }
}

fn header(input: &mut Input<impl Read>) -> Result<(), Error> {
    let mut header = Header { input, crc: crc32fast::Hasher::new() };
    let [magic @ .., method, flags] = header.array::<4>()?;
    if magic != [0x1f, 0x8b] || method != 8 {
        return Err(Error::Unsupported("another method than deflate"));
    }
    if flags & RESERVED != 0 {
        return Err(Error::Unsupported("reserved flags"));
    }
    // Time, extra flags, operating system.
    header.array::<6>()?;
    if flags & FEXTRA != 0 {
        for _ in 0..u16::from_le_bytes(header.array()?) {
            header.array::<1>()?;
        }
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            header.text()?;
        }
    }
    if flags & FHCRC != 0 {
        let [low, high, ..] = header.crc.clone().finalize().to_le_bytes();
        if header.array()? != [low, high] {
            return Err(Error::damaged("the CRC of its header is wrong"));
        }
    }
    Ok(())
}

struct Body {
    inflate: Decompress,
    crc: crc32fast::Hasher,
    len: u64,
}

impl Engine for Body {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Error> {
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, output, FlushDecompress::None)
            .map_err(Error::damaged)?;
        self.len = self.inflate.total_out();
        let produced = advance(before.1, self.len);
        self.crc.update(output.get(..produced).unwrap_or_default());
        let consumed = advance(before.0, self.inflate.total_in());
        Ok(Step { consumed, produced, done: status == Status::StreamEnd })
    }
}
