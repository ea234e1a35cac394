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
use std::process::{self, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;
use super::answer::Trouble;
use super::frame::{self, Open, Request};
use super::http::{Opening, Remote, Stop};
use super::link::{self, Body, Flow, Opened};
use super::pace::Pace;
use super::process::{LANES, Running, further_lanes, isolate};
use super::whole::Whole;
use crate::cage::Role;
use crate::units::ByteRange;

/// The program's argument that makes it the network child.
pub const CHILD_SUBCOMMAND: &str = "source-child";

/// The network child and the links to it, one for each connection it may have to its server.
#[derive(Debug)]
pub(super) struct Child {
    _process: Running,
    lanes: [Lane; LANES],
}

/// One connection: asks one thing at a time.
#[derive(Debug)]
pub(super) struct Lane {
    link: UnixStream,
    pace: Pace,
    deadline: Deadline,
    next_id: u32,
}

/// When the time for a server is over, however busy it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    given: Duration,
}

impl Deadline {
    /// `given` from now on.
    pub(super) fn after(given: Duration) -> Self {
        let now = Instant::now();
        // A time that the clock can't hold is far enough away without it.
        let at = now.checked_add(given).or_else(|| now.checked_add(FAR)).unwrap_or(now);
        Self { at, given }
    }

    pub(super) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Refuses to begin when there is no time left.
    pub(super) fn judge_now(self, name: &str) -> Result<(), Error> {
        if self.left().is_zero() {
            return Err(Error::Time { name: name.to_owned(), given: self.given });
        }
        Ok(())
    }

    /// Says of a link that was silent whether its time was over.
    pub(super) fn judge(self, error: Error) -> Error {
        if let Error::Link { name, source: link::Error::Late } = &error
            && self.left().is_zero()
        {
            return Error::Time { name: name.clone(), given: self.given };
        }
        error
    }
}

const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Child {
    /// Starts `program` as a child.
    pub(super) fn start(program: &Path, pace: &Pace, deadline: Deadline) -> io::Result<Self> {
        let (process, links) = Running::start_with_lanes(program, CHILD_SUBCOMMAND)?;
        let lane = |link| Lane { link, pace: pace.clone(), deadline, next_id: 0 };
        Ok(Self { _process: process, lanes: links.map(lane) })
    }

    /// Sends the first request and takes its answer, and how the rest of it is read where
    /// everything flows.
    pub(super) fn open(&mut self, open: Open) -> Result<(Opened, Flow), link::Error> {
        let limit = open.size_max;
        let (mut link, id) = self.first().ask(&Request::Open(Box::new(open)), 0)?;
        Ok((link::read_opened(&mut link, id)?, Flow::new(id, limit)))
    }

    /// Takes more of what flows.
    pub(super) fn flow(
        &mut self,
        flow: &mut Flow,
        buffer: &mut [u8],
    ) -> Result<usize, link::Error> {
        let Lane { link, deadline, pace, .. } = self.first();
        let left = deadline.left().min(pace.silence());
        if left.is_zero() {
            return Err(link::Error::Late);
        }
        link.set_read_timeout(Some(left))?;
        flow.read(&mut Patient { link, left }, buffer)
    }

    /// The lane that is always there.
    pub(super) fn first(&mut self) -> &mut Lane {
        let [first, ..] = &mut self.lanes;
        first
    }

    /// All of them, each for a thread of its own.
    pub(super) fn lanes(&mut self) -> &mut [Lane] {
        &mut self.lanes
    }

    /// When it is over.
    pub(super) fn deadline(&self) -> Deadline {
        let [first, ..] = &self.lanes;
        first.deadline
    }
}

impl Lane {
    /// Asks for a range; the answer is to be taken whole.
    pub(super) fn read(&mut self, range: ByteRange) -> Result<Body<Patient<'_>>, link::Error> {
        let request = Request::Read { offset: range.offset(), len: range.len() };
        let (link, id) = self.ask(&request, range.len())?;
        Ok(Body::new(link, id, range.len()))
    }

    fn ask(&mut self, request: &Request, len: u64) -> Result<(Patient<'_>, u32), link::Error> {
        self.next_id = self.next_id.checked_add(1).ok_or(link::Error::Closed)?;
        let time_left = self.deadline.left();
        let silence = self.pace.silence().min(time_left);
        if silence.is_zero() {
            return Err(link::Error::Late);
        }
        self.link.set_write_timeout(Some(silence))?;
        self.link.set_read_timeout(Some(silence))?;
        frame::send_request(&mut self.link, self.next_id, request)?;
        let left = self.pace.whole(len).min(time_left);
        Ok((Patient { link: &self.link, left }, self.next_id))
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

/// The child's whole life: serves one source over its sockets.
#[must_use]
pub fn run_child() -> ExitCode {
    match isolate(Role::Network).and_then(|link| serve(&link)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_parent_is_gone) => ExitCode::FAILURE,
    }
}

fn serve(first: &UnixStream) -> io::Result<()> {
    let (id, open) = match frame::read_request(&mut &*first)? {
        Some((id, Request::Open(open))) => (id, open),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let remote = match Remote::open(*open) {
        Ok(Opening::Ranged(remote)) => remote,
        Ok(Opening::Whole(whole)) => return flow(first, id, *whole),
        Err(trouble) => return failed(first, id, &trouble),
    };
    for link in further_lanes()? {
        let lane = remote.lane().map_err(|trouble| io::Error::other(trouble.text))?;
        thread::Builder::new().spawn(move || {
            // A parent that left one lane has left them all.
            if answer(&link, lane).is_err() {
                process::exit(1);
            }
        })?;
    }
    frame::send_opened(&mut &*first, id, (remote.len(), remote.has_validator()))?;
    answer(first, remote)
}

/// Answers what is asked on one lane.
fn answer(link: &UnixStream, mut remote: Remote) -> io::Result<()> {
    let (mut requests, mut out) = (io::BufReader::new(link), link);
    while let Some((id, request)) = frame::read_request(&mut requests)? {
        let Request::Read { offset, len } = request else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let range = frame::range(offset, len)?;
        match remote.copy(range, &mut |bytes| frame::send_data(&mut out, id, bytes)) {
            Ok(()) => frame::send_end(&mut out, id)?,
            Err(Stop::Server(trouble)) => failed(link, id, &trouble)?,
            Err(Stop::Parent(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Hands on all that a server gives, unasked.
fn flow(link: &UnixStream, id: u32, whole: Whole) -> io::Result<()> {
    frame::send_flowing(&mut &*link, id, whole.len())?;
    match whole.copy(&mut |bytes| frame::send_data(&mut &*link, id, bytes)) {
        Ok(()) => frame::send_end(&mut &*link, id),
        Err(Stop::Server(trouble)) => failed(link, id, &trouble),
        Err(Stop::Parent(error)) => Err(error),
    }
}

fn failed(link: &UnixStream, id: u32, trouble: &Trouble) -> io::Result<()> {
    frame::send_failed(&mut &*link, id, trouble.failure, &trouble.text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_child_that_drips_runs_out_of_time() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let dripping = thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(5));
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
