// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot audit`: the boot engine, offline and unprivileged.
//!
//! **In:** an image and what to demand of it. **Out:** one verdict with every finding.
//! **Refuses:** demands it can't read; the verdict is `refused` then, with exit code 2.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use veriroot::authenticate::Trust;
use veriroot::designator::Architecture;
use veriroot::error::Error;
use veriroot::escape::escape;
use veriroot::image_filter::ImageFilter;
use veriroot::loader::{Demands, audit, trust_anchors};
use veriroot::policy::Expectation;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::report::Report;
use veriroot::request::RequestError;
use veriroot::source::Source;

use super::pins::PinArguments;
use super::progress::Bar;
use super::{Json, console, exit_code, json};

/// Where trust anchors are looked for outside a boot, strongest first (systemd's list).
const VERITY_D: [&str; 4] =
    ["/etc/verity.d", "/run/verity.d", "/usr/local/lib/verity.d", "/usr/lib/verity.d"];

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Disk image to judge.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Image policy to demand (systemd.image-policy(7)).
    #[arg(long, value_name = "POLICY")]
    image_policy: Option<String>,
    /// Candidate partitions, such as root=fixture_2*.
    #[arg(long, value_name = "FILTER", value_parser = ImageFilter::parse)]
    image_filter: Option<ImageFilter>,
    /// Trusted certificate or directory; repeatable.
    #[arg(long, value_name = "FILE|DIR")]
    certificate: Vec<PathBuf>,
    /// Policy file to demand; repeatable, all hold.
    #[arg(long, value_name = "FILE")]
    policy_file: Vec<PathBuf>,
    #[command(flatten)]
    pins: PinArguments,
    /// Machine the image is for, such as arm64.
    #[arg(long, value_name = "NAME", value_parser = architecture)]
    architecture: Option<Architecture>,
    /// Print the verdict as JSON: pretty, short or off.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    json: Json,
    /// Say nothing but why an image is refused.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn architecture(name: &str) -> Result<Architecture, String> {
    Architecture::from_name(name).ok_or_else(|| format!("unknown architecture {}", escape(name)))
}

/// Judges the image and prints the verdict.
pub(super) fn run(arguments: &AuditArguments) -> ExitCode {
    let mut report =
        Report { image: escape(&arguments.image.to_string_lossy()), ..Report::default() };
    if let Err(error) = judge(arguments, &mut report) {
        report.refuse(&error);
    }
    let printed = match arguments.json {
        Json::Off if arguments.quiet => {
            io::stderr().write_all(console::line_of(&report).as_bytes())
        }
        Json::Off => write!(io::stdout(), "{}", console::audit(&report)),
        Json::Pretty => json::write_pretty(&report),
        Json::Short => json::write_short(&report),
    };
    match printed {
        Ok(()) => exit_code(report.refused),
        // Nobody is left to read the verdict: not an acceptance.
        Err(_closed) => ExitCode::FAILURE,
    }
}

fn judge(arguments: &AuditArguments, report: &mut Report) -> Result<(), Error> {
    let files: Vec<PolicyFile> =
        arguments.policy_file.iter().map(|it| PolicyFile::load(it)).collect::<Result<_, _>>()?;
    let certificates =
        (!arguments.certificate.is_empty()).then_some(arguments.certificate.as_slice());
    let policy = EffectivePolicy::new(Statements {
        files: &files,
        image_policy_option: arguments.image_policy.as_deref(),
        certificates_option: certificates,
        ..Statements::default()
    })?;
    if let Some((key, origin)) = policy.unsupported() {
        return Err(RequestError::PolicyKey { key, origin }.into());
    }
    let pins = arguments.pins.all();
    let anchors = trust_anchors(&policy, &pins, &VERITY_D.map(PathBuf::from))?;
    let demands = Demands {
        architecture: arguments
            .architecture
            .or_else(Architecture::native)
            .ok_or(RequestError::Architecture)?,
        policy: &policy,
        trust: Trust::of_policy(policy.trust(), anchors.as_ref(), &pins),
        expectation: Expectation {
            image_filter: arguments.image_filter.clone().unwrap_or_default(),
            ..Expectation::default()
        },
    };
    let source = Source::open_file(&arguments.image)?;
    let mut bar = if arguments.quiet { Bar::silent() } else { Bar::new("checking") };
    audit(source, &demands, report, &mut bar)
}
