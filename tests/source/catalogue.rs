// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Heads and bodies that are no answer, each beside the one that is; secrets and proxies.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use veriroot::designator::Architecture;
use veriroot::dissect::{Scope, dissect};
use veriroot::finding::Refusal;
use veriroot::image_filter::ImageFilter;
use veriroot::policy_file::{Credential, Secret};
use veriroot::source::{Failure, Terms, Transport};

use super::server::{Reply, Server, Then, ranged, status};
use super::{ETAG, Error, failure, image, open, range, tls, transport, whole};

/// Reads everything from a server whose second response is `spoilt`.
fn second(spoilt: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Result<Vec<u8>, Error> {
    let image = image();
    let server = Server::start(move |request| {
        let reply = ranged(&image, request, ETAG);
        if request.number == 0 { reply } else { spoilt(reply) }
    });
    whole(&mut open(&server.url("/i"), &transport())?)
}

/// The same body in chunks, as `chunk` writes each.
fn chunked(reply: Reply, step: usize, chunk: impl Fn(&[u8]) -> Vec<u8>, end: &[u8]) -> Reply {
    let length = format!("Content-Length: {}\r\n", reply.body.len());
    let head = reply.head.replace(&length, "Transfer-Encoding: chunked\r\n");
    let body: Vec<u8> = reply.body.chunks(step).flat_map(chunk).collect();
    Reply { head, body: [&body, end].concat(), ..reply }
}

fn plain_chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

// NET-02
#[test]
fn chunks_are_a_body_or_nothing() {
    for step in [1 << 18, 1000, 7] {
        let good = second(move |it| chunked(it, step, plain_chunk, b"0\r\n\r\n"));
        assert!(good.unwrap() == image(), "{step}");
    }
    let sized =
        |size: &'static str| move |it: &[u8]| [size.as_bytes(), b"\r\n", it, b"\r\n"].concat();
    for size in ["ffffffffffffffff", "10000000000000000", "-1", "0x10", "", "zz"] {
        let bad = second(move |it| chunked(it, 1 << 18, sized(size), b"0\r\n\r\n"));
        assert!(bad.is_err(), "{size:?}");
    }
    // An end that comes early, one that never comes, and what comes behind the range.
    assert!(second(|it| chunked(it, 1 << 18, |it| plain_chunk(&it[..99]), b"0\r\n\r\n")).is_err());
    assert!(second(|it| chunked(it, 1 << 18, plain_chunk, b"5\r\nabcde\r\n0\r\n\r\n")).is_err());
    let extension = |it: &[u8]| {
        let head = format!("{:x};{}\r\n", it.len(), "x".repeat(1 << 20));
        [head.as_bytes(), it, b"\r\n"].concat()
    };
    assert!(second(move |it| chunked(it, 1 << 18, extension, b"0\r\n\r\n")).is_err());
}

// NET-03
#[test]
fn heads_are_bounded() {
    let with = |lines: String| {
        second(move |mut it| {
            it.head = it.head.replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
            it
        })
    };
    let lines = |count: usize| (0..count).map(|it| format!("X-{it}: y\r\n")).collect::<String>();
    assert!(with(lines(50)).unwrap() == image());
    assert!(with(lines(100_000)).is_err());
    assert!(with(format!("X: {}\r\n", "y".repeat(1 << 20))).is_err());
    assert!(with(format!("X: {}\r\n", "y".repeat(70 << 10))).is_err());
    for line in ["X\0: y\r\n", "X : y\r\n", ": y\r\n", "X: y\0z\r\n", "X\r\n"] {
        assert!(with(line.to_owned()).is_err(), "{line:?}");
    }
    let began = Instant::now();
    let interim = |count: usize| {
        second(move |mut it| {
            it.head = format!("{}{}", "HTTP/1.1 103 x\r\n\r\n".repeat(count), it.head);
            it
        })
    };
    assert!(interim(1).unwrap() == image());
    let flooded = second(|_| {
        let head = "HTTP/1.1 103 x\r\n\r\n".to_owned();
        Reply { head, body: b"HTTP/1.1 103 x\r\n\r\n".repeat(100_000), then: Then::Close }
    });
    assert!(flooded.is_err());
    assert!(began.elapsed() < Duration::from_secs(60));
}

// NET-10
#[test]
fn a_page_of_a_captive_portal_is_no_image() {
    let server = Server::start(|_| {
        let body = b"<html>please log in</html>".to_vec();
        let head = format!("Content-Type: text/html\r\nContent-Length: {}\r\n", body.len());
        Reply { body, ..status(200, &head) }
    });
    // It comes whole, and nothing in it is a partition table or a file system.
    let source = open(&server.url("/i"), &transport()).unwrap();
    let terms = Terms { child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")), ..Terms::default() };
    let scope = Scope {
        architecture: Architecture::X86_64,
        verity: Vec::new(),
        claims: Vec::new(),
        filter: ImageFilter::default(),
    };
    let error = dissect(source.decoded(&terms).unwrap(), &scope).unwrap_err();
    assert_eq!(error.finding().id, "dissect-gpt");
}

#[test]
fn a_proxy_is_asked_where_one_is_configured() {
    let image = image();
    let served = image.clone();
    let proxy = Server::start(move |request| match request.path.as_str() {
        "http://images.invalid/i" => ranged(&served, request, ETAG),
        _ => status(404, ""),
    });
    let through = Transport { proxy: Some(proxy.url("")), ..transport() };
    let mut source = open("http://images.invalid/i", &through).unwrap();
    assert!(whole(&mut source).unwrap() == image);
    assert!(open("http://images.invalid/i", &transport()).is_err());
    // Through it by CONNECT, which this one does not do.
    let (_acceptor, roots) = tls::acceptor();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), roots).unwrap();
    let encrypted = Transport { tls_roots: Some(file.path().to_owned()), ..through };
    assert!(open("https://images.invalid/i", &encrypted).is_err());
    assert!(proxy.requests().iter().all(|it| !it.path.starts_with("https:")));
}

