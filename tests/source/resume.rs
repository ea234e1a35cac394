// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Downloads that are cut go on where they were cut, and never as another image.

use std::sync::atomic::{AtomicUsize, Ordering};

use veriroot::source::{Failure, Flowing};
use veriroot::url::SourceUrl;

use super::server::{Request, Server, ranged, status};
use super::{ETAG, Error, Reply, failure, fetch, image, open, transport, whole};

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
    let url = SourceUrl::parse(&server.url("/image.raw.xz")).unwrap();
    let mut flowing = Flowing::open(&url, &transport())?;
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 7000]);
    loop {
        match flowing.read(&mut chunk)? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// The whole image under a 200, or what is left of it where the request names a place.
fn plain(image: &[u8], range: Option<&str>, headers: &str) -> Reply {
    let from = range.map(|it| {
        it.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse::<usize>().unwrap()
    });
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
    let flown = flow(move |request| {
        assert!(request.header("range").is_none());
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
fn small_bodies_are_not_asked_for_twice() {
    assert_eq!(fetch(|request| ranged(b"little", request, ETAG)).unwrap(), b"little");
}
