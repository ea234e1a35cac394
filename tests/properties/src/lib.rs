// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What must hold for every input, whoever made it.
//!
//! **In:** bytes of a fuzzer, of the deterministic mutator here, or of a file that once broke
//! something. **Out:** a [`Verdict`]. **Refuses:** (panics) to go on where a property is broken.
//!
//! Each [`Target`] is one parser, or the whole path, and opens with the invariant it asserts: not
//! only that nothing crashes. The same bodies run under cargo-fuzz (`make fuzz`), under the mutator
//! on stable (`make fuzz-smoke`, and plain `cargo test`), and over `tests/crashes/TARGET/`.

pub mod cage;
pub mod differential;
pub mod edits;
pub mod exhaustive;
pub mod judge;
pub mod mutate;
pub mod targets;

/// What a target made of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was accepted, and what was accepted meets the invariant.
    Accepted,
    /// It was refused with a typed error.
    Refused,
}

impl<T, E> From<&Result<T, E>> for Verdict {
    fn from(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(_) => Self::Refused,
        }
    }
}

/// One property.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the fuzz target, of the directories of its seeds and crashes.
    pub name: &'static str,
    /// What is asserted, in one sentence.
    pub invariant: &'static str,
    /// The assertion.
    pub check: fn(&[u8]) -> Verdict,
    /// Inputs to start from; at least one is accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that the format knows.
    pub words: &'static [&'static str],
    /// How many mutants a smoke run makes of it: fewer where one takes long.
    pub smoke: u64,
}

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    targets::ALL.iter().find(|it| it.name == name)
}

/// Entry of the fuzz targets.
///
/// # Panics
/// If there is no such target, or its property is broken.
pub fn run(name: &str, input: &[u8]) {
    (target(name).expect("no such target").check)(input);
}

/// Text in which a mutator left something that is not UTF-8 is made text again, so that no mutant
/// is lost.
pub(crate) fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}
