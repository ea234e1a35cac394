// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What stands beside an image or an archive: under its URL without the query, within the time of its mirror.

use std::fs;

use veriroot_test_support::ddi::Ddi;
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar;

use super::{SIGNED, run, serve};

#[test]
fn the_signature_of_an_archive_stands_beside_it_whatever_its_query() {
    let bytes = tar::archive(&tar::tree());
    // Longer than what is shown of a URL.
    let long = format!("/{}/tree.tar", "d".repeat(300));
    for path in ["/tree.tar?token=secret", "/d/tree.tar?a=/b.tar", &long] {
        let server = Server::of(path, &bytes[..]);
        let beside = format!("{}.p7s", path.split('?').next().unwrap());
        assert_eq!(run("audit", &[&server.url(path)]).code, 22, "{path}");
        server.serve(&beside, Cms::detached(&keys::stranger(), &bytes).build());
        assert_eq!(run("audit", &[&server.url(path)]).code, 22, "{path}");
        server.serve(&beside, Cms::detached(&keys::trusted(), &bytes).build());
        let ran = run("audit", &[&server.url(path)]);
        assert_eq!(ran.code, 0, "{path} {} {}", ran.stderr, ran.verdict);
    }
}

#[test]
fn what_stalls_beside_an_image_takes_the_time_of_its_own_mirror() {
    let image = Ddi::builder().build().bytes;
    let sum = data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&image));
    let listed = || {
        let server = serve(&image);
        server.serve("/SHA256SUMS", format!("{sum}  image.raw\n").as_bytes());
        server
    };
    let (stalling, good) = (listed(), listed());
    stalling.misbehave("/SHA256SUMS", Misbehaviour::StallAfter(0));
    let policy = tempfile::NamedTempFile::new().unwrap();
    fs::write(policy.path(), "[transport]\nbudget = \"14s\"\n").unwrap();
    let policy = format!("--policy-file={}", policy.path().display());
    let (url, mirror) = (stalling.url("/image.raw"), format!("--mirror={}", good.url("/")));
    let ran = run("audit", &[SIGNED, "--verify=checksum", &policy, &mirror, &url]);
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
    assert_eq!(ran.dropped(), [(url, "transient".into(), "source-time".into())]);
}
