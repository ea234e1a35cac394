// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: the words are those of an independent reading (lib/cmdline.c), nothing behind -- is
//! among them, and a request pins and polices exactly what the words say.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("command_line", input));
