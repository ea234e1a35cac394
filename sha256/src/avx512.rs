// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sixteen messages in the elements of 512-bit vectors.
//!
//! **In:** chunks of sixteen messages. **Out:** their states. **Refuses:** processors without
//! AVX-512 F and BW. Instructions: Intel SDM, volume 2.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_extract_epi32, _mm512_add_epi32, _mm512_extracti32x4_epi32,
    _mm512_ror_epi32, _mm512_set_epi32, _mm512_set_epi64, _mm512_set1_epi32, _mm512_set4_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};
use std::iter;

use super::{K, Lanes};

/// AVX-512 is there.
#[derive(Clone, Copy, Debug)]
pub struct SixteenLanes(());

impl Lanes<16> for SixteenLanes {
    fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        has.then_some(Self(()))
    }

    fn compress(self, states: &mut [[u32; 8]; 16], chunks: [&[[u8; 64]]; 16]) {
        // SAFETY: only `detect` makes a `SixteenLanes`, and it has seen both features.
        unsafe { compress(states, chunks) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut [[u32; 8]; 16], chunks: [&[[u8; 64]]; 16]) {
    let count = chunks.iter().map(|it| it.len()).min().unwrap_or_default();
    let mut state = pack(states);
    let [scheduled @ .., last] = &K;
    for index in 0..count {
        let mut w = [_mm512_setzero_si512(); 16];
        sixteen_times!(|T| {
            let Some(chunk) = chunks[T].get(index) else { return };
            w[T] = load(chunk);
        });
        let mut w = transpose(w);
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
#[target_feature(enable = "avx512f,avx512bw")]
fn round([a, b, c, d, e, f, g, h]: [__m512i; 8], w: __m512i, k: u32) -> [__m512i; 8] {
    let sigma1 = xor(ror::<6>(e), ror::<11>(e), ror::<25>(e));
    let choice = _mm512_ternarylogic_epi32::<0xca>(e, f, g);
    let first = add(add(add(h, w), _mm512_set1_epi32(k.cast_signed())), add(choice, sigma1));
    let sigma0 = xor(ror::<2>(a), ror::<13>(a), ror::<22>(a));
    let majority = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
    [add(first, add(sigma0, majority)), a, b, c, add(d, first), e, f, g]
}

/// The word of the schedule sixteen after `w0`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn schedule(w0: __m512i, w1: __m512i, w9: __m512i, w14: __m512i) -> __m512i {
    let sigma0 = xor(ror::<7>(w1), ror::<18>(w1), _mm512_srli_epi32::<3>(w1));
    let sigma1 = xor(ror::<17>(w14), ror::<19>(w14), _mm512_srli_epi32::<10>(w14));
    add(add(w0, w9), add(sigma0, sigma1))
}

/// The sixteen words of a chunk, which are big-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(chunk: &[u8; 64]) -> __m512i {
    let mut words = [0; 8];
    for (word, bytes) in iter::zip(&mut words, chunk.as_chunks().0) {
        *word = i64::from_le_bytes(*bytes);
    }
    let [a, b, c, d, e, f, g, h] = words;
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    _mm512_shuffle_epi8(_mm512_set_epi64(h, g, f, e, d, c, b, a), swap)
}

/// From a vector for each message to one for each word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
    let (top, upper) = (transpose_quarters([a, b, c, d]), transpose_quarters([e, f, g, h]));
    let (lower, bottom) = (transpose_quarters([i, j, k, l]), transpose_quarters([m, n, o, p]));
    let mut columns = [[_mm512_setzero_si512(); 4]; 4];
    let quarters = iter::zip(iter::zip(top, upper), iter::zip(lower, bottom));
    for (column, ((top, upper), (lower, bottom))) in iter::zip(&mut columns, quarters) {
        let even_top = _mm512_shuffle_i32x4::<0x88>(top, upper);
        let odd_top = _mm512_shuffle_i32x4::<0xdd>(top, upper);
        let even_bottom = _mm512_shuffle_i32x4::<0x88>(lower, bottom);
        let odd_bottom = _mm512_shuffle_i32x4::<0xdd>(lower, bottom);
        *column = [
            _mm512_shuffle_i32x4::<0x88>(even_top, even_bottom),
            _mm512_shuffle_i32x4::<0x88>(odd_top, odd_bottom),
            _mm512_shuffle_i32x4::<0xdd>(even_top, even_bottom),
            _mm512_shuffle_i32x4::<0xdd>(odd_top, odd_bottom),
        ];
    }
    let [[a, e, i, m], [b, f, j, n], [c, g, k, o], [d, h, l, p]] = columns;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Transposes the four words in each quarter of four vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose_quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab_low, cd_low),
        _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn pack(states: &[[u32; 8]; 16]) -> [__m512i; 8] {
    let mut packed = [_mm512_setzero_si512(); 8];
    for (index, vector) in packed.iter_mut().enumerate() {
        let words = states.map(|it| it.get(index).copied().unwrap_or_default().cast_signed());
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = words;
        *vector = _mm512_set_epi32(p, o, n, m, l, k, j, i, h, g, f, e, d, c, b, a);
    }
    packed
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn unpack(packed: [__m512i; 8]) -> [[u32; 8]; 16] {
    let mut states = [[0; 8]; 16];
    for (index, vector) in packed.into_iter().enumerate() {
        let quarters = [
            quarter(_mm512_extracti32x4_epi32::<0>(vector)),
            quarter(_mm512_extracti32x4_epi32::<1>(vector)),
            quarter(_mm512_extracti32x4_epi32::<2>(vector)),
            quarter(_mm512_extracti32x4_epi32::<3>(vector)),
        ];
        for (state, word) in iter::zip(&mut states, quarters.into_iter().flatten()) {
            if let Some(slot) = state.get_mut(index) {
                *slot = word.cast_unsigned();
            }
        }
    }
    states
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quarter(words: __m128i) -> [i32; 4] {
    let [a, b] = [_mm_extract_epi32::<0>(words), _mm_extract_epi32::<1>(words)];
    let [c, d] = [_mm_extract_epi32::<2>(words), _mm_extract_epi32::<3>(words)];
    [a, b, c, d]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn ror<const BITS: i32>(word: __m512i) -> __m512i {
    _mm512_ror_epi32::<BITS>(word)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}
