// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports as JSON: a contract, documented in docs/audit-json.md.
//!
//! **In:** a report. **Out:** one object on stdout. **Refuses:** nothing; new keys may come, old
//! ones stay.

use std::io::{self, Write};

use serde::Serialize;
use veriroot::report::Report;

use super::Json;

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

/// The version of the object's form.
const VERSION: u32 = 1;

fn verdict(report: &Report) -> Verdict<'_> {
    Verdict {
        version: VERSION,
        image: &report.image,
        mode: report.mode,
        verdict: if report.refused.is_some() { "refused" } else { "accepted" },
        class: report.refused.map(|it| it.name()),
        exit_code: report.refused.map_or(0, |it| it.exit_code()),
        findings: report.findings.iter().map(finding).collect(),
        partitions: report
            .partitions
            .iter()
            .map(|it| Partition {
                number: it.number,
                designator: it.designator,
                root_hash: it.root_hash.as_deref(),
                signer: it.signer.as_deref(),
                blocks_verified: it.blocks_verified,
                filesystem: it.filesystem,
            })
            .collect(),
    }
}

/// A decision as JSON has it.
pub(super) fn finding(it: &veriroot::finding::Finding) -> Finding<'_> {
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

/// Prints the report on one line.
pub(super) fn write_short(report: &Report) -> io::Result<()> {
    write(&verdict(report), Json::Short)
}

/// Prints the report indented.
pub(super) fn write_pretty(report: &Report) -> io::Result<()> {
    write(&verdict(report), Json::Pretty)
}

/// Prints one object.
pub(super) fn write(value: &impl Serialize, format: Json) -> io::Result<()> {
    let text = match format {
        Json::Off => return Ok(()),
        Json::Pretty => serde_json::to_string_pretty(value)?,
        Json::Short => serde_json::to_string(value)?,
    };
    writeln!(io::stdout(), "{text}")
}
