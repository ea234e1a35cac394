// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Archives before the loader.
//!
//! **In:** archives of the support builder, and what a machine demands. **Out:** verdicts and trees.
//! **Refuses:** (panics) a refusal that gives no account of itself.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use veriroot::authenticate::Trust;
use veriroot::checksums::{Demand, receive};
use veriroot::error::Error;
use veriroot::expose::ExposedTree;
use veriroot::fetch::Progress;
use veriroot::finding::{Class, Outcome, Refusal, Stage};
use veriroot::loader::{
    ArchiveDemands, archive_anchors, audit_archive, load_archive, place_archive, unpack_archive,
};
use veriroot::policy::ArchivePin;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::purpose::Purpose;
use veriroot::report::Report;
use veriroot::source::Source;
use veriroot::unpack::{Destination, Fault, TreeKind, UnpackError};
use veriroot_test_support::keys::{self, Signer};
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar::{self, Member};

/// What a machine was told.
#[derive(Clone)]
pub(crate) struct Machine {
    /// Text of a policy file.
    pub(crate) file: Option<String>,
    pub(crate) anchors: Vec<Arc<Signer>>,
    pub(crate) pin: Option<ArchivePin>,
    /// What stands beside the archive.
    pub(crate) signature: Option<Vec<u8>>,
    pub(crate) kind: TreeKind,
}

impl Default for Machine {
    /// Trusts K1, and demands a signature.
    fn default() -> Self {
        let anchors = vec![keys::trusted()];
        Self {
            file: None,
            anchors,
            pin: None,
            signature: None,
            kind: TreeKind::Of(Purpose::System),
        }
    }
}

impl Machine {
    /// Trusts the one who signed this.
    pub(crate) fn signed(bytes: &[u8]) -> Self {
        let signature = Cms::detached(&keys::trusted(), bytes).build();
        Self { signature: Some(signature), ..Self::default() }
    }

    /// Asks nobody, and only looks at the entries.
    pub(crate) fn careless(more: &str) -> Self {
        let file = Some(format!("[archive]\nauthentication = \"danger-none\"\n{more}"));
        Self { file, ..Self::default() }
    }

    /// The demands, for whatever is done with them.
    fn with<T>(&self, act: impl FnOnce(&ArchiveDemands<'_>) -> T) -> T {
        let anchors: Vec<&Signer> = self.anchors.iter().map(|it| &**it).collect();
        let directory = keys::anchors(&anchors);
        let text = |it: &String| it.replace("@anchors@", &directory.path().display().to_string());
        let file = self.file.as_ref().map(text);
        let files: Vec<_> = file
            .iter()
            .map(|it| PolicyFile::parse(Path::new("/etc/test.toml"), it).unwrap())
            .collect();
        let policy =
            EffectivePolicy::new(Statements { files: &files, ..Statements::default() }).unwrap();
        let search_path = [directory.path().to_owned()];
        let anchors = archive_anchors(&policy, self.pin.as_ref(), &search_path).unwrap();
        let trust = Trust::of_policy(policy.trust(), anchors.as_ref(), &[]);
        let purpose = match self.kind {
            TreeKind::Of(purpose) => purpose,
            TreeKind::Any => Purpose::System,
        };
        act(&ArchiveDemands {
            policy: &policy,
            trust: trust.for_purpose(purpose),
            pin: self.pin.clone(),
        })
    }

    /// Judges and writes nothing.
    pub(crate) fn judge(&self, bytes: &[u8]) -> (Result<(), Error>, Report) {
        let mut report = Report::default();
        let mut signature = || Ok(self.signature.clone());
        let result = self.with(|demands| {
            let source = Source::open_stream(Cursor::new(bytes.to_vec()), "archive.tar")?;
            audit_archive(
                receive(source, &Demand::none())?,
                &mut signature,
                (demands, TreeKind::Any),
                &mut report,
            )
        });
        (result, report)
    }

    /// Unpacks as `tree` in `place`.
    pub(crate) fn unpack(
        &self,
        bytes: &[u8],
        place: &Path,
        progress: &mut dyn Progress,
    ) -> (Result<PathBuf, Error>, Report) {
        let mut report = Report::default();
        let mut signature = || Ok(self.signature.clone());
        let name = "tree".to_owned();
        let destination = Destination { place: place.to_owned(), name, kind: self.kind };
        let result = self.with(|demands| {
            let source = Source::open_stream(Cursor::new(bytes.to_vec()), "archive.tar")?;
            let demands = (demands, &destination);
            let received = receive(source, &Demand::none())?;
            unpack_archive(received, &mut signature, demands, &mut report, progress)
        });
        (result, report)
    }
}

impl Machine {
    /// Unpacks as `tree` in `place` and mounts it over itself, as a boot does.
    pub(crate) fn mounted(&self, bytes: &[u8], place: &Path) -> Result<ExposedTree, Error> {
        let (mut report, mut signature) = (Report::default(), || Ok(self.signature.clone()));
        let name = "tree".to_owned();
        let destination = Destination { place: place.to_owned(), name, kind: self.kind };
        self.with(|demands| {
            let source = Source::open_stream(Cursor::new(bytes.to_vec()), "archive.tar")?;
            let (received, demands) = (receive(source, &Demand::none())?, (demands, &destination));
            let tree =
                load_archive(received, &mut signature, demands, &mut report, &mut Unwatched)?;
            place_archive(tree, Some((&place.join("tree"), &[])), &mut report)
        })
    }
}

/// Nobody waits.
pub(crate) struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _total: u64) {}
    fn advance(&mut self, _bytes: u64) {}
}

/// A directory in a tmpfs.
pub(crate) fn memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

/// The members as the user who runs the test may own them.
pub(crate) fn owned(members: Vec<Member>) -> Vec<Member> {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    members.into_iter().map(|it| it.with(|it| (it.uid, it.gid) = (uid, gid))).collect()
}

/// A sound tree, and these members behind it.
pub(crate) fn tree_and(members: &[Member]) -> Vec<u8> {
    tar::archive(&[owned(tar::tree()), owned(members.to_vec())].concat())
}

#[track_caller]
pub(crate) fn accepted(machine: &Machine, bytes: &[u8]) {
    let (result, report) = machine.judge(bytes);
    assert!(result.is_ok(), "{}", result.unwrap_err());
    assert!(report.is_accepted());
}

/// Why it is refused; that the refusal says so.
#[track_caller]
pub(crate) fn refused(machine: &Machine, bytes: &[u8]) -> Error {
    let (result, report) = machine.judge(bytes);
    let error = result.unwrap_err();
    assert!(!report.is_accepted());
    let finding = error.finding();
    assert_eq!(finding.outcome, Outcome::Failed);
    assert!(!finding.advice.is_empty() && !finding.expected.is_empty(), "{finding:?}");
    let plain = |text: &str| text.chars().all(|c| matches!(c, ' '..='~'));
    assert!(plain(&finding.found) && plain(&finding.subject), "{finding:?}");
    error
}

/// What is wrong with the archive's entries, and of which class that is.
#[track_caller]
pub(crate) fn fault(machine: &Machine, bytes: &[u8]) -> (Fault, Class) {
    let error = refused(machine, bytes);
    assert_eq!(error.finding().stage, Stage::Unpack);
    let class = error.class();
    match error {
        Error::Unpack(UnpackError::Entry { fault, .. }) => (fault, class),
        other => panic!("{other:?}"),
    }
}
