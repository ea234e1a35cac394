// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One bit of the hash tree flipped: found before any data is asked for.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack {
    name: "tree-bit",
    image: || {
        let last = signed().content("root-verity").len() - 1;
        signed().flip_bit("root-verity", last, 7)
    },
    words: "",
};

#[test]
fn refuses_flipped_bit_in_hash_tree() {
    assert_refused(&ATTACK, Stage::Fetch, Class::Verity);
}
