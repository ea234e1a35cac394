// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted image exposes the bytes that a trusted key signed, all of them and no
//! others, whatever was changed and made anew around them; a key that signs usr or nothing does
//! not sign a root; and the verdict is the same twice.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("image", input));
