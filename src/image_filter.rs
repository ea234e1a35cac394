// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Image filters: which partitions are looked at, by their labels.
//!
//! **In:** `DESIGNATOR=GLOB(:DESIGNATOR=GLOB)*` from the kernel command line or a program option.
//! **Out:** an [`ImageFilter`]. It only takes candidates away: what is left is judged as ever.
//! **Refuses:** what systemd refuses, and what would have to be guessed: quotes, backslashes,
//! empty globs, brackets that are not closed or go backwards, character classes.
//!
//! `systemd.image_filter=` of systemd 262. Globs are those of fnmatch(3) with `FNM_NOESCAPE` alone:
//! `*` and `?` match every character, `/` and a leading dot too. One glob speaks of one designator:
//! filtering root does not filter root-verity.

use std::collections::BTreeMap;

use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::limits;

/// A glob for each designator that has one. The default filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilter {
    globs: BTreeMap<PartitionDesignator, Vec<Token>>,
}

/// Why a string is no image filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum FilterError {
    #[error("\"{glob}\" has a bracket that is not closed, goes backwards or names a class")]
    Bracket { glob: String },
    #[error("{designator} has two globs")]
    Duplicate { designator: PartitionDesignator },
    #[error("an empty filter")]
    Empty,
    #[error("{designator} has an empty glob")]
    EmptyGlob { designator: PartitionDesignator },
    #[error("\"{clause}\" is not DESIGNATOR=GLOB")]
    Equals { clause: String },
    #[error("a filter of {found} bytes, at most {} are read", limits::IMAGE_FILTER)]
    TooLong { found: usize },
    #[error("there are no quotes and backslashes in filters, but here is a {found}")]
    Quote { found: char },
    #[error("unknown designator \"{name}\"")]
    UnknownDesignator { name: String },
}

/// One step of a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    /// The character itself.
    Literal(char),
    /// `[a-z]`, `[!a-z]`
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl ImageFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// A [`FilterError`] that quotes what is wrong.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if text.len() > limits::IMAGE_FILTER {
            return Err(FilterError::TooLong { found: text.len() });
        }
        // systemd unquotes a filter once more after the command line was unquoted.
        if let Some(found) = text.chars().find(|it| ['"', '\'', '\\'].contains(it)) {
            return Err(FilterError::Quote { found });
        }
        let mut globs = BTreeMap::new();
        for clause in text.split(':') {
            let equals = || FilterError::Equals { clause: escape(clause) };
            let (name, glob) = clause.split_once('=').ok_or_else(equals)?;
            if glob.contains('=') {
                return Err(equals());
            }
            let designator = PartitionDesignator::from_name(name)
                .ok_or_else(|| FilterError::UnknownDesignator { name: escape(name) })?;
            if glob.is_empty() {
                return Err(FilterError::EmptyGlob { designator });
            }
            let tokens = tokens(glob).ok_or_else(|| FilterError::Bracket { glob: escape(glob) })?;
            if globs.insert(designator, tokens).is_some() {
                return Err(FilterError::Duplicate { designator });
            }
        }
        Ok(Self { globs })
    }

    /// Whether a partition of that label may be a candidate for `designator`.
    #[must_use]
    pub fn admits(&self, designator: PartitionDesignator, label: &str) -> bool {
        self.globs.get(&designator).is_none_or(|glob| matches(glob, label))
    }
}

fn tokens(glob: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = glob.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => set(&mut rest)?,
            c => Token::Literal(c),
        });
    }
    Some(tokens)
}

/// What follows a `[`, up to its `]`: as first member that bracket stands for itself.
fn set(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut next = rest.next()?;
    let negated = ['!', '^'].contains(&next);
    if negated {
        next = rest.next()?;
    }
    let mut ranges = Vec::new();
    loop {
        if next == '[' && rest.as_str().starts_with([':', '.', '=']) {
            return None;
        }
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            // A bracket as the end of a range would begin a collating symbol.
            (Some('-'), Some('[')) => return None,
            (Some('-'), Some(last)) if last != ']' => {
                *rest = ahead;
                last
            }
            _ => next,
        };
        if last < next {
            return None;
        }
        ranges.push((next, last));
        next = rest.next()?;
        if next == ']' {
            return Some(Token::Set { negated, ranges });
        }
    }
}

