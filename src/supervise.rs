// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A boot runs in a process of its own, so that its end by a signal is a refusal like any other.
//!
//! **In:** this program, and how long a boot may take. **Out:** the exit code of a boot that came to
//! its own end. **Refuses:** ends by a signal (memory that ran out, a fault in this program), exit
//! codes that a boot does not have, and boots that take longer than the policy lets them.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::policy_file::Stated;

/// Why a boot did not come to its own end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum EndError {
    #[error("the boot took longer than {} s", limit.as_secs_f64())]
    Deadline { limit: Duration, origin: Origin },
    #[error("the boot was ended by {}", signal_name(*signal))]
    Killed { signal: i32 },
    #[error("the boot ended with exit code {code}, which no boot has")]
    Odd { code: i32 },
    #[error("the boot can't be started: {error}")]
    Start { error: io::Error },
    #[error("the program was told to end by {}", signal_name(*signal))]
    Stopped { signal: i32 },
    #[error("{why}, and its process could not be ended: the kernel holds it")]
    Stuck { why: Box<Self> },
}

fn signal_name(number: i32) -> String {
    let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
    format!("signal {number} ({name})")
}

impl Refusal for EndError {
    fn class(&self) -> Class {
        match self {
            // Whoever is slow can be another one next time.
            Self::Deadline { .. } => Class::Net,
            Self::Killed { .. } | Self::Odd { .. } | Self::Start { .. } | Self::Stopped { .. } => {
                Class::Dev
            }
            Self::Stuck { why } => why.class(),
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, advice) = match self {
            Self::Stuck { why } => return Finding { found: self.to_string(), ..why.finding() },
            Self::Deadline { .. } => (
                "boot-deadline",
                "a boot that ends in time",
                "check network and server, or let a boot take longer: boot.deadline",
            ),
            Self::Killed { .. } | Self::Odd { .. } => (
                "boot-killed",
                "a boot that comes to its own end",
                "see the kernel's messages: memory may have run out; else report it as a fault of \
                 this program",
            ),
            Self::Start { .. } => {
                ("boot-start", "a process for the boot", "the initrd has to mount /proc")
            }
            Self::Stopped { .. } => {
                ("boot-killed", "a boot that comes to its own end", "whoever ended it knows why")
            }
        };
        let required_by = if let Self::Deadline { origin, .. } = self {
            origin.clone()
        } else {
            Origin::Rule("what was not decided is refused")
        };
        Finding {
            id,
            stage: Stage::Boot,
            outcome: Outcome::Failed,
            subject: "boot".to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

/// Runs `program` with one argument and waits for its end, at most until the deadline.
///
/// Returns its exit code: 0, or that of a class.
///
/// # Errors
/// An [`EndError`]; the process is gone then, unless that says otherwise.
pub fn run(
    program: &Path,
    argument: &str,
    deadline: Option<&Stated<Duration>>,
) -> Result<u8, EndError> {
    let began = Instant::now();
    let start = |error: io::Error| EndError::Start { error };
    let signals = signals().map_err(start)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this same program: a process that can die without taking its verdict along"
    )]
    let mut child = Command::new(program).arg0("veriroot").arg(argument).spawn().map_err(start)?;
    loop {
        match child.try_wait() {
            Ok(None) => (),
            Ok(Some(status)) => return exited(status),
            Err(error) => {
                return Err(end(&mut child, start(error)));
            }
        }
        let left = deadline.map(|it| it.value.saturating_sub(began.elapsed()));
        if let (Some(Duration::ZERO), Some(Stated { value, origin })) = (left, deadline) {
            let why = EndError::Deadline { limit: *value, origin: origin.clone() };
            return Err(end(&mut child, why));
        }
        if let Some(signal) = wait(&signals, left) {
            return Err(end(&mut child, EndError::Stopped { signal }));
        }
    }
}

/// The signals that say that the child ended, or that this program shall. (The child begins with
/// none of them blocked: the standard library sees to that.)
fn signals() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        mask.add(signal);
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// Waits for a signal; says which one ends this program, if one does.
fn wait(signals: &SignalFd, left: Option<Duration>) -> Option<i32> {
    let left = left.unwrap_or(LOOK).min(LOOK).max(Duration::from_millis(1));
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut polled = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    // What fails here ends a wait early and is asked for again.
    poll(&mut polled, timeout).ok();
    while let Ok(Some(info)) = signals.read_signal() {
        let number = i32::try_from(info.ssi_signo).unwrap_or_default();
        if Signal::try_from(number) != Ok(Signal::SIGCHLD) {
            return Some(number);
        }
    }
    None
}

/// How long until the child is looked at again. Its end wakes a wait at once, but only where no other
/// thread of the program takes that signal.
const LOOK: Duration = Duration::from_millis(200);

/// How long something that the kernel may hold up for ever is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the child, whose end is a refusal already.
fn end(child: &mut Child, why: EndError) -> EndError {
    // It fails only for a child that is gone already.
    drop(child.kill());
    if is_gone(|| child.try_wait(), PATIENCE) {
        return why;
    }
    EndError::Stuck { why: Box::new(why) }
}

/// Whether a process ends in time. One that waits in the kernel, for a device or a file system that
/// does not answer, takes no signal, and who waits for it waits as long.
fn is_gone(mut look: impl FnMut() -> io::Result<Option<ExitStatus>>, patience: Duration) -> bool {
    let began = Instant::now();
    // There is nobody to wait for any more where looking fails.
    while let Ok(None) = look() {
        if began.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Does what the kernel may hold up; `None` where it is not done in time. It goes on then, as long as
/// this program does.
pub fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = std::sync::mpsc::channel();
    // What is not waited for any more has nobody to tell.
    let start = std::thread::Builder::new().spawn(move || done.send(work()).ok());
    start.ok()?;
    result.recv_timeout(patience).ok()
}

fn exited(status: ExitStatus) -> Result<u8, EndError> {
    match (status.code(), status.signal()) {
        (Some(code), _) => {
            let known = u8::try_from(code).ok().filter(|it| *it == 0 || is_class(*it));
            known.ok_or(EndError::Odd { code })
        }
        (None, signal) => Err(EndError::Killed { signal: signal.unwrap_or_default() }),
    }
}

/// Whether some class of refusal has this exit code.
fn is_class(code: u8) -> bool {
    let classes = [Class::Config, Class::Net, Class::Gpt, Class::Policy, Class::Sig, Class::Dev];
    classes.iter().any(|it| it.exit_code() == code)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that runs a line of shell.
    fn script(dir: &Path, line: &str) -> std::path::PathBuf {
        let path = dir.join("program");
        std::fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = worker ] || exit 99\n{line}\n"))
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn ended(line: &str, deadline: Option<Duration>) -> Result<u8, EndError> {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin::File { path: "/etc/policy.toml".into(), line: 3 };
        let deadline = deadline.map(|value| Stated { value, origin });
        run(&script(dir.path(), line), "worker", deadline.as_ref())
    }

    #[test]
    fn only_ends_of_a_boot_are_passed_on() {
        for code in [0, 2, 10, 20, 21, 22, 30] {
            assert_eq!(ended(&format!("exit {code}"), None).unwrap(), code);
        }
        for code in [1, 99, 101, 127, 255] {
            let error = ended(&format!("exit {code}"), None).unwrap_err();
            assert!(matches!(error, EndError::Odd { code: it } if it == code), "{error:?}");
        }
        for (name, number) in [("KILL", 9), ("SEGV", 11), ("ABRT", 6), ("BUS", 7)] {
            let error = ended(&format!("kill -{name} $$; sleep 9"), None).unwrap_err();
            assert!(matches!(error, EndError::Killed { signal } if signal == number), "{error:?}");
            assert!(error.to_string().contains(&format!("(SIG{name})")), "{error}");
        }
        let error = run(Path::new("/nonexistent"), "worker", None).unwrap_err();
        assert!(matches!(error, EndError::Start { .. }), "{error:?}");
    }

    #[test]
    fn a_boot_that_takes_too_long_is_ended() {
        let limit = Duration::from_millis(200);
        let began = Instant::now();
        let error = ended("exec sleep 60", Some(limit)).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(
            matches!(&error, EndError::Deadline { limit: it, .. } if *it == limit),
            "{error:?}"
        );
        assert_eq!(error.class(), Class::Net);
        assert!(error.finding().required_by.to_string().ends_with("policy.toml:3"));
        assert_eq!(ended("exit 0", Some(Duration::from_secs(60))).unwrap(), 0);
    }

    #[test]
    fn a_process_that_the_kernel_holds_is_not_waited_for() {
        let patience = Duration::from_millis(50);
        let began = Instant::now();
        assert!(!is_gone(|| Ok(None), patience));
        assert!(began.elapsed() >= patience && began.elapsed() < Duration::from_secs(30));
        let mut left = 2;
        let ends = || {
            left -= 1;
            Ok((left == 0).then(ExitStatus::default))
        };
        assert!(is_gone(ends, Duration::from_secs(30)));
        assert!(is_gone(|| Err(nix::errno::Errno::ECHILD.into()), patience));

        let why = || EndError::Stopped { signal: 15 };
        let stuck = EndError::Stuck { why: Box::new(why()) };
        let (finding, plain) = (stuck.finding(), why().finding());
        assert_eq!((finding.id, stuck.class()), (plain.id, why().class()));
        assert!(finding.found.starts_with(&plain.found), "{}", finding.found);
        assert!(finding.found.ends_with("could not be ended: the kernel holds it"));
    }

    #[test]
    fn work_that_does_not_end_is_not_waited_for() {
        let (never, held) = std::sync::mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(50), move || held.recv()), None);
        drop(never);
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
    }
}
