// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The network child's side of a transfer.
//!
//! **In:** whatever a server sends. **Out:** the bytes of a range, exactly that many, possibly
//! over several connections. **Refuses:** responses that are not the one to the question, servers
//! that stall or drip. Nothing here is trusted by the parent.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use zeroize::Zeroizing;

use super::answer::{self, Facts, Trouble};
use super::client::{client, cut, trouble};
use super::frame::Open;
use super::link::Failure;
use super::pace::Pace;
use crate::units::ByteRange;
use crate::url::SourceUrl;

/// Bytes the first request asks for: room for a partition table with either sector size. They
/// are kept, so that what a caller judges is not fetched a second time.
const PREFIX: u64 = 32 * 1024;

/// A connection that delivered this much was a good one: the count of retries starts anew.
const PROGRESS: u64 = 1 << 20;

/// Bytes of a response that are gathered before they are handed on, at most: one frame.
const CHUNK: usize = 1 << 20;

/// Bytes that are enough to hand on: the rest of a chunk still takes in whole what hyper reads
/// from a socket at once (408 KiB). TLS records alone (16 KiB) would cost a frame each.
const CHUNK_ENOUGH: usize = CHUNK / 2;

/// Waiting for a server after which whatever is there is handed on.
const CHUNK_WAIT: Duration = Duration::from_millis(50);

/// Why a transfer ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server; the parent hears about it.
    Server(Trouble),
    /// The parent; nobody is left to hear.
    Parent(io::Error),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Server(trouble)
    }
}

/// One source on one server.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    url: Zeroizing<String>,
    pace: Pace,
    facts: Facts,
    prefix: Vec<u8>,
    chunk: Vec<u8>,
}

impl Remote {
    /// Asks for the first bytes and learns the length.
    pub(super) fn open(open: Open) -> Result<Self, Trouble> {
        let url = SourceUrl::parse(&open.url)
            .map_err(|error| Trouble::lasting(Failure::BadAnswer, error.to_string()))?;
        let mut remote = Self {
            client: client(&url, &open)?,
            url: open.url,
            pace: open.pace,
            facts: Facts { len: 0, validator: None },
            prefix: Vec::new(),
            chunk: vec![0; CHUNK],
        };
        let mut tries = Tries::new(&remote.pace);
        loop {
            match remote.open_once(open.size_max) {
                Ok(()) => return Ok(remote),
                Err(trouble) => tries.again(trouble)?,
            }
        }
    }

    /// Total length, bytes.
    pub(super) fn len(&self) -> u64 {
        self.facts.len
    }

    /// Whether a change of the source would be noticed.
    pub(super) fn has_validator(&self) -> bool {
        self.facts.validator.is_some()
    }

