// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why there is no request.
//!
//! **In:** typed facts. **Out:** findings. **Refuses:** nothing.

use std::path::PathBuf;

use super::boot_origin::BootOriginError;
use super::root::RootError;
use super::transfer::TransferError;
use super::words::WordError;
use crate::finding::{Class, Excerpt, Finding, Origin, Outcome, Refusal, Stage};
use crate::image_filter::FilterError;
use crate::url::UrlError;

/// Id, what was demanded, and what to do.
pub(super) type Help = (&'static str, &'static str, &'static str);

/// Why there is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum RequestError {
    #[error("no architecture of the Discoverable Partitions Specification")]
    Architecture,
    #[error("{path}: {reason}")]
    CommandLine { path: PathBuf, reason: String },
    #[error("\"{word}\" is given twice, with different values")]
    Conflict { word: String },
    #[error("\"{word}\" is no image filter: {error}")]
    ImageFilter { word: String, error: FilterError },
    #[error("the mirror \"{base}\": {error}")]
    Mirror { base: String, error: UrlError },
    #[error("no mirror is named")]
    NoMirror,
    #[error("the pin \"{word}\" is no whole root hash in hex")]
    Pin { word: String },
    #[error("plain HTTP is asked for")]
    PlainHttp { origin: Origin },
    #[error("{path}: {reason}")]
    Credential { path: PathBuf, reason: String },
    #[error("{path} is encrypted")]
    EncryptedCredential { path: PathBuf },
    #[error("{error}, and {name} is to be loaded from there")]
    BootOrigin { name: String, error: BootOriginError },
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Word(#[from] WordError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("\"{word}\" is not supported")]
    Unsupported { word: String },
    #[error("{error}: {url}")]
    Url { url: String, error: UrlError },
}

impl Refusal for RequestError {
    fn class(&self) -> Class {
        match self {
            Self::Url { .. } | Self::Mirror { .. } => Class::Url,
            Self::BootOrigin { error, .. } if error.is_url() => Class::Url,
            Self::Architecture
            | Self::CommandLine { .. }
            | Self::Conflict { .. }
            | Self::ImageFilter { .. }
            | Self::NoMirror
            | Self::Pin { .. }
            | Self::PlainHttp { .. }
            | Self::BootOrigin { .. }
            | Self::Credential { .. }
            | Self::EncryptedCredential { .. }
            | Self::Root(_)
            | Self::Word(_)
            | Self::Transfer(_)
            | Self::Unsupported { .. } => Class::Config,
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, advice) = self.help();
        let required_by = if let Self::PlainHttp { origin }
        | Self::Transfer(TransferError::Pull { origin, .. }) = self
        {
            origin.clone()
        } else {
            Origin::Rule("systemd-import-generator(8), read strictly")
        };
        Finding {
            id,
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: "request".to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }

    fn excerpt(&self) -> Option<Excerpt> {
        if let Self::Transfer(TransferError::Pull { expression, error, .. }) = self {
            return Some(error.excerpt(expression));
        }
        if let Self::Word(error) = self {
            return Some(error.excerpt().clone());
        }
        None
    }
}

impl RequestError {
    /// Id, what was demanded, and what to do.
    fn help(&self) -> Help {
        match self {
            Self::Architecture => (
                "request-architecture",
                "an architecture that has partition types",
                "this machine can't boot a discoverable disk image",
            ),
            Self::CommandLine { .. } => {
                ("request-words", "a readable command line", "the initrd has to mount /proc")
            }
            Self::Conflict { .. } => {
                ("request-conflict", "each word once", "leave out the one that is not meant")
            }
            Self::ImageFilter { .. } => (
                "request-image-filter",
                "systemd.image_filter=DESIGNATOR=GLOB(:DESIGNATOR=GLOB)*",
                "correct the filter: nothing in it is guessed",
            ),
            Self::Mirror { .. } => (
                "request-mirror",
                "a base URL, and an image URL with a file name that goes under it",
                "correct transport.mirrors or --mirror=; a base has no query",
            ),
            Self::NoMirror => ("request-no-mirror", "a URL", "report this"),
            Self::Pin { .. } => (
                "request-pin",
                "64 or 128 hex digits",
                "give the whole root hash; a shortened one pins nothing",
            ),
            Self::PlainHttp { .. } => (
                "request-plain-http",
                "https",
                "serve the image over HTTPS, or set transport.plain-http = true",
            ),
            Self::BootOrigin { error, .. } => error.help(),
            Self::Credential { .. } => (
                "request-credential",
                "UTF-8 text of at most 128 KiB",
                "correct the credential import.pull, or take it away",
            ),
            Self::EncryptedCredential { .. } => (
                "request-credential",
                "a credential that is not encrypted",
                "pass import.pull in plain: it says where images stand, which is no secret, and \
                 nothing here opens it",
            ),
            Self::Root(error) => error.help(),
            Self::Word(error) => error.help(),
            Self::Transfer(error) => error.help(),
            Self::Unsupported { .. } => (
                "request-unsupported",
                "words this version can honour",
                "take the word off the command line: leaving it unheeded would not be safe",
            ),
            Self::Url { .. } => ("request-url", "http://HOST/PATH or https://", "correct the URL"),
        }
    }
}