/// Whether the whole label matches. Time is bounded by the product of the two lengths: only the
/// last `*` is ever tried again.
fn matches(glob: &[Token], label: &str) -> bool {
    let label: Vec<char> = label.chars().collect();
    let (mut at, mut token) = (0_usize, 0_usize);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match (glob.get(token), label.get(at)) {
            (None, None) => return true,
            (Some(Token::Any), _) => {
                token = token.saturating_add(1);
                retry = Some((token, at));
                continue;
            }
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Literal(wanted)), Some(c)) => wanted == c,
            (Some(Token::Set { negated, ranges }), Some(c)) => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&c)) != *negated
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        if step {
            (token, at) = (token.saturating_add(1), at.saturating_add(1));
            continue;
        }
        // The last star takes one character more, if there is one.
        match retry {
            Some((after, start)) if start < label.len() => {
                let start = start.saturating_add(1);
                (token, at, retry) = (after, start, Some((after, start)));
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PartitionDesignator::{Root, RootVerity, Usr};

    #[test]
    fn a_filter_speaks_of_the_designators_it_names() {
        let filter = ImageFilter::parse("root=fixture_*:usr=u").unwrap();
        assert!(filter.admits(Root, "fixture_1") && !filter.admits(Root, "other"));
        assert!(filter.admits(Usr, "u") && !filter.admits(Usr, "uu"));
        assert!(filter.admits(RootVerity, "whatever"));
        assert!(ImageFilter::default().admits(Root, ""));
    }

    /// What glibc's fnmatch(3) says with `FNM_NOESCAPE` in the C locale.
    #[test]
    fn globs_are_those_of_fnmatch() {
        for (glob, yes, no) in [
            ("abc", vec!["abc"], vec!["", "ab", "abcd", "ABC"]),
            ("*", vec!["", ".hidden", "a/b", "a"], vec![]),
            ("?", vec!["a", "/", "."], vec!["", "ab"]),
            ("a*b*c", vec!["abc", "aXbYc", "abbcc", "abcbc"], vec!["abcd", "acb", "ab"]),
            ("*_?", vec!["x_1", "_1", "a_b_c"], vec!["x_", "x_12"]),
            ("**a", vec!["a", "ba"], vec!["", "ab"]),
            ("[a-c]x", vec!["ax", "cx"], vec!["dx", "x", "-x"]),
            ("[!a-c]x", vec!["dx", "/x"], vec!["ax", "x"]),
            ("[^a]", vec!["b", "^"], vec!["a", ""]),
            ("[]a]", vec!["]", "a"], vec!["b"]),
            ("[!]a]", vec!["b"], vec!["]", "a"]),
            ("[a-]", vec!["a", "-"], vec!["b"]),
            ("[-a]", vec!["a", "-"], vec!["b"]),
            ("[[a]", vec!["[", "a"], vec!["]"]),
            ("[*?]", vec!["*", "?"], vec!["a"]),
            ("a]", vec!["a]"], vec!["a"]),
            (" x ", vec![" x "], vec!["x"]),
        ] {
            let filter = ImageFilter::parse(&format!("root={glob}")).unwrap();
            for label in yes {
                assert!(filter.admits(Root, label), "{glob} {label:?}");
            }
            for label in no {
                assert!(!filter.admits(Root, label), "{glob} {label:?}");
            }
        }
    }

    #[test]
    fn a_mistake_is_never_a_filter() {
        use FilterError as E;
        let bracket = |glob: &str| E::Bracket { glob: glob.to_owned() };
        let equals = |clause: &str| E::Equals { clause: clause.to_owned() };
        let unknown = |name: &str| E::UnknownDesignator { name: name.to_owned() };
        for (text, error) in [
            ("", E::Empty),
            ("root", equals("root")),
            ("root=a:", equals("")),
            (":root=a", equals("")),
            ("root==a", equals("root==a")),
            ("root=a=b", equals("root=a=b")),
            ("root=", E::EmptyGlob { designator: Root }),
            ("=a", unknown("")),
            (" root=a", unknown(" root")),
            ("Root=a", unknown("Root")),
            ("root=a:root=b", E::Duplicate { designator: Root }),
            ("root=\"a\"", E::Quote { found: '"' }),
            ("root='a'", E::Quote { found: '\'' }),
            ("root=a\\*", E::Quote { found: '\\' }),
            ("root=[a", bracket("[a")),
            ("root=[]", bracket("[]")),
            ("root=[!]", bracket("[!]")),
            ("root=[z-a]", bracket("[z-a]")),
            ("root=[[.a.]]", bracket("[[.a.]]")),
            ("root=[+-[.a.]]", bracket("[+-[.a.]]")),
        ] {
            assert_eq!(ImageFilter::parse(text), Err(error), "{text}");
        }
        let long = format!("root={}", "a".repeat(limits::IMAGE_FILTER));
        assert_eq!(ImageFilter::parse(&long), Err(E::TooLong { found: long.len() }));
    }

    #[test]
    fn many_stars_take_no_time() {
        let filter = ImageFilter::parse(&format!("root={}b", "*a".repeat(1000))).unwrap();
        assert!(!filter.admits(Root, &"a".repeat(10_000)));
    }
}
