// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The process boundary between the network and every decision.
//!
//! **In:** a source to open, and a child that may lie, stall or die. **Out:** bytes in the
//! parent's own memory. **Refuses:** what [`super::link`] refuses, and to wait longer than an
//! honest child would need.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::frame::{self, Open, Request};
use super::http::{Remote, Stop};
use super::link::{self, Body, Opened};
use super::pace::Pace;
use super::process::{Running, isolate};
use crate::cage::Role;
use crate::units::ByteRange;

/// The program's argument that makes it the network child.
pub const CHILD_SUBCOMMAND: &str = "source-child";

/// The network child and the link to it.
#[derive(Debug)]
pub(super) struct Child {
    _process: Running,
    link: UnixStream,
    pace: Pace,
    next_id: u32,
}

impl Child {
    /// Starts `program` as a child.
    pub(super) fn start(program: &Path, pace: Pace) -> io::Result<Self> {
        let (process, link) = Running::start(program, CHILD_SUBCOMMAND)?;
        Ok(Self { _process: process, link, pace, next_id: 0 })
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

/// The child's whole life: serves one source over its standard input.
#[must_use]
pub fn run_child() -> ExitCode {
    match isolate(Role::Network).and_then(|link| serve(&link)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_parent_is_gone) => ExitCode::FAILURE,
    }
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
