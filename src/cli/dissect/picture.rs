// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A picture of the disk in proportion.
//!
//! **In:** where partitions lie. **Out:** a bar, the partitions' numbers under it, a legend.
//! **Refuses:** nothing; a partition too small for a cell gets one all the same.

use std::io::{self, IsTerminal};

use veriroot::sys::terminal;

use super::rows::{Part, Row};
use super::table::size;

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns.
    pub(super) width: usize,
    glyphs: Glyphs,
    paint: Paint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glyphs {
    Ascii,
    Blocks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Colours,
    Plain,
}

impl Look {
    /// What stdout can show: colours on a terminal unless `NO_COLOR` is set, blocks if the locale
    /// speaks UTF-8.
    pub(super) fn of_stdout() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let utf8 = locale.to_ascii_lowercase().replace('-', "").ends_with("utf8");
        let colours = io::stdout().is_terminal() && set("NO_COLOR").is_none();
        Self {
            width: terminal::columns(io::stdout()).unwrap_or(80),
            glyphs: if utf8 { Glyphs::Blocks } else { Glyphs::Ascii },
            paint: if colours { Paint::Colours } else { Paint::Plain },
        }
    }
}

/// What a stretch of the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    HashTree,
    Signature,
    /// Never used, whatever the policy.
    Idle,
    /// In no partition.
    Free,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Data, "data"),
        (Self::HashTree, "hash tree"),
        (Self::Signature, "signature"),
        (Self::Idle, "not used"),
        (Self::Free, "no partition"),
    ];

    fn of(row: &Row) -> Self {
        match row.pairing.map(|it| it.part) {
            Some(Part::HashTree) => Self::HashTree,
            Some(Part::Signature) => Self::Signature,
            Some(Part::Data) => Self::Data,
            None if row.filesystem.is_some() => Self::Data,
            None => Self::Idle,
        }
    }

    fn glyph(self, glyphs: Glyphs) -> char {
        let (ascii, block) = match self {
            Self::Data => ('#', '\u{2588}'),
            Self::HashTree => ('=', '\u{2593}'),
            Self::Signature => ('+', '\u{2592}'),
            Self::Idle => ('-', '\u{2591}'),
            Self::Free => ('.', '\u{b7}'),
        };
        if glyphs == Glyphs::Ascii { ascii } else { block }
    }

    /// Select Graphic Rendition of ECMA-48.
    fn colour(self) -> &'static str {
        match self {
            Self::Data => "32",
            Self::HashTree => "36",
            Self::Signature => "35",
            Self::Idle => "33",
            Self::Free => "2",
        }
    }
}

/// A stretch of the disk: what, which partition, bytes.
type Stretch = (Kind, Option<u32>, u64);

pub(super) fn picture(length: u64, rows: &[Row], look: &Look) -> String {
    // A bracket and a blank on both sides.
    let room = look.width.saturating_sub(4);
    let stretches = stretches(length, rows);
    let bytes: Vec<(u64, usize)> = stretches
        .iter()
        .map(|(kind, _, bytes)| (*bytes, usize::from(*kind != Kind::Free)))
        .collect();
    let cells = shares(&bytes, room);
    let (mut bar, mut numbers) = (String::new(), String::new());
    let mut column = 0_usize;
    for ((kind, number, _), cells) in stretches.iter().zip(&cells) {
        bar.push_str(&stretch(*kind, *cells, look));
        if let Some(number) = number.map(|it| it.to_string())
            && numbers.len() <= column
            && (number.len() <= *cells || numbers.len() < column || column == 0)
        {
            numbers.push_str(&" ".repeat(column.saturating_sub(numbers.len())));
            numbers.push_str(&number);
        }
        column = column.saturating_add(*cells);
    }
    let legend = Kind::ALL.into_iter().filter(|(kind, _)| stretches.iter().any(|it| it.0 == *kind));
    let legend: Vec<String> =
        legend.map(|(kind, name)| format!("{} {name}", stretch(kind, 1, look))).collect();
    let each = length.checked_div(u64::try_from(room).unwrap_or(u64::MAX)).unwrap_or_default();
    if !numbers.is_empty() {
        numbers = format!("  {numbers}\n");
    }
    format!(
        "\n [{bar}]\n{numbers}  {}\n  a cell is {}; every partition has one at least\n",
        legend.join(", "),
        size(each)
    )
}

