// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One header of an archive: 512 bytes that every reader has to read alike.
//!
//! **In:** a block of the archive. **Out:** its fields, or that it is all zero.
//! **Refuses:** every form but those of POSIX ustar and GNU tar as they are written today; numbers
//! and texts with more than one reading: signs, blanks in front, bytes behind a terminator, a
//! number that is written in binary without need.
//!
//! Format: POSIX.1-2024, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".

use super::fault::Fault;
use crate::wire::Wire;

/// Bytes of a block; an archive is a sequence of them.
pub(super) const BLOCK: usize = 512;

/// Who wrote the header: what is allowed in it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `ustar\0` `00`
    Posix,
    /// `ustar  \0`
    Gnu,
}

/// The fields of one header. Names are as they stand there, prefix included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dialect: Dialect,
    pub(super) kind: u8,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) mode: u64,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime: u64,
    pub(super) major: u64,
    pub(super) minor: u64,
}

/// A field: its first byte and its length.
type Field = (usize, usize);

const NAME: Field = (0, 100);
const MODE: Field = (100, 8);
const UID: Field = (108, 8);
const GID: Field = (116, 8);
const SIZE: Field = (124, 12);
const MTIME: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const KIND: usize = 156;
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 8);
const MAJOR: Field = (329, 8);
const MINOR: Field = (337, 8);
const PREFIX: Field = (345, 155);
/// Behind the prefix, or, in GNU's dialect, behind the device numbers.
const END: usize = 500;

impl Header {
    /// Reads a block; `None` if it is all zero, as at the end of an archive.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Self>, Fault> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let wire = Wire::new(block);
        let dialect = match field(wire, MAGIC)? {
            b"ustar\x0000" => Dialect::Posix,
            b"ustar  \0" => Dialect::Gnu,
            _ => return Err(Fault::Magic),
        };
        let sum = number(wire, (CHECKSUM, "checksum"), Dialect::Posix)?;
        if sum != Some(checksum(block)) {
            return Err(Fault::Checksum);
        }
        let needed =
            |at, name| number(wire, (at, name), dialect)?.ok_or(Fault::Number { field: name });
        let kind = wire.u8(KIND).ok_or(Fault::Truncated)?;
        let device = |at, name| match number(wire, (at, name), dialect)? {
            // Some writers leave these empty where they mean nothing.
            None if !matches!(kind, b'3' | b'4') => Ok(0),
            found => found.ok_or(Fault::Number { field: name }),
        };
        let rest = if dialect == Dialect::Gnu { PREFIX.0 } else { END };
        if !wire.is_zero(rest, BLOCK.saturating_sub(rest)) {
            return Err(Fault::Hidden);
        }
        let mut name = text(wire, NAME)?.to_vec();
        if dialect == Dialect::Posix {
            let prefix = text(wire, PREFIX)?;
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        Ok(Some(Self {
            dialect,
            kind,
            name,
            link: text(wire, LINK)?.to_vec(),
            mode: needed(MODE, "mode")?,
            uid: needed(UID, "uid")?,
            gid: needed(GID, "gid")?,
            size: needed(SIZE, "size")?,
            mtime: needed(MTIME, "mtime")?,
            major: device(MAJOR, "devmajor")?,
            minor: device(MINOR, "devminor")?,
        }))
    }
}

/// The sum of all bytes, the checksum's own taken as blanks.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let (from, len) = CHECKSUM;
    let own = from..from.saturating_add(len);
    let byte = |(at, byte): (usize, &u8)| u64::from(if own.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).fold(0, u64::saturating_add)
}

fn field(wire: Wire<'_>, (from, len): Field) -> Result<&[u8], Fault> {
    wire.bytes(from, len).ok_or(Fault::Truncated)
}

/// Text up to the first NUL, behind which there is nothing else.
fn text(wire: Wire<'_>, at: Field) -> Result<&[u8], Fault> {
    let bytes = field(wire, at)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at_checked(end).ok_or(Fault::Truncated)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Fault::Hidden);
    }
    Ok(text)
}

/// An octal number with its terminator; in GNU's dialect a binary one where octal has no room.
/// `None` where the field is empty.
fn number(
    wire: Wire<'_>,
    (at, name): (Field, &'static str),
    dialect: Dialect,
) -> Result<Option<u64>, Fault> {
    let bytes = field(wire, at)?;
    let wrong = Fault::Number { field: name };
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        return binary(bytes).filter(|_| dialect == Dialect::Gnu).map(Some).ok_or(wrong);
    }
    let digits = bytes.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (digits, rest) = bytes.split_at_checked(digits).ok_or(Fault::Truncated)?;
    if rest.is_empty() || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err(wrong);
    }
    if digits.is_empty() {
        return if rest.iter().all(|byte| *byte == 0) { Ok(None) } else { Err(wrong) };
    }
    // At most 11 digits: 33 bits.
    let octal = |value: u64, digit: &u8| (value << 3) | u64::from(digit & 7);
    Ok(Some(digits.iter().fold(0, octal)))
}

