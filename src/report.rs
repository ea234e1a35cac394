// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What became of an image, and why: the one record that every rendering is made from.
//!
//! **In:** the stages' results, as they come. **Out:** a [`Report`]: verdict, findings, facts of
//! each partition used. **Refuses:** nothing; `accepted` is written by the end of the path alone.

use crate::authenticate::{Authenticated, Warrant};
use crate::dissect::Dissected;
use crate::expose::{Exposed, at_least};
use crate::fetch::{Content, Fetched};
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::identify::Identified;
use crate::policy::{Admitted, Protection};
use crate::policy_file::{KernelKeyring, Stated, Trust};

/// Facts of one partition that was to be used.
#[derive(Clone, Debug, Default)]
pub struct PartitionReport {
    /// Its slot, counted from 1; 0 for an image that is one file system.
    pub number: u32,
    /// What it was to be used as.
    pub designator: &'static str,
    /// Its authenticated root hash, hex.
    pub root_hash: Option<String>,
    /// Who signed it.
    pub signer: Option<String>,
    /// Data blocks that match the tree.
    pub blocks_verified: u64,
    /// Its file system.
    pub filesystem: Option<&'static str>,
}

/// The record of one image.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Where the image stands, escaped.
    pub image: String,
    /// How its bytes came.
    pub mode: &'static str,
    /// Every decision, in order.
    pub findings: Vec<Finding>,
    /// The partitions that were to be used.
    pub partitions: Vec<PartitionReport>,
    /// The refusal's class, with its exit code; `None` until there is one.
    pub refused: Option<Class>,
}

/// The specification that a layout has to follow.
const DPS: Origin = Origin::Rule("Discoverable Partitions Specification");

impl Report {
    /// Notes that a stage's demands are met.
    fn passed(
        &mut self,
        (id, stage): (&'static str, Stage),
        subject: &str,
        (expected, found): (&str, String),
        required_by: Origin,
    ) {
        self.findings.push(Finding {
            id,
            stage,
            outcome: Outcome::Passed,
            subject: subject.to_owned(),
            expected: expected.to_owned(),
            found,
            required_by,
            advice: String::new(),
        });
    }

    /// Notes a refusal: the verdict.
    pub fn refuse(&mut self, refusal: &dyn Refusal) {
        self.findings.push(refusal.finding());
        self.refused = Some(refusal.class());
    }

    /// Notes a sound table.
    pub(crate) fn dissected(&mut self, dissected: &Dissected) {
        let found = match dissected.table() {
            Some(table) => {
                format!(
                    "{} partitions, sectors of {} bytes",
                    table.entries.len(),
                    table.sector_size
                )
            }
            None => "none: the whole image is one file system".to_owned(),
        };
        self.passed(
            ("dissect-gpt", Stage::Dissect),
            "partition table",
            ("one sound GPT that every reader reads alike, or none", found),
            Origin::Rule("UEFI specification, section 5.3"),
        );
    }

    /// Notes what the policy admits.
    pub(crate) fn admitted(&mut self, admitted: &Admitted) {
        for partition in admitted.partitions() {
            let name = partition.designator.name();
            let found = match &partition.protection {
                Protection::Verity { signature: Some(_), .. } => "hash tree and signature",
                Protection::Verity { signature: None, .. } => "hash tree, no signature",
                Protection::Open(_) => "used without protection",
            };
            let place = match partition.number {
                0 => "the whole image".to_owned(),
                number => format!("partition {number}"),
            };
            self.passed(
                ("policy-layout", Stage::Policy),
                name,
                (&format!("{name}={}", partition.rule.uses), format!("{place}: {found}")),
                partition.origins.first().cloned().unwrap_or(Origin::BuiltIn),
            );
            self.partitions.push(PartitionReport {
                number: partition.number,
                designator: name,
                ..PartitionReport::default()
            });
        }
    }

    /// Notes who vouches for what.
    pub(crate) fn authenticated(&mut self, authenticated: &Authenticated) {
        for partition in authenticated.partitions() {
            let Warrant::Verity { root_hash, evidence, .. } = &partition.warrant else { continue };
            self.passed(
                ("authenticate-signature", Stage::Authenticate),
                partition.designator.name(),
                ("a signature over the root hash by a trusted key", evidence.to_string()),
                DPS,
            );
            let (root_hash, evidence) = (root_hash.to_string(), evidence.to_string());
            self.partition(partition.number, |it| {
                it.root_hash = Some(root_hash);
                it.signer = Some(evidence);
            });
        }
    }

    /// Notes that all blocks are right.
    pub(crate) fn fetched<S>(&mut self, fetched: &Fetched<S>) {
        for partition in fetched.partitions() {
            let Content::Verity(content) = &partition.content else { continue };
            let blocks = content.shape.data_blocks();
            self.passed(
                ("fetch-block", Stage::Fetch),
                partition.designator.name(),
                (
                    "every data block is the one that was signed",
                    format!("{blocks} blocks and their tree match {}", content.root_hash),
                ),
                Origin::Rule("one root hash means one image (dm-verity)"),
            );
            self.partition(partition.number, |it| it.blocks_verified = blocks);
        }
    }

    /// Notes which file systems there are.
    pub(crate) fn identified<S>(&mut self, identified: &Identified<S>) {
        for partition in identified.partitions() {
            self.passed(
                ("identify-type", Stage::Identify),
                partition.designator.name(),
                (
                    "exactly one file system of the list, sound and no larger than its device",
                    partition.filesystem.to_string(),
                ),
                Origin::Rule("file-system list"),
            );
            let name = partition.filesystem.name();
            self.partition(partition.number, |it| it.filesystem = Some(name));
        }
    }

    /// Notes the floors that the root reaches.
    pub(crate) fn exposed(&mut self, exposed: &Exposed, floors: &[Stated<String>]) {
        let Some(version) = exposed.version() else { return };
        for Stated { value, origin } in floors {
            self.passed(
                ("expose-version", Stage::Expose),
                "root",
                (&at_least(value), version.to_string()),
                origin.clone(),
            );
        }
    }

    /// Notes the demands that only a boot can hold against an image: it has the kernel and a mount.
    pub(crate) fn left_to_boot(&mut self, trust: &Trust) {
        let keyring = &trust.kernel_keyring;
        if keyring.value == KernelKeyring::Require {
            self.noted(
                ("verity-kernel-keyring", Stage::Verity),
                ("a signature that the kernel accepts by its own keyrings", "asked at boot only"),
                keyring.origin.clone(),
            );
        }
        for Stated { value, origin } in &trust.minimum_versions {
            self.noted(
                ("expose-version", Stage::Expose),
                (&at_least(value), "os-release is read at boot only"),
                origin.clone(),
            );
        }
    }

    /// Notes what no demand of this run hangs on.
    fn noted(
        &mut self,
        (id, stage): (&'static str, Stage),
        (expected, found): (&str, &str),
        required_by: Origin,
    ) {
        self.findings.push(Finding {
            id,
            stage,
            outcome: Outcome::Noted,
            subject: "root and usr".to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            required_by,
            advice: String::new(),
        });
    }

    fn partition(&mut self, number: u32, change: impl FnOnce(&mut PartitionReport)) {
        if let Some(partition) = self.partitions.iter_mut().find(|it| it.number == number) {
            change(partition);
        }
    }
}
