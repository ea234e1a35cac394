// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted archive becomes the tree that a plain second reader sees in it, entry by
//! entry, and nothing beside that tree; a refused one leaves nothing at all.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("tar", input));
