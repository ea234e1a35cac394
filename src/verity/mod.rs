// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One device for everything that will be exposed; dm-verity under what has to be protected.
//!
//! **In:** [`Identified`] over sealed memory; what the devices are to be called.
//! **Out:** [`Mapped`]: for each protected partition a device whose every read the kernel checks
//! against the authenticated root hash. Its table was read back and is the one computed here; its
//! first and last block were read through it. Where the policy wants the kernel as a second witness,
//! the kernel has accepted the signature too. For each partition that policy opens a device over the
//! sealed bytes, or over a private copy where it may be written to.
//! **Refuses:** a table that reads back differently, a name that is taken, a device that does not
//! give its own blocks, a signature that the kernel does not accept: there is no second try without
//! it. Nothing stays behind then.
//!
//! Table: Documentation/admin-guide/device-mapper/verity.rst.

mod error;
mod name;
mod table;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

pub use error::VerityError;
pub use name::{DeviceNames, NameError, is_ours};
use table::Table;

use crate::authenticate::Evidence;
use crate::designator::PartitionDesignator;
use crate::fetch::{Content, VerityContent};
use crate::filesystem::FileSystem;
use crate::finding::Origin;
use crate::identify::{Identified, IdentifiedPartition};
use crate::policy_file::{EffectivePolicy, KernelKeyring, Stated};
use crate::sys::devmapper::{MappedDevice, Target};
use crate::sys::keyring::ThreadKey;
use crate::sys::loopdev::LoopDevice;
use crate::sys::memfd::SealedMemfd;
use crate::units::{ByteRange, SectorSize};

/// Bytes of a device-mapper sector.
const DM_SECTOR: u64 = 512;

/// What stands between a device's users and the bytes of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shield {
    /// dm-verity, and the root hash the kernel checks against, hex.
    Verity(String),
    /// Nothing: these lines of policy open it.
    Open {
        /// Who does.
        origins: Vec<Origin>,
        /// Whether the device is over a private copy and takes writes.
        writable: bool,
    },
}

/// A device that may be exposed.
#[derive(Debug)]
pub struct MappedPartition {
    /// What it is used as.
    pub designator: PartitionDesignator,
    /// Its slot, counted from 1.
    pub number: u32,
    /// What is on it.
    pub filesystem: FileSystem,
    /// What protects it.
    pub shield: Shield,
    device: MappedDevice,
}

impl MappedPartition {
    /// The node below /dev.
    #[must_use]
    pub fn node(&self) -> &std::path::Path {
        self.device.node()
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.device.name()
    }

    /// Whether it takes writes.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        matches!(self.shield, Shield::Open { writable: true, .. })
    }

    /// Lets the device outlive this program.
    pub(crate) fn keep(self) -> PathBuf {
        self.device.keep()
    }

    /// Lets the device outlive this program, and go with its last mount.
    pub(crate) fn keep_while_used(self) -> io::Result<()> {
        self.device.keep_while_used()
    }
}

/// Devices, live. Made by [`map`] alone; dropping it removes them.
///
/// It can't be put together, doubled, or left out: [`crate::expose`] takes no other device.
///
/// ```
/// # use veriroot::{expose::{Placement, expose}, verity::Mapped};
/// fn next(it: Mapped, placement: &Placement) -> bool {
///     expose(it, &[], placement).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{expose::{Placement, expose}, identify::Identified, sys::memfd::SealedMemfd};
/// fn next(it: Identified<SealedMemfd>, placement: &Placement) -> bool {
///     expose(it, &[], placement).is_ok()
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

/// How devices are made.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// What they are called.
    pub names: &'a DeviceNames,
    /// Whether what policy opens may get a copy that takes writes.
    pub copies: bool,
}

/// Makes a device of every partition that is used: dm-verity over what is protected.
///
/// # Errors
/// The first device that does not come up as computed; everything made before is removed.
pub fn map(
    identified: Identified<SealedMemfd>,
    policy: &EffectivePolicy,
    making: Making<'_>,
) -> Result<Mapped, VerityError> {
    let (memfd, identified) = identified.into_parts();
    let mut partitions = Vec::new();
    for partition in identified {
        let (shield, device) = match &partition.content {
            Content::Verity(content) => protect(&memfd, &partition, content, (policy, making))?,
            Content::Open(origins) => open(&memfd, &partition, origins, making)?,
        };
        let IdentifiedPartition { designator, number, filesystem, .. } = partition;
        partitions.push(MappedPartition { designator, number, filesystem, shield, device });
    }
    Ok(Mapped { partitions })
}

