// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: the entries of an accepted table lie inside the usable range, overlap nowhere and
//! have distinct GUIDs, both copies say the same, and a second reader finds the same entries.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("gpt", input));
