// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! dm-verity under everything that will be exposed.
//!
//! **In:** [`Identified`] over sealed memory.
//! **Out:** [`Mapped`]: for root and usr a device whose every read the kernel checks against the
//! authenticated root hash. Its table was read back and is the one computed here; its first and
//! last block were read through it.
//! **Refuses:** a table that reads back differently, a name that is taken, a device that does not
//! give its own blocks. Nothing stays behind then.
//!
//! Table: Documentation/admin-guide/device-mapper/verity.rst.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use data_encoding::HEXLOWER;

use crate::designator::PartitionDesignator;
use crate::fetch::VerityContent;
use crate::filesystem::FileSystem;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::identify::{Identified, IdentifiedPartition};
use crate::policy_file::OnCorruption;
use crate::sys::devmapper::MappedDevice;
use crate::sys::loopdev::LoopDevice;
use crate::sys::memfd::SealedMemfd;
use crate::units::SectorSize;

/// Bytes of a device-mapper sector.
const DM_SECTOR: u64 = 512;

/// A device that may be exposed.
#[derive(Debug)]
pub struct MappedPartition {
    /// `root` or `usr`.
    pub designator: PartitionDesignator,
    /// Its slot, counted from 1.
    pub number: u32,
    /// What is on it.
    pub filesystem: FileSystem,
    /// The root hash the kernel checks against, hex.
    pub root_hash: String,
    device: MappedDevice,
}

impl MappedPartition {
    /// The node below /dev.
    #[must_use]
    pub fn node(&self) -> &std::path::Path {
        self.device.node()
    }

    /// Lets the device outlive this program.
    pub(crate) fn keep(self) -> PathBuf {
        self.device.keep()
    }
}

/// Protected devices, live. Made by [`map`] alone; dropping it removes them.
///
/// It can't be put together, doubled, or left out: [`crate::expose`] takes no device without dm-verity.
///
/// ```
/// # use veriroot::{expose::{Places, expose}, verity::Mapped};
/// fn next(it: Mapped, places: &Places) -> bool {
///     expose(it, "image", places).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{expose::{Places, expose}, identify::Identified, sys::memfd::SealedMemfd};
/// fn next(it: Identified<SealedMemfd>, places: &Places) -> bool {
///     expose(it, "image", places).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::verity::Mapped;
/// fn forge(it: Mapped) -> Mapped {
///     Mapped { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::verity::Mapped;
/// let twice = Mapped::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Mapped {
    partitions: Vec<MappedPartition>,
}

/// Why nothing is mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum VerityError {
    #[error("no loop device: {error}")]
    Loop { designator: PartitionDesignator, error: io::Error },
    #[error("no dm-verity device: {error}")]
    DeviceMapper { designator: PartitionDesignator, error: io::Error },
    #[error("block {block} can't be read through dm-verity: {error}")]
    Read { designator: PartitionDesignator, block: u64, error: io::Error },
    #[error("policy opens it, and this version exposes protected partitions only")]
    Unprotected { designator: PartitionDesignator, origins: Vec<Origin> },
}

impl Refusal for VerityError {
    fn class(&self) -> Class {
        match self {
            Self::Unprotected { .. } => Class::Config,
            Self::Loop { .. } | Self::DeviceMapper { .. } | Self::Read { .. } => Class::Dev,
        }
    }

