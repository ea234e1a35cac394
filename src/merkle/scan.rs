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
use std::sync::{Mutex, PoisonError};
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
    let per_slice = SLICE.checked_div(hasher.block_size()).unwrap_or(1).max(1);
    let digests = expected.chunks(hasher.digest_len().saturating_mul(per_slice));
    let slices = blocks
        .chunks(hasher.block_size().saturating_mul(per_slice))
        .zip(digests.chain(iter::repeat(&[][..])))
        .zip((0..).step_by(per_slice));
    // Slices are handed out in ascending order, so a thread may stop at its first mismatch: all
    // that is below has been handed out, and is finished before the results are compared.
    let slices = Mutex::new(slices);
    let work = || {
        iter::from_fn(|| slices.lock().unwrap_or_else(PoisonError::into_inner).next())
            .find_map(|((blocks, digests), first)| mismatch(hasher, blocks, digests, first))
    };
    thread::scope(|scope| {
        // A thread that can't be started is no error: this one does its share.
        let others: Vec<_> = (1..threads.get().min(blocks.len().div_ceil(SHARE)))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let own = work();
        let joined =
            others.into_iter().map(|it| it.join().unwrap_or_else(|bug| panic::resume_unwind(bug)));
        joined.chain([own]).flatten().min_by_key(|it| it.block)
    })
}

/// As above, in one go; the first of `blocks` has the number `first`.
fn mismatch(
    hasher: &BlockHasher,
    blocks: &[u8],
    expected: &[u8],
    first: usize,
) -> Option<Mismatch> {
    let slots = expected.chunks(hasher.digest_len()).chain(iter::repeat(&[][..]));
    iter::zip(hasher.digests(blocks), slots).zip(first..).find_map(|((found, slot), block)| {
        let differs = slot != found.as_bytes();
        differs.then(|| Mismatch { block, expected: Digest::from_slot(slot), found })
    })
}

/// Bytes a thread takes at a time: long enough to make the hand-out cheap, short enough to let a
/// fast core take over from a slow one.
const SLICE: usize = 256 * 1024;

/// Bytes that are worth a thread. Starting one takes as long as hashing a tenth of that.
const SHARE: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;

    #[test]
    fn a_block_without_a_digest_differs() {
        let hasher = BlockHasher::new(HashAlgorithm::Sha256, b"", 512);
        let blocks: Vec<u8> = (0..4096 * 512_u32).map(|i| (i / 512) as u8).collect();
        let digests: Vec<u8> =
            hasher.digests(&blocks).flat_map(|it| it.as_bytes().to_vec()).collect();
        for threads in [1, 4] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let first = |expected| first_mismatch(&hasher, &blocks, expected, threads);
            assert_eq!(first(&digests), None);
            for (len, block) in [(0, 0), (31, 0), (1024 * 32, 1024), (4096 * 32 - 1, 4095)] {
                assert_eq!(first(&digests[..len]).map(|it| it.block), Some(block));
            }
        }
    }
}
