// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Everything that stands where trust anchors may stand.
//!
//! **In:** files and directories that the machine was told to trust.
//! **Out:** a [`Survey`]: the anchors, what is masked, and every fault. **Refuses:** to give
//! [`TrustAnchors`] as long as there is one fault: a survey is for people to read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{AnchorError, AnchorFault, AnchorName, TrustAnchor, TrustAnchors};
use crate::policy_file::Trust;
use crate::revocation::{Revocations, Revoked};
use crate::{limits, listing, wire};

/// What was found, usable or not.
#[derive(Debug)]
#[must_use]
pub struct Survey {
    /// Perhaps empty, and therefore handed out by [`Self::into_anchors`] alone.
    found: TrustAnchors,
    masked: Vec<Masked>,
    faults: Vec<AnchorError>,
}

/// A file that gives no anchor, and is no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The file.
    pub path: PathBuf,
    /// The file of the same name in an earlier directory; `None` if it is itself empty or a link
    /// to `/dev/null`.
    pub by: Option<PathBuf>,
}

/// What a source that does not exist means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    PassOver,
    Refuse,
}

impl Survey {
    /// What a policy's `[trust]` finds: the certificates it names, or else those of the built-in
    /// directories; with the scopes and revocations it states.
    pub fn of_policy(trust: &Trust, built_in: &[PathBuf]) -> Self {
        let mut survey = match &trust.certificates {
            Some(certificates) => Self::of_sources(&certificates.value, Missing::Refuse),
            None => Self::of_sources(built_in, Missing::PassOver),
        };
        for signer in &trust.signers {
            let name = AnchorName::Path(signer.value.certificate.clone());
            let scopes: Vec<&str> = signer.value.scopes.iter().map(|it| it.name()).collect();
            if let Err(fault) = survey.found.allow_only(&name, &scopes) {
                // A scope may restrict a file that is already said to be unusable.
                survey.faults.push(fault.into());
            }
        }
        survey.found.revoke(trust.revoked.iter().map(|it| it.value.clone()).collect());
        survey
    }

    pub(super) fn of_sources(sources: &[PathBuf], missing: Missing) -> Self {
        let found = TrustAnchors { anchors: Vec::new(), revocations: Revocations::default() };
        let mut survey = Self { found, masked: Vec::new(), faults: Vec::new() };
        let mut names = BTreeMap::new();
        for source in sources {
            match files(source, missing, &mut names, &mut survey.masked) {
                Ok(files) => files.into_iter().for_each(|file| survey.add(file)),
                Err(fault) => survey.faults.push(fault),
            }
        }
        if survey.found.anchors.is_empty() {
            survey.faults.push(AnchorError::NoAnchors { sources: sources.to_vec() });
        }
        survey
    }

    fn add(&mut self, file: PathBuf) {
        let anchor = match load_file(&file) {
            Ok(anchor) => anchor,
            Err(fault) => return self.faults.push(fault),
        };
        let anchors = &mut self.found.anchors;
        match anchors.iter_mut().find(|it| it.fingerprint() == anchor.fingerprint()) {
            Some(same) => same.add_path(file),
            None => anchors.push(anchor),
        }
    }

    /// The certificates that could be anchors, in the order they were found.
    pub fn anchors(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.found.iter()
    }

    /// Whether `anchor` may sign for `scope`, as [`TrustAnchors::permits`].
    #[must_use]
    pub fn permits(&self, anchor: &TrustAnchor, scope: &str) -> bool {
        self.found.permits(anchor, scope)
    }

    /// The entry that revokes `anchor`.
    #[must_use]
    pub fn revoked(&self, anchor: &TrustAnchor) -> Option<&Revoked> {
        self.found.revocations.of_signer(anchor.fingerprint(), anchor.spki_fingerprint())
    }

    /// Files that give no anchor and are no fault.
    #[must_use]
    pub fn masked(&self) -> &[Masked] {
        &self.masked
    }

    /// Everything that keeps these from being trust anchors, in the order it was found.
    #[must_use]
    pub fn faults(&self) -> &[AnchorError] {
        &self.faults
    }

    /// The anchors.
    ///
    /// # Errors
    /// The first fault, if there is one.
    pub fn into_anchors(self) -> Result<TrustAnchors, AnchorError> {
        match self.faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(self.found),
        }
    }
}

/// The files of one source that should hold a certificate each. `names` are those of the
/// directories before it, which mask.
fn files(
    source: &Path,
    missing: Missing,
    names: &mut BTreeMap<OsString, PathBuf>,
    masked: &mut Vec<Masked>,
) -> Result<Vec<PathBuf>, AnchorError> {
    let failed = |error| AnchorError::Source { path: source.to_owned(), source: error };
    match fs::metadata(source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && missing == Missing::PassOver => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_dir() => return Ok(vec![source.to_owned()]),
        Ok(_) => {}
    }
    let mut found = Vec::new();
    for name in listing::names(source).map_err(failed)? {
        let name = name.map_err(failed)?;
        if is_anchor_name(&name) {
            found.push(name);
        }
        if found.len() > limits::CERTIFICATES {
            return Err(AnchorError::TooMany { path: source.to_owned() });
        }
    }
    found.sort();
    let mut paths = Vec::new();
    for name in found {
        let path = source.join(&name);
        if let Some(earlier) = names.get(&name) {
            masked.push(Masked { path, by: Some(earlier.clone()) });
            continue;
        }
        names.insert(name, path.clone());
        if masks(&path).map_err(failed)? {
            masked.push(Masked { path, by: None });
        } else {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn is_anchor_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".crt") && !name.starts_with(b".")
}

/// Whether `path` is an empty file or a link to `/dev/null`.
fn masks(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(fs::read_link(path)? == Path::new("/dev/null"));
    }
    Ok(metadata.is_file() && metadata.len() == 0)
}

fn load_file(path: &Path) -> Result<TrustAnchor, AnchorError> {
    let unusable = |fault| AnchorError::Unusable { path: path.to_owned(), fault };
    let refused = |error: io::Error| {
        if error.kind() == io::ErrorKind::FileTooLarge {
            unusable(AnchorFault::TooLarge)
        } else if error.kind() == io::ErrorKind::InvalidInput {
            unusable(AnchorFault::NotAFile)
        } else {
            AnchorError::Source { path: path.to_owned(), source: error }
        }
    };
    let bytes = wire::read_file_bounded(path, limits::CERTIFICATE_FILE).map_err(refused)?;
    TrustAnchor::parse(path, &bytes).map_err(unusable)
}
