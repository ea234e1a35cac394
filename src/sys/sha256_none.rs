// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processors without SHA instructions of ours: the portable crate does all the work.
//!
//! **In:** nothing. **Out:** nothing. **Refuses:** everything; no [`TwoLanes`] can exist.

/// Proof that this processor has the instructions: never there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TwoLanes {}

impl TwoLanes {
    /// None.
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    /// Cannot be called.
    pub(crate) fn compress(self, _: &mut [[u32; 8]; 2], _: &[[u8; 64]], _: &[[u8; 64]]) {
        match self {}
    }
}
