// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Image policies: which partitions may exist, and what each may be used as.
//!
//! **In:** a string from a policy file, the kernel command line or a program option.
//! **Out:** an [`ImagePolicy`] that has a [`Rule`] for every designator.
//! **Refuses:** what is not in the language, and where systemd reads a mistake as "open".
//!
//! The language is that of systemd.image-policy(7) as systemd 262 speaks it.
//! [`ImagePolicy::parse`] is the strict dialect and the only way into the rest of the program;
//! [`SystemdReading`] says what systemd makes of a string and decides nothing.

mod algebra;
mod flags;
pub mod lint;
mod parse;
mod print;
mod reading;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

pub use algebra::{Aspect, EmptyIntersection};
pub use flags::{FileSystemSet, Flag, FlagSet, Rule, Switch, SwitchSet, Use, UseSet};
pub use parse::{Fault, ParseError};
pub use reading::SystemdReading;

use crate::designator::PartitionDesignator;

/// A policy that some image can meet.
///
/// Two are equal if they were written with the same clauses;
/// [`is_equivalent`](Self::is_equivalent) compares what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePolicy {
    clauses: BTreeMap<PartitionDesignator, Rule>,
    default: Rule,
}

impl ImagePolicy {
    /// `*`: everything may be used in any way.
    #[must_use]
    pub fn allow() -> Self {
        Self::of(UseSet::open())
    }

    /// `-`: everything may exist, nothing is used.
    #[must_use]
    pub fn ignore() -> Self {
        Self::of(UseSet::ignore())
    }

    /// `~`: nothing may exist.
    #[must_use]
    pub fn deny() -> Self {
        Self::of(UseSet::from_iter([Use::Absent]))
    }

    /// What holds for a partition: its own clause, else what follows from the partition it
    /// protects, else the default; normalised.
    #[must_use]
    pub fn rule(&self, designator: PartitionDesignator) -> Rule {
        self.clauses
            .get(&designator)
            .copied()
            .or_else(|| self.derived(designator))
            .unwrap_or(self.default)
            .normalised(designator)
    }

    /// Whether both say the same of every partition.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.default.extended() == other.default.extended()
            && PartitionDesignator::ALL.iter().all(|it| self.rule(*it) == other.rule(*it))
    }

    /// Whether everything this policy admits is admitted by `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        PartitionDesignator::ALL.iter().all(|it| self.rule(*it).is_within(&other.rule(*it)))
    }

    fn of(uses: UseSet) -> Self {
        Self { clauses: BTreeMap::new(), default: Rule::of(uses) }
    }

    /// A hash tree or signature without a clause of its own follows its data partition's clause:
    /// it must be there if the data needs it, and may be missing if the data may.
    fn derived(&self, designator: PartitionDesignator) -> Option<Rule> {
        let data = designator.data()?;
        let rule = self.clauses.get(&data)?.normalised(data);
        let needed = if data.signature() == Some(designator) {
            rule.uses.contains(Use::Signed)
        } else {
            rule.uses.contains(Use::Signed) || rule.uses.contains(Use::Verity)
        };
        let idle = rule.uses.intersection(UseSet::ignore());
        let uses = idle.union(UseSet::from_iter([Use::Unprotected]));
        needed.then_some(Rule { uses, filesystems: FileSystemSet::EMPTY, ..rule })
    }

    /// Checks that some image can meet the policy.
    fn possible(&self) -> Result<(), Impossible> {
        self.impossibilities().next().map_or(Ok(()), Err)
    }

    /// Partitions that may be nothing at all, then data partitions that cannot meet their rules
    /// together with their hash tree and signature.
    fn impossibilities(&self) -> impl Iterator<Item = Impossible> {
        let of = |unmet| move |designator| Impossible { designator, unmet };
        let useless = move |it: &PartitionDesignator| self.rule(*it).uses.is_empty();
        let no_use = PartitionDesignator::ALL.into_iter().filter(useless).map(of(Unmet::NoUse));
        let contradictions = PartitionDesignator::ALL.into_iter().filter_map(move |designator| {
            let parts = [designator.signature()?, designator.hash_tree()?];
            if useless(&designator) || !self.reachable(designator).is_empty() {
                return None;
            }
            let own = |it: &PartitionDesignator| self.clauses.contains_key(it);
            let with = parts.into_iter().find(own).or(designator.hash_tree())?;
            Some(of(Unmet::Contradiction { with })(designator))
        });
        no_use.chain(contradictions)
    }

    /// The uses in a partition's rule that the rules of its hash tree and signature leave room
    /// for. A hash tree needs its data, a signature needs its hash tree.
    #[must_use]
    pub fn reachable(&self, designator: PartitionDesignator) -> UseSet {
        let uses = self.rule(designator).uses;
        let (Some(hash), Some(signature)) = (designator.hash_tree(), designator.signature()) else {
            return uses;
        };
        let (hash, signature) = (self.rule(hash).uses, self.rule(signature).uses);
        let hash_used = hash.contains(Use::Unprotected);
        let signature_used = signature.contains(Use::Unprotected);
        let idle = |uses: UseSet| !uses.intersection(UseSet::ignore()).is_empty();
        let bare = idle(hash) && idle(signature);
        uses.iter()
            .filter(|it| match it {
                Use::Signed => hash_used && signature_used,
                Use::Verity => hash_used,
                Use::Unused | Use::Absent => bare,
                Use::Encrypted | Use::EncryptedWithIntegrity | Use::Unprotected => {
                    bare || hash_used
                }
            })
            .collect()
    }
}

/// A policy that no image can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no image can meet this: {} {unmet}", .designator.name())]
pub struct Impossible {
    /// The partition that cannot be as demanded.
    pub designator: PartitionDesignator,
    /// Why not.
    pub unmet: Unmet,
}

/// Why a partition cannot be as demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unmet {
    /// The rules of hash tree or signature leave no room for the data partition's.
    #[error("contradicts what is said of {}", .with.name())]
    Contradiction {
        /// The partition whose rule is in the way.
        with: PartitionDesignator,
    },
    /// No use is left: only root and usr can be verity or signed, and hash trees and signatures
    /// are never protected themselves.
    #[error("may neither be used nor be missing")]
    NoUse,
}
