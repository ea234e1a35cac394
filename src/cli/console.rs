// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports as people read them.
//!
//! **In:** a report, whose texts are escaped already. **Out:** lines of at most 78 columns where
//! words allow. **Refuses:** nothing.

use std::fmt::Write as _;

use veriroot::boot::TransferReport;
use veriroot::finding::{Excerpt, Finding, Outcome};
use veriroot::image_policy::lint::underlined;
use veriroot::report::Report;
use veriroot::source::Dropped;

use super::audit::Audited;

/// Columns of a serial console, less two.
const WIDTH: usize = 78;

/// Columns of the labels on the left.
const INDENT: usize = 11;

/// The whole of an audit: a line for each finding, then the verdict.
pub(super) fn audit(report: &Report) -> String {
    let mut out = format!("{}\n", report.image);
    for finding in report.findings.iter().filter(|it| it.outcome != Outcome::Failed) {
        let text = match finding.outcome {
            Outcome::Noted => format!(
                "{}: {} ({}): {}",
                finding.subject, finding.expected, finding.required_by, finding.found
            ),
            Outcome::Passed | Outcome::Failed => format!("{}: {}", finding.subject, finding.found),
        };
        line(&mut out, &format!("  {}", finding.outcome.name()), &text);
    }
    dropped(&mut out, report);
    match failed(report) {
        Some(finding) => out.push_str(&refusal(report, finding)),
        None if report.is_accepted() => line(&mut out, "ACCEPTED", "every demand is met"),
        None => line(&mut out, "REFUSED", "no verdict was reached"),
    }
    out
}

/// The refusal on one line; empty if there is none.
pub(super) fn line_of(report: &Report) -> String {
    failed(report).map_or(String::new(), |finding| {
        format!("veriroot: {}: {}: {}\n", finding.stage, finding.subject, finding.found)
    })
}

/// Several images in one line.
pub(super) fn audit_summary(audited: &[Audited]) -> String {
    let accepted = audited.iter().filter(|it| it.report.is_accepted()).count();
    let refused = audited.len().saturating_sub(accepted);
    format!("{} images: {accepted} accepted, {refused} refused\n", audited.len())
}

/// A line for each mirror that was tried in vain.
fn dropped(out: &mut String, report: &Report) {
    for Dropped { name, reason, finding } in &report.dropped {
        line(out, "  dropped", &format!("{name} ({reason}): {}: {}", finding.id, finding.found));
    }
}

/// What a boot says when it refuses: what was found, what was demanded, by whom, what to do.
pub(super) fn boot_refusal(
    report: &Report,
    transfers: &[TransferReport],
    stays: &[String],
    then: &str,
) -> String {
    let rule = "=".repeat(WIDTH);
    let mut out = format!("\n{rule}\n");
    if let Some(finding) = failed(report) {
        out.push_str(&refusal(report, finding));
    }
    if report.dropped.len() > 1 {
        dropped(&mut out, report);
    }
    for other in transfers.iter().filter(|it| it.report.is_accepted()) {
        let text =
            format!("{}, verified, and not exposed because of the above", other.report.image);
        line(&mut out, "beside", &text);
    }
    if stays.is_empty() {
        line(&mut out, "exposed", "nothing: no device, no mount, no link");
    } else {
        let text = format!("could not be taken back: {}", stays.join(", "));
        line(&mut out, "exposed", &text);
    }
    line(&mut out, "next", then);
    let _infallible = writeln!(out, "{rule}");
    out
}

/// What a boot says when everything is in its place.
pub(super) fn boot_accepted(transfers: &[TransferReport]) -> String {
    let mut out = String::new();
    for TransferReport { report, .. } in transfers {
        dropped(&mut out, report);
        for partition in &report.partitions {
            let text = format!(
                "{} is partition {} of {}, {}, {} blocks verified, {}",
                partition.designator,
                partition.number,
                report.image,
                partition.filesystem.unwrap_or("unknown"),
                partition.blocks_verified,
                partition.signer.as_deref().unwrap_or("unsigned"),
            );
            line(&mut out, "veriroot:", &text);
        }
        for opened in &report.unprotected {
            line(&mut out, "veriroot:", &format!("UNPROTECTED: nobody vouches for {opened}"));
        }
    }
    out
}

fn failed(report: &Report) -> Option<&Finding> {
    report.findings.iter().rev().find(|it| it.outcome == Outcome::Failed)
}

/// The last refusal: what was found, what was demanded, by whom, what to do.
pub(super) fn refusal(report: &Report, finding: &Finding) -> String {
    let mut out = String::new();
    let verdict = report.refused.map_or(String::new(), |class| {
        format!("{} (class {class}, exit code {})", class.verdict(), class.exit_code())
    });
    line(&mut out, "REFUSED", &verdict);
    if !report.image.is_empty() {
        line(&mut out, "image", &report.image);
    }
    line(&mut out, "stage", &format!("{} ({})", finding.stage, finding.id));
    line(&mut out, "found", &format!("{}: {}", finding.subject, finding.found));
    if let Some(Excerpt { text, span }) = &report.excerpt {
        for marked in underlined(text, span).lines() {
            let _infallible = writeln!(out, "{:INDENT$}{marked}", "");
        }
    }
    line(&mut out, "demanded", &finding.expected);
    line(&mut out, "by", &finding.required_by.to_string());
    line(&mut out, "to do", &finding.advice);
    out
}

/// A label, and text wrapped beside it.
pub(super) fn line(out: &mut String, label: &str, text: &str) {
    let mut column = INDENT;
    let _infallible = write!(out, "{label:<width$}", width = INDENT.saturating_sub(1));
    for word in text.split(' ') {
        let width = word.len().saturating_add(1);
        if column.saturating_add(width) > WIDTH && column > INDENT {
            let _infallible = write!(out, "\n{:width$}", "", width = INDENT.saturating_sub(1));
            column = INDENT;
        }
        let _infallible = write!(out, " {word}");
        column = column.saturating_add(width);
    }
    out.push('\n');
}
