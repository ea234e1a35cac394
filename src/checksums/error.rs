// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why a file did not come as it was demanded.
//!
//! **In:** typed facts. **Out:** findings. **Refuses:** nothing.

use super::list::ListError;
use super::openpgp::SignatureError;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::source;

/// Why a file did not come as it was demanded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum Error {
    #[error("there is no {}", tried.join(" and no "))]
    Absent { tried: Vec<String>, origin: Origin },
    #[error("{list}: {error}")]
    List { list: String, error: Box<ListError>, origin: Origin },
    #[error("it has no name that a checksum file could list")]
    NoPlace { origin: Origin },
    #[error("{signature}: {error}")]
    Signature { signature: String, error: Box<SignatureError>, origin: Origin },
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error("{list} is not signed: there is no {}", tried.join(" and no "))]
    Unsigned { list: String, tried: Vec<String>, origin: Origin },
}

impl Refusal for Error {
    fn class(&self) -> Class {
        match self {
            Self::Absent { .. } | Self::Unsigned { .. } => Class::Net,
            Self::List { .. } => Class::Pair,
            Self::NoPlace { .. } => Class::Config,
            Self::Signature { error, .. } => error.class(),
            Self::Source(error) => error.class(),
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, origin, advice) = match self {
            Self::Source(error) => return error.finding(),
            Self::Absent { origin, .. } => (
                "source-checksum-absent",
                "a checksum file beside the image",
                origin,
                "serve the file (sha256sum makes it), or ask for another check with verify=",
            ),
            Self::List { origin, .. } => (
                "source-checksum-list",
                "lines of SHA-256, two spaces and a name, and one hash for the image",
                origin,
                "make the checksum file anew with sha256sum, in the image's directory",
            ),
            Self::NoPlace { origin } => (
                "source-checksum-name",
                "an image with a name, in a directory or under a URL",
                origin,
                "name a file, or ask for no check, or give its SHA-256 in verify=",
            ),
            Self::Signature { origin, .. } => (
                "source-signature",
                "a detached signature of the checksum file by a key of the keyring",
                origin,
                "sign the checksum file (gpg --detach-sign) with a key of the keyring, or add the \
                 signer's key to it; check the clock of this machine",
            ),
            Self::Unsigned { origin, .. } => (
                "source-signature-absent",
                "a signature beside the checksum file that is used",
                origin,
                "sign the checksum file (gpg --detach-sign), or ask for another check with verify=",
            ),
        };
        Finding {
            id,
            stage: Stage::Source,
            outcome: Outcome::Failed,
            subject: "checksum file".to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by: origin.clone(),
            advice: advice.to_owned(),
        }
    }
}
