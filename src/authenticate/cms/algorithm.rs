// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The closed list of digests and signature algorithms, and the one call that verifies.
//!
//! **In:** algorithm identifiers an attacker may have written; a trust anchor's key.
//! **Out:** whether a signature is that key's over those bytes. **Refuses:** every algorithm and
//! parameter off the list.
//!
//! RSA with PKCS#1 v1.5 ([RFC 3370] §3.2, [RFC 4055] §5) and PSS ([RFC 4056]), ECDSA ([RFC 5754]
//! §3.3), Ed25519 ([RFC 8419]), each with SHA-256, SHA-384 or SHA-512.
//!
//! [RFC 3370]: https://www.rfc-editor.org/rfc/rfc3370
//! [RFC 4055]: https://www.rfc-editor.org/rfc/rfc4055
//! [RFC 4056]: https://www.rfc-editor.org/rfc/rfc4056
//! [RFC 5754]: https://www.rfc-editor.org/rfc/rfc5754
//! [RFC 8419]: https://www.rfc-editor.org/rfc/rfc8419

use std::fmt;

use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use der::asn1::{Any, ContextSpecific, ObjectIdentifier};
use der::oid::db::{rfc5912, rfc8410};
use der::{Reader, TagMode, TagNumber};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::md::{Md, MdRef};
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};

use super::CmsError;

/// Digests a signature may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureDigest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl SignatureDigest {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Reads a digest algorithm; its parameters may be absent or NULL ([RFC 5754] §2).
    ///
    /// [RFC 5754]: https://www.rfc-editor.org/rfc/rfc5754
    pub(super) fn parse(found: &AlgorithmIdentifierOwned) -> Result<Self, CmsError> {
        Self::ALL
            .into_iter()
            .find(|it| it.oid() == found.oid && absent_or_null(found))
            .ok_or(CmsError::DigestAlgorithm { found: found.oid })
    }

    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
        }
    }

    /// OpenSSL's name of it.
    pub(super) fn openssl(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    /// The same for calls that take a digest that was made before.
    fn md(self) -> &'static MdRef {
        match self {
            Self::Sha256 => Md::sha256(),
            Self::Sha384 => Md::sha384(),
            Self::Sha512 => Md::sha512(),
        }
    }
}

impl fmt::Display for SignatureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// Signature algorithms, each with the digest of its `SignerInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA over P-256, P-384 or P-521.
    Ecdsa(SignatureDigest),
    /// Ed25519, which brings its own digest.
    Ed25519,
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(SignatureDigest),
    /// RSASSA-PSS with MGF1 over the same digest.
    RsaPss {
        /// Digest of message and mask.
        digest: SignatureDigest,
        /// Exact length of the salt, bytes.
        salt: u16,
    },
}

impl SignatureAlgorithm {
    /// Reads a signature algorithm and makes sure that it agrees with the digest declared.
    pub(super) fn parse(
        found: &AlgorithmIdentifierOwned,
        digest: SignatureDigest,
    ) -> Result<Self, CmsError> {
        let (rsa, ecdsa) = match digest {
            SignatureDigest::Sha256 => {
                (rfc5912::SHA_256_WITH_RSA_ENCRYPTION, rfc5912::ECDSA_WITH_SHA_256)
            }
            SignatureDigest::Sha384 => {
                (rfc5912::SHA_384_WITH_RSA_ENCRYPTION, rfc5912::ECDSA_WITH_SHA_384)
            }
            SignatureDigest::Sha512 => {
                (rfc5912::SHA_512_WITH_RSA_ENCRYPTION, rfc5912::ECDSA_WITH_SHA_512)
            }
        };
        let oid = found.oid;
        let parameters = |good: bool, it: Self| {
            if good { Ok(it) } else { Err(CmsError::SignatureParameters { algorithm: oid }) }
        };
        if oid == rfc5912::RSA_ENCRYPTION || oid == rsa {
            parameters(absent_or_null(found), Self::RsaPkcs1(digest))
        } else if oid == ecdsa {
            parameters(found.parameters.is_none(), Self::Ecdsa(digest))
        } else if oid == rfc8410::ID_ED_25519 {
            // RFC 8419 §3.1: with Ed25519 the digest is SHA-512.
            let good = found.parameters.is_none() && digest == SignatureDigest::Sha512;
            parameters(good, Self::Ed25519)
        } else if oid == rfc5912::ID_RSASSA_PSS {
            let salt = found.parameters.as_ref().and_then(|it| parse_pss(it, digest));
            parameters(salt.is_some(), Self::RsaPss { digest, salt: salt.unwrap_or_default() })
        } else {
            Err(CmsError::SignatureAlgorithm { found: oid })
        }
    }

