// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The process boundary around decompression.
//!
//! **In:** a compressed source, and a child that may lie, stall or die. **Out:** decoded bytes in
//! the parent's own memory, in order. **Refuses:** frames that are none, more bytes than allowed, a
//! child that is silent or drips, or goes on when the time for the source's server is over; what the
//! child itself refuses ([`super::decode`]).
//!
//! The child has no network, no files, no root, and [`limits::DECODE_MEMORY`] of address space. A
//! thread of the parent feeds it, so that neither side waits for the other with both buffers full.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::child::Deadline;
use super::decode::{self, Format};
use super::frame::{DATA, END, FAILED, Head, broken, send, send_data, send_end};
use super::process::{Running, isolate};
use super::{Error, Source, Terms};
use crate::cage::Role;
use crate::escape::escape;
use crate::limits;

/// The program's argument that makes it the decode child.
pub const DECODE_SUBCOMMAND: &str = "decode-child";

/// The id of the one answer there is.
const ID: u32 = 1;

/// Kinds of failure the child reports.
const DAMAGED: u8 = 0;
const LIMIT: u8 = 1;

/// Why there are no decoded bytes, or none any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The child is gone.
    #[error("the decode child ended before its stream did, as it does without memory")]
    Closed,
    /// The child says that the stream is damaged, cut off, or goes on behind its end.
    #[error("{0}")]
    Damaged(String),
    /// A frame that is not one.
    #[error(
        "the decode child sent a frame of kind {kind:#04x} with {len} bytes, which was not due"
    )]
    Frame {
        /// Its kind.
        kind: u8,
        /// Its length.
        len: u32,
    },
    /// The link to it failed.
    #[error("the link to the decode child failed")]
    Io(#[source] io::Error),
    /// Nothing, or not enough, came in time.
    #[error("the decode child was silent for too long")]
    Late,
    /// More memory or more bytes than allowed.
    #[error("{0}")]
    Limit(String),
    /// It can't be started.
    #[error("the decode child can't be started")]
    Start(#[source] io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        broken(error, [Self::Closed, Self::Late], Self::Io)
    }
}

/// A source while it is decoded: bytes come in order, and once.
#[derive(Debug)]
pub(super) struct Decoder {
    _process: Running,
    link: UnixStream,
    name: String,
    format: Format,
    /// What the feeder met, if it could not feed everything.
    met: Arc<Mutex<Option<Error>>>,
    patience: Patience,
    /// Bytes of the current frame that were not taken yet.
    frame: u32,
    /// Bytes that were announced so far, and how many may be.
    announced: u64,
    size_max: u64,
    ended: bool,
}

impl Decoder {
    /// Starts a child and feeds it `source`.
    pub(super) fn start(source: Source, format: Format, terms: &Terms) -> Result<Self, Error> {
        let name = source.name().to_owned();
        let fault = |source| Error::Decode { name: name.clone(), format, source };
        let start = |error| fault(Fault::Start(error));
        let (process, link) = Running::start(&terms.child, DECODE_SUBCOMMAND).map_err(start)?;
        let patience = Patience::new(terms, source.deadline);
        let mut feed = link.try_clone().map_err(start)?;
        let met = Arc::new(Mutex::new(None));
        let order = [&[format.code()][..], &terms.size_max.to_le_bytes()].concat();
        let noted = Arc::clone(&met);
        // Not joined: it ends with the child, at its next write.
        thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || {
                let fed = feed.write_all(&order).map_err(|_gone| Stop::Child);
                let fed = fed.and_then(|()| {
                    source.pour(|bytes| feed.write_all(bytes).map_err(|_gone| Stop::Child))
                });
                if let Err(Stop::Source(error)) = fed {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                // Fails only for a child that is gone.
                feed.shutdown(Shutdown::Write).ok();
            })
            .map_err(start)?;
        Ok(Self {
            _process: process,
            link,
            name,
            format,
            met,
            patience,
            frame: 0,
            announced: 0,
            size_max: terms.size_max,
            ended: false,
        })
    }

