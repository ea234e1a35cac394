// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Version comparison of the UAPI.10 version format specification, as systemd orders labels.
//!
//! **In:** two labels from a partition table. **Out:** one total order.
//! **Refuses:** nothing: every string has its place.

use std::cmp::Ordering;

/// Compares two version strings.
///
/// Characters outside `[A-Za-z0-9~.^-]` only separate. `~` sorts before the end of the string,
/// then `-`, `^` and `.` sort below any segment, in that order; numbers compare by value and sort
/// above letters.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (skip(a), skip(b));
        // '~' comes before the end of the string, so it is looked at before the end is.
        if let Some(order) = take_mark(&mut a, &mut b, b'~') {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return b.is_empty().cmp(&a.is_empty());
        }
        for mark in *b"-^." {
            if let Some(order) = take_mark(&mut a, &mut b, mark) {
                return order;
            }
        }
        let numbers = starts_with_digit(a) || starts_with_digit(b);
        let belongs = if numbers { u8::is_ascii_digit } else { u8::is_ascii_alphabetic };
        let (segment_a, rest_a) = split(a, belongs);
        let (segment_b, rest_b) = split(b, belongs);
        let order =
            if numbers { compare_numbers(segment_a, segment_b) } else { segment_a.cmp(segment_b) };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Whether `text` has the characters of a version, at least one, and none that would only separate
/// but for `_` and `+`, which versions have.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-^~_+".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

/// Takes `mark` off both; where only one side has it, that side is older.
fn take_mark(a: &mut &[u8], b: &mut &[u8], mark: u8) -> Option<Ordering> {
    let (has_a, has_b) = (a.first() == Some(&mark), b.first() == Some(&mark));
    if has_a != has_b {
        return Some(has_b.cmp(&has_a));
    }
    if has_a {
        (*a, *b) = (rest(a), rest(b));
    }
    None
}

fn skip(text: &[u8]) -> &[u8] {
    let separates = |b: &u8| !b.is_ascii_alphanumeric() && !b"~.^-".contains(b);
    let at = text.iter().position(|b| !separates(b)).unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

fn rest(text: &[u8]) -> &[u8] {
    text.get(1..).unwrap_or_default()
}

fn starts_with_digit(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
}

fn split(text: &[u8], belongs: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let at = text.iter().position(|b| !belongs(b)).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, &[]))
}

/// By value, without a ceiling: more digits (less leading zeros) is more; no digits is less than
/// any.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return a.len().cmp(&b.len());
    }
    let strip = |text: &[u8]| {
        let at = text.iter().position(|b| *b != b'0').unwrap_or(text.len());
        text.get(at..).unwrap_or_default().to_vec()
    };
    let (a, b) = (strip(a), strip(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    /// The chains of systemd's test-string-util.c and the specification, oldest first.
    const CHAINS: [&[&str]; 5] = [
        &[
            "122.1",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-1",
            "123-1.1",
            "123^post1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124-1",
        ],
        &["1~rc1", "1", "1.9", "1.10"],
        &["fixture_1", "fixture_2", "fixture_10"],
        &["a", "ab", "b", "b1"],
        &["007", "8"],
    ];

    #[test]
    fn orders_the_chains_of_the_specification() {
        for chain in CHAINS {
            for (i, a) in chain.iter().enumerate() {
                for (j, b) in chain.iter().enumerate() {
                    assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
                }
            }
        }
        assert_eq!(compare("~1", ""), Ordering::Less);
        assert_eq!(compare("a_b", "a b"), Ordering::Equal);
        assert_eq!(compare("007", "7"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn is_a_total_order(mut texts in prop::collection::vec("[a-z0-9~.^_-]{0,8}", 3)) {
            texts.sort_by(|a, b| compare(a, b));
            let [a, b, c] = texts.as_slice() else { panic!("three") };
            assert_eq!(compare(a, b).reverse(), compare(b, a));
            assert!(compare(a, b).is_le() && compare(b, c).is_le() && compare(a, c).is_le());
        }

        #[test]
        fn ends_on_any_text(a in any::<String>(), b in any::<String>()) {
            assert_eq!(compare(&a, &b).reverse(), compare(&b, &a));
        }
    }
}
