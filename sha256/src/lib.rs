// SPDX-License-Identifier: MIT OR Apache-2.0
#![expect(unsafe_code, reason = "instructions that not every processor has")]
//! SHA-256 of several messages at once, with what the processor has for it.
//!
//! **In:** whole chunks of several messages, of the same number. **Out:** their states.
//! **Refuses:** processors without the instructions: there, the lanes can't be had.
//!
//! A round of SHA-256 waits for the one before it, and the processor could do more in that time.
//! Messages that do not depend on each other fill the gap: two of them in turn where there are
//! SHA instructions, or eight or sixteen in the elements of vectors.
//!
//! A package of its own for one reason: the program is built for size, and this for speed, in tests too.
//!
//! Rounds and schedule: FIPS 180-4, section 6.2.2.

/// Repeats a statement for the numbers 0 to 15. Loops would keep the vectors in memory.
#[cfg(target_arch = "x86_64")]
macro_rules! sixteen_times {
    (|$t:ident| $body:block) => {
        sixteen_times!(@ $t $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $t:ident $body:block $($number:literal)*) => {
        $({
            const $t: usize = $number;
            $body
        })*
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(not(target_arch = "x86_64"))]
mod none;
#[cfg(target_arch = "x86_64")]
mod shani;

#[cfg(target_arch = "x86_64")]
pub use avx2::EightLanes;
#[cfg(target_arch = "x86_64")]
pub use avx512::SixteenLanes;
#[cfg(target_arch = "aarch64")]
pub use neon::TwoLanes;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use none::Never as TwoLanes;
#[cfg(not(target_arch = "x86_64"))]
pub use none::{Never as EightLanes, Never as SixteenLanes};
#[cfg(target_arch = "x86_64")]
pub use shani::TwoLanes;

/// Proof that this processor hashes `N` messages at once.
pub trait Lanes<const N: usize>: Copy {
    /// Asks the processor.
    fn detect() -> Option<Self>;

    /// Takes whole chunks of each message into its state, as many as the shortest one has.
    fn compress(self, states: &mut [[u32; 8]; N], chunks: [&[[u8; 64]]; N]);
}

/// What the first message begins with: the first 32 bits of the fractional parts of the square
/// roots of the first 8 primes.
pub const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes: one for
/// each round, in fours and sixteens.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A different message of three letters in each lane, as what it says and in the other order.
    fn agrees<L: Lanes<N>, const N: usize>() {
        let Some(lanes) = L::detect() else { return };
        // "abc" is the example of FIPS 180-4; the other lanes have other letters.
        let mut chunks = [[[0_u8; 64]; 1]; N];
        for (lane, [chunk]) in chunks.iter_mut().enumerate() {
            let letter = b'c'.wrapping_add(u8::try_from(lane).unwrap());
            chunk[..4].copy_from_slice(&[b'a', b'b', letter, 0x80]);
            chunk[63] = 24;
        }
        let mut states = [INITIAL; N];
        lanes.compress(&mut states, chunks.each_ref().map(|it| it.as_slice()));
        let abc = [
            0xba78_16bf,
            0x8f01_cfea,
            0x4141_40de,
            0x5dae_2223,
            0xb003_61a3,
            0x9617_7a9c,
            0xb410_ff61,
            0xf200_15ad,
        ];
        assert_eq!(states[0], abc, "{N} lanes");
        assert!(states[1..].iter().all(|it| *it != abc), "{N} lanes");
        let mut again = [INITIAL; N];
        chunks.reverse();
        lanes.compress(&mut again, chunks.each_ref().map(|it| it.as_slice()));
        again.reverse();
        assert_eq!(again, states, "{N} lanes");
    }

    #[test]
    fn every_lane_hashes_its_own_message() {
        agrees::<TwoLanes, 2>();
        agrees::<EightLanes, 8>();
        agrees::<SixteenLanes, 16>();
    }
}
