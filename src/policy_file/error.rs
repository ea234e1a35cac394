// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why policy files cannot be used, alone or together.
//!
//! **In:** what the readers of policy files found. **Out:** errors that name file, line or
//! whoever else is to blame. **Refuses:** nothing by itself.

use std::path::PathBuf;

use thiserror::Error;

use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::image_policy::ParseError;
use crate::limits;
use crate::revocation::RevocationError;

/// A policy file that will not be used, and therefore nothing else either.
#[derive(Debug, Error)]
#[error("{}{}: {fault}", escape(&path.display().to_string()), line.map_or(String::new(), |line| format!(":{line}")))]
pub struct PolicyFileError {
    /// The file or directory.
    pub path: PathBuf,
    /// The line to blame, counted from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    #[source]
    pub fault: FileFault,
}

/// What is wrong with a policy file. Texts are already escaped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileFault {
    /// No key at all. A file that shall state nothing is to be removed.
    #[error("the file states nothing")]
    Empty,
    /// A list without members.
    #[error("an empty list; leave the key out to keep what is built in")]
    EmptyList,
    /// Not a revocation.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// Not an image policy.
    #[error("{error}: \"{}\"", escape(text))]
    ImagePolicy {
        /// As written.
        text: String,
        /// Why not.
        error: ParseError,
    },
    /// A path that depends on where the program runs.
    #[error("not an absolute path: {0:?}")]
    NotAbsolute(String),
    /// Not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// It could not be read, is no regular file, or is too large.
    #[error("cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// Not TOML, or a key off the list.
    #[error("{0}")]
    Toml(String),
    /// More files than [`limits::POLICY_FILES`] in one directory.
    #[error("more than {} policy files", limits::POLICY_FILES)]
    TooMany,
    /// A value that the key cannot have.
    #[error("{key} cannot be {text:?}")]
    Value {
        /// The key.
        key: &'static str,
        /// As written.
        text: String,
    },
    /// Everybody may write it.
    #[error("everybody may write it")]
    WorldWritable,
}

impl Refusal for PolicyFileError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn finding(&self) -> Finding {
        let origin = match self.line {
            Some(line) => Origin::File { path: self.path.clone(), line },
            None => Origin::Rule("policy files are all read or none"),
        };
        Finding {
            id: "request-policy-file",
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: escape(&self.path.display().to_string()),
            expected: "a policy file that can be used".to_owned(),
            found: self.fault.to_string(),
            required_by: origin,
            advice: "correct the file, or remove it".to_owned(),
        }
    }
}

/// Demands that cannot hold together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EffectiveError {
    /// Two files state different values of a key that has no stricter one.
    #[error("{key}: {first} and {second} exclude each other")]
    Conflict {
        /// The key.
        key: &'static str,
        /// Who states one value.
        first: Origin,
        /// Who states the other.
        second: Origin,
    },
    /// Image policies that no image can meet together.
    #[error("no image can meet {} together: {what}", listed(origins))]
    Exclusive {
        /// Whose policies.
        origins: Vec<Origin>,
        /// What is left of nothing.
        what: String,
    },
    /// A kernel word or a program option that is not an image policy.
    #[error("{origin}: {error}")]
    ImagePolicy {
        /// As written.
        text: String,
        /// Whose.
        origin: Origin,
        /// Why not.
        error: ParseError,
    },
    /// A partition must be used, but no file system it may have may be mounted.
    #[error("{designator} must be used, but may have no file system: {}", listed(origins))]
    NoFileSystem {
        /// The partition.
        designator: PartitionDesignator,
        /// Who has a part in it.
        origins: Vec<Origin>,
    },
    /// Neither root nor usr may be used.
    #[error("neither root nor usr may be used: {}", listed(origins))]
    NothingToBoot {
        /// Who has a part in it.
        origins: Vec<Origin>,
    },
}

fn listed(origins: &[Origin]) -> String {
    origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Refusal for EffectiveError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn finding(&self) -> Finding {
        let required_by = match self {
            Self::Conflict { second, .. } => second.clone(),
            Self::ImagePolicy { origin, .. } => origin.clone(),
            Self::Exclusive { origins, .. }
            | Self::NoFileSystem { origins, .. }
            | Self::NothingToBoot { origins } => origins.last().cloned().unwrap_or(Origin::BuiltIn),
        };
        Finding {
            id: "request-policy",
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: "policy".to_owned(),
            expected: "demands that can hold together".to_owned(),
            found: self.to_string(),
            required_by,
            advice: "change one of the places named".to_owned(),
        }
    }
}
