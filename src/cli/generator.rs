// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot-generator`: the program as systemd calls it, by that name (systemd.generator(7)).
//!
//! **In:** three directories. **Out:** units in the first two. **Refuses:** other arguments; what
//! could not be written is said, and is an exit code other than 0.

use std::ffi::OsString;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use veriroot::escape::escape;
use veriroot::finding::Class;
use veriroot::generator::{Asked, Machine, write};
use veriroot::system::System;

/// Runs with the arguments behind the program's name.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let [normal, early, _late] = arguments else {
        tell("usage: veriroot-generator NORMAL EARLY LATE");
        return ExitCode::from(Class::Config.exit_code());
    };
    if !is_initrd() {
        return ExitCode::SUCCESS;
    }
    let directory = |name| std::env::var_os(name).map(PathBuf::from);
    let machine = Machine {
        cmdline: PathBuf::from("/proc/cmdline"),
        credentials: directory("CREDENTIALS_DIRECTORY"),
        encrypted_credentials: directory("ENCRYPTED_CREDENTIALS_DIRECTORY"),
        policy: System::default().policy,
    };
    match write(&Asked::of(&machine), Path::new(normal), Path::new(early)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((path, error)) => {
            tell(&format!("{}: {error}", escape(&path.to_string_lossy())));
            ExitCode::from(Class::Dev.exit_code())
        }
    }
}

/// systemd says so since version 251; before, the file does.
fn is_initrd() -> bool {
    match std::env::var_os("SYSTEMD_IN_INITRD") {
        Some(value) => value != "0",
        None => Path::new("/etc/initrd-release").exists(),
    }
}

fn tell(text: &str) {
    // What can't be said here can't be said anywhere.
    writeln!(stderr(), "veriroot-generator: {text}").ok();
}
