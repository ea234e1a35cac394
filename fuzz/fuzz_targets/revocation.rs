// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted entry is printed as it was written, and no two are the same.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("revocation", input));
