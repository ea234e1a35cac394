// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Decides who signed.
//!
//! **In:** signatures an attacker may have written, trust anchors the machine was given.
//! **Out:** the signer. **Refuses:** every signature no trust anchor made.

pub mod anchors;
pub mod cms;
#[cfg(test)]
mod testing;
