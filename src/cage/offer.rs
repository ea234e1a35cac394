// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the kernel adds to the cage.
//!
//! **In:** the running kernel. **Out:** which of the layers that are not demanded it has.
//! **Refuses:** nothing: a cage without them is the weaker one that SECURITY.md describes, and who
//! runs the machine has to be able to see that.

use std::fmt;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope,
};

/// The layers that a kernel may lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The version of Landlock's interface, up to the newest that is used here; `None` if there is
    /// none.
    pub landlock: Option<u8>,
    /// The kinds of namespaces that can be left, as /proc names them.
    pub namespaces: Vec<&'static str>,
}

/// Of /proc/self/ns, what the cage leaves.
const NAMESPACES: [&str; 5] = ["mnt", "ipc", "uts", "cgroup", "net"];

impl Offer {
    /// Asks the kernel. Nothing is restricted by it.
    #[must_use]
    pub fn of_kernel() -> Self {
        let newest_first =
            [(6, ABI::V6), (5, ABI::V5), (4, ABI::V4), (3, ABI::V3), (2, ABI::V2), (1, ABI::V1)];
        let landlock = newest_first.into_iter().find(|(_, abi)| has_landlock(*abi));
        let place = Path::new("/proc/self/ns");
        Self {
            landlock: landlock.map(|(version, _)| version),
            namespaces: NAMESPACES.into_iter().filter(|it| place.join(it).exists()).collect(),
        }
    }
}

/// Whether the kernel has all that came with a version; the library knows which calls those are.
fn has_landlock(abi: ABI) -> bool {
    let all = || {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?;
        let net = AccessNet::from_all(abi);
        let ruleset = if net.is_empty() { ruleset } else { ruleset.handle_access(net)? };
        let scope = Scope::from_all(abi);
        if scope.is_empty() { Ok(ruleset) } else { ruleset.scope(scope) }
    };
    all().is_ok()
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock {
            Some(version) => write!(f, "Landlock {version}")?,
            None => f.write_str("no Landlock")?,
        }
        if self.namespaces.is_empty() {
            return f.write_str("; no namespaces");
        }
        write!(f, "; namespaces {}", self.namespaces.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_said_in_words() {
        let offer = |landlock, namespaces: &[&'static str]| {
            Offer { landlock, namespaces: namespaces.to_vec() }.to_string()
        };
        assert_eq!(offer(Some(6), &["mnt", "net"]), "Landlock 6; namespaces mnt, net");
        assert_eq!(offer(None, &[]), "no Landlock; no namespaces");
    }

    /// Of two questions to one kernel, the easier one is not answered worse.
    #[test]
    fn a_version_has_all_earlier_ones() {
        let offer = Offer::of_kernel();
        let versions = [ABI::V1, ABI::V2, ABI::V3, ABI::V4, ABI::V5, ABI::V6];
        let had = versions.into_iter().take_while(|it| has_landlock(*it)).count();
        assert_eq!(usize::from(offer.landlock.unwrap_or(0)), had);
        assert!(offer.namespaces.contains(&"mnt"), "{offer:?}");
    }
}
