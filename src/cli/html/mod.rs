// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Reports as one page that needs nothing but a browser.
//!
//! **In:** reports, with text an image may have chosen. **Out:** one file without scripts and
//! without anything from elsewhere; its content security policy allows the style sheet inside it
//! and nothing more. **Refuses:** to write over a file that is not such a page.

mod map;
mod text;

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use data_encoding::BASE64;
use openssl::sha::sha256;
use veriroot::coverage::Cover;
use veriroot::finding::{Finding, Outcome};
use veriroot::report::{Demanded, LayoutEntry, PartitionReport, Report};

use super::audit::Audited;
use super::report_exit_code;
use map::Swatch;
use text::{Exact, Percent, Size, Text};

const STYLE: &str = include_str!("page.css");

/// How every page begins.
const BEGINNING: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
                         <meta name=\"generator\" content=\"veriroot";

/// Writes the page. An image named by mistake must not be lost, so only an earlier page, or
/// nothing at all, is written over.
pub(super) fn write(path: &Path, audited: &[Audited]) -> io::Result<()> {
    let page = page(audited).map_err(io::Error::other)?;
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.is_file() {
        let mut beginning = vec![0; BEGINNING.len()];
        let is_empty = file.metadata()?.len() == 0;
        if !is_empty
            && (file.read_exact(&mut beginning).is_err() || beginning != BEGINNING.as_bytes())
        {
            let kind = io::ErrorKind::AlreadyExists;
            return Err(io::Error::new(kind, "not written over: it is not an earlier page"));
        }
        file.set_len(0)?;
        io::Seek::rewind(&mut file)?;
    }
    file.write_all(page.as_bytes())
}

fn page(audited: &[Audited]) -> Result<String, fmt::Error> {
    let mut out = String::from(BEGINNING);
    let version = env!("CARGO_PKG_VERSION");
    let style = BASE64.encode(&sha256(STYLE.as_bytes()));
    writeln!(
        out,
        " {version}\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{PATTERNS}",
        Text(&title(audited)),
    )?;
    if audited.len() > 1 {
        contents(&mut out, audited)?;
    }
    for (number, it) in (1_usize..).zip(audited) {
        image(&mut out, number, &it.report)?;
    }
    writeln!(
        out,
        "<footer>veriroot {version}, audit. Text from the image is escaped. The same image and the \
         same demands make the same page.</footer>\n</body>\n</html>"
    )?;
    Ok(out)
}

/// Hatching, for standings that are told by colour alone otherwise.
const PATTERNS: &str = "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
<pattern id=\"hatch-unproven\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
patternTransform=\"rotate(45)\"><rect class=\"under\" width=\"7\" height=\"7\"/>\
<rect class=\"over\" width=\"3\" height=\"7\"/></pattern></defs></svg>\n";

fn title(audited: &[Audited]) -> String {
    match audited {
        [one] => format!("{}: {}", verdict(&one.report), one.report.image),
        several => format!("{} images audited", several.len()),
    }
}

fn verdict(report: &Report) -> &'static str {
    if report.is_accepted() { "Accepted" } else { "Refused" }
}

/// What kind of verdict, for the style sheet.
fn tone(report: &Report) -> &'static str {
    if report.is_accepted() { "accepted" } else { "refused" }
}

/// Several images: the verdicts first.
fn contents(out: &mut String, audited: &[Audited]) -> fmt::Result {
    writeln!(
        out,
        "<nav><h1>{} images</h1>\n<table><thead><tr><th>Verdict</th><th>Image</th><th>Class</th>\
         <th class=\"n\">Size</th><th class=\"n\">Signed</th></tr></thead><tbody>",
        audited.len()
    )?;
    for (number, Audited { report, .. }) in (1_usize..).zip(audited) {
        let size = report.coverage.len();
        writeln!(
            out,
            "<tr><td class=\"{}\">{}</td><td><a href=\"#image-{number}\">{}</a></td><td>{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            tone(report),
            verdict(report),
            Text(&report.image),
            report.refused.map_or("", |it| it.name()),
            Size(size),
            Percent(report.coverage.bytes(Cover::Signed), size),
        )?;
    }
    out.push_str("</tbody></table></nav>\n");
    Ok(())
}

fn image(out: &mut String, number: usize, report: &Report) -> fmt::Result {
    writeln!(out, "<main id=\"image-{number}\">")?;
    banner(out, report)?;
    map::write(out, report)?;
    partitions(out, report)?;
    findings(out, report)?;
    policy(out, report)?;
    out.push_str("</main>\n");
    Ok(())
}

fn banner(out: &mut String, report: &Report) -> fmt::Result {
    let kind = report.refused.map_or(String::new(), |class| {
        format!("{}, class {class}, exit code {}", class.verdict(), report_exit_code(report))
    });
    let kind = if report.is_accepted() { "every demand is met".to_owned() } else { kind };
    writeln!(
        out,
        "<header class=\"{}\"><p class=\"verdict\"><strong>{}</strong> {}</p>\n<h1>{}</h1>\n<dl>",
        tone(report),
        verdict(report),
        Text(&kind),
        Text(&report.image),
    )?;
    let failed = report.findings.iter().rev().find(|it| it.outcome == Outcome::Failed);
    if let Some(finding) = failed {
        fact(out, "Stage", &format!("{} ({})", finding.stage, finding.id))?;
        fact(out, "Found", &format!("{}: {}", finding.subject, finding.found))?;
        fact(out, "Demanded", &finding.expected)?;
        fact(out, "By", &finding.required_by.to_string())?;
        fact(out, "To do", &finding.advice)?;
    }
    for partition in &report.partitions {
        signer(out, partition)?;
    }
    for entry in &report.layout {
        opened(out, report, entry)?;
    }
    if !report.coverage.is_empty() {
        let size = report.coverage.len();
        writeln!(
            out,
            "<dt>Image</dt><dd>{} ({} bytes), read as {}</dd>",
            Size(size),
            Exact(size),
            Text(report.mode)
        )?;
    }
    out.push_str("</dl></header>\n");
    Ok(())
}

