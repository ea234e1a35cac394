// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why an image was not handed over.
//!
//! **In:** what the kernel or the image says. **Out:** [`ExposeError`]. **Refuses:** nothing.

use std::io;
use std::path::PathBuf;

use super::os_release::{OsReleaseError, OsVersion};
use crate::designator::PartitionDesignator;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::purpose::Purpose;
use crate::verity::NameError;

/// Why an image was not handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum ExposeError {
    #[error("{path}: {error}")]
    Link { path: PathBuf, error: io::Error },
    #[error("{place}: {error}")]
    Mount { designator: PartitionDesignator, place: String, error: io::Error },
    #[error("\"{name}\" is {error}")]
    Name { name: String, error: NameError },
    #[error("a writable layer over the root: {error}")]
    Overlay { error: io::Error },
    #[error("{path}: {error}")]
    Place { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Record { path: PathBuf, error: io::Error },
    #[error("{found}")]
    Role { purpose: Purpose, found: String, expected: String },
    #[error("{found}")]
    Rollback { found: OsVersion, floor: String, origin: Origin },
    #[error("{error}")]
    Version { error: OsReleaseError, floor: String, origin: Origin },
}

impl Refusal for ExposeError {
    fn class(&self) -> Class {
        match self {
            Self::Link { .. }
            | Self::Mount { .. }
            | Self::Overlay { .. }
            | Self::Place { .. }
            | Self::Record { .. } => Class::Dev,
            Self::Name { .. } => Class::Config,
            Self::Role { .. } => Class::Policy,
            Self::Rollback { .. } | Self::Version { .. } => Class::Rollback,
        }
    }

    fn finding(&self) -> Finding {
        let (id, subject, expected, advice) = self.help();
        let required_by = match self {
            Self::Rollback { origin, .. } | Self::Version { origin, .. } => origin.clone(),
            Self::Role { .. } => Origin::Rule("an image is used as what it says it is"),
            Self::Link { .. }
            | Self::Mount { .. }
            | Self::Name { .. }
            | Self::Overlay { .. }
            | Self::Place { .. }
            | Self::Record { .. } => Origin::Rule("only what was authenticated is exposed"),
        };
        Finding {
            id,
            stage: Stage::Expose,
            outcome: Outcome::Failed,
            subject: subject.to_owned(),
            expected,
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

impl ExposeError {
    /// Id, subject, what was demanded, and what to do.
    fn help(&self) -> (&'static str, &'static str, String, &'static str) {
        match self {
            Self::Link { .. } => (
                "expose-link",
                "link",
                "a free name".to_owned(),
                "nothing else may make links of this name",
            ),
            Self::Mount { designator, .. } => (
                "expose-mount",
                designator.name(),
                "a directory in the image, and the file system's driver in the kernel".to_owned(),
                "load the kernel module of this file system; build the image with the directory, \
                 or say \"unused\" or \"ignore\" of the partition in the policy",
            ),
            Self::Name { .. } => (
                "expose-name",
                "name",
                "a name that devices can have".to_owned(),
                "give another name: veriroot attach IMAGE NAME",
            ),
            Self::Overlay { .. } => (
                "expose-overlay",
                "root",
                "an overlay over the root, with its changes in memory".to_owned(),
                "the initrd needs the kernel module overlay; without boot.overlay the root is \
                 read-only",
            ),
            Self::Place { .. } => (
                "expose-place",
                "mount point",
                "a directory of its own, that nothing is mounted on".to_owned(),
                "make the directory, or choose another; an image of the same name may be there \
                 already",
            ),
            Self::Record { .. } => (
                "expose-record",
                "record",
                "a place to note what was made".to_owned(),
                "/run has to be a file system that can be written to",
            ),
            Self::Role { expected, .. } => (
                "expose-role",
                "image",
                expected.clone(),
                "serve an image that was built for this use; its table alone does not make it one",
            ),
            Self::Rollback { floor, .. } => (
                "expose-version",
                "root",
                at_least(floor),
                "serve a newer image; if this one is meant, lower trust.minimum-version",
            ),
            Self::Version { floor, .. } => (
                "expose-version",
                "root",
                at_least(floor),
                "build the image with IMAGE_VERSION= or VERSION_ID= in its os-release, each line \
                 a plain KEY=VALUE",
            ),
        }
    }
}

/// What a floor demands, in words.
pub(crate) fn at_least(floor: &str) -> String {
    format!("version {floor} or later")
}
