// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which hash blocks a tree has, and where they lie.
//!
//! **In:** the fields of a verity superblock, all chosen by whoever made the image.
//! **Out:** a [`TreeShape`] whose sizes and offsets are computed once and fit their limits.
//! **Refuses:** block sizes dm-verity would not take, no data, data or trees over their limit.

use thiserror::Error;

use crate::digest::HashAlgorithm;
use crate::limits;

/// The shape of a hash tree (hash type 1). Says nothing about its bytes, and is itself a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeShape {
    algorithm: HashAlgorithm,
    data_block_size: u32,
    hash_block_size: u32,
    data_blocks: u64,
    data_len: u64,
    salt: Vec<u8>,
    levels: Vec<Level>,
    tree_len: usize,
}

/// One level of the tree. Its blocks lie next to each other, and so do its digests: those of
/// SHA-256 and SHA-512 fill a block without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// 0 for the leaves, whose digests are those of data blocks.
    pub height: usize,
    /// First byte, from the start of the first hash block.
    pub offset: usize,
    /// Bytes, a whole number of hash blocks.
    pub len: usize,
    /// Bytes of digests from the start of the level; the slots after them are unused.
    pub used: usize,
}

/// Why no tree has this shape.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeError {
    /// Not a power of two that the kernel would take.
    #[error("data block size {found} is none of 512, 1024, 2048, 4096")]
    DataBlockSize {
        /// As in the superblock.
        found: u32,
    },
    /// More data than an image may have.
    #[error("{data_blocks} data blocks of {data_block_size} bytes are over the limit of {limit}")]
    DataSize {
        /// As in the superblock.
        data_blocks: u64,
        /// As in the superblock.
        data_block_size: u32,
        /// Bytes.
        limit: u64,
    },
    /// Not a power of two that the kernel would take.
    #[error("hash block size {found} is none of 512, 1024, 2048, 4096")]
    HashBlockSize {
        /// As in the superblock.
        found: u32,
    },
    /// Nothing to protect. veritysetup reads 0 as "the whole device".
    #[error("no data blocks")]
    NoDataBlocks,
    /// Longer than a superblock can hold.
    #[error("salt of {found} bytes is over the limit of {limit}")]
    SaltSize {
        /// Bytes.
        found: usize,
        /// Bytes.
        limit: usize,
    },
    /// More hash blocks than we would keep in memory.
    #[error("hash tree of {data_blocks} data blocks is over the limit of {limit} bytes")]
    TreeSize {
        /// As in the superblock.
        data_blocks: u64,
        /// Bytes.
        limit: u64,
    },
}

impl TreeShape {
    /// Computes the tree over `data_blocks` blocks.
    ///
    /// # Errors
    /// [`ShapeError`] says which number is out of bounds.
    pub fn new(
        algorithm: HashAlgorithm,
        data_block_size: u32,
        hash_block_size: u32,
        data_blocks: u64,
        salt: &[u8],
    ) -> Result<Self, ShapeError> {
        if !is_block_size(data_block_size) {
            return Err(ShapeError::DataBlockSize { found: data_block_size });
        }
        if !is_block_size(hash_block_size) {
            return Err(ShapeError::HashBlockSize { found: hash_block_size });
        }
        if salt.len() > limits::VERITY_SALT {
            return Err(ShapeError::SaltSize { found: salt.len(), limit: limits::VERITY_SALT });
        }
        if data_blocks == 0 {
            return Err(ShapeError::NoDataBlocks);
        }
        let data_len = data_blocks
            .checked_mul(u64::from(data_block_size))
            .filter(|len| *len <= limits::IMAGE)
            .ok_or(ShapeError::DataSize { data_blocks, data_block_size, limit: limits::IMAGE })?;
        let (levels, tree_len) = levels(algorithm, hash_block_size, data_blocks)
            .ok_or(ShapeError::TreeSize { data_blocks, limit: limits::HASH_TREE })?;
        let salt = salt.to_vec();
        Ok(Self {
            algorithm,
            data_block_size,
            hash_block_size,
            data_blocks,
            data_len,
            salt,
            levels,
            tree_len,
        })
    }

    /// Algorithm of every digest in the tree, and of the root hash.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Bytes per data block.
    #[must_use]
    pub fn data_block_size(&self) -> u32 {
        self.data_block_size
    }

    /// Bytes per hash block.
    #[must_use]
    pub fn hash_block_size(&self) -> u32 {
        self.hash_block_size
    }

    /// Data blocks, at least 1.
    #[must_use]
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// Bytes of data: all data blocks.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        self.data_len
    }

    /// Hashed before each block.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The levels in the order of the disk: the root's block first, the leaves last. Empty for a
    /// single data block, whose digest is the root hash.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Bytes of all hash blocks.
    #[must_use]
    pub fn tree_len(&self) -> usize {
        self.tree_len
    }

    /// Number of the first hash block on a device that begins with the superblock: the first one
    /// past the superblock's 512 bytes.
    #[must_use]
    pub fn first_hash_block(&self) -> u64 {
        u64::from(SUPERBLOCK.div_ceil(self.hash_block_size))
    }

    /// First byte of the tree on such a device.
    #[must_use]
    pub fn tree_offset(&self) -> u64 {
        self.first_hash_block().saturating_mul(u64::from(self.hash_block_size))
    }
}

fn is_block_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (512..=limits::VERITY_BLOCK).contains(&bytes)
}

