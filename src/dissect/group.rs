// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Root (or usr), its hash tree and its signature: one matching triple.
//!
//! **In:** the partitions that claim the three designators, the source to read them from, and files
//! beside it for what it lacks.
//! **Out:** a [`VerityGroup`]: the newest data partition, the signature partition whose root hash
//! begins with its UUID, the hash partition whose UUID is the other end of that root hash
//! (Discoverable Partitions Specification, "Verity").
//! **Refuses:** partitions that are equally new or do not belong together, superblocks and
//! signature partitions that do not parse. systemd chooses the three independently; here an odd
//! one makes the group a [`GroupError`].

use uuid::Uuid;

use crate::designator::{Architecture, PartitionDesignator};
use crate::digest::RootHashClaim;
use crate::dissect::select::{Choice, Partition, Role, newest};
use crate::dissect::sidecar::{SidecarError, Sidecars};
use crate::dissect::verity_sig::{SignatureError, VeritySignature};
use crate::dissect::verity_superblock::{SuperblockError, VeritySuperblock};
use crate::limits;
use crate::source::{self, Beside, Source};
use crate::units::ByteRange;

/// Bytes of a verity superblock.
pub(crate) const SUPERBLOCK: u64 = 512;

/// A data partition with the hash tree and the signature that belong to it, as far as the image
/// says so.
#[derive(Clone, Debug)]
pub struct VerityGroup {
    /// Index of the data partition.
    pub data: usize,
    /// The hash partition, or the file that stands for one.
    pub hash: Option<HashTree>,
    /// Index of the signature partition (none for files beside the image), and its content.
    pub signature: Option<(Option<usize>, VeritySignature)>,
    /// The root hash that a file beside the image claims.
    pub claim: Option<RootHashClaim>,
    /// The files beside the image that are used, escaped.
    pub sidecars: Vec<String>,
}

/// A hash partition, or the file beside the image that stands for one.
#[derive(Clone, Debug)]
pub struct HashTree {
    /// Its index among the partitions; none for a file, which stands behind the image.
    pub index: Option<usize>,
    /// Where it stands.
    pub range: ByteRange,
    /// What it says of its tree.
    pub superblock: VeritySuperblock,
}

/// Why the partitions of one designator make no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum GroupError {
    #[error("no {designator} partition{}", only_for(.foreign))]
    Absent { designator: PartitionDesignator, foreign: Vec<Architecture> },
    #[error("{designator} partitions {numbers:?} are equally new")]
    Ambiguous { designator: PartitionDesignator, numbers: Vec<u32> },
    #[error(transparent)]
    Sidecar(Box<SidecarError>),
    #[error("signature partition {number}: {error}")]
    Signature { number: u32, error: SignatureError },
    #[error("more than {} {designator} partitions", limits::SIGNATURE_PARTITIONS)]
    TooMany { designator: PartitionDesignator },
    #[error("hash partition {number}: {error}")]
    Superblock { number: u32, error: SuperblockError },
    #[error(
        "no {designator} partition belongs to partition {data}: the UUIDs are not the two ends of one root hash"
    )]
    Unmatched { designator: PartitionDesignator, data: u32 },
}

fn only_for(architectures: &[Architecture]) -> String {
    if architectures.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = architectures.iter().map(|it| it.name()).collect();
    format!(" for this architecture, only for {}", names.join(", "))
}

/// A data partition, as far as its hash tree is concerned.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) number: u32,
    /// None for a file system without a table.
    pub(super) guid: Option<&'a Uuid>,
}

/// What can stop the reading: the group's own fault, or the source's.
pub(super) enum Stop {
    Group(GroupError),
    Source(source::Error),
}

impl From<GroupError> for Stop {
    fn from(error: GroupError) -> Self {
        Self::Group(error)
    }
}

impl From<SidecarError> for Stop {
    fn from(error: SidecarError) -> Self {
        Self::Group(GroupError::Sidecar(Box::new(error)))
    }
}

impl From<source::Error> for Stop {
    fn from(error: source::Error) -> Self {
        Self::Source(error)
    }
}

/// Finds data, signature and hash partition of one designator.
///
/// # Errors
/// The outer error is the source's and ends everything; the inner one is this group's.
pub(crate) fn read(
    source: &mut Source,
    partitions: &[Partition],
    designator: PartitionDesignator,
    beside: &Beside,
) -> Result<Result<VerityGroup, GroupError>, source::Error> {
    match read_group(source, partitions, designator, beside) {
        Ok(group) => Ok(Ok(group)),
        Err(Stop::Group(error)) => Ok(Err(error)),
        Err(Stop::Source(error)) => Err(error),
    }
}

