// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which time certificates of servers are judged by.
//!
//! **In:** the system clock, which may never have been set; a time before which this program can't
//! be running. **Out:** the later of the two. **Refuses:** to judge without a time: a validity is
//! never left unchecked, however wrong the clock looks.
//!
//! The floor is the later of the release this program was built from (or `SOURCE_DATE_EPOCH`, where
//! the build had one) and the modification time of `/usr/lib/clock-epoch`, as systemd has it
//! (systemd-timesyncd.service(8)). A clock that runs ahead is taken as it is.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// 2026-11-01, before this release, in seconds since 1970.
const RELEASE: u64 = 1_793_491_200;

/// systemd's stamp of when the system was made.
const EPOCH: &str = "/usr/lib/clock-epoch";

/// The earliest time that may be now, seconds since 1970.
#[must_use]
pub fn floor() -> u64 {
    let built = option_env!("SOURCE_DATE_EPOCH").and_then(|it| it.parse().ok()).unwrap_or(0);
    RELEASE.max(built).max(stamp(Path::new(EPOCH)))
}

fn stamp(path: &Path) -> u64 {
    let modified = path.symlink_metadata().and_then(|it| it.modified());
    modified.ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok()).map_or(0, |it| it.as_secs())
}

/// The time to judge by now, and whether that is the system clock's.
#[must_use]
pub fn now(floor: u64) -> (u64, bool) {
    let system = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    (system.max(floor), system >= floor)
}

/// The same for rustls.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) floor: u64,
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now(self.floor).0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_clock_and_floor_counts() {
        let (time, system) = now(0);
        assert!(system && time > RELEASE, "{time}");
        assert_eq!(now(time + 1_000_000), (time + 1_000_000, false));
        assert!(floor() >= RELEASE);
        assert_eq!(stamp(Path::new("/nothing/there")), 0);
    }
}
