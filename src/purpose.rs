// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What an image is to become on this machine.
//!
//! **In:** words of policies. **Out:** one [`Purpose`]. **Refuses:** words off the
//! list.
//!
//! A signature over a root hash does not say what it was made for. So the machine says: an image is
//! judged for one purpose, under the policy of that purpose, and by the keys that may sign for it.

use std::fmt;

/// What an image is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The root of this machine, or devices and mounts that somebody asked for by name.
    System,
    /// A system extension (systemd-sysext(8)).
    Sysext,
    /// A configuration extension (systemd-confext(8)).
    Confext,
    /// A portable service (portablectl(1)).
    Portable,
    /// A container or virtual machine (machinectl(1)).
    Machine,
}

impl Purpose {
    /// Those that are no part of the machine itself.
    pub const EXTENSIONS: [Self; 4] = [Self::Sysext, Self::Confext, Self::Portable, Self::Machine];

    /// Lower-case name, as in policies and pull expressions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Sysext => "sysext",
            Self::Confext => "confext",
            Self::Portable => "portable",
            Self::Machine => "machine",
        }
    }

    /// The directory below which systemd looks for such images; `None` for the machine itself.
    #[must_use]
    pub fn directory(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Sysext => Some("/run/extensions"),
            Self::Confext => Some("/run/confexts"),
            Self::Portable => Some("/run/portables"),
            Self::Machine => Some("/run/machines"),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