fn signer(out: &mut String, partition: &PartitionReport) -> fmt::Result {
    let Some(signer) = &partition.signer else { return Ok(()) };
    writeln!(out, "<dt>{}</dt><dd>{}", partition.designator, Text(signer))?;
    if let Some(root_hash) = &partition.root_hash {
        write!(out, "<br>root hash <code>{}</code>", Text(root_hash))?;
    }
    if partition.blocks_verified > 0 {
        let plural = if partition.blocks_verified == 1 { "" } else { "s" };
        write!(out, "<br>{} block{plural} hashed", Exact(partition.blocks_verified))?;
    }
    out.push_str("</dd>\n");
    Ok(())
}

/// A partition that is used without protection: part of the verdict, whatever it is.
fn opened(out: &mut String, report: &Report, entry: &LayoutEntry) -> fmt::Result {
    let bytes = bytes_of(report, entry, Cover::Unprotected);
    let (Some(name), true) = (entry.designator, bytes > 0) else { return Ok(()) };
    let demanded = report.demanded.iter().find(|it| it.designator == name);
    writeln!(
        out,
        "<dt>{name}</dt><dd class=\"open\">used without protection ({} of the image); opened by {}</dd>",
        Percent(bytes, report.coverage.len()),
        Text(&demanded.map(by).unwrap_or_default()),
    )
}

fn by(demanded: &Demanded) -> String {
    demanded.required_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn bytes_of(report: &Report, entry: &LayoutEntry, cover: Cover) -> u64 {
    let regions = report.coverage.regions().iter();
    let its = regions.filter(|it| (it.partition, it.cover) == (Some(entry.number), cover));
    its.map(|it| it.range.len()).fold(0, u64::saturating_add)
}

fn fact(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "<dt>{name}</dt><dd>{}</dd>", Text(value))
}

fn partitions(out: &mut String, report: &Report) -> fmt::Result {
    if report.layout.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Partitions</h2>\n<table><thead><tr><th class=\"n\">No.</th><th>Designator</th>\
         <th>Label</th><th class=\"n\">Start</th><th class=\"n\">Size</th><th>File system</th>\
         <th>Vouched for by</th></tr></thead><tbody>\n",
    );
    for entry in &report.layout {
        let used = report.partitions.iter().find(|it| it.number == entry.number);
        writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td>{}</td><td class=\"any\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            entry.number,
            entry.designator.unwrap_or("-"),
            Text(&entry.label),
            Exact(entry.range.offset()),
            Size(entry.range.len()),
            used.and_then(|it| it.filesystem).unwrap_or(""),
            covers(report, entry)?,
        )?;
    }
    out.push_str("</tbody></table>\n");
    Ok(())
}

/// What vouches for the bytes of one partition.
fn covers(report: &Report, entry: &LayoutEntry) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for cover in Cover::ALL {
        let bytes = bytes_of(report, entry, cover);
        if bytes > 0 {
            write!(out, "<span class=\"part\">{} {cover} {}</span>", Swatch(cover), Size(bytes))?;
        }
    }
    if let Some(why) = entry.left_out {
        write!(out, "<span class=\"part why\">{}</span>", Text(why))?;
    }
    Ok(out)
}

fn findings(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str(
        "<h2>Decisions</h2>\n<table><thead><tr><th>Outcome</th><th>Id</th><th>Subject</th>\
         <th>Found</th><th>Demanded</th><th>By</th></tr></thead><tbody>\n",
    );
    for finding in &report.findings {
        let Finding { id, outcome, subject, expected, found, required_by, .. } = finding;
        writeln!(
            out,
            "<tr><td class=\"{outcome}\">{outcome}</td><td><code class=\"id\">{id}</code></td>\
             <td class=\"any\">{}</td><td class=\"any\">{}</td><td>{}</td><td class=\"any by\">{}</td></tr>",
            Text(subject),
            Text(found),
            Text(expected),
            Text(&required_by.to_string()),
            outcome = outcome.name(),
        )?;
    }
    out.push_str("</tbody></table>\n");
    Ok(())
}

fn policy(out: &mut String, report: &Report) -> fmt::Result {
    if report.image_policy.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Policy</h2>\n<p><code>{}</code></p>\n<table><thead><tr><th>Partition</th>\
         <th>May be used as</th><th>File systems</th><th>Demanded by</th></tr></thead><tbody>",
        Text(&report.image_policy)
    )?;
    for demanded in &report.demanded {
        writeln!(
            out,
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            demanded.designator,
            Text(&demanded.uses),
            Text(&demanded.filesystems.replace('+', ", ")),
            Text(&by(demanded)),
        )?;
    }
    out.push_str("</tbody></table>\n<p class=\"note\">Every other partition is ignored.</p>\n");
    Ok(())
}
