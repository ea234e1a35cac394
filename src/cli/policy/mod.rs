// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot policy`: shows, lints and compares image policies. Decides nothing.
//!
//! **In:** policy strings, or policy files. **Out:** text, JSON or SARIF.
//! **Refuses:** what is not a policy, with the culprit underlined.

mod lint;

use std::io::{self, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use thiserror::Error;
use veriroot::designator::PartitionDesignator;
use veriroot::finding::{Class, Origin};
use veriroot::image_policy::{
    FileSystemSet, Flag, FlagSet, ImagePolicy, ParseError, Rule, Switch, SwitchSet, SystemdReading,
    UseSet, lint::underlined,
};
use veriroot::policy_file::{FileFault, PolicyFile, PolicyFileError};

use super::Json;

/// What `veriroot policy` takes.
#[derive(Args, Debug)]
pub(super) struct PolicyArguments {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Shows the normal form of a policy, and what it says of every partition.
    Show(ShowArguments),
    /// Says what is wrong with policies, or only looks right.
    Lint(LintArguments),
    /// Shows what one policy admits that another does not.
    Diff(DiffArguments),
}

#[derive(Args, Debug)]
struct ShowArguments {
    /// A policy, or a policy file (with "/" or ending in ".toml")
    policy: String,
    /// Show how systemd 262 reads it, mistakes included
    #[arg(long)]
    as_systemd: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Args, Debug)]
struct LintArguments {
    /// Policies, or policy files (with "/" or ending in ".toml")
    #[arg(required = true)]
    policies: Vec<String>,
    /// Print SARIF 2.1.0
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Args, Debug)]
struct DiffArguments {
    /// A policy, or a policy file (with "/" or ending in ".toml")
    old: String,
    /// The policy to compare it with
    new: String,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Args, Debug)]
struct OutputArguments {
    /// Print JSON
    #[arg(long, value_enum, default_value = "off", value_name = "MODE")]
    json: Json,
}

/// The version of the JSON forms: new keys may come, old ones stay.
const VERSION: u32 = 1;

/// Runs the subcommand.
pub(super) fn run(arguments: &PolicyArguments) -> ExitCode {
    let out = &mut stdout().lock();
    let code = match &arguments.command {
        PolicyCommand::Show(arguments) => show(arguments, out),
        PolicyCommand::Lint(arguments) => lint::run(arguments, out),
        PolicyCommand::Diff(arguments) => diff(arguments, out),
    };
    let code = code.unwrap_or_else(|error| {
        // Nobody is left to tell when stderr is gone; the exit code still says it.
        writeln!(stderr(), "veriroot: {error}").ok();
        error.exit_code()
    });
    ExitCode::from(code)
}

