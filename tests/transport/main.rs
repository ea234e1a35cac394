// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What `verify=` demands of the transport, over HTTP and beside local files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that panics fails, which is what a test is for"
)]

mod signature;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use veriroot::checksums::{Check, Demand, Error, ListError, Received, Shown, receive};
use veriroot::finding::{Class, Finding, Origin, Outcome, Refusal};
use veriroot::source::{self, Failure, Pace, Source, Transport};
use veriroot::url::SourceUrl;
use veriroot_test_support::ddi::Ddi;
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys;

const IMAGE: &[u8] = b"an image, as far as its transport is concerned";

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&openssl::sha::sha256(bytes))
}

fn line(name: &str) -> String {
    format!("{}  {name}\n", hex(IMAGE))
}

fn transport() -> Transport {
    let pace = Pace {
        retries: 1,
        backoff: Duration::from_millis(10),
        backoff_max: Duration::from_millis(20),
        ..Pace::default()
    };
    Transport { pace, child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")), ..Transport::default() }
}

/// A server with the image at /d/image.raw and these files beside it.
fn server(beside: &[(&str, &str)]) -> Server {
    let server = Server::of("/d/image.raw?token=secret", IMAGE);
    for (name, text) in beside {
        server.serve(&format!("/d/{name}"), text.as_bytes());
    }
    server
}

fn fetch(server: &Server, check: Check) -> Result<Received, Error> {
    fetch_from(&server.url("/d/image.raw?token=secret"), check)
}

fn fetch_from(url: &str, check: Check) -> Result<Received, Error> {
    let url = SourceUrl::parse(url).unwrap();
    let demand = Demand {
        check,
        origin: Origin::KernelWord("verify=checksum".to_owned()),
        memory_reserve: 0,
    };
    receive(Source::open_url(&url, &transport())?, &demand)
}

/// The paths that were asked for beside the image, in order.
fn asked(server: &Server) -> Vec<String> {
    let mut paths: Vec<String> = server.requests().into_iter().map(|it| it.path).collect();
    paths.retain(|it| !it.starts_with("/d/image.raw?"));
    paths
}

#[track_caller]
fn refused(result: Result<Received, Error>) -> (Error, Class, Finding) {
    let error = result.err().unwrap_or_else(|| panic!("should be refused"));
    let (class, finding) = (error.class(), error.finding());
    assert_eq!(finding.outcome, Outcome::Failed);
    for text in [&finding.subject, &finding.expected, &finding.found, &finding.advice] {
        assert!(!text.is_empty() && !text.contains("secret"), "{finding:?}");
    }
    (error, class, finding)
}

#[test]
fn the_checksum_file_of_the_image_comes_first() {
    let server = server(&[("image.raw.sha256", &line("image.raw")), ("SHA256SUMS", "nonsense")]);
    let received = fetch(&server, Check::Checksum).unwrap();
    let list = server.url("/d/image.raw.sha256");
    assert_eq!(received.shown(), &Shown::Listed { list, sha256: hex(IMAGE) });
    assert_eq!(asked(&server), ["/d/image.raw.sha256"]);
}

#[test]
fn the_one_of_the_directory_is_next_where_that_is_absent() {
    for status in [404, 410] {
        let text = format!("{}  other.raw\n{}", hex(b"other"), line("image.raw"));
        let server = server(&[("SHA256SUMS", &text)]);
        server.misbehave("/d/image.raw.sha256", Misbehaviour::Status(status));
        let received = fetch(&server, Check::Checksum).unwrap();
        let list = server.url("/d/SHA256SUMS");
        assert_eq!(received.shown(), &Shown::Listed { list, sha256: hex(IMAGE) });
        assert_eq!(asked(&server), ["/d/image.raw.sha256", "/d/SHA256SUMS"]);
    }
}

#[test]
fn no_other_failure_is_taken_for_absence() {
    for (misbehaviour, failure) in [
        (Misbehaviour::Status(403), Failure::Denied),
        (Misbehaviour::Status(401), Failure::Denied),
        (Misbehaviour::Status(500), Failure::Unavailable),
        (Misbehaviour::Status(204), Failure::BadAnswer),
        (Misbehaviour::Redirect("ftp://h/x".to_owned()), Failure::Redirect),
        (Misbehaviour::TruncateAfter(9), Failure::Unavailable),
    ] {
        let good = line("image.raw");
        let server = server(&[("image.raw.sha256", &good), ("SHA256SUMS", &good)]);
        assert!(fetch(&server, Check::Checksum).is_ok());
        server.misbehave("/d/image.raw.sha256", misbehaviour.clone());
        let (error, class, _) = refused(fetch(&server, Check::Checksum));
        let Error::Source(source::Error::Server { failure: found, .. }) = error else {
            panic!("{misbehaviour:?}: {error:?}")
        };
        assert_eq!((found, class), (failure, Class::Net), "{misbehaviour:?}");
        assert!(!asked(&server).contains(&"/d/SHA256SUMS".to_owned()), "{misbehaviour:?}");
    }
}

#[test]
fn where_there_is_none_every_name_that_was_tried_is_said() {
    let (_, class, finding) = refused(fetch(&server(&[]), Check::Checksum));
    assert_eq!((class, finding.id), (Class::Net, "source-checksum-absent"));
    for name in ["/d/image.raw.sha256", "/d/SHA256SUMS"] {
        assert!(finding.found.contains(name), "{}", finding.found);
    }
    assert!(fetch(&server(&[]), Check::No).is_ok());
}

#[test]
fn a_redirect_moves_neither_name_nor_place() {
    let server = server(&[("image.raw.sha256", &line("image.raw"))]);
    server.serve("/elsewhere/v2.raw", IMAGE);
    server.serve("/elsewhere/v2.raw.sha256", line("v2.raw").as_bytes());
    let to = Misbehaviour::Redirect(server.url("/elsewhere/v2.raw"));
    server.misbehave("/d/image.raw?token=secret", to);
    assert!(fetch(&server, Check::Checksum).is_ok());
    assert!(asked(&server).contains(&"/d/image.raw.sha256".to_owned()));
    assert!(!asked(&server).contains(&"/elsewhere/v2.raw.sha256".to_owned()));
}

#[test]
fn names_in_the_list_are_those_of_the_url() {
    let server = Server::of("/d/a%2bb.raw", IMAGE);
    server.serve("/d/SHA256SUMS", line("a%2bb.raw").as_bytes());
    assert!(fetch_from(&server.url("/d/a%2bb.raw"), Check::Checksum).is_ok());
    server.serve("/d/SHA256SUMS", line("a+b.raw").as_bytes());
    let result = fetch_from(&server.url("/d/a%2bb.raw"), Check::Checksum);
    assert_eq!(refused(result).1, Class::Pair);
}

#[test]
fn a_list_of_another_image_or_none_is_refused() {
    let other = format!("{}  image.raw\n", hex(b"other"));
    let both = format!("{}{other}", line("image.raw"));
    for (text, class, id) in [
        (other, Class::Pair, "source-digest"),
        (both, Class::Pair, "source-checksum-list"),
        (line("other.raw"), Class::Pair, "source-checksum-list"),
        (line("image.raw").replace('\n', ""), Class::Pair, "source-checksum-list"),
        ("<html>sign in</html>\n".to_owned(), Class::Pair, "source-checksum-list"),
        ("\n".repeat(1 << 20), Class::Pair, "source-checksum-list"),
        ("\n".repeat((1 << 20) + 1), Class::Limit, "source-too-large"),
    ] {
        let server = server(&[("image.raw.sha256", &text)]);
        let (_, found, finding) = refused(fetch(&server, Check::Checksum));
        assert_eq!((found, finding.id), (class, id), "{}", &finding.found);
    }
    let long = format!("{}{}", line("image.raw"), line("x").repeat(15_000));
    assert!(fetch(&server(&[("image.raw.sha256", &long)]), Check::Checksum).is_ok());
}

#[test]
fn an_endless_list_ends() {
    let server = server(&[("SHA256SUMS", &line("image.raw"))]);
    server.serve("/d/image.raw.sha256", line("image.raw").as_bytes());
    server.misbehave("/d/image.raw.sha256", Misbehaviour::EndlessBody);
    let (_, class, _) = refused(fetch(&server, Check::Checksum));
    assert!(matches!(class, Class::Net | Class::Limit), "{class}");
}

#[test]
fn a_url_without_a_path_has_nothing_beside_it() {
    let server = Server::of("/", IMAGE);
    assert!(fetch_from(&server.url("/"), Check::No).is_ok());
    let (error, class, _) = refused(fetch_from(&server.url("/"), Check::Checksum));
    assert!(matches!(error, Error::NoPlace { .. }));
    assert_eq!(class, Class::Config);
}

#[test]
fn a_conflict_shows_both_values() {
    let text = format!("{}{}  image.raw\n", line("image.raw"), hex(b"other"));
    let result = fetch(&server(&[("SHA256SUMS", &text)]), Check::Checksum);
    let (error, ..) = refused(result);
    let Error::List { error, .. } = error else { panic!("{error:?}") };
    let expected = ListError::Conflict {
        name: "image.raw".to_owned(),
        first: hex(IMAGE),
        second: hex(b"other"),
    };
    assert_eq!(*error, expected);
}

/// A directory with a signed image, and the program over it.
struct Place {
    directory: tempfile::TempDir,
    anchors: tempfile::TempDir,
}

impl Place {
    fn new(image: &[u8]) -> Self {
        let (directory, anchors) =
            (tempfile::tempdir().unwrap(), keys::anchors(&[&keys::trusted()]));
        fs::write(directory.path().join("image.raw"), image).unwrap();
        Self { directory, anchors }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    /// Exit code and output of an audit.
    fn audit(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new("timeout")
            .args(["120", env!("CARGO_BIN_EXE_veriroot"), "audit", "--json=short", "image.raw"])
            .args(["--image-policy=root=signed:=ignore", "--certificate"])
            .arg(self.anchors.path())
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn audit_looks_beside_the_file() {
    let image = Ddi::builder().build().bytes;
    let place = Place::new(&image);
    assert_eq!(place.audit(&["--verify=no"]).0, 0);
    assert_eq!(place.audit(&["--verify=checksum"]).0, 10);
    place.write("SHA256SUMS", format!("{} *image.raw\n", hex(&image)).as_bytes());
    let (code, text) = place.audit(&["--verify=checksum"]);
    assert!(code == 0 && text.contains("source-digest"), "{text}");
    assert_eq!(place.audit(&[&format!("--verify={}", hex(&image))]).0, 0);
    assert_eq!(place.audit(&[&format!("--verify={}", hex(b""))]).0, 21);
    for word in ["checksums", "", "0", "sha256"] {
        assert_eq!(place.audit(&[&format!("--verify={word}")]).0, 2, "{word}");
    }
    place.write("image.raw.sha256", format!("{} *image.raw\n", hex(b"")).as_bytes());
    assert_eq!(place.audit(&["--verify=checksum"]).0, 21);
}

#[test]
fn a_transport_that_was_checked_proves_nothing_of_the_image() {
    let image = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build().bytes;
    let place = Place::new(&image);
    place.write("SHA256SUMS", format!("{}  image.raw\n", hex(&image)).as_bytes());
    assert_eq!(place.audit(&["--verify=checksum"]).0, 22);
}
