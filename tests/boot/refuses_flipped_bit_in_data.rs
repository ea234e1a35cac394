// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One bit of the root file system flipped on the way: the tree and its signature are genuine.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack {
    name: "data-bit",
    image: || {
        let middle = signed().content("root").len() / 2;
        signed().flip_bit("root", middle, 3)
    },
    words: "",
};

#[test]
fn refuses_flipped_bit_in_data() {
    assert_refused(&ATTACK, Stage::Fetch, Class::Verity);
}
