// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two messages in turn with the SHA-2 instructions of 64-bit Arm.
//!
//! **In:** chunks of two messages. **Out:** their states. **Refuses:** processors without the
//! instructions. Instructions: Arm ARM, FEAT_SHA256.

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vcombine_u64, vcreate_u64, vgetq_lane_u32, vreinterpretq_u8_u64,
    vreinterpretq_u32_u8, vreinterpretq_u32_u64, vrev32q_u8, vsha256h2q_u32, vsha256hq_u32,
    vsha256su0q_u32, vsha256su1q_u32,
};
use std::arch::is_aarch64_feature_detected;
use std::iter;

use super::{K, Lanes};

/// The SHA-2 instructions are there.
#[derive(Clone, Copy, Debug)]
pub struct TwoLanes(());

impl Lanes<2> for TwoLanes {
    fn detect() -> Option<Self> {
        let has = is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("sha2");
        has.then_some(Self(()))
    }

    fn compress(self, states: &mut [[u32; 8]; 2], chunks: [&[[u8; 64]]; 2]) {
        // SAFETY: only `detect` makes a `TwoLanes`, and it has seen both features.
        unsafe { compress(states, chunks) }
    }
}

#[target_feature(enable = "neon,sha2")]
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
        lanes = [[vaddq_u32(a0, a2), vaddq_u32(a1, a3)], [vaddq_u32(b0, b2), vaddq_u32(b1, b3)]];
    }
    *states = lanes.map(|lane| unpack(lane));
}

/// A state as the instructions want it: `abcd`, then `efgh`, the first word lowest.
type Lane = [uint32x4_t; 2];

/// Four rounds of both lanes; the words go in with their constants.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn four_rounds(lanes: [Lane; 2], [wa, wb]: [uint32x4_t; 2], k: [u32; 4]) -> [Lane; 2] {
    let k = set(k);
    let (wa, wb) = (vaddq_u32(wa, k), vaddq_u32(wb, k));
    let [[a_abcd, a_efgh], [b_abcd, b_efgh]] = lanes;
    [
        [vsha256hq_u32(a_abcd, a_efgh, wa), vsha256h2q_u32(a_efgh, a_abcd, wa)],
        [vsha256hq_u32(b_abcd, b_efgh, wb), vsha256h2q_u32(b_efgh, b_abcd, wb)],
    ]
}

/// The four words of the schedule that follow these sixteen.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn schedule(w0: uint32x4_t, w1: uint32x4_t, w2: uint32x4_t, w3: uint32x4_t) -> uint32x4_t {
    vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3)
}

/// The first sixteen words, which are the chunk itself, big-endian.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn load(chunk: &[u8; 64]) -> [uint32x4_t; 4] {
    let (eights, _) = chunk.as_chunks::<8>();
    let mut words = [set([0; 4]); 4];
    for (word, pair) in iter::zip(&mut words, eights.as_chunks::<2>().0) {
        let [low, high] = pair.map(u64::from_le_bytes);
        let bytes = vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)));
        *word = vreinterpretq_u32_u8(vrev32q_u8(bytes));
    }
    words
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn pack([a, b, c, d, e, f, g, h]: [u32; 8]) -> Lane {
    [set([a, b, c, d]), set([e, f, g, h])]
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn unpack([abcd, efgh]: Lane) -> [u32; 8] {
    let [[a, b, c, d], [e, f, g, h]] = [get(abcd), get(efgh)];
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn set([a, b, c, d]: [u32; 4]) -> uint32x4_t {
    let pair = |low: u32, high: u32| (u64::from(high) << 32) | u64::from(low);
    vreinterpretq_u32_u64(vcombine_u64(vcreate_u64(pair(a, b)), vcreate_u64(pair(c, d))))
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn get(words: uint32x4_t) -> [u32; 4] {
    [
        vgetq_lane_u32::<0>(words),
        vgetq_lane_u32::<1>(words),
        vgetq_lane_u32::<2>(words),
        vgetq_lane_u32::<3>(words),
    ]
}
