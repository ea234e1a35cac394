// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Images before the loader, each refusal beside the acceptance it differs from in one thing.
//!
//! **In:** images of the support builder, and what a machine demands. **Out:** verdicts.
//! **Refuses:** (panics) a twin that is not accepted, a refusal that gives no account of itself.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::NamedTempFile;
use veriroot::authenticate::Trust;
use veriroot::authenticate::anchors::TrustAnchors;
use veriroot::checksums::{Demand, receive};
use veriroot::designator::{Architecture, PartitionDesignator};
use veriroot::digest::RootHashClaim;
use veriroot::error::Error;
use veriroot::fetch::Progress;
use veriroot::finding::{Finding, Origin, Outcome, Refusal};
use veriroot::loader::{Demands, audit};
use veriroot::policy::Expectation;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::purpose::Purpose;
use veriroot::report::Report;
use veriroot::request::Pin;
use veriroot::source::Source;
use veriroot_test_support::ddi::{Arch, Builder, Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys::{self, Signer};

/// What a machine was told.
#[derive(Clone)]
pub(crate) struct Machine {
    /// `--image-policy=`; the files alone if there is none.
    pub(crate) policy: Option<String>,
    /// Text of a policy file.
    pub(crate) file: Option<String>,
    pub(crate) anchors: Vec<Arc<Signer>>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) pins_suffice: bool,
    pub(crate) root_slot: Option<u32>,
    /// `mount.usr=`: that there has to be one, and where.
    pub(crate) usr_slot: Option<Option<u32>>,
    pub(crate) architecture: Architecture,
    pub(crate) purpose: Purpose,
}

impl Default for Machine {
    /// Trusts K1, and demands a signed root.
    fn default() -> Self {
        Self {
            policy: Some("root=signed:=ignore".to_owned()),
            file: None,
            anchors: vec![keys::trusted()],
            pins: Vec::new(),
            pins_suffice: false,
            root_slot: None,
            usr_slot: None,
            architecture: Architecture::from_name("x86-64").unwrap(),
            purpose: Purpose::System,
        }
    }
}

impl Machine {
    pub(crate) fn demanding(policy: &str) -> Self {
        Self { policy: Some(policy.to_owned()), ..Self::default() }
    }

    pub(crate) fn pinning(designator: PartitionDesignator, root_hash: &[u8]) -> Self {
        let root_hash = RootHashClaim::from_bytes(root_hash).unwrap();
        let word = format!("{designator}hash={root_hash}");
        let origin = Origin::KernelWord(word.clone());
        Self { pins: vec![Pin { designator, root_hash, word, origin }], ..Self::default() }
    }

    /// Its policy, anchors and all; the verdict on what stands at `path`.
    pub(crate) fn judge(&self, path: &Path) -> (Result<(), Error>, Report) {
        let anchors: Vec<&Signer> = self.anchors.iter().map(|it| &**it).collect();
        let directory = keys::anchors(&anchors);
        let files: Vec<PolicyFile> = self
            .file
            .iter()
            .map(|text| text.replace("@anchors@", &directory.path().display().to_string()))
            .map(|text| PolicyFile::parse(Path::new("/etc/test.toml"), &text).unwrap())
            .collect();
        let policy = EffectivePolicy::new(Statements {
            files: &files,
            image_policy_option: self.policy.as_deref(),
            ..Statements::default()
        });
        let policy = policy.unwrap();
        let search_path = [directory.path().to_owned()];
        let anchors = (!anchors.is_empty())
            .then(|| TrustAnchors::of_policy(policy.trust(), &search_path).unwrap());
        let demands = Demands {
            architecture: self.architecture,
            policy: &policy,
            trust: Trust {
                anchors: anchors.as_ref(),
                pins: &self.pins,
                pins_suffice: self.pins_suffice,
                revoked: &policy.trust().revoked,
                purpose: self.purpose,
            },
            expectation: Expectation {
                root_slot: self.root_slot.map(|it| (it, format!("root=…-part{it}"))),
                usr_slot: self.usr_slot.map(|it| (it, "mount.usr=…".to_owned())),
                ..Expectation::default()
            },
        };
        let mut report = Report::default();
        let result = Source::open_file(path)
            .map_err(Error::from)
            .and_then(|source| Ok(receive(source, &Demand::none())?))
            .and_then(|received| audit(received, &demands, &mut report, &mut Unwatched));
        (result, report)
    }

    /// The report on an image that has to be accepted.
    #[track_caller]
    pub(crate) fn accepts(&self, image: &Image) -> Report {
        self.accepts_file(on_disk(&image.bytes).path())
    }

    #[track_caller]
    pub(crate) fn accepts_file(&self, path: &Path) -> Report {
        let (result, report) = self.judge(path);
        result.unwrap_or_else(|error| panic!("should be accepted: {error}"));
        // What a boot of this version would not expose is noted, and nothing else is.
        let noted = ["expose-root", "verity-unprotected"];
        let as_it_should = |it: &Finding| match it.outcome {
            Outcome::Passed => true,
            Outcome::Noted => noted.contains(&it.id),
            Outcome::Failed => false,
        };
        assert!(report.findings.iter().all(as_it_should), "{report:?}");
        assert!(!report.partitions.is_empty(), "{report:?}");
        report
    }

