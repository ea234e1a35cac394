// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is to be loaded, and what becomes of it.
//!
//! **In:** expressions of kernel words and of the credential `import.pull`, which may choose what is
//! loaded and nothing else. **Out:** [`Transfer`]s, each to a place of its own.
//! **Refuses:** what systemd would warn about and leave out, two transfers to one place, places that
//! would not outlive the boot.

use std::path::{Path, PathBuf};

use super::boot_origin::{BootOriginError, beside};
use super::credential;
use super::error::Help;
use super::pull::{Format, ImageClass, Pull, PullError, PullFault, Remote, TransportCheck};
use super::{RequestError, Side, Told};
use crate::escape::escape;
use crate::finding::Origin;
use crate::limits;
use crate::url::{SourceUrl, without_query};

/// Why a transfer can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum TransferError {
    #[error("\"{name}\" becomes a directory, and a block device is asked for")]
    DeviceOfDirectory { name: String },
    #[error("\"{name}\" is to be stored in the initrd, which does not last")]
    NotKept { name: String },
    #[error("nothing is asked for by {key}=")]
    Nothing { key: &'static str },
    #[error("{error}: {}", escape(expression))]
    Pull { expression: String, origin: Origin, error: Box<PullError> },
    #[error("two images are to be {place}")]
    SamePlace { place: String },
    #[error("more than {} transfers are asked for", limits::TRANSFERS)]
    TooMany,
}

impl TransferError {
    pub(super) fn help(&self) -> Help {
        match self {
            Self::DeviceOfDirectory { .. } => (
                "request-place",
                "blockdev for the root alone",
                "take blockdev off: extensions, portable services and containers are mounted, and \
                 no device of them is handed on",
            ),
            Self::NotKept { .. } => (
                "request-place",
                "a place below /run",
                "take runtime=no off: what an initrd has outside of /run is gone after switch-root",
            ),
            Self::Nothing { .. } => (
                "request-pull",
                "rd.systemd.pull=OPTIONS:NAME:URL in the initrd, systemd.pull= on the host",
                "say on the kernel command line, or in the credential import.pull, what to load",
            ),
            Self::Pull { error, .. } if error.fault == PullFault::Oci => (
                "request-pull",
                "raw or tar",
                "build a disk image or a tarball of it, and sign that",
            ),
            Self::Pull { .. } => (
                "request-pull",
                "OPTIONS:NAME:URL, such as raw,machine,verify=no,blockdev:image:http://HOST/PATH",
                "correct the expression: nothing in it is guessed",
            ),
            Self::SamePlace { .. } => (
                "request-place",
                "each image of a class under a name of its own",
                "give one of them another name: OPTIONS:NAME:URL",
            ),
            Self::TooMany => {
                ("request-pull", "few transfers", "ask for less: each image stays in memory")
            }
        }
    }
}

/// What becomes of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The root of this machine, with all that belongs to it.
    Root,
    /// A directory where systemd looks for images of its class.
    Directory(PathBuf),
}

/// One thing to load. Made by [`super::Request::read`] alone.
#[derive(Debug)]
pub struct Transfer {
    pull: Pull,
    url: SourceUrl,
    purpose: Purpose,
    origin: Origin,
}

impl Transfer {
    /// Disk image or tarball.
    #[must_use]
    pub fn format(&self) -> Format {
        self.pull.format
    }

    /// What it is an image of.
    #[must_use]
    pub fn class(&self) -> ImageClass {
        self.pull.class
    }

    /// What the transport is asked to show. It says nothing of what the image itself has to prove.
    #[must_use]
    pub fn check(&self) -> TransportCheck {
        self.pull.check
    }

    /// Whether a tree is asked for that may be written to: `rw`. systemd's default, and not ours.
    #[must_use]
    pub fn asks_for_writes(&self) -> bool {
        self.pull.writable == Some(true)
    }

    /// Its name, without suffix.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.pull.name
    }

    /// Where it stands.
    #[must_use]
    pub fn url(&self) -> &SourceUrl {
        &self.url
    }

    /// What becomes of it.
    #[must_use]
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Who asks for it.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// A transfer that nobody has found a place for yet.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) pull: Pull,
    url: SourceUrl,
    origin: Origin,
}

