// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A genuine image whose signature partition was taken away: there is no retry without it.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack =
    Attack { name: "no-signature", image: || signed().remove("root-verity-sig"), words: "" };

#[test]
fn refuses_image_without_signature() {
    assert_refused(&ATTACK, Stage::Policy, Class::Policy);
}
