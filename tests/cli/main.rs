// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The program from outside: exit codes, what stands on stdout and what on stderr, JSON, help.
//!
//! `veriroot boot` is not run here beyond its help: its last act is to reboot the machine.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that panics fails, which is what a test is for"
)]

mod nothing;
mod program;
mod surface;
mod verdicts;
