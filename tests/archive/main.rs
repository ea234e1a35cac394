// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Tar archives: who vouches for them, which entries are taken, and that all of it comes to be or
//! nothing. Each refusal stands beside the accepted archive that differs from it in one thing.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics fails, which is what a test is for"
)]

mod authentic;
mod compressed;
mod entries;
mod machine;
mod unpacked;
