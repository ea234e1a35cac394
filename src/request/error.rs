// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why there is no request.
//!
//! **In:** typed facts. **Out:** findings. **Refuses:** nothing.

use std::path::PathBuf;

use super::pull::PullError;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::image_filter::FilterError;
use crate::url::UrlError;

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
    #[error("the command line asks for no image")]
    NoPull,
    #[error("{error}: {expression}")]
    Pull { expression: String, error: PullError },
    #[error("the root device \"{device}\" is not one that this image could become")]
    RootDevice { device: String },
    #[error("the pin \"{word}\" is no whole root hash in hex")]
    Pin { word: String },
    #[error("this version can't honour {key}")]
    PolicyKey { key: &'static str, origin: Origin },
    #[error("plain HTTP is asked for")]
    PlainHttp { origin: Origin },
    #[error("more than one image is asked for")]
    SeveralPulls,
    #[error("\"{word}\" is not supported")]
    Unsupported { word: String },
    #[error("{error}: {url}")]
    Url { url: String, error: UrlError },
}

impl Refusal for RequestError {
    fn class(&self) -> Class {
        match self {
            Self::Url { .. } => Class::Url,
            Self::Architecture
            | Self::CommandLine { .. }
            | Self::Conflict { .. }
            | Self::ImageFilter { .. }
            | Self::NoPull
            | Self::Pull { .. }
            | Self::RootDevice { .. }
            | Self::Pin { .. }
            | Self::PlainHttp { .. }
            | Self::PolicyKey { .. }
            | Self::SeveralPulls
            | Self::Unsupported { .. } => Class::Config,
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, advice) = self.help();
        let required_by = if let Self::PlainHttp { origin } | Self::PolicyKey { origin, .. } = self
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
}

impl RequestError {
    /// Id, what was demanded, and what to do.
    fn help(&self) -> (&'static str, &'static str, &'static str) {
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
            Self::NoPull => (
                "request-pull",
                "rd.systemd.pull=OPTIONS:NAME:URL",
                "say on the kernel command line what to load",
            ),
            Self::Pull { .. } => (
                "request-pull",
                "rd.systemd.pull=raw,machine,verify=no,blockdev:NAME:URL",
                "correct the expression: nothing in it is guessed",
            ),
            Self::RootDevice { .. } => (
                "request-root",
                "root=/dev/disk/by-loop-ref/NAME.raw-partN, /dev/mapper/root, dissect or gpt-auto",
                "name the image that rd.systemd.pull= names",
            ),
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
            Self::PolicyKey { .. } => (
                "request-policy-key",
                "policy keys this version can honour",
                "take the key out of the policy file: leaving it unheeded would not be safe",
            ),
            Self::SeveralPulls => {
                ("request-pull", "one image", "leave one rd.systemd.pull= on the command line")
            }
            Self::Unsupported { .. } => (
                "request-unsupported",
                "words this version can honour",
                "take the word off the command line: leaving it unheeded would not be safe",
            ),
            Self::Url { .. } => ("request-url", "http://HOST/PATH or https://", "correct the URL"),
        }
    }
}