/// The levels in disk order and the bytes of all of them; `None` if they are over the limit.
fn levels(
    algorithm: HashAlgorithm,
    hash_block_size: u32,
    data_blocks: u64,
) -> Option<(Vec<Level>, usize)> {
    let limit = usize::try_from(limits::HASH_TREE).ok()?;
    let block = usize::try_from(hash_block_size).ok()?;
    let digest = algorithm.digest_len();
    let mut levels = Vec::new();
    let mut below = usize::try_from(data_blocks).ok()?;
    // Each level is at most an eighth of the one below, so this ends.
    while below > 1 {
        let used = below.checked_mul(digest)?;
        let len = used.checked_next_multiple_of(block)?;
        levels.push(Level { height: levels.len(), offset: 0, len, used });
        below = len.checked_div(block)?;
    }
    levels.reverse();
    let mut end: usize = 0;
    for level in &mut levels {
        level.offset = end;
        end = end.checked_add(level.len).filter(|end| *end <= limit)?;
    }
    Some((levels, end))
}

/// Bytes of a verity superblock.
const SUPERBLOCK: u32 = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(data: u32, hash: u32, blocks: u64) -> Result<TreeShape, ShapeError> {
        TreeShape::new(HashAlgorithm::Sha256, data, hash, blocks, b"salt")
    }

    fn level_blocks(shape: &TreeShape) -> Vec<usize> {
        shape.levels().iter().map(|it| it.len / shape.hash_block_size() as usize).collect()
    }

    #[test]
    fn levels_are_those_of_veritysetup() {
        let cases: [(u64, &[usize]); 9] = [
            (1, &[]),
            (2, &[1]),
            (128, &[1]),
            (129, &[1, 2]),
            (16_384, &[1, 128]),
            (16_385, &[1, 2, 129]),
            (2_097_151, &[1, 128, 16_384]),
            (2_097_152, &[1, 128, 16_384]),
            (2_097_153, &[1, 2, 129, 16_385]),
        ];
        for (blocks, expected) in cases {
            let shape = shape(4096, 4096, blocks).unwrap();
            assert_eq!(level_blocks(&shape), expected, "{blocks}");
            assert_eq!(shape.tree_len(), expected.iter().sum::<usize>() * 4096);
            assert_eq!(shape.data_len(), blocks * 4096);
        }
        assert_eq!(level_blocks(&shape(4096, 1024, 129).unwrap()), [1, 5]);
        assert_eq!(level_blocks(&shape(512, 512, 1032).unwrap()), [1, 5, 65]);
    }

    #[test]
    fn the_tree_begins_past_the_superblock() {
        for size in [512, 1024, 2048, 4096] {
            let shape = shape(4096, size, 2).unwrap();
            assert_eq!((shape.first_hash_block(), shape.tree_offset()), (1, u64::from(size)));
        }
    }

    #[test]
    fn refuses_block_sizes_dm_verity_would_not_take() {
        for found in [0, 1, 256, 511, 513, 1000, 3072, 4095, 8192, 1 << 31, u32::MAX] {
            assert_eq!(shape(found, 4096, 2), Err(ShapeError::DataBlockSize { found }));
            assert_eq!(shape(4096, found, 2), Err(ShapeError::HashBlockSize { found }));
        }
        for size in [512, 1024, 2048, 4096] {
            assert!(shape(size, 4096, 2).is_ok() && shape(4096, size, 2).is_ok());
        }
    }

    #[test]
    fn refuses_no_data_and_more_than_an_image() {
        assert_eq!(shape(4096, 4096, 0), Err(ShapeError::NoDataBlocks));
        assert!(shape(4096, 4096, limits::IMAGE / 4096).is_ok());
        for data_blocks in [limits::IMAGE / 4096 + 1, u64::MAX / 4096 + 2, u64::MAX] {
            let limit = limits::IMAGE;
            let error = ShapeError::DataSize { data_blocks, data_block_size: 4096, limit };
            assert_eq!(shape(4096, 4096, data_blocks), Err(error));
        }
    }

    #[test]
    fn refuses_a_tree_over_its_limit() {
        let (fits, data_blocks) = (1 << 24, limits::HASH_TREE / 32);
        assert!(shape(512, 4096, fits).is_ok());
        let error = ShapeError::TreeSize { data_blocks, limit: limits::HASH_TREE };
        assert_eq!(shape(512, 4096, data_blocks), Err(error));
    }

    #[test]
    fn refuses_a_salt_no_superblock_can_hold() {
        let with = |len| TreeShape::new(HashAlgorithm::Sha512, 4096, 4096, 2, &vec![0; len]);
        assert!(with(0).is_ok() && with(256).is_ok());
        assert_eq!(with(257), Err(ShapeError::SaltSize { found: 257, limit: 256 }));
    }

    proptest! {
        #[test]
        fn levels_join_and_shrink_to_one_block(
            blocks in 1..=u64::MAX,
            cut in 0..64_u32,
            hash in prop::sample::select(vec![512_u32, 1024, 2048, 4096]),
            algorithm in prop::sample::select(vec![HashAlgorithm::Sha256, HashAlgorithm::Sha512]),
        ) {
            let blocks = (blocks >> cut).max(1);
            let Ok(shape) = TreeShape::new(algorithm, 4096, hash, blocks, b"") else {
                return Ok(());
            };
            let (mut end, mut above) = (0, 1);
            for level in shape.levels() {
                prop_assert_eq!(level.offset, end);
                prop_assert_eq!(level.len, above * hash as usize);
                prop_assert!(0 < level.used && level.used <= level.len);
                end += level.len;
                above = level.used / algorithm.digest_len();
            }
            prop_assert_eq!(above as u64, blocks);
            prop_assert_eq!(end, shape.tree_len());
            prop_assert!(shape.levels().len() <= limits::TREE_LEVELS);
        }
    }
}