fn protect(
    memfd: &SealedMemfd,
    partition: &IdentifiedPartition,
    content: &VerityContent,
    (policy, making): (&EffectivePolicy, Making<'_>),
) -> Result<(Shield, MappedDevice), VerityError> {
    let designator = partition.designator;
    let attach = |range, block_size| {
        sector_size(block_size)
            .and_then(|sector| LoopDevice::attach(memfd, range, sector))
            .map_err(|error| VerityError::Loop { designator, error })
    };
    let data = attach(partition.data, content.shape.data_block_size())?;
    let hash = attach(content.hash, content.shape.hash_block_size())?;
    let required = &policy.trust().kernel_keyring;
    let name = making.names.device(designator);
    let key = kernel_key((designator, &name), &content.evidence, required)?;
    let on_corruption = policy.boot().on_corruption.value;
    let table = Table {
        data: &data,
        hash: &hash,
        content,
        on_corruption,
        key: key.as_ref().map(ThreadKey::description),
    };
    let uuid = name::verity_uuid(content.uuid, &name);
    let sectors = content.shape.data_len().checked_div(DM_SECTOR).unwrap_or_default();
    let target = Target { kind: "verity", params: &table.to_string(), sectors, writable: false };
    let device = MappedDevice::create(&name, &uuid, target)
        .map_err(|error| not_created(designator, error, required))?;
    // The kernel has its copy.
    drop(key);
    read_ends(&device, content).map_err(|(block, error)| VerityError::Read {
        designator,
        block,
        error,
    })?;
    Ok((Shield::Verity(content.root_hash.to_string()), device))
}

/// A device without dm-verity, because policy says so. Root and usr are never written to; a copy
/// is made only of what the image, the policy and the file system let be written to.
fn open(
    memfd: &SealedMemfd,
    partition: &IdentifiedPartition,
    origins: &[Origin],
    making: Making<'_>,
) -> Result<(Shield, MappedDevice), VerityError> {
    let IdentifiedPartition { designator, data, filesystem, read_only, .. } = partition;
    let designator = *designator;
    let system = matches!(designator, PartitionDesignator::Root | PartitionDesignator::Usr);
    let writable = making.copies && !system && !read_only && filesystem.takes_writes();
    let failed = |error| VerityError::Loop { designator, error };
    let backing = if writable {
        let copy = memfd.copy("veriroot-copy", *data).map_err(failed)?;
        let whole = ByteRange::new(0, data.len());
        let whole = whole.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        LoopDevice::attach_copy(&copy, whole)
    } else {
        LoopDevice::attach(memfd, *data, SectorSize::SMALLEST)
    };
    let backing = backing.map_err(failed)?;
    let name = making.names.device(designator);
    let params = format!("{} 0", backing.major_minor());
    let sectors = data.len().checked_div(DM_SECTOR).unwrap_or_default();
    let target = Target { kind: "linear", params: &params, sectors, writable };
    let device = MappedDevice::create(&name, &name::open_uuid(&name), target)
        .map_err(|error| VerityError::DeviceMapper { designator, error })?;
    Ok((Shield::Open { origins: origins.to_vec(), writable }, device))
}

/// The signature that was verified, where the kernel will find it; none where it is not asked.
fn kernel_key(
    (designator, device): (PartitionDesignator, &str),
    evidence: &Evidence,
    required: &Stated<KernelKeyring>,
) -> Result<Option<ThreadKey>, VerityError> {
    let origin = || required.origin.clone();
    match (required.value, evidence) {
        (KernelKeyring::Off, _) => Ok(None),
        (KernelKeyring::Require, Evidence::Pin { .. }) => {
            Err(VerityError::NoSignature { designator, origin: origin() })
        }
        (KernelKeyring::Require, Evidence::Signature { cms, .. }) => {
            ThreadKey::add(&format!("veriroot:{device}"), cms)
                .map(Some)
                .map_err(|error| VerityError::KernelUnable { designator, error, origin: origin() })
        }
    }
}

/// What it means that the kernel refuses a table.
fn not_created(
    designator: PartitionDesignator,
    error: io::Error,
    required: &Stated<KernelKeyring>,
) -> VerityError {
    use nix::libc::{EBADMSG, EINVAL, EKEYEXPIRED, EKEYREJECTED, EKEYREVOKED, ENOKEY, ENOPKG};
    let origin = required.origin.clone();
    match (required.value, error.raw_os_error()) {
        (
            KernelKeyring::Require,
            Some(EBADMSG | EKEYEXPIRED | EKEYREJECTED | EKEYREVOKED | ENOKEY | ENOPKG),
        ) => VerityError::KernelRefuses { designator, error, origin },
        // An argument that the kernel does not know: all others are older than what we ask of it.
        (KernelKeyring::Require, Some(EINVAL)) => {
            VerityError::KernelUnable { designator, error, origin }
        }
        _ => VerityError::DeviceMapper { designator, error },
    }
}

fn sector_size(block_size: u32) -> io::Result<SectorSize> {
    SectorSize::ALL
        .into_iter()
        .find(|sector| sector.bytes_u32() == block_size)
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
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

#[cfg(test)]
mod tests {
    use nix::libc::{EBUSY, EINVAL, EKEYREJECTED, ENOKEY};

    use super::*;
    use crate::finding::{Class, Origin, Refusal};

    #[test]
    fn a_pin_is_no_signature_for_the_kernel() {
        let pin = Evidence::Pin { word: "roothash=00".to_owned() };
        let key = |value| {
            let required = Stated { value, origin: Origin::BuiltIn };
            kernel_key((PartitionDesignator::Root, "root"), &pin, &required)
        };
        assert!(key(KernelKeyring::Off).unwrap().is_none());
        let error = key(KernelKeyring::Require).unwrap_err();
        assert!(matches!(error, VerityError::NoSignature { .. }), "{error:?}");
    }

    #[test]
    fn only_a_kernel_that_was_asked_refuses_a_signature() {
        let origin = Origin::File { path: "/etc/policy.toml".into(), line: 2 };
        let found = |value, errno| {
            let required = Stated { value, origin: origin.clone() };
            let error = io::Error::from_raw_os_error(errno);
            not_created(PartitionDesignator::Root, error, &required)
        };
        for errno in [ENOKEY, EKEYREJECTED] {
            let error = found(KernelKeyring::Require, errno);
            assert!(matches!(error, VerityError::KernelRefuses { .. }), "{error:?}");
            assert_eq!((error.class(), error.finding().required_by), (Class::Sig, origin.clone()));
            let error = found(KernelKeyring::Off, errno);
            assert!(matches!(error, VerityError::DeviceMapper { .. }), "{error:?}");
        }
        let error = found(KernelKeyring::Require, EINVAL);
        assert!(matches!(error, VerityError::KernelUnable { .. }), "{error:?}");
        let error = found(KernelKeyring::Require, EBUSY);
        assert!(matches!(error, VerityError::DeviceMapper { .. }), "{error:?}");
    }
}
