// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Comparing many blocks with their digests, on several cores.
//!
//! **In:** blocks nobody has checked, and the digests they must have. **Out:** the first block
//! that differs, the same one whatever the number of threads. **Refuses:** a block without a
//! digest counts as one that differs.

use std::iter;
use std::num::NonZeroUsize;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::hash::{BlockHasher, Digest};

/// A block that is not the one its digest was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) block: usize,
    pub(super) expected: Digest,
    pub(super) found: Digest,
}

/// The lowest of `blocks` whose digest is not the one in `expected`.
pub(super) fn first_mismatch(
    hasher: &BlockHasher,
    blocks: &[u8],
    expected: &[u8],
    threads: NonZeroUsize,
) -> Option<Mismatch> {
    let slice_len = hasher.block_size().saturating_mul(SLICE);
    let slices = blocks.len().div_ceil(slice_len);
    let next = AtomicUsize::new(0);
    // Slices are handed out in ascending order, so a thread may stop at its first mismatch: all
    // that is below has been handed out, and is finished before the results are compared.
    let work = || {
        iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed))
            .take_while(|slice| *slice < slices)
            .find_map(|slice| mismatch_in_slice(hasher, blocks, expected, slice))
    };
    thread::scope(|scope| {
        // A thread that can't be started is no error: this one does its share.
        let others: Vec<_> = (1..threads.get().min(slices))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let own = work();
        let joined =
            others.into_iter().map(|it| it.join().unwrap_or_else(|bug| panic::resume_unwind(bug)));
        joined.chain([own]).flatten().min_by_key(|it| it.block)
    })
}

fn mismatch_in_slice(
    hasher: &BlockHasher,
    blocks: &[u8],
    expected: &[u8],
    slice: usize,
) -> Option<Mismatch> {
    let first = slice.saturating_mul(SLICE);
    let mut slots = expected.chunks(hasher.digest_len()).skip(first);
    let blocks = blocks.chunks(hasher.block_size().saturating_mul(SLICE)).nth(slice)?;
    for (index, found) in hasher.digests(blocks).enumerate() {
        let slot = slots.next().unwrap_or_default();
        if slot != found.as_bytes() {
            let expected = Digest::from_slot(slot);
            return Some(Mismatch { block: first.saturating_add(index), expected, found });
        }
    }
    None
}

/// Blocks a thread takes at a time: long enough to make the hand-out cheap, short enough to let
/// a fast core take over from a slow one.
const SLICE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;

    #[test]
    fn a_block_without_a_digest_differs() {
        let hasher = BlockHasher::new(HashAlgorithm::Sha256, b"", 512);
        let blocks: Vec<u8> = (0..200 * 512_u32).map(|i| (i / 512) as u8).collect();
        let digests: Vec<u8> =
            hasher.digests(&blocks).flat_map(|it| it.as_bytes().to_vec()).collect();
        for threads in [1, 4] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let first = |expected| first_mismatch(&hasher, &blocks, expected, threads);
            assert_eq!(first(&digests), None);
            for (len, block) in [(0, 0), (31, 0), (150 * 32, 150), (200 * 32 - 1, 199)] {
                assert_eq!(first(&digests[..len]).map(|it| it.block), Some(block));
            }
        }
    }
}
