// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The .xz file format 1.2.1, one stream of any number of blocks.
//!
//! **In:** a stream that begins like xz. **Out:** its bytes; every CRC, the check of each block, the
//! sizes in block headers, the index, and the footer are right.
//! **Refuses:** filters other than LZMA2, dictionaries over [`limits::DECODE_WINDOW`] before they are
//! allocated, unknown checks, stream padding, a second stream.
//!
//! The container is read here: no memory-safe library holds block headers, index and footer against
//! each other. The LZMA2 inside is the library's.

use std::io::{self, Read};

use crc::{CRC_64_XZ, Crc, Digest, Table};
use lzma_rust2::Lzma2Reader;
use openssl::sha::Sha256;

use super::input::Input;
use super::{Error, Output};
use crate::limits;

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";

/// The filter id of LZMA2 (section 5.3.1).
const LZMA2: u64 = 0x21;

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

pub(super) fn decode(input: &mut Input<impl Read>, output: &mut Output<'_>) -> Result<(), Error> {
    let flags = stream_header(input)?;
    let mut records = Vec::new();
    loop {
        let [size] = input.array()?;
        if size == 0 {
            break;
        }
        if records.len() >= limits::DECODE_BLOCKS {
            return Err(Error::Limit(format!("more than {} blocks", limits::DECODE_BLOCKS)));
        }
        records.push(block(input, output, (size, flags))?);
    }
    let size = index(input, &records)?;
    footer(input, flags, size)
}

/// One block, as the index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    /// Header, data and check, without padding.
    unpadded: u64,
    /// Bytes when decoded.
    decoded: u64,
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    len: u64,
    crc: crc32fast::Hasher,
}

