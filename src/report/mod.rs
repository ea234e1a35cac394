// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What became of an image, and why: the one record that every rendering is made from.
//!
//! **In:** the stages' results, as they come. **Out:** a [`Report`]: verdict, findings, facts of
//! each partition used, what vouches for each byte, who demanded what. **Refuses:** nothing;
//! `accepted` is written by the end of the path alone.

mod archive;
mod open;
mod watching;
mod transport;

use crate::authenticate::{Authenticated, Evidence, Warrant};
use crate::coverage::{Cover, Coverage};
use crate::designator::PartitionDesignator;
use crate::dissect::Dissected;
use crate::dissect::select::Role;
use crate::escape::escape;
use crate::expose::{Exposed, at_least};
use crate::fetch::{Content, Fetched, Progress};
use crate::finding::{Class, Excerpt, Finding, Origin, Outcome, Refusal, Stage};
use crate::identify::Identified;
use crate::image_policy::UseSet;
use crate::policy::{Admitted, AdmittedPartition, Protection, filesystems};
use crate::policy_file::{EffectivePolicy, KernelKeyring, Stated, Trust};
use crate::source::Dropped;
use crate::units::ByteRange;
use crate::url::without_secrets;
use crate::verity::Shield;
pub(crate) use watching::Watching;

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

/// A partition of the image, used or not, as its table has it.
#[derive(Clone, Debug)]
pub struct LayoutEntry {
    /// Its slot, counted from 1; 0 for a file system without a table.
    pub number: u32,
    /// The designator its type stands for.
    pub designator: Option<&'static str>,
    /// Its label, escaped.
    pub label: String,
    /// Its bytes.
    pub range: ByteRange,
    /// Why it takes no part; `None` where it may.
    pub left_out: Option<&'static str>,
}

/// What is demanded of one designator that may be used.
#[derive(Clone, Debug)]
pub struct Demanded {
    /// Which one.
    pub designator: &'static str,
    /// As what it may be used, in the words of the image policy.
    pub uses: String,
    /// With which file systems.
    pub filesystems: String,
    /// Who demands it.
    pub required_by: Vec<Origin>,
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
    /// The words that the refusal blames, where it blames single ones.
    pub excerpt: Option<Excerpt>,
    /// What vouches for each byte of the image, as far as was found out.
    pub coverage: Coverage,
    /// Every partition of the table.
    pub layout: Vec<LayoutEntry>,
    /// The image policy, in its short form; empty until it is known.
    pub image_policy: String,
    /// What the policy demands of everything it lets be used.
    pub demanded: Vec<Demanded>,
    /// What was exposed without protection, and who opens it.
    pub unprotected: Vec<String>,
    /// Mirrors that were tried in vain, in this order, and why.
    pub dropped: Vec<Dropped>,
    /// Whether the whole path was gone.
    arrived: bool,
}

/// The specification that a layout has to follow.
const DPS: Origin = Origin::Rule("Discoverable Partitions Specification");

