// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: the version of an accepted file stands in exactly one line, as the whole of its
//! value, and consists of the characters that versions have.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("os_release", input));
