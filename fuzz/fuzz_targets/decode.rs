// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted stream is whole: without its last byte, or with one more, it is refused;
//! its output is within the bound, the same however the input is cut, and for zstd that of the
//! reference decoder.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("decode", input));
