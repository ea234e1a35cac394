// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partitions that may each be as they are, and do not go together.
//!
//! **In:** the layout; which designators the policy lets be used. **Out:** nothing but a yes.
//! **Refuses:** hash trees without data, signatures without hash trees, a hash tree for root
//! beside a usr of its own (systemd 262, dissect-image.c: `dissect_image`, after the choice).

use super::PolicyError;
use crate::designator::PartitionDesignator;
use crate::dissect::Dissected;
use crate::policy_file::EffectivePolicy;

/// What does not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum Discord {
    #[error("{part} without {wanted}: it protects nothing")]
    Alone { part: PartitionDesignator, wanted: PartitionDesignator },
    #[error("hash trees for root and for usr: which of the two is the system?")]
    TwoHashTrees,
    #[error("a hash tree for root and a usr beside it, which would hide the usr under the tree")]
    UsrBesideHashTree,
}

impl Discord {
    pub(super) fn subject(self) -> PartitionDesignator {
        match self {
            Self::Alone { part, .. } => part,
            Self::TwoHashTrees | Self::UsrBesideHashTree => PartitionDesignator::Usr,
        }
    }
}

pub(super) fn check(dissected: &Dissected, policy: &EffectivePolicy) -> Result<(), PolicyError> {
    use PartitionDesignator::{Root, RootVerity, Usr, UsrVerity};
    // A hash tree in a file beside the image is one as well.
    let beside = |designator: PartitionDesignator| {
        let data = designator.data().filter(|data| data.hash_tree() == Some(designator));
        let group = data.and_then(|data| dissected.group(data)).and_then(|it| it.as_ref().ok());
        group.and_then(|it| it.hash.as_ref()).is_some_and(|it| it.index.is_none())
    };
    let used = |designator: PartitionDesignator| {
        policy.rule(designator).0.uses.may_be_used()
            && dissected.partitions().iter().any(|it| it.is_present_as(designator))
            || beside(designator)
    };
    let refuse = |discord| Err(PolicyError::Discord { discord });
    for data in [Root, Usr] {
        let (Some(hash), Some(signature)) = (data.hash_tree(), data.signature()) else { continue };
        for (part, wanted) in [(hash, data), (signature, data), (signature, hash)] {
            if used(part) && !used(wanted) {
                return refuse(Discord::Alone { part, wanted });
            }
        }
    }
    if used(RootVerity) && used(UsrVerity) {
        return refuse(Discord::TwoHashTrees);
    }
    if used(RootVerity) && used(Usr) {
        return refuse(Discord::UsrBesideHashTree);
    }
    Ok(())
}
