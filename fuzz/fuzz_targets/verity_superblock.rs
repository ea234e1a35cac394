// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: there is one way to write a superblock: what was read, written anew by another
//! program, gives the same 512 bytes, and its sizes fit what the kernel computes with.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("verity_superblock", input));
