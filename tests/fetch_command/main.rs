// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot fetch URL` and `veriroot audit URL`: mirrors are asked in order, each under the same
//! demands; one that lies is dropped and named; a download goes on where it was interrupted.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a test that panics has failed, and it runs the program under test; what a thousand mirrors cost is \
              for people"
)]

mod archives;
mod beside;
mod few_descriptors;
mod many;
mod no_range;
mod verify;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::{Content, Erofs};
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys;

const SIGNED: &str = "--image-policy=root=signed:=ignore";

/// A signed image with 12 MiB of noise: enough for several lanes.
fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| Ddi::builder().volume("root", Volume::new(tree())).build())
}

fn tree() -> Vec<u8> {
    let noise = Content::Noise { seed: 7, len: 12 << 20 };
    Erofs::root_tree(0).file("usr/lib/payload", 0o644, noise).build()
}

fn serve(bytes: &[u8]) -> Server {
    Server::of("/image.raw", bytes)
}

struct Run {
    code: i32,
    verdict: Value,
    stderr: String,
}

impl Run {
    fn refusal(&self) -> &Value {
        assert_eq!(self.verdict["verdict"], json!("refused"), "{}", self.stderr);
        self.verdict["findings"].as_array().unwrap().last().unwrap()
    }

    /// (URL, reason, id) of each mirror that was dropped.
    fn dropped(&self) -> Vec<(String, String, String)> {
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let mirrors = self.verdict["mirrors-dropped"].as_array().unwrap();
        let facts =
            |it: &Value| (text(&it["name"]), text(&it["reason"]), text(&it["finding"]["id"]));
        mirrors.iter().map(facts).collect()
    }
}

/// Runs a command with the demands of a boot.
fn run(command: &str, arguments: &[&str]) -> Run {
    run_by(&mut Command::new(env!("CARGO_BIN_EXE_veriroot")), command, arguments)
}

