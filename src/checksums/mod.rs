// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The transport check: is this the file that somebody meant to serve?
//!
//! **In:** a [`Source`], what `verify=` demands of it, and the checksum file and signature beside it,
//! all of which a server chose; the keyring of this machine. **Out:** [`Received`]: where a check was demanded, the whole file
//! is in sealed memory, byte for byte as received, and has the SHA-256 it should have.
//! **Refuses:** a file with another one; checksum files that could be read in two ways or do not
//! list the file; signatures that are not of exactly that checksum file by a key of the keyring;
//! every failure to get them. Nothing else is tried after one.
//!
//! What is shown here is about the transport alone: an image accepted here has yet to prove
//! everything that policy demands of it, and none of that is demanded less. Names, their order and
//! the form of a line are those of systemd 262 (pull-common.c), read strictly.

mod error;
mod keyring;
mod list;
mod openpgp;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use data_encoding::HEXLOWER;

pub use error::Error;
pub use keyring::{Keyring, KeyringError, built_in};
pub use list::ListError;
pub use openpgp::SignatureError;

use crate::finding::Origin;
use crate::limits;
use crate::policy_file;
use crate::request::pull::TransportCheck;
use crate::source::{Beside, Source};

/// The checksum file of a whole directory.
const SHA256SUMS: &str = "SHA256SUMS";

/// The check that `verify=` asks for, with all it needs.
#[derive(Clone, Debug)]
pub enum Check {
    /// None.
    No,
    /// The whole file has this SHA-256.
    Sha256([u8; 32]),
    /// The whole file has the SHA-256 that a checksum file beside it lists.
    Checksum,
    /// The same, and that checksum file is signed by a key of the keyring.
    Signature(Keyring),
}

impl Check {
    /// Reads the keyrings if the check needs them.
    ///
    /// # Errors
    /// [`KeyringError`], before anything is asked of a server.
    pub fn of(
        check: TransportCheck,
        transport: &policy_file::Transport,
        keyrings: &[Vec<PathBuf>],
    ) -> Result<Self, KeyringError> {
        Ok(match check {
            TransportCheck::No => Self::No,
            TransportCheck::Sha256(sha256) => Self::Sha256(sha256),
            TransportCheck::Checksum => Self::Checksum,
            TransportCheck::Signature => Self::Signature(Keyring::of_policy(transport, keyrings)?),
        })
    }
}

/// What `verify=` asks for, and of what.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The check.
    pub check: Check,
    /// Who asks for it.
    pub origin: Origin,
    /// Memory that stays free when the whole file is taken in, bytes.
    pub memory_reserve: u64,
}

impl Demand {
    /// None: as with `verify=no`.
    #[must_use]
    pub fn none() -> Self {
        Self { check: Check::No, origin: Origin::BuiltIn, memory_reserve: 0 }
    }
}

/// What is known of how a file came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing was asked for.
    Nothing,
    /// It has the SHA-256 that `verify=` names.
    Pinned {
        /// Hex.
        sha256: String,
    },
    /// It has the SHA-256 that a checksum file lists.
    Listed {
        /// The checksum file, escaped.
        list: String,
        /// Hex.
        sha256: String,
    },
    /// It has the SHA-256 that a signed checksum file lists.
    Signed {
        /// The checksum file, escaped.
        list: String,
        /// The signature, escaped.
        signature: String,
        /// Who signed: fingerprint and user id, escaped.
        signer: String,
        /// Hex.
        sha256: String,
    },
}

/// A source that came as it was demanded. Made by [`receive`] alone.
///
/// It can't be put together, doubled, or left out: [`crate::loader`] takes no source of which nobody
/// asked.
///
/// ```
/// # use veriroot::{checksums::Received, fetch::Progress, loader::{Demands, audit}, report::Report};
/// fn next(it: Received, all: &Demands<'_>, report: &mut Report, bar: &mut dyn Progress) -> bool {
///     audit(it, all, report, bar).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{fetch::Progress, loader::{Demands, audit}, report::Report, source::Source};
/// fn next(it: Source, all: &Demands<'_>, report: &mut Report, bar: &mut dyn Progress) -> bool {
///     audit(it, all, report, bar).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::checksums::Received;
/// fn forge(it: Received) -> Received {
///     Received { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::checksums::Received;
/// let twice = Received::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Received {
    source: Source,
    shown: Shown,
    origin: Origin,
}

