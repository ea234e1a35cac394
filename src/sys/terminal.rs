// SPDX-License-Identifier: MIT OR Apache-2.0
//! The width of a terminal (ioctl_tty(2)).
//!
//! **In:** a descriptor. **Out:** its columns. **Refuses:** nothing; what is no terminal has none.

use std::os::fd::{AsFd, AsRawFd};

use nix::libc::{TIOCGWINSZ, winsize};

nix::ioctl_read_bad!(
    /// As the kernel offers it.
    read_window_size,
    TIOCGWINSZ,
    winsize
);

/// Columns of the terminal; `None` if it is none, or does not know.
#[must_use]
pub fn columns(terminal: impl AsFd) -> Option<usize> {
    let mut size = winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is borrowed for the call, and TIOCGWINSZ writes one winsize into the
    // one that it is given.
    unsafe { read_window_size(terminal.as_fd().as_raw_fd(), &raw mut size) }.ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
