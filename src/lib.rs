// SPDX-License-Identifier: MIT OR Apache-2.0
//! veriroot: a verified-boot image loader.
//!
//! A machine boots from the network and downloads its root file system as a DDI (discoverable
//! disk image). This library decides whether that image may be used, and only then lets the
//! kernel see it. One program, one direction, no way around a stage:
//!
//! | stage | makes | true of it |
//! | --- | --- | --- |
//! | [`request`] | `Request` | the machine's own words, well formed and within limits |
//! | [`source`] | `Source` | its length is known and reads are bounded; every byte is a claim |
//! | [`checksums`] | `Received` | it came as `verify=` demands; that says nothing of the image itself |
//! | [`dissect`] | `Dissected` | GPT sound, ranges inside the image, metadata frozen in memory |
//! | [`policy`] | `Admitted` | the layout meets the image policy |
//! | [`authenticate`] | `Authenticated` | a trusted key signed each root hash |
//! | [`fetch`] | `Fetched` | every block matches the tree and the tree the root hash; sealed |
//! | [`identify`] | `Identified` | exactly one allowed file system on the verified bytes |
//! | [`verity`] | `Mapped` | the kernel checks every read; its table was read back |
//! | [`unpack`] | `Unpacked` | the whole tree of an archive that was authenticated as a whole |
//! | [`expose`] | `Exposed` | handed over: links and mount |
//!
//! [`loader`] runs the whole path in one function. A module uses only modules declared above it
//! in this file, and `unsafe` lives in [`sys`] alone; `tests/layering.rs` holds both.

#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        reason = "a test that wraps fails, which is what a test is for"
    )
)]

// Floor 0: bytes and the kernel, no boot concepts.
pub mod limits;
pub mod escape;
pub mod units;
pub mod wire;
pub mod listing;
pub mod sys;
pub mod cage;

// Floor 1: vocabulary, pure.
pub mod coverage;
pub mod digest;
pub mod finding;
pub mod journal;
pub mod url;
pub mod version;
pub mod designator;
pub mod purpose;
pub mod filesystem;
pub mod image_filter;
pub mod image_policy;
pub mod revocation;
pub mod policy_file;
pub mod merkle;

// Floor 2: the stages, in order.
pub mod cmdline;
pub mod request;
pub mod rivals;
pub mod source;
pub mod checksums;
pub mod dissect;
pub mod policy;
pub mod authenticate;
pub mod fetch;
pub mod identify;
pub mod verity;
pub mod unpack;
pub mod expose;

// Floor 3: the whole path.
pub mod error;
pub mod report;
pub mod loader;
pub mod honour;
pub mod system;
pub mod boot;
pub mod generator;
pub mod takeback;
pub mod supervise;
