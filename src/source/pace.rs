// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! How long to wait, for a server and for the child that talks to it.
//!
//! **In:** the machine's own configuration. **Out:** times that exist, however large the numbers.
//! **Refuses:** nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How patient the child is with a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// For a connection to stand.
    pub connect_timeout: Duration,
    /// For a response to begin, redirects included, and for each read of its body.
    pub stall_timeout: Duration,
    /// The time over which [`Self::minimum_rate`] is measured.
    pub rate_window: Duration,
    /// Bytes a second below which a transfer is given up.
    pub minimum_rate: u64,
    /// Further tries after a failure that may pass, without progress in between.
    pub retries: u32,
    /// Before the first retry; doubles with each.
    pub backoff: Duration,
    /// What no pause exceeds, whatever a server wishes.
    pub backoff_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(15),
            rate_window: Duration::from_secs(20),
            minimum_rate: 16 * 1024,
            retries: 5,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// The longest silence of an honest child: every try stalls as late as it can.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let one = self
            .stall_timeout
            .saturating_mul(2)
            .saturating_add(self.rate_window)
            .saturating_add(self.backoff_max);
        one.saturating_mul(self.retries.saturating_add(1))
    }

    /// The longest time an answer of `len` bytes may take.
    #[must_use]
    pub fn whole(&self, len: u64) -> Duration {
        let seconds = len.checked_div(self.minimum_rate).unwrap_or(u64::MAX);
        self.silence().saturating_add(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_bounded_and_does_not_wrap() {
        let pace = Pace { retries: u32::MAX, minimum_rate: 0, ..Pace::default() };
        assert!(pace.whole(1) >= pace.silence());
        let pace = Pace { minimum_rate: 1024, ..Pace::default() };
        assert_eq!(pace.whole(10 * 1024), pace.silence() + Duration::from_secs(10));
    }
}
