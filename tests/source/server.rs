// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A small HTTP server on loopback whose answers a test writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use openssl::ssl::SslAcceptor;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Counted from 0 over the whole server.
    pub(crate) number: usize,
    pub(crate) path: String,
    /// First and last byte asked for.
    pub(crate) range: Option<(usize, usize)>,
    /// Header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// What happens after the bytes of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    /// Sends nothing more and holds the connection.
    Hold,
    /// Sends this byte at this interval until nobody listens.
    Drip(Duration),
    /// Sends more without an end.
    Flood,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) then: Then,
}

/// A reply without a body.
pub(crate) fn status(code: u16, headers: &str) -> Reply {
    let head = format!("HTTP/1.1 {code} x\r\nConnection: close\r\n{headers}\r\n");
    Reply { head, body: Vec::new(), then: Then::Close }
}

/// The right reply to a range request for `image`, with further header lines.
pub(crate) fn ranged(image: &[u8], request: &Request, headers: &str) -> Reply {
    let (first, last) = request.range.unwrap();
    let last = last.min(image.len() - 1);
    let body = image[first..=last].to_vec();
    let lines = format!(
        "Content-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n{headers}",
        image.len(),
        body.len()
    );
    Reply { body, ..status(206, &lines) }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_tls(None, handler)
    }

    pub(crate) fn start_tls(
        tls: Option<SslAcceptor>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler, tls) = (Arc::clone(&seen), Arc::new(handler), tls.map(Arc::new));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, handler, tls) = (Arc::clone(&log), Arc::clone(&handler), tls.clone());
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    match tls {
                        None => serve(stream, &log, &*handler),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream) {
                                serve(stream, &log, &*handler);
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A listener that accepts and never answers.
pub(crate) fn silent() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap(), listener)
}

fn serve(mut stream: impl Read + Write, log: &Mutex<Vec<Request>>, handler: &Handler) {
    let Some(request) = read_request(&mut stream, log) else { return };
    let reply = handler(&request);
    if stream.write_all(reply.head.as_bytes()).is_err() || stream.write_all(&reply.body).is_err() {
        return;
    }
    match reply.then {
        Then::Close => (),
        Then::Hold => while stream.read(&mut [0]).is_ok_and(|read| read > 0) {},
        Then::Drip(pause) => {
            while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() {
                thread::sleep(pause);
            }
        }
        Then::Flood => while stream.write_all(&[b'x'; 4096]).is_ok() {},
    }
}

fn read_request(stream: &mut impl Read, log: &Mutex<Vec<Request>>) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let headers: Vec<_> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    let range = headers.iter().find(|(name, _)| name == "range").map(|(_, value)| {
        let (first, last) = value.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        // A range without an end is one to the end.
        (first.parse().unwrap(), last.parse().unwrap_or(usize::MAX))
    });
    let mut log = log.lock().unwrap();
    let request = Request { number: log.len(), path, range, headers };
    log.push(request.clone());
    Some(request)
}