    fn finding(&self) -> Finding {
        let rule = Origin::Rule("dm-verity stands before anything is exposed");
        let (id, designator, expected, required_by, advice) = match self {
            Self::Loop { designator, .. } => (
                "verity-loop",
                designator,
                "a read-only loop device over the sealed image",
                rule,
                "the initrd needs the kernel module loop, 5.8 or later",
            ),
            Self::DeviceMapper { designator, .. } => (
                "verity-device",
                designator,
                "a dm-verity device with exactly the computed table",
                rule,
                "the initrd needs the kernel modules dm_mod and dm_verity, and the device names \
                 root and usr must be free",
            ),
            Self::Read { designator, .. } => (
                "verity-read",
                designator,
                "the first and the last block come through dm-verity",
                rule,
                "kernel and image disagree: report this",
            ),
            Self::Unprotected { designator, origins } => (
                "verity-unprotected",
                designator,
                "dm-verity",
                origins.first().cloned().unwrap_or(Origin::BuiltIn),
                "demand verity or signed for root and usr in the policy file",
            ),
        };
        Finding {
            id,
            stage: Stage::Verity,
            outcome: Outcome::Failed,
            subject: designator.name().to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

/// Puts dm-verity over root and usr; other partitions are not exposed.
///
/// # Errors
/// The first device that does not come up as computed; everything made before is removed.
pub fn map(
    identified: Identified<SealedMemfd>,
    on_corruption: OnCorruption,
) -> Result<Mapped, VerityError> {
    let (memfd, identified) = identified.into_parts();
    let mut partitions = Vec::new();
    for partition in identified {
        if matches!(partition.designator, PartitionDesignator::Root | PartitionDesignator::Usr) {
            partitions.push(map_one(&memfd, &partition, on_corruption)?);
        }
    }
    Ok(Mapped { partitions })
}

fn map_one(
    memfd: &SealedMemfd,
    partition: &IdentifiedPartition,
    on_corruption: OnCorruption,
) -> Result<MappedPartition, VerityError> {
    let designator = partition.designator;
    let Some(content) = partition.verity() else {
        let origins = match &partition.content {
            crate::fetch::Content::Open(origins) => origins.clone(),
            crate::fetch::Content::Verity(_) => Vec::new(),
        };
        return Err(VerityError::Unprotected { designator, origins });
    };
    let attach = |range, block_size| {
        sector_size(block_size)
            .and_then(|sector| LoopDevice::attach(memfd, range, sector))
            .map_err(|error| VerityError::Loop { designator, error })
    };
    let data = attach(partition.data, content.shape.data_block_size())?;
    let hash = attach(content.hash, content.shape.hash_block_size())?;
    let table = Table { data: &data, hash: &hash, content, on_corruption };
    let uuid = format!("CRYPT-VERITY-{}-{}", content.uuid.simple(), designator.name());
    let sectors = content.shape.data_len().checked_div(DM_SECTOR).unwrap_or_default();
    let device =
        MappedDevice::create(designator.name(), &uuid, sectors, "verity", &table.to_string())
            .map_err(|error| VerityError::DeviceMapper { designator, error })?;
    read_ends(&device, content).map_err(|(block, error)| VerityError::Read {
        designator,
        block,
        error,
    })?;
    Ok(MappedPartition {
        designator,
        number: partition.number,
        filesystem: partition.filesystem,
        root_hash: content.root_hash.to_string(),
        device,
    })
}

fn sector_size(block_size: u32) -> io::Result<SectorSize> {
    SectorSize::ALL
        .into_iter()
        .find(|sector| sector.bytes_u32() == block_size)
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Parameters of the one target, every word made from a typed value.
struct Table<'a> {
    data: &'a LoopDevice,
    hash: &'a LoopDevice,
    content: &'a VerityContent,
    on_corruption: OnCorruption,
}

impl std::fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = &self.content.shape;
        let salt = match shape.salt() {
            [] => "-".to_owned(),
            salt => HEXLOWER.encode(salt),
        };
        write!(
            f,
            "1 {} {} {} {} {} {} {} {} {salt}",
            self.data.major_minor(),
            self.hash.major_minor(),
            shape.data_block_size(),
            shape.hash_block_size(),
            shape.data_blocks(),
            shape.first_hash_block(),
            shape.algorithm(),
            self.content.root_hash,
        )?;
        match self.on_corruption {
            OnCorruption::Eio => Ok(()),
            OnCorruption::Restart => f.write_str(" 1 restart_on_corruption"),
            OnCorruption::Panic => f.write_str(" 1 panic_on_corruption"),
        }
    }
}

/// Reads the first and the last block through the device. Activation touches no block, so a
/// mapping that cannot work would go unnoticed until somebody mounts it.
fn read_ends(device: &MappedDevice, content: &VerityContent) -> Result<(), (u64, io::Error)> {
    let shape = &content.shape;
    let block_size = u64::from(shape.data_block_size());
    let mut buffer = vec![0; usize::try_from(block_size).unwrap_or(usize::MAX)];
    let file = File::open(device.node()).map_err(|error| (0, error))?;
    for block in [0, shape.data_blocks().saturating_sub(1)] {
        file.read_exact_at(&mut buffer, block.saturating_mul(block_size))
            .map_err(|error| (block, error))?;
    }
    Ok(())
}

impl Mapped {
    /// The devices.
    #[must_use]
    pub fn partitions(&self) -> &[MappedPartition] {
        &self.partitions
    }

    /// Hands the devices on to the stage that exposes.
    pub(crate) fn into_partitions(self) -> Vec<MappedPartition> {
        self.partitions
    }
}
