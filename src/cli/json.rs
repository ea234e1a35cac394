// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports as JSON: a contract, documented in docs/audit-json.md.
//!
//! **In:** a report. **Out:** one object on stdout for each image. **Refuses:** nothing; new keys
//! may come, old ones stay.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use veriroot::coverage::{self, Cover};
use veriroot::finding;
use veriroot::report::{self, Report};
use veriroot::source;

use super::{Json, report_exit_code};

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Verdict<'a> {
    version: u32,
    image: &'a str,
    mode: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    exit_code: u8,
    findings: Vec<Finding<'a>>,
    partitions: Vec<Partition<'a>>,
    image_policy: &'a str,
    demanded: Vec<Demanded<'a>>,
    size: u64,
    layout: Vec<LayoutEntry<'a>>,
    coverage: BTreeMap<&'static str, u64>,
    map: Vec<Region>,
    mirrors_dropped: Vec<Dropped<'a>>,
}

/// A mirror that was tried in vain.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Dropped<'a> {
    name: &'a str,
    reason: &'static str,
    finding: Finding<'a>,
}

/// One decision.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding<'a> {
    id: &'a str,
    stage: &'static str,
    outcome: &'static str,
    subject: &'a str,
    expected: &'a str,
    found: &'a str,
    required_by: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    advice: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Partition<'a> {
    number: u32,
    designator: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<&'a str>,
    blocks_verified: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    filesystem: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Demanded<'a> {
    designator: &'a str,
    uses: &'a str,
    filesystems: &'a str,
    required_by: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LayoutEntry<'a> {
    number: u32,
    designator: Option<&'a str>,
    label: &'a str,
    start: u64,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'a str>,
}

#[derive(Serialize)]
struct Region {
    start: u64,
    size: u64,
    cover: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u32>,
}

/// The version of the object's form.
const VERSION: u32 = 1;

/// The documented form of a report.
pub(super) fn verdict(report: &Report) -> impl Serialize {
    Verdict {
        version: VERSION,
        image: &report.image,
        mode: report.mode,
        verdict: if report.is_accepted() { "accepted" } else { "refused" },
        class: report.refused.map(|it| it.name()),
        exit_code: report_exit_code(report),
        findings: report.findings.iter().map(finding).collect(),
        partitions: report.partitions.iter().map(partition).collect(),
        image_policy: &report.image_policy,
        demanded: report.demanded.iter().map(demanded).collect(),
        size: report.coverage.len(),
        layout: report.layout.iter().map(layout_entry).collect(),
        coverage: Cover::ALL.into_iter().map(|it| (it.name(), report.coverage.bytes(it))).collect(),
        map: report.coverage.regions().iter().map(region).collect(),
        mirrors_dropped: report.dropped.iter().map(dropped).collect(),
    }
}

/// A decision as JSON has it.
pub(super) fn finding(it: &finding::Finding) -> Finding<'_> {
    Finding {
        id: it.id,
        stage: it.stage.name(),
        outcome: it.outcome.name(),
        subject: &it.subject,
        expected: &it.expected,
        found: &it.found,
        required_by: it.required_by.to_string(),
        advice: &it.advice,
    }
}

fn partition(it: &report::PartitionReport) -> Partition<'_> {
    Partition {
        number: it.number,
        designator: it.designator,
        root_hash: it.root_hash.as_deref(),
        signer: it.signer.as_deref(),
        blocks_verified: it.blocks_verified,
        filesystem: it.filesystem,
    }
}

fn demanded(it: &report::Demanded) -> Demanded<'_> {
    Demanded {
        designator: it.designator,
        uses: &it.uses,
        filesystems: &it.filesystems,
        required_by: it.required_by.iter().map(ToString::to_string).collect(),
    }
}

fn layout_entry(it: &report::LayoutEntry) -> LayoutEntry<'_> {
    LayoutEntry {
        number: it.number,
        designator: it.designator,
        label: &it.label,
        start: it.range.offset(),
        size: it.range.len(),
        left_out: it.left_out,
    }
}

fn dropped(it: &source::Dropped) -> Dropped<'_> {
    Dropped { name: &it.name, reason: it.reason.name(), finding: finding(&it.finding) }
}

fn region(it: &coverage::Region) -> Region {
    Region {
        start: it.range.offset(),
        size: it.range.len(),
        cover: it.cover.name(),
        partition: it.partition,
    }
}

/// Prints a value on stdout, ended by a newline.
pub(super) fn print(mode: Json, value: &impl Serialize) -> io::Result<()> {
    let text = match mode {
        Json::Pretty => serde_json::to_string_pretty(value)?,
        Json::Short | Json::Off => serde_json::to_string(value)?,
    };
    writeln!(io::stdout(), "{text}")
}
