// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Child processes: this same program with nothing but its sockets.
//!
//! **In:** the program and what it becomes. **Out:** a child without environment, files or a way to
//! print, in its cage ([`crate::cage`]); killed and reaped when it is dropped. **Refuses:** nothing; every failure is the
//! kernel's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Stdio};

use nix::errno::Errno;

use crate::cage::{Role, enter};
use crate::listing;

/// Links of a child that has lanes.
pub(super) const LANES: usize = 3;

/// A running child, killed and reaped when dropped. It dies with the thread that started it.
#[derive(Debug)]
pub(super) struct Running(process::Child);

impl Running {
    /// Starts `program` as the child that `subcommand` names, and gives the other end of its link.
    pub(super) fn start(program: &Path, subcommand: &str) -> io::Result<(Self, UnixStream)> {
        let (link, theirs) = UnixStream::pair()?;
        let process = Self::spawn(
            program,
            subcommand,
            [OwnedFd::from(theirs).into(), Stdio::null(), Stdio::null()],
        )?;
        Ok((process, link))
    }

    /// The same with a link for each of three lanes, in place of what a program prints to.
    pub(super) fn start_with_lanes(
        program: &Path,
        subcommand: &str,
    ) -> io::Result<(Self, [UnixStream; LANES])> {
        let pairs = [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?];
        let [(first, a), (second, b), (third, c)] = pairs;
        let process =
            Self::spawn(program, subcommand, [a, b, c].map(|it| OwnedFd::from(it).into()))?;
        Ok((process, [first, second, third]))
    }

    fn spawn(
        program: &Path,
        subcommand: &str,
        [first, second, third]: [Stdio; 3],
    ) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the children of the program: this same program, with an empty environment"
        )]
        let process = process::Command::new(program)
            .arg0("veriroot")
            .arg(subcommand)
            .env_clear()
            .current_dir("/")
            .stdin(first)
            .stdout(second)
            .stderr(third)
            .spawn()?;
        Ok(Self(process))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that can't be killed would be waited for as long as it likes; it ends with its thread.
        if self.0.kill().is_ok() {
            drop(self.0.wait());
        }
    }
}

/// In the child: closes what the process may have inherited, and locks it in. What is left is the
/// link.
pub(super) fn isolate(role: Role) -> io::Result<UnixStream> {
    let fds = listing::names(Path::new("/proc/self/fd"))?
        .map(|name| Ok(name?.to_str().and_then(|it| it.parse::<i32>().ok())))
        .collect::<io::Result<Vec<_>>>()?;
    for fd in fds.into_iter().flatten().filter(|fd| *fd > 2) {
        match nix::unistd::close(fd) {
            // The list itself was one of them.
            Ok(()) | Err(Errno::EBADF) => (),
            Err(error) => return Err(error.into()),
        }
    }
    enter(role)?;
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// The further links of a child that was started with lanes.
pub(super) fn further_lanes() -> io::Result<[UnixStream; 2]> {
    let link = |fd: BorrowedFd<'_>| Ok::<_, io::Error>(UnixStream::from(fd.try_clone_to_owned()?));
    Ok([link(io::stdout().as_fd())?, link(io::stderr().as_fd())?])
}
