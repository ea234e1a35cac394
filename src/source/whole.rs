// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The network child's side of a body that comes whole, from a server that knows no ranges.
//!
//! **In:** the 200 such a server gave where a range was asked for. **Out:** its bytes, in order and
//! each once. One that is cut is taken up there if the server can after all; else it is asked for
//! anew, and what came before is passed over. **Refuses:** a body that goes on as another one: with
//! another length or ETag, or, without a strong ETag, with another beginning.

use std::io;

use openssl::sha::Sha256;
use reqwest::Response;

use super::answer::{self, StreamFacts, Trouble};
use super::http::{Due, Out, PROGRESS, Remote, Stop, Tries, within};
use super::link::Failure;

/// A body under way.
#[derive(Debug)]
pub(super) struct Whole {
    remote: Remote,
    /// The answer that was not read yet.
    response: Option<Response>,
    facts: StreamFacts,
    size_max: u64,
    seen: Seen,
}

/// What was handed on of a body.
struct Seen {
    bytes: u64,
    /// Of these bytes, where nothing else would tell a change.
    hash: Option<Sha256>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Whole {
    /// Takes up the first answer; its body is still to come.
    pub(super) fn begin(
        remote: Remote,
        response: Response,
        size_max: u64,
    ) -> Result<Self, Trouble> {
        let (_, facts) = answer::judge_stream(response.status(), response.headers(), None)?;
        facts.len.map_or(Ok(()), |len| within(len, size_max))?;
        let hash = facts.validator.is_none().then(Sha256::new);
        let seen = Seen { bytes: 0, hash };
        Ok(Self { remote, response: Some(response), facts, size_max, seen })
    }

    /// Length, bytes, where the server says.
    pub(super) fn len(&self) -> Option<u64> {
        self.facts.len
    }

    /// Hands everything to `out`.
    pub(super) fn copy(mut self, out: Out<'_>) -> Result<(), Stop> {
        let mut tries = Tries::new(self.remote.pace());
        loop {
            let before = self.seen.bytes;
            match self.copy_once(out) {
                Ok(()) => return Ok(()),
                Err(Stop::Server(trouble)) => {
                    if self.seen.bytes.saturating_sub(before) >= PROGRESS {
                        tries = Tries::new(self.remote.pace());
                    }
                    tries.again(trouble)?;
                }
                Err(parent) => return Err(parent),
            }
        }
    }

    /// One answer: what is left, or all of it again.
    fn copy_once(&mut self, out: Out<'_>) -> Result<(), Stop> {
        let Self { remote, response, facts, size_max, seen } = self;
        remote.block_on(async {
            let (response, start) = match response.take() {
                Some(response) => (response, 0),
                None => {
                    let from = (seen.bytes > 0).then_some((seen.bytes, None));
                    let response = remote.ask_with(from, facts.validator.as_ref()).await?;
                    let known = Some((seen.bytes, &*facts));
                    let (status, headers) = (response.status(), response.headers());
                    let (start, now) = answer::judge_stream(status, headers, known)?;
                    *facts = now;
                    (response, start)
                }
            };
            let due = facts
                .len
                .map_or(Due::AtMost(*size_max), |len| Due::Exactly(len.saturating_sub(start)));
            let mut again = Again::new(start, seen);
            let body = remote.body(response, due, &mut |bytes| again.take(bytes, seen, out)).await;
            if again.differs {
                return Err(Trouble::lasting(
                    Failure::Changed,
                    "the body began anew, as another one",
                )
                .into());
            }
            body
        })
    }
}

/// An answer to the same question.
struct Again {
    /// Bytes of it that are known already and still to come.
    known: u64,
    hash: Option<Sha256>,
    differs: bool,
}

impl Again {
    fn new(start: u64, seen: &Seen) -> Self {
        let known = seen.bytes.saturating_sub(start);
        let hash = seen.hash.is_some().then(Sha256::new).filter(|_| known > 0);
        Self { known, hash, differs: false }
    }

    /// Passes over what is known and hands on the rest.
    fn take(&mut self, bytes: &[u8], seen: &mut Seen, out: Out<'_>) -> io::Result<()> {
        let old = usize::try_from(self.known).unwrap_or(usize::MAX).min(bytes.len());
        let (old, new) = bytes.split_at_checked(old).unwrap_or_default();
        self.known = self.known.saturating_sub(u64::try_from(old.len()).unwrap_or(u64::MAX));
        if let Some(hash) = &mut self.hash {
            hash.update(old);
        }
        if self.known == 0
            && let (Some(now), Some(before)) = (self.hash.take(), seen.hash.clone())
        {
            self.differs = now.finish() != before.finish();
        }
        if self.differs {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if new.is_empty() {
            return Ok(());
        }
        out(new)?;
        if let Some(hash) = &mut seen.hash {
            hash.update(new);
        }
        seen.bytes = seen.bytes.saturating_add(u64::try_from(new.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}
