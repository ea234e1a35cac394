// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What two policies say together.
//!
//! **In:** two policies. **Out:** the one that admits what both admit, or what either admits.
//! **Refuses:** an intersection that no image can meet. Restrictions are never dropped.
//!
//! Off-spec: systemd 262 takes "no file system named" as an empty set, so that there intersecting
//! with a policy that names none drops the other's restriction, and lets two opposite demands on
//! a GPT bit cancel each other. Here the first means every type, and the second is an error.

use thiserror::Error;

use super::flags::{FileSystemSet, Rule, SwitchSet, Use, UseSet};
use super::{ImagePolicy, Impossible};
use crate::designator::PartitionDesignator;

/// Two policies that exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EmptyIntersection {
    /// Nothing is left of a default clause.
    #[error("the default clauses exclude each other in {aspect}")]
    Default {
        /// Of what nothing is left.
        aspect: Aspect,
    },
    /// Nothing is left for one partition.
    #[error("the rules for {designator} exclude each other in {aspect}")]
    Designator {
        /// Which partition.
        designator: PartitionDesignator,
        /// Of what nothing is left.
        aspect: Aspect,
    },
    /// Something is left for each partition, but not for all together.
    #[error(transparent)]
    Together(#[from] Impossible),
}

impl EmptyIntersection {
    /// The partition it is about; `None` for the default clause.
    #[must_use]
    pub fn designator(&self) -> Option<PartitionDesignator> {
        match self {
            Self::Default { .. } => None,
            Self::Designator { designator, .. } => Some(*designator),
            Self::Together(impossible) => Some(impossible.designator),
        }
    }
}

/// A part of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Aspect {
    /// File systems.
    #[error("file systems")]
    FileSystems,
    /// The GPT growfs bit.
    #[error("growfs")]
    Growfs,
    /// The GPT read-only bit.
    #[error("read-only")]
    ReadOnly,
    /// Use flags.
    #[error("use")]
    Uses,
}

impl ImagePolicy {
    /// What both admit.
    ///
    /// # Errors
    /// [`EmptyIntersection`] if no image can meet both.
    pub fn intersect(&self, other: &Self) -> Result<Self, EmptyIntersection> {
        let default = intersect(self.default.extended(), other.default.extended())
            .map_err(|aspect| EmptyIntersection::Default { aspect })?;
        let mut policy = Self { default: default.reduced(), ..Self::ignore() };
        for designator in PartitionDesignator::ALL {
            let rule = intersect(self.rule(designator), other.rule(designator))
                .map_err(|aspect| EmptyIntersection::Designator { designator, aspect })?;
            policy.settle(designator, rule);
        }
        policy.possible()?;
        Ok(policy)
    }

    /// What either admits.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let default = union(self.default.extended(), other.default.extended());
        let mut policy = Self { default: default.reduced(), ..Self::ignore() };
        for designator in PartitionDesignator::ALL {
            policy.settle(designator, union(self.rule(designator), other.rule(designator)));
        }
        policy
    }

    /// What this policy admits and `other` does not, for every partition where there is any.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Vec<(PartitionDesignator, Rule)> {
        let rules =
            PartitionDesignator::ALL.into_iter().map(|it| (it, self.rule(it), other.rule(it)));
        rules
            .filter(|(_, ours, theirs)| !ours.is_within(theirs))
            .map(|(designator, ours, theirs)| {
                let mut more = Rule {
                    uses: ours.uses.difference(theirs.uses),
                    read_only: ours.read_only.difference(theirs.read_only),
                    growfs: ours.growfs.difference(theirs.growfs),
                    filesystems: ours.filesystems.difference(theirs.filesystems),
                };
                // Where the other side has no such partition, its bits and types say nothing.
                if theirs.uses == UseSet::from_iter([Use::Absent]) {
                    (more.read_only, more.growfs) = (SwitchSet::EMPTY, SwitchSet::EMPTY);
                }
                if !ours.uses.may_be_used() || !theirs.uses.may_be_used() {
                    more.filesystems = FileSystemSet::EMPTY;
                }
                (designator, more)
            })
            .collect()
    }

    /// Makes `rule` hold for a partition, with a clause only where it does not follow anyway.
    /// Data partitions come before what is derived from them in canonical order.
    fn settle(&mut self, designator: PartitionDesignator, rule: Rule) {
        if self.rule(designator) != rule.normalised(designator) {
            self.clauses.insert(designator, rule.reduced());
        }
    }
}

fn intersect(a: Rule, b: Rule) -> Result<Rule, Aspect> {
    let mut rule = Rule {
        uses: a.uses.intersection(b.uses),
        read_only: a.read_only.intersection(b.read_only),
        growfs: a.growfs.intersection(b.growfs),
        filesystems: a.filesystems.intersection(b.filesystems),
    };
    let may_exist = !rule.uses.intersection(UseSet::present()).is_empty();
    if rule.uses.is_empty() {
        return Err(Aspect::Uses);
    }
    if may_exist && rule.read_only.is_empty() {
        return Err(Aspect::ReadOnly);
    }
    if may_exist && rule.growfs.is_empty() {
        return Err(Aspect::Growfs);
    }
    if rule.filesystems.is_empty() {
        if rule.uses.may_be_used() {
            return Err(Aspect::FileSystems);
        }
        // Nothing will be mounted, so no file system needs to be named.
        rule.filesystems = FileSystemSet::all();
    }
    Ok(rule)
}

fn union(a: Rule, b: Rule) -> Rule {
    // A partition that is not used has no file system to speak of: only the other side counts.
    let filesystems = match (a.uses.may_be_used(), b.uses.may_be_used()) {
        (true, false) => a.filesystems,
        (false, true) => b.filesystems,
        _ => a.filesystems.union(b.filesystems),
    };
    Rule {
        uses: a.uses.union(b.uses),
        read_only: a.read_only.union(b.read_only),
        growfs: a.growfs.union(b.growfs),
        filesystems,
    }
}
