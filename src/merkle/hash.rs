// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The block hasher: digest of salt, then block.
//!
//! **In:** a salt and blocks, both chosen by whoever made the image. **Out:** their digests.
//! **Refuses:** nothing; comparing is `scan`'s work.

use std::{fmt, iter};

use data_encoding::HEXLOWER;
use openssl::sha::{Sha256, Sha512};

use super::lanes::Salted;
use crate::digest::HashAlgorithm;
use veriroot_sha256::{EightLanes, SixteenLanes, TwoLanes};

/// A digest of a block, or a slot that should hold one. Shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Digest {
    /// The digest bytes: 32 or 64; fewer only for a slot that was cut off.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Copies a slot; what a digest can't hold is cut off.
    pub(super) fn from_slot(slot: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let len = bytes.iter_mut().zip(slot).map(|(to, from)| *to = *from).count();
        Self { bytes, len }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes blocks of one size under one salt.
pub(super) struct BlockHasher {
    portable: Portable,
    together: Option<Together>,
    block_size: usize,
}

/// Blocks that are hashed together, in as many lanes as the processor has.
enum Together {
    Sixteen(Salted<SixteenLanes, 16>),
    Two(Salted<TwoLanes, 2>),
    Eight(Salted<EightLanes, 8>),
}

impl Together {
    /// The fastest first: eight lanes of ordinary instructions are behind two of those for SHA-256.
    fn find(salt: &[u8], block_size: usize) -> Option<Self> {
        let sixteen = || Salted::new(salt, block_size).map(Self::Sixteen);
        let two = || Salted::new(salt, block_size).map(Self::Two);
        let eight = || Salted::new(salt, block_size).map(Self::Eight);
        sixteen().or_else(two).or_else(eight)
    }

    fn digests(&self, blocks: &[&[u8]; 16]) -> [Option<[u8; 32]>; 16] {
        match self {
            Self::Sixteen(lanes) => lanes.each(blocks),
            Self::Two(lanes) => lanes.each(blocks),
            Self::Eight(lanes) => lanes.each(blocks),
        }
    }
}

/// The state after the salt: the same for every block.
enum Portable {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl BlockHasher {
    pub(super) fn new(algorithm: HashAlgorithm, salt: &[u8], block_size: u32) -> Self {
        let block_size = usize::try_from(block_size).unwrap_or(usize::MAX);
        let mut together = None;
        let portable = match algorithm {
            HashAlgorithm::Sha256 => {
                let mut state = Sha256::new();
                state.update(salt);
                together = Together::find(salt, block_size);
                Portable::Sha256(state)
            }
            HashAlgorithm::Sha512 => {
                let mut state = Sha512::new();
                state.update(salt);
                Portable::Sha512(state)
            }
        };
        Self { portable, together, block_size }
    }

    pub(super) fn block_size(&self) -> usize {
        self.block_size
    }

    pub(super) fn digest_len(&self) -> usize {
        match self.portable {
            Portable::Sha256(_) => HashAlgorithm::Sha256.digest_len(),
            Portable::Sha512(_) => HashAlgorithm::Sha512.digest_len(),
        }
    }

    /// The digests of consecutive blocks, in order.
    pub(super) fn digests<'a>(
        &'a self,
        blocks: &'a [u8],
    ) -> impl Iterator<Item = Digest> + use<'a> {
        blocks.chunks(self.block_size.saturating_mul(16)).flat_map(|group| self.group(group))
    }

    /// The digests of at most sixteen blocks, as many at a time as the processor takes.
    fn group<'a>(&'a self, group: &'a [u8]) -> impl Iterator<Item = Digest> + use<'a> {
        let mut blocks: [&[u8]; 16] = [&[]; 16];
        let mut count: usize = 0;
        for (slot, block) in iter::zip(&mut blocks, group.chunks(self.block_size)) {
            (*slot, count) = (block, count.saturating_add(1));
        }
        let together = self.together.as_ref().map_or([None; 16], |it| it.digests(&blocks));
        iter::zip(together, blocks).take(count).map(|(digest, block)| {
            digest.map_or_else(|| self.digest(block), |it| Digest::from_slot(&it))
        })
    }

    fn digest(&self, block: &[u8]) -> Digest {
        match &self.portable {
            Portable::Sha256(salted) => {
                let mut state = salted.clone();
                state.update(block);
                Digest::from_slot(&state.finish())
            }
            Portable::Sha512(salted) => {
                let mut state = salted.clone();
                state.update(block);
                Digest::from_slot(&state.finish())
            }
        }
    }
}

impl fmt::Debug for BlockHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockHasher").field("block_size", &self.block_size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_do_not_depend_on_how_many_blocks_go_together() {
        let data: Vec<u8> = (0..50 * 512_u32).map(|i| (i * 13 + i / 512) as u8).collect();
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
            let hasher = BlockHasher::new(algorithm, b"a salt", 512);
            let alone: Vec<Digest> = data.chunks(512).map(|it| hasher.digest(it)).collect();
            for count in 0..=50 {
                let together: Vec<Digest> = hasher.digests(&data[..count * 512]).collect();
                assert_eq!(together, alone[..count], "{algorithm} {count}");
            }
        }
    }
}
