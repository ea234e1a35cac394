// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The image policy against the layout.
//!
//! **In:** [`Dissected`], every value in it a claim; the effective policy; what the command line
//! takes for the root.
//! **Out:** [`Admitted`]: for each partition that will be used, the protection it has to reach.
//! **Refuses:** layouts that do not meet the policy. What a partition *could* be is judged here;
//! what it *is* is judged by the stages that follow, each against the protection set here, so a
//! check that fails there never falls back to another way of meeting the policy.

mod archive;
mod error;
mod layout;
mod together;

use crate::designator::PartitionDesignator;
use crate::digest::RootHashClaim;
use crate::dissect::Dissected;
use crate::dissect::group::HashTree;
use crate::dissect::verity_sig::VeritySignature;
use crate::finding::Origin;
use crate::image_filter::ImageFilter;
use crate::image_policy::{FileSystemSet, Rule};
use crate::policy_file::{EffectivePolicy, mountable};
use crate::units::ByteRange;

pub(crate) use archive::ArchiveTerms;
pub use archive::{
    Admission, AdmittedArchive, ArchiveDemand, ArchivePin, EntryRules, admit_archive,
};
pub use error::PolicyError;
pub use together::Discord;

/// What the machine asks of the layout besides its policy.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The slot the command line calls the root, and the word that does.
    pub root_slot: Option<(u32, String)>,
    /// That usr is used, the slot it is in where one is named, and the word that says so.
    pub usr_slot: Option<(Option<u32>, String)>,
    /// Which partitions are candidates.
    pub image_filter: ImageFilter,
}

/// The protection a partition has to reach.
#[derive(Clone, Debug)]
pub enum Protection {
    /// dm-verity with an authenticated root hash.
    Verity {
        /// The hash tree's partition.
        hash: HashTree,
        /// The signature, if there is one: it has to be good then, whatever else would do.
        signature: Option<VeritySignature>,
        /// The root hash that a file beside the image claims: whoever vouches has to mean it.
        claim: Option<RootHashClaim>,
    },
    /// None: the policy opens this partition, and says where.
    Open(Vec<Origin>),
}

/// One partition that will be used.
#[derive(Clone, Debug)]
pub struct AdmittedPartition {
    /// What it is used as.
    pub designator: PartitionDesignator,
    /// Its slot, counted from 1.
    pub number: u32,
    /// Where it stands.
    pub data: ByteRange,
    /// Whether its GPT bit says that nobody shall write to it.
    pub read_only: bool,
    /// What has to become true before anything is exposed.
    pub protection: Protection,
    /// The policy's rule for it.
    pub rule: Rule,
    /// Who made that rule.
    pub origins: Vec<Origin>,
}

/// A layout that meets the policy, made by [`admit`] alone.
///
/// It can't be put together, doubled, or left out: [`crate::authenticate`] takes no layout that was not judged.
///
/// ```
/// # use veriroot::{authenticate::{Trust, authenticate}, policy::Admitted};
/// fn next(it: Admitted, trust: &Trust<'_>) -> bool {
///     authenticate(it, trust).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{authenticate::{Trust, authenticate}, dissect::Dissected};
/// fn next(it: Dissected, trust: &Trust<'_>) -> bool {
///     authenticate(it, trust).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::policy::Admitted;
/// fn forge(it: Admitted) -> Admitted {
///     Admitted { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::policy::Admitted;
/// let twice = Admitted::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    dissected: Dissected,
    partitions: Vec<AdmittedPartition>,
}

/// Judges a layout.
///
/// # Errors
/// The first designator, in the policy's order, whose demand is not met; then partitions that do
/// not go together.
pub fn admit(
    dissected: Dissected,
    policy: &EffectivePolicy,
    expectation: &Expectation,
) -> Result<Admitted, PolicyError> {
    let partitions = judge(&dissected, policy, expectation)?;
    Ok(Admitted { dissected, partitions })
}

/// The same, as an answer and not as a step.
///
/// # Errors
/// As [`admit`].
pub fn judge(
    dissected: &Dissected,
    policy: &EffectivePolicy,
    expectation: &Expectation,
) -> Result<Vec<AdmittedPartition>, PolicyError> {
    let mut partitions = Vec::new();
    for designator in PartitionDesignator::ALL {
        partitions.extend(layout::judge(dissected, policy, designator)?);
    }
    together::check(dissected, policy)?;
    if partitions.iter().all(|it| !is_system(it.designator)) {
        let (_, origins) = policy.rule(PartitionDesignator::Root);
        return Err(PolicyError::NothingUsed { origins });
    }
    check_root_slot(&partitions, expectation)?;
    check_usr_slot(&partitions, expectation)?;
    Ok(partitions)
}

/// The file systems that a partition used under `rule` may hold: vfat on boot partitions and
/// nowhere else, never more than the rule names.
#[must_use]
pub fn filesystems(designator: PartitionDesignator, rule: &Rule) -> FileSystemSet {
    mountable(designator).map_or(FileSystemSet::EMPTY, |it| it.intersection(rule.filesystems))
}

fn is_system(designator: PartitionDesignator) -> bool {
    matches!(designator, PartitionDesignator::Root | PartitionDesignator::Usr)
}

/// The table is not signed, so it must not choose what boots: the slot that the command line
/// names has to be the partition that will authenticate.
fn check_root_slot(
    partitions: &[AdmittedPartition],
    expectation: &Expectation,
) -> Result<(), PolicyError> {
    let Some((demanded, word)) = &expectation.root_slot else { return Ok(()) };
    let root = partitions.iter().find(|it| it.designator == PartitionDesignator::Root);
    let actual = root.map(|it| it.number);
    if actual == Some(*demanded) {
        return Ok(());
    }
    Err(PolicyError::RootSlot { word: word.clone(), demanded: *demanded, actual })
}

/// The same for usr; and a command line that mounts one is not met by an image without it.
fn check_usr_slot(
    partitions: &[AdmittedPartition],
    expectation: &Expectation,
) -> Result<(), PolicyError> {
    let Some((demanded, word)) = &expectation.usr_slot else { return Ok(()) };
    let usr = partitions.iter().find(|it| it.designator == PartitionDesignator::Usr);
    match usr.map(|it| it.number) {
        Some(number) if demanded.is_none_or(|demanded| demanded == number) => Ok(()),
        actual => Err(PolicyError::UsrSlot { word: word.clone(), actual }),
    }
}

impl Admitted {
    /// What will be used, in the policy's order.
    #[must_use]
    pub fn partitions(&self) -> &[AdmittedPartition] {
        &self.partitions
    }

    /// What the image says about itself.
    pub fn dissected(&self) -> &Dissected {
        &self.dissected
    }

    /// Hands everything on to the stage that authenticates.
    pub(crate) fn into_parts(self) -> (Dissected, Vec<AdmittedPartition>) {
        (self.dissected, self.partitions)
    }
}
