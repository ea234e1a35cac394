// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a guest's kernel and device tree held at one moment, as `init.sh` lists it: mounts, loop
//! and device-mapper devices, links below `/dev/mapper` and `/dev/disk`, files below `/sysroot`,
//! and processes of the program.

use std::collections::BTreeSet;

use super::qemu::Line;

const PREFIX: &str = "STATE ";

/// A listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(BTreeSet<String>);

impl State {
    /// The listing of that name (`before`, `after`), if there is one and it is complete.
    #[must_use]
    pub fn find(lines: &[Line], name: &str) -> Option<Self> {
        let mut words = lines.iter().filter_map(|line| line.text.strip_prefix(PREFIX));
        words.find(|word| *word == name)?;
        let mut facts = BTreeSet::new();
        for word in words {
            if word == "end" {
                return Some(Self(facts));
            }
            facts.insert(word.to_owned());
        }
        None
    }

    /// What is here and was not there at `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Vec<String> {
        self.0.difference(&earlier.0).cloned().collect()
    }
}

/// What was exposed between the first listing `before` and the first listing `after` of a console.
/// None if one is missing: nothing is known then, and nothing shown.
#[must_use]
pub(super) fn exposed(lines: &[Line]) -> Option<Vec<String>> {
    Some(State::find(lines, "after")?.since(&State::find(lines, "before")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(text: &str) -> Vec<Line> {
        let line = |text: &str| Line { at: std::time::Duration::ZERO, text: text.to_owned() };
        text.lines().map(line).collect()
    }

    #[test]
    fn what_is_new_was_exposed() {
        let before = "STATE before\nSTATE mount / rootfs rootfs\nSTATE end\n";
        let quiet = "STATE after\nSTATE mount / rootfs rootfs\nSTATE end\n";
        let after =
            "STATE after\nSTATE mount / rootfs rootfs\nnoise\nSTATE dm root ro=1\nSTATE end";
        assert_eq!(exposed(&console(&format!("{before}{quiet}"))), Some(Vec::new()));
        assert_eq!(
            exposed(&console(&format!("{before}noise\n{after}"))),
            Some(vec!["dm root ro=1".to_owned()])
        );
    }

    #[test]
    fn half_a_listing_is_none() {
        assert_eq!(exposed(&console("STATE before\nSTATE end\nSTATE after\nSTATE mount /")), None);
        assert_eq!(exposed(&console("STATE after\nSTATE end")), None);
    }
}
