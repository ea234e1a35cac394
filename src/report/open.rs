// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What nobody vouches for, said loudly.
//!
//! **In:** partitions that policy opens, and the lines that do. **Out:** findings, and what a console
//! shows. **Refuses:** nothing.

use super::Report;
use crate::finding::{Finding, Origin, Outcome, Stage};

impl Report {
    /// Notes a partition that is exposed without protection, for each line that opens it.
    pub(super) fn opened_by_policy(&mut self, designator: &str, found: &str, origins: &[Origin]) {
        let built_in = [Origin::BuiltIn];
        let origins = if origins.is_empty() { &built_in[..] } else { origins };
        self.unprotected.push(format!("{designator} ({})", Origins(origins)));
        for origin in origins {
            self.findings.push(Finding {
                id: "expose-open",
                stage: Stage::Expose,
                outcome: Outcome::Noted,
                subject: designator.to_owned(),
                expected: "used without protection, as policy says".to_owned(),
                found: found.to_owned(),
                required_by: origin.clone(),
                advice: String::new(),
            });
        }
    }
}

/// Several places that state the same, one after the other.
struct Origins<'a>(&'a [Origin]);

impl std::fmt::Display for Origins<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, origin) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{origin}")?;
        }
        Ok(())
    }
}
