// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a hostile mirror or superblock can try against a tree.
//!
//! **In:** trees built here and changed in one place. **Out:** the exact refusal, next to its
//! accepted twin. **Refuses:** nothing.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::build::build;
use super::hash::BlockHasher;
use super::*;
use crate::digest::HashAlgorithm;

const SALT: &[u8] = b"not a whole SHA-256 block";

struct Image {
    shape: TreeShape,
    data: Vec<u8>,
    tree: Vec<u8>,
    root: Vec<u8>,
}

impl Image {
    fn new(algorithm: HashAlgorithm, data: u32, hash: u32, blocks: u64) -> Self {
        let shape = TreeShape::new(algorithm, data, hash, blocks, SALT).unwrap();
        let data: Vec<u8> =
            (0..shape.data_len()).map(|i| (i * 7 + i / 509 + i / 65_521) as u8).collect();
        let (tree, root) = build(&shape, &data).unwrap();
        Self { shape, data, tree, root }
    }

    /// Levels of 1, 2 and 9 blocks with eight digests each, the last one of a level partly filled.
    fn small() -> Self {
        Self::new(HashAlgorithm::Sha512, 512, 512, 70)
    }

    fn check(&self) -> Result<VerifiedTree, TreeError> {
        VerifiedTree::check(self.shape.clone(), self.tree.clone(), &self.root)
    }

    fn claiming(&self, data_blocks: u64) -> Result<VerifiedTree, TreeError> {
        let it = &self.shape;
        let (data, hash) = (it.data_block_size(), it.hash_block_size());
        let shape = TreeShape::new(it.algorithm(), data, hash, data_blocks, it.salt()).unwrap();
        VerifiedTree::check(shape, self.tree.clone(), &self.root)
    }

    /// Hashes every level anew: what a builder that does not leave unused slots zero makes.
    fn rehash(&mut self) {
        let it = &self.shape;
        let hasher = BlockHasher::new(it.algorithm(), it.salt(), it.hash_block_size());
        let levels = it.levels();
        for (index, level) in levels.iter().enumerate().rev() {
            let blocks = &self.tree[level.offset..][..level.len];
            let digests: Vec<u8> =
                hasher.digests(blocks).flat_map(|it| it.as_bytes().to_vec()).collect();
            match index.checked_sub(1) {
                None => self.root = digests,
                Some(above) => {
                    self.tree[levels[above].offset..][..digests.len()].copy_from_slice(&digests);
                }
            }
        }
    }
}

fn hash(image: &Image, size: u32, block: &[u8]) -> String {
    let hasher = BlockHasher::new(image.shape.algorithm(), SALT, size);
    hasher.digests(block).next().unwrap().to_string()
}

#[test]
fn refuses_each_data_block_with_one_bit_flipped() {
    let mut image = Image::small();
    let tree = image.check().unwrap();
    assert_eq!(tree.check_blocks(0, &image.data), Ok(()));
    for block in 0..70_usize {
        let at = block * 512 + block * 7;
        let expected = hash(&image, 512, &image.data[block * 512..][..512]);
        image.data[at] ^= 1 << (block % 8);
        let (number, offset) = (block as u64, block as u64 * 512);
        let found = hash(&image, 512, &image.data[block * 512..][..512]);
        let error = BlockError::Mismatch { block: number, offset, expected, found };
        assert_eq!(tree.check_blocks(0, &image.data), Err(error.clone()));
        let alone = &image.data[block * 512..][..512];
        assert_eq!(tree.check_blocks(number, alone), Err(error));
        image.data[at] ^= 1 << (block % 8);
    }
    assert_eq!(tree.check_blocks(0, &image.data), Ok(()));
}

#[test]
fn refuses_each_hash_block_with_one_bit_flipped() {
    let mut image = Image::small();
    for level in image.shape.levels().to_vec() {
        for (block, offset) in (level.offset..level.offset + level.len).step_by(512).enumerate() {
            // The last byte of a partly filled block is an unused slot.
            for at in [offset, offset + 511] {
                let expected = hash(&image, 512, &image.tree[offset..][..512]);
                image.tree[at] ^= 0x80;
                let found = hash(&image, 512, &image.tree[offset..][..512]);
                let height = level.height;
                let error = TreeError::BlockMismatch { height, block, offset, expected, found };
                assert_eq!(image.check().unwrap_err(), error);
                image.tree[at] ^= 0x80;
            }
        }
    }
    assert!(image.check().is_ok());
}

#[test]
fn refuses_unused_slots_that_the_root_hash_covers() {
    let levels = Image::small().shape.levels().to_vec();
    assert_eq!(levels.iter().map(|it| it.used / 64).collect::<Vec<_>>(), [2, 9, 70]);
    for level in levels {
        for at in [level.used, level.len - 1] {
            let mut image = Image::small();
            image.tree[level.offset + at] = 1;
            image.rehash();
            let (height, slot) = (level.height, at / 64);
            let offset = level.offset + slot * 64;
            let error = TreeError::UnusedSlot { height, slot, offset };
            assert_eq!(image.check().unwrap_err(), error);
            image.tree[level.offset + at] = 0;
            image.rehash();
            assert!(image.check().is_ok());
        }
    }
}

#[test]
fn refuses_every_number_of_data_blocks_but_the_real_one() {
    let image = Image::small();
    let leaf = *image.shape.levels().last().unwrap();
    let place = |slot: usize| (0, slot, leaf.offset + slot * 64);
    assert!(image.claiming(70).is_ok());
    for fewer in 65..70 {
        let (height, slot, offset) = place(fewer as usize);
        let error = TreeError::UnusedSlot { height, slot, offset };
        assert_eq!(image.claiming(fewer).unwrap_err(), error);
    }
    for more in [71, 72] {
        let (height, slot, offset) = place(70);
        assert_eq!(
            image.claiming(more).unwrap_err(),
            TreeError::EmptySlot { height, slot, offset }
        );
    }
    for other in [1, 2, 8, 9, 10, 64, 73, 512, 513] {
        let error = image.claiming(other).unwrap_err();
        assert!(matches!(error, TreeError::TreeLength { .. }), "{other}: {error}");
    }
}

