// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Downloads that are cut go on where they were cut, and never as another image.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use veriroot::source::{Failure, Mode, Transport};

use super::server::{Request, Server, Then, ranged, status};
use super::{ETAG, Error, Reply, failure, fetch, hurried, image, open, transport, whole};

/// No server has more than this here.
const LIMIT: u64 = 1 << 20;

/// Bytes of a body that gets cut, different for each request.
fn cut_at(seed: usize, len: usize) -> usize {
    let mut state = seed as u64 + 0x9E37_79B9_7F4A_7C15;
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state >> 33) as usize % len
}

#[test]
fn two_hundred_cuts_at_any_byte_change_nothing() {
    let image = image();
    let (served, later) = (image.clone(), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        let mut reply = ranged(&served, request, ETAG);
        // The first response of a source is short; each second one of all others is cut.
        if request.range.unwrap().0 > 0 {
            let count = later.fetch_add(1, Ordering::SeqCst);
            if count % 2 == 0 {
                reply.body.truncate(cut_at(count, reply.body.len()));
            }
        }
        reply
    });
    let (mut sources, mut cut) = (0, 0);
    while cut < 200 {
        let before = server.requests().len();
        let mut source = open(&server.url("/i"), &transport()).unwrap();
        assert!(whole(&mut source).unwrap() == image);
        // Two requests are enough where nothing is cut.
        cut += server.requests().len() - before - 2;
        sources += 1;
        assert!(sources < 1000);
    }
    let requests = server.requests();
    let later = requests.iter().filter(|it| it.range.unwrap().0 > 0);
    assert!(later.clone().count() > 200);
    assert!(later.clone().all(|it| it.header("if-range") == Some("\"one\"")));
}

