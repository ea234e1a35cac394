// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The right hash on a command line that anybody may have written stands for no signature.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, signed};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack {
    name: "pin-for-signature",
    image: || signed().remove("root-verity-sig"),
    words: "roothash=@root-hash@",
};

#[test]
fn refuses_pinned_root_without_signature() {
    assert_refused(&ATTACK, Stage::Policy, Class::Policy);
}
