// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Small languages: os-release, revocations, versions, escaped text.
//!
//! **In:** text. **Out:** a verdict. **Refuses:** (panics) what the invariant of each forbids.

use std::cmp::Ordering;

use veriroot::escape::escape;
use veriroot::expose::OsVersion;
use veriroot::limits;
use veriroot::revocation::{Revocations, Revoked};
use veriroot::version::{compare, is_plain};

use crate::{Target, Verdict, text};

/// os-release(5).
pub(super) const OS_RELEASE: Target = Target {
    name: "os_release",
    invariant: "the version of an accepted file stands in exactly one line, as the whole of its value, \
                and consists of the characters that versions have",
    check: check_os_release,
    seeds: || {
        [
            "ID=x\nVERSION_ID=1\n",
            "# c\nVERSION_ID=\"12\"\nIMAGE_VERSION='2.1~rc1'\n",
            "NAME=\"a \\\"b\\\" \\$c; d\"\nVERSION_ID=3.18.4\n",
            "VERSION_ID=1\nVERSION_ID=2\n",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &["VERSION_ID=", "IMAGE_VERSION=", "\"", "'", "\\", "$", "`", "\n", "#", "=", "export "],
    smoke: 6000,
};

fn check_os_release(input: &[u8]) -> Verdict {
    let text = text(input);
    let parsed = OsVersion::parse(&text);
    if let Ok(found) = &parsed {
        let version = found.version();
        assert!(is_plain(version), "{text:?}");
        let lines = |key: &str| -> Vec<&str> {
            text.split('\n').filter_map(|it| it.strip_prefix(key)?.strip_prefix('=')).collect()
        };
        let (image, system) = (lines("IMAGE_VERSION"), lines("VERSION_ID"));
        assert!(image.len() <= 1 && system.len() <= 1, "{text:?}");
        let value = image.first().or(system.first()).unwrap();
        let bare = value.trim_matches(['"', '\'']);
        assert_eq!(version, bare, "{text:?}");
    }
    (&parsed).into()
}

/// Entries of a revocation list, one a line.
pub(super) const REVOCATION: Target = Target {
    name: "revocation",
    invariant: "an accepted entry is printed as it was written, and no two are the same",
    check: check_revocation,
    seeds: || {
        let hash = "1f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875";
        [
            format!("spki-sha256:{hash}"),
            format!("certificate-sha256:{hash}\nroot-hash:{hash}{hash}"),
            format!("root-hash:{hash}\nroot-hash:{hash}"),
        ]
        .map(String::into_bytes)
        .to_vec()
    },
    words: &["spki-sha256:", "certificate-sha256:", "root-hash:", "\n", "A", "0x", " "],
    smoke: 3000,
};

fn check_revocation(input: &[u8]) -> Verdict {
    let text = text(input);
    let entries: Vec<&str> = text.split('\n').collect();
    let parsed = Revocations::parse(&entries);
    if parsed.is_ok() {
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(Revoked::parse(entry).unwrap().to_string(), **entry);
            assert!(!entries[..index].contains(entry), "{entry} twice");
            let hex = entry.split_once(':').unwrap().1;
            assert!([64, 128].contains(&hex.len()), "{entry}");
            assert!(hex.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it)));
        }
    }
    (&parsed).into()
}

/// Three versions, one a line.
pub(super) const VERSION: Target = Target {
    name: "version",
    invariant: "versions have one total order: reflexive, antisymmetric, transitive",
    check: check_version,
    seeds: || {
        ["1.9\n1.10\n1.2", "1~rc1\n1\n1.0", "a\nA\n0", "1^x\n1-1\n1.", "\n~\n\u{e9}"]
            .map(|it| it.as_bytes().to_vec())
            .to_vec()
    },
    words: &["~", "^", "-", ".", "0", "00", "1", "10", "99999999999999999999", "a", "Z", "\n", "+"],
    smoke: 6000,
};

fn check_version(input: &[u8]) -> Verdict {
    let text = text(input);
    let mut parts = text.split('\n');
    let mut next = || parts.next().unwrap_or_default();
    let (a, b, c) = (next(), next(), next());
    for it in [a, b, c] {
        assert_eq!(compare(it, it), Ordering::Equal, "{it:?}");
    }
    assert_eq!(compare(a, b), compare(b, a).reverse(), "{a:?} {b:?}");
    if compare(a, b).is_le() && compare(b, c).is_le() {
        assert!(compare(a, c).is_le(), "{a:?} {b:?} {c:?}");
        let equal = compare(a, b).is_eq() && compare(b, c).is_eq();
        assert_eq!(equal, compare(a, c).is_eq(), "{a:?} {b:?} {c:?}");
    }
    Verdict::Accepted
}

/// Text for a console.
pub(super) const ESCAPE: Target = Target {
    name: "escape",
    invariant: "escaped text is one line of printable ASCII within its bound, and what was not cut \
                can be read back",
    check: check_escape,
    seeds: || {
        ["plain", "back\\slash", "\u{1b}[31m\r\n<0>", "\u{202e}\u{2028}\u{85}", "\\u{41}"]
            .map(|it| it.as_bytes().to_vec())
            .to_vec()
    },
    words: &["\\", "\\u{", "}", "\u{1b}", "\u{202e}", "[...]", "\n"],
    smoke: 6000,
};

fn check_escape(input: &[u8]) -> Verdict {
    let text = text(input);
    let shown = escape(&text);
    assert!(shown.bytes().all(|it| (b' '..=b'~').contains(&it)), "{shown:?}");
    assert!(shown.len() <= limits::PRINTED_TEXT + 16, "{}", shown.len());
    let (mut back, mut rest) = (String::new(), shown.chars());
    while let Some(c) = rest.next() {
        if c != '\\' {
            back.push(c);
        } else if rest.as_str().starts_with('\\') {
            back.push(rest.next().unwrap());
        } else {
            let hex: String = rest.by_ref().skip(2).take_while(|it| *it != '}').collect();
            back.push(char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap());
        }
    }
    let whole = back == text;
    let cut = back.strip_suffix("[...]").is_some_and(|it| text.starts_with(it));
    assert!(whole || cut, "{text:?} became {shown:?}");
    Verdict::Accepted
}
