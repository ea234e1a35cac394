// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! SARIF 2.1.0: one form for audits and for the lints of policies.
//!
//! **In:** rules and results; reports. **Out:** a log of one run, the same bytes for the same
//! input. **Refuses:** nothing.
//!
//! Static Analysis Results Interchange Format 2.1.0, OASIS. A finding that passed has the kind
//! `pass` and then, by section 3.27.10, the level `none`.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::{Map, Value, json};
use veriroot::finding::{Finding, Outcome};
use veriroot::report::Report;

use super::audit::{Audited, worst};
use super::report_exit_code;

/// The page that says what each finding means: the third column after the id.
const FINDINGS: &str = include_str!("../../docs/findings.md");

/// A log of one run. `run` is what the run has besides its tool.
pub(super) fn log(rules: Vec<Value>, run: Map<String, Value>) -> Value {
    let mut whole = json!({
        "tool": { "driver": {
            "name": "veriroot",
            "version": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        } },
        "columnKind": "unicodeCodePoints",
    });
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(run);
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [whole],
    })
}

/// A rule: its id, and one sentence about all of its results.
pub(super) fn rule(id: &str, about: &str) -> Value {
    json!({ "id": id, "shortDescription": { "text": about } })
}

/// A path as a URI reference (RFC 3986): every byte that could mean something there is encoded.
pub(super) fn uri(path: &Path) -> String {
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "" });
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// Audited images as artifacts, their findings as results.
pub(super) fn audit(audited: &[Audited]) -> Value {
    let findings = || audited.iter().flat_map(|it| &it.report.findings);
    let ids: BTreeSet<&str> = findings().map(|it| it.id).collect();
    let rules = ids.iter().map(|id| rule(id, meaning(id))).collect();
    let artifacts: Vec<Value> = audited.iter().map(artifact).collect();
    let results: Vec<Value> = (0_usize..)
        .zip(audited)
        .flat_map(|(index, it)| it.report.findings.iter().map(move |finding| (index, it, finding)))
        .map(|(index, it, finding)| result(index, it, finding))
        .collect();
    let mut run = Map::new();
    run.insert("artifacts".to_owned(), artifacts.into());
    run.insert("results".to_owned(), results.into());
    let invocation = json!({ "executionSuccessful": true, "exitCode": worst(audited) });
    run.insert("invocations".to_owned(), json!([invocation]));
    log(rules, run)
}

/// What the documentation says a finding means.
fn meaning(id: &str) -> &'static str {
    let mut rows = FINDINGS.lines().map(|line| line.split(" | "));
    let about = rows.find_map(|mut cells| {
        let its = cells.next()?.trim_matches(['|', ' ', '`']);
        if its == id { cells.nth(2) } else { None }
    });
    about.unwrap_or_default()
}

fn artifact(audited: &Audited) -> Value {
    let Report { coverage, .. } = &audited.report;
    let mut artifact = json!({
        "location": { "uri": uri(&audited.path) },
        "roles": ["analysisTarget"],
        "properties": {
            "verdict": if audited.report.is_accepted() { "accepted" } else { "refused" },
            "exit-code": report_exit_code(&audited.report),
        },
    });
    if let (Some(artifact), false) = (artifact.as_object_mut(), coverage.is_empty()) {
        artifact.insert("length".to_owned(), coverage.len().into());
    }
    artifact
}

fn result(index: usize, audited: &Audited, finding: &Finding) -> Value {
    let failed = finding.outcome == Outcome::Failed;
    let (kind, level) = match finding.outcome {
        Outcome::Passed => ("pass", "none"),
        Outcome::Failed => ("fail", "error"),
        Outcome::Noted => ("informational", "none"),
    };
    let mut location = json!({ "artifactLocation": { "uri": uri(&audited.path), "index": index } });
    if let (true, Some(place), Some(location)) =
        (failed, audited.report.place(), location.as_object_mut())
    {
        let region = json!({ "byteOffset": place.offset(), "byteLength": place.len() });
        location.insert("region".to_owned(), region);
    }
    let class = audited.report.refused.filter(|_| failed).map(|it| it.name());
    json!({
        "ruleId": finding.id,
        "kind": kind,
        "level": level,
        "message": { "text": format!("{}: {}", finding.subject, finding.found) },
        "locations": [{ "physicalLocation": location }],
        "properties": {
            "stage": finding.stage.name(),
            "class": class,
            "subject": finding.subject,
            "expected": finding.expected,
            "found": finding.found,
            "required-by": finding.required_by.to_string(),
            "advice": finding.advice,
        },
    })
}
