// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: a key that signed nothing never authenticates, content that was not signed is never
//! authenticated, and OpenSSL, given the same anchors, accepts what we accept.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("cms", input));
