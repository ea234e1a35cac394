// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: a name joined to a URL keeps scheme, host and port, stays below the directory it is
//! joined to for whoever opens the URL, ends in the name, and takes no query along.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("url_join", input));