    /// The next bytes; none at the end of a whole and sound stream.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.next(buf).map_err(|fault| {
            let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).take();
            let late = matches!(fault, Fault::Late);
            let over = || self.patience.deadline.filter(|_| late)?.judge_now(&self.name).err();
            met.or_else(over).unwrap_or_else(|| Error::Decode {
                name: self.name.clone(),
                format: self.format,
                source: fault,
            })
        })
    }

    fn next(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        if self.ended || buf.is_empty() {
            return Ok(0);
        }
        if self.frame == 0 {
            let head = Head::read(&mut self.patience.over(&self.link))?;
            let Head { kind, len, .. } = head;
            match (head.id, kind, len) {
                (ID, DATA, 1..=limits::FRAME) => self.frame = len,
                (ID, END, 0) => {
                    self.ended = true;
                    return Ok(0);
                }
                (ID, FAILED, _) => return Err(self.failure(len)?),
                _ => return Err(Fault::Frame { kind, len }),
            }
            self.announced = self.announced.saturating_add(u64::from(len));
            if self.announced > self.size_max {
                let over = format!("more than {} bytes when decoded", self.size_max);
                return Err(Fault::Limit(over));
            }
        }
        let want = usize::try_from(self.frame).unwrap_or(usize::MAX).min(buf.len());
        let read = self.patience.over(&self.link).read(buf.get_mut(..want).unwrap_or_default())?;
        if read == 0 {
            return Err(Fault::Closed);
        }
        self.patience.reward(read);
        self.frame = self.frame.saturating_sub(u32::try_from(read).unwrap_or(u32::MAX));
        Ok(read)
    }

    fn failure(&mut self, len: u32) -> Result<Fault, Fault> {
        let odd = || Fault::Frame { kind: FAILED, len };
        let size = usize::try_from(len).ok().filter(|it| (1..=limits::FAILURE_TEXT).contains(it));
        let mut payload = vec![0; size.ok_or_else(odd)?];
        self.patience.over(&self.link).read_exact(&mut payload)?;
        let (kind, text) = payload.split_first().ok_or_else(odd)?;
        let text = escape(std::str::from_utf8(text).map_err(|_text| odd())?);
        match *kind {
            DAMAGED => Ok(Fault::Damaged(text)),
            LIMIT => Ok(Fault::Limit(text)),
            _ => Err(odd()),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // The feeder ends with that, whoever else may hold the other end. Fails only for a link that
        // is gone already.
        self.link.shutdown(Shutdown::Both).ok();
    }
}

/// Why feeding stopped.
enum Stop {
    Child,
    Source(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

/// How long the child may be waited for: bytes that come buy time for the next ones, up to the end of
/// the time for the server.
#[derive(Debug)]
struct Patience {
    silence: Duration,
    left: Duration,
    rate: u64,
    deadline: Option<Deadline>,
}

impl Patience {
    fn new(terms: &Terms, deadline: Option<Deadline>) -> Self {
        let silence = terms.pace.silence().saturating_add(terms.silence);
        Self { silence, left: silence, rate: terms.pace.minimum_rate.max(1), deadline }
    }

    /// For the next bytes.
    fn now(&self) -> Duration {
        self.deadline.map_or(self.left, |it| self.left.min(it.left()))
    }

    fn over<'a>(&'a mut self, link: &'a UnixStream) -> Waiting<'a> {
        Waiting { patience: self, link }
    }

    fn reward(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let micros = bytes.saturating_mul(1_000_000).checked_div(self.rate).unwrap_or(0);
        self.left = self.left.saturating_add(Duration::from_micros(micros)).min(self.silence);
    }
}

/// The link, with an end to waiting.
struct Waiting<'a> {
    patience: &'a mut Patience,
    link: &'a UnixStream,
}

impl Read for Waiting<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.patience.now();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.link.set_read_timeout(Some(left))?;
        let began = Instant::now();
        let read = self.link.read(buf);
        self.patience.left = self.patience.left.saturating_sub(began.elapsed());
        read
    }
}

/// The child's whole life: decodes one stream from its standard input.
#[must_use]
pub fn run_decode_child() -> ExitCode {
    match isolate(Role::Decode).and_then(|link| serve(&link)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_parent_is_gone) => ExitCode::FAILURE,
    }
}

fn serve(mut link: &UnixStream) -> io::Result<()> {
    let mut order = [0; 9];
    link.read_exact(&mut order)?;
    let [code, size_max @ ..] = order;
    let format = Format::from_code(code).ok_or(io::ErrorKind::InvalidData)?;
    let mut out = link;
    let mut sink = |bytes: &[u8]| send_data(&mut out, ID, bytes);
    let decoded = decode::decode(format, link, u64::from_le_bytes(size_max), &mut sink);
    let mut out = link;
    match decoded {
        Ok(_len) => send_end(&mut out, ID),
        Err(decode::Error::Input(error) | decode::Error::Output(error)) => Err(error),
        Err(error) => {
            let kind = if matches!(error, decode::Error::Limit(_)) { LIMIT } else { DAMAGED };
            let text = error.to_string();
            let end = text.floor_char_boundary(limits::FAILURE_TEXT.saturating_sub(1));
            let text = text.get(..end).unwrap_or_default();
            send(&mut out, ID, FAILED, &[&[kind], text.as_bytes()].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Pace;

    #[test]
    fn bytes_buy_time_and_a_drip_runs_out_of_it() {
        let pace = Pace { minimum_rate: 1000, ..Pace::default() };
        let mut patience = Patience::new(&Terms { pace, ..Terms::default() }, None);
        let full = patience.left;
        patience.left = Duration::from_secs(1);
        patience.reward(500);
        assert_eq!(patience.left, Duration::from_millis(1500));
        patience.reward(usize::MAX);
        assert_eq!(patience.left, full);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let dripping = thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        patience.left = Duration::from_millis(100);
        let error = patience.over(&ours).read_exact(&mut [0; 10_000]).unwrap_err();
        assert!(matches!(Fault::from(error), Fault::Late));
        drop(ours);
        dripping.join().unwrap();
    }
}
