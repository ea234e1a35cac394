// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What an image says about itself.
//!
//! **In:** a [`Source`] whose every byte is a claim.
//! **Out:** [`Dissected`]: a sound partition table, the partitions that claim a designator, and for
//! root and usr the hash tree and signature that go with them; all of it frozen in memory.
//! **Refuses:** tables that two readers could read in two ways. What is wrong with one verity
//! group is kept as that group's error: it ends the boot if policy wants that designator, and
//! not if policy ignores it.

pub mod gpt;
pub mod group;
pub mod select;
pub mod verity_sig;
pub mod verity_superblock;

use crate::designator::{Architecture, PartitionDesignator};
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::source::{self, Source};
use crate::units::ByteRange;
use gpt::{GptError, Primary, Table};
use group::{GroupError, VerityGroup};
use select::{Choice, Partition, assign_roles, newest};

/// Which parts of an image are looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The architecture whose root and usr are meant.
    pub architecture: Architecture,
    /// The data designators (root, usr) whose hash tree and signature are read.
    pub verity: Vec<PartitionDesignator>,
}

/// An image's layout and metadata, made by [`dissect`] alone.
#[derive(Debug)]
#[must_use]
pub struct Dissected {
    source: Source,
    table: Table,
    partitions: Vec<Partition>,
    groups: Vec<(PartitionDesignator, Result<VerityGroup, GroupError>)>,
}

/// Why an image can't be dissected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DissectError {
    /// The partition table.
    #[error(transparent)]
    Gpt(#[from] GptError),
    /// The bytes did not come.
    #[error(transparent)]
    Source(#[from] source::Error),
}

impl Refusal for DissectError {
    fn class(&self) -> Class {
        match self {
            Self::Gpt(_) => Class::Gpt,
            Self::Source(error) => error.class(),
        }
    }

    fn finding(&self) -> Finding {
        match self {
            Self::Gpt(error) => Finding {
                id: "dissect-gpt",
                stage: Stage::Dissect,
                outcome: Outcome::Failed,
                subject: "partition table".to_owned(),
                expected: "one sound GPT that every reader reads alike".to_owned(),
                found: error.to_string(),
                required_by: Origin::Rule("UEFI specification, section 5.3"),
                advice: "check that the whole image is served; build it anew with systemd-repart"
                    .to_owned(),
            },
            Self::Source(error) => error.finding(),
        }
    }
}

/// Reads an image's layout and metadata: some KiB.
///
/// # Errors
/// A [`DissectError`] if the table is unsound or the source fails. A verity group that is unsound
/// is no error here: see [`Dissected::group`].
pub fn dissect(mut source: Source, scope: &Scope) -> Result<Dissected, DissectError> {
    let length = source.len();
    let head_len = u64::try_from(gpt::HEAD).unwrap_or(u64::MAX).min(length);
    let head = match ByteRange::new(0, head_len) {
        Some(range) => source.read(range, head_len)?,
        None => Vec::new(),
    };
    let primary = Primary::parse(&head, length)?;
    let truncated = GptError::Truncated { length };
    let table = {
        let backup = primary.backup_range().ok_or(truncated)?;
        let backup_limit = backup.len();
        let tail = source.read(backup, backup_limit)?;
        primary.finish(&tail)?
    };
    let partitions = assign_roles(table.entries.clone(), scope.architecture);
    let mut groups = Vec::new();
    for designator in &scope.verity {
        groups.push((*designator, group::read(&mut source, &partitions, *designator)?));
    }
    Ok(Dissected { source, table, partitions, groups })
}

impl Dissected {
    /// The partitions in slot order.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The table's sector size.
    #[must_use]
    pub fn sector_size(&self) -> crate::units::SectorSize {
        self.table.sector_size
    }

    /// What was found of one of the scope's designators; `None` outside the scope.
    #[must_use]
    pub fn group(
        &self,
        designator: PartitionDesignator,
    ) -> Option<&Result<VerityGroup, GroupError>> {
        self.groups.iter().find(|(its, _)| *its == designator).map(|(_, group)| group)
    }

    /// The one partition that claims a designator.
    #[must_use]
    pub fn choice(&self, designator: PartitionDesignator) -> Choice {
        newest(&self.partitions, designator, |_| true)
    }

    /// Hands the source on to the stage that fetches.
    pub(crate) fn into_source(self) -> Source {
        self.source
    }
}
