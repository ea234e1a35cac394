// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Our verdict on policy and layout, and the rule by which it is stricter than systemd's.

use std::path::Path;

use veriroot::designator::{Architecture, PartitionDesignator};
use veriroot::dissect::group::GroupError;
use veriroot::dissect::{DissectError, Dissected, Scope, dissect};
use veriroot::image_filter::ImageFilter;
use veriroot::policy::{Discord, Expectation, PolicyError, judge};
use veriroot::policy_file::{EffectiveError, EffectivePolicy, Statements};
use veriroot::source::Source;

/// Reads everything that a verdict could hang on; systemd's own were recorded on x86-64.
pub(crate) fn layout(image: &Path) -> Result<Dissected, DissectError> {
    let scope = Scope {
        architecture: Architecture::X86_64,
        verity: vec![PartitionDesignator::Root, PartitionDesignator::Usr],
        claims: PartitionDesignator::ALL.into_iter().filter(|it| it.data().is_none()).collect(),
        filter: ImageFilter::default(),
    };
    dissect(Source::open_file(image).unwrap(), &scope)
}

/// Nothing, or the name of the rule that refuses and what it says.
pub(crate) fn verdict(
    policy: &str,
    layout: &Result<Dissected, DissectError>,
) -> Result<(), (&'static str, String)> {
    let statements = Statements { image_policy_option: Some(policy), ..Statements::default() };
    let policy = EffectivePolicy::new(statements)
        .map_err(|error| (unmeetable(&error), error.to_string()))?;
    let layout = layout.as_ref().map_err(|error| ("table", error.to_string()))?;
    match judge(layout, &policy, &Expectation::default()) {
        Ok(_) => Ok(()),
        Err(error) => Err((refused(&error, layout, &policy), error.to_string())),
    }
}

fn unmeetable(error: &EffectiveError) -> &'static str {
    match error {
        EffectiveError::ImagePolicy { .. } => "policy-mistake",
        EffectiveError::NoFileSystem { .. } => "policy-filesystem",
        other => panic!("one policy alone can't be refused so: {other}"),
    }
}

/// Whether the file systems a policy names leave a designator nothing to be used with.
fn has_no_filesystem(policy: &EffectivePolicy, designator: PartitionDesignator) -> bool {
    policy.image_policy().rule(designator).uses != policy.rule(designator).0.uses
}

fn refused(error: &PolicyError, layout: &Dissected, policy: &EffectivePolicy) -> &'static str {
    match error {
        PolicyError::Layout { designator, .. }
        | PolicyError::Discord { discord: Discord::Alone { wanted: designator, .. }, .. }
            if has_no_filesystem(policy, *designator) =>
        {
            "policy-filesystem"
        }
        PolicyError::Group { error, .. } => match error {
            GroupError::Absent { .. } => "foreign-architecture",
            GroupError::Ambiguous { .. } => "ambiguous",
            GroupError::Signature { .. } => "signature-content",
            GroupError::Superblock { .. } => "superblock",
            GroupError::Unmatched { .. } => "unmatched-triple",
            other => panic!("no rule for {other}"),
        },
        PolicyError::FileSystem { .. } => "filesystem",
        PolicyError::NothingUsed { .. } => "nothing-to-boot",
        PolicyError::Layout { found, .. } if found.contains("never opened") => "encrypted",
        PolicyError::Layout { designator: PartitionDesignator::Root, .. }
            if layout.partitions().iter().all(|it| it.designator().is_none()) =>
        {
            "generic-root"
        }
        PolicyError::Layout { .. } => "layout",
        PolicyError::Discord { .. } => "discord",
        other => panic!("no rule for {other}"),
    }
}
