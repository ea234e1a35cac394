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
use crate::fetch::FetchError;
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
