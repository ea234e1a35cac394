// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The command line asks for a policy under which a plain root is fine. It can only narrow what the
//! policy files of the initrd demand.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, stranger};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack {
    name: "wider-policy",
    image: || stranger().strip_verity("root"),
    words: "systemd.image_policy=root=signed+verity+unprotected:=open",
};

#[test]
fn refuses_words_that_widen_policy() {
    assert_refused(&ATTACK, Stage::Policy, Class::Policy);
}
