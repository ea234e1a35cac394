// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The summary a refusal leaves on the console, as far as the tests read it:
//!
//! ```text
//! REFUSED    not authentic (class sig, exit code 22)
//! stage      authenticate (authenticate-signer)
//! ```

/// What the program said about a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where it fell.
    pub stage: String,
    /// What kind it is.
    pub class: String,
    /// The exit code of that kind.
    pub exit: i32,
}

impl Verdict {
    /// What is to be said about a refusal of that stage and class.
    #[must_use]
    pub fn of(stage: &str, class: &str, exit: u8) -> Self {
        Self { stage: stage.to_owned(), class: class.to_owned(), exit: exit.into() }
    }

    /// The verdict of a console, if there is one.
    #[must_use]
    pub fn find<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut lines = lines.skip_while(|line| !line.starts_with("REFUSED "));
        let (_, kind) = lines.next()?.strip_suffix(')')?.split_once("(class ")?;
        let (class, exit) = kind.split_once(", exit code ")?;
        let stage = lines.find_map(|line| line.strip_prefix("stage "))?;
        let stage = stage.split_whitespace().next()?;
        Some(Self { stage: stage.to_owned(), class: class.to_owned(), exit: exit.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn only_a_whole_summary_is_a_verdict() {
        let find = |text: &str| Verdict::find(text.lines());
        let refused = "noise\nREFUSED    not authentic (class sig, exit code 22)\n";
        let stage = "image      x\nstage      authenticate (authenticate-signer)\n";
        let verdict = Verdict::of("authenticate", "sig", 22);
        assert_eq!(find(&format!("{refused}{stage}")), Some(verdict));
        assert_eq!(find(&format!("{stage}{refused}")), None);
        assert_eq!(find("REFUSED\nstage      authenticate\n"), None);
    }
}
