// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: parse, print, parse gives the same policy in both forms; the intersection is within
//! each side, in both orders the same; the union holds both; and what systemd would read of the
//! same text is never stricter.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("image_policy", input));
