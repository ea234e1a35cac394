// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a partition is for, and for which machine: designators, architectures, type GUIDs.
//!
//! **In:** names from policies, type GUIDs from a partition table an attacker wrote.
//! **Out:** one [`PartitionDesignator`] and, where the type has one, one [`Architecture`].
//! **Refuses:** names and GUIDs off the list; a GUID means exactly one pair.
//!
//! [Discoverable Partitions Specification][dps], section "Defined Partition Type UUIDs"; names as
//! systemd 262 spells them.
//!
//! [dps]: https://uapi-group.org/specifications/specs/discoverable_partitions_specification/

mod architecture;
mod table;

use std::fmt;

pub use architecture::Architecture;
use table::PER_ARCHITECTURE;
use uuid::Uuid;

/// What a partition is for, in systemd's canonical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionDesignator {
    /// The root file system
    Root,
    /// `/usr`
    Usr,
    /// `/home`
    Home,
    /// `/srv`
    Srv,
    /// EFI system partition
    Esp,
    /// Extended boot loader partition
    Xbootldr,
    /// Swap
    Swap,
    /// Hash tree of root
    RootVerity,
    /// Hash tree of usr
    UsrVerity,
    /// Signature of the root hash of root
    RootVeritySig,
    /// Signature of the root hash of usr
    UsrVeritySig,
    /// `/var/tmp`
    Tmp,
    /// `/var`
    Var,
}

impl PartitionDesignator {
    /// Every designator, in canonical order.
    pub const ALL: [Self; 13] = [
        Self::Root,
        Self::Usr,
        Self::Home,
        Self::Srv,
        Self::Esp,
        Self::Xbootldr,
        Self::Swap,
        Self::RootVerity,
        Self::UsrVerity,
        Self::RootVeritySig,
        Self::UsrVeritySig,
        Self::Tmp,
        Self::Var,
    ];

    /// The name, as policies and partition tables of systemd print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Usr => "usr",
            Self::Home => "home",
            Self::Srv => "srv",
            Self::Esp => "esp",
            Self::Xbootldr => "xbootldr",
            Self::Swap => "swap",
            Self::RootVerity => "root-verity",
            Self::UsrVerity => "usr-verity",
            Self::RootVeritySig => "root-verity-sig",
            Self::UsrVeritySig => "usr-verity-sig",
            Self::Tmp => "tmp",
            Self::Var => "var",
        }
    }

    /// The designator of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The partition with the hash tree over this one: only root and usr can have one.
    #[must_use]
    pub fn hash_tree(self) -> Option<Self> {
        VERITY.iter().find(|(data, ..)| *data == self).map(|(_, hash_tree, _)| *hash_tree)
    }

    /// The partition with the signature over this one's root hash: only root and usr can have one.
    #[must_use]
    pub fn signature(self) -> Option<Self> {
        VERITY.iter().find(|(data, ..)| *data == self).map(|(_, _, signature)| *signature)
    }

    /// The data partition that a hash tree or a signature belongs to; `None` for every other.
    #[must_use]
    pub fn data(self) -> Option<Self> {
        VERITY
            .iter()
            .find(|(_, hash_tree, signature)| *hash_tree == self || *signature == self)
            .map(|(data, ..)| *data)
    }
}

impl fmt::Display for PartitionDesignator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// "Generic Linux data": no designator. Only a tool that was told to may take it for a root.
pub const LINUX_GENERIC: Uuid = Uuid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4);

/// What a type GUID stands for; `None` for every GUID off the list, [`LINUX_GENERIC`] included.
#[must_use]
pub fn partition_type(guid: Uuid) -> Option<(PartitionDesignator, Option<Architecture>)> {
    let guid = guid.as_u128();
    if let Some((designator, _)) = COMMON.iter().find(|(_, it)| *it == guid) {
        return Some((*designator, None));
    }
    PER_ARCHITECTURE.iter().find_map(|(architecture, guids)| {
        let (designator, _) = COLUMNS.iter().zip(guids).find(|(_, it)| **it == guid)?;
        Some((*designator, Some(*architecture)))
    })
}

/// The type GUID of a designator: with an architecture for root, usr and what belongs to them,
/// without one for every other; `None` for other combinations.
#[must_use]
pub fn type_guid(
    designator: PartitionDesignator,
    architecture: Option<Architecture>,
) -> Option<Uuid> {
    let guid = match architecture {
        None => COMMON.iter().find(|(it, _)| *it == designator).map(|(_, guid)| guid),
        Some(architecture) => {
            let (_, guids) = PER_ARCHITECTURE.iter().find(|(it, _)| *it == architecture)?;
            COLUMNS.iter().zip(guids).find(|(it, _)| **it == designator).map(|(_, guid)| guid)
        }
    };
    guid.map(|guid| Uuid::from_u128(*guid))
}

