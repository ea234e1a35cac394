// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that panics fails, which is what a test is for")]
//! The test server keeps RFC 9110 where no misbehaviour was asked for, and breaks exactly the rule
//! that was.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslMethod};
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys::{self, Algorithm, Spec};

/// Sends the request lines and reads until the server closes.
fn exchange(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "{request}\r\nHost: test\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let read = std::io::copy(&mut stream, &mut answer);
    let reset = |error: std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(read.is_ok() || read.is_err_and(reset));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status, Content-Range (or nothing) and body of the answer to a GET with these extra lines.
fn get(server: &Server, lines: &str) -> (u16, String, String) {
    let answer = exchange(server, &format!("GET /file HTTP/1.1{lines}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let range = header(head, "Content-Range").unwrap_or_default();
    (status, range, body.into())
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.into()))
}

fn spoilt(misbehaviour: Misbehaviour) -> Server {
    let server = Server::of("/file", &b"0123456789"[..]);
    server.misbehave("/file", misbehaviour);
    server
}

#[test]
fn ranges_follow_rfc_9110() {
    let server = Server::of("/file", &b"0123456789"[..]);
    let cases = [
        ("bytes=0-0", 206, "bytes 0-0/10", "0"),
        ("bytes=2-4", 206, "bytes 2-4/10", "234"),
        ("bytes=7-", 206, "bytes 7-9/10", "789"),
        ("bytes=-3", 206, "bytes 7-9/10", "789"),
        ("bytes=-30", 206, "bytes 0-9/10", "0123456789"),
        ("bytes=8-99", 206, "bytes 8-9/10", "89"),
        ("bytes=10-", 416, "bytes */10", ""),
        ("bytes=-0", 416, "bytes */10", ""),
        ("bytes=4-2", 200, "", "0123456789"),
        ("bytes=0-1,3-4", 200, "", "0123456789"),
        ("lines=0-1", 200, "", "0123456789"),
    ];
    for (asked, status, range, body) in cases {
        let found = get(&server, &format!("\r\nRange: {asked}"));
        assert_eq!(found, (status, range.into(), body.into()), "{asked}");
    }
    let log = server.requests();
    assert_eq!(log.len(), cases.len());
    assert_eq!((log[1].header("range"), log[1].status, log[1].sent), (Some("bytes=2-4"), 206, 3));
    assert_eq!(server.sent(), cases.iter().map(|it| u64::try_from(it.3.len()).unwrap()).sum());
}

#[test]
fn etags_decide_over_conditional_requests() {
    let server = Server::of("/file", &b"0123456789"[..]);
    let head = exchange(&server, "HEAD /file HTTP/1.1\r\nRange: bytes=0-0");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(header(&head, "Content-Length").unwrap(), "10");
    let etag = header(&head, "ETag").unwrap();
    let ranged = format!("\r\nRange: bytes=2-4\r\nIf-Range: {etag}");
    assert_eq!(get(&server, &ranged).0, 206);
    assert_eq!(get(&server, &format!("\r\nIf-None-Match: {etag}")).0, 304);
    server.serve("/file", &b"abcdefghij"[..]);
    assert_eq!(get(&server, &ranged), (200, String::new(), "abcdefghij".into()));
    assert_eq!(exchange(&server, "GET /other HTTP/1.1").split(' ').nth(1), Some("404"));
    assert_eq!(exchange(&server, "POST /file HTTP/1.1").split(' ').nth(1), Some("405"));
}

#[test]
fn connections_are_kept_alive() {
    let server = Server::of("/file", &b"0123456789"[..]);
    let request = "GET /file HTTP/1.1\r\n\r\nGET /file HTTP/1.1\r\nConnection: close";
    assert_eq!(exchange(&server, request).matches("0123456789").count(), 2);
    let log = server.requests();
    assert_eq!((log[0].connection, log[1].connection), (0, 0));
}

#[test]
fn tls_carries_the_same() {
    let signer = Spec::new("server", Algorithm::P256).ca().address("127.0.0.1").signer();
    let server = Server::start_tls(&signer);
    server.serve("/file", &b"0123456789"[..]);
    assert_eq!(server.url("/file"), format!("https://{}/file", server.address()));
    let fetch = |anchor: &keys::Signer| {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.cert_store_mut().add_cert(anchor.certificate.clone()).unwrap();
        let stream = TcpStream::connect(server.address()).unwrap();
        let mut tls = connector.build().connect("127.0.0.1", stream).ok()?;
        tls.write_all(b"GET /file HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // The server ends the connection without close_notify, as many do.
        let _unclean = std::io::copy(&mut tls, &mut answer);
        Some(answer)
    };
    assert!(fetch(&signer).unwrap().ends_with(b"0123456789"));
    assert_eq!(fetch(&keys::stranger()), None);
}

#[test]
fn files_are_served_as_memory_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text: String = ('a'..='z').cycle().take(300_000).collect();
    std::fs::write(file.path(), &text).unwrap();
    let server = Server::of("/file", file.path().to_owned());
    assert_eq!(get(&server, "").2, text);
    assert_eq!(get(&server, "\r\nRange: bytes=299999-").2, text.get(299_999..).unwrap());
}

#[test]
fn misbehaviour_breaks_the_rule_it_names() {
    let ranged = "\r\nRange: bytes=2-4";
    let whole = || (200, String::new(), "0123456789".to_owned());
    let found = |misbehaviour| get(&spoilt(misbehaviour), ranged);
    assert_eq!(found(Misbehaviour::IgnoreRange), whole());
    assert_eq!(found(Misbehaviour::TruncateAfter(1)), (206, "bytes 2-4/10".into(), "2".into()));
    let wrong = (206, "bytes 3-5/10".into(), "234".into());
    assert_eq!(found(Misbehaviour::WrongContentRange(1)), wrong);
    assert_eq!(found(Misbehaviour::NoContentRange), (206, String::new(), "234".into()));
    assert_eq!(found(Misbehaviour::Status(500)), (500, String::new(), String::new()));
    let flipped = found(Misbehaviour::FlipBit { offset: 3, bit: 0 });
    assert_eq!(flipped, (206, "bytes 2-4/10".into(), "224".into()));
    let drip = Misbehaviour::Drip(1, Duration::from_millis(20));
    let before = Instant::now();
    assert_eq!(found(drip).2, "234");
    assert!(before.elapsed() >= Duration::from_millis(60));
    let raw = spoilt(Misbehaviour::Raw(b"SSH-2.0-".to_vec()));
    assert_eq!(exchange(&raw, "GET /file HTTP/1.1"), "SSH-2.0-");
}

#[test]
fn misbehaviour_in_headers_is_sent() {
    let head = |misbehaviour| exchange(&spoilt(misbehaviour), "GET /file HTTP/1.1");
    let redirect = head(Misbehaviour::Redirect("http://other/".into()));
    assert!(redirect.starts_with("HTTP/1.1 302 ") && redirect.contains("Location: http://other/"));
    assert_eq!(head(Misbehaviour::ConflictingLength).matches("Content-Length: 1").count(), 2);
    assert!(head(Misbehaviour::Length("-1".into())).contains("Content-Length: -1\r\n"));
    assert_eq!(head(Misbehaviour::HeaderFlood(500)).matches("X-Flood").count(), 500);
    assert_eq!(head(Misbehaviour::Interim(9)).matches("HTTP/1.1 103 ").count(), 9);
    assert!(head(Misbehaviour::Header("X: \x1b".into())).contains("\r\nX: \x1b\r\n"));
    assert!(!head(Misbehaviour::NoEtag).contains("ETag"));
    assert!(head(Misbehaviour::Etag("\"x\"".into())).contains("ETag: \"x\""));
}

#[test]
fn misbehaviour_may_begin_and_end() {
    let server = Server::of("/file", &b"0123456789"[..]);
    server.misbehave_at("/file", 0..2, Misbehaviour::Status(503));
    server.misbehave_at("/file", 3..usize::MAX, Misbehaviour::Replaced(b"new"[..].into()));
    let statuses: Vec<_> = (0..4).map(|_| get(&server, "")).map(|it| (it.0, it.2)).collect();
    let expected = [(503, ""), (503, ""), (200, "0123456789"), (200, "new")];
    assert_eq!(statuses, expected.map(|it| (it.0, it.1.to_owned())));
}

#[test]
fn stalled_and_endless_answers_end_with_the_server() {
    for (misbehaviour, least) in [
        (Misbehaviour::StallAfter(0), 0),
        (Misbehaviour::StallAfter(4), 4),
        (Misbehaviour::EndlessBody, 1 << 20),
    ] {
        let server = spoilt(misbehaviour.clone());
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET /file HTTP/1.1\r\n\r\n").unwrap();
        let mut received = vec![0; least];
        stream.read_exact(&mut received).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let rest = std::io::copy(&mut (&mut stream).take(1 << 20), &mut std::io::sink());
        let waits = matches!(&rest, Err(error) if error.kind() == ErrorKind::WouldBlock);
        assert!(waits || rest.unwrap() == 1 << 20, "{misbehaviour:?}");
        let before = Instant::now();
        drop(server);
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}
