// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Arguments in, a library call, an exit code out; nothing else.

mod cli;

use std::process::ExitCode;

use veriroot::{generator, source};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().map(std::path::PathBuf::from).unwrap_or_default();
    if called.file_name().is_some_and(|it| it == generator::NAME) {
        return cli::generator::run(&words.collect::<Vec<_>>());
    }
    match std::env::args_os().nth(1) {
        Some(it) if it == source::CHILD_SUBCOMMAND => source::run_child(),
        Some(it) if it == source::DECODE_SUBCOMMAND => source::run_decode_child(),
        Some(it) if it == cli::WORKER => cli::worker(),
        _ => cli::run(),
    }
}
