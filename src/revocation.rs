// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is not trusted any more.
//!
//! **In:** the entries of a policy file. **Out:** [`Revocations`], which say of a signer or a root
//! hash whether it is on the list. **Refuses:** entries of any other form: one that nobody
//! understands would be one that revokes nothing.
//!
//! An entry is a kind, a colon, and lower-case hex: `spki-sha256:` revokes a key under every
//! certificate of it, `certificate-sha256:` one certificate, `root-hash:` one image,
//! `archive-sha256:` one archive.

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::HEXLOWER;
use thiserror::Error;

use crate::digest::RootHashClaim;
use crate::escape::escape;

/// Keys, certificates and root hashes that are not trusted any more; perhaps none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations(BTreeSet<Revoked>);

/// One entry: what is revoked, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// SHA-256 of an archive, as received.
    Archive(String),
    /// SHA-256 of a certificate in DER.
    Certificate(String),
    /// SHA-256 of a public key (`SubjectPublicKeyInfo` in DER).
    Key(String),
    /// Root hash of an image.
    RootHash(String),
}

impl Revocations {
    /// Parses entries.
    ///
    /// # Errors
    /// See [`RevocationError`].
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, RevocationError> {
        let mut revoked = BTreeSet::new();
        for entry in entries {
            let entry = entry.as_ref();
            if !revoked.insert(Revoked::parse(entry)?) {
                return Err(RevocationError::Repeated { entry: escape(entry) });
            }
        }
        Ok(Self(revoked))
    }

    /// Adds the entries of another list; nothing is ever taken off.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The entry that revokes this root hash. Asked for pinned root hashes as for signed ones.
    #[must_use]
    pub fn of_root_hash(&self, root_hash: &RootHashClaim) -> Option<&Revoked> {
        self.0.get(&Revoked::RootHash(root_hash.to_string()))
    }

    /// The entry that revokes this archive, by its SHA-256. Asked for pinned archives as for signed
    /// ones.
    #[must_use]
    pub fn of_archive(&self, sha256: &[u8; 32]) -> Option<&Revoked> {
        self.0.get(&Revoked::Archive(HEXLOWER.encode(sha256)))
    }

    /// The entry that revokes a certificate or its key, by their SHA-256.
    pub(crate) fn of_signer(&self, certificate: &[u8; 32], key: &[u8; 32]) -> Option<&Revoked> {
        let key = self.0.get(&Revoked::Key(HEXLOWER.encode(key)));
        key.or_else(|| self.0.get(&Revoked::Certificate(HEXLOWER.encode(certificate))))
    }
}

impl FromIterator<Revoked> for Revocations {
    fn from_iter<I: IntoIterator<Item = Revoked>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Revoked {
    /// Reads one entry.
    ///
    /// # Errors
    /// [`RevocationError::Kind`] or [`RevocationError::Digest`].
    pub fn parse(entry: &str) -> Result<Self, RevocationError> {
        let (kind, hex) =
            entry.split_once(':').ok_or_else(|| RevocationError::Kind { entry: escape(entry) })?;
        let make = match kind {
            "archive-sha256" => Self::Archive,
            "certificate-sha256" => Self::Certificate,
            "root-hash" => Self::RootHash,
            "spki-sha256" => Self::Key,
            _ => return Err(RevocationError::Kind { entry: escape(entry) }),
        };
        // Only a root hash has two lengths.
        HEXLOWER
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| RootHashClaim::from_bytes(&bytes))
            .filter(|it| kind == "root-hash" || it.as_bytes().len() == 32)
            .map(|it| make(it.to_string()))
            .ok_or_else(|| RevocationError::Digest { entry: escape(entry) })
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(hex) => write!(f, "archive-sha256:{hex}"),
            Self::Certificate(hex) => write!(f, "certificate-sha256:{hex}"),
            Self::Key(hex) => write!(f, "spki-sha256:{hex}"),
            Self::RootHash(hex) => write!(f, "root-hash:{hex}"),
        }
    }
}