impl Report {
    /// Of an image called `name`, of which nothing is known. Of a URL what may be secret is not kept.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { image: escape(&without_secrets(name)), ..Self::default() }
    }

    /// Of the same image, of which nothing is known again.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { image: self.image.clone(), ..Self::default() }
    }

    /// Notes which mirrors were tried in vain.
    #[must_use]
    pub fn with_dropped(self, dropped: Vec<Dropped>) -> Self {
        Self { dropped, ..self }
    }

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

    /// Whether every demand was met: the path was gone to its end, and nothing refused.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.arrived && self.refused.is_none()
    }

    /// Notes a refusal: the verdict.
    pub fn refuse(&mut self, refusal: &dyn Refusal) {
        self.findings.push(refusal.finding());
        self.excerpt = refusal.excerpt();
        self.refused = Some(refusal.class());
    }

    /// The bytes that are wrong, where the refusal blames single ones.
    #[must_use]
    pub fn place(&self) -> Option<ByteRange> {
        let mut regions = self.coverage.regions().iter();
        regions.find(|it| it.cover == Cover::Contradicted).map(|it| it.range)
    }

    /// Notes what is demanded, before anything is looked at.
    pub(crate) fn demanded(&mut self, policy: &EffectivePolicy) {
        self.image_policy = policy.image_policy().short();
        for designator in PartitionDesignator::ALL {
            let (rule, required_by) = policy.rule(designator);
            // Hash trees and signatures go with their data and demand nothing of their own.
            if rule.uses == UseSet::ignore() || designator.data().is_some() {
                continue;
            }
            self.demanded.push(Demanded {
                designator: designator.name(),
                uses: rule.uses.to_string(),
                filesystems: filesystems(designator, &rule).to_string(),
                required_by,
            });
        }
    }

    /// Notes a sound table.
    pub(crate) fn dissected(&mut self, dissected: &Dissected) {
        self.mode = dissected.mode().name();
        self.coverage.replace(Cover::Unproven, Cover::Unreferenced);
        for place in dissected.table().iter().flat_map(|it| it.places) {
            self.coverage.set(place, Cover::Structural);
        }
        for partition in dissected.partitions() {
            let (number, range) = (partition.entry.number, partition.entry.range);
            self.coverage.set(range, Cover::Unproven);
            self.coverage.assign(range, number);
            self.layout.push(LayoutEntry {
                number,
                designator: partition.designator().map(PartitionDesignator::name),
                label: escape(&partition.entry.label),
                range,
                left_out: left_out(partition.role),
            });
        }
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
        for partition in admitted.dissected().partitions() {
            self.coverage.set(partition.entry.range, Cover::Unused);
        }
        for partition in admitted.partitions() {
            self.in_use(partition, admitted.dissected());
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
            self.beside(name, partition.designator, admitted.dissected());
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

    /// Notes what a partition that will be used rests on: nothing yet, or nothing at all.
    fn in_use(&mut self, partition: &AdmittedPartition, dissected: &Dissected) {
        let Protection::Verity { hash, .. } = &partition.protection else {
            return self.coverage.set(partition.data, Cover::Unprotected);
        };
        self.coverage.set(partition.data, Cover::Unproven);
        self.coverage.set(hash.range, Cover::Unproven);
        let group = dissected.group(partition.designator).and_then(|it| it.as_ref().ok());
        let signature = group.and_then(|it| it.signature.as_ref()).and_then(|(index, _)| *index);
        if let Some(signature) = signature.and_then(|it| dissected.partitions().get(it)) {
            self.coverage.set(signature.entry.range, Cover::Structural);
        }
    }

    /// Notes what is found out of single bytes while `progress` is told how long it takes.
    pub(crate) fn watching<'a>(&'a mut self, progress: &'a mut dyn Progress) -> Watching<'a> {
        Watching { coverage: &mut self.coverage, progress }
    }

    /// Notes who vouches for what.
    pub(crate) fn authenticated(&mut self, authenticated: &Authenticated) {
        self.mode = authenticated.mode().name();
        for partition in authenticated.partitions() {
            let Warrant::Verity { root_hash, evidence, .. } = &partition.warrant else { continue };
            let (id, expected) = match evidence {
                Evidence::Signature { .. } => {
                    ("authenticate-signature", "a signature over the root hash by a trusted key")
                }
                Evidence::Pin { .. } => {
                    ("authenticate-pin", "a root hash that a trusted pin names")
                }
            };
            self.passed(
                (id, Stage::Authenticate),
                partition.designator.name(),
                (expected, evidence.to_string()),
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
        // What is left of used partitions lies behind their trees: neither fetched nor mapped.
        self.coverage.replace(Cover::Unproven, Cover::Unreferenced);
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

    /// Notes which file systems there are, and with that the end of the path.
    pub(crate) fn identified<S>(&mut self, identified: &Identified<S>) {
        self.arrived = true;
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

    /// Notes the floors that the root reaches, and loudly what nobody vouches for.
    pub(crate) fn exposed(&mut self, exposed: &Exposed, floors: &[Stated<String>]) {
        for device in exposed.devices() {
            let Shield::Open { origins, writable } = &device.shield else { continue };
            let found = if *writable { "a private copy that takes writes" } else { "read-only" };
            self.opened_by_policy(device.designator.name(), found, origins);
        }
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
                "root and usr",
                ("a signature that the kernel accepts by its own keyrings", "asked at boot only"),
                keyring.origin.clone(),
            );
        }
        for Stated { value, origin } in &trust.minimum_versions {
            self.noted(
                ("expose-version", Stage::Expose),
                "root and usr",
                (&at_least(value), "os-release is read at boot only"),
                origin.clone(),
            );
        }
    }

    /// Notes what no demand of this run hangs on.
    fn noted(
        &mut self,
        (id, stage): (&'static str, Stage),
        subject: &str,
        (expected, found): (&str, &str),
        required_by: Origin,
    ) {
        self.findings.push(Finding {
            id,
            stage,
            outcome: Outcome::Noted,
            subject: subject.to_owned(),
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

fn left_out(role: Role) -> Option<&'static str> {
    match role {
        Role::Claims(_) => None,
        Role::Empty(_) => Some("an empty slot"),
        Role::Filtered(_) => Some("not in the image filter"),
        Role::Foreign(..) => Some("for another architecture"),
        Role::NoAuto(_) => Some("not for automatic use"),
        Role::Unknown => Some("of a type without designator"),
    }
}
