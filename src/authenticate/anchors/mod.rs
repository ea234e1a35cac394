// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Trust anchors: the certificates whose keys may sign.
//!
//! **In:** certificate files and directories that the machine was told to trust.
//! **Out:** [`TrustAnchors`], at least one, every one usable. **Refuses:** to skip anything: a file
//! that can't be used as an anchor is an error that names it, and so is having no anchor at all.
//!
//! A certificate in this set is trusted itself, as systemd does it with `verity.d`: there is no
//! chain and no authority, and its own signature means nothing. One rule, the same at every boot:
//!
//! - *Dates are reported, not enforced.* An initrd has no clock to trust, so an expired anchor
//!   would verify on one boot and not on the next. An anchor ends by being removed or revoked.
//! - *Usage is enforced when anchors are loaded.* A key usage without digitalSignature, an extended
//!   key usage without codeSigning, emailProtection or any, and a critical extension that we don't
//!   know are errors. Being a CA, or not, changes nothing; version 1 certificates are taken.
//! - *Weak keys are errors:* RSA below 2048 bits or with an exponent below 65537, and everything
//!   but RSA, ECDSA on P-256, P-384, P-521, and Ed25519.
//!
//! Without scopes every anchor may sign for everything. As soon as one anchor has a scope
//! ([`TrustAnchors::allow_only`]), an anchor without one may sign for nothing.
//!
//! Directories follow systemd's `verity.d`: every `*.crt` that is not hidden, one PEM certificate
//! each; a name in an earlier directory masks that name in later ones; an empty file or a link to
//! `/dev/null` masks without giving an anchor. Off-spec: systemd skips what it can't load and reads
//! only the first of several certificates in a file.

mod certificate;
mod name;
mod survey;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::{fmt, io};

use thiserror::Error;

pub use certificate::{AnchorFault, TrustAnchor};
pub(super) use name::SignerName;
use survey::Missing;
pub use survey::{Masked, Survey};

use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::limits;
use crate::policy_file::Trust;
use crate::revocation::Revocations;

/// The certificates whose keys may sign: one or more, no two the same.
#[derive(Debug)]
#[must_use]
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor>,
    revocations: Revocations,
}

/// How a configuration names one trust anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorName {
    /// SHA-256 of the certificate in DER.
    Fingerprint([u8; 32]),
    /// Its file, as found when the anchors were loaded.
    Path(PathBuf),
}

impl TrustAnchors {
    /// Loads certificate files and directories; each must exist.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn load(sources: &[PathBuf]) -> Result<Self, AnchorError> {
        Survey::of_sources(sources, Missing::Refuse).into_anchors()
    }

    /// Loads the directories of a search path, of which any may be missing; in order of precedence.
    ///
    /// # Errors
    /// See [`AnchorError`]; [`AnchorError::NoAnchors`] if none of them gives an anchor.
    pub fn load_search_path(directories: &[PathBuf]) -> Result<Self, AnchorError> {
        Survey::of_sources(directories, Missing::PassOver).into_anchors()
    }

    /// The anchors that a policy names, or of the built-in directories; with the scopes and
    /// revocations it states.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn of_policy(trust: &Trust, built_in: &[PathBuf]) -> Result<Self, AnchorError> {
        Survey::of_policy(trust, built_in).into_anchors()
    }

    /// Restricts one anchor to scopes: names of designators, as [`super::cms::SignedData::verify`]
    /// is given them.
    ///
    /// # Errors
    /// See [`ScopeError`].
    pub fn allow_only(&mut self, name: &AnchorName, scopes: &[&str]) -> Result<(), ScopeError> {
        let anchor = self
            .anchors
            .iter_mut()
            .find(|it| it.is_called(name))
            .ok_or_else(|| ScopeError::NoSuchAnchor { name: name.clone() })?;
        if scopes.is_empty() {
            return Err(ScopeError::Empty { name: name.clone() });
        }
        if !anchor.restrict(scopes) {
            return Err(ScopeError::Repeated { name: name.clone() });
        }
        Ok(())
    }

    /// Adds to what is not trusted any more.
    pub fn revoke(&mut self, revocations: Revocations) {
        self.revocations.add(revocations);
    }

    /// What is not trusted any more.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Whether `anchor` may sign for `scope`.
    #[must_use]
    pub fn permits(&self, anchor: &TrustAnchor, scope: &str) -> bool {
        match anchor.scopes() {
            Some(scopes) => scopes.contains(scope),
            None => self.iter().all(|it| it.scopes().is_none()),
        }
    }

    /// The anchors, in the order they were found; never empty.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.anchors.iter()
    }

    /// The anchors that a signature could mean.
    pub(super) fn named(&self, name: &SignerName) -> impl Iterator<Item = &TrustAnchor> {
        self.iter().filter(move |it| it.is_named(name))
    }
}

/// Why there are no trust anchors to go on with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Nothing was given, or only empty and masked directories.
    #[error("no trust anchor in {}: nothing could ever be accepted", shown_all(sources))]
    NoAnchors {
        /// Where we looked.
        sources: Vec<PathBuf>,
    },
    /// A scope that can't be given.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A source can't be read.
    #[error("trust anchor {}: {source}", shown(path))]
    Source {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// More files in a directory than anyone has keys.
    #[error("more than {} trust anchors in {}", limits::CERTIFICATES, shown(path))]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// A file that can't be an anchor.
    #[error("trust anchor {}: {fault}", shown(path))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        fault: AnchorFault,
    },
}

impl Refusal for AnchorError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn finding(&self) -> Finding {
        let advice = match self {
            Self::NoAnchors { .. } => {
                "put the certificate of the image's signer into one of these places, as a .crt file"
            }
            Self::Scope(_) => "name in trust.signer a certificate that is a trust anchor, once",
            Self::Source { .. } => "correct the path, or make the file readable",
            Self::TooMany { .. } => "leave the certificates that sign images, and no others",
            Self::Unusable { .. } => "replace the file, or remove it: none is passed over silently",
        };
        Finding {
            id: "request-anchors",
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: "trust anchors".to_owned(),
            expected: "at least one certificate, and each of them usable".to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule("verity.d, read strictly"),
            advice: advice.to_owned(),
        }
    }
}

/// Why a scope can't be given.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeError {
    /// No designators: remove the anchor instead.
    #[error("trust anchor {name}: may sign for nothing")]
    Empty {
        /// Which.
        name: AnchorName,
    },
    /// A scope for a certificate that is not a trust anchor.
    #[error("{name} is not a trust anchor")]
    NoSuchAnchor {
        /// Which.
        name: AnchorName,
    },
    /// A second scope for the same certificate, or a designator twice.
    #[error("trust anchor {name}: scope given twice")]
    Repeated {
        /// Which.
        name: AnchorName,
    },
}

impl fmt::Display for AnchorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(sha256) => f.write_str(&data_encoding::HEXLOWER.encode(sha256)),
            Self::Path(path) => f.write_str(&shown(path)),
        }
    }
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy())
}

fn shown_all(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|it| shown(it)).collect();
    if paths.is_empty() { "(no file or directory given)".to_owned() } else { paths.join(", ") }
}
