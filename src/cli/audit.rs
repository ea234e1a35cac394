// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot audit`: the boot engine, offline and unprivileged.
//!
//! **In:** images and what to demand of them. **Out:** one verdict each, with every finding; the
//! highest exit code of all. **Refuses:** demands it can't read; the verdict is `refused` then,
//! with exit code 2.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use veriroot::authenticate::anchors::TrustAnchors;
use veriroot::authenticate::{AuthenticateError, Trust};
use veriroot::checksums::{self, Check, Received, receive};
use veriroot::error::Error;
use veriroot::escape::escape;
use veriroot::finding::{Class, Origin};
use veriroot::loader::{
    ArchiveDemands, archive_anchors, audit, audit_archive, mirrors, over_mirrors, signature_beside,
};
use veriroot::report::Report;
use veriroot::request::pull::TransportCheck;
use veriroot::source::Source;
use veriroot::unpack::TreeKind;

use super::demands::{DemandArguments, Machine, VERITY_D, transport_check, url};
use super::progress::Bar;
use super::{Json, console, html, json, report_exit_code, sarif, unsaid};

/// The name of standard input.
const STDIN: &str = "-";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch somebody types or does not")]
pub(super) struct AuditArguments {
    /// Disk images, URLs of some, or archives; - is standard input.
    #[arg(value_name = "IMAGE|URL", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    demands: DemandArguments,
    /// Transport: signature, checksum, no or a SHA-256.
    #[arg(long, value_name = "CHECK", value_parser = transport_check)]
    verify: Option<TransportCheck>,
    /// Print each verdict as JSON: pretty, short or off.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    json: Json,
    /// Print all verdicts as one SARIF 2.1.0 log.
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// Write a page: what vouches for each byte.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Say nothing but why an image is refused.
    #[arg(long, short)]
    quiet: bool,
}

/// Judges the images and prints the verdicts.
pub(super) fn run(arguments: &AuditArguments) -> ExitCode {
    let (audited, printed) = audit_all(arguments);
    let written = match &arguments.html {
        Some(path) => html::write(path, &audited).map_err(|error| (path.display(), error)),
        None => Ok(()),
    };
    if let Err((path, error)) = &written {
        writeln!(io::stderr(), "veriroot: {}: {error}", escape(&path.to_string())).ok();
    }
    match printed {
        Err(error) => unsaid(&error),
        Ok(()) if written.is_err() => ExitCode::from(Class::Dev.exit_code()),
        Ok(()) => ExitCode::from(worst(&audited)),
    }
}

/// The highest of all exit codes: what is worse has the higher number.
pub(super) fn worst(audited: &[Audited]) -> u8 {
    audited.iter().map(|it| report_exit_code(&it.report)).max().unwrap_or_default()
}

/// Judges one image after the other, each printed as soon as it is known.
fn audit_all(arguments: &AuditArguments) -> (Vec<Audited>, io::Result<()>) {
    let auditor = Auditor::new(arguments);
    let mut audited = Vec::new();
    let mut printed = Ok(());
    for path in &arguments.images {
        let mut report = Report::of(&path.to_string_lossy());
        match auditor.as_ref().map(|it| it.judge(path, &mut report)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => report.refuse(&error),
            Err(error) => report.refuse(error),
        }
        printed = printed.and_then(|()| print(arguments, &report));
        audited.push(Audited { path: path.clone(), report });
    }
    if arguments.sarif {
        printed = printed.and_then(|()| json::print(Json::Pretty, &sarif::audit(&audited)));
    } else if arguments.json == Json::Off && !arguments.quiet && audited.len() > 1 {
        printed =
            printed.and_then(|()| write!(io::stdout(), "{}", console::audit_summary(&audited)));
    }
    (audited, printed)
}

fn print(arguments: &AuditArguments, report: &Report) -> io::Result<()> {
    match arguments.json {
        _ if arguments.sarif => Ok(()),
        Json::Off if arguments.quiet => io::stderr().write_all(console::line_of(report).as_bytes()),
        Json::Off => write!(io::stdout(), "{}", console::audit(report)),
        mode @ (Json::Pretty | Json::Short) => json::print(mode, &json::verdict(report)),
    }
}

