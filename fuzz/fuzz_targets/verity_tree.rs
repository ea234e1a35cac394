// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: under one root hash there is one content: whatever is changed in superblock, tree
//! and data, what passes is the data as it was, or (dm-verity does not hash the depth) a whole
//! level of its own tree.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("verity_tree", input));
