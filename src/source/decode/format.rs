// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which compression a file begins with.
//!
//! **In:** the first bytes of a file. **Out:** a [`Format`], or none. **Refuses:** nothing.

use std::fmt;

/// A compression that is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `BZh1` to `BZh9`.
    Bzip2,
    /// RFC 1952.
    Gzip,
    /// The LZ4 frame format; not the legacy one.
    Lz4,
    /// The .xz file format; not .lzma.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Format {
    /// All of them; the position is the code on the link to the decode child.
    pub const ALL: [Self; 5] = [Self::Bzip2, Self::Gzip, Self::Lz4, Self::Xz, Self::Zstd];

    /// Bytes that are enough to tell.
    pub const MAGIC: usize = 10;

    /// Judges by the first bytes alone. A file that is shorter than a magic is none of them, and no
    /// image either.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            // A block or the end of the stream follows: pi or its square root in BCD.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
                Some(Self::Bzip2)
            }
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            _ => None,
        }
    }

    /// Lower-case name, as of the tool that writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    pub(in crate::source) fn code(self) -> u8 {
        let at = Self::ALL.iter().position(|it| *it == self);
        at.and_then(|it| u8::try_from(it).ok()).unwrap_or(0)
    }

    pub(in crate::source) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_and_nothing_shorter() {
        let cases: [(&[u8], Format); 6] = [
            (b"\xfd7zXZ\0", Format::Xz),
            (b"\x28\xb5\x2f\xfd", Format::Zstd),
            (b"\x04\x22\x4d\x18", Format::Lz4),
            (b"\x1f\x8b", Format::Gzip),
            (b"BZh91AY&SY", Format::Bzip2),
            (b"BZh1\x17\x72\x45\x38\x50\x90", Format::Bzip2),
        ];
        for (magic, format) in cases {
            assert_eq!(Format::detect(magic), Some(format));
            assert_eq!(Format::detect(&[magic, b"more"].concat()), Some(format));
            assert_eq!(Format::detect(&magic[..magic.len() - 1]), None);
            assert_eq!(Format::from_code(format.code()), Some(format));
        }
        // Legacy and skippable frames, .lzma, compress, zip, a raw image, nothing.
        for other in [
            &b"\x02\x21\x4c\x18"[..],
            b"\x50\x2a\x4d\x18",
            b"\x5d\0\0\x80\0",
            b"\x1f\x9d",
            b"PK\x03\x04",
            b"\xeb\x63\x90",
            b"BZh0",
            b"",
        ] {
            assert_eq!(Format::detect(other), None);
        }
        assert_eq!(Format::from_code(5), None);
    }
}
