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

use crate::designator::PartitionDesignator;
use crate::dissect::Dissected;
use crate::dissect::group::{GroupError, HashTree, VerityGroup};
use crate::dissect::select::{Choice, Partition};
use crate::dissect::verity_sig::VeritySignature;
use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::image_policy::{Rule, Switch, Use, UseSet};
use crate::policy_file::EffectivePolicy;
use crate::units::ByteRange;

/// What the machine asks of the layout besides its policy.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The slot the command line calls the root, and the word that does.
    pub root_slot: Option<(u32, String)>,
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
    /// What has to become true before anything is exposed.
    pub protection: Protection,
    /// The policy's rule for it.
    pub rule: Rule,
    /// Who made that rule.
    pub origins: Vec<Origin>,
}

/// A layout that meets the policy, made by [`admit`] alone.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    dissected: Dissected,
    partitions: Vec<AdmittedPartition>,
}

/// Why a layout is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum PolicyError {
    #[error("{error}")]
    Group { designator: PartitionDesignator, error: GroupError, rule: Rule, origins: Vec<Origin> },
    #[error("{found}")]
    Layout { designator: PartitionDesignator, rule: Rule, found: String, origins: Vec<Origin> },
    #[error("no partition of this image would be used")]
    NothingUsed { origins: Vec<Origin> },
    #[error("{word} means partition {demanded}, {}", root_is(.actual))]
    RootSlot { word: String, demanded: u32, actual: Option<u32> },
}

impl Refusal for PolicyError {
    fn class(&self) -> Class {
        match self {
            Self::Group { error, .. } => match error {
                GroupError::Absent { .. } => Class::Policy,
                GroupError::Ambiguous { .. } | GroupError::Unmatched { .. } => Class::Pair,
                GroupError::Signature { .. } => Class::Sigfmt,
                GroupError::Superblock { .. } => Class::Verity,
            },
            Self::Layout { .. } | Self::NothingUsed { .. } => Class::Policy,
            Self::RootSlot { .. } => Class::Pair,
        }
    }

    fn finding(&self) -> Finding {
        let (id, subject, expected, origins, advice) = match self {
            Self::Group { designator, error, rule, origins } => (
                "policy-group",
                designator.name().to_owned(),
                demand(*designator, rule),
                origins.clone(),
                group_advice(error),
            ),
            Self::Layout { designator, rule, origins, .. } => (
                "policy-layout",
                designator.name().to_owned(),
                demand(*designator, rule),
                origins.clone(),
                "serve an image that is built and signed as the policy demands",
            ),
            Self::NothingUsed { origins } => (
                "policy-nothing",
                "image".to_owned(),
                "a root or usr partition".to_owned(),
                origins.clone(),
                "serve an image with a root partition, or say in the policy what to use",
            ),
            Self::RootSlot { word, actual, .. } => (
                "policy-root-slot",
                "root".to_owned(),
                format!("{word} is the partition that authenticates as root"),
                vec![Origin::KernelWord(word.clone())],
                if actual.is_none() {
                    "serve the image that the command line was written for"
                } else {
                    "the table was rearranged, or root= names the wrong number: root=dissect \
                     takes whichever partition authenticates"
                },
            ),
        };
        Finding {
            id,
            stage: Stage::Policy,
            outcome: Outcome::Failed,
            subject,
            expected,
            found: self.to_string(),
            required_by: origins.into_iter().next().unwrap_or(Origin::BuiltIn),
            advice: advice.to_owned(),
        }
    }
}

fn root_is(actual: &Option<u32>) -> String {
    match actual {
        Some(number) => format!("but the root is partition {number}"),
        None => "but no partition is used as root".to_owned(),
    }
}

