// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! How bytes may travel.
//!
//! **In:** the machine's own configuration, never a server's. **Out:** a [`Transport`], and the
//! network children that are started by it. **Refuses:** TLS without roots to check it against,
//! secrets that can't be read.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::child::{Child, Deadline};
use super::pace::Pace;
use super::{Credential, Error, clock, frame, secrets};
use crate::escape::escape;
use crate::limits;
use crate::url::{Scheme, SourceUrl};
use crate::wire;

/// How bytes may travel: the machine's own configuration, never a server's.
#[derive(Clone, Debug)]
pub struct Transport {
    /// PEM bundle with the only roots that TLS servers are checked against. Without it no `https`
    /// URL is opened.
    pub tls_roots: Option<PathBuf>,
    /// Largest image, bytes; [`limits::IMAGE`] holds in any case.
    pub size_max: u64,
    /// Memory that stays free where bytes have to wait for others, bytes.
    pub memory_reserve: u64,
    /// Timeouts, rates and retries.
    pub pace: Pace,
    /// For everything together, over all retries and mirrors; nothing goes on after that.
    pub budget: Duration,
    /// The HTTP proxy that everything goes through; never one of the environment.
    pub proxy: Option<String>,
    /// Secrets, each for one server, whose child alone gets to see them.
    pub credentials: Vec<Credential>,
    /// The program that becomes the network child: one whose `main` calls [`super::run_child`] when its
    /// first argument is [`super::CHILD_SUBCOMMAND`].
    pub child: PathBuf,
}

impl Default for Transport {
    /// This very program as the child, no TLS roots.
    fn default() -> Self {
        Self {
            tls_roots: None,
            size_max: limits::IMAGE,
            memory_reserve: limits::SPOOL_RESERVE,
            pace: Pace::default(),
            budget: limits::BUDGET,
            proxy: None,
            credentials: Vec::new(),
            child: PathBuf::from("/proc/self/exe"),
        }
    }
}

impl Transport {
    /// A child for `url`, and what it is told first.
    pub(super) fn child(
        &self,
        url: &SourceUrl,
        deadline: Deadline,
    ) -> Result<(Child, frame::Open), Error> {
        let tls_roots = match &self.tls_roots {
            Some(path) => tls_roots(path)?,
            None if url.scheme() == Scheme::Https => {
                return Err(Error::NoTlsRoots { name: url.to_string() });
            }
            None => String::new(),
        };
        let open = frame::Open {
            url: Zeroizing::new(url.as_str().to_owned()),
            tls_roots,
            size_max: self.size_max.min(limits::IMAGE),
            pace: self.pace.clone(),
            proxy: self.proxy.clone(),
            secrets: secrets::of(url, &self.credentials)?,
            clock_floor: clock::floor(),
        };
        let child = Child::start(&self.child, &self.pace, deadline);
        Ok((child.map_err(|source| Error::Child { source })?, open))
    }
}

/// The text of a PEM bundle that holds at least one certificate.
fn tls_roots(path: &Path) -> Result<String, Error> {
    let name = escape(&path.to_string_lossy());
    let fail = |source| Error::TlsRoots { name: name.clone(), source };
    let bytes = wire::read_file_bounded(path, limits::TLS_ROOTS).map_err(fail)?;
    let text = String::from_utf8(bytes).map_err(|error| fail(io::Error::other(error)))?;
    let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes());
    match certificates.next() {
        Some(Ok(_)) => (),
        Some(Err(error)) => return Err(fail(io::Error::other(error))),
        None => return Err(fail(io::Error::other("no certificate in it"))),
    }
    Ok(text)
}
