// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Checksum files.
//!
//! **In:** the bytes of a `.sha256` or `SHA256SUMS` file, and the name to look for.
//! **Out:** the SHA-256 it lists for that name. **Refuses:** everything that is not line after line
//! of 64 lower-case hex digits, ` *`, two spaces or one, a name, and a line feed; two different
//! hashes for the name. The same hash twice is one hash.
//!
//! systemd 262 searches the file for the one line it would accept and ignores all others. Here all
//! lines count: a file that is not what it seems (a web page, a signed message, one that was cut)
//! is not searched for the one line that would do.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use data_encoding::HEXLOWER;

use crate::escape::escape;

/// Why a checksum file says nothing of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum ListError {
    #[error("two checksums for {name}: {first} and {second}")]
    Conflict { name: String, first: String, second: String },
    #[error("line {line} is cut: no line feed at its end")]
    Cut { line: usize },
    #[error("line {line} is not SHA-256, space, name: \"{found}\"")]
    Line { line: usize, found: String },
    #[error("no checksum for {name} among {lines}")]
    Unlisted { name: String, lines: usize },
}

/// The hash that `list` has for `name`.
pub(super) fn find(list: &[u8], name: &OsStr) -> Result<[u8; 32], ListError> {
    let shown = || escape(&name.to_string_lossy());
    let mut found: Option<[u8; 32]> = None;
    let mut lines: usize = 0;
    for line in list.split_inclusive(|byte| *byte == b'\n') {
        lines = lines.saturating_add(1);
        let Some(content) = line.strip_suffix(b"\n") else {
            return Err(ListError::Cut { line: lines });
        };
        let (sha256, its) = parse(content).ok_or_else(|| ListError::Line {
            line: lines,
            found: escape(&String::from_utf8_lossy(content)),
        })?;
        if its != name.as_bytes() {
            continue;
        }
        if let Some(first) = found
            && first != sha256
        {
            let (first, second) = (HEXLOWER.encode(&first), HEXLOWER.encode(&sha256));
            return Err(ListError::Conflict { name: shown(), first, second });
        }
        found = Some(sha256);
    }
    found.ok_or_else(|| ListError::Unlisted { name: shown(), lines })
}

/// Hash and name of one line. A name that begins with a space or a star can't be meant: the marks
/// are taken first.
fn parse(line: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (hex, rest) = line.split_at_checked(64)?;
    let sha256 = HEXLOWER.decode(hex).ok()?.try_into().ok()?;
    let rest = rest.strip_prefix(b" ")?;
    let name = rest.strip_prefix(b"*").or_else(|| rest.strip_prefix(b" ")).unwrap_or(rest);
    let plain = !name.is_empty() && !name.iter().any(u8::is_ascii_control);
    plain.then_some((sha256, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "image.raw";

    fn hex(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn look(list: &str) -> Result<[u8; 32], ListError> {
        find(list.as_bytes(), OsStr::new(NAME))
    }

    #[test]
    fn takes_the_three_forms_of_a_line() {
        let a = hex('a');
        for list in [
            format!("{a} *{NAME}\n"),
            format!("{a}  {NAME}\n"),
            format!("{a} {NAME}\n"),
            format!("{0}  other\n{a}  {NAME}\n{0}  {NAME}.sig\n", hex('b')),
            // Said twice is said once.
            format!("{a}  {NAME}\n{a} *{NAME}\n"),
            format!("{0}  other\n{1}  other\n{a}  {NAME}\n", hex('b'), hex('c')),
        ] {
            assert_eq!(look(&list), Ok([0xaa; 32]), "{list}");
        }
    }

    #[test]
    fn refuses_what_is_no_list() {
        let a = hex('a');
        let good = format!("{a}  {NAME}\n");
        let line = |line, found: &str| ListError::Line { line, found: escape(found) };
        for (list, error) in [
            (String::new(), ListError::Unlisted { name: NAME.to_owned(), lines: 0 }),
            (format!("{a}  {NAME}"), ListError::Cut { line: 1 }),
            (format!("{good}{a}"), ListError::Cut { line: 2 }),
            (format!("{good}\n"), line(2, "")),
            (format!("\n{good}"), line(1, "")),
            (format!(" {good}"), line(1, &format!(" {a}  {NAME}"))),
            (good.replace('\n', "\r\n"), line(1, &format!("{a}  {NAME}\r"))),
            (good.to_uppercase(), line(1, &good.to_uppercase().replace('\n', ""))),
            (good.replace("  ", "\t"), line(1, &format!("{a}\t{NAME}"))),
            (good.replace("  ", ""), line(1, &format!("{a}{NAME}"))),
            (format!("a{good}"), line(1, &format!("a{a}  {NAME}"))),
            (good.replacen('a', "", 1), line(1, &format!("{}  {NAME}", a.replacen('a', "", 1)))),
            (format!("{a}\n"), line(1, &a)),
            (format!("{a}  \n"), line(1, &format!("{a}  "))),
            (format!("# list\n{good}"), line(1, "# list")),
            (format!("<!doctype html>\n{good}"), line(1, "<!doctype html>")),
            (format!("SHA256 ({NAME}) = {a}\n"), line(1, &format!("SHA256 ({NAME}) = {a}"))),
            (
                format!("-----BEGIN PGP SIGNED MESSAGE-----\n{good}"),
                line(1, "-----BEGIN PGP SIGNED MESSAGE-----"),
            ),
            (format!("\\{good}"), line(1, &format!("\\{a}  {NAME}"))),
            (format!("{a}  image\0.raw\n{good}"), line(1, &format!("{a}  image\0.raw"))),
            (
                format!("{good}{}  {NAME}\n", hex('b')),
                ListError::Conflict { name: NAME.to_owned(), first: a.clone(), second: hex('b') },
            ),
        ] {
            assert_eq!(look(&list), Err(error), "{list}");
        }
    }

    #[test]
    fn a_name_is_compared_byte_for_byte() {
        let a = hex('a');
        let unlisted = Err(ListError::Unlisted { name: NAME.to_owned(), lines: 1 });
        for name in
            ["./image.raw", "Image.raw", "image.raw ", "image.raw.xz", "mage.raw", "image%2eraw"]
        {
            assert_eq!(look(&format!("{a}  {name}\n")), unlisted, "{name}");
            assert!(find(format!("{a}  {name}\n").as_bytes(), OsStr::new(name)).is_ok(), "{name}");
        }
        // Three spaces: whether the third belongs to the name can't be said, so nobody finds it.
        assert_eq!(look(&format!("{a}   {NAME}\n")), unlisted);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_list() {
        assert!(matches!(find(&[0xff; 80], OsStr::new(NAME)), Err(ListError::Cut { line: 1 })));
        let line = [hex('a').as_bytes(), b"  \xff\n"].concat();
        assert!(find(&line, OsStr::from_bytes(b"\xff")).is_ok());
    }
}
