// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A hash tree checked up to its root hash, and data blocks checked against it.
//!
//! **In:** tree and data bytes from a mirror; a shape from an unsigned superblock; the root hash.
//! **Out:** [`VerifiedTree`]. **Refuses:** any byte of the tree that the root hash does not force,
//! unused slots included; any data block but the one of its number.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

use thiserror::Error;

use super::hash::BlockHasher;
use super::scan::{Mismatch, first_mismatch};
use super::shape::{Level, TreeShape};
use crate::digest::HashAlgorithm;

/// The digests of all data blocks, as one root hash forces them.
///
/// Made by [`VerifiedTree::check`] alone. It is as trustworthy as the root hash given there.
///
/// ```
/// # use veriroot::{digest::HashAlgorithm, merkle::{TreeShape, VerifiedTree}};
/// # let shape = TreeShape::new(HashAlgorithm::Sha256, 4096, 4096, 1, b"").unwrap();
/// let tree = VerifiedTree::check(shape, vec![], &[7; 32]).unwrap();
/// ```
/// ```compile_fail,E0451
/// # use veriroot::{digest::HashAlgorithm, merkle::{TreeShape, VerifiedTree}};
/// # let shape = TreeShape::new(HashAlgorithm::Sha256, 4096, 4096, 1, b"").unwrap();
/// # let tree = VerifiedTree::check(shape.clone(), vec![], &[7; 32]).unwrap();
/// let tree = VerifiedTree { shape, ..tree };
/// ```
/// ```compile_fail,E0277
/// let twice = veriroot::merkle::VerifiedTree::clone;
/// ```
#[must_use]
pub struct VerifiedTree {
    shape: TreeShape,
    hasher: BlockHasher,
    /// The hash blocks; for a tree of none the root hash, which is then the only leaf.
    tree: Vec<u8>,
    leaves: Range<usize>,
    threads: NonZeroUsize,
}

/// Why a tree is not the one of its root hash.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A hash block's digest is not the one its parent, or the root hash, says.
    #[error(
        "hash block {block} of level {height} (byte {offset} of the hash tree) has digest {found}, \
         expected {expected}"
    )]
    BlockMismatch {
        /// Level, 0 for the leaves.
        height: usize,
        /// Number in its level.
        block: usize,
        /// From the start of the first hash block.
        offset: usize,
        /// Hex, in the parent, or the root hash.
        expected: String,
        /// Hex, of the bytes given.
        found: String,
    },
    /// The superblock counts more data blocks than the tree has digests for.
    #[error("slot {slot} of level {height} (byte {offset} of the hash tree) is used but zero")]
    EmptySlot {
        /// Level, 0 for the leaves.
        height: usize,
        /// Number in its level.
        slot: usize,
        /// From the start of the first hash block.
        offset: usize,
    },
    /// The root hash is no digest of the superblock's algorithm.
    #[error("root hash of {found} bytes is no {algorithm} digest")]
    RootHashLength {
        /// As in the superblock.
        algorithm: HashAlgorithm,
        /// Bytes.
        found: usize,
    },
    /// Not as many bytes as the shape has.
    #[error("hash tree of {found} bytes, expected {expected}")]
    TreeLength {
        /// Bytes.
        expected: usize,
        /// Bytes.
        found: usize,
    },
    /// The superblock counts fewer data blocks than the tree has digests for.
    #[error(
        "slot {slot} of level {height} (byte {offset} of the hash tree) is unused but not zero"
    )]
    UnusedSlot {
        /// Level, 0 for the leaves.
        height: usize,
        /// Number in its level.
        slot: usize,
        /// From the start of the first hash block.
        offset: usize,
    },
}

/// Why data blocks are not the ones the root hash means.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// Another block than the one signed.
    #[error("data block {block} (byte {offset}) has digest {found}, expected {expected}")]
    Mismatch {
        /// Number of the block.
        block: u64,
        /// From the start of the data.
        offset: u64,
        /// Hex, in the tree.
        expected: String,
        /// Hex, of the bytes given.
        found: String,
    },
    /// No data, or data that ends inside a block.
    #[error("{len} bytes are no whole number of data blocks of {data_block_size} bytes")]
    NotWholeBlocks {
        /// Bytes given.
        len: usize,
        /// Bytes.
        data_block_size: u32,
    },
    /// Blocks that the tree does not cover.
    #[error("data past the last of {data_blocks} data blocks, from block {first_block}")]
    PastEnd {
        /// Number of the first block given.
        first_block: u64,
        /// Blocks the tree covers.
        data_blocks: u64,
    },
}

