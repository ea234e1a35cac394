// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why nobody vouches for an archive.
//!
//! **In:** typed facts. **Out:** findings, with the ids that stand for images too.
//! **Refuses:** nothing.

use crate::authenticate::cms::CmsError;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::policy::ArchivePin;
use crate::revocation::Revoked;
use crate::source;

/// Why nobody vouches for an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum ArchiveError {
    #[error("{error}")]
    Cms { error: CmsError, origin: Origin },
    #[error("it can't be hashed: {reason}")]
    Hash { reason: String },
    #[error("a signature, and no trust anchor to check it with")]
    NoAnchors { origin: Origin },
    #[error("no signature stands beside it, and no trusted pin names it")]
    NoEvidence { origin: Origin },
    #[error("the SHA-256 of the file is {found}")]
    PinDiffers { pin: ArchivePin, found: String },
    #[error("the archive is revoked: {entry}")]
    Revoked { entry: Revoked, origin: Origin },
    #[error(transparent)]
    Source(source::Error),
}

impl Refusal for ArchiveError {
    fn class(&self) -> Class {
        match self {
            Self::Cms { error, .. } => error.class(),
            Self::Hash { .. } => Class::Dev,
            Self::NoAnchors { .. } => Class::Config,
            Self::NoEvidence { .. } => Class::Sig,
            Self::PinDiffers { .. } => Class::Pair,
            Self::Revoked { .. } => Class::Revoked,
            Self::Source(error) => error.class(),
        }
    }

    fn finding(&self) -> Finding {
        if let Self::Source(error) = self {
            return error.finding();
        }
        let (id, expected, advice) = self.help();
        let required_by = match self {
            Self::Cms { origin, .. }
            | Self::NoAnchors { origin }
            | Self::NoEvidence { origin }
            | Self::Revoked { origin, .. } => origin.clone(),
            Self::PinDiffers { pin, .. } => pin.origin.clone(),
            Self::Hash { .. } | Self::Source(_) => {
                Origin::Rule("an archive is authenticated as a whole, before it is taken apart")
            }
        };
        Finding {
            id,
            stage: Stage::Authenticate,
            outcome: Outcome::Failed,
            subject: "archive".to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

impl ArchiveError {
    /// Id, what was demanded, and what to do.
    fn help(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Cms { .. } => (
                "authenticate-signature",
                "a signature over the whole file by a trusted key",
                "sign the archive with a key whose certificate is among the trust anchors and, \
                 where scopes are given, has the scope archive",
            ),
            Self::Hash { .. } => ("authenticate-hash", "a digest", "report this"),
            Self::NoAnchors { .. } => (
                "authenticate-anchors",
                "a trust anchor",
                "put the signer's certificate into /etc/verity.d, or name it: --certificate=",
            ),
            Self::NoEvidence { .. } => (
                "authenticate-evidence",
                "a signature over the whole file by a trusted key, or a trusted pin",
                "sign the archive, and put the signature beside it as NAME.p7s: openssl cms -sign \
                 -binary -outform DER -nocerts -md sha256",
            ),
            Self::PinDiffers { .. } => (
                "authenticate-pin",
                "the SHA-256 that the pin names",
                "serve the archive that was pinned, or pin the one that is served",
            ),
            Self::Revoked { .. } => (
                "authenticate-revoked",
                "an archive that is not revoked",
                "serve another archive: the owner of this machine has withdrawn this one",
            ),
            Self::Source(_) => ("source-file", "a readable archive", "check it"),
        }
    }
}
