// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted expression names each option once and from the list, its name is one
//! safe path component, and the rest of the text is the remote, byte for byte.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("pull", input));
