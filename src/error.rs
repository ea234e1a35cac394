// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One error over the stages.
//!
//! **In:** any stage's error. **Out:** its class, exit code and finding. **Refuses:** nothing.

use crate::authenticate::AuthenticateError;
use crate::authenticate::anchors::AnchorError;
use crate::authenticate::archive::ArchiveError;
use crate::checksums;
use crate::cmdline::CmdlineError;
use crate::dissect::DissectError;
use crate::expose::ExposeError;
use crate::fetch::{FetchError, StoreError};
use crate::finding::{Class, Excerpt, Finding, Refusal};
use crate::identify::IdentifyError;
use crate::policy::PolicyError;
use crate::policy_file::{EffectiveError, PolicyFileError};
use crate::request::RequestError;
use crate::rivals::RivalError;
use crate::source;
use crate::unpack::UnpackError;
use crate::verity::VerityError;

/// Why an image is not used; the variant is the stage that said so.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is its stage's own error")]
pub enum Error {
    Anchors(#[from] AnchorError),
    Archive(#[from] ArchiveError),
    Authenticate(#[from] AuthenticateError),
    Checksums(#[from] checksums::Error),
    Dissect(#[from] DissectError),
    EffectivePolicy(#[from] EffectiveError),
    Expose(#[from] ExposeError),
    Fetch(#[from] FetchError),
    Identify(#[from] IdentifyError),
    Keyring(#[from] checksums::KeyringError),
    Policy(#[from] PolicyError),
    PolicyFile(#[from] PolicyFileError),
    Request(#[from] RequestError),
    Rival(#[from] RivalError),
    Source(#[from] source::Error),
    Unpack(#[from] UnpackError),
    Words(#[from] CmdlineError),
    Verity(#[from] VerityError),
}

impl Error {
    /// Whether the same demands could be met by another mirror: what was refused is the image as this
    /// one serves it, and not this machine or what it was told.
    #[must_use]
    pub fn is_of_mirror(&self) -> bool {
        match self {
            Self::Archive(_)
            | Self::Authenticate(_)
            | Self::Checksums(_)
            | Self::Dissect(_)
            | Self::Identify(_)
            | Self::Policy(_) => true,
            Self::Fetch(FetchError::Source(error)) | Self::Source(error) => error.is_of_server(),
            Self::Fetch(FetchError::Store(error)) => matches!(error, StoreError::Short { .. }),
            Self::Fetch(_) => true,
            Self::Anchors(_)
            | Self::EffectivePolicy(_)
            | Self::Expose(_)
            | Self::Keyring(_)
            | Self::PolicyFile(_)
            | Self::Request(_)
            | Self::Rival(_)
            | Self::Unpack(_)
            | Self::Words(_)
            | Self::Verity(_) => false,
        }
    }

    fn stage(&self) -> &dyn Refusal {
        match self {
            Self::Anchors(error) => error,
            Self::Archive(error) => error,
            Self::Authenticate(error) => error,
            Self::Checksums(error) => error,
            Self::Dissect(error) => error,
            Self::EffectivePolicy(error) => error,
            Self::Expose(error) => error,
            Self::Fetch(error) => error,
            Self::Identify(error) => error,
            Self::Keyring(error) => error,
            Self::Policy(error) => error,
            Self::PolicyFile(error) => error,
            Self::Request(error) => error,
            Self::Rival(error) => error,
            Self::Source(error) => error,
            Self::Unpack(error) => error,
            Self::Words(error) => error,
            Self::Verity(error) => error,
        }
    }
}

impl Refusal for Error {
    fn class(&self) -> Class {
        self.stage().class()
    }

    fn finding(&self) -> Finding {
        self.stage().finding()
    }

    fn excerpt(&self) -> Option<Excerpt> {
        self.stage().excerpt()
    }
}
