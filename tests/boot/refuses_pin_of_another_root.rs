// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A genuine image, signed by whom this machine trusts; the command line wants another one.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack {
    name: "other-pin",
    image: signed,
    words: "roothash=\
            00000000000000000000000000000000000000000000000000000000000000ff",
};

#[test]
fn refuses_pin_of_another_root() {
    assert_refused(&ATTACK, Stage::Authenticate, Class::Pair);
}
