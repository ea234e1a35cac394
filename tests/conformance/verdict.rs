// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Our verdict on policy and layout, and the rule by which it is stricter than systemd's.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use veriroot::designator::{Architecture, LINUX_GENERIC, PartitionDesignator};
use veriroot::dissect::group::GroupError;
use veriroot::dissect::select::{Partition, Role};
use veriroot::dissect::{DissectError, Dissected, Scope, dissect};
use veriroot::image_filter::ImageFilter;
use veriroot::image_policy::Use;
use veriroot::policy::{Discord, Expectation, PolicyError, judge};
use veriroot::policy_file::{EffectiveError, EffectivePolicy, Statements};
use veriroot::source::Source;
use veriroot::wire::read_bounded;
use veriroot_test_support::fixture_path;

/// Reads everything that a verdict could hang on; systemd's own were recorded on x86-64.
pub(crate) fn layout(image: &Path, filter: &ImageFilter) -> Result<Dissected, DissectError> {
    let scope = Scope {
        architecture: Architecture::X86_64,
        verity: vec![PartitionDesignator::Root, PartitionDesignator::Usr],
        claims: PartitionDesignator::ALL.into_iter().filter(|it| it.data().is_none()).collect(),
        filter: filter.clone(),
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

fn has(layout: &Dissected, what: &dyn Fn(&Partition) -> bool) -> bool {
    layout.partitions().iter().any(what)
}

/// Whether the designator, or the hash tree or signature it could have, is there for another
/// machine.
fn has_foreign(layout: &Dissected, designator: PartitionDesignator) -> bool {
    let group = [Some(designator), designator.hash_tree(), designator.signature()];
    has(layout, &|it| matches!(it.role, Role::Foreign(its, _) if group.contains(&Some(its))))
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
            if has(layout, &|it| it.entry.type_guid == LINUX_GENERIC)
                && !has(layout, &|it| it.is_present_as(PartitionDesignator::Root)) =>
        {
            "generic-root"
        }
        PolicyError::Layout { designator, .. } if has_foreign(layout, *designator) => {
            "foreign-architecture"
        }
        PolicyError::Layout { .. } if layout.table().is_none() => "bare",
        PolicyError::Layout { rule, .. }
            if rule.uses.contains(Use::Encrypted)
                || rule.uses.contains(Use::EncryptedWithIntegrity) =>
        {
            "not-encrypted"
        }
        PolicyError::Layout { .. } => "layout",
        PolicyError::Discord { .. } => "discord",
        other => panic!("no rule for {other}"),
    }
}

/// Unpacks a fixture without writing the zeros: the largest image has 600 MB of them.
pub(crate) fn unpack(name: &str, to: &Path) {
    const BLOCK: usize = 1 << 16;
    let zeros = [0; BLOCK];
    let packed = File::open(fixture_path(&format!("{name}.zst"))).unwrap();
    let mut packed = zstd::Decoder::new(packed).unwrap();
    let mut file = File::create(to).unwrap();
    let mut len = 0;
    loop {
        let block =
            read_bounded((&mut packed).take(zeros.len().try_into().unwrap()), BLOCK).unwrap();
        if block.is_empty() {
            break;
        }
        if block != zeros {
            file.seek(SeekFrom::Start(len)).unwrap();
            file.write_all(&block).unwrap();
        }
        len = len.checked_add(block.len().try_into().unwrap()).unwrap();
    }
    file.set_len(len).unwrap();
}
