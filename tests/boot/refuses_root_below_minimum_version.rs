// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A genuine image with a good signature, and older than the policy wants: its own os-release says
//! so, through dm-verity. The mount is taken back.

use veriroot::finding::{Class, Stage};

use crate::demands::{BOOT, Demand, SHOW, assert_refused, table};

/// What is demanded.
pub(crate) const NEWER: Demand = Demand {
    name: "newer-version",
    policy: "[trust]\nminimum-version = \"1.1\"\n[boot]\nhold = \"1s\"\n",
    script: BOOT,
};

/// The twin.
pub(crate) const SAME: Demand = Demand {
    name: "same-version",
    policy: "[trust]\nminimum-version = \"1\"\n[boot]\nhold = \"1s\"\n",
    script: SHOW,
};

#[test]
fn refuses_root_below_minimum_version() {
    let console = assert_refused(&NEWER, Stage::Expose, Class::Rollback);
    assert!(console.contains("VERSION_ID=1\n"), "{console}");
    assert!(console.contains("version 1.1 or later"), "{console}");
}

#[test]
fn boots_root_of_minimum_version() {
    table(&SAME);
}