    /// Whether keys of that kind make such signatures.
    pub(super) fn fits(self, key: &PKeyRef<Public>) -> bool {
        key.id()
            == match self {
                Self::Ecdsa(_) => Id::EC,
                Self::Ed25519 => Id::ED25519,
                Self::RsaPkcs1(_) | Self::RsaPss { .. } => Id::RSA,
            }
    }

    /// Whether `signature` is that key's over `message`. A failure inside OpenSSL is a no.
    pub(super) fn verifies(self, key: &PKeyRef<Public>, message: &[u8], signature: &[u8]) -> bool {
        self.fits(key) && self.try_verify(key, message, signature).unwrap_or(false)
    }

    fn try_verify(
        self,
        key: &PKeyRef<Public>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, ErrorStack> {
        let mut verifier = match self {
            Self::Ed25519 => Verifier::new_without_digest(key)?,
            Self::Ecdsa(digest) | Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. } => {
                Verifier::new(digest.openssl(), key)?
            }
        };
        match self {
            Self::Ecdsa(_) | Self::Ed25519 => {}
            Self::RsaPkcs1(_) => verifier.set_rsa_padding(Padding::PKCS1)?,
            Self::RsaPss { digest, salt } => {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(digest.openssl())?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt.into()))?;
            }
        }
        verifier.verify_oneshot(signature, message)
    }

    /// Whether `signature` is that key's over content with this digest, which is the one of
    /// [`Self`]. Never for Ed25519, which takes the content itself. A failure inside OpenSSL is a
    /// no.
    pub(super) fn verifies_digest(
        self,
        key: &PKeyRef<Public>,
        digest: &[u8],
        signature: &[u8],
    ) -> bool {
        self.fits(key) && self.try_verify_digest(key, digest, signature).unwrap_or(false)
    }

    fn try_verify_digest(
        self,
        key: &PKeyRef<Public>,
        value: &[u8],
        signature: &[u8],
    ) -> Result<bool, ErrorStack> {
        let (Self::Ecdsa(digest) | Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. }) = self
        else {
            return Ok(false);
        };
        if value.len() != digest.openssl().size() {
            return Ok(false);
        }
        let mut verifier = PkeyCtx::new(key)?;
        verifier.verify_init()?;
        if let Self::RsaPkcs1(_) = self {
            verifier.set_rsa_padding(Padding::PKCS1)?;
        }
        if let Self::RsaPss { salt, .. } = self {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt.into()))?;
        }
        verifier.set_signature_md(digest.md())?;
        if let Self::RsaPss { .. } = self {
            verifier.set_rsa_mgf1_md(digest.md())?;
        }
        verifier.verify(value, signature)
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa(digest) => write!(f, "ECDSA with {digest}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::RsaPkcs1(digest) => write!(f, "RSA PKCS#1 v1.5 with {digest}"),
            Self::RsaPss { digest, salt } => write!(f, "RSA-PSS with {digest}, salt of {salt}"),
        }
    }
}

fn absent_or_null(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.parameters.as_ref().is_none_or(Any::is_null)
}

/// Salt length of RSASSA-PSS-params ([RFC 4055] §3.1) that name `digest` twice.
///
/// The defaults (SHA-1, salt of 20, trailer 1) are left out in DER: a digest that is left out is
/// refused with SHA-1, a trailer that is there is not the default.
///
/// [RFC 4055]: https://www.rfc-editor.org/rfc/rfc4055
fn parse_pss(parameters: &Any, digest: SignatureDigest) -> Option<u16> {
    const DEFAULT_SALT: u16 = 20;
    let names_digest = |it: &AlgorithmIdentifierOwned| SignatureDigest::parse(it) == Ok(digest);
    let read = |reader: &mut der::SliceReader<'_>| {
        let hash: Option<ContextSpecific<AlgorithmIdentifierOwned>> =
            ContextSpecific::decode_explicit(reader, TagNumber::N0)?;
        let mask: Option<ContextSpecific<AlgorithmIdentifierOwned>> =
            ContextSpecific::decode_explicit(reader, TagNumber::N1)?;
        let salt: Option<u16> = reader.context_specific(TagNumber::N2, TagMode::Explicit)?;
        Ok((hash, mask, salt))
    };
    let (hash, mask, salt) = parameters.sequence(read).ok()?;
    let mask = mask?.value;
    let mask_hash: AlgorithmIdentifierOwned = mask.parameters?.decode_as().ok()?;
    (names_digest(&hash?.value)
        && mask.oid == rfc5912::ID_MGF_1
        && names_digest(&mask_hash)
        && salt != Some(DEFAULT_SALT))
    .then_some(salt.unwrap_or(DEFAULT_SALT))
}
