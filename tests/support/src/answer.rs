// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the server answers to one request, first by the rules and then against them.
//!
//! **In:** a request, what stands behind its path, misbehaviours. **Out:** status, headers and
//! which bytes follow. **Refuses:** several ranges at once, which a server may ignore and this one
//! does. RFC 9110, sections 13 to 15.

use std::io;
use std::time::Duration;

use crate::http::{Body, Request, Resource};

/// A rule to break.
#[derive(Clone, Debug)]
pub enum Misbehaviour {
    /// Answers 200 with the whole body, whatever range was asked for.
    IgnoreRange,
    /// Promises the whole body and closes after that many bytes of it.
    TruncateAfter(u64),
    /// Answers 206 with a Content-Range that begins that many bytes later than the body.
    WrongContentRange(u64),
    /// Answers 206 without Content-Range.
    NoContentRange,
    /// Answers with that status and an empty body.
    Status(u16),
    /// Answers 302 to that location.
    Redirect(String),
    /// Sends that many body bytes, then nothing; with 0, not even a status line.
    StallAfter(u64),
    /// Sends so many bytes at a time, with a pause after each piece.
    Drip(u64, Duration),
    /// Another ETag on the same answer, also where If-Range named the old one.
    Etag(String),
    /// The resource has been replaced by this one, with an ETag of its own.
    Replaced(Body),
    /// No ETag.
    NoEtag,
    /// Zeros without end and without Content-Length.
    EndlessBody,
    /// A second Content-Length, greater by one.
    ConflictingLength,
    /// A Content-Length of this text, before the same body.
    Length(String),
    /// One bit of the resource is flipped, whichever range it is sent in.
    FlipBit {
        /// Offset in the resource.
        offset: u64,
        /// Bit, from 0.
        bit: u8,
    },
    /// No Content-Length: the body goes in chunks.
    Chunked,
    /// No Content-Length: the body ends with the connection.
    NoLength,
    /// So many extra headers.
    HeaderFlood(usize),
    /// One more header line, as it is.
    Header(String),
    /// So many `103 Early Hints` first.
    Interim(usize),
    /// These bytes and then the end of the connection.
    Raw(Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Body>,
    pub(crate) start: u64,
    pub(crate) stall_after: Option<u64>,
    pub(crate) drip: Option<(u64, Duration)>,
    pub(crate) endless: bool,
    pub(crate) chunked: bool,
    pub(crate) close: bool,
    before: Vec<u8>,
    raw: Option<Vec<u8>>,
    len: u64,
    total: u64,
    is_head: bool,
    truncate: Option<u64>,
    flip: Option<(u64, u8)>,
    headers: Vec<String>,
}

impl Answer {
    pub(crate) fn new(request: &Request, resource: Option<&Resource>) -> io::Result<Self> {
        let body = resource.map(|it| &it.body);
        let total = body.map_or(Ok(0), Body::len)?;
        let mut answer = Self {
            status: 200,
            body: body.cloned(),
            start: 0,
            stall_after: None,
            drip: None,
            endless: false,
            chunked: false,
            close: request.header("connection") == Some("close"),
            before: Vec::new(),
            raw: None,
            len: total,
            total,
            is_head: request.method == "HEAD",
            truncate: None,
            flip: None,
            headers: vec!["Accept-Ranges: bytes".into(), format!("Content-Length: {total}")],
        };
        let Some(resource) = resource else {
            answer.empty(404);
            return Ok(answer);
        };
        let etag = resource.etag.as_str();
        answer.set("ETag", etag);
        let current = request.header("if-range").is_none_or(|it| it == etag);
        match (request.method.as_str(), request.header("range")) {
            ("GET" | "HEAD", _) if request.header("if-none-match") == Some(etag) => {
                answer.empty(304);
            }
            // A range has a meaning in GET only.
            ("GET", Some(range)) if current => answer.apply_range(range),
            ("GET" | "HEAD", _) => {}
            _ => answer.empty(405),
        }
        Ok(answer)
    }

