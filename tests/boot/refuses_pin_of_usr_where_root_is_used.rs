// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The right hash for the wrong partition: a pin that nothing is held against ends the boot.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack =
    Attack { name: "usr-pin", image: signed, words: "usrhash=@root-hash@" };

#[test]
fn refuses_pin_of_usr_where_root_is_used() {
    assert_refused(&ATTACK, Stage::Authenticate, Class::Pair);
}
