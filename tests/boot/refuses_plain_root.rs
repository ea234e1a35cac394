// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A root file system with neither tree nor signature, as the same command line would boot it
//! elsewhere.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, stranger};

/// What is wrong.
pub(crate) const ATTACK: Attack =
    Attack { name: "plain", image: || stranger().strip_verity("root"), words: "" };

#[test]
fn refuses_plain_root() {
    assert_refused(&ATTACK, Stage::Policy, Class::Policy);
}
