// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Opening what lies beneath a directory (openat2(2)).
//!
//! **In:** an open directory, a path in it, how the path may lead on. **Out:** what it leads to.
//! **Refuses:** what the kernel refuses.
//!
//! A path with `..` in it is walked again where something else of this machine was renamed or
//! mounted meanwhile: the kernel can't say then that it did not lead outside, and says EAGAIN.

use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use crate::limits;

/// Opens `path` in `directory`; nothing is made.
///
/// # Errors
/// What the kernel says; EAGAIN where it could not say in [`limits::OPEN_ATTEMPTS`] attempts.
pub fn open(
    directory: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    settled(|| rustix::fs::openat2(&directory, path, flags, Mode::empty(), resolve))
}

/// The first answer that does not depend on what happens beside it.
fn settled<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..limits::OPEN_ATTEMPTS {
        match attempt() {
            Err(Errno::AGAIN | Errno::INTR) => sleep(PAUSE),
            answer => return answer,
        }
    }
    attempt()
}

/// Between two attempts: a mount or a rename takes less.
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_where_the_kernel_can_not_say() {
        for (answers, expected, asked) in [
            (&[Ok(1)][..], Ok(1), 1),
            (&[Err(Errno::AGAIN), Err(Errno::INTR), Ok(2)], Ok(2), 3),
            (&[Err(Errno::AGAIN), Err(Errno::NOENT), Ok(3)], Err(Errno::NOENT), 2),
            (&[Err(Errno::XDEV), Ok(4)], Err(Errno::XDEV), 1),
            (&[Err(Errno::AGAIN); 200], Err(Errno::AGAIN), limits::OPEN_ATTEMPTS),
        ] {
            let mut count = 0;
            let answer = settled(|| {
                count += 1;
                answers[count - 1]
            });
            assert_eq!((answer, count), (expected, asked), "{answers:?}");
        }
    }
}
