// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted variable is of this boot, and is its four bytes of attributes, the text
//! in UTF-16LE and NULs, and nothing else: written anew it gives the same bytes.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("efi_variable", input));
