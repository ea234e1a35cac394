// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A boot: from the command line to a root that is ready for switch-root.
//!
//! **In:** the kernel command line, credentials, the boot origin, policy files and trust anchors.
//! **Out:** everything that was asked for in its place, or nothing of it and what the policy wants
//! done about that.
//! **Refuses:** what any stage refuses; a policy file or a trust anchor that can't be used ends the
//! boot before the network is touched.

mod after;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

pub use after::AfterRefusal;

use crate::authenticate::Trust;
use crate::authenticate::anchors::TrustAnchors;
use crate::checksums::{self, Check, receive};
use crate::cmdline;
use crate::designator::Architecture;
use crate::error::Error;
use crate::escape::escape;
use crate::expose::{Exposed, ExposedTree, Placement, Places, Target, Without};
use crate::fetch::Progress;
use crate::honour::honour;
use crate::identify::Identified;
use crate::limits;
use crate::loader::{self, ArchiveDemands, Demands};
use crate::policy::{ArchivePin, Expectation};
use crate::policy_file::{EffectivePolicy, PolicyFile, Statements, load_directories};
use crate::purpose;
use crate::report::Report;
use crate::request::pull::{Format, ImageClass, TransportCheck};
use crate::request::{
    MountFlag, Purpose, Request, RequestError, RootDevice, Told, Transfer, boot_origin, import_pull,
};
use crate::rivals;
use crate::sys::memfd::SealedMemfd;
pub use crate::system::System;
use crate::unpack::{Destination, TreeKind, Unpacked};
use crate::wire;

fn policy_files(system: &System) -> Result<Vec<PolicyFile>, Error> {
    let directories: Vec<&Path> = system.policy.iter().map(PathBuf::as_path).collect();
    Ok(load_directories(&directories)?)
}

/// What became of one transfer.
#[derive(Debug)]
pub struct TransferReport {
    /// Its name, escaped.
    pub name: String,
    /// What it is an image of: `machine`, `portable`, `sysext` or `confext`.
    pub class: ImageClass,
    /// The directory that it was to become; `None` for the root.
    pub place: Option<PathBuf>,
    /// Every decision about its image.
    pub report: Report,
}

impl TransferReport {
    fn of(transfer: &Transfer) -> Self {
        Self {
            name: escape(transfer.name()),
            class: transfer.class(),
            place: match transfer.purpose() {
                Purpose::Root => None,
                Purpose::Directory(path) => Some(path.clone()),
            },
            report: Report::of(&transfer.url().to_string()),
        }
    }
}

/// How a boot ended.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    /// What was decided before any transfer was begun.
    pub before: Report,
    /// The transfers that were begun, in the order in which they were asked for.
    pub transfers: Vec<TransferReport>,
    /// The transfer that was worked on last.
    at: Option<usize>,
    /// Whether everything that was asked for is in its place; else why nothing is.
    pub result: Result<(), Error>,
    /// What the policy wants done if there is nothing.
    pub after_refusal: AfterRefusal,
}

impl Ended {
    /// The report that has the verdict.
    #[must_use]
    pub fn report(&self) -> &Report {
        let decisive = self.at.and_then(|at| self.transfers.get(at));
        decisive.map_or(&self.before, |it| &it.report)
    }
}

/// Boots.
pub fn boot(system: &System, progress: &mut dyn Progress) -> Ended {
    let mut attempt = Attempt {
        system,
        before: Report::default(),
        transfers: Vec::new(),
        at: None,
        after_refusal: AfterRefusal::default(),
    };
    let result = attempt.run(progress);
    if let Err(error) = &result {
        attempt.report().refuse(error);
    }
    let Attempt { before, transfers, at, after_refusal, .. } = attempt;
    Ended { before, transfers, at, result, after_refusal }
}

/// A boot under way.
struct Attempt<'a> {
    system: &'a System,
    before: Report,
    transfers: Vec<TransferReport>,
    /// The transfer that is worked on.
    at: Option<usize>,
    after_refusal: AfterRefusal,
}

/// A transfer whose image is verified, and of which nothing is exposed yet.
struct Loaded<'a> {
    at: usize,
    transfer: &'a Transfer,
    judge: &'a Judge,
    verified: Verified,
}

/// What the image of one transfer is judged by.
struct Judge {
    purpose: purpose::Purpose,
    policy: EffectivePolicy,
    anchors: Option<TrustAnchors>,
    check: Check,
}

impl Judge {
    fn of(
        transfer: &Transfer,
        request: &Request,
        policy: &EffectivePolicy,
        system: &System,
    ) -> Result<Self, Error> {
        let purpose = match (transfer.purpose(), transfer.class()) {
            (Purpose::Root, _) => purpose::Purpose::System,
            (Purpose::Directory(_), ImageClass::Machine) => purpose::Purpose::Machine,
            (Purpose::Directory(_), ImageClass::Portable) => purpose::Purpose::Portable,
            (Purpose::Directory(_), ImageClass::Sysext) => purpose::Purpose::Sysext,
            (Purpose::Directory(_), ImageClass::Confext) => purpose::Purpose::Confext,
        };
        let policy = policy.for_purpose(purpose)?;
        let pins = if purpose == purpose::Purpose::System { request.pins() } else { &[] };
        let anchors = match transfer.format() {
            Format::Raw => loader::trust_anchors(&policy, pins, &system.anchors)?,
            Format::Tar => None,
        };
        let check = Check::of(transfer.check(), policy.transport(), &system.keyrings)?;
        Ok(Self { purpose, policy, anchors, check })
    }

