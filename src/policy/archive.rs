// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What an archive has to show.
//!
//! **In:** a file that shall be an archive, received as it was demanded; the effective policy; a
//! SHA-256 that the machine was told. **Out:** [`AdmittedArchive`]: who has to vouch for the file as a whole. **Refuses:**
//! nothing: an archive has no layout. A pin that does not suffice still has to fit.
//!
//! | `archive.authentication` | suffices |
//! | --- | --- |
//! | `signature` (built in) | a signature over the file by a trust anchor; a pin where `trust.command-line` is `authenticated` |
//! | `signed-list` | the same, or a list of checksums that has the file and that a key of the OpenPGP keyrings signed |
//! | `checksum-pin` | the same, or a pin |
//! | `danger-none` | a pin has to fit; without one and without a signed list, nothing is asked for |
//!
//! Keyrings are a matter of the transport: those that systemd ships name the keys of distributions. So
//! a list counts as more than that only where a policy file says so.

use crate::checksums::{Received, Shown};
use crate::finding::Origin;
use crate::policy_file::{ArchiveAuthentication, CommandLine, EffectivePolicy, Stated};
use crate::source::Source;

/// The SHA-256 that the machine was told an archive has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePin {
    /// Of the file as received.
    pub sha256: [u8; 32],
    /// The word, for reports.
    pub word: String,
    /// Who gave it.
    pub origin: Origin,
}

/// Whether a kind of entry may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Allowed,
    /// It ends the boot.
    Refused,
}

impl Admission {
    fn stated(value: &Stated<bool>) -> Self {
        if value.value { Self::Allowed } else { Self::Refused }
    }
}

/// What a policy lets an archive hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRules {
    /// Devices and FIFOs.
    pub devices: Admission,
    /// Programs that run as their owner or group.
    pub set_id: Admission,
    /// Bytes of all files together.
    pub size_max: u64,
}

/// Who has to vouch for an archive, and who demands that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveDemand {
    /// Nobody: this line of a policy file says so.
    DangerNone(Origin),
    /// Nobody more: a signed list of checksums has it, and it was held against that.
    Listed {
        /// The list, escaped.
        list: String,
        /// Who signed that, escaped.
        signer: String,
    },
    /// The pin.
    Pin(Origin),
    /// A trust anchor.
    Signature(Origin),
}

/// An archive of which is known what it has to show. Made by [`admit_archive`] alone.
///
/// It can't be put together, or doubled.
///
/// ```
/// # use veriroot::policy::{AdmittedArchive, admit_archive};
/// # use veriroot::{checksums::Received, policy_file::EffectivePolicy};
/// fn next(it: Received, policy: &EffectivePolicy) -> AdmittedArchive {
///     admit_archive(it, policy, None)
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::policy::AdmittedArchive;
/// fn forge(it: AdmittedArchive) -> AdmittedArchive {
///     AdmittedArchive { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::policy::AdmittedArchive;
/// let twice = AdmittedArchive::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct AdmittedArchive {
    source: Source,
    demand: ArchiveDemand,
    pin: Option<ArchivePin>,
    rules: EntryRules,
    reserve: u64,
}

/// Says what an archive has to show.
pub fn admit_archive(
    received: Received,
    policy: &EffectivePolicy,
    pin: Option<ArchivePin>,
) -> AdmittedArchive {
    let archive = policy.archive();
    let command_line = &policy.trust().command_line;
    let stated = &archive.authentication;
    let listed = match received.shown() {
        Shown::Signed { list, signer, .. } if stated.value != ArchiveAuthentication::Signature => {
            Some(ArchiveDemand::Listed { list: list.clone(), signer: signer.clone() })
        }
        Shown::Nothing | Shown::Pinned { .. } | Shown::Listed { .. } | Shown::Signed { .. } => None,
    };
    let source = received.into_source();
    let stated_demand = match (stated.value, &pin) {
        (ArchiveAuthentication::Signature | ArchiveAuthentication::SignedList, Some(_))
            if command_line.value == CommandLine::Authenticated =>
        {
            ArchiveDemand::Pin(command_line.origin.clone())
        }
        (ArchiveAuthentication::Signature | ArchiveAuthentication::SignedList, _)
        | (ArchiveAuthentication::ChecksumPin, None) => {
            ArchiveDemand::Signature(stated.origin.clone())
        }
        (ArchiveAuthentication::ChecksumPin | ArchiveAuthentication::DangerNone, Some(_)) => {
            ArchiveDemand::Pin(stated.origin.clone())
        }
        (ArchiveAuthentication::DangerNone, None) => {
            ArchiveDemand::DangerNone(stated.origin.clone())
        }
    };
    // A pin has to fit, whatever else vouches for the file.
    let demand = if pin.is_none() { listed.unwrap_or(stated_demand) } else { stated_demand };
    let rules = EntryRules {
        devices: Admission::stated(&archive.devices),
        set_id: Admission::stated(&archive.set_id),
        size_max: policy.transport().size_max.value,
    };
    AdmittedArchive { source, demand, pin, rules, reserve: policy.transport().memory_reserve.value }
}

impl AdmittedArchive {
    /// Who has to vouch for it.
    #[must_use]
    pub fn demand(&self) -> &ArchiveDemand {
        &self.demand
    }

    /// Its bytes, of which every one is a claim still.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Hands everything on to the stage that authenticates.
    pub(crate) fn into_parts(self) -> (Source, ArchiveDemand, Option<ArchivePin>, ArchiveTerms) {
        let Self { source, demand, pin, rules, reserve } = self;
        (source, demand, pin, ArchiveTerms { rules, reserve })
    }
}

/// What the later stages have to keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArchiveTerms {
    /// What may be in it.
    pub(crate) rules: EntryRules,
    /// Memory that stays free, bytes.
    pub(crate) reserve: u64,
}
