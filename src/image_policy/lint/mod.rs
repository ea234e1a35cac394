// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is wrong with a policy, or only looks right.
//!
//! **In:** a policy string, also one that the strict dialect refuses.
//! **Out:** [`Lint`]s, each with the bytes it is about. **Refuses:** nothing; it advises.

mod kinds;
#[cfg(test)]
mod tests;

use std::ops::Range;

use kinds::{
    DEAD_FLAG, DEFAULT_OPEN, DUPLICATE_FLAG, FOREIGN_CHARACTER, IMPOSSIBLE, INHERITED_BIT,
    MAY_BE_MISSING, NO_USE, NOT_A_POLICY, NOTHING_USED, REDUNDANT_CLAUSE, SEVERAL_FILESYSTEMS,
    UNAUTHENTICATED, WEAKER_ALTERNATIVE,
};
pub use kinds::{KINDS, LintKind};

use super::flags::{FileSystemSet, Flag, SwitchSet, Use, UseSet};
use super::parse::{self, Fault, culprit};
use super::syntax::{self, Clause, Word, Written};
use super::{ImagePolicy, Impossible, Unmet};
use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::filesystem::FileSystem;

/// How bad it is; the names are those of SARIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Most likely not what was meant.
    Warning,
    /// The strict dialect refuses it.
    Error,
}

impl Level {
    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to say about a policy. Texts are already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// What kind.
    pub kind: LintKind,
    /// How bad.
    pub level: Level,
    /// The bytes of the policy it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// Says everything there is to say about a policy, in the order of the text.
#[must_use]
pub fn lint(text: &str) -> Vec<Lint> {
    let mut written = match syntax::read(text) {
        Ok(written) => written,
        Err(error) => {
            let known = ImagePolicy::named(text).is_some();
            let message = if known {
                format!("systemd-analyze knows {text}, but no policy can be written so")
            } else {
                error.fault.to_string()
            };
            return vec![Lint {
                kind: NOT_A_POLICY,
                level: Level::Error,
                span: error.span,
                message,
            }];
        }
    };
    if let Some(uses) = written.symbol {
        let span = 0..text.len();
        let words = vec![(Word::Uses(uses), span.clone())];
        written.clauses.push(Clause { designator: None, words, span });
    }
    let policy = ImagePolicy::from_written(&written);
    let mut linter = Linter { written: &written, policy, lints: Vec::new() };
    linter.characters(text);
    for clause in &written.clauses {
        linter.clause(clause);
    }
    linter.impossible();
    if linter.lints.iter().all(|it| it.level < Level::Error) {
        linter.nothing_used(text);
        for clause in &written.clauses {
            linter.traps(clause);
        }
    }
    linter.lints.sort_by_key(|it| (it.span.start, it.span.end, it.kind));
    linter.lints
}

/// The text with the culprit underlined: two lines, printable whatever the text is. Long text is
/// cut around the culprit.
#[must_use]
pub fn underlined(text: &str, span: &Range<usize>) -> String {
    const AROUND: usize = 48;
    let before: String = text.get(..span.start).unwrap_or_default().chars().rev().collect();
    let cut = |text: &str| {
        let near: String = text.chars().take(AROUND).collect();
        let more = if near.len() < text.len() { "..." } else { "" };
        (near, more)
    };
    let (before, more_before) = cut(&before);
    let before = escape(&before.chars().rev().collect::<String>());
    let culprit = escape(text.get(span.clone()).unwrap_or_default());
    let (after, more_after) = cut(text.get(span.end..).unwrap_or_default());
    let indent = " ".repeat(more_before.len().saturating_add(before.len()));
    let marks = "^".repeat(culprit.len().max(1));
    format!("{more_before}{before}{culprit}{}{more_after}\n{indent}{marks}", escape(&after))
}

struct Linter<'a> {
    written: &'a Written,
    policy: ImagePolicy,
    lints: Vec<Lint>,
}

