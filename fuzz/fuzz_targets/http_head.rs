// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted head is a 206 with exactly one Content-Range that is the range asked, a
//! Content-Length that agrees or none, no encoding, and facts that never change.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("http_head", input));
