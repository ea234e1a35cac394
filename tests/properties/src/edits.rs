// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Short scripts that change long inputs.
//!
//! **In:** what a fuzzer wrote: one byte that says what to mend afterwards, then records of eight
//! bytes. **Out:** a big structure with those changes, its checksums right or not as the first byte
//! says. **Refuses:** nothing; a record that is cut off is left out.
//!
//! A fuzzer that mutates an image of megabytes breaks a checksum, and nothing else, for ever.

use std::ops::Range;

/// A script.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    mend: u8,
    records: &'a [u8],
}

/// Values that sizes and places are wrong at.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    33,
    34,
    127,
    128,
    129,
    511,
    512,
    4096,
    1 << 31,
    u32::MAX as u64,
    1 << 53,
    i64::MAX as u64,
    u64::MAX,
];

impl<'a> Script<'a> {
    /// Reads a script.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        match input.split_first() {
            Some((mend, records)) => Self { mend: *mend, records },
            None => Self { mend: 0, records: &[] },
        }
    }

    /// Whether bit `bit` of the first byte is clear: mending is the default.
    #[must_use]
    pub fn mends(self, bit: u8) -> bool {
        self.mend & (1 << bit) == 0
    }

    /// Applies every record to `bytes`, each to one of the regions.
    pub fn apply(self, bytes: &mut [u8], regions: &[Range<usize>]) {
        for record in self.records.chunks_exact(8) {
            let [region, kind, a, b, w, x, y, z] = *record else { continue };
            let Some(range) = regions.get(usize::from(region) % regions.len().max(1)) else {
                return;
            };
            let target = &mut bytes[range.clone()];
            if target.is_empty() {
                continue;
            }
            let offset = u16::from_le_bytes([a, b]);
            // Long regions are reached in strides.
            let stride = target.len().div_ceil(1 << 16);
            let at = (usize::from(offset) * stride + usize::from(z) % stride) % target.len();
            let value = u32::from_le_bytes([w, x, y, z]);
            let put = |target: &mut [u8], new: &[u8]| {
                let len = new.len().min(target.len() - at);
                target[at..at + len].copy_from_slice(&new[..len]);
            };
            match kind % 8 {
                0 | 1 => target[at] ^= 1 << (w & 7),
                2 => target[at] = w,
                3 => put(target, &[w, x]),
                4 => put(target, &value.to_le_bytes()),
                5 => put(target, &EDGES[usize::from(w) % EDGES.len()].to_le_bytes()),
                6 => {
                    let mut old = [0; 8];
                    let len = 8.min(target.len() - at);
                    old[..len].copy_from_slice(&target[at..at + len]);
                    let by = i64::from(i16::from_le_bytes([w, x]));
                    put(target, &u64::from_le_bytes(old).wrapping_add_signed(by).to_le_bytes());
                }
                _ => {
                    // From elsewhere in the region: entries become doubles of each other.
                    let from = usize::from(u16::from_le_bytes([w, x])) % target.len();
                    let len = (usize::from(y) + 1).min(target.len() - from.max(at));
                    target.copy_within(from..from + len, at);
                }
            }
        }
    }
}

/// One record, as seeds write them.
#[must_use]
pub fn record(region: u8, kind: u8, offset: u16, operand: [u8; 4]) -> Vec<u8> {
    let [a, b] = offset.to_le_bytes();
    let [w, x, y, z] = operand;
    vec![region, kind, a, b, w, x, y, z]
}

/// Seeds for any structure: unchanged under each of `mends`, and one change in each region.
#[must_use]
pub fn seeds(mends: &[u8], regions: u8) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = mends.iter().map(|mend| vec![*mend]).collect();
    for region in 0..regions {
        for (kind, offset) in [(0, 0), (5, 8), (5, 32), (6, 40), (7, 64), (4, 72)] {
            seeds.push([vec![0], record(region, kind, offset, [1, 0, 16, 0])].concat());
        }
    }
    seeds
}
