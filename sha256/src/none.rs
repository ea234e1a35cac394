// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lanes that no processor of this architecture has.
//!
//! **In:** nothing. **Out:** nothing. **Refuses:** to exist, so the portable crate does all work.

use super::Lanes;

/// There is none.
#[derive(Clone, Copy, Debug)]
pub enum Never {}

impl<const N: usize> Lanes<N> for Never {
    fn detect() -> Option<Self> {
        None
    }

    fn compress(self, _: &mut [[u32; 8]; N], _: [&[[u8; 64]]; N]) {
        match self {}
    }
}