impl Linter<'_> {
    fn say(&mut self, kind: LintKind, level: Level, span: &Range<usize>, message: String) {
        self.lints.push(Lint { kind, level, span: span.clone(), message });
    }

    fn characters(&mut self, text: &str) {
        if let Some((at, c)) = parse::foreign(text) {
            let span = at..at.saturating_add(c.len_utf8());
            self.say(FOREIGN_CHARACTER, Level::Error, &span, Fault::Character(c).to_string());
        }
    }

    /// What makes a clause no clause of the strict dialect.
    fn clause(&mut self, clause: &Clause) {
        if clause.rule().uses.is_empty() {
            let message = format!(
                "no use flag: systemd reads this as \"open\", so that {} may be used unprotected",
                subject(clause)
            );
            self.say(NO_USE, Level::Error, &clause.span, message);
        }
        for span in parse::duplicates(clause) {
            let message = "already said by another flag of the clause".to_owned();
            self.say(DUPLICATE_FLAG, Level::Error, &span, message);
        }
    }

    /// Clauses that no image can meet: each is named once, with every partition it is about.
    fn impossible(&mut self) {
        for clause in &self.written.clauses {
            let unmet: Vec<Impossible> = self
                .policy
                .impossibilities()
                .filter(|it| culprit(self.written, it).is_some_and(|it| it.span == clause.span))
                .collect();
            let Some(first) = unmet.first() else { continue };
            let message = match first.unmet {
                Unmet::Contradiction { .. } => first.to_string(),
                Unmet::NoUse => no_use_left(clause, &unmet),
            };
            self.say(IMPOSSIBLE, Level::Error, &clause.span, message);
        }
    }

    fn nothing_used(&mut self, text: &str) {
        let used = |it| self.policy.reachable(it).may_be_used();
        if !used(PartitionDesignator::Root) && !used(PartitionDesignator::Usr) {
            let message = "neither root nor usr may be used: nothing boots under this".to_owned();
            self.say(NOTHING_USED, Level::Note, &(0..text.len()), message);
        }
    }

    /// What the strict dialect takes, and people misread.
    fn traps(&mut self, clause: &Clause) {
        self.default_open(clause);
        self.dead_flags(clause);
        self.alternatives(clause);
        self.filesystems(clause);
        self.inherited_bits(clause);
        if let Some(designator) = clause.designator {
            let mut without = self.policy.clone();
            without.clauses.remove(&designator);
            if without.is_equivalent(&self.policy) {
                let message = format!("says of {designator} what holds without it");
                self.say(REDUNDANT_CLAUSE, Level::Note, &clause.span, message);
            }
        }
    }

    fn default_open(&mut self, clause: &Clause) {
        let home = clause.rule().normalised(PartitionDesignator::Home);
        if clause.designator.is_none() && home.uses.may_be_used() {
            let unprotected = home.uses.contains(Use::Unprotected);
            let how = if unprotected { "used unprotected" } else { "used" };
            let message = format!("every partition that is not named may be {how}");
            self.say(DEFAULT_OPEN, Level::Warning, &clause.span, message);
        }
    }

    fn dead_flags(&mut self, clause: &Clause) {
        let about = self.about(clause);
        let reachable =
            about.iter().fold(UseSet::EMPTY, |all, it| all.union(self.policy.reachable(*it)));
        for (flag, span) in single_uses(clause).filter(|(flag, _)| !reachable.contains(*flag)) {
            let because = match (flag, clause.designator) {
                (Use::Verity | Use::Signed, None) => {
                    "hash trees and signatures fall under the default clause too"
                }
                (Use::Verity | Use::Signed, Some(it)) if it.signature().is_none() => {
                    "only root and usr can have a hash tree"
                }
                _ => "what is said of data, hash tree and signature leaves no room for it",
            };
            let message = format!("{} never applies: {because}", flag.name());
            self.say(DEAD_FLAG, Level::Warning, &span, message);
        }
    }

    fn alternatives(&mut self, clause: &Clause) {
        let system: Vec<_> =
            self.about(clause).into_iter().filter(|it| it.signature().is_some()).collect();
        let Some(first) = system.first().copied() else { return };
        let reachable = self.policy.reachable(first);
        let bare = |it: Use| matches!(it, Use::Unprotected | Use::Encrypted);
        for (flag, span) in single_uses(clause).filter(|(flag, _)| reachable.contains(*flag)) {
            if matches!(flag, Use::Absent | Use::Unused) {
                self.may_be_missing(clause, first, &span);
            } else if flag != Use::Signed && reachable.contains(Use::Signed) {
                let message = format!(
                    "flags are alternatives: with {} beside signed, {first} needs no signature",
                    flag.name()
                );
                self.say(WEAKER_ALTERNATIVE, Level::Warning, &span, message);
            } else if bare(flag) {
                let message = format!("whoever sends the image chooses every byte of {first}");
                self.say(UNAUTHENTICATED, Level::Note, &span, message);
            }
        }
    }

    fn may_be_missing(&mut self, clause: &Clause, of: PartitionDesignator, span: &Range<usize>) {
        if clause.designator.is_none() || !self.policy.reachable(of).may_be_used() {
            return;
        }
        let idle = |it| !self.policy.rule(it).uses.intersection(UseSet::ignore()).is_empty();
        let nothing = idle(PartitionDesignator::Root) && idle(PartitionDesignator::Usr);
        let (level, more) = if nothing {
            (Level::Warning, ": an image with neither root nor usr meets this policy")
        } else {
            (Level::Note, "")
        };
        self.say(MAY_BE_MISSING, level, span, format!("{of} may be missing or unused{more}"));
    }

    fn filesystems(&mut self, clause: &Clause) {
        let rule = clause.rule();
        let mounted = self.about(clause).iter().any(|it| {
            let no_files = it.data().is_some() || *it == PartitionDesignator::Swap;
            !no_files && self.policy.reachable(*it).may_be_used()
        });
        let mut words = clause.words.iter().filter_map(|(word, span)| match word {
            Word::FileSystem(it) => Some((*it, span.clone())),
            Word::Uses(_) | Word::ReadOnly(_) | Word::Growfs(_) => None,
        });
        let Some((_, first)) = words.clone().next() else { return };
        if !mounted {
            let message = "names a file system where nothing is mounted".to_owned();
            self.say(DEAD_FLAG, Level::Warning, &first, message);
        } else if let Some((it, span)) = words.find(|(it, _)| !FileSystem::MOUNTABLE.contains(it)) {
            self.say(DEAD_FLAG, Level::Warning, &span, format!("{it} is never mounted here"));
        } else if rule.filesystems.iter().count() > 1 && rule.filesystems != FileSystemSet::all() {
            let message = "enforced here; systemd 262 enforces a single file system at most";
            self.say(SEVERAL_FILESYSTEMS, Level::Note, &first, message.to_owned());
        }
    }

    fn inherited_bits(&mut self, clause: &Clause) {
        let Some(data) = clause.designator else { return };
        let (Some(hash), Some(signature)) = (data.hash_tree(), data.signature()) else { return };
        let derived: Vec<_> = [hash, signature]
            .into_iter()
            .filter(|it| {
                !self.policy.clauses.contains_key(it) && self.policy.derived(*it).is_some()
            })
            .map(PartitionDesignator::name)
            .collect();
        let rule = clause.rule();
        for (word, span) in &clause.words {
            let set: SwitchSet = match word {
                Word::ReadOnly(_) => rule.read_only,
                Word::Growfs(_) => rule.growfs,
                Word::Uses(_) | Word::FileSystem(_) => continue,
            };
            if !derived.is_empty() && set != SwitchSet::all() {
                let message = format!("demanded of {} too", derived.join(" and "));
                self.say(INHERITED_BIT, Level::Note, span, message);
            }
        }
    }

    /// The partitions a clause decides about.
    fn about(&self, clause: &Clause) -> Vec<PartitionDesignator> {
        let left = |it: &PartitionDesignator| {
            !self.policy.clauses.contains_key(it) && self.policy.derived(*it).is_none()
        };
        match clause.designator {
            Some(designator) => vec![designator],
            None => PartitionDesignator::ALL.into_iter().filter(left).collect(),
        }
    }
}

