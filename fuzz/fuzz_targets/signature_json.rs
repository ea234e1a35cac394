// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted partition is one JSON object and NUL bytes; each of our keys stands in
//! it once, and a lenient parser decodes the same root hash and the same signature.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("signature_json", input));