/// Why there is nothing to show.
#[derive(Debug, Error)]
#[non_exhaustive]
enum PolicyError {
    #[error("{0}")]
    File(#[from] PolicyFileError),
    #[error("{}: the file states no image policy", .0.display())]
    NoImagePolicy(PathBuf),
    #[error("{error}\n{}", underlined(text, &error.span))]
    NotAPolicy { text: String, error: ParseError },
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl PolicyError {
    /// Code to exit with.
    fn exit_code(&self) -> u8 {
        match self {
            Self::File(_) | Self::NoImagePolicy(_) | Self::NotAPolicy { .. } => {
                Class::Config.exit_code()
            }
            Self::Write(_) => Class::Dev.exit_code(),
        }
    }
}

/// A policy as given: its text, and the file and line if it stands in one.
struct Given {
    text: String,
    place: Option<(PathBuf, usize)>,
}

impl Given {
    fn read(argument: &str) -> Result<Self, PolicyError> {
        if !argument.contains('/') && !argument.ends_with(".toml") {
            return Ok(Self { text: argument.to_owned(), place: None });
        }
        let path = Path::new(argument);
        let given =
            |text: &str, line| Self { text: text.to_owned(), place: Some((path.to_owned(), line)) };
        match PolicyFile::load(path) {
            Err(PolicyFileError { line, fault: FileFault::ImagePolicy { text, .. }, .. }) => {
                Ok(given(&text, line.unwrap_or(1)))
            }
            Err(error) => Err(error.into()),
            Ok(file) => {
                let line = match file.image_policy().map(|it| &it.origin) {
                    Some(Origin::File { line, .. }) => *line,
                    _ => 1,
                };
                let text = file.image_policy_text();
                let text = text.ok_or_else(|| PolicyError::NoImagePolicy(path.to_owned()))?;
                Ok(given(text, line))
            }
        }
    }

    fn policy(&self) -> Result<ImagePolicy, PolicyError> {
        ImagePolicy::parse(&self.text).map_err(|error| self.not_a_policy(error))
    }

    fn not_a_policy(&self, error: ParseError) -> PolicyError {
        PolicyError::NotAPolicy { text: self.text.clone(), error }
    }
}

/// What `show` shows, from either reading.
struct Shown {
    long: String,
    short: String,
    rules: Vec<(PartitionDesignator, Rule)>,
}

fn show(arguments: &ShowArguments, out: &mut dyn Write) -> Result<u8, PolicyError> {
    let given = Given::read(&arguments.policy)?;
    let rules = |rule: &dyn Fn(PartitionDesignator) -> Rule| {
        PartitionDesignator::ALL.into_iter().map(|it| (it, rule(it))).collect()
    };
    let shown = if arguments.as_systemd {
        let reading = SystemdReading::parse(&given.text).map_err(|it| given.not_a_policy(it))?;
        let rules = rules(&|it| reading.rule(it));
        Shown { long: reading.long(), short: reading.short(), rules }
    } else {
        let policy = given.policy()?;
        let rules = rules(&|it| policy.rule(it));
        Shown { long: policy.long(), short: policy.short(), rules }
    };
    match arguments.output.json {
        Json::Off => out.write_all(shown.table().as_bytes())?,
        mode @ (Json::Pretty | Json::Short) => print_json(out, mode, &shown.json())?,
    }
    Ok(0)
}

impl Shown {
    fn json(&self) -> Value {
        let rule =
            |(it, rule): &(PartitionDesignator, Rule)| (it.name().to_owned(), rule_json(*rule));
        let designators: Map<_, _> = self.rules.iter().map(rule).collect();
        json!({
            "version": VERSION,
            "long": self.long,
            "short": self.short,
            "designators": designators,
        })
    }

    fn table(&self) -> String {
        let mut rows =
            vec![["PARTITION", "READ-ONLY", "GROWFS", "FILE SYSTEMS", "USE"].map(str::to_owned)];
        for (designator, rule) in &self.rules {
            let switch = |set: SwitchSet| match only(set) {
                Some(true) => "on".to_owned(),
                Some(false) => "off".to_owned(),
                None => "any".to_owned(),
            };
            let filesystems = match rule.filesystems {
                all if all == FileSystemSet::all() => "any".to_owned(),
                some => some.to_string(),
            };
            let uses = uses_text(rule.uses);
            let bits = [switch(rule.read_only), switch(rule.growfs)];
            let [read_only, growfs] = bits;
            rows.push([designator.name().to_owned(), read_only, growfs, filesystems, uses]);
        }
        format!("long:  {}\nshort: {}\n\n{}", self.long, self.short, aligned(&rows))
    }
}

fn diff(arguments: &DiffArguments, out: &mut dyn Write) -> Result<u8, PolicyError> {
    let old = Given::read(&arguments.old)?.policy()?;
    let new = Given::read(&arguments.new)?.policy()?;
    let (only_old, only_new) = (old.beyond(&new), new.beyond(&old));
    if !matches!(arguments.output.json, Json::Off) {
        let side = |more: &[(PartitionDesignator, Rule)]| -> Map<String, Value> {
            more.iter().map(|(it, rule)| (it.name().to_owned(), more_json(*rule))).collect()
        };
        let value = json!({
            "version": VERSION,
            "old": old.short(),
            "new": new.short(),
            "only-old": side(&only_old),
            "only-new": side(&only_new),
        });
        print_json(out, arguments.output.json, &value)?;
        return Ok(0);
    }
    let mut text = String::new();
    for (sign, more) in [("-", only_old), ("+", only_new)] {
        for (designator, rule) in more {
            text.push_str(&format!("{sign} {designator}: {}\n", more_text(rule)));
        }
    }
    if text.is_empty() {
        text.push_str("both admit the same\n");
    }
    out.write_all(text.as_bytes())?;
    Ok(0)
}

/// A rule as the documented JSON has it. `null` for a GPT bit that may be either, an empty list
/// of file systems where the policy names none.
fn rule_json(rule: Rule) -> Value {
    let filesystems = match rule.filesystems {
        all if all == FileSystemSet::all() => FileSystemSet::EMPTY,
        some => some,
    };
    json!({
        "use": names(rule.uses),
        "read-only": only(rule.read_only),
        "growfs": only(rule.growfs),
        "filesystems": names(filesystems),
    })
}

/// What one side has more: lists throughout.
fn more_json(rule: Rule) -> Value {
    json!({
        "use": names(rule.uses),
        "read-only": names(rule.read_only),
        "growfs": names(rule.growfs),
        "filesystems": names(rule.filesystems),
    })
}

fn more_text(rule: Rule) -> String {
    let mut words: Vec<_> = names(rule.uses).into_iter().map(str::to_owned).collect();
    words.extend(names(rule.read_only).iter().map(|it| format!("read-only-{it}")));
    words.extend(names(rule.growfs).iter().map(|it| format!("growfs-{it}")));
    words.extend(names(rule.filesystems).into_iter().map(str::to_owned));
    words.join(", ")
}

fn uses_text(uses: UseSet) -> String {
    match uses {
        it if it == UseSet::open() => "open".to_owned(),
        it if it == UseSet::ignore() => "ignore".to_owned(),
        it if it.is_empty() => "nothing (no image meets this)".to_owned(),
        it => it.to_string(),
    }
}

/// The only value that is admitted; `None` where it may be either or does not matter.
fn only(set: SwitchSet) -> Option<bool> {
    match set {
        on if on == FlagSet::from_iter([Switch::On]) => Some(true),
        off if off == FlagSet::from_iter([Switch::Off]) => Some(false),
        _ => None,
    }
}

fn names<F: Flag>(set: FlagSet<F>) -> Vec<&'static str> {
    set.iter().map(F::name).collect()
}

/// Columns as wide as their longest cell; the last one is left as it is.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn print_json(out: &mut dyn Write, mode: Json, value: &Value) -> io::Result<()> {
    let mut text = match mode {
        Json::Pretty => serde_json::to_string_pretty(value)?,
        Json::Short | Json::Off => serde_json::to_string(value)?,
    };
    text.push('\n');
    out.write_all(text.as_bytes())
}
