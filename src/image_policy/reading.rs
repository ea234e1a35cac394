// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What systemd 262 makes of a policy string. For showing and comparing, never for deciding.
//!
//! **In:** a policy string, or one of the names systemd-analyze knows (`@host`).
//! **Out:** a [`SystemdReading`], out of which no [`ImagePolicy`] leads.
//! **Refuses:** what systemd refuses.

use super::flags::{Rule, Use, UseSet};
use super::parse::ParseError;
use super::{ImagePolicy, syntax};
use crate::designator::PartitionDesignator;

/// A policy as systemd 262 understands it: a clause without a use flag means "open", a partition
/// may be left with no use at all, and clauses may exclude each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemdReading(ImagePolicy);

impl SystemdReading {
    /// Reads a string as `systemd-analyze image-policy` does, names included.
    ///
    /// # Errors
    /// [`ParseError`] where systemd refuses it too.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match ImagePolicy::named(text) {
            Some(policy) => Ok(Self(policy)),
            None => Ok(Self(ImagePolicy::from_written(&syntax::read(text)?))),
        }
    }

    /// What holds for a partition; unlike that of a policy, the set of uses may be empty.
    #[must_use]
    pub fn rule(&self, designator: PartitionDesignator) -> Rule {
        self.0.rule(designator)
    }

    /// The default clause as written: empty sets where nothing was said.
    #[must_use]
    pub fn default_clause(&self) -> Rule {
        self.0.default
    }

    /// systemd's long form.
    #[must_use]
    pub fn long(&self) -> String {
        self.0.long()
    }

    /// systemd's short form.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl ImagePolicy {
    /// The policies that systemd's own programs apply by default, by the names that
    /// systemd-analyze gives them: `@host`, `@container`, `@service`, `@sysext`, `@confext` and
    /// the `-strict` forms of the last two. They are no part of the language of policies.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        use PartitionDesignator as P;
        let any = UseSet::open().difference(UseSet::from_iter([Use::Unused]));
        let encrypted = any.difference(UseSet::from_iter([Use::Verity, Use::Signed]));
        let plain = UseSet::from_iter([Use::Unprotected, Use::Absent]);
        let signed = UseSet::from_iter([Use::Signed, Use::Absent]);
        let data: &[P] = &[P::Home, P::Srv, P::Tmp, P::Var];
        let boot: &[P] = &[P::Esp, P::Xbootldr];
        let system: &[P] = &[P::Root, P::Usr];
        let clauses: Vec<(&[P], UseSet)> = match name {
            "@host" => {
                vec![(system, any), (data, encrypted), (&[P::Swap], encrypted), (boot, plain)]
            }
            "@container" => vec![(system, any), (data, encrypted), (boot, plain)],
            "@service" => vec![(system, any), (data, encrypted)],
            "@sysext" => vec![(system, any)],
            "@sysext-strict" => vec![(system, signed)],
            "@confext" => vec![(&[P::Root], any)],
            "@confext-strict" => vec![(&[P::Root], signed)],
            _ => return None,
        };
        let mut policy = Self::ignore();
        for (designators, uses) in clauses {
            policy.clauses.extend(designators.iter().map(|it| (*it, Rule::of(uses))));
        }
        Some(policy)
    }
}
