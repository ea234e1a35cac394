// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why nobody vouches for an image.
//!
//! **In:** typed facts. **Out:** findings. **Refuses:** nothing.

use super::cms::CmsError;
use crate::designator::PartitionDesignator;
use crate::digest::HashAlgorithm;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::request::Pin;
use crate::revocation::Revoked;

/// Why nobody vouches for an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum AuthenticateError {
    #[error("the root hash is {found} bytes long, {algorithm} digests are not")]
    Algorithm { designator: PartitionDesignator, algorithm: HashAlgorithm, found: usize },
    #[error("{error}")]
    Cms { designator: PartitionDesignator, error: CmsError, origin: Origin },
    #[error("a signature, and no trust anchor to check it with")]
    NoAnchors { designator: PartitionDesignator, origin: Origin },
    #[error("no signature, and no trusted pin names the root hash")]
    NoEvidence { designator: PartitionDesignator, origin: Origin },
    #[error("the root hash is {found}")]
    PinDiffers { designator: PartitionDesignator, pin: Pin, found: String },
    #[error("{} is given, and no partition that it could be held against is used as {designator}", pin.word)]
    PinUnused { designator: PartitionDesignator, pin: Pin },
    #[error("the root hash is revoked: {entry}")]
    Revoked { designator: PartitionDesignator, entry: Revoked, origin: Origin },
}

impl Refusal for AuthenticateError {
    fn class(&self) -> Class {
        match self {
            Self::Algorithm { .. } => Class::Verity,
            Self::Cms { error, .. } => error.class(),
            Self::NoAnchors { .. } => Class::Config,
            Self::NoEvidence { .. } => Class::Sig,
            Self::PinDiffers { .. } | Self::PinUnused { .. } => Class::Pair,
            Self::Revoked { .. } => Class::Revoked,
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, advice) = self.help();
        let (designator, required_by) = self.place();
        Finding {
            id,
            stage: Stage::Authenticate,
            outcome: Outcome::Failed,
            subject: designator.name().to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

impl AuthenticateError {
    /// Which partition, and who demands something of it.
    fn place(&self) -> (PartitionDesignator, Origin) {
        match self {
            Self::Algorithm { designator, .. } => {
                (*designator, Origin::Rule("Discoverable Partitions Specification, \"Verity\""))
            }
            Self::Cms { designator, origin, .. }
            | Self::NoAnchors { designator, origin }
            | Self::NoEvidence { designator, origin }
            | Self::Revoked { designator, origin, .. } => (*designator, origin.clone()),
            Self::PinDiffers { designator, pin, .. } | Self::PinUnused { designator, pin } => {
                (*designator, pin.origin.clone())
            }
        }
    }

    /// Id, what was demanded, and what to do.
    fn help(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Algorithm { .. } => (
                "authenticate-algorithm",
                "a root hash of the superblock's algorithm",
                "build the image anew: superblock and signature disagree",
            ),
            Self::NoAnchors { .. } => (
                "authenticate-anchors",
                "a trust anchor",
                "put the signer's certificate into /etc/verity.d, or name it: --certificate=",
            ),
            Self::Cms { .. } => (
                "authenticate-signature",
                "a signature over the root hash by a trusted key",
                "sign the image with a key whose certificate is among the trust anchors, or add \
                 the signer's certificate to /etc/verity.d in the initrd",
            ),
            Self::NoEvidence { .. } => (
                "authenticate-evidence",
                "a signature by a trusted key, or a pin on an authenticated command line",
                "sign the image: a hash that only the image names proves nothing",
            ),
            Self::PinDiffers { .. } => (
                "authenticate-pin",
                "the root hash that the pin names",
                "serve the image that was pinned, or pin the one that is served",
            ),
            Self::PinUnused { .. } => (
                "authenticate-pin",
                "a partition that the pin can be applied to",
                "take the pin away: one that can't be applied protects nothing",
            ),
            Self::Revoked { .. } => (
                "authenticate-revoked",
                "a root hash that is not revoked",
                "serve another image: the owner of this machine has withdrawn this one",
            ),
        }
    }
}