impl Asked {
    fn becomes(self, purpose: Purpose) -> Transfer {
        let Self { pull, url, origin } = self;
        Transfer { pull, url, purpose, origin }
    }
}

/// Everything that is asked for, words first.
pub(super) fn asked(told: &Told<'_>) -> Result<Vec<Asked>, RequestError> {
    let key = match told.side {
        Side::Initrd => "rd.systemd.pull",
        Side::Host => "systemd.pull",
    };
    let words = told.words.iter().filter(|word| word.key == key).map(|word| {
        let origin = Origin::KernelWord(word.shown());
        (word.value.as_deref().unwrap_or_default(), origin)
    });
    let lines = told.credential.unwrap_or_default().lines().enumerate();
    let lines = lines.map(|(index, line)| {
        (line.trim(), Origin::Credential { name: credential::NAME, line: index.saturating_add(1) })
    });
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let mut asked = Vec::new();
    for (expression, origin) in words.chain(lines) {
        if asked.len() >= limits::TRANSFERS {
            return Err(TransferError::TooMany.into());
        }
        asked.push(read(expression, origin, told.boot_url)?);
    }
    if asked.is_empty() {
        return Err(TransferError::Nothing { key }.into());
    }
    distinct(&asked)?;
    Ok(asked)
}

fn read(
    expression: &str,
    origin: Origin,
    boot_url: &Result<String, BootOriginError>,
) -> Result<Asked, RequestError> {
    let pull = match Pull::parse(expression) {
        Ok(pull) => pull,
        Err(error) => {
            let expression = without_query(expression);
            let error = Box::new(error);
            return Err(TransferError::Pull { expression, origin, error }.into());
        }
    };
    let url = match pull.base {
        Remote::Url => SourceUrl::parse(&pull.remote).map_err(|error| RequestError::Url {
            url: escape(&without_query(&pull.remote)),
            error,
        })?,
        Remote::BootOrigin => {
            let beside = boot_url.clone().and_then(|base| beside(&base, &pull.remote));
            let name = escape(&pull.name);
            beside.map_err(|error| RequestError::BootOrigin { name, error })?
        }
    };
    Ok(Asked { pull, url, origin })
}

/// No two images of one class have the same name: systemd looks for either below `/run` and
/// `/var/lib`, and would take whichever comes first.
fn distinct(asked: &[Asked]) -> Result<(), RequestError> {
    for (index, later) in asked.iter().enumerate() {
        let place = |it: &Asked| (it.pull.class.directory(), it.pull.name.clone());
        if asked.iter().take(index).any(|earlier| place(earlier) == place(later)) {
            let place = format!("{}/{}", later.pull.class.directory(), later.pull.name);
            return Err(TransferError::SamePlace { place: escape(&place) }.into());
        }
    }
    Ok(())
}

/// All of it becomes directories, but the root.
pub(super) fn with_root(asked: Vec<Asked>, root: usize) -> Result<Vec<Transfer>, RequestError> {
    let place = |(index, it): (usize, Asked)| {
        if index == root {
            return Ok(it.becomes(Purpose::Root));
        }
        directory(it, Side::Initrd)
    };
    asked.into_iter().enumerate().map(place).collect()
}

/// All of it becomes directories.
pub(super) fn directories(asked: Vec<Asked>, side: Side) -> Result<Vec<Transfer>, RequestError> {
    asked.into_iter().map(|it| directory(it, side)).collect()
}

fn directory(asked: Asked, side: Side) -> Result<Transfer, RequestError> {
    let pull = &asked.pull;
    if pull.blockdev {
        return Err(TransferError::DeviceOfDirectory { name: escape(&pull.name) }.into());
    }
    let runtime = pull.runtime.unwrap_or(side == Side::Initrd);
    if side == Side::Initrd && !runtime {
        return Err(TransferError::NotKept { name: escape(&pull.name) }.into());
    }
    let below = Path::new(if runtime { "/run" } else { "/var/lib" });
    let path = below.join(pull.class.directory()).join(&pull.name);
    Ok(asked.becomes(Purpose::Directory(path)))
}
