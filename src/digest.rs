// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Hash algorithms, digests and root hashes that are still claims.
//!
//! **In:** hex text and bytes from images, command lines and trees. **Out:** digests whose length
//! belongs to an allowed algorithm. **Refuses:** every other algorithm and length. What an image
//! or an untrusted word says is a [`RootHashClaim`]; an authenticated root hash is another type,
//! made by `authenticate` alone.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// Hash algorithms a verity tree may use. SHA-1, MD5, CRCs and keyed modes are not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256, what systemd-repart and veritysetup write by default.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Digest length, bytes.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The name as the verity superblock and the kernel's dm-verity table spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of that exact name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Sha256, Self::Sha512].into_iter().find(|it| it.name().as_bytes() == name)
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A root hash that somebody claims: an image's JSON, a kernel word. Proves nothing.
///
/// Its length is that of an allowed algorithm. Shown in lower-case hex, which is also what a
/// signature covers (Discoverable Partitions Specification, verity signature partitions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHashClaim(Vec<u8>);

impl RootHashClaim {
    /// Takes the bytes of a digest; `None` if no allowed algorithm has digests of that length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
            .iter()
            .any(|it| it.digest_len() == bytes.len())
            .then(|| Self(bytes.to_vec()))
    }

    /// Takes hex digits of either case and nothing else; `None` as [`Self::from_bytes`].
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        Self::from_bytes(&HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?)
    }

    /// The digest bytes: 32 or 64.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RootHashClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_algorithms() {
        assert_eq!(HashAlgorithm::from_name(b"sha256"), Some(HashAlgorithm::Sha256));
        for name in [&b"SHA256"[..], b"sha1", b"", b"sha256\0", b"sha256 0 ignore_corruption"] {
            assert_eq!(HashAlgorithm::from_name(name), None);
        }
    }

    #[test]
    fn claims_have_the_length_of_an_allowed_digest() {
        for len in 0..70 {
            let made = RootHashClaim::from_hex(&"ab".repeat(len));
            assert_eq!(made.is_some(), len == 32 || len == 64, "{len}");
        }
    }

    #[test]
    fn hex_is_read_in_either_case_and_shown_in_lower() {
        let claim = RootHashClaim::from_hex(&"aB".repeat(32)).unwrap();
        assert_eq!(claim.to_string(), "ab".repeat(32));
        for hex in ["0x".to_owned() + &"ab".repeat(31), " ".to_owned() + &"a".repeat(63)] {
            assert_eq!(RootHashClaim::from_hex(&hex), None);
        }
    }
}