/// One image and what became of it.
pub(super) struct Audited {
    /// As it was given.
    pub(super) path: PathBuf,
    /// The verdict.
    pub(super) report: Report,
}

/// Whether a file is called as archives are: an image would be judged by what is in it.
fn is_archive(path: &Path) -> bool {
    const SUFFIXES: [&str; 7] =
        [".tar", ".tar.bz2", ".tar.gz", ".tar.lz4", ".tar.xz", ".tar.zst", ".tgz"];
    let name = match url(path) {
        Ok(Some(url)) => url.file_name().unwrap_or_default().to_owned(),
        _ => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    SUFFIXES.iter().any(|it| name.ends_with(it))
}

/// What is demanded of every image and archive, read once.
struct Auditor<'a> {
    arguments: &'a AuditArguments,
    machine: Machine,
    archive_anchors: Option<TrustAnchors>,
    check: Check,
}

impl<'a> Auditor<'a> {
    fn new(arguments: &'a AuditArguments) -> Result<Self, Error> {
        let given = &arguments.demands;
        let any = |archive: bool| arguments.images.iter().any(|it| is_archive(it) == archive);
        let machine =
            if any(false) { Machine::new(given) } else { Machine::without_anchors(given) };
        let machine = machine?;
        let built_in = VERITY_D.map(PathBuf::from);
        let archive_anchors =
            any(true).then(|| archive_anchors(&machine.policy, None, &built_in)).transpose()?;
        let check = arguments.verify.unwrap_or(TransportCheck::No);
        let check = Check::of(check, machine.policy.transport(), &checksums::built_in())?;
        Ok(Self { arguments, machine, archive_anchors: archive_anchors.flatten(), check })
    }

    /// The file, if it came as `--verify=` demands.
    fn received(&self, source: Source) -> Result<Received, Error> {
        let demand = checksums::Demand {
            check: self.check.clone(),
            origin: Origin::ProgramOption("--verify="),
            memory_reserve: self.machine.policy.transport().memory_reserve.value,
        };
        Ok(receive(source, &demand)?)
    }

    /// An archive is authenticated as a whole; its entries are looked at and let go.
    fn judge_archive(&self, path: &Path, report: &mut Report) -> Result<(), Error> {
        if let Some(pin) = self.machine.pins.first() {
            let (designator, pin) = (pin.designator, pin.clone());
            return Err(AuthenticateError::PinUnused { designator, pin }.into());
        }
        let policy = &self.machine.policy;
        let given = &self.arguments.demands;
        let trust = Trust::of_policy(policy.trust(), self.archive_anchors.as_ref(), &[]);
        let trust = trust.for_purpose(given.purpose());
        let kind = given.class.map_or(TreeKind::Any, TreeKind::Of);
        let demands = ArchiveDemands { policy, trust, pin: None };
        let judge = |source: Source, report: &mut Report| {
            let beside = source.beside().clone();
            let mut signature = || signature_beside(&beside);
            audit_archive(self.received(source)?, &mut signature, (&demands, kind), report)
        };
        match url(path)? {
            None => judge(Source::open_file(path)?, report),
            Some(url) => {
                *report = Report::of(&url.to_string());
                let mirrors = mirrors(&url, policy, &given.mirror)?;
                over_mirrors(&mirrors, report, judge)
            }
        }
    }

    fn judge(&self, path: &Path, report: &mut Report) -> Result<(), Error> {
        if is_archive(path) {
            return self.judge_archive(path, report);
        }
        let demands = self.machine.demands();
        let mut bar = if self.arguments.quiet { Bar::silent() } else { Bar::new("checking") };
        if let Some(url) = url(path)? {
            *report = Report::of(&url.to_string());
            let mirrors = mirrors(&url, &self.machine.policy, &self.arguments.demands.mirror)?;
            return over_mirrors(&mirrors, report, |source, report| {
                audit(self.received(source)?, &demands, report, &mut bar)
            });
        }
        let source = if path == Path::new(STDIN) {
            Source::open_stream(io::stdin(), STDIN)?
        } else {
            Source::open_file(path)?
        };
        let received = self.received(source)?;
        audit(received, &demands, report, &mut bar)
    }
}