    /// Pins, slots and filters of the command line speak of the root.
    fn demands<'a>(&'a self, request: &'a Request) -> Result<Demands<'a>, RequestError> {
        let system = self.purpose == purpose::Purpose::System;
        let pins = if system { request.pins() } else { &[] };
        let trust = Trust::of_policy(self.policy.trust(), self.anchors.as_ref(), pins);
        Ok(Demands {
            architecture: native()?,
            policy: &self.policy,
            trust: trust.for_purpose(self.purpose),
            expectation: if system { expectation(request) } else { Expectation::default() },
        })
    }

    /// Where it goes.
    fn placement(&self, transfer: &Transfer, request: &Request, places: &Places) -> Placement {
        let target = match transfer.purpose() {
            Purpose::Root => {
                let (root, usr) = request.mounts();
                let without = Without { root: root.flags.clone(), usr: usr.flags.clone() };
                Target::System { overlay: self.policy.boot().overlay.value, without }
            }
            Purpose::Directory(path) => Target::Extension(self.purpose, path.clone()),
        };
        Placement { name: transfer.name().to_owned(), target, places: places.clone() }
    }
}

/// What was verified of a transfer.
enum Verified {
    /// A disk image, in sealed memory.
    Image(Identified<SealedMemfd>),
    /// The tree of an archive, which has no name yet.
    Tree(Unpacked),
}

/// What is in its place. Dropping it takes it back.
enum Handed {
    Image(Exposed),
    Tree(ExposedTree),
}

impl Handed {
    fn keep(self) {
        match self {
            Self::Image(exposed) => exposed.keep(),
            Self::Tree(exposed) => exposed.keep(),
        }
    }
}

/// Where the tree of a root stands, as systemd has it.
const MACHINES: &str = "/run/machines";

