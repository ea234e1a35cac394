// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: what is found is on the list, no larger than its device, has its magic where its
//! kernel driver looks, and is found again: one answer, whatever stands elsewhere.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("filesystem", input));
