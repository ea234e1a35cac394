// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot boot`: what an initrd runs.
//!
//! **In:** the running system. **Out:** a root that is ready for switch-root, exit code 0; or a
//! summary on every console, and then what the policy wants done.
//! **Refuses:** to return to the initrd with success as if nothing had happened. The boot itself is a
//! process of its own ([`WORKER`]): one that is killed, or takes too long, is refused like any
//! other. For an end of this program by a signal nothing can be done here: the initrd has to treat
//! every end but exit code 0 as a refusal.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use nix::sys::prctl;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::Signal;
use veriroot::boot::{AfterRefusal, System, boot};
use veriroot::finding::Refusal;
use veriroot::policy_file::OnRefusal;
use veriroot::report::Report;
use veriroot::supervise::{self, EndError, PATIENCE, within};
use veriroot::takeback::Before;
use veriroot::wire::read_file_bounded;

use super::console;
use super::progress::Bar;
use super::record::{self, Outcome};

/// Names of all consoles, bytes.
const CONSOLE_NAMES: usize = 1024;

/// The program's argument that makes it the process that boots.
pub(super) const WORKER: &str = "worker";

#[derive(Debug, Args)]
pub(super) struct BootArguments {}

/// What stays where nobody can look any more.
const UNKNOWN: &str = "whatever was made (the kernel does not answer)";

/// Boots, or refuses and acts as the policy wants.
pub(super) fn run(_arguments: &BootArguments) -> ExitCode {
    let system = System::default();
    let after = AfterRefusal::of(&system);
    let before = Before::look(&system.places.root);
    let program = Path::new("/proc/self/exe");
    match supervise::run(program, WORKER, after.deadline.as_ref()) {
        Ok(0) => ExitCode::SUCCESS,
        // It has said why.
        Ok(code) => act(&after, code),
        Err(error) => {
            let stays = within(PATIENCE, move || before.take_back());
            let stays = stays.unwrap_or_else(|| vec![UNKNOWN.to_owned()]);
            killed(&error, &stays, &after);
            act(&after, error.class().exit_code())
        }
    }
}

/// The process that boots: it says and records what was decided, and leaves what follows to the one
/// that waits for it.
pub(super) fn worker() -> ExitCode {
    // It goes with the process that would have to take back what it makes, and before it where
    // memory runs out.
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        on_every_console(&format!("veriroot: {error}\n"));
        return ExitCode::FAILURE;
    }
    std::fs::write("/proc/self/oom_score_adj", "500").ok();
    let ended = boot(&System::default(), &mut Bar::new("loading"));
    let text = match ended.result {
        Ok(()) => console::boot_accepted(&ended.transfers),
        Err(_) => console::boot_refusal(
            ended.report(),
            &ended.transfers,
            &[],
            &next(&ended.after_refusal),
        ),
    };
    on_every_console(&text);
    record::keep(&Outcome {
        report: ended.report(),
        before: &ended.before,
        transfers: &ended.transfers,
        accepted: ended.result.is_ok(),
        after: &ended.after_refusal,
        stays: &[],
    });
    ExitCode::from(match ended.result {
        Ok(()) => 0,
        Err(error) => error.class().exit_code(),
    })
}

/// Says and records what the boot itself can't say any more.
fn killed(error: &EndError, stays: &[String], after: &AfterRefusal) {
    let mut report = Report::default();
    report.refuse(error);
    on_every_console(&console::boot_refusal(&report, &[], stays, &next(after)));
    let (before, accepted) = (&report, false);
    record::keep(&Outcome { report: &report, before, transfers: &[], accepted, after, stays });
}

/// Does what the policy wants about a refusal.
fn act(after: &AfterRefusal, code: u8) -> ExitCode {
    std::thread::sleep(after.hold);
    let mode = match after.action {
        OnRefusal::Reboot => RebootMode::RB_AUTOBOOT,
        OnRefusal::Halt => RebootMode::RB_HALT_SYSTEM,
        // The initrd's own emergency shell: whoever stands at the console owns the machine.
        OnRefusal::DangerShell => return ExitCode::from(code),
    };
    // A file system that does not answer must not keep the machine here.
    within(PATIENCE, nix::unistd::sync);
    match reboot(mode) {
        Ok(never) => match never {},
        Err(errno) => {
            on_every_console(&format!("veriroot: {mode:?} failed: {errno}\n"));
            ExitCode::from(code)
        }
    }
}

fn next(after: &AfterRefusal) -> String {
    let act = match after.action {
        OnRefusal::Reboot => "the machine reboots",
        OnRefusal::Halt => "the machine halts",
        OnRefusal::DangerShell => "the initrd goes on, to its own shell",
    };
    format!("{act} in {} s", after.hold.as_secs())
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

/// Writes to one console, for as long as somebody may need to switch it on again: one that is held
/// up (flow control) must not hold up a refusal.
fn write_to(console: &Path, text: &str) -> std::io::Result<()> {
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
    let mut console = OpenOptions::new().write(true).custom_flags(flags).open(console)?;
    let text = text.replace('\n', "\r\n");
    let mut rest = text.as_bytes();
    let began = Instant::now();
    while !rest.is_empty() {
        match console.write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
            Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock && began.elapsed() < HELD_UP =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How long a console may take for a summary: at 9600 baud it needs two seconds.
const HELD_UP: Duration = Duration::from_secs(10);
