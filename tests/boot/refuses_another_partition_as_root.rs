// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The table is not signed: with the genuine root moved away, the number in `root=` leads to an
//! unprotected partition that holds a bootable system.

use veriroot::finding::{Class, Stage};

use veriroot_test_support::ddi::Arch;

use crate::machine::{Attack, assert_refused, signed, stranger};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack {
    name: "another-partition",
    image: || {
        let intruder = stranger().content("root").to_vec();
        signed().add_partition("home", Arch::X86_64, &intruder).swap("root", "home")
    },
    words: "",
};

#[test]
fn refuses_another_partition_as_root() {
    assert_refused(&ATTACK, Stage::Policy, Class::Pair);
}
