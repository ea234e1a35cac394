// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Reads an image's metadata.
//!
//! **In:** bytes an attacker chose. **Out:** claims. **Refuses:** what is malformed.

pub mod verity_sig;
pub mod verity_superblock;
