// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A machine that demands a signed root, and its verdict on what a file holds.
//!
//! **In:** the bytes of an image. **Out:** the loader's own verdict, offline. **Refuses:** what the
//! loader refuses.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use veriroot::authenticate::Trust;
use veriroot::authenticate::anchors::TrustAnchors;
use veriroot::checksums::{Demand, receive};
use veriroot::designator::Architecture;
use veriroot::error::Error;
use veriroot::fetch::Progress;
use veriroot::loader::{Demands, audit};
use veriroot::policy::Expectation;
use veriroot::policy_file::{EffectivePolicy, Statements};
use veriroot::report::Report;
use veriroot::source::Source;
use veriroot_test_support::keys::{self, Signer};

/// A machine with a file in memory that images are put into.
#[derive(Debug)]
pub struct Bench {
    anchors: TrustAnchors,
    policy: EffectivePolicy,
    file: File,
    path: PathBuf,
}

impl Bench {
    /// Trusts K1 and E1, and wants the root signed by one of them.
    ///
    /// # Panics
    /// If there is no place for a file.
    #[must_use]
    pub fn new() -> Self {
        let (k1, e1) = (keys::trusted(), keys::trusted_ec());
        let trusted: [&Signer; 2] = [&k1, &e1];
        let directory = keys::anchors(&trusted);
        let anchors = TrustAnchors::load(&[directory.path().to_owned()]).unwrap();
        let policy = EffectivePolicy::new(Statements {
            image_policy_option: Some("root=signed:=ignore"),
            ..Statements::default()
        });
        let file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Self { anchors, policy: policy.unwrap(), file, path }
    }

    /// Puts a whole image into the file.
    ///
    /// # Panics
    /// If that fails.
    pub fn put(&self, image: &[u8]) {
        self.file.set_len(0).unwrap();
        self.file.write_all_at(image, 0).unwrap();
    }

    /// Overwrites some bytes.
    ///
    /// # Panics
    /// If that fails.
    pub fn put_at(&self, offset: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset as u64).unwrap();
    }

    /// Cuts the file off, or makes it longer.
    ///
    /// # Panics
    /// If that fails.
    pub fn cut(&self, len: usize) {
        self.file.set_len(len as u64).unwrap();
    }

    /// The verdict on what the file holds.
    pub fn judge(&self) -> (Result<(), Error>, Report) {
        let demands = Demands {
            architecture: Architecture::from_name("x86-64").unwrap(),
            policy: &self.policy,
            trust: Trust {
                anchors: Some(&self.anchors),
                pins: &[],
                pins_suffice: false,
                revoked: &self.policy.trust().revoked,
                purpose: veriroot::purpose::Purpose::System,
            },
            expectation: Expectation::default(),
        };
        let mut report = Report::default();
        let result = Source::open_file(&self.path)
            .map_err(Error::from)
            .and_then(|source| Ok(receive(source, &Demand::none())?))
            .and_then(|received| audit(received, &demands, &mut report, &mut Unwatched));
        (result, report)
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _total: u64) {}

    fn advance(&mut self, _bytes: u64) {}
}
