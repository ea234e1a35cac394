// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why fetching ends.
//!
//! **In:** what was found wrong, where, and who served it. **Out:** a class and a finding.
//! **Refuses:** nothing.

use std::fmt;

use super::StoreError;
use crate::designator::PartitionDesignator;
use crate::dissect::DissectError;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::merkle::{BlockError, ShapeError, TreeError};
use crate::source;

/// Why bytes are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum FetchError {
    #[error("at byte {offset} of the image{blame}: {error}")]
    Block { designator: PartitionDesignator, offset: u64, error: BlockError, blame: Box<Blame> },
    #[error(transparent)]
    End(#[from] DissectError),
    #[error("the superblock counts {needed} bytes, the partition has {size}")]
    DataSize { designator: PartitionDesignator, needed: u64, size: u64 },
    #[error("{error}")]
    Shape { designator: PartitionDesignator, error: ShapeError },
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{error}{blame}")]
    Tree { designator: PartitionDesignator, error: TreeError, blame: Box<Blame> },
    #[error("the tree takes {needed} bytes, its partition has {size}")]
    TreeSize { designator: PartitionDesignator, needed: u64, size: u64 },
}

/// Who demands what was not met, and who served it.
#[derive(Debug)]
pub struct Blame {
    pub(super) origin: Origin,
    /// A URL, escaped, without the query; a file of this machine has none.
    pub(super) server: Option<String>,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.as_ref().map_or(Ok(()), |it| write!(f, ", from {it}"))
    }
}

impl FetchError {
    /// Names the server that is to blame.
    pub(super) fn of_server(mut self, name: Option<&str>) -> Self {
        if let Self::Block { blame, .. } | Self::Tree { blame, .. } = &mut self {
            blame.server = name.map(str::to_owned);
        }
        self
    }
}

impl Refusal for FetchError {
    fn class(&self) -> Class {
        match self {
            Self::Block { .. }
            | Self::DataSize { .. }
            | Self::Shape { .. }
            | Self::Tree { .. }
            | Self::TreeSize { .. } => Class::Verity,
            Self::End(error) => error.class(),
            Self::Source(error) => error.class(),
            Self::Store(_) => Class::Dev,
        }
    }

    fn finding(&self) -> Finding {
        let required_by = if let Self::Block { blame, .. } | Self::Tree { blame, .. } = self {
            blame.origin.clone()
        } else {
            Origin::Rule("one root hash means one image (dm-verity)")
        };
        let (id, subject, expected, advice) = match self {
            Self::End(error) => return error.finding(),
            Self::Source(error) => return error.finding(),
            Self::Block { designator, .. } => (
                "fetch-block",
                designator.name(),
                "every data block is the one that was signed",
                "the image was changed after it was signed, or damaged on its way: serve the \
                 original",
            ),
            Self::DataSize { designator, .. } | Self::TreeSize { designator, .. } => (
                "fetch-size",
                designator.name(),
                "data and tree lie inside their partitions",
                "the image is cut off or its superblock was changed: serve the original",
            ),
            Self::Shape { designator, .. } => (
                "fetch-shape",
                designator.name(),
                "tree parameters within the limits",
                "build the image anew with systemd-repart or veritysetup",
            ),
            Self::Tree { designator, .. } => (
                "fetch-tree",
                designator.name(),
                "the hash tree is the one of the signed root hash",
                "tree, superblock and signature are not from one build, or were changed: serve \
                 the original",
            ),
            Self::Store(_) => (
                "fetch-memory",
                "image",
                "memory for the used partitions",
                "give the machine more memory, or make the image smaller",
            ),
        };
        Finding {
            id,
            stage: Stage::Fetch,
            outcome: Outcome::Failed,
            subject: subject.to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}
