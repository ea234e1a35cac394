// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot boot`: what an initrd runs.
//!
//! **In:** the running system. **Out:** a root that is ready for switch-root, exit code 0; or a
//! summary on every console, and then what the policy wants done.
//! **Refuses:** to return to the initrd with success as if nothing had happened. Nothing can be done
//! here about an end by a signal: the initrd has to treat every end but exit code 0 as a refusal.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use nix::sys::reboot::{RebootMode, reboot};
use veriroot::boot::{AfterRefusal, System, boot};
use veriroot::policy_file::OnRefusal;
use veriroot::report::Report;
use veriroot::wire::read_file_bounded;

use super::progress::Bar;
use super::{console, report_exit_code};

/// Names of all consoles, bytes.
const CONSOLE_NAMES: usize = 1024;

#[derive(Debug, Args)]
pub(super) struct BootArguments {}

/// Boots, or refuses and acts as the policy wants.
pub(super) fn run(_arguments: &BootArguments) -> ExitCode {
    let ended = boot(&System::default(), &mut Bar::new("loading"));
    match ended.result {
        Ok(()) => {
            let lines = ended.reports.iter().map(console::boot_accepted).collect::<String>();
            on_every_console(&lines);
            ExitCode::SUCCESS
        }
        Err(_) => refused(ended.report(), &ended.after_refusal),
    }
}

fn refused(report: &Report, after: &AfterRefusal) -> ExitCode {
    let AfterRefusal { action, hold } = after;
    on_every_console(&console::boot_refusal(report, &describe(*action, *hold)));
    std::thread::sleep(*hold);
    let mode = match action {
        OnRefusal::Reboot => RebootMode::RB_AUTOBOOT,
        OnRefusal::Halt => RebootMode::RB_HALT_SYSTEM,
        // The initrd's own emergency shell: whoever stands at the console owns the machine.
        OnRefusal::DangerShell => return ExitCode::from(report_exit_code(report)),
    };
    nix::unistd::sync();
    match reboot(mode) {
        Ok(never) => match never {},
        Err(errno) => {
            on_every_console(&format!("veriroot: {mode:?} failed: {errno}\n"));
            ExitCode::from(report_exit_code(report))
        }
    }
}

fn describe(action: OnRefusal, hold: Duration) -> String {
    let act = match action {
        OnRefusal::Reboot => "the machine reboots",
        OnRefusal::Halt => "the machine halts",
        OnRefusal::DangerShell => "the initrd goes on, to its own shell",
    };
    format!("{act} in {} s", hold.as_secs())
}

/// Writes to all consoles of the kernel: the one that somebody watches may not be the last.
fn on_every_console(text: &str) {
    let names = read_file_bounded(Path::new("/sys/class/tty/console/active"), CONSOLE_NAMES)
        .unwrap_or_default();
    let names = String::from_utf8_lossy(&names).into_owned();
    let mut told = false;
    for name in names.split_whitespace().filter(|name| !name.contains('/')) {
        told |= write_to(&Path::new("/dev").join(name), text).is_ok();
    }
    if !told {
        std::io::stderr().write_all(text.as_bytes()).ok();
    }
}

fn write_to(console: &Path, text: &str) -> std::io::Result<()> {
    let mut console = OpenOptions::new().write(true).open(console)?;
    console.write_all(text.replace('\n', "\r\n").as_bytes())
}