/// The same by what begins like this.
fn run_by(program: &mut Command, command: &str, arguments: &[&str]) -> Run {
    let anchors = keys::anchors(&[&keys::trusted()]);
    let output = program
        .args([command, "--json=short", "--architecture=x86-64"])
        .arg(format!("--certificate={}", anchors.path().display()))
        .args(arguments)
        // An environment that asks for a proxy is not heard.
        .envs([("http_proxy", "http://127.0.0.1:9/"), ("ALL_PROXY", "http://127.0.0.1:9/")])
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        verdict: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Audits what the first server serves, the others being its mirrors.
fn audit(servers: &[&Server]) -> Run {
    let url = servers[0].url("/image.raw");
    let mirrors: Vec<String> =
        servers[1..].iter().map(|it| format!("--mirror={}", it.url("/"))).collect();
    let mirrors = mirrors.iter().map(String::as_str);
    run("audit", &[SIGNED, &url].into_iter().chain(mirrors).collect::<Vec<_>>())
}

#[test]
fn an_image_is_judged_where_it_is_served() {
    let server = serve(&image().bytes);
    let ran = audit(&[&server]);
    assert_eq!((ran.code, &ran.verdict["mode"]), (0, &json!("ranged")), "{}", ran.stderr);
    assert!(ran.dropped().is_empty());
    let used = image().content("root").len() + image().content("root-verity").len();
    assert!(server.sent() < (used + (256 << 10)) as u64, "{} bytes sent", server.sent());
}

#[test]
fn a_stranger_costs_some_kib() {
    let strange = Ddi::builder().volume("root", Volume::new(tree()).signed_by(&keys::stranger()));
    let (stranger, good) = (serve(&strange.build().bytes), serve(&image().bytes));
    let ran = audit(&[&stranger]);
    assert_eq!(ran.code, 22);
    assert!(stranger.sent() <= 128 << 10, "{} bytes sent", stranger.sent());
    let ran = audit(&[&stranger, &good]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.dropped()[0].1, "tampered");
}

#[test]
fn one_bit_is_refused_by_place_and_server_and_mended_by_another_mirror() {
    let (root, verity) = (image().range("root"), image().range("root-verity"));
    // In the first block, in one of the middle, in the last that the tree covers, in the tree.
    let cases = [
        (root.start + 5, "fetch-block"),
        (root.start + (6 << 20), "fetch-block"),
        (root.start + tree().len() - 1, "fetch-block"),
        (verity.start + 4096 + 64, "fetch-tree"),
    ];
    for (offset, id) in cases {
        let bad = serve(&image().bytes);
        bad.misbehave("/image.raw", Misbehaviour::FlipBit { offset: offset as u64, bit: 3 });
        let ran = audit(&[&bad]);
        assert_eq!((ran.code, &ran.refusal()["id"]), (22, &json!(id)), "{offset}");
        let found = ran.refusal()["found"].as_str().unwrap();
        assert!(found.contains(&bad.url("/image.raw")) && found.contains("expected "), "{found}");
        if id == "fetch-block" {
            let block = offset - (offset - root.start) % 4096;
            assert!(found.contains(&format!("at byte {block} ")), "{found}");
        }

        let (again, good) = (serve(&image().bytes), serve(&image().bytes));
        again.misbehave("/image.raw", Misbehaviour::FlipBit { offset: offset as u64, bit: 3 });
        let ran = audit(&[&bad, &again, &good]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let expected =
            [&bad, &again].map(|it| (it.url("/image.raw"), "tampered".into(), id.into()));
        assert_eq!(ran.dropped(), expected);
        let ran = audit(&[&good, &bad]);
        assert!(ran.code == 0 && ran.dropped().is_empty());
    }
}

#[test]
fn the_worst_refusal_is_the_verdict_and_the_first_among_equals() {
    let (absent, garbage) = (Server::start(), serve(&vec![7; 1 << 20]));
    let flipped = serve(&image().bytes);
    let offset = image().range("root").start as u64;
    flipped.misbehave("/image.raw", Misbehaviour::FlipBit { offset, bit: 0 });
    for order in [[&absent, &garbage, &flipped], [&flipped, &garbage, &absent]] {
        let ran = audit(&order);
        assert_eq!((ran.code, &ran.refusal()["id"]), (22, &json!("fetch-block")));
        assert_eq!(ran.dropped().len(), 3);
    }
    let ran = audit(&[&absent, &garbage]);
    assert_ne!((ran.code, &ran.refusal()["id"]), (10, &json!("source-absent")));
    let other = Server::start();
    let ran = audit(&[&absent, &other]);
    assert_eq!((ran.code, &ran.refusal()["id"]), (10, &json!("source-absent")));
    assert_eq!(ran.refusal()["subject"], json!(absent.url("/image.raw")));
}

#[test]
fn mirrors_never_make_the_demands_weaker() {
    let unsigned = Ddi::builder().volume("root", Volume::new(tree()).unsigned()).build();
    let (absent, unsigned) = (Server::start(), serve(&unsigned.bytes));
    let ran = audit(&[&absent, &unsigned]);
    assert_eq!(ran.code, 21, "{}", ran.verdict);
    assert_eq!(audit(&[&absent, &serve(&image().bytes)]).code, 0);
}

#[test]
fn a_cut_body_goes_on_elsewhere_where_it_does_not_go_on_here() {
    let (bad, good) = (serve(&image().bytes), serve(&image().bytes));
    bad.misbehave_at("/image.raw", 3..usize::MAX, Misbehaviour::Status(404));
    bad.misbehave_at("/image.raw", 0..usize::MAX, Misbehaviour::TruncateAfter(3 << 20));
    let ran = audit(&[&bad, &good]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.dropped().len(), 1);
    assert!(bad.sent() > 0);
}

/// Fetches into `place`.
fn fetch(place: &TempDir, arguments: &[&str]) -> Run {
    let file = place.path().join("image.raw");
    let arguments = [arguments, &[file.to_str().unwrap(), SIGNED]].concat();
    run("fetch", &arguments)
}

fn holds_what_was_signed(file: &Path) {
    let bytes = fs::read(file).unwrap();
    assert_eq!(bytes.len(), image().bytes.len());
    for name in ["root", "root-verity", "root-verity-sig"] {
        let range = image().range(name);
        let tail = if name == "root" { tree().len() } else { range.len() };
        let range = range.start..range.start + tail;
        assert!(bytes[range.clone()] == image().bytes[range], "{name}");
    }
}

#[test]
fn a_fetched_file_is_judged_as_it_stands_and_a_second_run_fetches_what_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let (file, part) = (place.path().join("image.raw"), place.path().join("image.raw.part"));
    let server = serve(&image().bytes);
    let ran = fetch(&place, &[&server.url("/image.raw?token=secret")]);
    assert_eq!(ran.code, 10, "another path than is served");
    assert!(!format!("{}{}", ran.verdict, ran.stderr).contains("secret"));
    assert!(!file.exists());
    let ran = fetch(&place, &[&server.url("/image.raw")]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    assert!(!part.exists());
    holds_what_was_signed(&file);
    assert_eq!(run("audit", &[SIGNED, file.to_str().unwrap()]).code, 0);

    // As if interrupted: one part is missing, in another one a bit is wrong.
    let mut bytes = fs::read(&file).unwrap();
    let root = image().range("root");
    bytes[root.start + (2 << 20)] ^= 1;
    bytes[root.start + (8 << 20)..root.start + (9 << 20)].fill(0);
    fs::write(&part, &bytes).unwrap();
    fs::remove_file(&file).unwrap();
    let again = serve(&image().bytes);
    let ran = fetch(&place, &[&again.url("/image.raw")]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    holds_what_was_signed(&file);
    assert!(again.sent() < 2 << 20, "{} bytes sent", again.sent());
}

#[test]
fn nothing_that_was_not_judged_is_left_of_what_stood_there() {
    let fresh = tempfile::tempdir().unwrap();
    let server = serve(&image().bytes);
    assert_eq!(fetch(&fresh, &[&server.url("/image.raw")]).code, 0);
    let expected = fs::read(fresh.path().join("image.raw")).unwrap();
    holds_what_was_signed(&fresh.path().join("image.raw"));
    let plain = serve(&image().bytes);
    plain.misbehave("/image.raw", Misbehaviour::IgnoreRange);
    for server in [&server, &plain] {
        for left in [vec![0xAA; expected.len() + 8192], vec![0xAA; expected.len() - 10_000]] {
            let place = tempfile::tempdir().unwrap();
            // With something in it that is right, as an interrupted run leaves it.
            let (mut left, root) = (left, image().range("root"));
            left[root.clone()].copy_from_slice(&image().bytes[root]);
            fs::write(place.path().join("image.raw.part"), &left).unwrap();
            let ran = fetch(&place, &[&server.url("/image.raw")]);
            assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
            let found = fs::read(place.path().join("image.raw")).unwrap();
            let differs = found.iter().zip(&expected).position(|(one, other)| one != other);
            assert_eq!((found.len(), differs), (expected.len(), None));
        }
    }
}

#[test]
fn a_refused_image_gets_no_name() {
    let place = tempfile::tempdir().unwrap();
    let bad = serve(&image().bytes);
    let offset = image().range("root").start as u64 + (10 << 20);
    bad.misbehave("/image.raw", Misbehaviour::FlipBit { offset, bit: 1 });
    let ran = fetch(&place, &[&bad.url("/image.raw")]);
    assert_eq!(ran.code, 22, "{} {}", ran.stderr, ran.verdict);
    assert!(!place.path().join("image.raw").exists());
    // What was right of it is there, and the good server is asked for little.
    let good = serve(&image().bytes);
    let ran = fetch(&place, &[&good.url("/image.raw")]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    assert!(good.sent() < bad.sent(), "{} after {}", good.sent(), bad.sent());
    holds_what_was_signed(&place.path().join("image.raw"));
}
