// SPDX-License-Identifier: MIT OR Apache-2.0
#![expect(unsafe_code, reason = "the one home of what the compiler can't check")]
//! The only home of `unsafe`: what the kernel and the processor offer beyond the standard library.
//!
//! **In:** typed values from the modules above. **Out:** safe functions. **Refuses:** each file
//! says so itself.

pub mod devmapper;
pub mod keyring;
mod libcrypto;
pub mod loopdev;
pub mod memfd;
pub mod openat2;
pub mod terminal;
pub mod xattr;
