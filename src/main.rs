// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Arguments in, a library call, an exit code out; nothing else.

mod cli;

use std::process::ExitCode;

use veriroot::source;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|it| it == source::CHILD_SUBCOMMAND) {
        return source::run_child();
    }
    cli::run()
}
