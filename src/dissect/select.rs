// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which partition plays which part.
//!
//! **In:** the entries of a sound table; type GUIDs, labels and attributes are still anybody's.
//! **Out:** for each designator the partitions that claim it, and for root and usr the one that
//! is newest by systemd's order of versions.
//! **Refuses:** nothing itself; two equally new ones are [`Choice::Ambiguous`], which ends the
//! boot if policy wants that designator.

use std::cmp::Ordering;

use uuid::Uuid;

use crate::designator::{Architecture, PartitionDesignator, partition_type};
use crate::dissect::gpt::Entry;
use crate::dissect::group::Data;
use crate::image_filter::ImageFilter;
use crate::units::ByteRange;
use crate::version;

/// Attribute bits of the Discoverable Partitions Specification.
const NO_AUTO: u64 = 1 << 63;
const READ_ONLY: u64 = 1 << 60;
const GROW_FILE_SYSTEM: u64 = 1 << 59;

/// UEFI: firmware, and so we, leave such a partition alone.
const NO_BLOCK_IO: u64 = 1 << 1;

/// Why a partition takes part, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It claims this designator, for the architecture the image is dissected for.
    Claims(PartitionDesignator),
    /// It is labelled `_empty`: a slot for a later version.
    Empty(PartitionDesignator),
    /// The image filter takes it out of the choice.
    Filtered(PartitionDesignator),
    /// Another architecture's.
    Foreign(PartitionDesignator, Architecture),
    /// Its attributes say that it is not for automatic use.
    NoAuto(PartitionDesignator),
    /// A type the specification gives no designator.
    Unknown,
}

/// A table entry and the part it plays.
#[derive(Clone, Debug)]
pub struct Partition {
    /// The table's words.
    pub entry: Entry,
    /// What came of them.
    pub role: Role,
    /// The architecture its type stands for, where it stands for one.
    pub architecture: Option<Architecture>,
}

impl Partition {
    /// A file system without a table, as the partition it stands for: root, in slot 0.
    pub(super) fn bare(range: ByteRange, filter: &ImageFilter) -> Self {
        let entry = Entry {
            number: 0,
            type_guid: Uuid::nil(),
            guid: Uuid::nil(),
            range,
            attributes: 0,
            label: String::new(),
        };
        let role = role(&entry, PartitionDesignator::Root, filter);
        Self { entry, role, architecture: None }
    }

    /// What a root hash has to fit: nothing, where no table gives it a GUID.
    pub(super) fn as_data(&self) -> Data<'_> {
        let guid = (self.entry.number != 0).then_some(&self.entry.guid);
        Data { number: self.entry.number, guid }
    }

    /// The designator its type stands for, whatever came of it.
    #[must_use]
    pub fn designator(&self) -> Option<PartitionDesignator> {
        match self.role {
            Role::Claims(it)
            | Role::Empty(it)
            | Role::Filtered(it)
            | Role::Foreign(it, _)
            | Role::NoAuto(it) => Some(it),
            Role::Unknown => None,
        }
    }

    /// Whether it is there as systemd counts: a partition of another architecture is.
    #[must_use]
    pub fn is_present_as(&self, designator: PartitionDesignator) -> bool {
        match self.role {
            Role::Claims(its) | Role::Foreign(its, _) => its == designator,
            Role::Empty(_) | Role::Filtered(_) | Role::NoAuto(_) | Role::Unknown => false,
        }
    }

    /// Bit 60, where it means something: the file system is to be mounted read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.entry.attributes & READ_ONLY != 0
    }

    /// Bit 59: the file system is to be grown to the partition's size.
    #[must_use]
    pub fn is_growfs(&self) -> bool {
        self.entry.attributes & GROW_FILE_SYSTEM != 0
    }
}

/// The partitions that claim one designator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// None does.
    Absent,
    /// Slots, counted from 1, that are equally new.
    Ambiguous(Vec<u32>),
    /// Index into the list of partitions.
    One(usize),
}

/// Gives every entry its role.
#[must_use]
pub fn assign_roles(
    entries: Vec<Entry>,
    architecture: Architecture,
    filter: &ImageFilter,
) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = entries
        .into_iter()
        .map(|entry| match partition_type(entry.type_guid) {
            Some((designator, its)) => {
                Partition { role: role(&entry, designator, filter), architecture: its, entry }
            }
            None => Partition { role: Role::Unknown, architecture: None, entry },
        })
        .collect();
    let wanted = wanted_architecture(&partitions, architecture);
    for partition in &mut partitions {
        if let (Role::Claims(designator), Some(its)) = (partition.role, partition.architecture)
            && its != wanted
        {
            partition.role = Role::Foreign(designator, its);
        }
    }
    partitions
}

/// The architecture itself, or its secondary one if only that has a root or usr (systemd:
/// native before secondary; a foreign one is never taken).
fn wanted_architecture(partitions: &[Partition], architecture: Architecture) -> Architecture {
    let has = |wanted| {
        partitions.iter().any(|it| {
            matches!(it.role, Role::Claims(PartitionDesignator::Root | PartitionDesignator::Usr))
                && it.architecture == Some(wanted)
        })
    };
    match architecture.secondary() {
        Some(secondary) if !has(architecture) && has(secondary) => secondary,
        _ => architecture,
    }
}

