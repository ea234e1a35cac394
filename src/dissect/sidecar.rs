// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Root hash, signature and hash tree in files beside an image that has none of its own.
//!
//! **In:** `NAME.roothash` (of usr: `NAME.usrhash`), `NAME.roothash.p7s` and `NAME.verity`, where NAME
//! is the image's name without its suffixes; whoever serves the image serves them.
//! **Out:** claims, as good as those inside an image: a root hash here is no pin, and a signature
//! is judged by the same code. **Refuses:** files that are not of their form; root hashes that are
//! not those of the partition. Names as in systemd 262 (dissect-image.c, pull-raw.c).
//!
//! A file is asked for where the image lacks the piece, so that the usual boot asks for none. Beside a
//! local file a look costs nothing: a root hash there has to be the one inside.
//!
//! Off-spec: systemd takes root hashes of 16 bytes, leaves out what it can't get for whatever
//! reason, and never fetches a tree over 1 MiB or anything for usr.

use std::ffi::OsString;

use super::group::{Data, HashTree, SUPERBLOCK, Stop};
use super::verity_sig::{SignatureError, VeritySignature};
use super::verity_superblock::{SuperblockError, VeritySuperblock};
use crate::designator::PartitionDesignator;
use crate::digest::RootHashClaim;
use crate::escape::escape;
use crate::finding::Class;
use crate::limits;
use crate::merkle::TreeShape;
use crate::source::{self, Beside, Source};

/// What is wrong with a file beside an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum SidecarError {
    #[error("{file} says {says}, {image}")]
    Differs { file: String, says: String, image: String },
    #[error("{file}: \"{found}\" is not the hex of a SHA-256 or SHA-512 root hash")]
    RootHash { file: String, found: String },
    #[error("{file}: {error}")]
    Signature { file: String, error: SignatureError },
    #[error("{file}: {error}")]
    Superblock { file: String, error: SuperblockError },
}

impl SidecarError {
    /// The kind of refusal.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Differs { .. } => Class::Pair,
            Self::RootHash { .. } => Class::Sigfmt,
            Self::Signature { error, .. } => error.class(),
            Self::Superblock { .. } => Class::Verity,
        }
    }
}

/// The files beside one image that speak of one designator.
pub(super) struct Sidecars<'a> {
    beside: &'a Beside,
    stem: Option<OsString>,
    root_hash: &'static str,
    /// Those that were used, escaped.
    pub(super) used: Vec<String>,
}

impl<'a> Sidecars<'a> {
    pub(super) fn of(beside: &'a Beside, designator: PartitionDesignator) -> Self {
        let usr = designator == PartitionDesignator::Usr;
        let root_hash = if usr { ".usrhash" } else { ".roothash" };
        Self { beside, stem: beside.stem(), root_hash, used: Vec::new() }
    }

    fn name(&self, suffixes: &[&str]) -> Option<OsString> {
        let mut name = self.stem.clone()?;
        suffixes.iter().for_each(|suffix| name.push(suffix));
        Some(name)
    }

    fn read(&self, suffixes: &[&str]) -> Result<Option<(String, Vec<u8>)>, source::Error> {
        let Some(name) = self.name(suffixes) else { return Ok(None) };
        let bytes = self.beside.read(&name, limits::SIDECAR)?;
        let shown = self.beside.shown(&name);
        Ok(bytes.map(|bytes| (shown, bytes)))
    }

    /// The root hash that a file claims, and that file.
    fn root_hash(&self) -> Result<Option<(String, RootHashClaim)>, Stop> {
        let Some((file, bytes)) = self.read(&[self.root_hash])? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let hex = text.strip_suffix('\n').unwrap_or(&text);
        match RootHashClaim::from_hex(hex) {
            Some(claim) => Ok(Some((file, claim))),
            None => Err(SidecarError::RootHash { file, found: escape(hex) }.into()),
        }
    }

    /// Holds what stands beside a local file against the root hash inside it.
    pub(super) fn agree(&self, inside: &RootHashClaim) -> Result<(), Stop> {
        if !self.beside.is_local() {
            return Ok(());
        }
        match self.root_hash()? {
            Some((file, claim)) if claim != *inside => {
                let image = format!("the image's own signature is of {inside}");
                Err(SidecarError::Differs { file, says: claim.to_string(), image }.into())
            }
            _ => Ok(()),
        }
    }

    /// The root hash, and the signature that goes with it.
    pub(super) fn signature(
        &mut self,
        data: Data<'_>,
    ) -> Result<(Option<VeritySignature>, Option<RootHashClaim>), Stop> {
        let Some((file, claim)) = self.root_hash()? else { return Ok((None, None)) };
        if let Some(guid) = data.guid
            && !claim.as_bytes().starts_with(guid.as_bytes())
        {
            let image = format!("its partition {} is {guid}, which does not begin it", data.number);
            return Err(SidecarError::Differs { file, says: claim.to_string(), image }.into());
        }
        self.used.push(file);
        let Some((file, der)) = self.read(&[self.root_hash, ".p7s"])? else {
            return Ok((None, Some(claim)));
        };
        let signature = VeritySignature::beside(claim.clone(), der)
            .map_err(|error| SidecarError::Signature { file: file.clone(), error })?;
        self.used.push(file);
        Ok((Some(signature), Some(claim)))
    }

    /// The hash tree, put behind the image. Of one that flows no more than its superblock is taken
    /// here: the rest is read when the root hash was authenticated, and as far as the tree goes.
    pub(super) fn hash_tree(&mut self, image: &mut Source) -> Result<Option<HashTree>, Stop> {
        let Some(name) = self.name(&[".verity"]) else { return Ok(None) };
        let Some(mut tree) = self.beside.open(&name, limits::HASH_TREE)? else { return Ok(None) };
        let file = self.beside.shown(&name);
        let head = tree.head()?;
        let superblock =
            VeritySuperblock::parse(head.get(..VeritySuperblock::LEN).unwrap_or(&head))
                .map_err(|error| SidecarError::Superblock { file: file.clone(), error })?;
        let tree = tree.up_to(area(&superblock))?;
        let range = image.append(tree)?;
        self.used.push(file);
        Ok(Some(HashTree { index: None, range, superblock }))
    }
}

/// Bytes of superblock and tree; where there can be no such tree, fetching says so.
fn area(superblock: &VeritySuperblock) -> u64 {
    let area = |it: TreeShape| {
        it.tree_offset().saturating_add(u64::try_from(it.tree_len()).unwrap_or(u64::MAX))
    };
    superblock.shape().map_or(SUPERBLOCK, area)
}