    /// Why an image is refused.
    #[track_caller]
    pub(crate) fn refuses(&self, image: &Image) -> Error {
        self.refuses_file(on_disk(&image.bytes).path())
    }

    #[track_caller]
    pub(crate) fn refuses_file(&self, path: &Path) -> Error {
        let (result, report) = self.judge(path);
        let error = match result {
            Ok(()) => panic!("should be refused: {report:?}"),
            Err(error) => error,
        };
        assert!(report.partitions.iter().all(|it| it.filesystem.is_none()), "{report:?}");
        check_account(&error);
        error
    }
}

/// What every refusal owes whoever reads it: class, place, cause, and what to do; no raw text.
#[track_caller]
fn check_account(error: &Error) {
    let (finding, class) = (error.finding(), error.class());
    assert_eq!(finding.outcome, Outcome::Failed);
    assert!(matches!(class.exit_code(), 20..=22), "{class}: {finding:?}");
    let required_by = finding.required_by.to_string();
    for text in [&finding.subject, &finding.expected, &finding.found, &finding.advice, &required_by]
    {
        assert!(!text.is_empty(), "{finding:?}");
        assert!(!text.chars().any(char::is_control), "{finding:?}");
    }
}

/// An image that is accepted, made sure of at once, to set refused ones against.
pub(crate) struct Twin {
    pub(crate) machine: Machine,
    pub(crate) image: Image,
}

impl Twin {
    /// B0 of the builder, on the machine that demands a signed root.
    #[track_caller]
    pub(crate) fn b0() -> Self {
        Self::new(Machine::default(), Ddi::builder().build())
    }

    #[track_caller]
    pub(crate) fn new(machine: Machine, image: Image) -> Self {
        machine.accepts(&image);
        Self { machine, image }
    }

    /// The same image, changed: refused.
    #[track_caller]
    pub(crate) fn refused(&self, attack: impl FnOnce(Image) -> Image) -> Error {
        self.machine.refuses(&attack(self.image.clone()))
    }

    /// The same image, changed: accepted still.
    #[track_caller]
    pub(crate) fn accepted(&self, change: impl FnOnce(Image) -> Image) -> Report {
        self.machine.accepts(&change(self.image.clone()))
    }

    /// The same image on another machine: refused.
    #[track_caller]
    pub(crate) fn refused_by(&self, machine: &Machine) -> Error {
        machine.refuses(&self.image)
    }

    /// The image in a file, to be changed in place.
    pub(crate) fn on_disk(&self) -> OnDisk<'_> {
        OnDisk { twin: self, file: on_disk(&self.image.bytes) }
    }
}

/// An accepted image in a file.
pub(crate) struct OnDisk<'a> {
    twin: &'a Twin,
    file: NamedTempFile,
}

impl OnDisk<'_> {
    /// The verdict with one bit flipped.
    pub(crate) fn with_flipped(&self, offset: usize, bit: usize) -> Result<Report, Error> {
        self.with(offset, &[self.twin.image.bytes[offset] ^ (1 << bit)])
    }

    /// The verdict with `bytes` written at `offset`; what stood there is put back.
    pub(crate) fn with(&self, offset: usize, bytes: &[u8]) -> Result<Report, Error> {
        let write = |bytes| self.file.as_file().write_all_at(bytes, offset as u64).unwrap();
        write(bytes);
        let (result, report) = self.twin.machine.judge(self.file.path());
        write(&self.twin.image.bytes[offset..offset + bytes.len()]);
        if let Err(error) = &result {
            check_account(error);
        }
        result.map(|()| report)
    }
}

/// B0 but small, for tests that judge it often: 135 data blocks, a tree of two levels.
pub(crate) fn small() -> Builder {
    let volume = Volume::new(Erofs::root_tree(119 * 4096).build());
    Ddi::empty().total(0).volume("root", volume)
}

/// Takes a partition over from another image, with its GUID, under `label`.
pub(crate) fn graft(image: Image, from: &Image, name: &str, label: &str) -> Image {
    let number = image.gpt.entries.iter().position(|it| !it.is_used()).unwrap() + 1;
    let number = number.to_string();
    let image = image.add_partition(name, Arch::X86_64, from.content(name));
    // A signature partition's GUID says nothing, and the builder gives all images the same.
    let guid =
        if name.ends_with("-sig") { image.entry(&number).guid } else { from.entry(name).guid };
    image.set_guid(&number, guid).relabel(&number, label)
}

pub(crate) fn on_disk(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Nobody waits for it.
pub(crate) struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _total: u64) {}

    fn advance(&mut self, _bytes: u64) {}
}
