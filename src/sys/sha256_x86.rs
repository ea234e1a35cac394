// SPDX-License-Identifier: MIT OR Apache-2.0
//! SHA-256 of two messages at once with the SHA extensions of x86-64.
//!
//! **In:** whole chunks of two messages, of the same number. **Out:** their states.
//! **Refuses:** processors without the extensions: they have no [`TwoLanes`].
//!
//! A round waits for the one before it, in which time the processor could do more. Two messages
//! that do not depend on each other, instruction by instruction in turn, fill the gap.
//!
//! Rounds and schedule: FIPS 180-4, section 6.2.2. Instructions: Intel SDM, volume 2.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32,
    _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32,
};
use std::iter;

/// Proof that this processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoLanes(());

impl TwoLanes {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        has.then_some(Self(()))
    }

    /// Takes the chunks of both messages into their states.
    pub(crate) fn compress(self, states: &mut [[u32; 8]; 2], a: &[[u8; 64]], b: &[[u8; 64]]) {
        // SAFETY: only `detect` makes a `TwoLanes`, and it has seen all three features.
        unsafe { compress(states, a, b) }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress(states: &mut [[u32; 8]; 2], a: &[[u8; 64]], b: &[[u8; 64]]) {
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

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const K: [[[u32; 4]; 4]; 4] = [
    [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    ],
    [
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    ],
    [
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    ],
    [
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ],
];
