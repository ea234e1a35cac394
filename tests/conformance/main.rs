// SPDX-License-Identifier: MIT OR Apache-2.0
//! Against systemd 262: what it says to the same input, and where we differ on purpose.
//!
//! `policies.jsonl` holds image policies with what `systemd-analyze image-policy` printed for
//! them. Known differences stand in `differences.tsv`, each with its reason. `validate.jsonl.zst` holds what
//! `systemd-dissect --validate` said to each of these policies and each fixture; `stricter.tsv`
//! has the rules by which we refuse more. Partition tables are held against gptman.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed"
)]

mod gpt;
mod policies;
mod truth_table;
mod typos;
mod validate;
mod verdict;