/// Everything that flows, or why it broke off.
fn flow(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Vec<u8>, Error> {
    let server = Server::start(handler);
    let source = open(&server.url("/image.raw.xz"), &transport())?;
    assert_eq!(source.mode(), Mode::Linear);
    source.all(LIMIT)
}

/// The whole image under a 200, or what is left of it where that is asked for.
fn plain(image: &[u8], range: Option<&str>, headers: &str) -> Reply {
    let from =
        range.and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let body = image[from.unwrap_or(0)..].to_vec();
    let length = format!("Content-Length: {}\r\n{headers}", body.len());
    match from {
        None => Reply { body, ..status(200, &length) },
        Some(from) => {
            let (last, total) = (image.len() - 1, image.len());
            let place = format!("Content-Range: bytes {from}-{last}/{total}\r\n{length}");
            Reply { body, ..status(206, &place) }
        }
    }
}

#[test]
fn bodies_flow_from_servers_that_know_no_ranges() {
    let image = image();
    let served = image.clone();
    // The one answer is read; nothing is asked for a second time.
    let flown = flow(move |request| {
        assert_eq!(request.number, 0);
        plain(&served, None, ETAG)
    });
    assert!(flown.unwrap() == image);
    let served = image.clone();
    let endless = flow(move |_| Reply { body: served.clone(), ..status(200, "") });
    assert!(endless.unwrap() == image, "without a length the end of the connection is the end");
    for (code, expected) in [(404, Failure::Absent), (206, Failure::BadAnswer)] {
        assert_eq!(failure(flow(move |_| status(code, ""))), expected);
    }
}

#[test]
fn whole_bodies_have_one_length_and_an_end() {
    let image = image();
    for (headers, expected) in [
        ("Content-Length: 262144\r\n", Ok(())),
        // The server means more than it has, or has more than we take.
        ("Content-Length: 262145\r\n", Err(Failure::Unavailable)),
        ("Content-Length: 1048577\r\n", Err(Failure::TooLarge)),
        ("Content-Length: +262144\r\n", Err(Failure::Unavailable)),
        ("Content-Length: 262144\r\nContent-Encoding: gzip\r\n", Err(Failure::BadAnswer)),
        ("Content-Length: 262144\r\nTransfer-Encoding: chunked\r\n", Err(Failure::BadAnswer)),
        ("ETag: one\r\n", Err(Failure::BadAnswer)),
    ] {
        let served = image.clone();
        let server = Server::start(move |_| Reply { body: served.clone(), ..status(200, headers) });
        let few = Transport { size_max: LIMIT, ..transport() };
        let read = open(&server.url("/i"), &few).and_then(|it| it.all(LIMIT));
        match expected {
            Ok(()) => assert!(read.unwrap() == image),
            Err(expected) => assert_eq!(failure(read), expected, "{headers}"),
        }
    }
    let flood = flow(|_| Reply { then: Then::Flood, ..status(200, "") });
    assert!(matches!(flood, Err(Error::TooLarge { .. })), "{:?}", flood.err());
    let empty = flow(|_| status(200, "Content-Length: 0\r\n"));
    assert!(matches!(empty, Err(Error::Empty { .. })));
    // A shorter body than there is: no more is heard of it.
    let short =
        flow(move |_| Reply { body: image.clone(), ..status(200, "Content-Length: 9\r\n") });
    assert_eq!(short.unwrap().len(), 9);
}

#[test]
fn a_cut_flow_goes_on_as_the_same_thing_or_not_at_all() {
    for ranges in [true, false] {
        for (etag, same) in [("ETag: \"one\"\r\n", true), ("ETag: \"two\"\r\n", false)] {
            let image = image();
            let served = image.clone();
            let flown = flow(move |request| {
                let headers = if request.number == 0 { ETAG } else { etag };
                let mut reply = plain(&served, request.header("range").filter(|_| ranges), headers);
                if request.number < 2 {
                    reply.body.truncate(cut_at(request.number, reply.body.len()));
                }
                reply
            });
            match flown {
                Ok(flown) => assert!(same && flown == image, "{ranges}"),
                refused => assert_eq!((same, failure(refused)), (false, Failure::Changed)),
            }
        }
    }
}

#[test]
fn two_hundred_cuts_of_a_whole_body_change_nothing() {
    let image = image();
    for (ranges, etag) in [(false, ETAG), (false, ""), (true, ETAG), (true, "")] {
        let mut cuts = 0;
        while cuts < 50 {
            let (served, seed) = (image.clone(), cuts);
            let flown = flow(move |request| {
                let mut reply = plain(&served, request.header("range").filter(|_| ranges), etag);
                if request.number < 2 {
                    reply.body.truncate(cut_at(seed + request.number, reply.body.len()));
                }
                reply
            });
            assert!(flown.unwrap() == image, "{ranges} {etag} {seed}");
            cuts += 2;
        }
    }
}

#[test]
fn without_a_validator_a_body_that_begins_anew_begins_with_the_same_bytes() {
    let image = image();
    for (offset, same) in [(None, true), (Some(0), false), (Some(99_999), false)] {
        let served = image.clone();
        let flown = flow(move |request| {
            let mut reply = plain(&served, None, "");
            match (request.number, offset) {
                (0, _) => reply.body.truncate(100_000),
                (_, Some(offset)) => reply.body[offset] ^= 1,
                (_, None) => {}
            }
            reply
        });
        match flown {
            Ok(flown) => assert!(same && flown == image),
            refused => assert_eq!((same, failure(refused)), (false, Failure::Changed)),
        }
    }
    // What comes behind is judged by the tree.
    let served = image.clone();
    let flown = flow(move |request| {
        let mut reply = plain(&served, None, "");
        match request.number {
            0 => reply.body.truncate(100_000),
            _ => reply.body[100_000] ^= 1,
        }
        reply
    });
    assert!(flown.unwrap() != image);
}

#[test]
fn a_whole_body_that_stalls_or_drips_ends_in_time() {
    let image = image();
    for then in [Then::Hold, Then::Drip(Duration::from_millis(50))] {
        let served = image.clone();
        let server = Server::start(move |_| {
            let mut reply = plain(&served, None, ETAG);
            reply.body.truncate(100);
            Reply { then, ..reply }
        });
        let began = Instant::now();
        let read = open(&server.url("/i"), &hurried()).and_then(|it| it.all(LIMIT));
        assert_eq!(failure(read), Failure::Stalled, "{then:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn small_bodies_are_not_asked_for_twice() {
    assert_eq!(fetch(|request| ranged(b"little", request, ETAG)).unwrap(), b"little");
}
