// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why a layout is refused.
//!
//! **In:** typed facts, the rule and who made it. **Out:** [`PolicyError`]. **Refuses:** nothing.

use super::{Discord, filesystems};
use crate::designator::PartitionDesignator;
use crate::dissect::group::GroupError;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::image_policy::Rule;

/// Why a layout is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum PolicyError {
    #[error("{discord}")]
    Discord { discord: Discord },
    #[error("{found}")]
    FileSystem { designator: PartitionDesignator, rule: Rule, found: String, origins: Vec<Origin> },
    #[error("{error}")]
    Group { designator: PartitionDesignator, error: GroupError, rule: Rule, origins: Vec<Origin> },
    #[error("{found}")]
    Layout { designator: PartitionDesignator, rule: Rule, found: String, origins: Vec<Origin> },
    #[error("no partition of this image would be used")]
    NothingUsed { origins: Vec<Origin> },
    #[error("{word} means partition {demanded}, {}", root_is(.actual))]
    RootSlot { word: String, demanded: u32, actual: Option<u32> },
    #[error("{word}, {}", usr_is(.actual))]
    UsrSlot { word: String, actual: Option<u32> },
}

impl Refusal for PolicyError {
    fn class(&self) -> Class {
        match self {
            Self::Group { error, .. } => match error {
                GroupError::Absent { .. } => Class::Policy,
                GroupError::Ambiguous { .. } | GroupError::Unmatched { .. } => Class::Pair,
                GroupError::Signature { .. } => Class::Sigfmt,
                GroupError::Superblock { .. } => Class::Verity,
                GroupError::Sidecar(error) => error.class(),
                GroupError::TooMany { .. } => Class::Limit,
            },
            Self::Layout { .. } | Self::NothingUsed { .. } => Class::Policy,
            Self::Discord { .. } | Self::RootSlot { .. } | Self::UsrSlot { .. } => Class::Pair,
            Self::FileSystem { .. } => Class::Fs,
        }
    }

    fn finding(&self) -> Finding {
        let (id, subject, expected, origins, advice) = match self {
            Self::Discord { discord } => (
                "policy-discord",
                discord.subject().name().to_owned(),
                "partitions that belong to each other, and one hash tree at most".to_owned(),
                vec![Origin::Rule("Discoverable Partitions Specification, \"Verity\"")],
                "build the image as the policy demands, or say \"ignore\" of what shall not be used",
            ),
            Self::FileSystem { designator, rule, origins, .. } => (
                "policy-filesystem",
                designator.name().to_owned(),
                format!("one of {}", filesystems(*designator, rule)),
                origins.clone(),
                "build the image with a file system that the policy admits",
            ),
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
            Self::UsrSlot { word, .. } => slot(
                ("policy-usr-slot", "usr", word),
                "serve an image with a usr partition, and let the policy use it: usr=signed",
            ),
            Self::RootSlot { word, actual, .. } => {
                slot(("policy-root-slot", "root", word), root_slot_advice(*actual))
            }
        };
        Finding {
            id,
            stage: Stage::Policy,
            outcome: Outcome::Failed,
            subject,
            expected,
            found: self.to_string(),
            required_by: origins.into_iter().next().unwrap_or(Origin::Rule("a boot needs a root")),
            advice: advice.to_owned(),
        }
    }
}

fn usr_is(actual: &Option<u32>) -> String {
    match actual {
        Some(number) => format!("and the one that would be used is partition {number}"),
        None => "and none of the image would be used".to_owned(),
    }
}

/// What is found about a word that names a partition.
fn slot(
    (id, designator, word): (&'static str, &str, &String),
    advice: &'static str,
) -> (&'static str, String, String, Vec<Origin>, &'static str) {
    let expected = format!("{word} is the partition that authenticates as {designator}");
    (id, designator.to_owned(), expected, vec![Origin::KernelWord(word.clone())], advice)
}

fn root_slot_advice(actual: Option<u32>) -> &'static str {
    if actual.is_none() {
        return "serve the image that the command line was written for";
    }
    "the table was rearranged, or root= names the wrong number: root=dissect takes whichever \
     partition authenticates"
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
        GroupError::Ambiguous { .. } | GroupError::TooMany { .. } => {
            "leave one partition of each version in the image"
        }
        GroupError::Signature { .. } | GroupError::Superblock { .. } => {
            "build the image anew with systemd-repart; nothing in it can be skipped"
        }
        GroupError::Sidecar(_) => {
            "serve the files that were made with the image, all of one build, or none of them"
        }
        GroupError::Unmatched { .. } => {
            "the partitions come from different builds, or were exchanged: build the image anew"
        }
    }
}

fn demand(designator: PartitionDesignator, rule: &Rule) -> String {
    format!("{}={}", designator.name(), rule.uses)
}