/// GNU's binary form: the first bit set, big-endian, positive, and larger than octal can say.
fn binary(bytes: &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    if *first != 0x80 {
        return None;
    }
    let mut value: u64 = 0;
    for byte in rest {
        value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
    }
    let bits = u32::try_from(rest.len()).ok()?.checked_mul(3)?;
    let octal = 1_u64.checked_shl(bits)?;
    (value >= octal && i64::try_from(value).is_ok()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sound header, changed, with its checksum made anew.
    fn but(change: impl FnOnce(&mut [u8; BLOCK])) -> Result<Option<Header>, Fault> {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"etc/os-release");
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000001\0");
        put(124, b"00000000012\0");
        put(136, b"00000000001\0");
        put(156, b"0");
        put(257, b"ustar\x0000");
        change(&mut block);
        let sum = format!("{:06o}\0 ", checksum(&block));
        block[148..156].copy_from_slice(sum.as_bytes());
        Header::parse(&block)
    }

    fn put(at: usize, bytes: &[u8]) -> impl FnOnce(&mut [u8; BLOCK]) {
        let bytes = bytes.to_vec();
        move |block| block[at..at + bytes.len()].copy_from_slice(&bytes)
    }

    #[test]
    fn reads_what_is_written_today() {
        let header = but(|_| ()).unwrap().unwrap();
        assert_eq!(
            (header.name.as_slice(), header.size, header.kind),
            (&b"etc/os-release"[..], 10, b'0')
        );
        assert_eq!((header.mode, header.gid, header.dialect), (0o644, 1, Dialect::Posix));
        let gnu = but(put(257, b"ustar  \0")).unwrap().unwrap();
        assert_eq!(gnu.dialect, Dialect::Gnu);
        let prefixed = but(put(345, b"usr/lib")).unwrap().unwrap();
        assert_eq!(prefixed.name, b"usr/lib/etc/os-release");
        assert_eq!(Header::parse(&[0; BLOCK]), Ok(None));
        let spaced = but(put(100, b"000644 \0")).unwrap().unwrap();
        assert_eq!(spaced.mode, 0o644);
    }

    #[test]
    fn numbers_have_one_reading() {
        for size in [
            &b"-0000000012\0"[..],
            b"+0000000012\0",
            b" 0000000012\0",
            b"00000000019\0",
            b"0000000001\0x",
            b"000000000012",
            b"0x00000000a\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0",
            // Binary in POSIX's dialect; the sign bit.
            b"\x80\0\0\0\0\0\0\x02\0\0\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf6",
        ] {
            assert_eq!(but(put(124, size)), Err(Fault::Number { field: "size" }), "{size:?}");
        }
        let gnu = |size: &[u8]| {
            let size = size.to_vec();
            but(move |block| {
                put(257, b"ustar  \0")(block);
                put(124, &size)(block);
            })
        };
        let large = gnu(b"\x80\0\0\0\0\0\0\x02\0\0\0\0").unwrap().unwrap();
        assert_eq!(large.size, 8 << 30);
        for size in [
            // What octal could say; the sign bit; more than 63 bits.
            &b"\x80\0\0\0\0\0\0\0\0\0\0\x0a"[..],
            b"\xc0\0\0\0\0\0\0\x02\0\0\0\0",
            b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(gnu(size), Err(Fault::Number { field: "size" }), "{size:?}");
        }
    }

    #[test]
    fn nothing_hides_behind_a_terminator() {
        assert_eq!(but(put(50, b"x")), Err(Fault::Hidden));
        assert_eq!(but(put(508, b"tar\0")), Err(Fault::Hidden));
        assert_eq!(but(put(200, b"x")), Err(Fault::Hidden));
        let gnu_prefix = but(|block| {
            put(257, b"ustar  \0")(block);
            put(345, b"usr")(block);
        });
        assert_eq!(gnu_prefix, Err(Fault::Hidden));
        assert_eq!(but(put(257, b"\0\0\0\0\0\0\0\0")), Err(Fault::Magic));
        assert_eq!(but(put(263, b"01")), Err(Fault::Magic));
    }

    #[test]
    fn the_checksum_is_of_this_header() {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(b"name");
        block[257..265].copy_from_slice(b"ustar\x0000");
        assert_eq!(Header::parse(&block), Err(Fault::Checksum));
    }
}
