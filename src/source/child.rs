// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The process boundary between the network and every decision.
//!
//! **In:** a source to open, and a child that may lie, stall or die. **Out:** bytes in the
//! parent's own memory. **Refuses:** what [`super::link`] refuses, and to wait longer than an
//! honest child would need.
//!
//! The child is this same program. It gets one socket and nothing else: no environment, no other
//! file, no way to print.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid};

use super::frame::{self, Open, Request};
use super::http::{Remote, Stop};
use super::link::{self, Body, Opened};
use super::pace::Pace;
use crate::units::ByteRange;

/// The program's argument that makes it the network child.
pub const CHILD_SUBCOMMAND: &str = "source-child";

/// A running child, killed and reaped when dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    link: UnixStream,
    pace: Pace,
    next_id: u32,
}

impl Child {
    /// Starts `program` as a child.
    pub(super) fn start(program: &Path, pace: Pace) -> io::Result<Self> {
        let (link, theirs) = UnixStream::pair()?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the one child of the program: this same program, with an empty environment"
        )]
        let process = process::Command::new(program)
            .arg0("veriroot")
            .arg(CHILD_SUBCOMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, link, pace, next_id: 0 })
    }

    /// Sends the first request and takes its answer.
    pub(super) fn open(&mut self, open: Open) -> Result<Opened, link::Error> {
        let (mut link, id) = self.ask(&Request::Open(Box::new(open)), 0)?;
        link::read_opened(&mut link, id)
    }

    /// Asks for a range; the answer is to be taken whole.
    pub(super) fn read(&mut self, range: ByteRange) -> Result<Body<Patient<'_>>, link::Error> {
        let request = Request::Read { offset: range.offset(), len: range.len() };
        let (link, id) = self.ask(&request, range.len())?;
        Ok(Body::new(link, id, range.len()))
    }

    fn ask(&mut self, request: &Request, len: u64) -> Result<(Patient<'_>, u32), link::Error> {
        self.next_id = self.next_id.checked_add(1).ok_or(link::Error::Closed)?;
        let silence = self.pace.silence();
        self.link.set_write_timeout(Some(silence))?;
        self.link.set_read_timeout(Some(silence))?;
        frame::send_request(&mut self.link, self.next_id, request)?;
        Ok((Patient { link: &self.link, left: self.pace.whole(len) }, self.next_id))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only for a child that is gone already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The link, with an end to waiting: for one read, set on the socket, and for all reads of one
/// answer together.
#[derive(Debug)]
pub(super) struct Patient<'a> {
    link: &'a UnixStream,
    left: Duration,
}

impl Read for Patient<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let began = Instant::now();
        let read = (&*self.link).read(buf);
        self.left = self.left.saturating_sub(began.elapsed());
        read
    }
}

/// The user and group that the kernel itself falls back to (`overflowuid`).
const NOBODY: u32 = 65534;

/// The child's whole life: serves one source over its standard input.
#[must_use]
pub fn run_child() -> ExitCode {
    match isolate().and_then(|link| serve(&link)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_parent_is_gone) => ExitCode::FAILURE,
    }
}

/// Closes what the process may have inherited, gives up root, and ties it to its parent.
fn isolate() -> io::Result<UnixStream> {
    prctl::set_no_new_privs()?;
    let fds = std::fs::read_dir("/proc/self/fd")?
        .map(|entry| Ok(entry?.file_name().to_str().and_then(|it| it.parse::<i32>().ok())))
        .collect::<io::Result<Vec<_>>>()?;
    for fd in fds.into_iter().flatten().filter(|fd| *fd > 2) {
        match nix::unistd::close(fd) {
            // The list itself was one of them.
            Ok(()) | Err(Errno::EBADF) => (),
            Err(error) => return Err(error.into()),
        }
    }
    if nix::unistd::geteuid().is_root() {
        give_up_root()?;
    }
    // Last: the kernel forgets it when a process changes its user.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Becomes nobody. With user 0 go all capabilities, and every hold on the parent: its memory, its
/// descriptors, the files of the initrd.
fn give_up_root() -> io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(group, group, group)?;
    nix::unistd::setresuid(user, user, user)?;
    Ok(())
}

fn serve(link: &UnixStream) -> io::Result<()> {
    let mut requests = io::BufReader::new(link);
    let mut out = link;
    let Some((id, Request::Open(open))) = frame::read_request(&mut requests)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut remote = match Remote::open(*open) {
        Ok(remote) => remote,
        Err(trouble) => return frame::send_failed(&mut out, id, trouble.failure, &trouble.text),
    };
    let opened = Opened { len: remote.len(), validator: remote.has_validator() };
    frame::send_opened(&mut out, id, opened)?;
    while let Some((id, request)) = frame::read_request(&mut requests)? {
        let Request::Read { offset, len } = request else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let range = frame::range(offset, len)?;
        match remote.copy(range, &mut |bytes| frame::send_data(&mut out, id, bytes)) {
            Ok(()) => frame::send_end(&mut out, id)?,
            Err(Stop::Server(trouble)) => {
                frame::send_failed(&mut out, id, trouble.failure, &trouble.text)?;
            }
            Err(Stop::Parent(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_child_that_drips_runs_out_of_time() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let dripping = std::thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut patient = Patient { link: &ours, left: Duration::from_millis(100) };
        patient.read_exact(&mut [0; 3]).unwrap();
        let error = patient.read_exact(&mut [0; 10_000]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        dripping.join().unwrap();
    }
}