/// Cells of one kind; the last of several is narrower, so that neighbours stay apart.
fn stretch(kind: Kind, cells: usize, look: &Look) -> String {
    if cells == 0 {
        return String::new();
    }
    let mut text: String = std::iter::repeat_n(kind.glyph(look.glyphs), cells).collect();
    if cells > 1 && kind != Kind::Free {
        text.pop();
        text.push(if look.glyphs == Glyphs::Ascii { '|' } else { '\u{258c}' });
    }
    match look.paint {
        Paint::Plain => text,
        Paint::Colours => format!("\x1b[{}m{text}\x1b[0m", kind.colour()),
    }
}

/// Partitions in the order of their places, and what lies between them.
fn stretches(length: u64, rows: &[Row]) -> Vec<Stretch> {
    let mut by_place: Vec<&Row> = rows.iter().collect();
    by_place.sort_by_key(|row| row.start);
    let (mut stretches, mut at) = (Vec::new(), 0_u64);
    for row in by_place {
        if row.start > at {
            stretches.push((Kind::Free, None, row.start.saturating_sub(at)));
        }
        stretches.push((Kind::of(row), row.number, row.size));
        at = row.start.saturating_add(row.size);
    }
    if length > at {
        stretches.push((Kind::Free, None, length.saturating_sub(at)));
    }
    stretches
}

/// Shares `cells` out in proportion to `parts`, each of which gets its minimum; more cells only if
/// the minima alone need more.
fn shares(parts: &[(u64, usize)], cells: usize) -> Vec<usize> {
    let total = parts.iter().map(|(bytes, _)| u128::from(*bytes)).sum::<u128>().max(1);
    let wide = |cells: usize| u128::try_from(cells).unwrap_or(u128::MAX);
    let product = |bytes: u64| u128::from(bytes).saturating_mul(wide(cells));
    let fair = |bytes: u64| {
        usize::try_from(product(bytes).checked_div(total).unwrap_or_default()).unwrap_or(cells)
    };
    let mut shares: Vec<usize> =
        parts.iter().map(|(bytes, least)| fair(*bytes).max(*least)).collect();
    loop {
        let sum: usize = shares.iter().sum();
        // How far a share is above what is fair, in bytes times cells.
        let above = |at: &usize| {
            let (share, bytes) = (shares.get(*at).copied(), parts.get(*at).map(|it| it.0));
            let held = wide(share.unwrap_or_default()).saturating_mul(total);
            i128::try_from(held).unwrap_or(i128::MAX).saturating_sub(
                i128::try_from(product(bytes.unwrap_or_default())).unwrap_or(i128::MAX),
            )
        };
        let all = 0..shares.len();
        let shrinks = |at: &usize| {
            shares.get(*at).zip(parts.get(*at)).is_some_and(|(it, (_, least))| it > least)
        };
        let change = match sum.cmp(&cells) {
            std::cmp::Ordering::Less => all.min_by_key(above).map(|at| (at, 1)),
            std::cmp::Ordering::Greater => all.filter(shrinks).max_by_key(above).map(|at| (at, -1)),
            std::cmp::Ordering::Equal => None,
        };
        let Some((at, by)) = change else { return shares };
        if let Some(share) = shares.get_mut(at) {
            *share = share.saturating_add_signed(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_a_cell_and_the_line_is_full() {
        for (parts, cells, expected) in [
            (vec![(50, 1), (50, 1)], 10, vec![5, 5]),
            (vec![(1, 1), (999, 1)], 10, vec![1, 9]),
            (vec![(1, 0), (999, 1), (1, 0)], 10, vec![0, 10, 0]),
            (vec![(1, 1), (1, 1), (1, 1), (1000, 1)], 10, vec![1, 1, 1, 7]),
            (vec![(1, 1), (1, 1), (1, 1)], 2, vec![1, 1, 1]),
            (vec![(1, 1), (1, 1), (1, 1)], 10, vec![4, 3, 3]),
            (vec![], 10, vec![]),
        ] {
            assert_eq!(shares(&parts, cells), expected, "{parts:?}");
        }
        let huge = shares(&[(u64::MAX, 1), (u64::MAX, 1), (1, 1)], 76);
        assert_eq!(huge.iter().sum::<usize>(), 76);
    }

    #[test]
    fn neighbours_stay_apart_and_plain_text_has_no_colours() {
        let look = Look { width: 80, glyphs: Glyphs::Ascii, paint: Paint::Plain };
        assert_eq!(stretch(Kind::Data, 3, &look), "##|");
        assert_eq!(stretch(Kind::Data, 1, &look), "#");
        assert_eq!(stretch(Kind::Free, 2, &look), "..");
        assert_eq!(stretch(Kind::Data, 0, &look), "");
        let colours = Look { paint: Paint::Colours, ..look };
        assert_eq!(stretch(Kind::Data, 1, &colours), "\x1b[32m#\x1b[0m");
    }
}
