// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: what two files and the command line demand together is within the image policy of
//! each, in whatever order they come, and no error message has a control character.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("policy_file", input));
