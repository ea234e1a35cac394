// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One designator's demand against what the image has for it.
//!
//! **In:** the layout, claims about partitions, the rule. **Out:** the partition to use, if one is.
//! **Refuses:** what the rule does not admit, and what no rule can admit here: encrypted
//! partitions and those of another architecture.

use super::{AdmittedPartition, PolicyError, Protection, filesystems};
use crate::designator::PartitionDesignator;
use crate::dissect::Dissected;
use crate::dissect::claim::Claim;
use crate::dissect::group::{GroupError, VerityGroup, foreign};
use crate::dissect::select::{Choice, Partition};
use crate::escape::escape;
use crate::finding::Origin;
use crate::image_policy::{Rule, Switch, Use, UseSet};
use crate::policy_file::EffectivePolicy;

/// What is demanded of one designator, and of what.
struct Case<'a> {
    dissected: &'a Dissected,
    designator: PartitionDesignator,
    rule: Rule,
    origins: Vec<Origin>,
}

pub(super) fn judge(
    dissected: &Dissected,
    policy: &EffectivePolicy,
    designator: PartitionDesignator,
) -> Result<Option<AdmittedPartition>, PolicyError> {
    let (rule, origins) = policy.rule(designator);
    let case = Case { dissected, designator, rule, origins };
    if let Some(data) = designator.data() {
        let group = dissected.group(data).and_then(|it| it.as_ref().ok());
        let group = group.filter(|_| wants_hash_tree(&policy.rule(data).0));
        return case.judge_companion(data, group).map(|()| None);
    }
    let group = if wants_hash_tree(&rule) { case.group()? } else { None };
    let usable = |part: Option<PartitionDesignator>| {
        part.is_some_and(|part| policy.rule(part).0.uses.may_be_used())
    };
    let beside = UseSet::from_iter(match group {
        // What stands beside the image is no partition of it, and no rule for one concerns it.
        Some(VerityGroup { hash: Some(hash), signature, .. })
            if hash.index.is_none() || usable(designator.hash_tree()) =>
        {
            match signature {
                Some((at, _)) if at.is_none() || usable(designator.signature()) => {
                    vec![Use::Verity, Use::Signed]
                }
                _ => vec![Use::Verity],
            }
        }
        _ => Vec::new(),
    });
    case.judge_data(group, beside)
}

fn wants_hash_tree(rule: &Rule) -> bool {
    rule.uses.contains(Use::Signed) || rule.uses.contains(Use::Verity)
}

impl<'a> Case<'a> {
    fn refuse<T>(self, found: String) -> Result<T, PolicyError> {
        let Self { designator, rule, origins, .. } = self;
        Err(PolicyError::Layout { designator, rule, found, origins })
    }

    fn group_error(&self, error: GroupError) -> PolicyError {
        let (designator, rule, origins) = (self.designator, self.rule, self.origins.clone());
        PolicyError::Group { designator, error, rule, origins }
    }

