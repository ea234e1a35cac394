// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The line a refusal leaves on the console:
//! `veriroot: refused stage=authenticate class=sig exit=22: what, where, what to do`.

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
    /// The verdict of a console line, if it is one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let words = line.strip_prefix("veriroot: refused ")?.split([' ', ':']);
        let value = |key: &str| {
            let mut values = words.clone().filter_map(|word| word.split_once('='));
            values.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        Some(Self {
            stage: value("stage")?,
            class: value("class")?,
            exit: value("exit")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn only_the_refusal_line_is_a_verdict() {
        let line = "veriroot: refused stage=authenticate class=sig exit=22: no trusted signer";
        let verdict =
            Verdict { stage: "authenticate".to_owned(), class: "sig".to_owned(), exit: 22 };
        assert_eq!(Verdict::parse(line), Some(verdict));
        assert_eq!(Verdict::parse("veriroot: refused class=sig exit=22"), None);
        assert_eq!(Verdict::parse("stage=authenticate class=sig exit=22"), None);
    }
}
