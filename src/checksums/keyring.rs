// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The OpenPGP certificates whose signatures on checksum files count.
//!
//! **In:** keyring files of the initrd, where systemd 262 has them, or where a policy file says.
//! **Out:** a [`Keyring`] with at least one certificate. **Refuses:** no keyring, an empty one, one
//! that can't be read to its end, one with a private key in it.

use std::io;
use std::path::{Path, PathBuf};

use openpgp::Cert;
use openpgp::cert::CertParser;
use openpgp::parse::Parse;
use sequoia_openpgp as openpgp;

use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::limits;
use crate::policy_file::Transport;
use crate::wire;

/// Where keyrings stand if no policy file says so: of each list the first file that exists.
/// What others know as systemd's own and the distribution's hold together.
#[must_use]
pub fn built_in() -> Vec<Vec<PathBuf>> {
    let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect();
    vec![
        paths(&["/etc/systemd/import-pubring.pgp", "/etc/systemd/import-pubring.gpg"]),
        paths(&["/usr/lib/systemd/import-pubring.pgp"]),
    ]
}

/// Certificates that are trusted to sign checksum files.
#[derive(Clone, Debug)]
pub struct Keyring {
    certs: Vec<Cert>,
}

impl Keyring {
    /// Reads the keyrings that a policy names, or those that are built in.
    ///
    /// # Errors
    /// [`KeyringError`]: every fault in any of them.
    pub fn of_policy(
        transport: &Transport,
        built_in: &[Vec<PathBuf>],
    ) -> Result<Self, KeyringError> {
        if let Some(named) = &transport.openpgp_keyring {
            let certs = named.value.iter().map(|path| read(path)?.ok_or_else(|| missing(path)));
            return Self::some(certs.collect::<Result<_, _>>()?, || KeyringError::Nothing {
                searched: shown(&named.value),
            });
        }
        let mut certs = Vec::new();
        for alternatives in built_in {
            for path in alternatives {
                if let Some(found) = read(path)? {
                    certs.push(found);
                    break;
                }
            }
        }
        let searched = || built_in.concat();
        Self::some(certs, || KeyringError::Nothing { searched: shown(&searched()) })
    }

    fn some(
        certs: Vec<Vec<Cert>>,
        nothing: impl FnOnce() -> KeyringError,
    ) -> Result<Self, KeyringError> {
        let certs = certs.concat();
        if certs.is_empty() { Err(nothing()) } else { Ok(Self { certs }) }
    }

    pub(super) fn certs(&self) -> &[Cert] {
        &self.certs
    }

    #[cfg(test)]
    pub(super) fn of(certs: Vec<Cert>) -> Self {
        Self { certs }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().map(|it| escape(&it.to_string_lossy())).collect();
    shown.join(", ")
}

fn missing(path: &Path) -> KeyringError {
    KeyringError::Unreadable { path: path.to_owned(), source: io::ErrorKind::NotFound.into() }
}

/// The certificates of one file; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<Vec<Cert>>, KeyringError> {
    let bytes = match wire::read_file_bounded(path, limits::OPENPGP_KEYRING) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyringError::Unreadable { path: path.to_owned(), source }),
    };
    let broken =
        |reason: String| KeyringError::Broken { path: path.to_owned(), reason: escape(&reason) };
    // Of armored blocks only the first is read: keys behind it would be trusted by nobody's doing.
    let blocks = bytes.windows(BLOCK.len()).filter(|it| *it == BLOCK).count();
    if blocks > 1 {
        return Err(broken(format!("{blocks} armored blocks: export all keys into one")));
    }
    let mut certs = Vec::new();
    for cert in CertParser::from_bytes(&bytes).map_err(|error| broken(format!("{error:#}")))? {
        let cert = cert.map_err(|error| broken(format!("{error:#}")))?;
        if cert.is_tsk() {
            return Err(broken(format!("the private key of {} is in it", cert.fingerprint())));
        }
        certs.push(cert);
        if certs.len() > limits::OPENPGP_CERTIFICATES {
            let limit = limits::OPENPGP_CERTIFICATES;
            return Err(broken(format!("more than {limit} certificates")));
        }
    }
    if certs.is_empty() {
        return Err(broken("no certificate in it".to_owned()));
    }
    Ok(Some(certs))
}

const BLOCK: &[u8] = b"-----BEGIN PGP";

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum KeyringError {
    #[error("{}: {reason}", escape(&path.to_string_lossy()))]
    Broken { path: PathBuf, reason: String },
    #[error("none of {searched} exists")]
    Nothing { searched: String },
    #[error("{}: {source}", escape(&path.to_string_lossy()))]
    Unreadable { path: PathBuf, source: io::Error },
}

impl Refusal for KeyringError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn finding(&self) -> Finding {
        Finding {
            id: "request-keyring",
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: "OpenPGP keyring".to_owned(),
            expected: "the public keys whose signatures on checksum files count".to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule(
                "verify=signature, which is what holds where nothing is said",
            ),
            advice: "put the signers' keys (gpg --export) into /etc/systemd/import-pubring.pgp of \
                     the initrd, or ask for another check with verify="
                .to_owned(),
        }
    }
}