fn role(entry: &Entry, designator: PartitionDesignator, filter: &ImageFilter) -> Role {
    let left_alone = if designator == PartitionDesignator::Esp { NO_BLOCK_IO } else { NO_AUTO };
    if entry.label == "_empty" {
        Role::Empty(designator)
    } else if !filter.admits(designator, &entry.label) {
        Role::Filtered(designator)
    } else if entry.attributes & left_alone != 0 {
        Role::NoAuto(designator)
    } else {
        Role::Claims(designator)
    }
}

/// The newest of those that claim `designator` and satisfy `matches`.
pub fn newest(
    partitions: &[Partition],
    designator: PartitionDesignator,
    matches: impl Fn(&Partition) -> bool,
) -> Choice {
    let mut best: Vec<(usize, &Partition)> = Vec::new();
    for (index, partition) in partitions.iter().enumerate() {
        if partition.role != Role::Claims(designator) || !matches(partition) {
            continue;
        }
        let order = best.first().map_or(Ordering::Greater, |(_, it)| {
            version::compare(&partition.entry.label, &it.entry.label)
        });
        match order {
            Ordering::Greater => best = vec![(index, partition)],
            Ordering::Equal => best.push((index, partition)),
            Ordering::Less => {}
        }
    }
    match best.as_slice() {
        [] => Choice::Absent,
        [(index, _)] => Choice::One(*index),
        several => Choice::Ambiguous(several.iter().map(|(_, it)| it.entry.number).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::designator::type_guid;
    use PartitionDesignator::{Esp, Root, Usr};

    /// Entries of these types and labels, with these attributes.
    fn roles(
        entries: &[(PartitionDesignator, Option<Architecture>, &str, u64)],
        filter: &str,
    ) -> Vec<Role> {
        let entries =
            entries.iter().enumerate().map(|(index, (designator, its, label, bits))| Entry {
                number: index as u32 + 1,
                type_guid: type_guid(*designator, *its).unwrap(),
                guid: Uuid::from_u128(index as u128 + 1),
                range: ByteRange::new(index as u64 * 512, 512).unwrap(),
                attributes: *bits,
                label: (*label).to_owned(),
            });
        let filter = ImageFilter::parse(filter).unwrap();
        let partitions = assign_roles(entries.collect(), Architecture::X86_64, &filter);
        partitions.into_iter().map(|it| it.role).collect()
    }

    #[test]
    fn the_secondary_architecture_counts_where_the_first_has_no_root_and_no_usr() {
        let [native, older, other] =
            [Architecture::X86_64, Architecture::X86, Architecture::Arm64].map(Some);
        let foreign =
            |designator, its: Option<Architecture>| Role::Foreign(designator, its.unwrap());
        for (entries, expected) in [
            (vec![(Root, native), (Root, older)], vec![Role::Claims(Root), foreign(Root, older)]),
            (vec![(Root, older), (Usr, older)], vec![Role::Claims(Root), Role::Claims(Usr)]),
            (vec![(Root, older), (Usr, native)], vec![foreign(Root, older), Role::Claims(Usr)]),
            (vec![(Root, other)], vec![foreign(Root, other)]),
        ] {
            let entries: Vec<_> = entries.into_iter().map(|(it, its)| (it, its, "", 0)).collect();
            assert_eq!(roles(&entries, "esp=*"), expected);
        }
    }

    #[test]
    fn slots_that_are_empty_filtered_or_not_automatic_take_no_part() {
        let native = Some(Architecture::X86_64);
        let entries = [
            (Root, native, "_empty", 0),
            (Root, native, "v_1", 0),
            (Root, native, "v_2", 0),
            (Usr, native, "u", NO_AUTO),
            // The ESP has another bit for it.
            (Esp, None, "e", NO_AUTO),
            (Esp, None, "e", NO_BLOCK_IO),
        ];
        assert_eq!(
            roles(&entries, "root=v_2"),
            [
                Role::Empty(Root),
                Role::Filtered(Root),
                Role::Claims(Root),
                Role::NoAuto(Usr),
                Role::Claims(Esp),
                Role::NoAuto(Esp),
            ]
        );
    }

    #[test]
    fn the_newest_is_chosen_and_two_of_them_are_none() {
        let choose = |labels: [&str; 3]| {
            let entries = labels.map(|label| (Root, Some(Architecture::X86_64), label, 0));
            let numbered: Vec<Partition> = roles(&entries, "esp=*")
                .into_iter()
                .zip(labels)
                .enumerate()
                .map(|(index, (role, label))| {
                    let range = ByteRange::new(0, 512).unwrap();
                    let mut partition = Partition::bare(range, &ImageFilter::default());
                    partition.entry.number = index as u32 + 1;
                    partition.entry.label = label.to_owned();
                    Partition { role, ..partition }
                })
                .collect();
            newest(&numbered, Root, |_| true)
        };
        assert_eq!(choose(["v_2", "v_10", "v_9"]), Choice::One(1));
        assert_eq!(choose(["v_2", "v_2~rc1", "v_1"]), Choice::One(0));
        assert_eq!(choose(["v_2", "v_1", "v_2"]), Choice::Ambiguous(vec![1, 3]));
    }
}
