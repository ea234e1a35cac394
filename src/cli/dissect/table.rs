// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A dissected image as a table.
//!
//! **In:** rows, whose texts are escaped. **Out:** aligned lines; UUIDs where the terminal is wide
//! enough for them. **Refuses:** nothing.

use veriroot::designator::PartitionDesignator;
use veriroot::dissect::Dissected;

use super::rows::{Pairing, Part, Row};

/// Columns of a label: shown at least, and at most.
const LABEL: std::ops::RangeInclusive<usize> = 7..=26;

/// What holds for everything in the table.
const CLAIMS: &str = "unauthenticated: what follows is what the image says of itself";

pub(super) fn table(image: &str, dissected: &Dissected, rows: &[Row], width: usize) -> String {
    let mut out = format!("{image}: {}", size(dissected.length()));
    match dissected.table() {
        Some(table) => out.push_str(&format!(", GPT, sectors of {} bytes", table.sector_size)),
        None => out.push_str(", no partition table, one file system"),
    }
    if let Some(architecture) =
        rows.iter().find_map(|it| it.architecture.filter(|_| it.note.is_none()))
    {
        out.push_str(&format!(", for {architecture}"));
    }
    if let Some(table) = dissected.table() {
        out.push_str(&format!("\ndisk {}", table.disk_guid));
    }
    out.push('\n');
    let sector = dissected.table().map_or(1, |it| it.sector_size.bytes());
    out.push_str(&format!("({CLAIMS})\n\n"));
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| cells(row, sector)));
    out.push_str(&aligned(lines, width));
    for designator in [PartitionDesignator::Root, PartitionDesignator::Usr] {
        if rows.iter().any(|it| it.designator == Some(designator))
            && let Some(Err(error)) = dissected.group(designator)
        {
            out.push_str(&format!("{designator}: {error}\n"));
        }
    }
    out
}

/// The columns. `START` counts sectors.
const HEAD: [&str; 8] = ["#", "DESIGNATOR", "START", "SIZE", "CONTENT", "FLAGS", "LABEL", "UUID"];

/// Columns that hold numbers: they end where the others begin.
const NUMBERS: [usize; 3] = [0, 2, 3];

/// The column that is cut where there is no room for it, and the one that is left out.
const CUT: usize = 6;
const OPTIONAL: usize = 7;

fn cells(row: &Row, sector: u64) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        or_dash(row.number.map(|it| it.to_string())),
        or_dash(row.designator.map(|it| it.to_string())),
        row.start.checked_div(sector).unwrap_or_default().to_string(),
        size(row.size),
        content(row),
        flags(row),
        row.label.clone(),
        or_dash(row.uuid.map(|it| it.to_string())),
    ]
}

fn content(row: &Row) -> String {
    let mut parts = Vec::new();
    parts.extend(row.filesystem.map(str::to_owned));
    if let Some(Pairing { part, data, hash, signature }) = row.pairing {
        parts.push(match part {
            Part::HashTree => format!("hash tree of {data}"),
            Part::Signature => format!("signature of {data}"),
            Part::Data => {
                let number = |it: Option<u32>| it.map_or("none".to_owned(), |it| it.to_string());
                format!("tree {}, sig {}", number(hash), number(signature))
            }
        });
    }
    parts.extend(row.note.as_ref().map(|note| format!("[{note}]")));
    if parts.is_empty() { "?".to_owned() } else { parts.join(", ") }
}

fn flags(row: &Row) -> String {
    match (row.read_only, row.growfs) {
        (true, true) => "ro grow",
        (true, false) => "ro",
        (false, true) => "grow",
        (false, false) => "-",
    }
    .to_owned()
}

/// Cuts a label to so many columns. It is escaped, so every character is one byte.
fn cut(label: &str, columns: usize) -> String {
    match label.get(..columns.saturating_sub(1)) {
        Some(start) if label.len() > columns => format!("{start}~"),
        _ => label.to_owned(),
    }
}

/// A size in the largest binary unit that leaves it at 1 or more, cut to a tenth.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = units.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    let whole = bytes >> shift;
    let rest = bytes.saturating_sub(whole << shift);
    format!("{whole}.{} {unit}", rest.saturating_mul(10) >> shift)
}

fn aligned(mut lines: Vec<Vec<String>>, width: usize) -> String {
    let widest = |lines: &[Vec<String>], column: usize| {
        lines.iter().filter_map(|it| it.get(column)).map(String::len).max().unwrap_or_default()
    };
    // Two blanks between columns.
    let needed = |lines: &[Vec<String>], columns: usize| {
        (0..columns).map(|it| widest(lines, it).saturating_add(2)).sum::<usize>().saturating_sub(2)
    };
    let room = width.saturating_sub(needed(&lines, CUT)).saturating_sub(2);
    for label in lines.iter_mut().filter_map(|it| it.get_mut(CUT)) {
        *label = cut(label, room.clamp(*LABEL.start(), *LABEL.end()));
    }
    let shown = if needed(&lines, HEAD.len()) <= width { HEAD.len() } else { OPTIONAL };
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (column, cell) in line.iter().take(shown).enumerate() {
            let width = widest(&lines, column);
            if NUMBERS.contains(&column) {
                text.push_str(&format!("{cell:>width$}  "));
            } else {
                text.push_str(&format!("{cell:<width$}  "));
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_cut_and_never_rounded_up() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1048575, "1023.9 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn long_labels_are_cut_and_the_last_column_needs_room() {
        assert_eq!(cut("abcdefg", 7), "abcdefg");
        assert_eq!(cut("abcdefgh", 7), "abcdef~");
        let lines = || vec![HEAD.map(str::to_owned).to_vec()];
        let needed = HEAD.iter().map(|it| it.len() + 2).sum::<usize>() - 2;
        assert!(aligned(lines(), needed).contains("UUID"));
        assert!(!aligned(lines(), needed - 1).contains("UUID"));
    }
}