impl VerifiedTree {
    /// Checks `tree`, which is all hash blocks of `shape` in disk order and nothing else, from
    /// the top block down. A tree over one data block has none: the root hash is its digest.
    ///
    /// # Errors
    /// [`TreeError`] names the first place where the tree differs.
    pub fn check(shape: TreeShape, mut tree: Vec<u8>, root_hash: &[u8]) -> Result<Self, TreeError> {
        let algorithm = shape.algorithm();
        if root_hash.len() != algorithm.digest_len() {
            return Err(TreeError::RootHashLength { algorithm, found: root_hash.len() });
        }
        let wrong_length = TreeError::TreeLength { expected: shape.tree_len(), found: tree.len() };
        if tree.len() != shape.tree_len() {
            return Err(wrong_length);
        }
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let hasher = BlockHasher::new(algorithm, shape.salt(), shape.hash_block_size());
        let (mut digests, mut rest) = (root_hash, tree.as_slice());
        for level in shape.levels() {
            let Some((blocks, below)) = rest.split_at_checked(level.len) else {
                return Err(wrong_length);
            };
            digests = check_level(*level, &hasher, blocks, digests, threads)?;
            rest = below;
        }
        let leaves = match shape.levels().last() {
            None => {
                tree = root_hash.to_vec();
                0..root_hash.len()
            }
            Some(leaf) => leaf.offset..leaf.offset.saturating_add(leaf.used),
        };
        let hasher = BlockHasher::new(algorithm, shape.salt(), shape.data_block_size());
        Ok(Self { shape, hasher, tree, leaves, threads })
    }

    /// Uses at most `threads` threads; all cores without this call.
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// The shape that the root hash has confirmed.
    #[must_use]
    pub fn shape(&self) -> &TreeShape {
        &self.shape
    }

    /// The hash blocks, in disk order; none over a single data block.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.tree.get(..self.shape.tree_len()).unwrap_or_default()
    }

    /// Checks the data blocks from number `first_block` on, at least one, whole blocks only.
    ///
    /// # Errors
    /// [`BlockError`] names the lowest block that differs, whatever the number of threads.
    pub fn check_blocks(&self, first_block: u64, data: &[u8]) -> Result<(), BlockError> {
        let (size, digest_len) = (self.hasher.block_size(), self.hasher.digest_len());
        let blocks = data.len().checked_div(size).unwrap_or_default();
        if blocks == 0 || !data.len().is_multiple_of(size) {
            let data_block_size = self.shape.data_block_size();
            return Err(BlockError::NotWholeBlocks { len: data.len(), data_block_size });
        }
        let digests = usize::try_from(first_block).ok().and_then(|first| {
            let end = first.checked_add(blocks)?.checked_mul(digest_len)?;
            self.tree.get(self.leaves.clone())?.get(first.checked_mul(digest_len)?..end)
        });
        let Some(digests) = digests else {
            let data_blocks = self.shape.data_blocks();
            return Err(BlockError::PastEnd { first_block, data_blocks });
        };
        match first_mismatch(&self.hasher, data, digests, self.threads) {
            None => Ok(()),
            Some(Mismatch { block, expected, found }) => {
                let block = first_block.saturating_add(u64::try_from(block).unwrap_or(u64::MAX));
                let offset = block.saturating_mul(u64::from(self.shape.data_block_size()));
                let (expected, found) = (expected.to_string(), found.to_string());
                Err(BlockError::Mismatch { block, offset, expected, found })
            }
        }
    }
}

impl fmt::Debug for VerifiedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTree").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// Checks one level against the digests above it; gives back the digests it holds.
fn check_level<'a>(
    level: Level,
    hasher: &BlockHasher,
    blocks: &'a [u8],
    expected: &[u8],
    threads: NonZeroUsize,
) -> Result<&'a [u8], TreeError> {
    let height = level.height;
    if let Some(Mismatch { block, expected, found }) =
        first_mismatch(hasher, blocks, expected, threads)
    {
        let offset = level.offset.saturating_add(block.saturating_mul(hasher.block_size()));
        let (expected, found) = (expected.to_string(), found.to_string());
        return Err(TreeError::BlockMismatch { height, block, offset, expected, found });
    }
    let (used, unused) = blocks.split_at_checked(level.used).unwrap_or((blocks, &[]));
    let digest_len = hasher.digest_len();
    let place = |slot: usize| level.offset.saturating_add(slot.saturating_mul(digest_len));
    // A digest can't be found for a slot of zeros, but the tree alone should tell how many data
    // blocks there are.
    if let Some(slot) = used.chunks(digest_len).position(is_zero) {
        return Err(TreeError::EmptySlot { height, slot, offset: place(slot) });
    }
    if let Some(slot) = unused.chunks(digest_len).position(|it| !is_zero(it)) {
        let slot = level.used.checked_div(digest_len).unwrap_or_default().saturating_add(slot);
        return Err(TreeError::UnusedSlot { height, slot, offset: place(slot) });
    }
    Ok(used)
}

fn is_zero(slot: &[u8]) -> bool {
    slot.iter().all(|byte| *byte == 0)
}
