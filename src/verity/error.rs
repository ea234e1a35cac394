// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why nothing is mapped.
//!
//! **In:** what the kernel said. **Out:** findings. **Refuses:** nothing.

use std::io;

use crate::designator::PartitionDesignator;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};

/// Why nothing is mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum VerityError {
    #[error("no dm-verity device: {error}")]
    DeviceMapper { designator: PartitionDesignator, error: io::Error },
    #[error("the kernel does not accept the signature: {error}")]
    KernelRefuses { designator: PartitionDesignator, error: io::Error, origin: Origin },
    #[error("the kernel can't judge the signature: {error}")]
    KernelUnable { designator: PartitionDesignator, error: io::Error, origin: Origin },
    #[error("no loop device: {error}")]
    Loop { designator: PartitionDesignator, error: io::Error },
    #[error("a pin vouches for the root hash, and there is no signature for the kernel to judge")]
    NoSignature { designator: PartitionDesignator, origin: Origin },
    #[error("block {block} can't be read through dm-verity: {error}")]
    Read { designator: PartitionDesignator, block: u64, error: io::Error },
}

impl Refusal for VerityError {
    fn class(&self) -> Class {
        match self {
            Self::KernelRefuses { .. } | Self::NoSignature { .. } => Class::Sig,
            Self::Loop { .. }
            | Self::DeviceMapper { .. }
            | Self::KernelUnable { .. }
            | Self::Read { .. } => Class::Dev,
        }
    }

    fn finding(&self) -> Finding {
        let (id, designator, expected, advice) = self.help();
        let required_by = match self {
            Self::KernelRefuses { origin, .. }
            | Self::KernelUnable { origin, .. }
            | Self::NoSignature { origin, .. } => origin.clone(),
            Self::DeviceMapper { .. } | Self::Loop { .. } | Self::Read { .. } => {
                Origin::Rule("dm-verity stands before anything is exposed")
            }
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

impl VerityError {
    /// Id, partition, what was demanded, and what to do.
    fn help(&self) -> (&'static str, PartitionDesignator, &'static str, &'static str) {
        match self {
            Self::DeviceMapper { designator, .. } => (
                "verity-device",
                *designator,
                "a device with exactly the computed table",
                "the initrd needs the kernel modules dm_mod and dm_verity, and the device names \
                 must be free: dmsetup ls shows who has them",
            ),
            Self::KernelRefuses { designator, error, .. } => (
                "verity-kernel-keyring",
                *designator,
                "a signature that the kernel accepts by its own keyrings",
                if error.raw_os_error() == Some(nix::libc::ENOKEY) {
                    "bring the signer's certificate into a keyring that dm-verity uses (built in, \
                     secondary, platform, or .dm-verity), or set trust.kernel-keyring = \"off\""
                } else {
                    "the kernel takes fewer kinds of signature: sign with RSA and PKCS #1 v1.5 \
                     padding and without signed attributes, as systemd-repart does"
                },
            ),
            Self::KernelUnable { designator, .. } => (
                "verity-kernel-keyring",
                *designator,
                "a kernel that judges the signature too",
                "the kernel needs CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG; without it, set \
                 trust.kernel-keyring = \"off\"",
            ),
            Self::Loop { designator, .. } => (
                "verity-loop",
                *designator,
                "a read-only loop device over the sealed image",
                "the initrd needs the kernel module loop, 5.8 or later",
            ),
            Self::NoSignature { designator, .. } => (
                "verity-kernel-keyring",
                *designator,
                "a signature for the kernel to judge",
                "sign the image, or set trust.kernel-keyring = \"off\"",
            ),
            Self::Read { designator, .. } => (
                "verity-read",
                *designator,
                "the first and the last block come through dm-verity",
                "kernel and image disagree: report this",
            ),
        }
    }
}