impl Attempt<'_> {
    /// The report of the transfer that is worked on.
    fn report(&mut self) -> &mut Report {
        match self.at.and_then(|at| self.transfers.get_mut(at)) {
            Some(transfer) => &mut transfer.report,
            None => &mut self.before,
        }
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<(), Error> {
        let system = self.system;
        let files = policy_files(system)?;
        // What the files say about refusals holds whatever the command line is.
        self.after_refusal = AfterRefusal::stated(&effective(&files, None)?);
        rivals::refuse(Path::new("/"), Path::new("/run/systemd/system"))?;
        let words = cmdline::words(&read_cmdline(&system.cmdline)?)?;
        let credential = import_pull(&system.credentials, &system.encrypted_credentials)?;
        let request = Request::read(&Told {
            side: system.side,
            words: &words,
            credential: credential.as_deref(),
            boot_url: &boot_origin::boot_url(&system.efivars),
        })?;
        let policy = effective(&files, Some(&request))?;
        policy.bootable()?;
        honour(&policy, &request)?;
        let judges = request.transfers().iter();
        let judges = judges.map(|it| Judge::of(it, &request, &policy, system));
        let judges = judges.collect::<Result<Vec<_>, _>>()?;
        // Everything is judged before anything is exposed; what was verified stays in memory.
        let mut loaded = Vec::new();
        for (at, (transfer, judge)) in request.transfers().iter().zip(&judges).enumerate() {
            self.transfers.push(TransferReport::of(transfer));
            self.at = Some(at);
            let check = judge.check.clone();
            let verified = match transfer.format() {
                Format::Raw => {
                    let demands = judge.demands(&request)?;
                    Verified::Image(self.load(transfer, check, &demands, progress)?)
                }
                Format::Tar => Verified::Tree(self.unpack(transfer, check, judge, progress)?),
            };
            loaded.push(Loaded { at, transfer, judge, verified });
        }
        // The root last: whoever waits for it finds the rest in place.
        loaded.sort_by_key(|it| *it.transfer.purpose() == Purpose::Root);
        let mut exposed = Vec::new();
        for Loaded { at, transfer, judge, verified } in loaded {
            self.at = Some(at);
            exposed.push(match verified {
                Verified::Image(it) => {
                    let placement = judge.placement(transfer, &request, &system.places);
                    let report = self.report();
                    Handed::Image(loader::hand_over(it, &judge.policy, &placement, report)?)
                }
                Verified::Tree(it) => Handed::Tree(self.place(transfer, &request, it)?),
            });
        }
        exposed.into_iter().for_each(Handed::keep);
        Ok(())
    }

    /// Judges one transfer and keeps what was verified of it.
    fn load(
        &mut self,
        transfer: &Transfer,
        check: Check,
        demands: &Demands<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Identified<SealedMemfd>, Error> {
        let demand = demand(transfer, check, demands.policy);
        let mirrors = loader::mirrors(transfer.url(), demands.policy, &[])?;
        loader::over_mirrors(&mirrors, self.report(), |source, report| {
            loader::load(receive(source, &demand)?, demands, report, progress)
        })
    }

    /// Judges an archive and unpacks it.
    fn unpack(
        &mut self,
        transfer: &Transfer,
        check: Check,
        Judge { purpose, policy, .. }: &Judge,
        progress: &mut dyn Progress,
    ) -> Result<Unpacked, Error> {
        let pin = match transfer.check() {
            TransportCheck::Sha256(sha256) => {
                let word = format!("verify={}", HEXLOWER.encode(&sha256));
                Some(ArchivePin { sha256, word, origin: transfer.origin().clone() })
            }
            TransportCheck::Signature | TransportCheck::Checksum | TransportCheck::No => None,
        };
        let anchors = loader::archive_anchors(policy, pin.as_ref(), &self.system.anchors)?;
        let trust = Trust::of_policy(policy.trust(), anchors.as_ref(), &[]);
        let demands = ArchiveDemands { policy, trust: trust.for_purpose(*purpose), pin };
        let mirrors = loader::mirrors(transfer.url(), policy, &[])?;
        // A pin is held against the archive where it is authenticated.
        let check = if let Check::Sha256(_) = check { Check::No } else { check };
        let demand = demand(transfer, check, policy);
        let destination = destination(transfer, *purpose);
        loader::over_mirrors(&mirrors, self.report(), |source, report| {
            let beside = source.beside().clone();
            let mut signature = || loader::signature_beside(&beside);
            let (received, archive) = (receive(source, &demand)?, (&demands, &destination));
            loader::load_archive(received, &mut signature, archive, report, progress)
        })
    }

    /// Gives a tree its name, and mounts it: the root where it belongs, everything else where it
    /// stands.
    fn place(
        &mut self,
        transfer: &Transfer,
        request: &Request,
        tree: Unpacked,
    ) -> Result<ExposedTree, Error> {
        let (place, without) = match (transfer.purpose(), transfer.class()) {
            (Purpose::Root, _) => {
                (self.system.places.root.as_path(), request.mounts().0.flags.as_slice())
            }
            (Purpose::Directory(path), ImageClass::Confext) => (path.as_path(), &CONFEXT[..]),
            (Purpose::Directory(path), _) => (path.as_path(), &[][..]),
        };
        loader::place_archive(tree, Some((place, without)), self.report())
    }
}

/// What the tree of a configuration extension goes without, as its disk image does.
const CONFEXT: [MountFlag; 2] = [MountFlag::NoExec, MountFlag::NoSuid];

/// Where the tree of a transfer goes, and what it has to be.
fn destination(transfer: &Transfer, purpose: purpose::Purpose) -> Destination {
    let place = match transfer.purpose() {
        Purpose::Root => None,
        Purpose::Directory(path) => path.parent(),
    };
    let place = place.unwrap_or(Path::new(MACHINES)).to_owned();
    Destination { place, name: transfer.name().to_owned(), kind: TreeKind::Of(purpose) }
}

/// How a transfer has to come.
fn demand(transfer: &Transfer, check: Check, policy: &EffectivePolicy) -> checksums::Demand {
    checksums::Demand {
        check,
        origin: transfer.origin().clone(),
        memory_reserve: policy.transport().memory_reserve.value,
    }
}

fn read_cmdline(path: &Path) -> Result<String, Error> {
    let unreadable = |error: std::io::Error| RequestError::CommandLine {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    // One byte more than the ceiling, so that a longer line is seen to be one.
    let bytes = wire::read_file_bounded(path, limits::COMMAND_LINE.saturating_add(1))
        .map_err(unreadable)?;
    let text =
        String::from_utf8(bytes).map_err(|error| unreadable(std::io::Error::other(error)))?;
    Ok(text)
}

/// What the files and the words demand together.
fn effective(files: &[PolicyFile], request: Option<&Request>) -> Result<EffectivePolicy, Error> {
    let Some(request) = request else {
        return Ok(EffectivePolicy::new(Statements { files, ..Statements::default() })?);
    };
    let kernel_words: Vec<&str> = request.image_policies().iter().map(String::as_str).collect();
    Ok(EffectivePolicy::new(Statements {
        files,
        kernel_words: &kernel_words,
        filesystem_words: &request.filesystems(),
        on_corruption_words: request.on_corruption(),
        ..Statements::default()
    })?)
}

fn native() -> Result<Architecture, RequestError> {
    Architecture::native().ok_or(RequestError::Architecture)
}

fn expectation(request: &Request) -> Expectation {
    let root_slot = request.root().and_then(|root| match root.device {
        RootDevice::Designated | RootDevice::Directory | RootDevice::Tmpfs => None,
        RootDevice::Partition(number) => Some((number, root.word.clone())),
    });
    let usr = request.root().and_then(|root| root.usr.as_ref());
    let usr_slot = usr.map(|usr| (usr.slot, usr.word.clone()));
    Expectation { root_slot, usr_slot, image_filter: request.image_filter().clone() }
}
