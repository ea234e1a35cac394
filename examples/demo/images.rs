// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The images of the demo: a signed one, and what an attacker on the way makes of it.

use veriroot::finding::Class;
use veriroot_test_support::ddi::{Arch, Image};

use crate::Expected;

/// An image and what should become of it.
#[derive(Debug)]
pub(crate) struct Demonstration {
    /// What is special about it.
    pub(crate) name: &'static str,
    /// The image.
    pub(crate) image: Image,
    /// What should become of it.
    pub(crate) expected: Expected,
}

/// All of them, the accepted one first. Each refused one boots where nothing checks it.
pub(crate) fn demonstrations() -> Vec<Demonstration> {
    let signed = Image::from_zst_fixture("boot-signed");
    let stranger = Image::from_zst_fixture("boot-stranger");
    let refused =
        |name, image, class| Demonstration { name, image, expected: Expected::Refused(class) };
    let strangers_root = stranger.content("root").to_vec();
    vec![
        Demonstration { name: "signed", image: signed.clone(), expected: Expected::Root },
        refused("one bit of the root flipped", flipped(signed.clone()), Class::Verity),
        refused("signed by a stranger", stranger.clone(), Class::Sig),
        refused("signature removed", signed.clone().remove("root-verity-sig"), Class::Policy),
        refused("hash tree removed", signed.clone().remove("root-verity"), Class::Policy),
        refused("plain root instead", stranger.strip_verity("root"), Class::Policy),
        refused(
            "another partition is number 2",
            signed.add_partition("home", Arch::X86_64, &strangers_root).swap("root", "home"),
            Class::Pair,
        ),
    ]
}

/// One bit in the middle of the data, where no superblock is.
fn flipped(image: Image) -> Image {
    let middle = image.content("root").len() / 2;
    image.flip_bit("root", middle, 3)
}
