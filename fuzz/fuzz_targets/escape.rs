// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: escaped text is one line of printable ASCII within its bound, and what was not cut
//! can be read back.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("escape", input));
