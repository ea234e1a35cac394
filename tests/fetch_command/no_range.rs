// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Servers that know no byte ranges: the one answer is read in order, under the same demands.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;
use veriroot_test_support::ddi::{Builder, Ddi, Image, Volume};
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys;

use super::{Run, SIGNED, audit, fetch, holds_what_was_signed, image, run, serve, tree};

/// How much may be on its way when a transfer is stopped: buffers of two sockets and of the server.
const ON_ITS_WAY: u64 = 16 << 20;

/// Serves without ranges.
fn plain(bytes: &[u8]) -> Server {
    let server = serve(bytes);
    server.misbehave("/image.raw", Misbehaviour::IgnoreRange);
    server
}

fn spoilt(bytes: &[u8], misbehaviour: Misbehaviour) -> Server {
    let server = plain(bytes);
    server.misbehave("/image.raw", misbehaviour);
    server
}

/// With the signature in front, so that all but table, signature and superblock waits for them.
fn signature_first() -> Builder {
    Ddi::builder().volume("root", Volume::new(tree())).order(&[
        "root-verity-sig",
        "root-verity",
        "root",
    ])
}

fn linear() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| signature_first().build())
}

fn mode(run: &Run) -> &str {
    run.verdict["mode"].as_str().unwrap_or_default()
}

#[test]
fn an_image_comes_in_one_answer_whatever_its_order() {
    for (image, expected) in [(linear(), "linear"), (image(), "spooled")] {
        let server = plain(&image.bytes);
        let ran = audit(&[&server]);
        assert_eq!((ran.code, mode(&ran)), (0, expected), "{}", ran.stderr);
        assert!(ran.dropped().is_empty());
        let asked: Vec<_> = server.requests().into_iter().map(|it| it.path).collect();
        assert_eq!(asked.iter().filter(|it| *it == "/image.raw").count(), 1);
        assert!(server.sent() <= image.bytes.len() as u64);
        // Without a length too: in chunks, and to the end of the connection.
        for misbehaviour in [Misbehaviour::Chunked, Misbehaviour::NoLength] {
            let ran = audit(&[&spoilt(&image.bytes, misbehaviour)]);
            assert_eq!((ran.code, mode(&ran)), (0, expected), "{}", ran.stderr);
        }
    }
}

#[test]
fn ranges_that_are_gone_later_are_another_server_s_doing() {
    let image = image();
    let later = || {
        let server = serve(&image.bytes);
        server.misbehave_at("/image.raw", 1..usize::MAX, Misbehaviour::IgnoreRange);
        server
    };
    let ran = audit(&[&later()]);
    assert_eq!((ran.code, &ran.refusal()["id"]), (10, &json!("source-changed")));
    let ran = audit(&[&later(), &serve(&image.bytes)]);
    assert_eq!((ran.code, mode(&ran)), (0, "ranged"), "{}", ran.stderr);
    // A part of a place that nobody asked for is none.
    let elsewhere = serve(&image.bytes);
    elsewhere.misbehave("/image.raw", Misbehaviour::WrongContentRange(4096));
    let ran = audit(&[&elsewhere]);
    assert_eq!((ran.code, &ran.refusal()["id"]), (10, &json!("source-bad-answer")));
    let ran = audit(&[&elsewhere, &plain(&linear().bytes)]);
    assert_eq!((ran.code, mode(&ran)), (0, "linear"), "{}", ran.stderr);
}

#[test]
fn a_length_that_is_none_is_refused() {
    let bytes = &linear().bytes;
    let lied = |len: usize| spoilt(bytes, Misbehaviour::Length(len.to_string()));
    assert_eq!(audit(&[&lied(bytes.len())]).code, 0);
    for (server, code, id) in [
        // The table says how long the image is.
        (lied(bytes.len() - 4096), 20, "dissect-gpt"),
        (lied(bytes.len() + 4096), 20, "dissect-gpt"),
        (lied(0), 20, "source-empty"),
        (lied(1 << 40), 20, "source-too-large"),
        // Without a length its end is where the table says, or it is none.
        (plain(&bytes[..bytes.len() - 4096]), 20, "dissect-gpt"),
        (spoilt(&bytes[..bytes.len() - 4096], Misbehaviour::Chunked), 20, "source-cut"),
        (spoilt(&[bytes, &[0; 4096][..]].concat(), Misbehaviour::Chunked), 20, "source-trailing"),
    ] {
        let ran = audit(&[&server]);
        assert_eq!((ran.code, &ran.refusal()["id"]), (code, &json!(id)));
        assert!(server.sent() <= bytes.len() as u64 + 4096);
    }
}

