// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A boot: from the command line to a root that is ready for switch-root.
//!
//! **In:** the kernel command line, policy files and trust anchors of the initrd.
//! **Out:** everything that was asked for in its place, or nothing of it and what the policy wants
//! done about that.
//! **Refuses:** what any stage refuses; a policy file or a trust anchor that can't be used ends the
//! boot before the network is touched.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::authenticate::anchors::TrustAnchors;
use crate::authenticate::{AuthenticateError, Trust};
use crate::checksums::{self, Check, Received, receive};
use crate::cmdline;
use crate::designator::Architecture;
use crate::error::Error;
use crate::expose::{Exposed, ExposedTree, Placement, Places, Target};
use crate::fetch::Progress;
use crate::identify::Identified;
use crate::limits;
use crate::loader::{self, ArchiveDemands, Demands};
use crate::policy::{ArchivePin, Expectation};
use crate::policy_file::{EffectivePolicy, OnRefusal, PolicyFile, Statements, load_directories};
use crate::purpose;
use crate::report::Report;
use crate::request::pull::{Format, ImageClass, TransportCheck};
use crate::request::{Purpose, Request, RequestError, RootDevice, Side, Told, Transfer};
use crate::rivals;
use crate::source::Source;
use crate::sys::memfd::SealedMemfd;
use crate::unpack::{Destination, TreeKind, Unpacked};
use crate::wire;

/// The file system of an initrd that is no tmpfs (linux/magic.h).
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// Where a boot finds what it was told. The default is the running system.
#[derive(Clone, Debug)]
pub struct System {
    /// Which of its words count.
    pub side: Side,
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Directories of policy files, strongest first. /run is not among them: credentials can
    /// write to it.
    pub policy: Vec<PathBuf>,
    /// Directories of trust anchors, strongest first.
    pub anchors: Vec<PathBuf>,
    /// OpenPGP keyrings: of each list the first that exists.
    pub keyrings: Vec<Vec<PathBuf>>,
    /// Where the root and the links go.
    pub places: Places,
}

impl Default for System {
    fn default() -> Self {
        let paths = |texts: [&str; 2]| texts.map(PathBuf::from).to_vec();
        Self {
            side: if in_initrd() { Side::Initrd } else { Side::Host },
            cmdline: PathBuf::from("/proc/cmdline"),
            policy: paths(["/etc/veriroot/policy.d", "/usr/lib/veriroot/policy.d"]),
            anchors: paths(["/etc/verity.d", "/usr/lib/verity.d"]),
            keyrings: checksums::built_in(),
            places: Places::default(),
        }
    }
}

/// Whether this system is an initrd: by the file in which it says so (os-release(5)), or by a root
/// that the kernel unpacked it into. A plain initrd has no such file.
fn in_initrd() -> bool {
    let unpacked =
        statfs("/").is_ok_and(|root| [RAMFS_MAGIC, TMPFS_MAGIC].contains(&root.filesystem_type()));
    unpacked || Path::new("/etc/initrd-release").exists()
}

/// What to do about a refusal.
#[derive(Clone, Debug)]
pub struct AfterRefusal {
    /// The last act.
    pub action: OnRefusal,
    /// How long the summary stays before it.
    pub hold: std::time::Duration,
}

/// How a boot ended.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    /// What was decided before any transfer was begun.
    before: Report,
    /// A report for each transfer that was begun, in the order in which they were asked for.
    pub reports: Vec<Report>,
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
        self.at.and_then(|at| self.reports.get(at)).unwrap_or(&self.before)
    }
}

/// Boots.
pub fn boot(system: &System, progress: &mut dyn Progress) -> Ended {
    let mut attempt = Attempt {
        system,
        before: Report::default(),
        reports: Vec::new(),
        at: None,
        // Until a policy was read, the strictest one holds.
        after_refusal: AfterRefusal {
            action: OnRefusal::Reboot,
            hold: std::time::Duration::from_secs(60),
        },
    };
    let result = attempt.run(progress);
    if let Err(error) = &result {
        attempt.report().refuse(error);
    }
    let Attempt { before, reports, at, after_refusal, .. } = attempt;
    Ended { before, reports, at, result, after_refusal }
}

