// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invariant: an accepted URL is kept byte for byte, has no user, no fragment and nothing but
//! graphic ASCII, and the WHATWG parser reads the same scheme, host, port and query.
//!
//! The assertion itself is in `veriroot-properties`, where stable `cargo test` runs it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| veriroot_properties::run("url", input));
