// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policies as strings: systemd's long form and its short one.
//!
//! **In:** a policy. **Out:** a string that reads back to the same policy (long) or to one that
//! means the same (short). **Refuses:** nothing.

use std::fmt;

use super::flags::{Flag, FlagSet, Rule, Switch, UseSet};
use super::{ImagePolicy, PartitionDesignator};

impl ImagePolicy {
    /// Every clause, every flag, in canonical order; the default clause last.
    #[must_use]
    pub fn long(&self) -> String {
        let clauses =
            self.clauses.iter().map(|(designator, rule)| format!("{designator}={}", flags(*rule)));
        clauses.chain([format!("={}", flags(self.default))]).collect::<Vec<_>>().join(":")
    }

    /// The shortest spelling with the same meaning.
    #[must_use]
    pub fn short(&self) -> String {
        for (symbol, policy) in [("*", Self::allow()), ("-", Self::ignore()), ("~", Self::deny())] {
            if self.is_equivalent(&policy) {
                return symbol.to_owned();
            }
        }
        let mut parts: Vec<_> = self
            .clauses
            .iter()
            .filter(|(designator, rule)| !self.is_redundant(**designator, **rule))
            .map(|(designator, rule)| format!("{designator}={}", shortened(*rule)))
            .collect();
        if self.default.extended() != Rule::of(UseSet::ignore()).extended() {
            parts.push(format!("={}", shortened(self.default)));
        }
        parts.join(":")
    }

    /// Whether a clause says what the default says. Dropping it must not change what follows for
    /// the partition's hash tree and signature either, where systemd 262 does not look.
    fn is_redundant(&self, designator: PartitionDesignator, rule: Rule) -> bool {
        let mut without = self.clone();
        without.clauses.remove(&designator);
        written(rule) == written(self.default.normalised(designator))
            && self.is_equivalent(&without)
    }
}

impl fmt::Display for ImagePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// One form for "no file system named", which is every one.
fn written(rule: Rule) -> Rule {
    Rule { filesystems: rule.filesystems.or_none(), ..rule }
}

fn flags(rule: Rule) -> String {
    joined(names(rule.uses), rule)
}

/// With `open` and `ignore` where they are exact, and without GPT bits that may be either.
fn shortened(rule: Rule) -> String {
    let uses = match rule.uses {
        uses if uses == UseSet::open() => vec!["open"],
        uses if uses == UseSet::ignore() => vec!["ignore"],
        uses => names(uses),
    };
    let (read_only, growfs) = (rule.read_only.or_none(), rule.growfs.or_none());
    joined(uses, Rule { read_only, growfs, ..rule })
}

fn joined(uses: Vec<&'static str>, rule: Rule) -> String {
    let mut words = uses;
    let bits = [
        (rule.read_only.contains(Switch::On), "read-only-on"),
        (rule.read_only.contains(Switch::Off), "read-only-off"),
        (rule.growfs.contains(Switch::Off), "growfs-off"),
        (rule.growfs.contains(Switch::On), "growfs-on"),
    ];
    words.extend(bits.into_iter().filter(|(said, _)| *said).map(|(_, name)| name));
    words.extend(names(rule.filesystems));
    if words.is_empty() { "-".to_owned() } else { words.join("+") }
}

fn names<F: Flag>(set: FlagSet<F>) -> Vec<&'static str> {
    set.iter().map(F::name).collect()
}