/// Data partitions that can have a hash tree and a signature, with both.
const VERITY: [(PartitionDesignator, PartitionDesignator, PartitionDesignator); 2] = [
    (
        PartitionDesignator::Root,
        PartitionDesignator::RootVerity,
        PartitionDesignator::RootVeritySig,
    ),
    (PartitionDesignator::Usr, PartitionDesignator::UsrVerity, PartitionDesignator::UsrVeritySig),
];

/// Types that are the same on every architecture.
const COMMON: [(PartitionDesignator, u128); 7] = [
    (PartitionDesignator::Home, 0x933ac7e1_2eb4_4f13_b844_0e14e2aef915),
    (PartitionDesignator::Srv, 0x3b8f8425_20e0_4f3b_907f_1a25a76f98e8),
    (PartitionDesignator::Esp, 0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b),
    (PartitionDesignator::Xbootldr, 0xbc13c2ff_59e6_4262_a352_b275fd6f7172),
    (PartitionDesignator::Swap, 0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f),
    (PartitionDesignator::Tmp, 0x7ec6f557_3bc5_4aca_b293_16ef5df639d1),
    (PartitionDesignator::Var, 0x4d21b016_b534_45c2_a9fb_5c16e091fd2d),
];

/// What the six columns of `PER_ARCHITECTURE` are.
const COLUMNS: [PartitionDesignator; 6] = [
    PartitionDesignator::Root,
    PartitionDesignator::Usr,
    PartitionDesignator::RootVerity,
    PartitionDesignator::UsrVerity,
    PartitionDesignator::RootVeritySig,
    PartitionDesignator::UsrVeritySig,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guid_means_exactly_one_pair() {
        let mut guids = vec![LINUX_GENERIC];
        let architectures = Architecture::ALL.into_iter().map(Some).chain([None]);
        for architecture in architectures {
            for designator in PartitionDesignator::ALL {
                if let Some(guid) = type_guid(designator, architecture) {
                    assert_eq!(partition_type(guid), Some((designator, architecture)));
                    guids.push(guid);
                }
            }
        }
        assert_eq!(guids.len(), 1 + 7 + 21 * 6);
        guids.sort();
        guids.dedup();
        assert_eq!(guids.len(), 1 + 7 + 21 * 6);
    }

    #[test]
    fn types_are_those_of_the_specification() {
        let root = Uuid::parse_str("4f68bce3-e8cd-4db1-96e7-fbcaf984b709").unwrap();
        let pair = (PartitionDesignator::Root, Some(Architecture::X86_64));
        assert_eq!(partition_type(root), Some(pair));
        let signature = Uuid::parse_str("c23ce4ff-44bd-4b00-b2d4-b41b3419e02a").unwrap();
        let pair = (PartitionDesignator::UsrVeritySig, Some(Architecture::Arm64));
        assert_eq!(partition_type(signature), Some(pair));
        let user_home = Uuid::parse_str("773f91ef-66d4-49b5-bd83-d683bf40ad16").unwrap();
        for guid in [LINUX_GENERIC, user_home, Uuid::nil()] {
            assert_eq!(partition_type(guid), None);
        }
    }

    #[test]
    fn an_architecture_where_none_belongs_has_no_type() {
        use PartitionDesignator::{Esp, Root};
        assert_eq!(type_guid(Root, None), None);
        assert_eq!(type_guid(Esp, Some(Architecture::X86_64)), None);
    }

    #[test]
    fn names_are_read_back_exactly() {
        for designator in PartitionDesignator::ALL {
            assert_eq!(PartitionDesignator::from_name(designator.name()), Some(designator));
        }
        for architecture in Architecture::ALL {
            assert_eq!(Architecture::from_name(architecture.name()), Some(architecture));
        }
        for name in ["", "ROOT", "root ", "x86_64", "amd64"] {
            assert_eq!(PartitionDesignator::from_name(name), None);
            assert_eq!(Architecture::from_name(name), None);
        }
    }

    #[test]
    fn hash_trees_and_signatures_belong_to_their_data() {
        for data in PartitionDesignator::ALL {
            assert_eq!(data.hash_tree().is_some(), data.signature().is_some());
            for part in [data.hash_tree(), data.signature()].into_iter().flatten() {
                assert_eq!(part.data(), Some(data));
                assert_eq!(part.hash_tree(), None);
            }
        }
    }
}
