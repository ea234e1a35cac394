// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! dm-verity under everything that will be exposed.
//!
//! **In:** [`Identified`] over sealed memory.
//! **Out:** [`Mapped`]: for root and usr a device whose every read the kernel checks against the
//! authenticated root hash. Its table was read back and is the one computed here; its first and
//! last block were read through it. Where the policy wants the kernel as a second witness, the
//! kernel has accepted the signature too.
//! **Refuses:** a table that reads back differently, a name that is taken, a device that does not
//! give its own blocks, a signature that the kernel does not accept: there is no second try without
//! it. Nothing stays behind then.
//!
//! Table: Documentation/admin-guide/device-mapper/verity.rst.

mod error;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use data_encoding::HEXLOWER;

pub use error::VerityError;

use crate::authenticate::Evidence;
use crate::designator::PartitionDesignator;
use crate::fetch::VerityContent;
use crate::filesystem::FileSystem;
use crate::identify::{Identified, IdentifiedPartition};
use crate::policy_file::{EffectivePolicy, KernelKeyring, OnCorruption, Stated};
use crate::sys::devmapper::MappedDevice;
use crate::sys::keyring::ThreadKey;
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
///     expose(it, &[], "image", places).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{expose::{Places, expose}, identify::Identified, sys::memfd::SealedMemfd};
/// fn next(it: Identified<SealedMemfd>, places: &Places) -> bool {
///     expose(it, &[], "image", places).is_ok()
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

/// Puts dm-verity over root and usr; other partitions are not exposed.
///
/// # Errors
/// The first device that does not come up as computed; everything made before is removed.
pub fn map(
    identified: Identified<SealedMemfd>,
    policy: &EffectivePolicy,
) -> Result<Mapped, VerityError> {
    let (memfd, identified) = identified.into_parts();
    let mut partitions = Vec::new();
    for partition in identified {
        if matches!(partition.designator, PartitionDesignator::Root | PartitionDesignator::Usr) {
            partitions.push(map_one(&memfd, &partition, policy)?);
        }
    }
    Ok(Mapped { partitions })
}

fn map_one(
    memfd: &SealedMemfd,
    partition: &IdentifiedPartition,
    policy: &EffectivePolicy,
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
    let required = &policy.trust().kernel_keyring;
    let key = kernel_key(designator, &content.evidence, required)?;
    let on_corruption = policy.boot().on_corruption.value;
    let table = Table {
        data: &data,
        hash: &hash,
        content,
        on_corruption,
        key: key.as_ref().map(ThreadKey::description),
    };
    let uuid = format!("CRYPT-VERITY-{}-{}", content.uuid.simple(), designator.name());
    let sectors = content.shape.data_len().checked_div(DM_SECTOR).unwrap_or_default();
    let device =
        MappedDevice::create(designator.name(), &uuid, sectors, "verity", &table.to_string())
            .map_err(|error| not_created(designator, error, required))?;
    // The kernel has its copy.
    drop(key);
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

/// The signature that was verified, where the kernel will find it; none where it is not asked.
fn kernel_key(
    designator: PartitionDesignator,
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
            ThreadKey::add(&format!("veriroot:{}", designator.name()), cms)
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

/// Parameters of the one target, every word made from a typed value.
struct Table<'a> {
    data: &'a LoopDevice,
    hash: &'a LoopDevice,
    content: &'a VerityContent,
    on_corruption: OnCorruption,
    key: Option<&'a str>,
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
        f.write_str(&optional(self.on_corruption, self.key))
    }
}

/// The optional arguments after their count, in the order in which the kernel repeats them; empty
/// where there are none. None of them makes dm-verity laxer than it is without.
fn optional(on_corruption: OnCorruption, key: Option<&str>) -> String {
    let on_corruption = match on_corruption {
        OnCorruption::Eio => None,
        OnCorruption::Restart => Some("restart_on_corruption"),
        OnCorruption::Panic => Some("panic_on_corruption"),
    };
    let key = key.map(|description| ["root_hash_sig_key_desc", description]);
    let words: Vec<&str> = on_corruption.into_iter().chain(key.into_iter().flatten()).collect();
    if words.is_empty() {
        return String::new();
    }
    format!(" {} {}", words.len(), words.join(" "))
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
    fn optional_arguments_are_counted_by_the_word() {
        let key = Some("veriroot:root");
        for (mode, key, text) in [
            (OnCorruption::Eio, None, ""),
            (OnCorruption::Restart, None, " 1 restart_on_corruption"),
            (OnCorruption::Panic, None, " 1 panic_on_corruption"),
            (OnCorruption::Eio, key, " 2 root_hash_sig_key_desc veriroot:root"),
            (
                OnCorruption::Restart,
                key,
                " 3 restart_on_corruption root_hash_sig_key_desc veriroot:root",
            ),
        ] {
            assert_eq!(optional(mode, key), text);
        }
    }

    #[test]
    fn a_pin_is_no_signature_for_the_kernel() {
        let pin = Evidence::Pin { word: "roothash=00".to_owned() };
        let key = |value| {
            let required = Stated { value, origin: Origin::BuiltIn };
            kernel_key(PartitionDesignator::Root, &pin, &required)
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