fn group_advice(error: &GroupError) -> &'static str {
    match error {
        GroupError::Absent { foreign, .. } if !foreign.is_empty() => {
            "serve the image for this machine's architecture"
        }
        GroupError::Absent { .. } => "serve an image that has this partition",
        GroupError::Ambiguous { .. } => "leave one partition of each version in the image",
        GroupError::Signature { .. } | GroupError::Superblock { .. } => {
            "build the image anew with systemd-repart; nothing in it can be skipped"
        }
        GroupError::Unmatched { .. } => {
            "the partitions come from different builds, or were exchanged: build the image anew"
        }
    }
}

fn demand(designator: PartitionDesignator, rule: &Rule) -> String {
    format!("{}={}", designator.name(), rule.uses)
}

/// Judges a layout.
///
/// # Errors
/// The first designator, in the policy's order, whose demand is not met.
pub fn admit(
    dissected: Dissected,
    policy: &EffectivePolicy,
    expectation: &Expectation,
) -> Result<Admitted, PolicyError> {
    let mut partitions = Vec::new();
    for designator in PartitionDesignator::ALL {
        let (rule, origins) = policy.rule(designator);
        let admitted = match designator.data() {
            Some(data) => judge_companion(&dissected, (designator, data), rule, origins)?,
            None => judge(&dissected, designator, rule, origins)?,
        };
        partitions.extend(admitted);
    }
    if partitions.iter().all(|it| !is_system(it.designator)) {
        let (_, origins) = policy.rule(PartitionDesignator::Root);
        return Err(PolicyError::NothingUsed { origins });
    }
    check_root_slot(&partitions, expectation)?;
    Ok(Admitted { dissected, partitions })
}

fn is_system(designator: PartitionDesignator) -> bool {
    matches!(designator, PartitionDesignator::Root | PartitionDesignator::Usr)
}

/// A data partition: what it could be, what the policy admits of that, and what it then has to
/// become.
fn judge(
    dissected: &Dissected,
    designator: PartitionDesignator,
    rule: Rule,
    origins: Vec<Origin>,
) -> Result<Option<AdmittedPartition>, PolicyError> {
    let group = match dissected.group(designator) {
        Some(Ok(group)) => Some(group),
        Some(Err(GroupError::Absent { foreign, .. })) if foreign.is_empty() => None,
        Some(Err(error)) if rule.uses.may_be_used() => {
            let error = error.clone();
            return Err(PolicyError::Group { designator, error, rule, origins });
        }
        Some(Err(_)) | None => None,
    };
    let found = found_uses(dissected, designator, group, &rule);
    let layout = |found: String, origins| PolicyError::Layout { designator, rule, found, origins };
    let index = match (group, dissected.choice(designator)) {
        (Some(group), _) => Some(group.data),
        (None, Choice::One(index)) => Some(index),
        (None, Choice::Absent) => None,
        (None, Choice::Ambiguous(numbers)) if rule.uses.may_be_used() => {
            let error = GroupError::Ambiguous { designator, numbers };
            return Err(PolicyError::Group { designator, error, rule, origins });
        }
        (None, Choice::Ambiguous(_)) => None,
    };
    let admitted = rule.admitted(found);
    if admitted.is_empty() {
        let described = describe(dissected, designator, index, group);
        return Err(layout(described, origins));
    }
    let Some(partition) = index.and_then(|it| dissected.partitions().get(it)) else {
        return Ok(None);
    };
    if let Some(odd) = odd_bits(partition, &rule) {
        return Err(layout(odd, origins));
    }
    let protection = if !admitted.may_be_used() {
        return Ok(None);
    } else if admitted.contains(Use::Signed) || admitted.contains(Use::Verity) {
        // There is a hash tree, or neither flag could be admitted: see found_uses().
        match group.and_then(|it| it.hash.clone().map(|hash| (hash, it.signature.clone()))) {
            Some((hash, signature)) => {
                Protection::Verity { hash, signature: signature.map(|(_, content)| content) }
            }
            None => return Err(layout("no hash tree".to_owned(), origins)),
        }
    } else {
        Protection::Open(origins.clone())
    };
    let (number, data) = (partition.entry.number, partition.entry.range);
    Ok(Some(AdmittedPartition { designator, number, data, protection, rule, origins }))
}

