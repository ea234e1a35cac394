// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The network child's side of a transfer.
//!
//! **In:** whatever a server sends. **Out:** the bytes of a range, exactly that many, possibly
//! over several connections. **Refuses:** responses that are not the one to the question, servers
//! that stall or drip. Nothing here is trusted by the parent.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::answer::{self, Facts, Trouble};
use super::client::{Clients, cut, trouble};
use super::frame::Open;
use super::link::Failure;
use super::pace::Pace;
use super::whole::Whole;
use crate::units::ByteRange;

/// Bytes the first request asks for: room for a partition table with either sector size. They
/// are kept, so that what a caller judges is not fetched a second time.
const PREFIX: u64 = 32 * 1024;

/// A connection that delivered this much was a good one: the count of retries starts anew.
pub(super) const PROGRESS: u64 = 1 << 20;

/// Bytes that are worth a frame of their own. TLS records (16 KiB) are gathered up to that.
const ENOUGH: usize = 128 * 1024;

/// Waiting for a server after which whatever is there is handed on.
const WAIT: Duration = Duration::from_millis(50);

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

/// Where bytes go; fails when the parent is gone.
pub(super) type Out<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// What a server has to give.
#[derive(Debug)]
pub(super) enum Opening {
    /// Ranges.
    Ranged(Remote),
    /// All of it, in order.
    Whole(Box<Whole>),
}

/// One connection's worth of a server: asks one thing at a time.
#[derive(Debug)]
pub(super) struct Remote {
    runtime: Runtime,
    client: Client,
    clients: Arc<Clients>,
    facts: Facts,
    prefix: Vec<u8>,
}

impl Remote {
    /// Asks for the first bytes and learns the length.
    pub(super) fn open(open: Open) -> Result<Opening, Trouble> {
        let size_max = open.size_max;
        let mut remote = Self::unopened(open)?;
        let mut tries = Tries::new(remote.pace());
        loop {
            match remote.open_once(size_max) {
                Ok(None) => return Ok(Opening::Ranged(remote)),
                Ok(Some(whole)) => {
                    let whole = Whole::begin(remote, whole, size_max)?;
                    return Ok(Opening::Whole(Box::new(whole)));
                }
                Err(trouble) => tries.again(trouble)?,
            }
        }
    }

    /// A further connection to the same server, about the same source; stands once it is used.
    pub(super) fn lane(&self) -> Result<Self, Trouble> {
        let (runtime, client) = (runtime()?, self.clients.client()?);
        let (clients, facts) = (Arc::clone(&self.clients), self.facts.clone());
        Ok(Self { runtime, client, clients, facts, prefix: Vec::new() })
    }

    fn unopened(open: Open) -> Result<Self, Trouble> {
        let clients = Arc::new(Clients::new(open)?);
        let (runtime, client) = (runtime()?, clients.client()?);
        let facts = Facts { len: 0, validator: None };
        Ok(Self { runtime, client, clients, facts, prefix: Vec::new() })
    }

