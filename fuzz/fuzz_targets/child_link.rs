// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: a child that lies gives exactly as many bytes as were asked, those it sent, in their
//! order, or an error; a body is whole only with an end mark of its own request.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("child_link", input));
