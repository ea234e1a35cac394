// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two messages in turn with the SHA extensions of x86-64.
//!
//! **In:** chunks of two messages. **Out:** their states. **Refuses:** processors without the
//! extensions. Instructions: Intel SDM, volume 2.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32,
    _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32,
};
use std::iter;

use super::{K, Lanes};

/// The SHA extensions are there.
#[derive(Clone, Copy, Debug)]
pub struct TwoLanes(());

impl Lanes<2> for TwoLanes {
    fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        has.then_some(Self(()))
    }

    fn compress(self, states: &mut [[u32; 8]; 2], chunks: [&[[u8; 64]]; 2]) {
        // SAFETY: only `detect` makes a `TwoLanes`, and it has seen all three features.
        unsafe { compress(states, chunks) }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress(states: &mut [[u32; 8]; 2], [a, b]: [&[[u8; 64]]; 2]) {
    let mut lanes = states.map(|state| pack(state));
    for (a, b) in iter::zip(a, b) {
        let before = lanes;
        let mut words = [load(a), load(b)];
        let [first, second, third, last] = K;
        for k in [first, second, third] {
            let [k0, k1, k2, k3] = k;
            let [[a0, a1, a2, a3], [b0, b1, b2, b3]] = words;
            lanes = four_rounds(lanes, [a0, b0], k0);
            let (a0, b0) = (schedule(a0, a1, a2, a3), schedule(b0, b1, b2, b3));
            lanes = four_rounds(lanes, [a1, b1], k1);
            let (a1, b1) = (schedule(a1, a2, a3, a0), schedule(b1, b2, b3, b0));
            lanes = four_rounds(lanes, [a2, b2], k2);
            let (a2, b2) = (schedule(a2, a3, a0, a1), schedule(b2, b3, b0, b1));
            lanes = four_rounds(lanes, [a3, b3], k3);
            let (a3, b3) = (schedule(a3, a0, a1, a2), schedule(b3, b0, b1, b2));
            words = [[a0, a1, a2, a3], [b0, b1, b2, b3]];
        }
        let [a, b] = words;
        for ((a, b), k) in iter::zip(iter::zip(a, b), last) {
            lanes = four_rounds(lanes, [a, b], k);
        }
        let [[a0, a1], [b0, b1]] = lanes;
        let [[a2, a3], [b2, b3]] = before;
        lanes = [
            [_mm_add_epi32(a0, a2), _mm_add_epi32(a1, a3)],
            [_mm_add_epi32(b0, b2), _mm_add_epi32(b1, b3)],
        ];
    }
    *states = lanes.map(|lane| unpack(lane));
}

/// A state as the instructions want it: `abef`, then `cdgh`, the first word highest.
type Lane = [__m128i; 2];

/// Four rounds of both lanes; the words go in with their constants.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn four_rounds([a, b]: [Lane; 2], [wa, wb]: [__m128i; 2], [k0, k1, k2, k3]: [u32; 4]) -> [Lane; 2] {
    let k = set([k3, k2, k1, k0]);
    let (wa, wb) = (_mm_add_epi32(wa, k), _mm_add_epi32(wb, k));
    let [[a_abef, a_cdgh], [b_abef, b_cdgh]] = [a, b];
    // Two rounds make the new `abef` and leave the old one as the new `cdgh`.
    let a_mid = _mm_sha256rnds2_epu32(a_cdgh, a_abef, wa);
    let b_mid = _mm_sha256rnds2_epu32(b_cdgh, b_abef, wb);
    let a_end = _mm_sha256rnds2_epu32(a_abef, a_mid, _mm_shuffle_epi32::<0x0e>(wa));
    let b_end = _mm_sha256rnds2_epu32(b_abef, b_mid, _mm_shuffle_epi32::<0x0e>(wb));
    [[a_end, a_mid], [b_end, b_mid]]
}

/// The four words of the schedule that follow these sixteen.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn schedule(w0: __m128i, w1: __m128i, w2: __m128i, w3: __m128i) -> __m128i {
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
    _mm_sha256msg2_epu32(sum, w3)
}

/// The first sixteen words, which are the chunk itself, big-endian.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load(chunk: &[u8; 64]) -> [__m128i; 4] {
    let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    let (eights, _) = chunk.as_chunks::<8>();
    let mut words = [_mm_set_epi64x(0, 0); 4];
    for (word, pair) in iter::zip(&mut words, eights.as_chunks::<2>().0) {
        let [low, high] = pair.map(i64::from_le_bytes);
        *word = _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap);
    }
    words
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn pack([a, b, c, d, e, f, g, h]: [u32; 8]) -> Lane {
    [set([a, b, e, f]), set([c, d, g, h])]
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn unpack([abef, cdgh]: Lane) -> [u32; 8] {
    let [a, b, e, f] = get(abef);
    let [c, d, g, h] = get(cdgh);
    [a, b, c, d, e, f, g, h]
}

/// Four words, the first one highest.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn set(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_set_epi32(a, b, c, d)
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn get(words: __m128i) -> [u32; 4] {
    let [a, b] = [_mm_extract_epi32::<3>(words), _mm_extract_epi32::<2>(words)];
    let [c, d] = [_mm_extract_epi32::<1>(words), _mm_extract_epi32::<0>(words)];
    [a, b, c, d].map(i32::cast_unsigned)
}