/// Use flags that were written one by one, with their places; not `open` and `ignore`.
fn single_uses(clause: &Clause) -> impl Iterator<Item = (Use, Range<usize>)> {
    clause.words.iter().filter_map(|(word, span)| match word {
        Word::Uses(uses) => {
            let mut uses = uses.iter();
            let only = uses.next()?;
            uses.next().is_none().then(|| (only, span.clone()))
        }
        Word::ReadOnly(_) | Word::Growfs(_) | Word::FileSystem(_) => None,
    })
}

fn subject(clause: &Clause) -> &'static str {
    clause.designator.map_or("every partition that is not named", PartitionDesignator::name)
}

/// Names the partitions that a clause leaves no use, and how to say what was meant.
fn no_use_left(clause: &Clause, unmet: &[Impossible]) -> String {
    const NAMED: usize = 3;
    let left = unmet.iter().filter(|it| it.unmet == Unmet::NoUse);
    let names: Vec<_> = left.map(|it| it.designator.name()).collect();
    let mut message = "no image can meet this: no use is left for ".to_owned();
    message.push_str(&names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
    if let more @ 1.. = names.len().saturating_sub(NAMED) {
        message.push_str(&format!(" and {more} more"));
    }
    message.push_str(match clause.designator {
        None => "; name the partition that shall be protected, as in \"root=signed:=ignore\"",
        Some(it) if it.data().is_some() => "; it is the protection, and not protected itself",
        Some(_) => "; only root and usr can be verity or signed",
    });
    message
}