    fn group(&self) -> Result<Option<&'a VerityGroup>, PolicyError> {
        match self.dissected.group(self.designator) {
            Some(Ok(group)) => Ok(Some(group)),
            Some(Err(GroupError::Absent { .. })) | None => Ok(None),
            Some(Err(error)) => Err(self.group_error(error.clone())),
        }
    }

    /// The one partition that could be used; `None` if there is none or none may be.
    fn choose(&self) -> Result<Option<&'a Partition>, PolicyError> {
        let used = self.rule.uses.may_be_used();
        match self.dissected.choice(self.designator) {
            Choice::One(index) => Ok(self.dissected.partitions().get(index)),
            Choice::Ambiguous(numbers) if used => {
                let designator = self.designator;
                Err(self.group_error(GroupError::Ambiguous { designator, numbers }))
            }
            Choice::Absent if used && self.is_present() => {
                let (designator, partitions) = (self.designator, self.dissected.partitions());
                let foreign = foreign(partitions, designator);
                Err(self.group_error(GroupError::Absent { designator, foreign }))
            }
            Choice::Absent | Choice::Ambiguous(_) => Ok(None),
        }
    }

    fn is_present(&self) -> bool {
        self.dissected.partitions().iter().any(|it| it.is_present_as(self.designator))
    }

    /// A data partition: what it could be, what the policy admits of that, and what it then has
    /// to become. `beside` is what the partitions beside it make possible.
    fn judge_data(
        self,
        group: Option<&VerityGroup>,
        beside: UseSet,
    ) -> Result<Option<AdmittedPartition>, PolicyError> {
        let partition = self.choose()?;
        let claim = partition.and_then(|it| self.dissected.claim(it.entry.number));
        if claim == Some(&Claim::Encrypted) && self.rule.uses.may_be_used() {
            // Also where the rule would do without it: somebody means it to be opened.
            let number = partition.map_or(0, |it| it.entry.number);
            return self.refuse(format!(
                "partition {number} is encrypted, and encrypted partitions are never opened"
            ));
        }
        let admitted = self.rule.admitted(self.found(beside));
        if admitted.is_empty() {
            let found = self.describe(partition, group);
            return self.refuse(found);
        }
        let Some(partition) = partition.filter(|_| self.rule.uses.may_be_used()) else {
            return Ok(None);
        };
        if let Some(odd) = odd_bits(partition, &self.rule) {
            return self.refuse(odd);
        }
        if !admitted.may_be_used() {
            return Ok(None);
        }
        let number = partition.entry.number;
        if self.designator == PartitionDesignator::Swap {
            // Nothing here ever swaps: a rule that lets it be used is met by not using it.
            return Ok(None);
        }
        let protection = match group.and_then(protected) {
            Some(verity) if wants_hash_tree(&Rule { uses: admitted, ..self.rule }) => verity,
            _ => Protection::Open(self.origins.clone()),
        };
        self.check_filesystem(number, claim)?;
        let Self { designator, rule, origins, .. } = self;
        let (data, read_only) = (partition.entry.range, partition.is_read_only());
        let admitted =
            AdmittedPartition { designator, number, data, read_only, protection, rule, origins };
        Ok(Some(admitted))
    }

    /// Everything the partition could be used as, given what stands beside it.
    fn found(&self, beside: UseSet) -> UseSet {
        if !self.is_present() {
            return UseSet::from_iter([Use::Absent]);
        }
        let unused = UseSet::from_iter([Use::Unused]);
        if !self.rule.uses.may_be_used() {
            return unused;
        }
        unused.union(UseSet::from_iter([Use::Unprotected])).union(beside)
    }

    /// A claim only refuses: what is there is identified on the bytes that will be used.
    fn check_filesystem(&self, number: u32, claim: Option<&Claim>) -> Result<(), PolicyError> {
        let found = match claim {
            Some(Claim::FileSystem(it))
                if !filesystems(self.designator, &self.rule).contains(it.filesystem) =>
            {
                format!("partition {number} seems to hold {}", it.filesystem)
            }
            Some(Claim::Unusable(error)) => format!("partition {number}: {error}"),
            Some(Claim::FileSystem(_) | Claim::Encrypted) | None => return Ok(()),
        };
        let (designator, rule, origins) = (self.designator, self.rule, self.origins.clone());
        Err(PolicyError::FileSystem { designator, rule, found, origins })
    }

    /// A hash tree or signature partition: it is used with its data or not at all, so only its
    /// presence and its bits can offend.
    fn judge_companion(
        self,
        data: PartitionDesignator,
        group: Option<&VerityGroup>,
    ) -> Result<(), PolicyError> {
        let (dissected, may_be_used) = (self.dissected, self.rule.uses.may_be_used());
        let index = match (group, dissected.choice(self.designator)) {
            (Some(group), _) if Some(self.designator) == data.hash_tree() => {
                group.hash.as_ref().and_then(|it| it.index)
            }
            (Some(group), _) => group.signature.as_ref().and_then(|(index, _)| *index),
            (None, Choice::One(index)) => Some(index),
            (None, Choice::Absent | Choice::Ambiguous(_)) => None,
        };
        let partition = index.and_then(|index| dissected.partitions().get(index));
        // A file beside the image stands for the partition that is not there.
        let beside = group.is_some_and(|group| {
            let tree = group.hash.as_ref().is_some_and(|it| it.index.is_none());
            let signature = group.signature.as_ref().is_some_and(|(at, _)| at.is_none());
            if Some(self.designator) == data.hash_tree() { tree } else { signature }
        });
        let found = match partition {
            None if beside => UseSet::from_iter([Use::Absent, Use::Unprotected]),
            Some(_) if may_be_used => UseSet::from_iter([Use::Unprotected, Use::Unused]),
            // For another machine, or one of several: nobody can say which was meant.
            None if may_be_used && self.is_present() => UseSet::EMPTY,
            _ if self.is_present() => UseSet::from_iter([Use::Unused]),
            _ => UseSet::from_iter([Use::Absent]),
        };
        if self.rule.admitted(found).is_empty() {
            let found = self.describe(partition, None);
            return self.refuse(found);
        }
        match partition.and_then(|partition| odd_bits(partition, &self.rule)) {
            Some(odd) if may_be_used => self.refuse(odd),
            _ => Ok(()),
        }
    }

    /// What is there, in words.
    fn describe(&self, partition: Option<&Partition>, group: Option<&VerityGroup>) -> String {
        let name = self.designator.name();
        let Some(partition) = partition else {
            let foreign = foreign(self.dissected.partitions(), self.designator);
            return match foreign.first() {
                None if self.is_present() => format!("several {name} partitions"),
                None => format!("no {name} partition"),
                Some(other) => format!("no {name} partition but for {other}"),
            };
        };
        if self.dissected.table().is_none() {
            return "a file system without a partition table".to_owned();
        }
        let number = partition.entry.number;
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
            Some(VerityGroup { hash: None, signature: None, .. }) => {
                "without hash tree and signature"
            }
            None if self.rule.uses.contains(Use::Encrypted) => "not encrypted",
            None => "as it is",
        };
        format!("partition {number} \"{}\", {beside}", escape(&partition.entry.label))
    }
}

/// What a group with a hash tree has to reach.
fn protected(group: &VerityGroup) -> Option<Protection> {
    let signature = group.signature.clone().map(|(_, content)| content);
    Some(Protection::Verity { hash: group.hash.clone()?, signature, claim: group.claim.clone() })
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
