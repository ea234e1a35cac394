// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The kernel command line, cut into words as the kernel does it (lib/cmdline.c, `next_arg`).
//!
//! **In:** the text of /proc/cmdline, which the boot loader, and so maybe the network, wrote.
//! **Out:** [`Word`]s in order: key, and value if there is one. **Refuses:** text that is cut off
//! at a length some kernel cuts at, open quotes, bytes that are not printable ASCII.

use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::limits;
use crate::url::{without_query, without_secrets};

/// One word of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Before the first `=`, with `_` read as `-` (the kernel and systemd treat them alike).
    pub key: String,
    /// After the first `=`, quotes removed; `None` without `=`.
    pub value: Option<String>,
}

impl Word {
    /// The word as it may be printed.
    #[must_use]
    pub fn shown(&self) -> String {
        escape(&self.plain())
    }

    /// The word without what may be secret in it, not escaped and not cut.
    #[must_use]
    pub fn plain(&self) -> String {
        match &self.value {
            Some(value) if self.key.ends_with(".pull") => {
                without_query(&format!("{}={value}", self.key))
            }
            Some(value) => without_secrets(&format!("{}={value}", self.key)),
            None => self.key.clone(),
        }
    }
}

/// Why a command line is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CmdlineError {
    /// A word for us behind `--`, where the kernel hands words to init and systemd reads on: what
    /// it demands must not depend on who put the dashes there.
    #[error("\"{word}\" stands behind --")]
    BehindDashes {
        /// The word.
        word: String,
    },
    /// A byte that no boot loader should pass.
    #[error("the kernel command line has a byte that is not printable ASCII at offset {offset}")]
    Byte {
        /// Where, bytes from the start.
        offset: usize,
    },
    /// As long as some kernel's ceiling: words may be missing at its end.
    #[error("the kernel command line is {length} bytes long, where kernels cut it off")]
    CutOff {
        /// Bytes.
        length: usize,
    },
    /// A quote that never closes.
    #[error("the kernel command line has an open quote")]
    OpenQuote,
}

impl Refusal for CmdlineError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn finding(&self) -> Finding {
        let advice = match self {
            Self::BehindDashes { .. } => "put the word before the --",
            Self::Byte { .. } => "take the byte off the command line",
            Self::CutOff { .. } => {
                "make the command line shorter or longer by a byte: at this length words may have \
                 been cut off"
            }
            Self::OpenQuote => "close the quote",
        };
        Finding {
            id: "request-words",
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: "kernel command line".to_owned(),
            expected: "words of printable ASCII, none of them cut off".to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule("kernel command line, lib/cmdline.c"),
            advice: advice.to_owned(),
        }
    }
}

/// Beginnings of the keys that say what to boot, or what to demand of it.
const OURS: [&str; 6] = ["mount.", "rd.", "root", "systemd.", "usrhash", "veriroot."];

/// Lengths at which some kernel silently cuts the command line: `COMMAND_LINE_SIZE` of the
/// architectures, whose last byte is a NUL.
const CUTS: [usize; 5] = [511, 895, 1023, 2047, 4095];

/// Cuts a command line into words; what stands after `--` is for init, and may say nothing to us.
///
/// # Errors
/// A [`CmdlineError`]: a policy word that was cut off must not turn into no policy word.
pub fn words(text: &str) -> Result<Vec<Word>, CmdlineError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let length = text.len();
    if length > limits::COMMAND_LINE || CUTS.contains(&length) {
        return Err(CmdlineError::CutOff { length });
    }
    if let Some(offset) = text.bytes().position(|b| !matches!(b, b' '..=b'~' | b'\t')) {
        return Err(CmdlineError::Byte { offset });
    }
    let mut words = Vec::new();
    let mut for_init = false;
    for raw in split(text)? {
        if raw == "--" {
            for_init = true;
            continue;
        }
        let unquoted = raw.replace('"', "");
        let (key, value) = match unquoted.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (unquoted.as_str(), None),
        };
        let word = Word { key: key.replace('_', "-"), value };
        if !for_init {
            words.push(word);
        } else if OURS.iter().any(|ours| word.key.starts_with(ours)) {
            return Err(CmdlineError::BehindDashes { word: word.shown() });
        }
    }
    Ok(words)
}

/// Splits at blanks outside double quotes.
fn split(text: &str) -> Result<Vec<&str>, CmdlineError> {
    let mut quoted = false;
    let raw = text.split(move |c| {
        quoted ^= c == '"';
        !quoted && (c == ' ' || c == '\t')
    });
    if text.matches('"').count().checked_rem(2) != Some(0) {
        return Err(CmdlineError::OpenQuote);
    }
    Ok(raw.filter(|word| !word.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        words(text).unwrap().iter().map(Word::shown).collect()
    }

    #[test]
    fn words_are_cut_as_the_kernel_cuts_them() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("a  b=c\td_e=f_g\n", &["a", "b=c", "d-e=f_g"]),
            ("x=\"a b\" y", &["x=a b", "y"]),
            ("\"x=a b\"", &["x=a b"]),
            ("root=/dev/a=b", &["root=/dev/a=b"]),
            ("quiet -- single 3", &["quiet"]),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn refuses_a_line_that_may_have_lost_its_end() {
        for length in [2047, 4095, 4097] {
            let text = "a".repeat(length);
            assert_eq!(words(&text), Err(CmdlineError::CutOff { length }));
            assert!(words(&"a".repeat(length - 3)).is_ok());
        }
    }

    #[test]
    fn refuses_words_for_us_behind_the_dashes() {
        for word in ["root=evil", "roothash=00", "systemd.image-policy=~", "rd.systemd.pull=x"] {
            let refused = words(&format!("quiet -- {word}"));
            assert_eq!(refused, Err(CmdlineError::BehindDashes { word: word.to_owned() }));
            assert!(words(&format!("{word} --")).is_ok());
        }
    }

    #[test]
    fn refuses_control_bytes_and_open_quotes() {
        assert_eq!(words("a\x1b"), Err(CmdlineError::Byte { offset: 1 }));
        assert_eq!(words("a\u{e9}"), Err(CmdlineError::Byte { offset: 1 }));
        assert_eq!(words("a=\"b c"), Err(CmdlineError::OpenQuote));
        assert!(words("a=\"b c\"").is_ok());
    }
}