/// A boot under way.
struct Attempt<'a> {
    system: &'a System,
    before: Report,
    reports: Vec<Report>,
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
    fn placement(&self, transfer: &Transfer, places: &Places) -> Placement {
        let target = match transfer.purpose() {
            Purpose::Root => Target::System { overlay: self.policy.boot().overlay.value },
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
        match self.at.and_then(|at| self.reports.get_mut(at)) {
            Some(report) => report,
            None => &mut self.before,
        }
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<(), Error> {
        let system = self.system;
        let directories: Vec<&Path> = system.policy.iter().map(PathBuf::as_path).collect();
        let files = load_directories(&directories)?;
        // What the files say about refusals holds whatever the command line is.
        let stated = effective(&files, &[])?;
        self.after_refusal.action = stated.boot().on_refusal.value;
        self.after_refusal.hold = stated.boot().hold.value;
        rivals::refuse(Path::new("/"), Path::new("/run/systemd/system"))?;
        let words = cmdline::words(&read_cmdline(&system.cmdline)?)?;
        let told = Told { side: system.side, words: &words, credential: None };
        let request = Request::read(&told)?;
        let policy = effective(&files, request.image_policies())?;
        policy.bootable()?;
        honour(&policy, &request)?;
        let judges = request.transfers().iter();
        let judges = judges.map(|it| Judge::of(it, &request, &policy, system));
        let judges = judges.collect::<Result<Vec<_>, _>>()?;
        // Everything is judged before anything is exposed; what was verified stays in memory.
        let mut loaded = Vec::new();
        for (at, (transfer, judge)) in request.transfers().iter().zip(&judges).enumerate() {
            self.reports.push(Report::of(&transfer.url().to_string()));
            self.at = Some(at);
            let check = judge.check.clone();
            let verified = match transfer.format() {
                Format::Raw => {
                    let demands = judge.demands(&request)?;
                    Verified::Image(self.load(transfer, check, &demands, progress)?)
                }
                Format::Tar => Verified::Tree(self.unpack(transfer, check, &policy, progress)?),
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
                    let placement = judge.placement(transfer, &system.places);
                    let report = self.report();
                    Handed::Image(loader::hand_over(it, &judge.policy, &placement, report)?)
                }
                Verified::Tree(it) => Handed::Tree(self.place(transfer, it)?),
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
        let received = received(transfer, check, demands.policy)?;
        loader::load(received, demands, self.report(), progress)
    }

    /// Judges an archive and unpacks it.
    fn unpack(
        &mut self,
        transfer: &Transfer,
        check: Check,
        policy: &EffectivePolicy,
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
        let demands = ArchiveDemands { policy, trust, pin };
        let transport = loader::transport(policy);
        // A pin is held against the archive where it is authenticated.
        let check = if let Check::Sha256(_) = check { Check::No } else { check };
        let received = received(transfer, check, policy)?;
        let mut signature = || loader::signature_beside(transfer.url(), &transport);
        let archive = (&demands, &destination(transfer));
        loader::load_archive(received, &mut signature, archive, self.report(), progress)
    }

    /// Gives a tree its name, and mounts it if it is the root.
    fn place(&mut self, transfer: &Transfer, tree: Unpacked) -> Result<ExposedTree, Error> {
        let root = match transfer.purpose() {
            Purpose::Root => Some(self.system.places.root.as_path()),
            Purpose::Directory(_) => None,
        };
        loader::place_archive(tree, root, self.report())
    }
}

/// Where the tree of a transfer goes, and what it has to be.
fn destination(transfer: &Transfer) -> Destination {
    let kind = match transfer.class() {
        ImageClass::Machine | ImageClass::Portable => TreeKind::System,
        ImageClass::Sysext => TreeKind::SystemExtension,
        ImageClass::Confext => TreeKind::ConfigurationExtension,
    };
    let place = match transfer.purpose() {
        Purpose::Root => None,
        Purpose::Directory(path) => path.parent(),
    };
    let place = place.unwrap_or(Path::new(MACHINES)).to_owned();
    Destination { place, name: transfer.name().to_owned(), kind }
}

/// Opens a transfer and holds it against what is asked of the transport.
fn received(
    transfer: &Transfer,
    check: Check,
    policy: &EffectivePolicy,
) -> Result<Received, Error> {
    let demand = checksums::Demand {
        check,
        origin: transfer.origin().clone(),
        memory_reserve: policy.transport().memory_reserve.value,
    };
    let source = Source::open_url(transfer.url(), &loader::transport(policy))?;
    Ok(receive(source, &demand)?)
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

fn effective(files: &[PolicyFile], kernel_words: &[String]) -> Result<EffectivePolicy, Error> {
    let kernel_words: Vec<&str> = kernel_words.iter().map(String::as_str).collect();
    let statements = Statements { files, kernel_words: &kernel_words, ..Statements::default() };
    Ok(EffectivePolicy::new(statements)?)
}

/// Refuses what the policy and the words ask for and this boot would not do.
fn honour(policy: &EffectivePolicy, request: &Request) -> Result<(), Error> {
    if let Some((key, origin)) = policy.unsupported() {
        return Err(RequestError::PolicyKey { key, origin }.into());
    }
    let tree = request.root().is_some_and(|it| it.device == RootDevice::Directory);
    if let (true, Some(pin)) = (tree, request.pins().first()) {
        let (designator, pin) = (pin.designator, pin.clone());
        return Err(AuthenticateError::PinUnused { designator, pin }.into());
    }
    Ok(request.transfers().iter().try_for_each(|transfer| can_load(policy, transfer))?)
}

fn can_load(policy: &EffectivePolicy, transfer: &Transfer) -> Result<(), RequestError> {
    loader::permits(transfer.url(), policy)
}

fn native() -> Result<Architecture, RequestError> {
    Architecture::native().ok_or(RequestError::Architecture)
}

fn expectation(request: &Request) -> Expectation {
    let root_slot = request.root().and_then(|root| match root.device {
        RootDevice::Designated | RootDevice::Directory => None,
        RootDevice::Partition(number) => Some((number, root.word.clone())),
    });
    Expectation { root_slot, image_filter: request.image_filter().clone() }
}
