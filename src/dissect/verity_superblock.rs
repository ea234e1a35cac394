// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The 512-byte header of a dm-verity hash partition.
//!
//! **In:** the first 512 bytes of a hash partition; an attacker chose them.
//! **Out:** [`VeritySuperblock`], well formed and within limits, and still a *claim*: no root hash
//! and no signature covers it. What it says is believed only after the hash tree computed from it
//! has matched an authenticated root hash. **Refuses:** every second way to write the same header,
//! so that what is shown, what is hashed and what the kernel is told can't differ.
//!
//! Format: cryptsetup `lib/verity/verity.c` (struct `verity_sb`), version 1. Off-spec: cryptsetup
//! checks neither the reserved bytes nor the tails of salt and algorithm, takes upper-case
//! algorithm names, reads 0 data blocks as "the whole device" and knows hash type 0 (Chrome OS).

use thiserror::Error;
use uuid::Uuid;

use crate::digest::HashAlgorithm;
use crate::escape::escape;
use crate::limits;
use crate::merkle::{ShapeError, TreeShape};
use crate::wire::Wire;

const MAGIC: [u8; 8] = *b"verity\0\0";
const ALGORITHM_LEN: usize = 32;
const SALT_OFFSET: usize = 88;

/// A well-formed verity superblock. Every value in it is a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VeritySuperblock {
    uuid: Uuid,
    algorithm: HashAlgorithm,
    data_block_size: u32,
    hash_block_size: u32,
    data_blocks: u64,
    data_len: u64,
    salt: Vec<u8>,
}

impl VeritySuperblock {
    /// Bytes of the structure.
    pub const LEN: usize = 512;

    /// Parses exactly [`Self::LEN`] bytes.
    ///
    /// # Errors
    /// See [`SuperblockError`]; the first broken field in file order.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuperblockError> {
        if bytes.len() != Self::LEN {
            return Err(SuperblockError::Length { found: bytes.len() });
        }
        parse_fields(Wire::new(bytes), bytes.len())
    }

    /// UUID of the hash device; a name, nothing hangs on it.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The tree that it speaks of.
    ///
    /// # Errors
    /// [`ShapeError`]: there can be no such tree.
    pub fn shape(&self) -> Result<TreeShape, ShapeError> {
        TreeShape::new(
            self.algorithm,
            self.data_block_size,
            self.hash_block_size,
            self.data_blocks,
            &self.salt,
        )
    }

    /// Hash algorithm of the tree.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Bytes of one data block.
    #[must_use]
    pub fn data_block_size(&self) -> u32 {
        self.data_block_size
    }

    /// Bytes of one hash block.
    #[must_use]
    pub fn hash_block_size(&self) -> u32 {
        self.hash_block_size
    }

    /// Data blocks, at least 1.
    #[must_use]
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// Bytes of all data blocks; fits the kernel's `loff_t`.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        self.data_len
    }

    /// Salt, at most [`limits::VERITY_SALT`] bytes, may be empty.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

/// Field by field, in file order.
fn parse_fields(wire: Wire<'_>, len: usize) -> Result<VeritySuperblock, SuperblockError> {
    let short = || SuperblockError::Length { found: len };
    if wire.array(0) != Some(MAGIC) {
        return Err(SuperblockError::Magic);
    }
    let version = wire.u32_le(8).ok_or_else(short)?;
    if version != 1 {
        return Err(SuperblockError::Version { found: version });
    }
    let hash_type = wire.u32_le(12).ok_or_else(short)?;
    if hash_type != 1 {
        return Err(SuperblockError::HashType { found: hash_type });
    }
    let uuid = Uuid::from_bytes(wire.array(16).ok_or_else(short)?);
    let algorithm = parse_algorithm(wire.bytes(32, ALGORITHM_LEN).ok_or_else(short)?)?;
    let data_block_size = parse_block_size(wire.u32_le(64).ok_or_else(short)?)?;
    let hash_block_size = parse_block_size(wire.u32_le(68).ok_or_else(short)?)?;
    let data_blocks = wire.u64_le(72).ok_or_else(short)?;
    let data_len = data_blocks
        .checked_mul(u64::from(data_block_size))
        .filter(|len| *len > 0 && i64::try_from(*len).is_ok())
        .ok_or(SuperblockError::DataBlocks { found: data_blocks })?;
    let salt_len = usize::from(wire.u16_le(80).ok_or_else(short)?);
    if salt_len > limits::VERITY_SALT {
        return Err(SuperblockError::SaltLength { found: salt_len });
    }
    let salt = wire.bytes(SALT_OFFSET, salt_len).ok_or_else(short)?.to_vec();
    // Six bytes before the salt, then its tail and 168 bytes in one run.
    let tail = SALT_OFFSET.saturating_add(salt_len);
    if !wire.is_zero(82, 6) || !wire.is_zero(tail, len.saturating_sub(tail)) {
        return Err(SuperblockError::Reserved);
    }
    Ok(VeritySuperblock {
        uuid,
        algorithm,
        data_block_size,
        hash_block_size,
        data_blocks,
        data_len,
        salt,
    })
}

