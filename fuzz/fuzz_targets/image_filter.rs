// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted filter admits exactly the labels that a backtracking reading of its
//! globs admits, and every label of a designator it does not name.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("image_filter", input));
