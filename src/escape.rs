// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Untrusted text on its way to a console, a log line or a table.
//!
//! **In:** text chosen by an image, a server or a command line.
//! **Out:** one line of printable ASCII, at most [`limits::PRINTED_TEXT`] bytes and a marker.
//! **Refuses:** nothing; what cannot be printed is escaped reversibly, what is too long is cut.

use crate::limits;

/// Marks text that was cut. ASCII, so that serial consoles show it.
const CUT: &str = "[...]";

/// Makes one printable line of untrusted text.
///
/// Printable ASCII stays, a backslash is doubled, everything else becomes `\u{…}` with the code
/// point in hex. No output of this function contains a control character, so neither kernel log
/// levels nor terminal sequences nor record separators can be smuggled in.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= limits::PRINTED_TEXT {
            out.push_str(CUT);
            break;
        }
        match c {
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_or_a_log_would_act_on() {
        let cases = [
            ("image.raw", "image.raw"),
            ("a\\b", "a\\\\b"),
            ("a\nb", "a\\u{a}b"),
            ("\x1b[2J", "\\u{1b}[2J"),
            ("\u{2028}\u{202e}", "\\u{2028}\\u{202e}"),
            ("\u{9b}", "\\u{9b}"),
            ("", ""),
        ];
        for (raw, shown) in cases {
            assert_eq!(escape(raw), shown, "{raw:?}");
        }
    }

    #[test]
    fn cuts_long_text_with_a_marker() {
        let shown = escape(&"x".repeat(100_000));
        assert_eq!(shown.len(), limits::PRINTED_TEXT + CUT.len());
        assert!(shown.ends_with(CUT));
    }
}
