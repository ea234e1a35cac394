// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The attacks, by what they attack.
//!
//! **In:** nothing. **Out:** functions that make some cases each, so that not all images are in
//! memory at once. **Refuses:** nothing.

mod anchors;
mod archive;
mod filesystem;
mod gpt;
mod policy;
mod selection;
mod signature;
mod verity;

use veriroot_test_support::ddi::{Builder, Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;

use crate::{Case, Demand};

/// Makes the cases of one attack.
pub type Make = fn() -> Vec<Case>;

/// Every attack.
#[must_use]
pub fn all() -> Vec<Make> {
    let groups: [&[Make]; 8] = [
        gpt::ALL,
        selection::ALL,
        filesystem::ALL,
        verity::ALL,
        signature::ALL,
        anchors::ALL,
        policy::ALL,
        archive::ALL,
    ];
    groups.concat()
}

/// B0 but small: a signed erofs root, its tree of one level.
fn builder() -> Builder {
    Ddi::empty().total(0).volume("root", Volume::new(root()))
}

fn root() -> Vec<u8> {
    Erofs::root_tree(20 * 4096).build()
}

fn b0() -> Image {
    builder().build()
}

/// One attack: its number, where it is from, what it is tried on.
struct Attack {
    id: &'static str,
    origin: &'static str,
    twin: Image,
    cases: Vec<Case>,
}

impl Attack {
    /// On B0.
    fn new(id: &'static str, origin: &'static str) -> Self {
        Self::on(id, origin, b0())
    }

    /// On another image, which is the accepted twin.
    fn on(id: &'static str, origin: &'static str, twin: Image) -> Self {
        let case = Case::of(id, "twin", origin, Demand::Accept, &twin);
        Self { id, origin, twin, cases: vec![case] }
    }

    fn push(mut self, name: &str, demand: Demand, image: &Image) -> Self {
        self.cases.push(Case::of(self.id, name, self.origin, demand, image));
        self
    }

    /// The twin, changed.
    fn refuse(self, name: impl AsRef<str>, change: impl FnOnce(Image) -> Image) -> Self {
        let image = change(self.twin.clone());
        self.push(name.as_ref(), Demand::Refuse, &image)
    }

    /// The twin, changed in what does not matter.
    fn accept(self, name: impl AsRef<str>, change: impl FnOnce(Image) -> Image) -> Self {
        let image = change(self.twin.clone());
        self.push(name.as_ref(), Demand::Accept, &image)
    }

    /// The same with each of several values.
    fn refuse_each<T: std::fmt::Debug>(
        self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        change: impl Fn(Image, T) -> Image,
    ) -> Self {
        values.into_iter().fold(self, |it, value| {
            let name = format!("{name} {value:?}");
            it.refuse(name, |image| change(image, value))
        })
    }

    fn done(self) -> Vec<Case> {
        self.cases
    }
}