#[test]
fn a_body_that_is_cut_is_asked_for_from_the_beginning() {
    let image = linear();
    for cut in [0, 1, 100_000, 5 << 20, image.bytes.len() as u64 - 1] {
        for etag in [true, false] {
            let server = plain(&image.bytes);
            server.misbehave_at("/image.raw", 0..2, Misbehaviour::TruncateAfter(cut));
            if !etag {
                server.misbehave("/image.raw", Misbehaviour::NoEtag);
            }
            let ran = audit(&[&server]);
            assert_eq!((ran.code, mode(&ran)), (0, "linear"), "{cut} {}", ran.stderr);
            assert_eq!(server.requests().len(), 3, "{cut}");
        }
    }
    // Another image by then.
    let server = plain(&image.bytes);
    server.misbehave_at("/image.raw", 0..1, Misbehaviour::TruncateAfter(1 << 20));
    let other = signature_first().build().bytes.into();
    server.misbehave_at("/image.raw", 1..usize::MAX, Misbehaviour::Replaced(other));
    let ran = audit(&[&server]);
    assert_eq!((ran.code, &ran.refusal()["id"]), (10, &json!("source-changed")));
}

#[test]
fn a_stranger_is_refused_when_the_signature_is_here() {
    // More than fits there.
    let noise = veriroot_test_support::noise(7, 48 << 20);
    let strange = Ddi::empty()
        .volume("root", Volume::new(noise).signed_by(&keys::stranger()))
        .order(&["root-verity-sig", "root-verity", "root"])
        .build();
    let stranger = plain(&strange.bytes);
    let ran = audit(&[&stranger]);
    assert_eq!((ran.code, mode(&ran)), (22, "linear"));
    assert!(stranger.sent() < ON_ITS_WAY, "{} of {}", stranger.sent(), strange.bytes.len());
    let good = plain(&linear().bytes);
    let ran = audit(&[&stranger, &good]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = (stranger.url("/image.raw"), "tampered".into(), "authenticate-signature".into());
    assert_eq!(ran.dropped(), [expected]);
}

#[test]
fn one_bit_is_refused_by_place_and_server_and_mended_by_another_mirror() {
    for (image, shape) in [(linear(), "linear"), (image(), "spooled")] {
        let (root, verity) = (image.range("root"), image.range("root-verity"));
        for (offset, id) in [
            (root.start + 5, "fetch-block"),
            (root.start + tree().len() - 1, "fetch-block"),
            (verity.start + 4096 + 64, "fetch-tree"),
        ] {
            let bit = Misbehaviour::FlipBit { offset: offset as u64, bit: 3 };
            let bad = spoilt(&image.bytes, bit);
            let ran = audit(&[&bad]);
            let refusal = ran.refusal();
            assert_eq!((ran.code, mode(&ran), &refusal["id"]), (22, shape, &json!(id)));
            let found = refusal["found"].as_str().unwrap();
            assert!(found.contains(&bad.url("/image.raw")), "{found}");
            assert!(found.contains("expected "), "{found}");
            if id == "fetch-block" {
                let block = offset - (offset - root.start) % 4096;
                assert!(found.contains(&format!("at byte {block} ")), "{found}");
            }
            for good in [plain(&image.bytes), serve(&image.bytes)] {
                let ran = audit(&[&bad, &good]);
                assert_eq!(ran.code, 0, "{}", ran.stderr);
                assert_eq!(ran.dropped(), [(bad.url("/image.raw"), "tampered".into(), id.into())]);
            }
        }
    }
}

#[test]
fn what_a_ranged_mirror_left_open_is_taken_from_one_without_ranges() {
    let image = image();
    let offset = image.range("root").start as u64 + (6 << 20);
    let bad = serve(&image.bytes);
    bad.misbehave("/image.raw", Misbehaviour::FlipBit { offset, bit: 0 });
    // What is wrong before that place, and behind the end, is not looked at.
    let other = plain(&[&image.bytes[..], &[7; 9]].concat());
    other.misbehave("/image.raw", Misbehaviour::FlipBit { offset: 700, bit: 0 });
    let ran = audit(&[&bad, &other]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.dropped().len(), 1);
    let worse = plain(&image.bytes);
    worse.misbehave("/image.raw", Misbehaviour::FlipBit { offset: offset + 8192, bit: 0 });
    assert_eq!(audit(&[&bad, &worse]).code, 22);
    let ran = audit(&[&bad, &worse, &serve(&image.bytes)]);
    assert_eq!((ran.code, ran.dropped().len()), (0, 2), "{}", ran.stderr);

    // A file keeps the table that was judged, from whichever mirror the rest comes.
    let place = tempfile::tempdir().unwrap();
    let mirror = format!("--mirror={}", other.url("/"));
    let ran = fetch(&place, &[&bad.url("/image.raw"), &mirror]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    holds_what_was_signed(&place.path().join("image.raw"));
}

#[test]
fn a_fetched_file_and_what_stands_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let server = plain(&image().bytes);
    let ran = fetch(&place, &[&server.url("/image.raw")]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    let file = place.path().join("image.raw");
    holds_what_was_signed(&file);
    // As if interrupted: what is there is judged where it is, and not kept in memory again.
    let part = place.path().join("image.raw.part");
    let mut bytes = fs::read(&file).unwrap();
    bytes[image().range("root").start + (2 << 20)] ^= 1;
    fs::write(&part, &bytes).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(fetch(&place, &[&server.url("/image.raw")]).code, 0);
    holds_what_was_signed(&file);

    let sum = data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&image().bytes));
    let url = server.url("/image.raw");
    let check = |word: &str| run("audit", &[SIGNED, &format!("--verify={word}"), &url]).code;
    assert_eq!((check(&sum), check(&sum.replace('a', "b"))), (0, 21));
    assert_eq!(check("checksum"), 10);
    server.serve("/SHA256SUMS", format!("{sum}  image.raw\n").as_bytes());
    server.misbehave("/SHA256SUMS", Misbehaviour::IgnoreRange);
    assert_eq!(check("checksum"), 0);
    let dissect = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["dissect", "--json=short", "--architecture=x86-64", &url])
        .output()
        .unwrap();
    assert!(dissect.status.success(), "{dissect:?}");
}

