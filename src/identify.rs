// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which one file system a partition holds.
//!
//! **In:** [`Fetched`]: for protected partitions, bytes that were verified.
//! **Out:** [`Identified`]: exactly one file system of the list on each, admitted by the policy, no
//! larger than its device.
//! **Refuses:** two answers, none, encrypted partitions (they are recognised and never opened),
//! types the policy does not name. Kernel drivers never see what was not identified here.

use crate::designator::PartitionDesignator;
use crate::fetch::{Content, Fetched, FetchedPartition, VerityContent};
use crate::filesystem::{FileSystem, ProbeError, probe};
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::policy;
use crate::units::ByteRange;

/// One partition with a known file system.
#[derive(Debug)]
pub struct IdentifiedPartition {
    /// What it is used as.
    pub designator: PartitionDesignator,
    /// Its slot, counted from 1.
    pub number: u32,
    /// Where its data stand.
    pub data: ByteRange,
    /// Whether its GPT bit says that nobody shall write to it.
    pub read_only: bool,
    /// What is known of the bytes.
    pub content: Content,
    /// What is on it.
    pub filesystem: FileSystem,
}

impl IdentifiedPartition {
    /// The facts of a protected partition; `None` for one that policy opened.
    #[must_use]
    pub fn verity(&self) -> Option<&VerityContent> {
        match &self.content {
            Content::Verity(content) => Some(content),
            Content::Open(_) => None,
        }
    }
}

/// An image that may be exposed. Made by [`identify`] alone.
///
/// It can't be put together, doubled, or left out: [`crate::verity`] takes nothing without a known file system.
///
/// ```
/// # use veriroot::{identify::Identified, policy_file::EffectivePolicy, sys::memfd::SealedMemfd};
/// # use veriroot::verity::{Making, map};
/// fn next(it: Identified<SealedMemfd>, policy: &EffectivePolicy, making: Making<'_>) -> bool {
///     map(it, policy, making).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{fetch::Fetched, policy_file::EffectivePolicy, sys::memfd::SealedMemfd};
/// # use veriroot::verity::{Making, map};
/// fn next(it: Fetched<SealedMemfd>, policy: &EffectivePolicy, making: Making<'_>) -> bool {
///     map(it, policy, making).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::identify::Identified;
/// fn forge<S>(it: Identified<S>) -> Identified<S> {
///     Identified { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::{identify::Identified, sys::memfd::SealedMemfd};
/// let twice = Identified::<SealedMemfd>::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Identified<S> {
    kept: S,
    partitions: Vec<IdentifiedPartition>,
}

/// Why a file system is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum IdentifyError {
    #[error("{found}")]
    NotAdmitted {
        designator: PartitionDesignator,
        found: FileSystem,
        expected: String,
        origins: Vec<Origin>,
    },
    #[error("{error}")]
    Probe { designator: PartitionDesignator, error: ProbeError },
}

impl Refusal for IdentifyError {
    fn class(&self) -> Class {
        Class::Fs
    }

    fn finding(&self) -> Finding {
        let (id, designator, expected, required_by, advice) = match self {
            Self::NotAdmitted { designator, expected, origins, .. } => (
                "identify-type",
                designator,
                expected.clone(),
                origins.first().cloned().unwrap_or(Origin::BuiltIn),
                "build the image with a file system that the policy admits",
            ),
            Self::Probe { designator, .. } => (
                "identify-probe",
                designator,
                "exactly one file system of the list, sound and no larger than its device"
                    .to_owned(),
                Origin::Rule("file-system list"),
                "build the image anew with mkfs of one of these types",
            ),
        };
        Finding {
            id,
            stage: Stage::Identify,
            outcome: Outcome::Failed,
            subject: designator.name().to_owned(),
            expected,
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

/// Identifies the file system of every partition that will be used.
///
/// # Errors
/// The first partition without exactly one admitted file system.
pub fn identify<S>(fetched: Fetched<S>) -> Result<Identified<S>, IdentifyError> {
    let (kept, partitions) = fetched.into_parts();
    let partitions = partitions.into_iter().map(identify_one).collect::<Result<_, _>>()?;
    Ok(Identified { kept, partitions })
}

fn identify_one(partition: FetchedPartition) -> Result<IdentifiedPartition, IdentifyError> {
    let FetchedPartition { designator, number, data, read_only, content, ends, rule, origins } =
        partition;
    let filesystem = ends
        .into_windows()
        .and_then(|windows| probe(&windows))
        .map_err(|error| IdentifyError::Probe { designator, error })?
        .filesystem;
    let admitted = policy::filesystems(designator, &rule);
    if !admitted.contains(filesystem) {
        let expected = format!("one of {admitted}");
        let found = filesystem;
        return Err(IdentifyError::NotAdmitted { designator, found, expected, origins });
    }
    Ok(IdentifiedPartition { designator, number, data, read_only, content, filesystem })
}

impl<S> Identified<S> {
    /// What is there.
    #[must_use]
    pub fn partitions(&self) -> &[IdentifiedPartition] {
        &self.partitions
    }

    /// Hands everything on to the stage that maps.
    pub(crate) fn into_parts(self) -> (S, Vec<IdentifiedPartition>) {
        (self.kept, self.partitions)
    }
}
