// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The grammar of image policies, with the place of every word.
//!
//! **In:** a policy string from a command line or a file. **Out:** its clauses in the order they
//! were written, each word with its byte range. **Refuses:** what systemd 262 refuses too: unknown
//! words, doubled designators, missing `=`; and strings over the limits.
//!
//! systemd.image-policy(7), section "Syntax".

use std::ops::Range;

use super::flags::{Flag, FlagSet, Rule, Switch, Use, UseSet};
use super::parse::{Fault, ParseError};
use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::filesystem::FileSystem;
use crate::limits;

/// What one flag word sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Uses(UseSet),
    ReadOnly(Switch),
    Growfs(Switch),
    FileSystem(FileSystem),
}

/// `DESIGNATOR=FLAGS` as written; no designator makes it the default.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) designator: Option<PartitionDesignator>,
    pub(super) words: Vec<(Word, Range<usize>)>,
    pub(super) span: Range<usize>,
}

impl Clause {
    /// All words together.
    pub(super) fn rule(&self) -> Rule {
        let mut rule = Rule::of(UseSet::EMPTY);
        for (word, _) in &self.words {
            match word {
                Word::Uses(uses) => rule.uses = rule.uses.union(*uses),
                Word::ReadOnly(it) => rule.read_only = add(rule.read_only, *it),
                Word::Growfs(it) => rule.growfs = add(rule.growfs, *it),
                Word::FileSystem(it) => rule.filesystems = add(rule.filesystems, *it),
            }
        }
        rule
    }
}

/// A whole policy as written: `*`, `-`, `~` and the empty string have no clauses, but a default.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) symbol: Option<UseSet>,
    pub(super) clauses: Vec<Clause>,
}

/// Reads a whole policy string.
pub(super) fn read(text: &str) -> Result<Written, ParseError> {
    if text.len() > limits::IMAGE_POLICY {
        let span = limits::IMAGE_POLICY..text.len();
        return Err(ParseError::new(Fault::TooLong { found: text.len() }, span));
    }
    let symbol = match text {
        "" | "-" => Some(UseSet::ignore()),
        "*" => Some(UseSet::open()),
        "~" => Some(FlagSet::from_iter([Use::Absent])),
        _ => None,
    };
    let mut clauses: Vec<Clause> = Vec::new();
    if symbol.is_none() {
        for (part, span) in pieces(text, 0, ':') {
            if clauses.len() == limits::IMAGE_POLICY_CLAUSES {
                return Err(ParseError::new(Fault::TooManyClauses, span));
            }
            let clause = clause(part, span)?;
            if clauses.iter().any(|it| it.designator == clause.designator) {
                let fault = Fault::DuplicateClause { designator: clause.designator };
                return Err(ParseError::new(fault, clause.span));
            }
            clauses.push(clause);
        }
    }
    Ok(Written { symbol, clauses })
}

fn clause(text: &str, span: Range<usize>) -> Result<Clause, ParseError> {
    let Some((name, flags)) = text.split_once('=') else {
        return Err(ParseError::new(Fault::MissingEquals, span));
    };
    let flags_start = span.end.saturating_sub(flags.len());
    let (name, name_span) = stripped(name, span.start);
    let designator = match name {
        "" => None,
        _ => Some(PartitionDesignator::from_name(name).ok_or_else(|| {
            ParseError::new(Fault::UnknownDesignator { name: escape(name) }, name_span)
        })?),
    };
    let mut words = Vec::new();
    let (flags, flags_span) = stripped(flags, flags_start);
    if !matches!(flags, "" | "-") {
        for (part, part_span) in pieces(flags, flags_span.start, '+') {
            let (name, span) = stripped(part, part_span.start);
            let unknown = || {
                let span = if span.is_empty() { flags_span.clone() } else { span.clone() };
                ParseError::new(Fault::UnknownFlag { flag: escape(name) }, span)
            };
            words.push((word(name).ok_or_else(unknown)?, span.clone()));
        }
    }
    Ok(Clause { designator, words, span })
}

fn word(name: &str) -> Option<Word> {
    let one = |it: &Use| it.name() == name;
    Some(match name {
        "open" => Word::Uses(UseSet::open()),
        "ignore" => Word::Uses(UseSet::ignore()),
        "read-only-on" => Word::ReadOnly(Switch::On),
        "read-only-off" => Word::ReadOnly(Switch::Off),
        "growfs-on" => Word::Growfs(Switch::On),
        "growfs-off" => Word::Growfs(Switch::Off),
        _ => match Use::ALL.iter().copied().find(one) {
            Some(it) => Word::Uses(FlagSet::from_iter([it])),
            None => Word::FileSystem(FileSystem::from_name(name)?),
        },
    })
}

/// The pieces between separators, with their byte ranges; empty ones too.
fn pieces(text: &str, start: usize, separator: char) -> Vec<(&str, Range<usize>)> {
    let mut at = start;
    text.split(separator)
        .map(|piece| {
            let end = at.saturating_add(piece.len());
            let span = at..end;
            at = end.saturating_add(separator.len_utf8());
            (piece, span)
        })
        .collect()
}

/// Without the blanks around it that systemd drops.
fn stripped(text: &str, start: usize) -> (&str, Range<usize>) {
    const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];
    let rest = text.trim_start_matches(BLANK);
    let start = start.saturating_add(text.len().saturating_sub(rest.len()));
    let inner = rest.trim_end_matches(BLANK);
    (inner, start..start.saturating_add(inner.len()))
}

fn add<F: Flag>(set: FlagSet<F>, flag: F) -> FlagSet<F> {
    set.union(FlagSet::from_iter([flag]))
}