/// Everything a partition could be used as, given what stands beside it.
fn found_uses(
    dissected: &Dissected,
    designator: PartitionDesignator,
    group: Option<&VerityGroup>,
    rule: &Rule,
) -> UseSet {
    if group.is_none() && dissected.choice(designator) == Choice::Absent {
        return UseSet::from_iter([Use::Absent]);
    }
    if !rule.uses.may_be_used() {
        return UseSet::from_iter([Use::Unused]);
    }
    let mut found = vec![Use::Unprotected, Use::Unused];
    if let Some(VerityGroup { hash: Some(_), signature, .. }) = group {
        found.push(Use::Verity);
        if signature.is_some() {
            found.push(Use::Signed);
        }
    }
    UseSet::from_iter(found)
}

/// What is there, in words.
fn describe(
    dissected: &Dissected,
    designator: PartitionDesignator,
    index: Option<usize>,
    group: Option<&VerityGroup>,
) -> String {
    let Some(partition) = index.and_then(|index| dissected.partitions().get(index)) else {
        return format!("no {} partition", designator.name());
    };
    let beside = match group {
        Some(VerityGroup { hash: Some(_), signature: Some(_), .. }) => {
            "with hash tree and signature"
        }
        Some(VerityGroup { hash: Some(_), signature: None, .. }) => {
            "with hash tree, without signature"
        }
        Some(VerityGroup { hash: None, signature: Some(_), .. }) => {
            "with signature, without hash tree"
        }
        Some(VerityGroup { hash: None, signature: None, .. }) => "without hash tree and signature",
        None => "as it is",
    };
    format!("partition {} \"{}\", {beside}", partition.entry.number, escape(&partition.entry.label))
}

/// The first attribute bit that the rule does not admit.
fn odd_bits(partition: &Partition, rule: &Rule) -> Option<String> {
    let bits = [
        ("read-only", partition.is_read_only(), rule.read_only),
        ("growfs", partition.is_growfs(), rule.growfs),
    ];
    bits.into_iter().find_map(|(name, set, admitted)| {
        let (switch, shown) = if set { (Switch::On, "set") } else { (Switch::Off, "clear") };
        let number = partition.entry.number;
        (!admitted.contains(switch))
            .then(|| format!("partition {number} has the {name} bit {shown}"))
    })
}

/// A hash tree or signature partition: it is used with its data or not at all, so only its
/// presence and its bits can offend.
fn judge_companion(
    dissected: &Dissected,
    (designator, data): (PartitionDesignator, PartitionDesignator),
    rule: Rule,
    origins: Vec<Origin>,
) -> Result<Option<AdmittedPartition>, PolicyError> {
    let index = match dissected.group(data) {
        Some(Ok(group)) => {
            if Some(designator) == data.hash_tree() {
                group.hash.as_ref().map(|it| it.index)
            } else {
                group.signature.as_ref().map(|(index, _)| *index)
            }
        }
        Some(Err(_)) | None => match dissected.choice(designator) {
            Choice::One(index) => Some(index),
            Choice::Absent | Choice::Ambiguous(_) => None,
        },
    };
    let partition = index.and_then(|index| dissected.partitions().get(index));
    let found = match partition {
        None => UseSet::from_iter([Use::Absent]),
        Some(_) if rule.uses.may_be_used() => UseSet::from_iter([Use::Unprotected, Use::Unused]),
        Some(_) => UseSet::from_iter([Use::Unused]),
    };
    let layout = |found| PolicyError::Layout { designator, rule, found, origins: origins.clone() };
    if rule.admitted(found).is_empty() {
        return Err(layout(describe(dissected, designator, index, None)));
    }
    match partition.and_then(|partition| odd_bits(partition, &rule)) {
        Some(odd) => Err(layout(odd)),
        None => Ok(None),
    }
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
