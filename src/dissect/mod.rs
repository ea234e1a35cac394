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

pub mod claim;
pub mod gpt;
pub mod group;
mod rest;
pub mod select;
pub mod sidecar;
pub mod verity_sig;
pub mod verity_superblock;

use crate::designator::{Architecture, PartitionDesignator};
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::image_filter::ImageFilter;
use crate::source::{self, Beside, Source};
use crate::units::ByteRange;
use claim::Claim;
use gpt::{GptError, Primary, Table};
use group::{GroupError, HashTree, VerityGroup};
pub use rest::{Ended, Rest};
use select::{Choice, Partition, Role, assign_roles, newest};

/// Which parts of an image are looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The architecture whose root and usr are meant.
    pub architecture: Architecture,
    /// The data designators (root, usr) whose hash tree and signature are read.
    pub verity: Vec<PartitionDesignator>,
    /// The designators whose partitions are asked what they seem to hold.
    pub claims: Vec<PartitionDesignator>,
    /// Which partitions are candidates.
    pub filter: ImageFilter,
}

/// An image's layout and metadata, made by [`dissect`] alone.
///
/// It can't be put together, doubled, or left out: [`crate::policy`] takes no source.
///
/// ```
/// # use veriroot::{dissect::Dissected, policy::{Expectation, admit}, policy_file::EffectivePolicy};
/// fn next(it: Dissected, policy: &EffectivePolicy) -> bool {
///     admit(it, policy, &Expectation::default()).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{source::Source, policy::{Expectation, admit}, policy_file::EffectivePolicy};
/// fn next(it: Source, policy: &EffectivePolicy) -> bool {
///     admit(it, policy, &Expectation::default()).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::dissect::Dissected;
/// fn forge(it: Dissected) -> Dissected {
///     Dissected { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::dissect::Dissected;
/// let twice = Dissected::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Dissected {
    rest: Rest,
    table: Option<Table>,
    partitions: Vec<Partition>,
    claims: Vec<(u32, Claim)>,
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

/// Reads an image's layout and metadata: some KiB, and 256 KiB more for each claim.
///
/// # Errors
/// A [`DissectError`] if the table is unsound or the source fails. A verity group that is unsound
/// is no error here: see [`Dissected::group`].
pub fn dissect(mut source: Source, scope: &Scope) -> Result<Dissected, DissectError> {
    let (table, due) = read_table(&mut source)?;
    let partitions = match &table {
        Some(table) => assign_roles(table.entries.clone(), scope.architecture, &scope.filter),
        None => vec![bare(&mut source, &scope.filter)?],
    };
    let mut claims = Vec::new();
    for partition in &partitions {
        let wanted = |it: &PartitionDesignator| partition.role == Role::Claims(*it);
        if scope.claims.iter().any(wanted) {
            claims.push((partition.entry.number, claim::read(&mut source, partition.entry.range)?));
        }
    }
    let mut groups = Vec::new();
    let mut beside = source.beside().clone();
    for designator in &scope.verity {
        let group = group::read(&mut source, &partitions, *designator, &beside)?;
        // There is one NAME.verity: whose it is once it was used, no other can say.
        if let Ok(VerityGroup { hash: Some(HashTree { index: None, .. }), .. }) = &group {
            beside = Beside::nothing();
        }
        groups.push((*designator, group));
    }
    Ok(Dissected { rest: Rest::new(source, due), table, partitions, claims, groups })
}

/// The partition table; `None` if nothing in the image is one. Where the image's end is still to
/// come, what it has to be goes with it.
fn read_table(source: &mut Source) -> Result<(Option<Table>, Option<Primary>), DissectError> {
    let length = source.len();
    let head = read_end(source, gpt::HEAD, |_, _| 0)?;
    let primary = match Primary::parse(&head, length) {
        Err(GptError::NoHeader) => {
            let tail = read_end(source, gpt::TAIL, u64::saturating_sub)?;
            gpt::check_no_table(&head, &tail)?;
            return Ok((None, None));
        }
        primary => primary?,
    };
    if source.position().is_some() {
        return Ok((Some(primary.table()?), Some(primary)));
    }
    let backup = primary.backup_range().ok_or(GptError::Truncated { length })?;
    let tail = source.read(backup, backup.len())?;
    Ok((Some(primary.finish(&tail)?), None))
}

/// Up to `limit` bytes of the image, from where `start` says: it is given both lengths.
fn read_end(
    source: &mut Source,
    limit: usize,
    start: impl Fn(u64, u64) -> u64,
) -> Result<Vec<u8>, source::Error> {
    let length = source.len();
    let wanted = u64::try_from(limit).unwrap_or(u64::MAX).min(length);
    match ByteRange::new(start(length, wanted), wanted) {
        Some(range) => source.read(range, wanted),
        None => Ok(Vec::new()),
    }
}

/// A file system without a table around it, which systemd takes for a root.
fn bare(source: &mut Source, filter: &ImageFilter) -> Result<Partition, DissectError> {
    let range = ByteRange::new(0, source.len()).ok_or(GptError::NoHeader)?;
    match claim::read(source, range)? {
        Claim::FileSystem(_) | Claim::Encrypted => Ok(Partition::bare(range, filter)),
        Claim::Unusable(_) => Err(GptError::NoHeader.into()),
    }
}

impl Dissected {
    /// The partitions in slot order.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The partition table; `None` for a file system without one.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// The source's length, bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.rest.length()
    }

    /// How the bytes come, as far as can be told: a stream is not linear if data came before what
    /// they will be judged by.
    #[must_use]
    pub fn mode(&self) -> source::Mode {
        let came = |at: u64| {
            let passed = |it: &&Partition| it.entry.range.offset() < at;
            let protected = |it: PartitionDesignator| it.hash_tree().is_some();
            let mut passed = self.partitions.iter().filter(passed);
            passed.any(|it| it.designator().is_some_and(protected))
        };
        if self.rest.position().is_some_and(came) {
            return source::Mode::Spooled;
        }
        self.rest.mode()
    }

    /// What a partition seems to hold, if it was asked.
    #[must_use]
    pub fn claim(&self, number: u32) -> Option<&Claim> {
        self.claims.iter().find(|(its, _)| *its == number).map(|(_, claim)| claim)
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

    /// Goes to the end of a stream, for whoever goes no further than the layout.
    ///
    /// # Errors
    /// As [`Rest::end`].
    pub fn ended(mut self) -> Result<Self, DissectError> {
        self.rest.reach()?;
        Ok(self)
    }

    /// Hands on what is left of the image.
    pub fn into_rest(self) -> Rest {
        self.rest
    }
}
