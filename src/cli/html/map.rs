// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The map: every byte of an image, coloured by what vouches for it.
//!
//! **In:** a report. **Out:** two drawings of the same regions, one in proportion and one in which
//! small regions can be seen, a legend with the sums, and the regions as a table.
//! **Refuses:** nothing.

use std::fmt::{self, Write};

use veriroot::coverage::{Cover, Region};
use veriroot::report::Report;

use super::text::{Along, Exact, Percent, Size, Text};

/// The whole section.
pub(super) fn write(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str("<h2>What vouches for each byte</h2>\n");
    if report.coverage.is_empty() {
        out.push_str("<p>No byte was read.</p>\n");
        return Ok(());
    }
    let regions = report.coverage.regions();
    let size = report.coverage.len();
    out.push_str(
        "<figure><figcaption>In proportion</figcaption>\n<svg class=\"bar\" height=\"44\">\n",
    );
    regions_beside(
        out,
        report,
        &regions.iter().map(|it| (*it, it.range.len())).collect::<Vec<_>>(),
    )?;
    out.push_str("</svg>\n<p class=\"scale\">");
    for quarter in 0..=4_u64 {
        let at = u128::from(size).saturating_mul(u128::from(quarter)).div_euclid(4);
        write!(out, "<span>{}</span>", Size(u64::try_from(at).unwrap_or(size)))?;
    }
    out.push_str(MAGNIFIED);
    let magnified: Vec<_> = regions.iter().map(|it| (*it, weight(it))).collect();
    regions_beside(out, report, &magnified)?;
    partitions_below(out, &magnified)?;
    out.push_str("</svg></figure>\n");
    legend(out, report)?;
    table(out, report)
}

/// Between the two drawings.
const MAGNIFIED: &str = "</p></figure>\n<figure><figcaption>Magnified: the same regions in the same \
                         order, each as wide as the logarithm of its size; numbers are partitions\
                         </figcaption>\n<svg class=\"bar\" height=\"68\">\n";

/// Grows with the logarithm of the size, and is never so small that a region can't be seen.
fn weight(region: &Region) -> u64 {
    let doublings = region.range.len().checked_ilog2().unwrap_or_default();
    u64::from(doublings.saturating_sub(8).max(1)).saturating_add(1)
}

/// Regions of these widths beside each other.
fn regions_beside(out: &mut String, report: &Report, regions: &[(Region, u64)]) -> fmt::Result {
    let total = sum(regions);
    let mut at: u64 = 0;
    for (region, width) in regions {
        writeln!(
            out,
            "<rect class=\"{}\" x=\"{}\" width=\"{}\" height=\"44\"><title>{}</title></rect>",
            region.cover,
            Along(at, total),
            Along(*width, total),
            Text(&described(report, region)),
        )?;
        at = at.saturating_add(*width);
    }
    Ok(())
}

/// Below them, the partitions they are in.
fn partitions_below(out: &mut String, regions: &[(Region, u64)]) -> fmt::Result {
    let total = sum(regions);
    let mut at: u64 = 0;
    for same in regions.chunk_by(|(one, _), (next, _)| one.partition == next.partition) {
        let width = sum(same);
        if let Some(number) = same.first().and_then(|(region, _)| region.partition) {
            bracket(out, (at, width, total), number)?;
        }
        at = at.saturating_add(width);
    }
    Ok(())
}

fn sum(regions: &[(Region, u64)]) -> u64 {
    regions.iter().map(|(_, width)| *width).fold(0, u64::saturating_add)
}

/// A partition's line, and its number where there is room for one.
fn bracket(out: &mut String, (at, width, total): (u64, u64, u64), number: u32) -> fmt::Result {
    let end = at.saturating_add(width);
    let (start, end) = (Along(at, total), Along(end, total));
    writeln!(out, "<line x1=\"{start}\" x2=\"{end}\" y1=\"48.5\" y2=\"48.5\"/>")?;
    writeln!(out, "<line x1=\"{start}\" x2=\"{start}\" y1=\"46\" y2=\"51\"/>")?;
    writeln!(out, "<line x1=\"{end}\" x2=\"{end}\" y1=\"46\" y2=\"51\"/>")?;
    if width.saturating_mul(60) > total {
        let middle = Along(at.saturating_mul(2).saturating_add(width), total.saturating_mul(2));
        writeln!(out, "<text x=\"{middle}\" y=\"64\">{number}</text>")?;
    }
    Ok(())
}

fn described(report: &Report, region: &Region) -> String {
    let mut text =
        format!("{}: {} bytes from {}", region.cover, region.range.len(), region.range.offset());
    if let Some(entry) = report.layout.iter().find(|it| Some(it.number) == region.partition) {
        text.push_str(&format!(
            ", partition {} {} \"{}\"",
            entry.number,
            entry.designator.unwrap_or("of no designator"),
            entry.label
        ));
    }
    text
}

fn legend(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str("<table class=\"legend\"><tbody>\n");
    for cover in Cover::ALL {
        let bytes = report.coverage.bytes(cover);
        if bytes == 0 && matches!(cover, Cover::Unproven | Cover::Contradicted) {
            continue;
        }
        writeln!(
            out,
            "<tr{}><td>{}</td><th>{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"w\">{}</td></tr>",
            if bytes == 0 { " class=\"none\"" } else { "" },
            Swatch(cover),
            cover,
            Percent(bytes, report.coverage.len()),
            Size(bytes),
            Exact(bytes),
            meaning(cover),
        )?;
    }
    out.push_str("</tbody></table>\n");
    Ok(())
}

/// A square in the colour of the map.
pub(super) struct Swatch(pub(super) Cover);

impl fmt::Display for Swatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<svg class=\"swatch\" width=\"14\" height=\"14\" aria-hidden=\"true\">\
             <rect class=\"{}\" width=\"14\" height=\"14\"/></svg>",
            self.0
        )
    }
}

fn meaning(cover: Cover) -> &'static str {
    match cover {
        Cover::Signed => {
            "data, hashed: a trusted key signed (or a trusted pin names) its root hash"
        }
        Cover::Tree => "the hash tree of such data, hashed up to that root hash",
        Cover::Structural => {
            "tables, superblocks, signatures: read strictly, never taken at their word"
        }
        Cover::Unprotected => "used without protection, because the policy says so",
        Cover::Unused => "partitions that are not used",
        Cover::Unreferenced => "in no partition, or behind what is used of one: never mapped",
        Cover::Unproven => "unknown: the image was refused before anything vouched for it",
        Cover::Contradicted => "not what the signed root hash means",
    }
}

fn table(out: &mut String, report: &Report) -> fmt::Result {
    let regions = report.coverage.regions();
    writeln!(
        out,
        "<details><summary>All {} regions, byte by byte</summary>\n<table><thead><tr><th></th>\
         <th>Vouched for by</th><th class=\"n\">First byte</th><th class=\"n\">Last byte</th>\
         <th class=\"n\">Bytes</th><th class=\"n\">Share</th><th class=\"n\">Partition</th></tr></thead><tbody>",
        regions.len()
    )?;
    for Region { range, cover, partition } in regions {
        let number = partition.map_or(String::new(), |it| it.to_string());
        writeln!(
            out,
            "<tr><td>{}</td><td>{cover}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{number}</td></tr>",
            Swatch(*cover),
            Exact(range.offset()),
            Exact(range.end().saturating_sub(1)),
            Exact(range.len()),
            Percent(range.len(), report.coverage.len()),
        )?;
    }
    out.push_str("</tbody></table></details>\n");
    Ok(())
}