    pub(super) fn pace(&self) -> &Pace {
        self.clients.pace()
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
    pub(super) fn copy(&mut self, range: ByteRange, out: Out<'_>) -> Result<(), Stop> {
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
        let mut tries = Tries::new(self.pace());
        while let Some(rest) = ByteRange::new(at, range.end().saturating_sub(at)) {
            let start = at;
            match self.copy_once(rest, &mut at, out) {
                Ok(()) => (),
                Err(Stop::Server(trouble)) => {
                    if at.saturating_sub(start) >= PROGRESS {
                        tries = Tries::new(self.pace());
                    }
                    tries.again(trouble)?;
                }
                Err(parent) => return Err(parent),
            }
        }
        Ok(())
    }

    /// The answer itself where it has everything.
    fn open_once(&mut self, size_max: u64) -> Result<Option<Response>, Trouble> {
        let asked = ByteRange::new(0, PREFIX)
            .ok_or_else(|| Trouble::lasting(Failure::BadAnswer, "the first range is empty"))?;
        let mut prefix = Vec::new();
        let opened = self.runtime.block_on(async {
            let response = self.ask(Some((asked.offset(), Some(asked.end())))).await?;
            if response.status() == StatusCode::OK {
                return Ok(Err(response));
            }
            let (range, facts) = answer::judge(response.status(), response.headers(), asked, None)?;
            within(facts.len, size_max)?;
            let keep = &mut |bytes: &[u8]| {
                prefix.extend_from_slice(bytes);
                Ok(())
            };
            self.body(response, Due::Exactly(range.len()), keep).await?;
            Ok(Ok(facts))
        });
        match opened {
            Ok(Ok(facts)) => {
                (self.facts, self.prefix) = (facts, prefix);
                Ok(None)
            }
            Ok(Err(whole)) => Ok(Some(whole)),
            Err(Stop::Server(trouble)) => Err(trouble),
            Err(Stop::Parent(error)) => {
                Err(Trouble::lasting(Failure::Unavailable, error.to_string()))
            }
        }
    }

    fn copy_once(&self, range: ByteRange, at: &mut u64, out: Out<'_>) -> Result<(), Stop> {
        self.runtime.block_on(async {
            let response = self.ask(Some((range.offset(), Some(range.end())))).await?;
            answer::judge(response.status(), response.headers(), range, Some(&self.facts))?;
            let counted = &mut |bytes: &[u8]| {
                out(bytes)?;
                *at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                Ok(())
            };
            self.body(response, Due::Exactly(range.len()), counted).await
        })
    }

    async fn ask(&self, range: Option<(u64, Option<u64>)>) -> Result<Response, Trouble> {
        self.ask_with(range, self.facts.validator.as_ref()).await
    }

    /// Runs what is to be done over this connection.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Asks for the bytes from an offset on, up to an end if there is one; or for everything.
    pub(super) async fn ask_with(
        &self,
        range: Option<(u64, Option<u64>)>,
        validator: Option<&HeaderValue>,
    ) -> Result<Response, Trouble> {
        let mut request = self.clients.request(&self.client).header(ACCEPT_ENCODING, "identity");
        if let Some((offset, end)) = range {
            let last = end.map(|it| it.saturating_sub(1).to_string()).unwrap_or_default();
            request = request.header(RANGE, format!("bytes={offset}-{last}"));
            if let Some(validator) = validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        match timeout(self.pace().stall_timeout, request.send()).await {
            Ok(response) => response.map_err(trouble),
            Err(_elapsed) => Err(Trouble::passing(Failure::Stalled, "no response in time")),
        }
    }

    /// Reads a body of as many bytes as are due.
    pub(super) async fn body(
        &self,
        mut response: Response,
        due: Due,
        out: Out<'_>,
    ) -> Result<(), Stop> {
        let (Due::Exactly(mut left) | Due::AtMost(mut left)) = due;
        let mut rate = Rate::new(self.pace());
        let (mut gathered, mut waited) = (Vec::new(), Duration::ZERO);
        let end = loop {
            let began = Instant::now();
            let bytes = match timeout(self.pace().stall_timeout, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) if left > 0 && matches!(due, Due::Exactly(_)) => {
                    break Err(Trouble::passing(Failure::Unavailable, "the body was cut"));
                }
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(error)) => break Err(cut(&error)),
                Err(_elapsed) => {
                    break Err(Trouble::passing(Failure::Stalled, "no bytes in time"));
                }
            };
            let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let Some(less) = left.checked_sub(count) else {
                break Err(match due {
                    Due::Exactly(_) => Trouble::lasting(Failure::BadAnswer, "the body is too long"),
                    Due::AtMost(_) => Trouble::lasting(Failure::TooLarge, "no end to the body"),
                });
            };
            left = less;
            waited = waited.saturating_add(began.elapsed());
            if let Err(trouble) = rate.count(count, began.elapsed()) {
                break Err(trouble);
            }
            if gathered.is_empty() && bytes.len() >= ENOUGH {
                out(&bytes).map_err(Stop::Parent)?;
                waited = Duration::ZERO;
                continue;
            }
            gathered.extend_from_slice(&bytes);
            if gathered.len() >= ENOUGH || waited >= WAIT {
                out(&gathered).map_err(Stop::Parent)?;
                gathered.clear();
                waited = Duration::ZERO;
            }
        };
        out(&gathered).map_err(Stop::Parent)?;
        end.map_err(Stop::Server)
    }
}

/// How long a body has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Exactly(u64),
    AtMost(u64),
}

pub(super) fn within(len: u64, size_max: u64) -> Result<(), Trouble> {
    if len <= size_max {
        return Ok(());
    }
    let text = format!("{len} bytes, the limit is {size_max}");
    Err(Trouble::lasting(Failure::TooLarge, text))
}

/// Everything of one connection happens on the thread that asks.
fn runtime() -> Result<Runtime, Trouble> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::lasting(Failure::Unavailable, error.to_string()))
}

/// Bounded repetition with growing pauses.
#[derive(Debug)]
pub(super) struct Tries {
    left: u32,
    pause: Duration,
    pause_max: Duration,
}

impl Tries {
    pub(super) fn new(pace: &Pace) -> Self {
        Self { left: pace.retries, pause: pace.backoff, pause_max: pace.backoff_max }
    }

    /// Waits and lets the caller try again, or gives the trouble back.
    pub(super) fn again(&mut self, trouble: Trouble) -> Result<(), Trouble> {
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
