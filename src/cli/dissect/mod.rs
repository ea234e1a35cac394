// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot dissect`: what an image says about itself. Nothing of it is authenticated.
//!
//! **In:** an image, and perhaps a policy. **Out:** table and picture, or JSON; with a policy,
//! whether it admits the layout. **Refuses:** images without a sound layout, layouts that the
//! policy does not admit, and what is no policy.

mod json;
mod picture;
mod rows;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use veriroot::designator::{Architecture, PartitionDesignator};
use veriroot::dissect::{Dissected, Scope, dissect};
use veriroot::error::Error;
use veriroot::image_filter::ImageFilter;
use veriroot::loader;
use veriroot::policy::{Expectation, judge};
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::report::Report;
use veriroot::request::RequestError;
use veriroot::source::{Source, Terms};

use super::{Json, console, demands, exit_code, unsaid};

#[derive(Debug, Args)]
pub(super) struct DissectArguments {
    /// Disk image, block device or URL to look at.
    #[arg(value_name = "IMAGE|URL")]
    image: PathBuf,
    /// Image policy to hold the layout against, as in systemd.image-policy(7).
    #[arg(long, value_name = "POLICY")]
    image_policy: Option<String>,
    /// Partitions to look at, such as root=fixture_2*.
    #[arg(long, value_name = "FILTER", value_parser = ImageFilter::parse)]
    image_filter: Option<ImageFilter>,
    /// Policy file to hold the layout against (repeatable; all must be met).
    #[arg(long, value_name = "FILE")]
    policy_file: Vec<PathBuf>,
    /// Architecture of the machine the image is for, such as arm64.
    #[arg(long, value_name = "NAME", value_parser = demands::architecture)]
    architecture: Option<Architecture>,
    /// Print JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    json: Json,
}

/// Shows the image and says whether the policy admits it.
pub(super) fn run(arguments: &DissectArguments) -> ExitCode {
    let mut report = match demands::url(&arguments.image) {
        Ok(Some(url)) => Report::of(&url.to_string()),
        Ok(None) => Report::of(&arguments.image.to_string_lossy()),
        Err(_refused_below) => Report::default(),
    };
    let policy = policy(arguments);
    let dissected = policy.as_ref().ok().and_then(|_| match read(arguments, &mut report) {
        Ok(dissected) => Some(dissected),
        Err(error) => {
            report.refuse(&error);
            None
        }
    });
    let judged = match (&policy, &dissected) {
        (Err(error), _) => {
            report.refuse(error);
            false
        }
        (Ok(Some(policy)), Some(dissected)) => {
            if let Err(error) = judge(dissected, policy, &Expectation::default()) {
                report.refuse(&error);
            }
            true
        }
        (Ok(_), _) => false,
    };
    match show(arguments, dissected.as_ref(), (&report, judged)) {
        Ok(()) => exit_code(report.refused),
        Err(error) => unsaid(&error),
    }
}

/// What the options demand; `None` if they demand nothing.
fn policy(arguments: &DissectArguments) -> Result<Option<EffectivePolicy>, Error> {
    let files: Vec<PolicyFile> =
        arguments.policy_file.iter().map(|it| PolicyFile::load(it)).collect::<Result<_, _>>()?;
    if files.is_empty() && arguments.image_policy.is_none() {
        return Ok(None);
    }
    let image_policy_option = arguments.image_policy.as_deref();
    let statements = Statements { files: &files, image_policy_option, ..Statements::default() };
    Ok(Some(EffectivePolicy::new(statements)?))
}

/// A URL is reached as the policy files say.
fn read(arguments: &DissectArguments, report: &mut Report) -> Result<Dissected, Error> {
    let architecture = arguments.architecture.or_else(Architecture::native);
    let scope = Scope {
        architecture: architecture.ok_or(RequestError::Architecture)?,
        verity: vec![PartitionDesignator::Root, PartitionDesignator::Usr],
        claims: PartitionDesignator::ALL.into_iter().filter(|it| it.data().is_none()).collect(),
        filter: arguments.image_filter.clone().unwrap_or_default(),
    };
    let read = |source: Source| -> Result<Dissected, Error> {
        Ok(dissect(source.decoded(&Terms::default())?, &scope)?.ended()?)
    };
    let Some(url) = demands::url(&arguments.image)? else {
        return read(Source::open_file(&arguments.image)?);
    };
    let policy = match policy(arguments)? {
        Some(policy) => policy,
        None => EffectivePolicy::new(Statements::default())?,
    };
    let mirrors = loader::mirrors(&url, &policy, &[])?;
    loader::over_mirrors(&mirrors, report, |source, _| read(source))
}

fn show(
    arguments: &DissectArguments,
    dissected: Option<&Dissected>,
    (report, judged): (&Report, bool),
) -> io::Result<()> {
    if arguments.json != Json::Off {
        return json::write(arguments.json, dissected, (report, judged));
    }
    let mut text = String::new();
    if let Some(dissected) = dissected {
        let rows = rows::rows(dissected);
        let look = picture::Look::of_stdout();
        text.push_str(&table::table(&report.image, dissected, &rows, look.width));
        text.push_str(&picture::picture(dissected.length(), &rows, &look));
    }
    match report.findings.last() {
        Some(finding) => text.push_str(&format!("\n{}", console::refusal(report, finding))),
        None if judged => text.push_str(
            "\nADMITTED   by the policy, as far as the layout goes: veriroot audit checks the rest\n",
        ),
        None => {}
    }
    io::stdout().write_all(text.as_bytes())
}