#[test]
fn a_missing_level_leaves_only_hash_blocks_to_pass_as_data() {
    let image = Image::small();
    let leaf = *image.shape.levels().last().unwrap();
    let (upper, leaves) = image.tree.split_at(leaf.offset);
    let shape = TreeShape::new(HashAlgorithm::Sha512, 512, 512, 9, SALT).unwrap();
    let tree = VerifiedTree::check(shape, upper.to_vec(), &image.root).unwrap();
    assert_eq!(tree.check_blocks(0, leaves), Ok(()));
    for block in 0..9 {
        let real = &image.data[block * 512..][..512];
        let error = tree.check_blocks(block as u64, real).unwrap_err();
        assert!(matches!(error, BlockError::Mismatch { .. }), "{block}: {error}");
    }
}

#[test]
fn a_single_data_block_is_checked_against_the_root_hash_itself() {
    let mut image = Image::new(HashAlgorithm::Sha256, 4096, 4096, 1);
    let tree = image.check().unwrap();
    assert_eq!(tree.check_blocks(0, &image.data), Ok(()));
    image.data[4095] ^= 1;
    let error = tree.check_blocks(0, &image.data).unwrap_err();
    assert!(matches!(error, BlockError::Mismatch { block: 0, offset: 0, .. }));
    image.tree.push(0);
    assert_eq!(image.check().unwrap_err(), TreeError::TreeLength { expected: 0, found: 1 });
}

#[test]
fn the_whole_root_hash_is_compared() {
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
        let mut image = Image::new(algorithm, 4096, 4096, 2);
        let len = image.root.len();
        assert!(image.check().is_ok());
        for at in [0, len - 1] {
            image.root[at] ^= 1;
            let error = image.check().unwrap_err();
            assert!(matches!(error, TreeError::BlockMismatch { height: 0, block: 0, .. }));
            image.root[at] ^= 1;
        }
        for found in [0, 1, 31, 33, 63, 65, 96 - len] {
            image.root.resize(found, 0);
            let error = TreeError::RootHashLength { algorithm, found };
            assert_eq!(image.check().unwrap_err(), error);
        }
    }
}

#[test]
fn refuses_a_tree_or_data_cut_or_continued() {
    let mut image = Image::small();
    let tree = image.check().unwrap();
    for len in [0, 1, 511, 513, 70 * 512 - 1] {
        let error = BlockError::NotWholeBlocks { len, data_block_size: 512 };
        assert_eq!(tree.check_blocks(0, &image.data[..len]), Err(error));
    }
    let first = &image.data[..512];
    assert_eq!(tree.check_blocks(0, first), Ok(()));
    for first_block in [70, u64::MAX / 64, u64::MAX] {
        let error = BlockError::PastEnd { first_block, data_blocks: 70 };
        assert_eq!(tree.check_blocks(first_block, first), Err(error));
    }
    let two = &image.data[69 * 512 - 512..];
    assert_eq!(tree.check_blocks(68, two), Ok(()));
    let error = BlockError::PastEnd { first_block: 69, data_blocks: 70 };
    assert_eq!(tree.check_blocks(69, two), Err(error));
    image.tree.pop();
    let expected = image.shape.tree_len();
    let error = TreeError::TreeLength { expected, found: expected - 1 };
    assert_eq!(image.check().unwrap_err(), error);
}

#[test]
fn the_lowest_bad_block_is_reported_whatever_the_threads() {
    let mut image = Image::new(HashAlgorithm::Sha256, 512, 4096, 8192);
    let mut tree = image.check().unwrap();
    for block in [8191, 5000, 1537, 1536, 1535, 512, 511] {
        image.data[block * 512] ^= 1;
        for threads in [1, 2, 3, 8] {
            tree = tree.with_threads(NonZeroUsize::new(threads).unwrap());
            let error = tree.check_blocks(0, &image.data).unwrap_err();
            let lowest = block as u64;
            assert!(matches!(error, BlockError::Mismatch { block, .. } if block == lowest));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn one_flipped_bit_anywhere_is_refused(
        algorithm in prop::sample::select(vec![HashAlgorithm::Sha256, HashAlgorithm::Sha512]),
        data in prop::sample::select(vec![512_u32, 1024, 2048, 4096]),
        hash in prop::sample::select(vec![512_u32, 1024, 2048, 4096]),
        blocks in 1..300_u64,
        at in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let mut image = Image::new(algorithm, data, hash, blocks);
        let tree = image.check().unwrap();
        prop_assert_eq!(tree.check_blocks(0, &image.data), Ok(()));
        let byte = at.index(image.data.len());
        image.data[byte] ^= 1_u8 << bit;
        let lowest = byte as u64 / u64::from(data);
        let error = tree.check_blocks(0, &image.data).unwrap_err();
        let at_block = matches!(error, BlockError::Mismatch { block, .. } if block == lowest);
        prop_assert!(at_block, "{}", error);
        if !image.tree.is_empty() {
            let byte = at.index(image.tree.len());
            image.tree[byte] ^= 1_u8 << bit;
            let start = byte / hash as usize * hash as usize;
            let error = image.check().unwrap_err();
            let at_block =
                matches!(error, TreeError::BlockMismatch { offset, .. } if offset == start);
            prop_assert!(at_block, "{}", error);
        }
    }
}
