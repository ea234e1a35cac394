// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A genuine image whose hash tree was taken away: a signature that protects nothing.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack =
    Attack { name: "no-tree", image: || signed().remove("root-verity"), words: "" };

#[test]
fn refuses_image_without_hash_tree() {
    assert_refused(&ATTACK, Stage::Policy, Class::Policy);
}
