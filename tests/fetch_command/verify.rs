// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot fetch --verify=`: the transport is checked as at a boot, and mirrors bring their own
//! checksum files.

use std::fs;

use serde_json::json;
use veriroot_test_support::gpg::Gnupg;
use veriroot_test_support::http::Server;

use super::{fetch, holds_what_was_signed, image, serve};

fn sum(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&openssl::sha::sha256(bytes))
}

fn list(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let list = format!("{}  image.raw\n", sum(bytes)).into_bytes();
    server.serve("/SHA256SUMS", &list[..]);
    list
}

#[test]
fn checksums_and_signatures_gate_what_is_fetched() {
    let place = tempfile::tempdir().unwrap();
    let server = serve(&image().bytes);
    let url = server.url("/image.raw");
    let (right, wrong) = (sum(&image().bytes), sum(b"another"));
    let checked = |word: &str, more: &[&str]| {
        let verify = format!("--verify={word}");
        let ran = fetch(&place, &[&[url.as_str(), &verify][..], more].concat());
        let id = ran.verdict["findings"].as_array().and_then(|it| it.last()).cloned();
        (ran.code, id.unwrap_or_default()["id"].clone())
    };
    let file = place.path().join("image.raw");
    assert_eq!(checked(&wrong, &[]), (21, json!("source-digest")));
    assert_eq!(checked("checksum", &[]), (10, json!("source-checksum-absent")));
    assert_eq!(checked("nonsense", &[]).0, 2);
    list(&server, b"another");
    assert_eq!(checked("checksum", &[]), (21, json!("source-digest")));
    assert!(!file.exists());

    assert_eq!(checked(&right, &[]).0, 0);
    holds_what_was_signed(&file);
    let list = list(&server, &image().bytes);
    assert_eq!(checked("checksum", &[]).0, 0);

    let gnupg = Gnupg::new();
    gnupg.key("alice", "ed25519");
    gnupg.key("mallory", "ed25519");
    let (ring, policy) = (place.path().join("ring"), place.path().join("policy.toml"));
    fs::write(&ring, gnupg.export(&["alice"])).unwrap();
    let text = format!("[transport]\nopenpgp-keyring = [\"{}\"]\n", ring.display());
    fs::write(&policy, text).unwrap();
    let policy = format!("--policy-file={}", policy.display());
    assert_eq!(checked("signature", &[&policy]).0, 10);
    server.serve("/SHA256SUMS.gpg", gnupg.detached("mallory", &list));
    assert_eq!(checked("signature", &[&policy]), (22, json!("source-signature")));
    server.serve("/SHA256SUMS.gpg", gnupg.detached("alice", &list));
    assert_eq!(checked("signature", &[&policy]).0, 0);
    holds_what_was_signed(&file);
}

#[test]
fn each_mirror_is_asked_for_its_own_checksum_file() {
    let place = tempfile::tempdir().unwrap();
    let (without, lying, good) =
        (serve(&image().bytes), serve(&image().bytes), serve(&image().bytes));
    list(&lying, b"another");
    list(&good, &image().bytes);
    let mirrors = [&lying, &good].map(|it| format!("--mirror={}", it.url("/")));
    let url = without.url("/image.raw");
    let ran = fetch(&place, &[&url, "--verify=checksum", &mirrors[0], &mirrors[1]]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    let dropped = |server: &Server, reason: &str, id: &str| {
        (server.url("/image.raw"), reason.to_owned(), id.to_owned())
    };
    let expected = [
        dropped(&without, "permanent", "source-checksum-absent"),
        dropped(&lying, "tampered", "source-digest"),
    ];
    assert_eq!(ran.dropped(), expected);
    let ran = fetch(&place, &[&url, "--verify=checksum", &mirrors[0]]);
    assert_eq!((ran.code, &ran.refusal()["id"]), (21, &json!("source-digest")));
}