/// 64 MiB of zeros, in 64 KiB.
fn gzipped_zeros() -> Vec<u8> {
    let output = Command::new("sh")
        .args(["-c", "head -c 67108864 /dev/zero | gzip -n -c"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Audits under a policy that leaves more memory free than a machine has that runs tests.
fn audit_without_memory(arguments: &[&str]) -> Run {
    let policy = tempfile::NamedTempFile::new().unwrap();
    fs::write(policy.path(), "[transport]\nmemory-reserve = \"1000000T\"\n").unwrap();
    let policy = format!("--policy-file={}", policy.path().display());
    run("audit", &[&[SIGNED, &policy], arguments].concat())
}

#[test]
fn what_outgrows_the_memory_is_one_server_s_doing() {
    let good = serve(&image().bytes);
    let endless = spoilt(&[0; 4096], Misbehaviour::EndlessBody);
    let bomb = serve(&gzipped_zeros());
    for bad in [&endless, &bomb] {
        let (url, mirror) = (bad.url("/image.raw"), format!("--mirror={}", good.url("/")));
        let ran = audit_without_memory(&[&url]);
        assert_eq!((ran.code, &ran.refusal()["id"]), (30, &json!("source-memory")));
        let ran = audit_without_memory(&[&url, &mirror]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.dropped(), [(url, "permanent".into(), "source-memory".into())]);
    }
}

#[test]
fn memory_is_left_free_by_what_stands_beside_an_image_too() {
    let server = serve(&image().bytes);
    let sum = data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&image().bytes));
    server.serve("/SHA256SUMS", format!("{sum}  image.raw\n").as_bytes());
    server.misbehave("/SHA256SUMS", Misbehaviour::IgnoreRange);
    let url = server.url("/image.raw");
    let ran = audit_without_memory(&["--verify=checksum", &url]);
    let refusal = ran.refusal();
    assert_eq!((ran.code, &refusal["id"]), (30, &json!("source-memory")));
    assert_eq!(refusal["subject"], json!(server.url("/SHA256SUMS")));
    assert_eq!(run("audit", &[SIGNED, "--verify=checksum", &url]).code, 0);
}
