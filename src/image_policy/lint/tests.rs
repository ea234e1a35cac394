// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every kind of lint on its own text.

use super::*;

/// Identifier, level and culprit of every lint.
fn lints(text: &str) -> Vec<(&'static str, Level, &str)> {
    let lints = lint(text).into_iter();
    lints.map(|it| (it.kind.id, it.level, text.get(it.span).unwrap())).collect()
}

const ERROR: Level = Level::Error;
const WARNING: Level = Level::Warning;
const NOTE: Level = Level::Note;

#[test]
fn alternatives_taken_for_demands_are_found() {
    // kairos-io/kairos#4444
    let kairos = "root=verity+signed+absent:usr=verity+signed+absent:=ignore";
    let each = [("weaker-alternative", WARNING, "verity"), ("may-be-missing", WARNING, "absent")];
    assert_eq!(lints(kairos), [each, each].concat());
    let spans: Vec<_> = lint(kairos).into_iter().map(|it| it.span).collect();
    assert_eq!(spans, [5..11, 19..25, 30..36, 44..50]);
    assert!(ImagePolicy::parse(kairos).is_ok());
}

#[test]
fn good_policies_have_no_lints() {
    for text in [
        "root=signed:=ignore",
        "usr=signed:=ignore",
        "root=signed+erofs:esp=unprotected+vfat:=absent",
        "root=signed:usr=signed:home=encrypted+absent:swap=encrypted+absent:=ignore",
        "root=verity:=ignore",
    ] {
        assert_eq!(lints(text), [], "{text}");
    }
}

#[test]
fn every_kind_fires_on_its_own_text() {
    let cases = [
        ("*", ("default-open", WARNING, "*")),
        ("root=signed:=unprotected+ignore", ("default-open", WARNING, "=unprotected+ignore")),
        ("root=signed:home=verity+unprotected", ("dead-flag", WARNING, "verity")),
        ("root=signed+absent:usr=signed:=signed+absent", ("may-be-missing", NOTE, "absent")),
        ("root=verity+signed:root-verity-sig=absent", ("dead-flag", WARNING, "signed")),
        ("root=signed:usr=ignore+erofs:=absent", ("dead-flag", WARNING, "erofs")),
        ("root=signed:swap=unprotected+ext4", ("dead-flag", WARNING, "ext4")),
        ("root=signed+f2fs", ("dead-flag", WARNING, "f2fs")),
        ("root=signed+ext4+xfs", ("several-filesystems", NOTE, "ext4")),
        ("root=signed+read-only-on", ("inherited-bit", NOTE, "read-only-on")),
        ("root=signed:home=ignore", ("redundant-clause", NOTE, "home=ignore")),
        ("root=unprotected:=ignore", ("unauthenticated", NOTE, "unprotected")),
        ("esp=unprotected", ("nothing-used", NOTE, "esp=unprotected")),
    ];
    for (text, expected) in cases {
        assert!(lints(text).contains(&expected), "{text}: {:?}", lints(text));
        assert!(ImagePolicy::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_the_strict_dialect_refuses_is_an_error() {
    let cases = [
        ("root=erofs", vec![("no-use", ERROR, "root=erofs")]),
        ("=:root=", vec![("no-use", ERROR, "="), ("no-use", ERROR, "root=")]),
        ("=signed", vec![("impossible", ERROR, "=signed")]),
        ("root=signed:home=verity", vec![("impossible", ERROR, "home=verity")]),
        ("root=open+signed", vec![("duplicate-flag", ERROR, "signed")]),
        ("root=signed\t", vec![("foreign-character", ERROR, "\t")]),
        ("root=sgined", vec![("not-a-policy", ERROR, "sgined")]),
        ("@host", vec![("not-a-policy", ERROR, "@host")]),
    ];
    for (text, expected) in cases {
        assert_eq!(lints(text), expected, "{text}");
        assert!(ImagePolicy::parse(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn a_policy_is_refused_exactly_if_a_lint_is_an_error(text in "[a-z+:=*~ -]{0,30}|((root|usr|home|root-verity|)=(verity|signed|absent|unprotected|open|ignore|ext4)(\\+(verity|absent|unused))?:){0,3}=(ignore|absent|verity|open|)") {
        let refused = ImagePolicy::parse(&text).is_err();
        proptest::prop_assert_eq!(lint(&text).iter().any(|it| it.level == ERROR), refused);
    }
}

#[test]
fn the_culprit_is_underlined_whatever_the_text_is() {
    assert_eq!(underlined("root=sgined:=ignore", &(5..11)), "root=sgined:=ignore\n     ^^^^^^");
    assert_eq!(underlined("root=\x1b[2J", &(5..6)), "root=\\u{1b}[2J\n     ^^^^^^");
    assert_eq!(underlined("root=signed:", &(12..12)), "root=signed:\n            ^");
    let long = "x".repeat(500);
    let shown = underlined(&long, &(250..251));
    let (text, marks) = shown.split_once('\n').unwrap();
    assert_eq!(text.len(), 3 + 48 + 1 + 48 + 3);
    assert_eq!(marks.len(), 3 + 48 + 1);
    assert_eq!(underlined("a", &(7..9)), "\n^");
}

#[test]
fn kinds_are_listed_once_and_in_order() {
    let ids: Vec<_> = KINDS.iter().map(|it| it.id).collect();
    assert!(ids.iter().zip(ids.iter().skip(1)).all(|(a, b)| a < b), "{ids:?}");
}