    /// Hands the bytes of `range` to `out`, in order, taking up a cut transfer where it was cut.
    pub(super) fn copy(
        &mut self,
        range: ByteRange,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Stop> {
        if range.end() > self.facts.len {
            return Err(Trouble::lasting(Failure::BadAnswer, "past the end").into());
        }
        let mut at = range.offset();
        if let Some(known) = usize::try_from(at).ok().and_then(|at| self.prefix.get(at..)) {
            let len = usize::try_from(range.len()).unwrap_or(usize::MAX).min(known.len());
            let known = known.get(..len).unwrap_or_default();
            out(known).map_err(Stop::Parent)?;
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
        let mut tries = Tries::new(&self.pace);
        while let Some(rest) = ByteRange::new(at, range.end().saturating_sub(at)) {
            let start = at;
            match self.copy_once(rest, &mut at, out) {
                Ok(()) => (),
                Err(Stop::Server(trouble)) => {
                    if at.saturating_sub(start) >= PROGRESS {
                        tries = Tries::new(&self.pace);
                    }
                    tries.again(trouble)?;
                }
                Err(parent) => return Err(parent),
            }
        }
        Ok(())
    }

    fn open_once(&mut self, size_max: u64) -> Result<(), Trouble> {
        let asked = ByteRange::new(0, PREFIX)
            .ok_or_else(|| Trouble::lasting(Failure::BadAnswer, "the first range is empty"))?;
        let response = self.ask(asked)?;
        let (range, facts) = answer::judge(response.status(), response.headers(), asked, None)?;
        if facts.len > size_max {
            let text = format!("{} bytes, the limit is {size_max}", facts.len);
            return Err(Trouble::lasting(Failure::TooLarge, text));
        }
        let mut prefix = Vec::new();
        let result = self.body(response, range, &mut |bytes| {
            prefix.extend_from_slice(bytes);
            Ok(())
        });
        match result {
            Ok(()) => (),
            Err(Stop::Server(trouble)) => return Err(trouble),
            Err(Stop::Parent(error)) => {
                return Err(Trouble::lasting(Failure::Unavailable, error.to_string()));
            }
        }
        self.facts = facts;
        self.prefix = prefix;
        Ok(())
    }

    fn copy_once(
        &mut self,
        range: ByteRange,
        at: &mut u64,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Stop> {
        let response = self.ask(range)?;
        answer::judge(response.status(), response.headers(), range, Some(&self.facts))?;
        self.body(response, range, &mut |bytes| {
            out(bytes)?;
            *at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            Ok(())
        })
    }

    fn ask(&self, range: ByteRange) -> Result<Response, Trouble> {
        let last = range.end().saturating_sub(1);
        let mut request = self
            .client
            .get(self.url.as_str())
            .header(RANGE, format!("bytes={}-{last}", range.offset()))
            .header(ACCEPT_ENCODING, "identity");
        if let Some(validator) = &self.facts.validator {
            request = request.header(IF_RANGE, validator);
        }
        request.send().map_err(trouble)
    }

    /// Reads a body of exactly `range.len()` bytes.
    fn body(
        &mut self,
        mut response: Response,
        range: ByteRange,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Stop> {
        let mut left = range.len();
        let mut rate = Rate::new(&self.pace);
        let (mut filled, mut waited) = (0_usize, Duration::ZERO);
        let end = loop {
            let began = Instant::now();
            let read = match response.read(self.chunk.get_mut(filled..).unwrap_or_default()) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(cut(&error)),
            };
            if read == 0 && left > 0 {
                break Err(Trouble::passing(Failure::Unavailable, "the body was cut"));
            }
            if read == 0 {
                break Ok(());
            }
            let count = u64::try_from(read).unwrap_or(u64::MAX);
            let Some(less) = left.checked_sub(count) else {
                break Err(Trouble::lasting(Failure::BadAnswer, "the body is too long"));
            };
            left = less;
            filled = filled.saturating_add(read);
            waited = waited.saturating_add(began.elapsed());
            if let Err(trouble) = rate.count(count, began.elapsed()) {
                break Err(trouble);
            }
            if filled >= CHUNK_ENOUGH || waited >= CHUNK_WAIT {
                out(self.chunk.get(..filled).unwrap_or_default()).map_err(Stop::Parent)?;
                (filled, waited) = (0, Duration::ZERO);
            }
        };
        out(self.chunk.get(..filled).unwrap_or_default()).map_err(Stop::Parent)?;
        end.map_err(Stop::Server)
    }
}

/// Bounded repetition with growing pauses.
#[derive(Debug)]
struct Tries {
    left: u32,
    pause: Duration,
    pause_max: Duration,
}

impl Tries {
    fn new(pace: &Pace) -> Self {
        Self { left: pace.retries, pause: pace.backoff, pause_max: pace.backoff_max }
    }

    /// Waits and lets the caller try again, or gives the trouble back.
    fn again(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if !trouble.passing || self.left == 0 {
            return Err(trouble);
        }
        self.left = self.left.saturating_sub(1);
        thread::sleep(trouble.pause.unwrap_or(self.pause).max(self.pause).min(self.pause_max));
        self.pause = self.pause.saturating_mul(2);
        Ok(())
    }
}

/// Finds servers that drip. Only time spent waiting for the server counts, not the parent's.
#[derive(Debug)]
struct Rate {
    window: Duration,
    minimum: u64,
    waited: Duration,
    bytes: u64,
}

impl Rate {
    fn new(pace: &Pace) -> Self {
        let seconds = pace.rate_window.as_secs().max(1);
        let minimum = pace.minimum_rate.saturating_mul(seconds);
        Self { window: pace.rate_window, minimum, waited: Duration::ZERO, bytes: 0 }
    }

    fn count(&mut self, bytes: u64, waited: Duration) -> Result<(), Trouble> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.waited < self.window {
            return Ok(());
        }
        if self.bytes < self.minimum {
            return Err(Trouble::passing(Failure::Stalled, "the transfer is too slow"));
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_spent_waiting_counts_against_a_server() {
        let pace =
            Pace { rate_window: Duration::from_secs(2), minimum_rate: 100, ..Pace::default() };
        let second = Duration::from_secs(1);
        let mut rate = Rate::new(&pace);
        for _ in 0..10 {
            assert_eq!(rate.count(100, second), Ok(()));
        }
        let mut rate = Rate::new(&pace);
        assert_eq!(rate.count(199, second), Ok(()));
        assert_eq!(rate.count(0, second).unwrap_err().failure, Failure::Stalled);
        let mut rate = Rate::new(&pace);
        assert!((0..1000).all(|_| rate.count(1, Duration::ZERO).is_ok()));
    }

    #[test]
    fn pauses_grow_up_to_their_limit_and_end() {
        let ms = Duration::from_millis;
        let pace = Pace { retries: 3, backoff: ms(10), backoff_max: ms(15), ..Pace::default() };
        let wish = || Trouble {
            pause: Some(Duration::from_secs(3600)),
            ..Trouble::passing(Failure::Unavailable, "busy")
        };
        let mut tries = Tries::new(&pace);
        let began = Instant::now();
        assert!((0..3).all(|_| tries.again(wish()).is_ok()));
        assert_eq!(tries.again(wish()), Err(wish()));
        assert!(began.elapsed() >= ms(45) && began.elapsed() < Duration::from_secs(5));
        let lasting = || Trouble::lasting(Failure::Absent, "gone");
        assert_eq!(Tries::new(&pace).again(lasting()), Err(lasting()));
    }
}
