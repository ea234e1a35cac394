// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted file holds one certificate that OpenSSL reads too, with the same
//! fingerprint, a key that is strong enough, and one anchor comes of it.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("anchors", input));