fn parse_block_size(found: u32) -> Result<u32, SuperblockError> {
    if found.is_power_of_two() && (512..=limits::VERITY_BLOCK).contains(&found) {
        Ok(found)
    } else {
        Err(SuperblockError::BlockSize { found })
    }
}

/// The name up to its NUL padding; a NUL inside the name makes it no algorithm.
fn parse_algorithm(field: &[u8]) -> Result<HashAlgorithm, SuperblockError> {
    let len = field.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    let name = field.get(..len).unwrap_or_default();
    HashAlgorithm::from_name(name)
        .ok_or_else(|| SuperblockError::Algorithm { found: escape(&String::from_utf8_lossy(name)) })
}

/// Why 512 bytes are not a verity superblock we accept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuperblockError {
    /// Not an allowed hash algorithm; the name is escaped.
    #[error("verity hash algorithm \"{found}\" is not allowed (sha256, sha512)")]
    Algorithm {
        /// The name as written, escaped.
        found: String,
    },
    /// A block size that is no power of two or out of range.
    #[error("verity block size {found} is no power of two from 512 to {}", limits::VERITY_BLOCK)]
    BlockSize {
        /// Bytes.
        found: u32,
    },
    /// No data blocks, or more than 63 bits can address.
    #[error("{found} verity data blocks: none, or more than 2^63 bytes")]
    DataBlocks {
        /// Blocks.
        found: u64,
    },
    /// A hash type other than 1.
    #[error("verity hash type {found}, only 1 is allowed")]
    HashType {
        /// The type.
        found: u32,
    },
    /// Not 512 bytes.
    #[error("a verity superblock has 512 bytes, not {found}")]
    Length {
        /// Bytes given.
        found: usize,
    },
    /// No verity signature at the start.
    #[error("no verity superblock: wrong magic")]
    Magic,
    /// A reserved byte, or one behind the end of the salt, is not zero.
    #[error("verity superblock: reserved bytes are not zero")]
    Reserved,
    /// Longer than the structure has room for.
    #[error("verity salt of {found} bytes, the limit is {}", limits::VERITY_SALT)]
    SaltLength {
        /// Bytes.
        found: usize,
    },
    /// A version other than 1.
    #[error("verity superblock version {found}, only 1 is allowed")]
    Version {
        /// The version.
        found: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As systemd-repart writes it.
    fn sound() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(b"verity\0\0");
        bytes[8] = 1;
        bytes[12] = 1;
        bytes[16..32].fill(0x11);
        bytes[32..38].copy_from_slice(b"sha256");
        bytes[64..68].copy_from_slice(&4096u32.to_le_bytes());
        bytes[68..72].copy_from_slice(&4096u32.to_le_bytes());
        bytes[72..80].copy_from_slice(&50u64.to_le_bytes());
        bytes[80] = 32;
        bytes[88..120].fill(0xa5);
        bytes
    }

    fn with(at: usize, new: &[u8]) -> Result<VeritySuperblock, SuperblockError> {
        let mut bytes = sound();
        bytes[at..at + new.len()].copy_from_slice(new);
        VeritySuperblock::parse(&bytes)
    }

    #[test]
    fn reads_what_repart_writes() {
        let superblock = VeritySuperblock::parse(&sound()).unwrap();
        assert_eq!(superblock.algorithm(), HashAlgorithm::Sha256);
        assert_eq!((superblock.data_block_size(), superblock.hash_block_size()), (4096, 4096));
        assert_eq!((superblock.data_blocks(), superblock.data_len()), (50, 50 * 4096));
        assert_eq!(superblock.salt(), [0xa5; 32]);
        assert_eq!(superblock.uuid(), Uuid::from_bytes([0x11; 16]));
    }

    #[test]
    fn accepts_each_field_at_its_limits() {
        let rows: &[(usize, &[u8])] = &[
            (32, b"sha512"),
            (64, &512u32.to_le_bytes()),
            (68, &1024u32.to_le_bytes()),
            (72, &1u64.to_le_bytes()),
            (72, &(i64::MAX as u64 / 4096).to_le_bytes()),
            (80, &256u16.to_le_bytes()),
            (88 + 31, &[0]),
            (16, &[0; 16]),
        ];
        for (at, new) in rows {
            assert!(with(*at, new).is_ok(), "{new:?} at {at}");
        }
        let mut bytes = sound();
        bytes[80] = 0;
        bytes[88..120].fill(0);
        assert!(VeritySuperblock::parse(&bytes).unwrap().salt().is_empty());
    }

    #[test]
    fn refuses_each_field_beyond_its_limits() {
        let block = |found| SuperblockError::BlockSize { found };
        let blocks = |found| SuperblockError::DataBlocks { found };
        let rows: &[(usize, &[u8], SuperblockError)] = &[
            (0, b"Verity", SuperblockError::Magic),
            (7, &[1], SuperblockError::Magic),
            (8, &[0], SuperblockError::Version { found: 0 }),
            (8, &[2], SuperblockError::Version { found: 2 }),
            (12, &[0], SuperblockError::HashType { found: 0 }),
            (12, &[2], SuperblockError::HashType { found: 2 }),
            (12, &[0xff; 4], SuperblockError::HashType { found: u32::MAX }),
            (64, &0u32.to_le_bytes(), block(0)),
            (64, &511u32.to_le_bytes(), block(511)),
            (64, &256u32.to_le_bytes(), block(256)),
            (68, &1000u32.to_le_bytes(), block(1000)),
            (68, &8192u32.to_le_bytes(), block(8192)),
            (64, &(1u32 << 31).to_le_bytes(), block(1 << 31)),
            (72, &0u64.to_le_bytes(), blocks(0)),
            (72, &u64::MAX.to_le_bytes(), blocks(u64::MAX)),
            (72, &(1u64 << 52).to_le_bytes(), blocks(1 << 52)),
            (72, &(1u64 << 51).to_le_bytes(), blocks(1 << 51)),
            (80, &257u16.to_le_bytes(), SuperblockError::SaltLength { found: 257 }),
            (80, &u16::MAX.to_le_bytes(), SuperblockError::SaltLength { found: 65535 }),
            (80, &31u16.to_le_bytes(), SuperblockError::Reserved),
            (82, &[1], SuperblockError::Reserved),
            (87, &[1], SuperblockError::Reserved),
            (120, &[1], SuperblockError::Reserved),
            (343, &[1], SuperblockError::Reserved),
            (344, &[1], SuperblockError::Reserved),
            (511, &[1], SuperblockError::Reserved),
        ];
        for (at, new, error) in rows {
            assert_eq!(with(*at, new).as_ref(), Err(error), "{new:?} at {at}");
        }
    }

    #[test]
    fn refuses_every_other_algorithm() {
        let names: &[&[u8]] = &[
            b"md5",
            b"sha1",
            b"crc32c",
            b"sm3",
            b"blake2s-256",
            b"hmac(sha256)",
            b"",
            b"SHA256",
            b"sha256\0junk",
            b"sha256 0 ignore_corruption",
            b"\0sha256",
            &[b'a'; 32],
            b"sha384",
        ];
        for name in names {
            let mut field = [0; 32];
            field[..name.len()].copy_from_slice(name);
            let error = with(32, &field).unwrap_err();
            assert!(matches!(error, SuperblockError::Algorithm { .. }), "{name:?}: {error}");
        }
        let error = with(32, b"\x1b[2Jx\n").unwrap_err();
        assert_eq!(error, SuperblockError::Algorithm { found: "\\u{1b}[2Jx\\u{a}".into() });
    }

    #[test]
    fn refuses_every_other_length() {
        for len in [0, 1, 511, 513, 4096] {
            let error = VeritySuperblock::parse(&vec![0; len]).unwrap_err();
            assert_eq!(error, SuperblockError::Length { found: len });
        }
    }

    /// No bit is a don't-care: each flip is refused or read back as another value.
    #[test]
    fn every_bit_counts() {
        let sound = sound();
        let parsed = VeritySuperblock::parse(&sound).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = VeritySuperblock::parse(&bytes) {
                assert_ne!(other, parsed, "bit {bit}");
                let at = bit / 8;
                let free = (16..32).contains(&at)     // UUID
                    || (64..82).contains(&at)         // another size or count
                    || (88..120).contains(&at); // salt
                assert!(free, "bit {bit} accepted");
            }
        }
    }
}
