// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The command line: arguments, renderings, exit codes.
//!
//! **In:** arguments. **Out:** machine output on stdout, everything else on stderr.
//! **Refuses:** arguments it does not know. The library knows nothing of this module.

mod audit;
mod boot;
mod console;
mod demands;
mod dissect;
mod doctor;
pub(crate) mod generator;
mod fetch;
mod html;
mod json;
mod keys;
mod pins;
mod place;
mod policy;
mod progress;
mod record;
mod sarif;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use veriroot::finding::Class;
use veriroot::report::Report;

/// Exit codes, for `--help`.
const EXIT_CODES: &str = "\
Exit codes: 0 accepted, 2 wrong usage or configuration, 10 unavailable,
20 malformed image, 21 refused by policy, 22 not authentic, 30 system error";

/// Boots a signed disk image from the network, and refuses every other one.
#[derive(Debug, Parser)]
#[command(name = "veriroot", version, after_help = EXIT_CODES, max_term_width = 80)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes devices of an image, as a boot does, and mounts nothing.
    Attach(place::AttachArguments),
    /// Judges an image with the boot engine: policy, signature, every block.
    Audit(audit::AuditArguments),
    /// Boots the image that the kernel command line names (run in an initrd).
    Boot(boot::BootArguments),
    /// Removes the devices that attach made.
    Detach(place::DetachArguments),
    /// Shows what an image says about itself, and whether a policy admits it.
    Dissect(dissect::DissectArguments),
    /// Says whether an initrd has what a boot needs, and what is missing.
    Doctor(doctor::DoctorArguments),
    /// Downloads an image, and keeps only what was signed.
    Fetch(fetch::FetchArguments),
    /// Shows the trust anchors of a boot, and what is wrong with them.
    Keys(keys::KeysArguments),
    /// Mounts an image read-only, as a boot does.
    Mount(place::MountArguments),
    /// Shows, lints and compares image policies.
    Policy(policy::PolicyArguments),
    /// Takes away what mount made.
    Umount(place::UmountArguments),
}

/// How JSON is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Json {
    /// Indented.
    Pretty,
    /// On one line.
    Short,
    /// Not at all.
    Off,
}

/// The arguments as a whole, from which dist/ is made too.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

/// The program's argument that makes it the process that boots.
pub(crate) const WORKER: &str = boot::WORKER;

/// The process that boots.
pub(crate) fn worker() -> ExitCode {
    boot::worker()
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|it| Arguments::from_arg_matches(&it));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // What can't be printed can't be reported either.
            error.print().ok();
            let usage = Class::Config.exit_code();
            return ExitCode::from(if error.use_stderr() { usage } else { 0 });
        }
    };
    match arguments.command {
        Command::Attach(arguments) => place::attach(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Boot(arguments) => boot::run(&arguments),
        Command::Detach(arguments) => place::detach(&arguments),
        Command::Dissect(arguments) => dissect::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Fetch(arguments) => fetch::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Mount(arguments) => place::mount(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Umount(arguments) => place::umount(&arguments),
    }
}

/// The end of a command whose verdict could not be printed: never an acceptance. Who went away needs
/// no explanation.
fn unsaid(error: &io::Error) -> ExitCode {
    if error.kind() != io::ErrorKind::BrokenPipe {
        writeln!(io::stderr(), "veriroot: what was found can't be printed: {error}").ok();
    }
    ExitCode::from(Class::Dev.exit_code())
}

/// The exit code of an audit. A report that says neither yes nor no says no.
fn report_exit_code(report: &Report) -> u8 {
    let undecided = if report.is_accepted() { 0 } else { Class::Dev.exit_code() };
    report.refused.map_or(undecided, Class::exit_code)
}

/// The exit code of a report's verdict.
fn exit_code(refused: Option<Class>) -> ExitCode {
    ExitCode::from(refused.map_or(0, Class::exit_code))
}
