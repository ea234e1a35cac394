// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Arguments in, a library call, an exit code out; nothing else.

mod cli;

use std::process::ExitCode;

use veriroot::source;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(it) if it == source::CHILD_SUBCOMMAND => source::run_child(),
        Some(it) if it == source::DECODE_SUBCOMMAND => source::run_decode_child(),
        _ => cli::run(),
    }
}
