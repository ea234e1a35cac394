// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What there is to say about each partition, whatever it is rendered as.
//!
//! **In:** a dissected image. **Out:** a [`Row`] for each partition, its texts escaped.
//! **Refuses:** nothing.

use uuid::Uuid;
use veriroot::designator::{Architecture, LINUX_GENERIC, PartitionDesignator};
use veriroot::dissect::Dissected;
use veriroot::dissect::claim::Claim;
use veriroot::dissect::select::{Choice, Partition, Role};
use veriroot::escape::escape;
use veriroot::filesystem::ProbeError;

/// What a partition is to its verity group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Data,
    HashTree,
    Signature,
}

/// A verity group by the numbers of its partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairing {
    pub(super) part: Part,
    pub(super) data: u32,
    pub(super) hash: Option<u32>,
    pub(super) signature: Option<u32>,
}

/// One partition.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "two bits of the table, each its own")]
pub(super) struct Row {
    /// `None` for a file system without a table.
    pub(super) number: Option<u32>,
    pub(super) designator: Option<PartitionDesignator>,
    pub(super) architecture: Option<Architecture>,
    pub(super) type_uuid: Option<Uuid>,
    pub(super) uuid: Option<Uuid>,
    pub(super) label: String,
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) filesystem: Option<&'static str>,
    pub(super) read_only: bool,
    pub(super) growfs: bool,
    pub(super) pairing: Option<Pairing>,
    /// Why it would not be used, whatever the policy; or what is odd about it.
    pub(super) note: Option<String>,
}

/// All partitions in slot order.
pub(super) fn rows(dissected: &Dissected) -> Vec<Row> {
    let all = dissected.partitions().iter().enumerate();
    all.map(|(index, partition)| row(dissected, index, partition)).collect()
}

fn row(dissected: &Dissected, index: usize, partition: &Partition) -> Row {
    let entry = &partition.entry;
    let in_table = dissected.table().is_some();
    let claim = dissected.claim(entry.number);
    let pairing = pairing(dissected, index);
    Row {
        number: in_table.then_some(entry.number),
        designator: partition.designator(),
        architecture: partition.architecture,
        type_uuid: in_table.then_some(entry.type_guid),
        uuid: in_table.then_some(entry.guid),
        label: escape(&entry.label),
        start: entry.range.offset(),
        size: entry.range.len(),
        filesystem: filesystem(claim),
        read_only: partition.is_read_only(),
        growfs: partition.is_growfs(),
        note: note(dissected, index, (partition, pairing)),
        pairing,
    }
}

fn filesystem(claim: Option<&Claim>) -> Option<&'static str> {
    match claim? {
        Claim::Encrypted => Some("crypto_LUKS"),
        Claim::FileSystem(superblock) => Some(superblock.filesystem.name()),
        Claim::Unusable(ProbeError::Foreign { name }) => Some(name),
        Claim::Unusable(_) => None,
    }
}

fn pairing(dissected: &Dissected, index: usize) -> Option<Pairing> {
    let number = |at: usize| dissected.partitions().get(at).map(|it| it.entry.number);
    [PartitionDesignator::Root, PartitionDesignator::Usr].into_iter().find_map(|designator| {
        let group = dissected.group(designator)?.as_ref().ok()?;
        let hash = group.hash.as_ref().and_then(|it| it.index);
        let signature = group.signature.as_ref().and_then(|(index, _)| *index);
        let part = match Some(index) {
            it if it == hash => Part::HashTree,
            it if it == signature => Part::Signature,
            Some(it) if it == group.data && (hash, signature) != (None, None) => Part::Data,
            _ => return None,
        };
        Some(Pairing {
            part,
            data: number(group.data)?,
            hash: hash.and_then(number),
            signature: signature.and_then(number),
        })
    })
}

fn note(
    dissected: &Dissected,
    index: usize,
    (partition, pairing): (&Partition, Option<Pairing>),
) -> Option<String> {
    let note = match partition.role {
        Role::Empty(_) => "empty slot",
        Role::Filtered(_) => "filtered out",
        Role::Foreign(_, architecture) => return Some(format!("for {architecture}")),
        Role::NoAuto(_) => "not for automatic use",
        Role::Unknown if partition.entry.type_guid == LINUX_GENERIC => "Linux data, no designator",
        Role::Unknown => "unknown type",
        Role::Claims(it) if it.data().is_some() && pairing.is_none() => "belongs to no data",
        Role::Claims(it) if it.data().is_some() => return None,
        Role::Claims(it) => match dissected.choice(it) {
            Choice::One(chosen) if chosen != index => "an older version",
            Choice::Ambiguous(_) => "one of several equally new",
            Choice::One(_) | Choice::Absent => match dissected.claim(partition.entry.number)? {
                Claim::Encrypted => "encrypted, never opened",
                Claim::Unusable(error @ ProbeError::Foreign { .. }) => {
                    let swap = it == PartitionDesignator::Swap;
                    return (!swap).then(|| error.to_string());
                }
                Claim::Unusable(error) => return Some(error.to_string()),
                Claim::FileSystem(_) => return None,
            },
        },
    };
    Some(note.to_owned())
}
