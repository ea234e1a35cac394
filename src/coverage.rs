// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What vouches for each byte of an image.
//!
//! **In:** what the stages found out, range by range. **Out:** a [`Coverage`]: regions from the
//! first byte to the last, each byte in exactly one. **Refuses:** nothing; what lies past the end
//! is not kept.

use std::fmt;

use crate::units::ByteRange;

/// What vouches for a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cover {
    /// Data of a hash tree whose root hash is signed by a trusted key, or pinned, or a whole file that
    /// is; it was hashed.
    Signed,
    /// That hash tree; it was hashed up to its root hash.
    Tree,
    /// Tables, superblocks and signatures: read strictly, and what they say was checked.
    Structural,
    /// Used without protection, because policy says so.
    Unprotected,
    /// In a partition that will not be used.
    Unused,
    /// In no partition, or in one behind what is used of it.
    Unreferenced,
    /// Not known: the image was refused before.
    Unproven,
    /// Not what the root hash means: why the image was refused.
    Contradicted,
}

impl Cover {
    /// All, from the strongest word to the worst.
    pub const ALL: [Self; 8] = [
        Self::Signed,
        Self::Tree,
        Self::Structural,
        Self::Unprotected,
        Self::Unused,
        Self::Unreferenced,
        Self::Unproven,
        Self::Contradicted,
    ];

    /// Lower-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Tree => "tree",
            Self::Structural => "structural",
            Self::Unprotected => "unprotected",
            Self::Unused => "unused",
            Self::Unreferenced => "unreferenced",
            Self::Unproven => "unproven",
            Self::Contradicted => "contradicted",
        }
    }
}

impl fmt::Display for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Neighbouring bytes of one partition that have the same standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Bytes of the image.
    pub range: ByteRange,
    /// What vouches for them.
    pub cover: Cover,
    /// The slot they stand in, counted from 1.
    pub partition: Option<u32>,
}

/// Every byte of an image, from the first to the last. The default is that of no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    regions: Vec<Region>,
}

impl Coverage {
    /// For an image of `len` bytes of which nothing is known.
    #[must_use]
    pub fn new(len: u64) -> Self {
        let whole = ByteRange::new(0, len);
        let region = |range| Region { range, cover: Cover::Unproven, partition: None };
        Self { regions: whole.map(region).into_iter().collect() }
    }

    /// Says what vouches for a range.
    pub fn set(&mut self, range: ByteRange, cover: Cover) {
        self.change(range, |region| region.cover = cover);
    }

    /// Says which partition a range is.
    pub fn assign(&mut self, range: ByteRange, partition: u32) {
        self.change(range, |region| region.partition = Some(partition));
    }

    /// Says what became of everything that was called something else.
    pub fn replace(&mut self, old: Cover, new: Cover) {
        let Some(whole) = ByteRange::new(0, self.len()) else { return };
        self.change(whole, |region| {
            if region.cover == old {
                region.cover = new;
            }
        });
    }

    /// In the order of the image: no gap, no overlap, no two neighbours alike.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Length of the image, bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.regions.last().map_or(0, |it| it.range.end())
    }

    /// Whether there is nothing to say anything of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// How many bytes have this standing.
    #[must_use]
    pub fn bytes(&self, cover: Cover) -> u64 {
        let its = self.regions.iter().filter(|it| it.cover == cover);
        its.map(|it| it.range.len()).fold(0, u64::saturating_add)
    }

    fn change(&mut self, range: ByteRange, change: impl Fn(&mut Region)) {
        let mut regions: Vec<Region> = Vec::with_capacity(self.regions.len().saturating_add(2));
        for region in self.regions.drain(..) {
            let (start, end) = (region.range.offset(), region.range.end());
            let from = range.offset().clamp(start, end);
            let to = range.end().clamp(from, end);
            for (start, end) in [(start, from), (from, to), (to, end)] {
                let Some(part) = ByteRange::new(start, end.saturating_sub(start)) else { continue };
                let mut piece = Region { range: part, ..region };
                if part.overlaps(range) {
                    change(&mut piece);
                }
                match regions.last_mut().map(|last| (last.joined(piece), last)) {
                    Some((Some(joined), last)) => *last = joined,
                    Some((None, _)) | None => regions.push(piece),
                }
            }
        }
        self.regions = regions;
    }
}

impl Region {
    /// This one and the next as one, if they are alike.
    fn joined(self, next: Self) -> Option<Self> {
        let alike = (self.cover, self.partition) == (next.cover, next.partition);
        let len = next.range.end().checked_sub(self.range.offset())?;
        let range = ByteRange::new(self.range.offset(), len)?;
        alike.then_some(Self { range, ..self })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is said of a range: a standing, or a partition.
    #[derive(Clone, Debug)]
    enum Word {
        Set(Cover),
        Assign(u32),
        Replace(Cover, Cover),
    }

    fn covers() -> impl Strategy<Value = Cover> {
        proptest::sample::select(Cover::ALL.to_vec())
    }

    fn words() -> impl Strategy<Value = Word> {
        prop_oneof![
            covers().prop_map(Word::Set),
            (1_u32..4).prop_map(Word::Assign),
            (covers(), covers()).prop_map(|(old, new)| Word::Replace(old, new)),
        ]
    }

    proptest! {
        #[test]
        fn every_byte_has_exactly_one_standing(
            len in 0_u64..200,
            said in proptest::collection::vec((0_u64..250, 1_u64..250, words()), 0..20),
        ) {
            let mut coverage = Coverage::new(len);
            let mut model = vec![(Cover::Unproven, None); len as usize];
            for (offset, size, word) in said {
                let range = ByteRange::new(offset, size).unwrap();
                let bytes = || (offset.min(len) as usize)..((offset + size).min(len) as usize);
                match word {
                    Word::Set(cover) => {
                        coverage.set(range, cover);
                        model[bytes()].iter_mut().for_each(|it| it.0 = cover);
                    }
                    Word::Assign(number) => {
                        coverage.assign(range, number);
                        model[bytes()].iter_mut().for_each(|it| it.1 = Some(number));
                    }
                    Word::Replace(old, new) => {
                        coverage.replace(old, new);
                        model.iter_mut().filter(|it| it.0 == old).for_each(|it| it.0 = new);
                    }
                }
            }
            let mut at = 0;
            for (index, region) in coverage.regions().iter().enumerate() {
                prop_assert_eq!(region.range.offset(), at);
                at = region.range.end();
                for byte in region.range.offset()..at {
                    prop_assert_eq!(model[byte as usize], (region.cover, region.partition));
                }
                if let Some(next) = coverage.regions().get(index + 1) {
                    prop_assert_ne!((region.cover, region.partition), (next.cover, next.partition));
                }
            }
            prop_assert_eq!((at, coverage.len()), (len, len));
            let sum: u64 = Cover::ALL.iter().map(|it| coverage.bytes(*it)).sum();
            prop_assert_eq!(sum, len);
        }
    }
}
