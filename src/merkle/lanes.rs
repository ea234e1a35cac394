// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Salted SHA-256 of two blocks at once, where the processor can.
//!
//! **In:** a salt of any length, pairs of blocks of one size. **Out:** their digests.
//! **Refuses:** processors that can't, and blocks of another size: the caller hashes those with
//! the portable crate, which is also what the tests compare with.
//!
//! All messages are of one length, so the state after the salt and the padding are made once.
//! The salt need not end where a chunk of SHA-256 does: the `head` chunk holds its rest and the
//! first bytes of the block, the `tail` the block's last bytes and the padding.

use crate::sys::sha256::TwoLanes;

/// The parts of a message that are the same for every block.
pub(super) struct Lanes {
    sha: TwoLanes,
    /// After the whole chunks of the salt.
    state: [u32; 8],
    /// The rest of the salt.
    head: [u8; 64],
    /// Bytes of salt in `head`; the block goes after them.
    head_used: usize,
    /// Padding, after room for the block's last bytes.
    tail: [u8; 128],
    /// Chunks of `tail` that belong to the message, 1 or 2, are the first ones.
    tail_len: usize,
    block_size: usize,
}

impl Lanes {
    pub(super) fn new(salt: &[u8], block_size: usize) -> Option<Self> {
        let sha = TwoLanes::detect()?;
        if block_size < CHUNK {
            return None;
        }
        let (chunks, rest) = salt.as_chunks::<CHUNK>();
        let mut states = [INITIAL; 2];
        sha.compress(&mut states, chunks, chunks);
        let [state, _] = states;
        let head = filled([0; CHUNK], 0, rest)?;
        // What is left of the block after the head and whole chunks.
        let message = salt.len().checked_add(block_size)?;
        let left = message.checked_rem(CHUNK)?;
        let tail_len = left.checked_add(END)?.checked_next_multiple_of(CHUNK)?;
        let bits = u64::try_from(message).ok()?.checked_mul(8)?;
        let tail = filled([0; 128], left, &[0x80])?;
        let tail = filled(tail, tail_len.checked_sub(8)?, &bits.to_be_bytes())?;
        Some(Self { sha, state, head, head_used: rest.len(), tail, tail_len, block_size })
    }

    /// The digests of two blocks; `None` if one is of another size.
    pub(super) fn digests(&self, [a, b]: [&[u8]; 2]) -> Option<[[u8; 32]; 2]> {
        if a.len() != self.block_size || b.len() != self.block_size {
            return None;
        }
        let mut states = [self.state; 2];
        let (a, b) = match self.head_used {
            0 => (a, b),
            used => {
                let room = CHUNK.checked_sub(used)?;
                let (a_first, a) = a.split_at_checked(room)?;
                let (b_first, b) = b.split_at_checked(room)?;
                let [head_a, head_b] = [a_first, b_first].map(|it| filled(self.head, used, it));
                self.sha.compress(&mut states, &[head_a?], &[head_b?]);
                (a, b)
            }
        };
        let ((a, a_last), (b, b_last)) = (a.as_chunks(), b.as_chunks());
        self.sha.compress(&mut states, a, b);
        let [tail_a, tail_b] = [a_last, b_last].map(|it| filled(self.tail, 0, it));
        let (tail_a, tail_b) = (tail_a?, tail_b?);
        let (tail_a, _) = tail_a.get(..self.tail_len)?.as_chunks();
        let (tail_b, _) = tail_b.get(..self.tail_len)?.as_chunks();
        self.sha.compress(&mut states, tail_a, tail_b);
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

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

#[cfg(test)]
mod tests {
    use openssl::sha::sha256;
    use proptest::prelude::*;

    use super::*;

    fn agrees(salt: &[u8], a: &[u8], b: &[u8]) {
        let lanes = Lanes::new(salt, a.len()).unwrap();
        let expected = [a, b].map(|block| sha256(&[salt, block].concat()));
        assert_eq!(lanes.digests([a, b]), Some(expected), "{} {}", salt.len(), a.len());
    }

    fn can() -> bool {
        TwoLanes::detect().is_some()
    }

    #[test]
    fn every_salt_and_block_length_hashes_as_the_crate_does() {
        let bytes: Vec<u8> = (0..8192_u32).map(|i| (i * 31 + i / 251) as u8).collect();
        for salt in (0..=256).take_while(|_| can()) {
            for len in [64, 65, 127, 128, 512, 1024] {
                agrees(&bytes[7..][..salt], &bytes[..len], &bytes[4095..][..len]);
            }
        }
        for len in (64..=4096).step_by(17).take_while(|_| can()) {
            agrees(&bytes[..len % 257], &bytes[1..][..len], &bytes[4096..][..len]);
        }
    }

    #[test]
    fn blocks_of_another_size_are_left_to_the_crate() {
        for block_size in [0, 1, 63] {
            assert!(Lanes::new(b"salt", block_size).is_none());
        }
        if let Some(lanes) = Lanes::new(b"salt", 512) {
            assert!(lanes.digests([&[0; 512]; 2]).is_some());
            assert_eq!(lanes.digests([&[0; 512], &[0; 511]]), None);
            assert_eq!(lanes.digests([&[0; 1024], &[0; 512]]), None);
        }
    }

    proptest! {
        #[test]
        fn any_two_blocks_hash_as_the_crate_does(
            salt in prop::collection::vec(any::<u8>(), 0..=256),
            (a, b) in (64..=4096_usize).prop_flat_map(|len| {
                let block = prop::collection::vec(any::<u8>(), len);
                (block.clone(), block)
            }),
        ) {
            if can() {
                agrees(&salt, &a, &b);
            }
        }
    }
}