// NET-05, LOG-04
#[test]
fn a_token_is_for_its_own_origin() {
    let image = image();
    let (own, own_roots) = tls::acceptor();
    let (other, other_roots) = tls::acceptor();
    let served = image.clone();
    let other = Server::start_tls(Some(other), move |request| ranged(&served, request, ETAG));
    let away = format!("Location: https://localhost:{}/i\r\n", other.address.port());
    let served = image.clone();
    let own = Server::start_tls(Some(own), move |request| match request.path.as_str() {
        "/away" => status(302, &away),
        "/near" => status(302, "Location: /i\r\n"),
        _ if request.header("authorization") == Some("Bearer s3cret") => {
            ranged(&served, request, ETAG)
        }
        _ => status(401, ""),
    });
    let dir = tempfile::tempdir().unwrap();
    let (roots, token) = (dir.path().join("roots"), dir.path().join("token"));
    std::fs::write(&roots, [own_roots, other_roots].concat()).unwrap();
    std::fs::write(&token, "s3cret\n").unwrap();
    let origin = format!("https://localhost:{}", own.address.port());
    let credential = |client| Credential {
        origin: origin.clone(),
        bearer: Some(Secret(token.display().to_string())),
        client,
    };
    let with =
        |credentials| Transport { tls_roots: Some(roots.clone()), credentials, ..transport() };
    let without = with(Vec::new());
    assert_eq!(failure(open(&format!("{origin}/i"), &without)), Failure::Denied);
    let holder = with(vec![credential(None)]);
    for path in ["/i", "/near", "/away"] {
        let mut source = open(&format!("{origin}{path}"), &holder).unwrap();
        assert_eq!(source.read(range(9, 9), 9).unwrap(), image[9..18], "{path}");
    }
    let seen = other.requests();
    assert!(!seen.is_empty() && seen.iter().all(|it| it.header("authorization").is_none()));

    // A certificate would be shown to whoever is at the other end.
    let (certificate, key) = (dir.path().join("crt"), dir.path().join("key"));
    let (pem, key_pem) = tls::client();
    std::fs::write(&certificate, pem).unwrap();
    std::fs::write(&key, key_pem).unwrap();
    let secret = |path: &std::path::Path| Secret(path.display().to_string());
    let bound = with(vec![credential(Some((secret(&certificate), secret(&key))))]);
    assert!(open(&format!("{origin}/near"), &bound).is_ok());
    assert_eq!(failure(open(&format!("{origin}/away"), &bound)), Failure::Redirect);
    assert_eq!(other.requests().len(), seen.len());

    std::fs::write(&token, "s3cret\nX: y").unwrap();
    let error = open(&format!("{origin}/i"), &holder).unwrap_err();
    assert!(matches!(error, Error::Secret { .. }), "{error:?}");
    assert!(!format!("{error:?}{error}").contains("s3cret"));
}