/// Why a list of revocations can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationError {
    /// What follows the kind is not a digest of its length in lower-case hex.
    #[error("revocation \"{entry}\": not a digest in lower-case hex")]
    Digest {
        /// As written, escaped.
        entry: String,
    },
    /// Not one of the four kinds.
    #[error(
        "revocation \"{entry}\": not spki-sha256:, certificate-sha256:, root-hash: or archive-sha256:"
    )]
    Kind {
        /// As written, escaped.
        entry: String,
    },
    /// Twice: one of the two was meant to be another.
    #[error("revocation \"{entry}\" is there twice")]
    Repeated {
        /// As written, escaped.
        entry: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> String {
        HEXLOWER.encode(&[byte; 32])
    }

    #[test]
    fn reads_the_four_kinds_and_shows_them_again() {
        let entries = [
            format!("certificate-sha256:{}", digest(1)),
            format!("spki-sha256:{}", digest(1)),
            format!("archive-sha256:{}", digest(1)),
            format!("root-hash:{}", digest(1)),
            format!("root-hash:{}", "ab".repeat(64)),
        ];
        let revocations = Revocations::parse(&entries).unwrap();
        let mut shown: Vec<String> = revocations.0.iter().map(ToString::to_string).collect();
        shown.sort_unstable();
        let mut expected = entries.to_vec();
        expected.sort_unstable();
        assert_eq!(shown, expected);
        assert_eq!(Revocations::parse::<&str>(&[]), Ok(Revocations::default()));
    }

    #[test]
    fn each_kind_revokes_its_own_and_nothing_else() {
        let one = |kind: &str| Revocations::parse(&[format!("{kind}:{}", digest(1))]).unwrap();
        let [a, b] = [[1; 32], [2; 32]];
        let key = one("spki-sha256");
        assert!(key.of_signer(&b, &a).is_some() && key.of_signer(&a, &b).is_none());
        let certificate = one("certificate-sha256");
        assert!(certificate.of_signer(&a, &b).is_some() && certificate.of_signer(&b, &a).is_none());
        let root_hash = one("root-hash");
        assert!(root_hash.of_signer(&a, &a).is_none());
        let claim = |bytes: [u8; 32]| RootHashClaim::from_bytes(&bytes).unwrap();
        assert!(root_hash.of_root_hash(&claim(a)).is_some());
        assert!(root_hash.of_root_hash(&claim(b)).is_none());
        let archive = one("archive-sha256");
        assert!(archive.of_archive(&a).is_some() && archive.of_archive(&b).is_none());
        assert!(root_hash.of_archive(&a).is_none() && archive.of_signer(&a, &a).is_none());
        for other in [key, certificate, archive] {
            assert!(other.of_root_hash(&claim(a)).is_none());
        }
    }

    #[test]
    fn refuses_every_other_form() {
        let good = digest(0xab);
        assert!(Revocations::parse(&[format!("spki-sha256:{good}")]).is_ok());
        for entry in ["", &good, "serial:01", "SPKI-SHA256:ab", " spki-sha256:ab", "spki-sha256"] {
            let found = Revocations::parse(&[entry]);
            assert_eq!(found, Err(RevocationError::Kind { entry: entry.into() }));
        }
        for hex in [
            "",
            "ab",
            "ab:cd",
            &good.to_uppercase(),
            &format!(" {good}"),
            &format!("{good} "),
            &format!("0x{good}"),
            &"ab".repeat(31),
            &"ab".repeat(33),
            &"ab".repeat(64),
        ] {
            for kind in ["spki-sha256", "certificate-sha256", "archive-sha256"] {
                let entry = format!("{kind}:{hex}");
                let found = Revocations::parse(&[&entry]);
                assert_eq!(found, Err(RevocationError::Digest { entry }));
            }
        }
        for len in [20, 31, 48, 63, 65] {
            let entry = format!("root-hash:{}", "ab".repeat(len));
            let found = Revocations::parse(&[&entry]);
            assert_eq!(found, Err(RevocationError::Digest { entry }));
        }
        let entry = format!("root-hash:{good}");
        let found = Revocations::parse(&[&entry, &entry]);
        assert_eq!(found, Err(RevocationError::Repeated { entry }));
        let found = Revocations::parse(&["x\n\u{1b}"]);
        assert_eq!(found, Err(RevocationError::Kind { entry: "x\\u{a}\\u{1b}".into() }));
    }
}