impl Received {
    /// What is known of how it came.
    #[must_use]
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Who asked for that.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Hands the bytes on to the stages that read them.
    pub(crate) fn into_source(self) -> Source {
        self.source
    }
}

/// Holds a source against what is demanded of its transport.
///
/// # Errors
/// The first thing that is not as demanded; what the source says.
pub fn receive(source: Source, demand: &Demand) -> Result<Received, Error> {
    let origin = demand.origin.clone();
    let beside = source.beside();
    let (sha256, shown) = match &demand.check {
        Check::No => return Ok(Received { source, shown: Shown::Nothing, origin }),
        Check::Sha256(sha256) => (*sha256, Shown::Pinned { sha256: HEXLOWER.encode(sha256) }),
        Check::Checksum => listed((demand, beside), None)?,
        Check::Signature(keyring) => listed((demand, beside), Some(keyring))?,
    };
    let source = source.whole(&sha256, demand.memory_reserve)?;
    Ok(Received { source, shown, origin })
}

/// The SHA-256 that the checksum file beside an image lists for it. With a keyring, nothing of that
/// file is looked at before its signature was found good.
fn listed(
    (demand, beside): (&Demand, &Beside),
    keyring: Option<&Keyring>,
) -> Result<([u8; 32], Shown), Error> {
    let origin = || demand.origin.clone();
    let name = beside.name().ok_or_else(|| Error::NoPlace { origin: origin() })?;
    let names = [beside.suffixed(".sha256"), OsString::from(SHA256SUMS)];
    let (file, bytes) = first(beside, &names)?
        .ok_or_else(|| Error::Absent { tried: shown(beside, &names), origin: origin() })?;
    let list = beside.shown(&file);
    let signed =
        keyring.map(|keyring| signed((demand, beside), keyring, (&file, &bytes))).transpose()?;
    let sha256 = list::find(&bytes, name).map_err(|error| Error::List {
        list: list.clone(),
        error: Box::new(error),
        origin: origin(),
    })?;
    let hex = HEXLOWER.encode(&sha256);
    let shown = match signed {
        None => Shown::Listed { list, sha256: hex },
        Some((signature, signer)) => Shown::Signed { list, signature, signer, sha256: hex },
    };
    Ok((sha256, shown))
}

/// The signature that goes with a checksum file, and who made it.
///
/// Off-spec: systemd looks for checksum file and signature independently, so that the signature of
/// one file may be held against the other. Here the checksum file is chosen first, and only its own
/// signatures count, in the order that systemd has for them.
fn signed(
    (demand, beside): (&Demand, &Beside),
    keyring: &Keyring,
    (file, bytes): (&OsStr, &[u8]),
) -> Result<(String, String), Error> {
    let origin = || demand.origin.clone();
    let suffixes = if file == SHA256SUMS { [".gpg", ".asc"] } else { [".asc", ".gpg"] };
    let names = suffixes.map(|suffix| {
        let mut name = file.to_owned();
        name.push(suffix);
        name
    });
    let (name, signature) = first(beside, &names)?.ok_or_else(|| Error::Unsigned {
        list: beside.shown(file),
        tried: shown(beside, &names),
        origin: origin(),
    })?;
    let name = beside.shown(&name);
    match openpgp::verify(keyring, bytes, &signature) {
        Ok(signer) => Ok((name, signer.to_string())),
        Err(error) => {
            Err(Error::Signature { signature: name, error: Box::new(error), origin: origin() })
        }
    }
}

/// The first of these neighbours that is there. Any failure but absence ends the search.
fn first(beside: &Beside, names: &[OsString]) -> Result<Option<(OsString, Vec<u8>)>, Error> {
    for name in names {
        if let Some(bytes) = beside.read(name, limits::SIDECAR)? {
            return Ok(Some((name.clone(), bytes)));
        }
    }
    Ok(None)
}

fn shown(beside: &Beside, names: &[OsString]) -> Vec<String> {
    names.iter().map(|name| beside.shown(name)).collect()
}
