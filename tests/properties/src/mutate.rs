// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A small mutator for machines without a fuzzer.
//!
//! **In:** seeds, words of the format, a number. **Out:** the mutant of that number, the same each
//! time; where somebody asks for it, a file with the input that a panic was about. **Refuses:**
//! nothing. It knows no coverage, so it finds what is near the seeds.

use std::cell::RefCell;
use std::path::PathBuf;

/// splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A stream that follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.bits() % limit as u64) as usize }
    }
}

/// Bytes that parsers have opinions on.
const INTERESTING: [u8; 16] = [0, 1, 9, 10, 13, 32, 34, 39, 45, 47, 58, 61, 92, 127, 128, 255];

/// Longest mutant, bytes.
const LONGEST: usize = 1 << 20;

/// Mutant number `number` of a target.
#[must_use]
pub fn mutant(seeds: &[Vec<u8>], words: &[&str], number: u64) -> Vec<u8> {
    let mut random = Random::new(number.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5EED);
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(4) {
        step(&mut bytes, seeds, words, &mut random);
    }
    bytes.truncate(LONGEST);
    bytes
}

thread_local! {
    static LAST: RefCell<(u64, Vec<u8>)> = RefCell::default();
}

/// Keeps what is about to be tried, for [`keep_what_breaks`].
pub fn remember(number: u64, input: &[u8]) {
    LAST.set((number, input.to_vec()));
}

/// From now on a panic writes the input that its thread remembered into a file, and says where. (A
/// release build ends with the panic, so nothing could do it later.)
pub fn keep_what_breaks() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let (number, input) = LAST.take();
        let path: PathBuf = std::env::temp_dir().join(format!("mutant-{number}"));
        let written = std::fs::write(&path, input);
        eprintln!("mutant {number}: {} {written:?}", path.display());
    }));
}

fn step(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let inside = random.below(bytes.len());
    let len = random.below(bytes.len() - inside.min(bytes.len()) + 1).min(64);
    match random.below(10) {
        0 | 1 if !bytes.is_empty() => bytes[inside] ^= 1 << random.below(8),
        2 if !bytes.is_empty() => bytes[inside] = INTERESTING[random.below(INTERESTING.len())],
        3 if !bytes.is_empty() => bytes[inside] = random.bits() as u8,
        4 => drop(bytes.drain(inside..inside + len)),
        5 => {
            let piece = bytes[inside..inside + len].to_vec();
            bytes.splice(at..at, piece);
        }
        6 if !words.is_empty() => {
            let word = words[random.below(words.len())].as_bytes().to_vec();
            bytes.splice(at..at, word);
        }
        7 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let until = from + random.below(other.len() - from.min(other.len()) + 1);
            bytes.splice(at.., other[from..until].iter().copied());
        }
        8 => bytes.insert(at, INTERESTING[random.below(INTERESTING.len())]),
        _ => {
            let fresh: Vec<u8> = (0..1 + random.below(8)).map(|_| random.bits() as u8).collect();
            bytes.splice(at..at, fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_the_same_each_time_and_differ_from_each_other() {
        let seeds = [b"seed".to_vec(), Vec::new()];
        let mutants: Vec<_> = (0..100).map(|it| mutant(&seeds, &["word"], it)).collect();
        assert_eq!(mutants, (0..100).map(|it| mutant(&seeds, &["word"], it)).collect::<Vec<_>>());
        let distinct: std::collections::BTreeSet<_> = mutants.into_iter().collect();
        assert!(distinct.len() > 70, "{}", distinct.len());
    }
}
