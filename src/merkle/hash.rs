// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The block hasher: digest of salt, then block.
//!
//! **In:** a salt and blocks, both chosen by whoever made the image. **Out:** their digests.
//! **Refuses:** nothing; comparing is `scan`'s work.

use std::fmt;

use data_encoding::HEXLOWER;
use openssl::sha::{Sha256, Sha512};

use super::lanes::Lanes;
use crate::digest::HashAlgorithm;

/// A digest of a block, or a slot that should hold one. Shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Digest {
    /// The digest bytes: 32 or 64; fewer only for a slot that was cut off.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Copies a slot; what a digest can't hold is cut off.
    pub(super) fn from_slot(slot: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let len = bytes.iter_mut().zip(slot).map(|(to, from)| *to = *from).count();
        Self { bytes, len }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes blocks of one size under one salt.
pub(super) struct BlockHasher {
    salted: Salted,
    lanes: Option<Lanes>,
    block_size: usize,
}

/// The state after the salt: the same for every block.
enum Salted {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl BlockHasher {
    pub(super) fn new(algorithm: HashAlgorithm, salt: &[u8], block_size: u32) -> Self {
        let block_size = usize::try_from(block_size).unwrap_or(usize::MAX);
        let mut lanes = None;
        let salted = match algorithm {
            HashAlgorithm::Sha256 => {
                let mut state = Sha256::new();
                state.update(salt);
                lanes = Lanes::new(salt, block_size);
                Salted::Sha256(state)
            }
            HashAlgorithm::Sha512 => {
                let mut state = Sha512::new();
                state.update(salt);
                Salted::Sha512(state)
            }
        };
        Self { salted, lanes, block_size }
    }

    pub(super) fn block_size(&self) -> usize {
        self.block_size
    }

    pub(super) fn digest_len(&self) -> usize {
        match self.salted {
            Salted::Sha256(_) => HashAlgorithm::Sha256.digest_len(),
            Salted::Sha512(_) => HashAlgorithm::Sha512.digest_len(),
        }
    }

    /// The digests of consecutive blocks, in order.
    pub(super) fn digests(&self, blocks: &[u8]) -> impl Iterator<Item = Digest> {
        blocks.chunks(self.block_size.saturating_mul(2)).flat_map(|pair| {
            let (a, b) = pair.split_at_checked(self.block_size).unwrap_or((pair, &[]));
            match self.lanes.as_ref().and_then(|lanes| lanes.digests([a, b])) {
                Some(digests) => digests.map(|it| Some(Digest::from_slot(&it))),
                None => [Some(self.digest(a)), (!b.is_empty()).then(|| self.digest(b))],
            }
            .into_iter()
            .flatten()
        })
    }

    fn digest(&self, block: &[u8]) -> Digest {
        match &self.salted {
            Salted::Sha256(salted) => {
                let mut state = salted.clone();
                state.update(block);
                Digest::from_slot(&state.finish())
            }
            Salted::Sha512(salted) => {
                let mut state = salted.clone();
                state.update(block);
                Digest::from_slot(&state.finish())
            }
        }
    }
}

impl fmt::Debug for BlockHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockHasher").field("block_size", &self.block_size).finish_non_exhaustive()
    }
}
