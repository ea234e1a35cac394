// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The digest of signed content that is too long to be held.
//!
//! **In:** bytes an attacker may have written, in order, of any number. **Out:** a
//! [`ContentDigest`]: what a signer would have signed of them. **Refuses:** nothing; content that
//! could pass for a set of signed attributes is remembered as such.

use std::fmt;

use der::{Decode, Header, Reader, SliceReader, Tag};
use openssl::error::ErrorStack;
use openssl::hash::Hasher;

use super::SignatureDigest;

/// Bytes that hold the header of a DER value of any length.
const HEAD: usize = 16;

/// Takes content piece by piece.
#[derive(Clone)]
pub struct ContentHasher {
    algorithm: SignatureDigest,
    hasher: Hasher,
    head: Vec<u8>,
    len: u64,
}

impl fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHasher({} of {} bytes)", self.algorithm, self.len)
    }
}

impl ContentHasher {
    /// Begins with no content.
    ///
    /// # Errors
    /// What OpenSSL says where it has no such digest.
    pub fn new(algorithm: SignatureDigest) -> Result<Self, ErrorStack> {
        let hasher = Hasher::new(algorithm.openssl())?;
        Ok(Self { algorithm, hasher, head: Vec::new(), len: 0 })
    }

    /// Takes what follows.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), ErrorStack> {
        let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend(bytes.iter().take(room));
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.hasher.update(bytes)
    }

    /// The digest of everything that came.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn finish(mut self) -> Result<ContentDigest, ErrorStack> {
        let value = self.hasher.finish()?.to_vec();
        let Self { algorithm, head, len, .. } = self;
        Ok(ContentDigest { algorithm, value, head, len })
    }
}

/// The digest of some content. Made by a [`ContentHasher`] alone.
#[derive(Debug)]
pub struct ContentDigest {
    algorithm: SignatureDigest,
    value: Vec<u8>,
    head: Vec<u8>,
    len: u64,
}

impl ContentDigest {
    /// Which digest.
    #[must_use]
    pub fn algorithm(&self) -> SignatureDigest {
        self.algorithm
    }

    /// Its bytes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether the content is one DER SET from its first to its last byte, as signed attributes
    /// are. Neither a tarball nor anything compressed is.
    pub(super) fn may_be_attributes(&self) -> bool {
        let Ok(mut reader) = SliceReader::new(&self.head) else { return false };
        let Ok(header) = Header::decode(&mut reader) else { return false };
        let total = u64::from(u32::from(reader.position()))
            .checked_add(u64::from(u32::from(header.length)));
        header.tag == Tag::Set && total == Some(self.len)
    }
}
