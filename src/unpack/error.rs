// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why an archive was not unpacked.
//!
//! **In:** typed facts. **Out:** findings with a stable id each. **Refuses:** nothing; text of an
//! archive is escaped and cut here.

use std::io;
use std::path::PathBuf;

use super::fault::Fault;
use super::path::EntryPath;
use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::source;

/// Why an archive was not unpacked. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The kernel refuses what an entry asks for, or memory is gone.
    #[error("{path}: {error}")]
    Create {
        /// The entry, escaped.
        path: String,
        /// What the kernel says.
        error: io::Error,
    },
    /// The archive itself.
    #[error("entry {number}{}: {fault}", path.as_ref().map_or(String::new(), |it| format!(" ({it})")))]
    Entry {
        /// The entry's name, escaped, where it is known.
        path: Option<String>,
        /// Counted from 1; the last one read.
        number: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// The tree is none of the kind that was asked for.
    #[error("there is no directory {missing} at the top of the archive")]
    Layout {
        /// What would make it one.
        missing: &'static str,
    },
    /// Less memory than the tree takes.
    #[error(
        "unpacked it takes {} MiB and {} MiB have to stay free, of which there are {} MiB",
        needed >> 20, reserve >> 20, available >> 20
    )]
    Memory {
        /// Bytes of the tree.
        needed: u64,
        /// Bytes that have to stay free.
        reserve: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The place for the tree.
    #[error("{}: {error}", escape(&path.to_string_lossy()))]
    Place {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The other reader of tar objects.
    #[error("entry {number}: the second reader of tar objects: {reason}")]
    Reader {
        /// Counted from 1; the last one read.
        number: u64,
        /// Its words, escaped.
        reason: String,
    },
    /// The bytes can't be read.
    #[error(transparent)]
    Source(source::Error),
    /// Something is there already.
    #[error("{}: something of that name is there already", escape(&path.to_string_lossy()))]
    Taken {
        /// Where.
        path: PathBuf,
    },
}

/// Why a reader stops.
#[derive(Debug)]
pub(super) enum Stop {
    Fault(Fault),
    Reader { reason: String },
    Source(source::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<source::Error> for Stop {
    fn from(error: source::Error) -> Self {
        Self::Source(error)
    }
}

impl Stop {
    /// At the entry with this name and number.
    pub(super) fn at(self, path: Option<&EntryPath>, number: u64) -> UnpackError {
        let path = path.map(ToString::to_string);
        match self {
            Self::Fault(fault) => UnpackError::Entry { path, number, fault },
            Self::Reader { reason } => UnpackError::Reader { number, reason },
            Self::Source(error) => UnpackError::Source(error),
        }
    }
}

impl Refusal for UnpackError {
    fn class(&self) -> Class {
        match self {
            Self::Create { .. } | Self::Memory { .. } | Self::Place { .. } | Self::Taken { .. } => {
                Class::Dev
            }
            Self::Entry { fault, .. } => fault.class(),
            Self::Layout { .. } | Self::Reader { .. } => Class::Tar,
            Self::Source(error) => error.class(),
        }
    }

    fn finding(&self) -> Finding {
        if let Self::Source(error) = self {
            return error.finding();
        }
        let (id, expected, advice) = self.help();
        Finding {
            id,
            stage: Stage::Unpack,
            outcome: Outcome::Failed,
            subject: "archive".to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule(
                "an archive is unpacked as it was signed, whole, or not at all",
            ),
            advice: advice.to_owned(),
        }
    }
}

impl UnpackError {
    /// Id, what was demanded, and what to do.
    fn help(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Create { .. } => (
                "unpack-create",
                "a file system that takes every file of the archive",
                "give the machine more memory, or the kernel what the file needs",
            ),
            Self::Entry { fault, .. } if fault.class() == Class::Limit => (
                "unpack-limit",
                "sizes, counts and depths within their limits",
                "check the archive: no root file system is like that",
            ),
            Self::Entry { fault, .. } if fault.class() == Class::Policy => (
                "unpack-policy",
                "entries that the policy lets an archive hold",
                "leave them out of the archive, or allow them under [archive] in a policy file",
            ),
            Self::Entry { .. } | Self::Reader { .. } => (
                "unpack-entry",
                "a tar archive that every reader reads alike",
                "pack the tree anew: tar --create --format=posix --numeric-owner --directory=TREE .",
            ),
            Self::Layout { .. } => (
                "unpack-layout",
                "a tree of the kind that was asked for",
                "pack the tree itself, not a directory around it: tar --directory=TREE --create .",
            ),
            Self::Memory { .. } => (
                "unpack-memory",
                "memory for the unpacked tree",
                "give the machine more memory, or use a disk image, which is not unpacked",
            ),
            Self::Place { .. } => (
                "unpack-place",
                "a directory in a tmpfs that only root can write to",
                "let nothing else write there, and mount a tmpfs on /run",
            ),
            Self::Taken { .. } => {
                ("unpack-taken", "a free name", "remove what is there, or choose another name")
            }
            Self::Source(_) => ("source-file", "a readable archive", "check it"),
        }
    }
}
