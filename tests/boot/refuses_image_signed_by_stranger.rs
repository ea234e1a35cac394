// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A good signature by a key that is not in the initrd. Refusing it costs the signature partition
//! and the tables, not the image.

use veriroot::finding::{Class, Stage};

use crate::machine::{Attack, assert_refused, stranger};

/// What is wrong.
pub(crate) const ATTACK: Attack = Attack { name: "stranger", image: stranger, words: "" };

#[test]
fn refuses_image_signed_by_stranger() {
    let attempt = assert_refused(&ATTACK, Stage::Authenticate, Class::Sig);
    assert!(attempt.served < 256 << 10, "{} bytes for an image nobody trusts", attempt.served);
}
