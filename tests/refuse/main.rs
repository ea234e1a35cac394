// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What must be refused. One refusal a test, named as a claim, beside the accepted image that
//! differs from it in one thing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::as_conversions,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics fails, which is what a test is for"
)]

#[path = "../judge/mod.rs"]
mod judge;

/// Asserts which error it is.
macro_rules! assert_refused {
    ($error:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = $error;
        assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
    };
}

mod boot;
mod filesystem;
mod gpt;
mod pins;
mod policy;
mod selection;
mod signature;
mod trust;
mod verity;
