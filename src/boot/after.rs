// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What comes after a refusal.
//!
//! **In:** the policy files. **Out:** [`AfterRefusal`]. **Refuses:** nothing: files that can't be used
//! end the boot anyway, and what is built in holds for that.

use std::time::Duration;

use super::{System, effective, policy_files};
use crate::policy_file::{EffectivePolicy, OnRefusal, Stated};

/// What to do about a refusal, and about a boot that does not end.
#[derive(Clone, Debug)]
pub struct AfterRefusal {
    /// The last act.
    pub action: OnRefusal,
    /// How long the summary stays before it.
    pub hold: Duration,
    /// How long a boot may take; `None` is for ever.
    pub deadline: Option<Stated<Duration>>,
}

impl Default for AfterRefusal {
    /// What holds until a policy was read.
    fn default() -> Self {
        Self { action: OnRefusal::Reboot, hold: Duration::from_secs(60), deadline: None }
    }
}

impl AfterRefusal {
    /// What the policy files say; the default where they can't be used, which ends the boot anyway.
    #[must_use]
    pub fn of(system: &System) -> Self {
        let stated = policy_files(system).and_then(|files| effective(&files, None));
        stated.map(|policy| Self::stated(&policy)).unwrap_or_default()
    }

    pub(super) fn stated(policy: &EffectivePolicy) -> Self {
        let boot = policy.boot();
        Self {
            action: boot.on_refusal.value,
            hold: boot.hold.value,
            deadline: boot.deadline.clone(),
        }
    }
}
