// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why a CMS signature is refused.
//!
//! **In:** facts from the parser and the verifier. **Out:** one cause each, with its class.
//! **Refuses:** nothing.

use std::path::{Path, PathBuf};

use der::asn1::ObjectIdentifier;
use thiserror::Error;

use super::SignatureAlgorithm;
use crate::escape::escape;
use crate::finding::Class;
use crate::limits;
use crate::revocation::Revoked;

/// Why a CMS signature is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CmsError {
    /// A signed attribute's value is of the wrong type, length or meaning.
    #[error("CMS: signed attribute {oid} is malformed")]
    AttributeMalformed {
        /// Which.
        oid: ObjectIdentifier,
    },
    /// There are signed attributes, but not this one.
    #[error("CMS: signed attribute {oid} is missing")]
    AttributeMissing {
        /// Which.
        oid: ObjectIdentifier,
    },
    /// A signed attribute twice, or with no or several values.
    #[error("CMS: signed attribute {oid} has not exactly one value")]
    AttributeRepeated {
        /// Which.
        oid: ObjectIdentifier,
    },
    /// A signed attribute off the list.
    #[error("CMS: signed attribute {oid} is not allowed")]
    AttributeUnknown {
        /// Which.
        oid: ObjectIdentifier,
    },
    /// The signature names this trust anchor, whose key did not make it over this content.
    #[error("signature does not verify with {}, the trust anchor it names", shown(anchor))]
    BadSignature {
        /// Its file.
        anchor: PathBuf,
    },
    /// The content is itself a set of signed attributes.
    #[error("content has the form of CMS signed attributes: no signature of it is accepted")]
    ContentIsAttributes,
    /// Not signed data, or not over plain data.
    #[error("CMS: content type {found} is not allowed")]
    ContentType {
        /// Its type.
        found: ObjectIdentifier,
    },
    /// A digest off the list, or with parameters.
    #[error("CMS: digest algorithm {found} is not allowed (SHA-256, SHA-384, SHA-512)")]
    DigestAlgorithm {
        /// Its identifier.
        found: ObjectIdentifier,
    },
    /// `digestAlgorithms` is not exactly the signer's digest.
    #[error("CMS: digestAlgorithms is not exactly the signer's digest")]
    DigestSet,
    /// The signature brings its own content.
    #[error("CMS: signature is not detached")]
    EmbeddedContent,
    /// The trust anchor's key can't make signatures of this algorithm.
    #[error(
        "{algorithm} signature, but {}, the trust anchor it names, has another kind of key",
        shown(anchor)
    )]
    KeyMismatch {
        /// Its file.
        anchor: PathBuf,
        /// The signature's algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// Parses, but DER has another encoding of the same.
    #[error("CMS: not in distinguished encoding")]
    NotCanonical,
    /// Not DER, or not the structure; trailing bytes too.
    #[error("CMS: {kind}")]
    NotDer {
        /// What the decoder says.
        kind: der::ErrorKind,
    },
    /// Ed25519 without signed attributes signs the content itself, which can't be held as a whole.
    #[error("CMS: Ed25519 over a whole file needs signed attributes (sign without -noattr)")]
    OneShot,
    /// A genuine signature of this trust anchor, over something else.
    #[error("{} signed other content, not this", shown(anchor))]
    OtherContent {
        /// Its file.
        anchor: PathBuf,
    },
    /// A genuine signature of a trust anchor that may not sign for this.
    #[error("{} signed this, but may not sign for {scope}", shown(anchor))]
    OutOfScope {
        /// Its file.
        anchor: PathBuf,
        /// What it would have to be allowed to sign for, escaped.
        scope: String,
    },
    /// Revocation lists inside the signature.
    #[error("CMS: embedded revocation lists are not allowed")]
    RevocationLists,
    /// A genuine signature of a trust anchor, and either it or the root hash is revoked.
    #[error("{} signed this, but {entry} is revoked", shown(anchor))]
    Revoked {
        /// Its file.
        anchor: PathBuf,
        /// What is revoked.
        entry: Revoked,
    },
    /// A signature algorithm off the list, or one of another digest than declared.
    #[error("CMS: signature algorithm {found} is not allowed, or not with the digest declared")]
    SignatureAlgorithm {
        /// Its identifier.
        found: ObjectIdentifier,
    },
    /// Parameters that the algorithm must not have, or not these.
    #[error("CMS: parameters of signature algorithm {algorithm} are not allowed")]
    SignatureParameters {
        /// The algorithm.
        algorithm: ObjectIdentifier,
    },
    /// None or several.
    #[error("CMS: {found} signers, exactly 1 is allowed")]
    SignerCount {
        /// How many.
        found: usize,
    },
    /// Nested too deeply.
    #[error("CMS: nested deeper than {}", limits::CMS_DEPTH)]
    TooDeep,
    /// Larger than any detached signature.
    #[error("CMS: {found} bytes, the limit is {}", limits::CMS)]
    TooLarge {
        /// Bytes.
        found: usize,
    },
    /// No trust anchor has the name that the signature gives.
    #[error("no trust anchor for signer {name}")]
    UnknownSigner {
        /// Issuer and serial number or key identifier, escaped.
        name: String,
    },
    /// Attributes that no signature covers.
    #[error("CMS: unsigned attributes are not allowed")]
    UnsignedAttributes,
    /// A version number other than the structure demands.
    #[error("CMS: version does not fit the structure")]
    Version,
}

impl CmsError {
    /// The kind of refusal.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Revoked { .. } => Class::Revoked,
            Self::TooDeep | Self::TooLarge { .. } => Class::Limit,
            Self::BadSignature { .. }
            | Self::ContentIsAttributes
            | Self::DigestAlgorithm { .. }
            | Self::KeyMismatch { .. }
            | Self::OneShot
            | Self::OtherContent { .. }
            | Self::OutOfScope { .. }
            | Self::SignatureAlgorithm { .. }
            | Self::SignatureParameters { .. }
            | Self::UnknownSigner { .. } => Class::Sig,
            Self::AttributeMalformed { .. }
            | Self::AttributeMissing { .. }
            | Self::AttributeRepeated { .. }
            | Self::AttributeUnknown { .. }
            | Self::ContentType { .. }
            | Self::DigestSet
            | Self::EmbeddedContent
            | Self::NotCanonical
            | Self::NotDer { .. }
            | Self::RevocationLists
            | Self::SignerCount { .. }
            | Self::UnsignedAttributes
            | Self::Version => Class::Sigfmt,
        }
    }

    /// How far an attempt with one trust anchor came: the higher, the more it explains.
    pub(super) fn specificity(&self) -> usize {
        let order = [
            matches!(self, Self::KeyMismatch { .. }),
            matches!(self, Self::BadSignature { .. }),
            matches!(self, Self::OtherContent { .. }),
            matches!(self, Self::OutOfScope { .. }),
            matches!(self, Self::Revoked { .. }),
        ];
        order.into_iter().position(|it| it).map_or(0, |at| at.saturating_add(1))
    }
}

impl From<der::Error> for CmsError {
    fn from(error: der::Error) -> Self {
        Self::NotDer { kind: error.kind() }
    }
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy())
}
