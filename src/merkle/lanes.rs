// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Salted SHA-256 of several blocks at once, where the processor can.
//!
//! **In:** a salt of any length, blocks of one size. **Out:** their digests.
//! **Refuses:** processors that can't, and blocks of another size: the caller hashes those with
//! the portable crate, which is also what the tests compare with.
//!
//! All messages are of one length, so the state after the salt and the padding are made once.
//! The salt need not end where a chunk of SHA-256 does: the `head` chunk holds its rest and the
//! first bytes of the block, the `tail` the block's last bytes and the padding.

use std::iter;

use veriroot_sha256::{INITIAL, Lanes};

/// The parts of a message that are the same for every block, and who hashes `N` of them at once.
pub(super) struct Salted<L, const N: usize> {
    lanes: L,
    /// After the whole chunks of the salt.
    state: [u32; 8],
    /// The rest of the salt.
    head: [u8; CHUNK],
    /// Bytes of salt in `head`; the block goes after them.
    head_used: usize,
    /// Padding, after room for the block's last bytes.
    tail: [u8; TAIL],
    /// Bytes of `tail` that belong to the message: one chunk or two.
    tail_len: usize,
    block_size: usize,
}

impl<L: Lanes<N>, const N: usize> Salted<L, N> {
    pub(super) fn new(salt: &[u8], block_size: usize) -> Option<Self> {
        let lanes = L::detect()?;
        if block_size < CHUNK {
            return None;
        }
        let (chunks, rest) = salt.as_chunks();
        let mut states = [INITIAL; N];
        lanes.compress(&mut states, [chunks; N]);
        let state = *states.first()?;
        let head = filled([0; CHUNK], 0, rest)?;
        let message = salt.len().checked_add(block_size)?;
        // What is left of the block after the head and whole chunks.
        let left = message.checked_rem(CHUNK)?;
        let tail_len = left.checked_add(END)?.checked_next_multiple_of(CHUNK)?;
        let bits = u64::try_from(message).ok()?.checked_mul(8)?;
        let tail = filled([0; TAIL], left, &[0x80])?;
        let tail = filled(tail, tail_len.checked_sub(8)?, &bits.to_be_bytes())?;
        Some(Self { lanes, state, head, head_used: rest.len(), tail, tail_len, block_size })
    }

    /// The digests of sixteen blocks, `N` at a time; `None` for those next to one of another size.
    pub(super) fn each(&self, blocks: &[&[u8]; 16]) -> [Option<[u8; 32]>; 16] {
        let mut found = [None; 16];
        for (found, blocks) in iter::zip(found.as_chunks_mut().0, blocks.as_chunks().0) {
            *found = self.digests(*blocks).map_or([None; N], |it| it.map(Some));
        }
        found
    }

    /// The digests of `N` blocks; `None` if one is of another size.
    fn digests(&self, blocks: [&[u8]; N]) -> Option<[[u8; 32]; N]> {
        if blocks.iter().any(|it| it.len() != self.block_size) {
            return None;
        }
        let mut states = [self.state; N];
        let mut rest = blocks;
        if self.head_used > 0 {
            let mut heads = [[self.head]; N];
            for ([head], rest) in heads.iter_mut().zip(&mut rest) {
                let (first, after) = rest.split_at_checked(CHUNK.checked_sub(self.head_used)?)?;
                *head = filled(*head, self.head_used, first)?;
                *rest = after;
            }
            self.lanes.compress(&mut states, heads.each_ref().map(|it| it.as_slice()));
        }
        self.lanes.compress(&mut states, rest.map(|it| it.as_chunks().0));
        let mut tails = [self.tail; N];
        for (tail, rest) in tails.iter_mut().zip(rest) {
            *tail = filled(*tail, 0, rest.as_chunks::<CHUNK>().1)?;
        }
        let tails = tails.each_ref().map(|it| it.get(..self.tail_len).unwrap_or_default());
        self.lanes.compress(&mut states, tails.map(|it| it.as_chunks().0));
        Some(states.map(bytes))
    }
}

/// `whole` with `part` written from `offset` on; `None` if it does not fit.
fn filled<const N: usize>(mut whole: [u8; N], offset: usize, part: &[u8]) -> Option<[u8; N]> {
    whole.get_mut(offset..offset.checked_add(part.len())?)?.copy_from_slice(part);
    Some(whole)
}

fn bytes(state: [u32; 8]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    digest
}

/// What SHA-256 takes in at a time, bytes.
const CHUNK: usize = 64;

/// The 0x80 byte and the length, bytes.
const END: usize = 9;

/// Two chunks: a block's last bytes may leave no room for the end in the first.
const TAIL: usize = 128;

#[cfg(test)]
mod tests {
    use openssl::sha::sha256;
    use proptest::prelude::*;

    use super::*;
    use veriroot_sha256::{EightLanes, SixteenLanes, TwoLanes};

    /// Compares every block with the crate, in two, eight and sixteen lanes, where there are any.
    fn agrees(salt: &[u8], blocks: [&[u8]; 16]) {
        agree::<TwoLanes, 2>(salt, blocks);
        agree::<EightLanes, 8>(salt, blocks);
        agree::<SixteenLanes, 16>(salt, blocks);
    }

    fn agree<L: Lanes<N>, const N: usize>(salt: &[u8], blocks: [&[u8]; 16]) {
        let expected = blocks.map(|block| Some(sha256(&[salt, block].concat())));
        if let Some(lanes) = Salted::<L, N>::new(salt, blocks[0].len()) {
            assert_eq!(lanes.each(&blocks), expected, "{N} {} {}", salt.len(), blocks[0].len());
        }
    }

    /// Different blocks of `len` bytes from one pool.
    fn blocks(pool: &[u8], len: usize) -> [&[u8]; 16] {
        std::array::from_fn(|lane| &pool[lane * 251..][..len])
    }

    fn noise() -> Vec<u8> {
        (0..16_384_u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 23) as u8).collect()
    }

    #[test]
    fn every_salt_length_hashes_as_the_crate_does() {
        let pool = noise();
        for salt in 0..=256 {
            agrees(&pool[9000..][..salt], blocks(&pool, 512));
        }
    }

    #[test]
    fn every_rest_of_a_chunk_hashes_as_the_crate_does() {
        let pool = noise();
        for len in (64..256).chain([512, 1024, 2048, 4096]) {
            agrees(&pool[9000..][..len * 7 % 257], blocks(&pool, len));
        }
    }

    #[test]
    fn blocks_of_another_size_are_left_to_the_crate() {
        for block_size in [0, 1, 63] {
            assert!(Salted::<TwoLanes, 2>::new(b"salt", block_size).is_none());
            assert!(Salted::<SixteenLanes, 16>::new(b"salt", block_size).is_none());
        }
        if let Some(lanes) = Salted::<TwoLanes, 2>::new(b"salt", 512) {
            assert!(lanes.digests([&[0; 512]; 2]).is_some());
            assert_eq!(lanes.digests([&[0; 512], &[0; 511]]), None);
            assert_eq!(lanes.digests([&[0; 1024], &[0; 512]]), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_salt_and_blocks_hash_as_the_crate_does(
            salt in prop::collection::vec(any::<u8>(), 0..=256),
            pool in prop::collection::vec(any::<u8>(), 15 * 251 + 1024),
            len in 64..=1024_usize,
        ) {
            agrees(&salt, blocks(&pool, len));
        }
    }
}
