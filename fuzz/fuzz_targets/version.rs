// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: versions have one total order: reflexive, antisymmetric, transitive.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("version", input));