fn read_group(
    source: &mut Source,
    partitions: &[Partition],
    designator: PartitionDesignator,
    beside: &Beside,
) -> Result<VerityGroup, Stop> {
    let Some((data, partition)) = one(partitions, designator, |_| true)? else {
        return Err(absent(partitions, designator).into());
    };
    let embedded = match designator.signature() {
        Some(wanted) => read_signature(source, partitions, wanted, partition)?,
        None => None,
    };
    let mut sidecars = Sidecars::of(beside, designator);
    let (signature, claim) = if let Some((index, content)) = embedded {
        sidecars.agree(content.root_hash())?;
        (Some((Some(index), content)), None)
    } else {
        let (content, claim) = sidecars.signature(partition.as_data())?;
        (content.map(|it| (None, it)), claim)
    };
    let root_hash = signature.as_ref().map(|(_, it)| it.root_hash()).or(claim.as_ref());
    let root_hash = root_hash.map(RootHashClaim::as_bytes);
    let embedded = match designator.hash_tree() {
        Some(wanted) => read_hash(source, partitions, wanted, (partition, root_hash))?,
        None => None,
    };
    let hash = match embedded {
        None => sidecars.hash_tree(source)?,
        embedded => embedded,
    };
    Ok(VerityGroup { data, hash, signature, claim, sidecars: sidecars.used })
}

/// The newest partition that claims `designator` and matches, if there is one.
fn one(
    partitions: &[Partition],
    designator: PartitionDesignator,
    matches: impl Fn(&Partition) -> bool,
) -> Result<Option<(usize, &Partition)>, Stop> {
    match newest(partitions, designator, matches) {
        Choice::One(index) => Ok(partitions.get(index).map(|it| (index, it))),
        Choice::Absent => Ok(None),
        Choice::Ambiguous(numbers) => Err(GroupError::Ambiguous { designator, numbers }.into()),
    }
}

fn absent(partitions: &[Partition], designator: PartitionDesignator) -> GroupError {
    GroupError::Absent { designator, foreign: foreign(partitions, designator) }
}

/// The other architectures that have such a partition.
pub(crate) fn foreign(
    partitions: &[Partition],
    designator: PartitionDesignator,
) -> Vec<Architecture> {
    let mut foreign: Vec<Architecture> = Vec::new();
    for partition in partitions {
        if let Role::Foreign(its, architecture) = partition.role
            && its == designator
            && !foreign.contains(&architecture)
        {
            foreign.push(architecture);
        }
    }
    foreign
}

/// The signature partition whose root hash begins with the data partition's UUID.
///
/// Every signature partition of the designator is read: its UUID says nothing, so its content has
/// to.
fn read_signature(
    source: &mut Source,
    partitions: &[Partition],
    designator: PartitionDesignator,
    data: &Partition,
) -> Result<Option<(usize, VeritySignature)>, Stop> {
    let mut found: Vec<(usize, VeritySignature)> = Vec::new();
    let mut numbers = Vec::new();
    let mut others = false;
    let mut read: usize = 0;
    for (index, partition) in partitions.iter().enumerate() {
        if partition.role != Role::Claims(designator) {
            continue;
        }
        let number = partition.entry.number;
        read = read.saturating_add(1);
        if read > limits::SIGNATURE_PARTITIONS {
            return Err(GroupError::TooMany { designator }.into());
        }
        let signature = read_one_signature(source, partition)?;
        if begins_with(signature.root_hash().as_bytes(), data.entry.guid) {
            numbers.push(number);
            found.push((index, signature));
        } else {
            others = true;
        }
    }
    if numbers.len() > 1 {
        return Err(GroupError::Ambiguous { designator, numbers }.into());
    }
    if found.is_empty() && others {
        return Err(GroupError::Unmatched { designator, data: data.entry.number }.into());
    }
    Ok(found.pop())
}

fn begins_with(root_hash: &[u8], guid: Uuid) -> bool {
    root_hash.starts_with(guid.as_bytes())
}

fn read_one_signature(source: &mut Source, partition: &Partition) -> Result<VeritySignature, Stop> {
    let (number, range) = (partition.entry.number, partition.entry.range);
    let parsed = if range.len() > limits::SIGNATURE_PARTITION {
        let found = usize::try_from(range.len()).unwrap_or(usize::MAX);
        Err(SignatureError::PartitionTooLarge { found })
    } else {
        VeritySignature::parse(&source.read(range, limits::SIGNATURE_PARTITION)?)
    };
    parsed.map_err(|error| GroupError::Signature { number, error }.into())
}

/// The hash partition that goes with a data partition: by the root hash where one is claimed,
/// else the newest, since nothing ties the two together then.
fn read_hash(
    source: &mut Source,
    partitions: &[Partition],
    designator: PartitionDesignator,
    (data, root_hash): (&Partition, Option<&[u8]>),
) -> Result<Option<HashTree>, Stop> {
    let matches =
        |it: &Partition| root_hash.is_none_or(|hash| hash.ends_with(it.entry.guid.as_bytes()));
    let Some((index, partition)) = one(partitions, designator, matches)? else {
        if newest(partitions, designator, |_| true) == Choice::Absent {
            return Ok(None);
        }
        return Err(GroupError::Unmatched { designator, data: data.entry.number }.into());
    };
    let (number, range) = (partition.entry.number, partition.entry.range);
    // A partition holds a sector at least, and no sector is smaller than a superblock.
    let bytes = source.read(range.part(0, SUPERBLOCK).unwrap_or(range), SUPERBLOCK)?;
    let superblock = VeritySuperblock::parse(&bytes)
        .map_err(|error| GroupError::Superblock { number, error })?;
    Ok(Some(HashTree { index: Some(index), range, superblock }))
}