impl<R> Counted<R> {
    fn new(inner: R) -> Self {
        Self { inner, len: 0, crc: crc32fast::Hasher::new() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.len = self.len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

/// The id of the check (section 2.1.1.2).
fn stream_header(input: &mut Input<impl Read>) -> Result<u8, Error> {
    if input.array()? != MAGIC {
        return Err(Error::damaged("its magic is wrong"));
    }
    let flags: [u8; 2] = input.array()?;
    if u32::from_le_bytes(input.array()?) != crc32fast::hash(&flags) {
        return Err(Error::damaged("the CRC of its header is wrong"));
    }
    match flags {
        [0, check @ (0 | 1 | 4 | 10)] => Ok(check),
        _ => Err(Error::Unsupported("an unknown check or reserved flags")),
    }
}

/// Section 3, `size` being the first byte of the header.
fn block(
    input: &mut Input<impl Read>,
    output: &mut Output<'_>,
    (size, flags): (u8, u8),
) -> Result<Record, Error> {
    let header = Header::read(input, size)?;
    if let Some(decoded) = header.decoded {
        output.announce(output.len.saturating_add(decoded))?;
    }
    if header.dictionary > limits::DECODE_WINDOW {
        let limit = limits::DECODE_WINDOW;
        return Err(Error::Limit(format!("a dictionary of more than {limit} bytes")));
    }
    let mut check = Check::new(flags);
    let dictionary = u32::try_from(header.dictionary).unwrap_or(u32::MAX);
    let mut data = Lzma2Reader::new(Counted::new(&mut *input), dictionary, None);
    let mut buffer = vec![0; limits::DECODE_CHUNK];
    let mut decoded: u64 = 0;
    loop {
        let read = data.read(&mut buffer).map_err(Error::damaged)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        check.update(bytes);
        decoded = decoded.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        output.put(bytes)?;
    }
    let encoded = data.inner().len;
    if header.decoded.is_some_and(|it| it != decoded)
        || header.encoded.is_some_and(|it| it != encoded)
    {
        return Err(Error::damaged("a block header gives a wrong size"));
    }
    padding(input, encoded)?;
    let check = check.finish();
    let mut found = vec![0; check.len()];
    input.read_exact(&mut found).map_err(Error::Input)?;
    if found != check {
        return Err(Error::damaged("the check of a block is wrong"));
    }
    let check = u64::try_from(check.len()).unwrap_or(u64::MAX);
    Ok(Record { unpadded: header.len.saturating_add(encoded).saturating_add(check), decoded })
}

/// A block header (section 3.1).
struct Header {
    len: u64,
    encoded: Option<u64>,
    decoded: Option<u64>,
    dictionary: u64,
}

impl Header {
    fn read(input: &mut Input<impl Read>, size: u8) -> Result<Self, Error> {
        let len = usize::from(size).saturating_add(1).saturating_mul(4);
        let mut bytes = vec![size; len];
        input.read_exact(bytes.get_mut(1..).unwrap_or_default()).map_err(Error::Input)?;
        let (fields, crc) =
            bytes.split_last_chunk::<4>().ok_or_else(|| Error::damaged("a short header"))?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(fields) {
            return Err(Error::damaged("the CRC of a block header is wrong"));
        }
        let mut fields = fields.get(1..).unwrap_or_default();
        let [flags] = array(&mut fields)?;
        if flags & 0x3f != 0 {
            // Bits 0 and 1: further filters; 2 to 5: reserved.
            return Err(Error::Unsupported("filters other than LZMA2, or reserved flags"));
        }
        let mut optional = |flag: u8| (flags & flag != 0).then(|| integer(&mut fields)).transpose();
        let (encoded, decoded) = (optional(0x40)?, optional(0x80)?);
        if integer(&mut fields)? != LZMA2 || integer(&mut fields)? != 1 {
            return Err(Error::Unsupported("filters other than LZMA2"));
        }
        let [property] = array(&mut fields)?;
        if encoded == Some(0) || fields.iter().any(|it| *it != 0) {
            return Err(Error::damaged("a block header has odd bytes"));
        }
        let dictionary = dictionary(property)?;
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        Ok(Self { len, encoded, decoded, dictionary })
    }
}

/// Bytes of dictionary that a property stands for (section 5.3.1).
fn dictionary(property: u8) -> Result<u64, Error> {
    match property {
        0..40 => {
            let mantissa = 2 | u64::from(property & 1);
            Ok(mantissa.checked_shl(u32::from(property / 2).saturating_add(11)).unwrap_or(u64::MAX))
        }
        40 => Ok(u64::from(u32::MAX)),
        _ => Err(Error::Unsupported("an unknown dictionary size")),
    }
}

/// NULs up to a multiple of four.
fn padding(input: &mut impl Read, len: u64) -> Result<(), Error> {
    while_odd(len, || {
        let mut byte = [0];
        input.read_exact(&mut byte).map_err(Error::Input)?;
        if byte == [0] { Ok(()) } else { Err(Error::damaged("its padding is not of NULs")) }
    })
}

/// As often as `len` lacks to a multiple of four.
fn while_odd(len: u64, mut each: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    (0..len.wrapping_neg() & 3).try_for_each(|_| each())
}

/// The first bytes of a field.
fn array<const N: usize>(fields: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    fields.read_exact(&mut bytes).map_err(Error::damaged)?;
    Ok(bytes)
}

/// A multibyte integer in its shortest form (section 1.2).
fn integer(fields: &mut impl Read) -> Result<u64, Error> {
    let mut value: u64 = 0;
    for position in 0..9_u32 {
        let [byte] = array(fields)?;
        let part = u64::from(byte & 0x7f);
        value |= part.checked_shl(position.saturating_mul(7)).unwrap_or_default();
        if byte & 0x80 == 0 {
            if byte == 0 && position > 0 {
                return Err(Error::damaged("an integer is longer than it has to be"));
            }
            return Ok(value);
        }
    }
    Err(Error::damaged("an integer is too long"))
}

/// Section 4, its first byte already taken; returns its size.
fn index(input: &mut Input<impl Read>, records: &[Record]) -> Result<u64, Error> {
    let mut index = Indexed(Counted::new(input));
    index.0.crc.update(&[0]);
    index.0.len = 1;
    let differs = || Error::damaged("its index does not list the blocks that came");
    if integer(&mut index)? != u64::try_from(records.len()).unwrap_or(u64::MAX) {
        return Err(differs());
    }
    for record in records {
        let (unpadded, decoded) = (integer(&mut index)?, integer(&mut index)?);
        if (Record { unpadded, decoded }) != *record {
            return Err(differs());
        }
    }
    let len = index.0.len;
    padding(&mut index, len)?;
    let (crc, len) = (index.0.crc.clone().finalize(), index.0.len);
    if u32::from_le_bytes(array(&mut index)?) != crc {
        return Err(Error::damaged("the CRC of its index is wrong"));
    }
    Ok(len.saturating_add(4))
}

/// What is read is counted and goes into the CRC.
struct Indexed<R>(Counted<R>);

impl<R: Read> Read for Indexed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buf)?;
        self.0.crc.update(buf.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Section 2.1.2.
fn footer(input: &mut Input<impl Read>, flags: u8, index: u64) -> Result<(), Error> {
    let crc = u32::from_le_bytes(input.array()?);
    let fields: [u8; 6] = input.array()?;
    let [size @ .., reserved, check] = fields;
    let size = u64::from(u32::from_le_bytes(size)).saturating_add(1).saturating_mul(4);
    if crc != crc32fast::hash(&fields) || input.array()? != FOOTER_MAGIC {
        return Err(Error::damaged("its footer is wrong"));
    }
    if size != index || reserved != 0 || check != flags {
        return Err(Error::damaged("its footer contradicts header or index"));
    }
    Ok(())
}

/// The check over one block.
enum Check {
    None,
    Crc32(crc32fast::Hasher),
    Crc64(Digest<'static, u64, Table<16>>),
    Sha256(Box<Sha256>),
}

impl Check {
    fn new(id: u8) -> Self {
        match id {
            1 => Self::Crc32(crc32fast::Hasher::new()),
            4 => Self::Crc64(CRC64.digest()),
            10 => Self::Sha256(Box::new(Sha256::new())),
            _ => Self::None,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc32(crc) => crc.update(bytes),
            Self::Crc64(crc) => crc.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Crc32(crc) => crc.finalize().to_le_bytes().to_vec(),
            Self::Crc64(crc) => crc.finalize().to_le_bytes().to_vec(),
            Self::Sha256(hash) => hash.finish().to_vec(),
        }
    }
}