    fn apply_range(&mut self, range: &str) {
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|it| it.split_once('-'))
        else {
            return;
        };
        let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1)),
            (Ok(first), Err(_)) if last.is_empty() => (first, self.total),
            (Err(_), Ok(suffix)) if first.is_empty() => {
                (self.total - suffix.min(self.total), self.total)
            }
            _ => return,
        };
        let end = end.min(self.total);
        if start >= end {
            self.empty(416);
            self.set("Content-Range", &format!("bytes */{}", self.total));
            return;
        }
        self.status = 206;
        (self.start, self.len) = (start, end - start);
        self.set("Content-Length", &self.len.to_string());
        self.set("Content-Range", &format!("bytes {start}-{}/{}", end - 1, self.total));
    }

    pub(crate) fn spoil(&mut self, misbehaviour: &Misbehaviour) {
        match misbehaviour {
            Misbehaviour::IgnoreRange => self.whole(),
            Misbehaviour::TruncateAfter(len) => self.truncate = Some(*len),
            Misbehaviour::WrongContentRange(by) if self.status == 206 => {
                let (start, end) = (self.start + by, self.start + self.len - 1 + by);
                self.set("Content-Range", &format!("bytes {start}-{end}/{}", self.total));
            }
            // The server has chosen the replacement already.
            Misbehaviour::WrongContentRange(_) | Misbehaviour::Replaced(_) => {}
            Misbehaviour::NoContentRange => self.unset("Content-Range"),
            Misbehaviour::Status(status) => self.empty(*status),
            Misbehaviour::Redirect(location) => {
                self.empty(302);
                self.set("Location", location);
            }
            Misbehaviour::StallAfter(len) => self.stall_after = Some(*len),
            Misbehaviour::Drip(len, pause) => self.drip = Some((*len, *pause)),
            Misbehaviour::Etag(etag) => self.set("ETag", etag),
            Misbehaviour::NoEtag => self.unset("ETag"),
            Misbehaviour::EndlessBody => {
                self.unset("Content-Length");
                (self.endless, self.close) = (true, true);
            }
            Misbehaviour::ConflictingLength => {
                self.headers.push(format!("Content-Length: {}", self.len + 1));
            }
            Misbehaviour::Length(text) => self.set("Content-Length", text),
            Misbehaviour::Chunked => {
                self.set("Transfer-Encoding", "chunked");
                self.unset("Content-Length");
                self.chunked = true;
            }
            Misbehaviour::NoLength => {
                self.unset("Content-Length");
                self.close = true;
            }
            Misbehaviour::FlipBit { offset, bit } => self.flip = Some((*offset, *bit)),
            Misbehaviour::HeaderFlood(count) => {
                self.headers.extend((0..*count).map(|it| format!("X-Flood-{it}: flood")));
            }
            Misbehaviour::Header(line) => self.headers.push(line.clone()),
            Misbehaviour::Interim(count) => {
                self.before = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(*count);
            }
            Misbehaviour::Raw(bytes) => {
                self.raw = Some(bytes.clone());
                (self.len, self.close) = (0, true);
            }
        }
        // What was promised can't be kept on this connection.
        let unframed = [self.truncate.is_some(), self.stall_after.is_some()];
        let lying =
            matches!(misbehaviour, Misbehaviour::Length(_) | Misbehaviour::ConflictingLength);
        self.close |= unframed.contains(&true) || lying;
    }

    /// Status line and headers, or the raw bytes in their place.
    pub(crate) fn head(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let connection = if self.close { "close" } else { "keep-alive" };
        let mut head = self.before.clone();
        head.extend(format!("HTTP/1.1 {} Status\r\n", self.status).bytes());
        for line in &self.headers {
            head.extend(format!("{line}\r\n").bytes());
        }
        head.extend(format!("Connection: {connection}\r\n\r\n").bytes());
        head
    }

    /// Bytes of the next piece when `sent` are out; `None` at the end of the body.
    pub(crate) fn next_len(&self, sent: u64) -> Option<u64> {
        if self.is_head {
            return None;
        }
        let end = if self.endless { u64::MAX } else { self.len };
        let end = end.min(self.truncate.unwrap_or(u64::MAX));
        let pause = self.stall_after.filter(|after| sent < *after).unwrap_or(u64::MAX);
        let left = end.min(pause).saturating_sub(sent).min(64 << 10);
        let piece = self.drip.map_or(left, |(len, _)| left.min(len));
        (piece > 0).then_some(piece)
    }

    /// Flips the bit if it lies in `piece`, which begins at `offset`.
    pub(crate) fn flip_in(&self, offset: u64, piece: &mut [u8]) {
        let Some((at, bit)) = self.flip else { return };
        let index = at.checked_sub(offset).and_then(|it| usize::try_from(it).ok());
        if let Some(byte) = index.and_then(|index| piece.get_mut(index)) {
            *byte ^= 1 << bit;
        }
    }

    fn whole(&mut self) {
        if [206, 416].contains(&self.status) {
            self.status = 200;
            (self.start, self.len) = (0, self.total);
            self.set("Content-Length", &self.total.to_string());
            self.unset("Content-Range");
        }
    }

    fn empty(&mut self, status: u16) {
        self.status = status;
        self.len = 0;
        self.unset("Content-Range");
        if [204, 304].contains(&status) {
            self.unset("Content-Length");
        } else {
            self.set("Content-Length", "0");
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.headers.push(format!("{name}: {value}"));
    }

    fn unset(&mut self, name: &str) {
        self.headers.retain(|line| line.split(':').next() != Some(name));
    }
}
