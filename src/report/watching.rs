// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What becomes known of single bytes while they are fetched.
//!
//! **In:** progress of the fetch. **Out:** coverage of the report, and the same progress for whoever
//! waits. **Refuses:** nothing.

use crate::coverage::{Cover, Coverage};
use crate::fetch::Progress;
use crate::units::ByteRange;

/// Passes progress on, and keeps what it says of single bytes.
pub(crate) struct Watching<'a> {
    pub(super) coverage: &'a mut Coverage,
    pub(super) progress: &'a mut dyn Progress,
}

impl Progress for Watching<'_> {
    fn begin(&mut self, total: u64) {
        self.progress.begin(total);
    }

    fn advance(&mut self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn mirror(&mut self, name: &str) {
        self.progress.mirror(name);
    }

    fn covered(&mut self, range: ByteRange, cover: Cover) {
        self.coverage.set(range, cover);
        self.progress.covered(range, cover);
    }
}
