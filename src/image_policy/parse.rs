// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The strict reading, which is the only one that decides anything.
//!
//! **In:** a policy string. **Out:** an [`ImagePolicy`] that says for every partition what it may
//! be used as, and that some image can meet.
//! **Refuses:** beyond the grammar, every place where systemd reads a mistake as "open" or as
//! something no image can be: no use flag, a flag said twice, clauses that exclude each other,
//! characters nobody types on purpose.

use std::ops::Range;

use thiserror::Error;

use super::flags::UseSet;
use super::syntax::{self, Clause, Word, Written};
use super::{ImagePolicy, Impossible, Unmet};
use crate::designator::PartitionDesignator;
use crate::limits;

/// Why a string is not a policy, and which bytes of it are to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fault} (byte {} of the policy)", span.start)]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// Byte range of the culprit within the string. May be empty where something is missing.
    pub span: Range<usize>,
}

impl ParseError {
    pub(super) fn new(fault: Fault, span: Range<usize>) -> Self {
        Self { fault, span }
    }
}

/// What is wrong with a policy string. Texts are already escaped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// A character that is neither printable ASCII nor wanted: look-alikes, tabs, line ends.
    #[error("character {} is not part of any policy", .0.escape_unicode())]
    Character(char),
    /// The same designator, or the default, a second time.
    #[error("{} a second time", .designator.map_or("default clause", PartitionDesignator::name))]
    DuplicateClause {
        /// Which; `None` is the default clause.
        designator: Option<PartitionDesignator>,
    },
    /// A flag that another flag of the clause already says.
    #[error("flag already said in this clause")]
    DuplicateFlag,
    /// No image can meet it.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// A clause without `=`.
    #[error("clause without \"=\"")]
    MissingEquals,
    /// A clause that does not say what the partition may be used as. systemd reads it as "open".
    #[error("clause without a use flag (verity, signed, encrypted, …, unused, absent)")]
    NoUse,
    /// More bytes than [`limits::IMAGE_POLICY`].
    #[error("{found} bytes, more than the limit of {}", limits::IMAGE_POLICY)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// More clauses than there are designators and a default.
    #[error("more than {} clauses", limits::IMAGE_POLICY_CLAUSES)]
    TooManyClauses,
    /// A designator off the list.
    #[error("unknown designator \"{name}\"")]
    UnknownDesignator {
        /// As written.
        name: String,
    },
    /// A flag off the list.
    #[error("unknown flag \"{flag}\"")]
    UnknownFlag {
        /// As written.
        flag: String,
    },
}

impl ImagePolicy {
    /// Reads a policy in the strict dialect.
    ///
    /// # Errors
    /// [`ParseError`] with the byte range of the culprit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() <= limits::IMAGE_POLICY
            && let Some((at, c)) = foreign(text)
        {
            let span = at..at.saturating_add(c.len_utf8());
            return Err(ParseError::new(Fault::Character(c), span));
        }
        let written = syntax::read(text)?;
        for clause in &written.clauses {
            complete(clause)?;
        }
        let policy = Self::from_written(&written);
        match policy.possible() {
            Ok(()) => Ok(policy),
            Err(impossible) => {
                let span =
                    culprit(&written, &impossible).map_or(0..text.len(), |it| it.span.clone());
                Err(ParseError::new(Fault::Impossible(impossible), span))
            }
        }
    }

    pub(super) fn from_written(written: &Written) -> Self {
        let mut policy = Self::of(written.symbol.unwrap_or(UseSet::ignore()));
        for clause in &written.clauses {
            match clause.designator {
                None => policy.default = clause.rule(),
                Some(designator) => {
                    policy.clauses.insert(designator, clause.rule());
                }
            }
        }
        policy
    }
}

/// Every clause says a use, and nothing twice.
fn complete(clause: &Clause) -> Result<(), ParseError> {
    if clause.rule().uses.is_empty() {
        return Err(ParseError::new(Fault::NoUse, clause.span.clone()));
    }
    match duplicates(clause).next() {
        Some(span) => Err(ParseError::new(Fault::DuplicateFlag, span)),
        None => Ok(()),
    }
}

/// Flags that an earlier flag of the clause already says.
pub(super) fn duplicates(clause: &Clause) -> impl Iterator<Item = Range<usize>> {
    clause.words.iter().enumerate().filter_map(|(index, (word, span))| {
        let mut earlier = clause.words.iter().take(index);
        earlier.any(|(it, _)| overlaps(*it, *word)).then(|| span.clone())
    })
}

/// The first character that is neither a blank nor printable ASCII.
pub(super) fn foreign(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, c)| !matches!(c, ' '..='~'))
}

fn overlaps(a: Word, b: Word) -> bool {
    match (a, b) {
        (Word::Uses(a), Word::Uses(b)) => !a.intersection(b).is_empty(),
        _ => a == b,
    }
}

/// The clause to blame: the partition's own, else its partner's, else the default.
pub(super) fn culprit<'a>(written: &'a Written, impossible: &Impossible) -> Option<&'a Clause> {
    let of = |designator| written.clauses.iter().find(|it| it.designator == designator);
    let with = match impossible.unmet {
        Unmet::Contradiction { with } => of(Some(with)),
        Unmet::NoUse => None,
    };
    with.or_else(|| of(Some(impossible.designator))).or_else(|| of(None))
}
