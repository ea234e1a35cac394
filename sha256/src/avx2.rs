// SPDX-License-Identifier: MIT OR Apache-2.0
//! Eight messages in the elements of 256-bit vectors.
//!
//! **In:** chunks of eight messages. **Out:** their states. **Refuses:** processors without AVX2.
//! Instructions: Intel SDM, volume 2.
//!
//! The order of the rounds stands in `avx512` too: a function is compiled for the features that it
//! names, so that one over both kinds of vectors would be compiled for neither.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_extract_epi32, _mm256_or_si256,
    _mm256_set_epi32, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_xor_si256,
};
use std::iter;

use super::{K, Lanes};

/// AVX2 is there.
#[derive(Clone, Copy, Debug)]
pub struct EightLanes(());

impl Lanes<8> for EightLanes {
    fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    fn compress(self, states: &mut [[u32; 8]; 8], chunks: [&[[u8; 64]]; 8]) {
        // SAFETY: only `detect` makes an `EightLanes`, and it has seen the feature.
        unsafe { compress(states, chunks) }
    }
}

#[target_feature(enable = "avx2")]
fn compress(states: &mut [[u32; 8]; 8], chunks: [&[[u8; 64]]; 8]) {
    let count = chunks.iter().map(|it| it.len()).min().unwrap_or_default();
    let mut state = pack(states);
    let [scheduled @ .., last] = &K;
    for index in 0..count {
        let Some(mut w) = load(chunks, index) else { return };
        let before = state;
        for k in scheduled {
            sixteen_times!(|T| {
                state = round(state, w[T], k[T / 4][T % 4]);
                w[T] = schedule(w[T], w[(T + 1) % 16], w[(T + 9) % 16], w[(T + 14) % 16]);
            });
        }
        sixteen_times!(|T| {
            state = round(state, w[T], last[T / 4][T % 4]);
        });
        for (word, before) in iter::zip(&mut state, before) {
            *word = add(*word, before);
        }
    }
    *states = unpack(state);
}

#[inline]
#[target_feature(enable = "avx2")]
fn round([a, b, c, d, e, f, g, h]: [__m256i; 8], w: __m256i, k: u32) -> [__m256i; 8] {
    let sigma1 = xor(ror::<6, 26>(e), ror::<11, 21>(e), ror::<25, 7>(e));
    let choice = _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
    let first = add(add(add(h, w), _mm256_set1_epi32(k.cast_signed())), add(choice, sigma1));
    let sigma0 = xor(ror::<2, 30>(a), ror::<13, 19>(a), ror::<22, 10>(a));
    let either = _mm256_and_si256(c, _mm256_or_si256(a, b));
    let majority = _mm256_or_si256(_mm256_and_si256(a, b), either);
    [add(first, add(sigma0, majority)), a, b, c, add(d, first), e, f, g]
}

/// The word of the schedule sixteen after `w0`.
#[inline]
#[target_feature(enable = "avx2")]
fn schedule(w0: __m256i, w1: __m256i, w9: __m256i, w14: __m256i) -> __m256i {
    let sigma0 = xor(ror::<7, 25>(w1), ror::<18, 14>(w1), _mm256_srli_epi32::<3>(w1));
    let sigma1 = xor(ror::<17, 15>(w14), ror::<19, 13>(w14), _mm256_srli_epi32::<10>(w14));
    add(add(w0, w9), add(sigma0, sigma1))
}

/// The sixteen big-endian words of a chunk of each message, a vector for each word.
#[inline]
#[target_feature(enable = "avx2")]
fn load(chunks: [&[[u8; 64]]; 8], index: usize) -> Option<[__m256i; 16]> {
    let mut words: [&[[u8; 4]]; 8] = [&[]; 8];
    for (words, chunks) in iter::zip(&mut words, chunks) {
        *words = chunks.get(index)?.as_chunks().0;
    }
    let mut vectors = [_mm256_setzero_si256(); 16];
    for (word, vector) in vectors.iter_mut().enumerate() {
        let mut lanes = [0; 8];
        for (lane, words) in iter::zip(&mut lanes, words) {
            *lane = i32::from_be_bytes(*words.get(word)?);
        }
        *vector = vector_of(lanes);
    }
    Some(vectors)
}

#[inline]
#[target_feature(enable = "avx2")]
fn pack(states: &[[u32; 8]; 8]) -> [__m256i; 8] {
    let mut packed = [_mm256_setzero_si256(); 8];
    for (index, vector) in packed.iter_mut().enumerate() {
        let words = states.map(|it| it.get(index).copied().unwrap_or_default().cast_signed());
        *vector = vector_of(words);
    }
    packed
}

#[inline]
#[target_feature(enable = "avx2")]
fn vector_of([a, b, c, d, e, f, g, h]: [i32; 8]) -> __m256i {
    _mm256_set_epi32(h, g, f, e, d, c, b, a)
}

#[inline]
#[target_feature(enable = "avx2")]
fn unpack(packed: [__m256i; 8]) -> [[u32; 8]; 8] {
    let mut states = [[0; 8]; 8];
    for (index, vector) in packed.into_iter().enumerate() {
        let words = [
            _mm256_extract_epi32::<0>(vector),
            _mm256_extract_epi32::<1>(vector),
            _mm256_extract_epi32::<2>(vector),
            _mm256_extract_epi32::<3>(vector),
            _mm256_extract_epi32::<4>(vector),
            _mm256_extract_epi32::<5>(vector),
            _mm256_extract_epi32::<6>(vector),
            _mm256_extract_epi32::<7>(vector),
        ];
        for (state, word) in iter::zip(&mut states, words) {
            if let Some(slot) = state.get_mut(index) {
                *slot = word.cast_unsigned();
            }
        }
    }
    states
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

/// Rotates right by `BITS`; `REST` is 32 less that, which the language can't compute yet.
#[inline]
#[target_feature(enable = "avx2")]
fn ror<const BITS: i32, const REST: i32>(word: __m256i) -> __m256i {
    const { assert!(BITS + REST == 32, "a rotation turns by all bits of a word") };
    _mm256_or_si256(_mm256_srli_epi32::<BITS>(word), _mm256_slli_epi32::<REST>(word))
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}
