// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! JSON keys, text for people, help, usage errors, what stands where.

use serde_json::Value;
use veriroot_test_support::ddi::Image;

use crate::program::{Ran, SIGNED, audit, image, trusted, veriroot};

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn run(fixture: &str, arguments: &[&str]) -> Ran {
    let image = image(fixture);
    veriroot(&[&["audit", SIGNED, &trusted(), image.to_str().unwrap()], arguments].concat())
}

#[test]
fn json_of_an_acceptance() {
    let ran = audit("root-erofs-signed", &[SIGNED]);
    assert_eq!(ran.stderr, "");
    let json = ran.json();
    let top = [
        "coverage",
        "demanded",
        "exit-code",
        "findings",
        "image",
        "image-policy",
        "layout",
        "map",
        "mirrors-dropped",
        "mode",
        "partitions",
        "size",
        "verdict",
        "version",
    ];
    assert_eq!(keys(&json), top);
    assert_eq!(json["version"], 1);
    assert_eq!(json["mode"], "file");
    assert_eq!(json["image"], image("root-erofs-signed").to_str().unwrap());
    let stages: Vec<_> =
        json["findings"].as_array().unwrap().iter().map(|it| &it["stage"]).collect();
    assert_eq!(stages, ["dissect", "policy", "authenticate", "fetch", "identify"]);
    for finding in json["findings"].as_array().unwrap() {
        let expected = ["expected", "found", "id", "outcome", "required-by", "stage", "subject"];
        assert_eq!(keys(finding), expected);
    }
    let partitions = json["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 1);
    let expected = ["blocks-verified", "designator", "filesystem", "number", "root-hash", "signer"];
    assert_eq!(keys(&partitions[0]), expected);
    let fixture = Image::from_zst_fixture("root-erofs-signed");
    assert_eq!(partitions[0]["root-hash"], fixture.root_hash_hex("root"));
    assert_eq!(partitions[0]["blocks-verified"], 50);
    assert_eq!(partitions[0]["number"], fixture.number("root"));
    assert_eq!(partitions[0]["designator"], "root");
    assert_eq!(partitions[0]["filesystem"], "erofs");
}

#[test]
fn json_of_a_refusal() {
    let ran = audit("root-erofs-stranger", &[SIGNED]);
    assert_eq!(ran.stderr, "");
    let json = ran.json();
    assert_eq!((&json["class"], ran.code), (&Value::from("sig"), 22));
    let refusal = ran.refusal();
    assert_eq!(refusal["id"], "authenticate-signature");
    assert_eq!(refusal["stage"], "authenticate");
    assert_eq!(refusal["subject"], "root");
    assert_eq!(refusal["required-by"], "option --image-policy=");
    let partition = &json["partitions"][0];
    assert_eq!(partition["blocks-verified"], 0);
    assert!(partition.get("root-hash").is_none() && partition.get("signer").is_none());
}

#[test]
fn json_is_the_same_indented() {
    let short = run("root-erofs-signed", &["--json=short"]);
    let pretty = run("root-erofs-signed", &["--json=pretty"]);
    assert!(pretty.stdout.lines().count() > 10);
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parse(&pretty.stdout), parse(&short.stdout));
}

#[test]
fn text_for_people_fits_a_serial_console() {
    for (fixture, code, word) in
        [("root-erofs-signed", 0, "ACCEPTED"), ("root-erofs-stranger", 22, "REFUSED")]
    {
        let ran = run(fixture, &[]);
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""));
        assert!(ran.stdout.lines().any(|it| it.starts_with(word)), "{}", ran.stdout);
        assert!(ran.stdout.lines().all(|it| it.len() <= 80), "{}", ran.stdout);
    }
    let refused = run("root-erofs-stranger", &["--json=off"]).stdout;
    for label in ["image", "stage", "found", "demanded", "by", "to do"] {
        assert!(refused.lines().any(|it| it.starts_with(label)), "{label}: {refused}");
    }
}

#[test]
fn quiet_leaves_the_exit_code_and_one_line_for_a_refusal() {
    let accepted = run("root-erofs-signed", &["--quiet"]);
    assert_eq!((accepted.code, accepted.stdout.as_str(), accepted.stderr.as_str()), (0, "", ""));
    let refused = run("root-erofs-stranger", &["-q"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (22, ""));
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(refused.stderr.starts_with("veriroot: authenticate: root: "), "{refused:?}");
    // JSON was asked for, so it comes.
    assert_eq!(run("root-erofs-stranger", &["-q", "--json=short"]).json()["class"], "sig");
}

#[test]
fn same_words_same_verdict() {
    let first = run("full-house", &["--json=short"]);
    for _ in 0..3 {
        assert_eq!(run("full-house", &["--json=short"]).stdout, first.stdout);
    }
}

#[test]
fn help_fits_80_columns_and_stands_on_stdout() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["audit", "--help"],
        &["audit", "-h"],
        &["boot", "--help"],
    ] {
        let ran = veriroot(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(ran.stdout.contains("Usage:"), "{}", ran.stdout);
        for line in ran.stdout.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
    }
    assert!(veriroot(&["--help"]).stdout.contains("22 not authentic"));
    let version = veriroot(&["--version"]);
    assert_eq!(version.stdout, format!("veriroot {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_2_and_stands_on_stderr() {
    let rows: [&[&str]; 10] = [
        &[],
        &["audit"],
        &["adit", "x"],
        &["--no-such-option"],
        &["audit", "--no-such-option", "x"],
        &["audit", "--insecure", "x"],
        &["audit", "--json=xml", "x"],
        &["audit", "--architecture=vax", "x"],
        &["audit", "x", "--image-policy"],
        &["audit", "--sarif", "--json=short", "x"],
    ];
    for arguments in rows {
        let ran = veriroot(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn names_of_images_are_escaped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a\x1b[2J\nACCEPTED every demand is met");
    let ran = veriroot(&["audit", SIGNED, &trusted(), path.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    assert!(!ran.stdout.lines().any(|it| it.starts_with("ACCEPTED")), "{ran:?}");
}

/// LOG-04: what a URL may hold that nobody else shall see.
#[test]
fn secrets_of_urls_are_printed_by_no_command() {
    let (trusted, absent) = (trusted(), "--certificate=/nonexistent.crt");
    let refused = |words: &[&str]| {
        let ran = veriroot(words);
        assert_ne!(ran.code, 0, "{words:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.is_empty() && !said.contains("s3cret"), "{words:?}: {said}");
    };
    // The first is refused before anything else, the second with the machine's own faults.
    let cases = [
        ("http://user:s3cret@127.0.0.1:1/i.raw", trusted.as_str()),
        ("http://127.0.0.1:1/i?t=s3cret", absent),
    ];
    for (url, certificate) in cases {
        for json in ["--json=off", "--json=short"] {
            refused(&["audit", certificate, url, json]);
            refused(&["attach", certificate, url, "name", json]);
            refused(&["mount", certificate, url, "/nonexistent", json]);
            refused(&["fetch", certificate, url, "/nonexistent/i.raw", json]);
        }
    }
    // One that is asked for, in vain.
    refused(&["audit", &trusted, "http://127.0.0.1:1/i?t=s3cret", "--json=short"]);
}
