// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The places where one image may be had, in order.
//!
//! **In:** URLs of the machine's own configuration, none of them trusted. **Out:** one [`Source`]
//! after the other, each through a child of its own; who was dropped, and why. **Refuses:** to ask
//! one again that was dropped, and to go on when the budget is used up.
//!
//! Which of them delivers changes nothing of what an image has to prove.
//!
//! A quarter of the budget is kept for the last one. Of what else is left, each has half, divided by
//! the number of those behind it. So a thousand that stall leave a good one behind them its time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::Deadline;
use super::{Bytes, Error, Source, Transport};
use crate::finding::{Class, Finding, Refusal};
use crate::units::ByteRange;
use crate::url::SourceUrl;

/// What kind of end it was with a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It may go better another time; its retries are used up.
    Transient,
    /// It does not have an image that could be used.
    Permanent,
    /// It served bytes that are not the ones that were signed.
    Tampered,
}

impl Reason {
    /// Lower-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Tampered => "tampered",
        }
    }

    /// By the class of a refusal, and by its finding where one class has several.
    fn of(refusal: &dyn Refusal, finding: &Finding) -> Self {
        const PASSING: [&str; 4] =
            ["source-unavailable", "source-stalled", "source-time", "source-link"];
        let class = refusal.class();
        if class == Class::Net && PASSING.contains(&finding.id) {
            return Self::Transient;
        }
        let lies = matches!(class, Class::Verity | Class::Sig | Class::Sigfmt);
        if lies || finding.id == "source-digest" { Self::Tampered } else { Self::Permanent }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A mirror that is not asked again.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// URL, escaped, without the query.
    pub name: String,
    /// What kind of end it was.
    pub reason: Reason,
    /// What was wrong.
    pub finding: Finding,
}

/// An ordered list of mirrors, and how far down it the machine is. Whoever holds it sees the same.
#[derive(Clone, Debug)]
pub struct Mirrors(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    transport: Transport,
    waiting: VecDeque<SourceUrl>,
    current: Option<String>,
    dropped: Vec<Dropped>,
    began: Instant,
}

impl Mirrors {
    /// The first is asked first; the budget begins now.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = SourceUrl>, transport: Transport) -> Self {
        let mut waiting = VecDeque::new();
        for url in urls {
            if !waiting.contains(&url) {
                waiting.push_back(url);
            }
        }
        let (current, dropped, began) = (None, Vec::new(), Instant::now());
        Self(Arc::new(Mutex::new(State { transport, waiting, current, dropped, began })))
    }

    /// Opens the next one; `None` when there is none any more. What can't be opened is the
    /// caller's to drop.
    pub fn open_next(&self) -> Option<Result<Source, Error>> {
        let (url, transport, share) = {
            let mut state = self.state();
            let url = state.waiting.pop_front()?;
            state.current = Some(url.to_string());
            (url, state.transport.clone(), state.share())
        };
        let opened = Source::open_within(&url, &transport, Deadline::after(share));
        Some(opened.map(|source| Source { mirrors: Some(self.clone()), ..source }))
    }

    /// Never asks the one that was opened last again.
    pub fn drop_current(&self, refusal: &dyn Refusal) {
        let mut state = self.state();
        if let Some(name) = state.current.take() {
            let finding = refusal.finding();
            let reason = Reason::of(refusal, &finding);
            state.dropped.push(Dropped { name, reason, finding });
        }
    }

    /// Who was dropped, in this order.
    #[must_use]
    pub fn dropped(&self) -> Vec<Dropped> {
        self.state().dropped.clone()
    }

    /// Who was opened last, unless it was dropped.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        self.state().current.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The time for the one that is opened now.
    fn share(&self) -> Duration {
        let left = self.transport.budget.saturating_sub(self.began.elapsed());
        let for_the_last = self.transport.budget.checked_div(4).unwrap_or_default();
        let behind = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let others = left.saturating_sub(for_the_last);
        others.checked_div(behind.saturating_mul(2)).unwrap_or(left)
    }
}

impl Source {
    /// Goes on with the next mirror that can be opened, and drops this one for `refusal`. Whatever
    /// was read before has to be judged without this source's word, as nothing says that the next
    /// one serves the same file.
    ///
    /// Of that one nothing but `left` will be read, in this order if it comes in one pass.
    ///
    /// Gives back whether there is one.
    pub(crate) fn go_on(&mut self, refusal: &dyn Refusal, left: &[ByteRange]) -> bool {
        let Some(mirrors) = self.mirrors.clone() else { return false };
        // The child of the one that is dropped goes first.
        self.bytes = Bytes::Ended;
        mirrors.drop_current(refusal);
        while let Some(opened) = mirrors.open_next() {
            let mut source = match opened {
                Ok(source) => source,
                Err(error) => {
                    mirrors.drop_current(&error);
                    continue;
                }
            };
            if let Bytes::Stream(stream) = &mut source.bytes {
                // Where the image ends is known.
                source.len = self.len;
                if let Err(error) = stream.only(left.to_vec()) {
                    mirrors.drop_current(&error);
                    continue;
                }
            }
            // What was put behind it stays there, and so does what was seen.
            let (behind, seen) = (std::mem::take(&mut self.behind), self.seen.take());
            *self = Self { behind, seen, ..source };
            return true;
        }
        false
    }
}
