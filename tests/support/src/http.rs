// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A small HTTP/1.1 server on a loopback port that keeps the rules until told otherwise.
//!
//! **In:** bytes or files to serve, and [`Misbehaviour`]s. **Out:** ranges, ETags and kept-alive
//! connections as RFC 9110 has them, and a log of what was asked and how many body bytes were
//! written. **Refuses:** nothing. Dropping the [`Server`] ends every connection and thread.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use openssl::ssl::{SslAcceptor, SslMethod};

use crate::answer::Answer;
pub use crate::answer::Misbehaviour;
use crate::keys::Signer;

/// What stands behind a path.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Memory(Arc<Vec<u8>>),
    /// A file, read for each request.
    File(PathBuf),
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(Arc::new(bytes))
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<PathBuf> for Body {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl Body {
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => Ok(path.metadata()?.len()),
        }
    }

    /// Up to 64 KiB from `offset`, at most `len`.
    fn piece(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = len.min(64 << 10);
        match self {
            Self::Memory(bytes) => Ok(bytes[offset as usize..(offset + len) as usize].to_vec()),
            Self::File(path) => {
                let mut file = std::fs::File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = vec![0; len as usize];
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// One request as it came in, and what went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// Status sent; 0 while nothing was.
    pub status: u16,
    /// Body bytes written so far. The kernel may hold some of them back from a client that left.
    pub sent: u64,
}

impl Request {
    /// The value of a header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
    }
}

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) body: Body,
    pub(crate) etag: String,
}

impl Resource {
    /// No two resources of a process share an ETag, so that mirrors differ too.
    fn new(body: Body) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { body, etag: format!("\"{}\"", NEXT.fetch_add(1, Ordering::SeqCst)) }
    }
}

#[derive(Debug)]
struct Rule {
    path: String,
    /// Ordinal numbers of the requests to that path, from 0, that it concerns.
    requests: Range<usize>,
    misbehaviour: Misbehaviour,
    replacement: Option<Resource>,
}

#[derive(Debug, Default)]
struct State {
    resources: HashMap<String, Resource>,
    rules: Vec<Rule>,
    log: Vec<Request>,
    /// Those that are open, by their number.
    connections: HashMap<usize, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl State {
    /// Logs the request and says what to answer.
    fn answer(&mut self, request: Request) -> io::Result<(usize, Answer)> {
        let ordinal = self.log.iter().filter(|it| it.path == request.path).count();
        let due: Vec<_> = self
            .rules
            .iter()
            .filter(|rule| rule.path == request.path && rule.requests.contains(&ordinal))
            .collect();
        let replacement = due.iter().find_map(|rule| rule.replacement.as_ref());
        let resource = replacement.or_else(|| self.resources.get(&request.path));
        let mut answer = Answer::new(&request, resource)?;
        due.iter().for_each(|rule| answer.spoil(&rule.misbehaviour));
        self.log.push(request);
        Ok((self.log.len() - 1, answer))
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    stop: AtomicBool,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1; every path is 404 so far.
    ///
    /// # Panics
    /// If it can't listen.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on(None)
    }

    /// The same over TLS, with this certificate.
    ///
    /// # Panics
    /// If it can't listen, or OpenSSL won't use the key.
    #[must_use]
    pub fn start_tls(signer: &Signer) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&signer.key).unwrap();
        acceptor.set_certificate(&signer.certificate).unwrap();
        Self::start_on(Some(acceptor.build()))
    }

    fn start_on(tls: Option<SslAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let for_acceptor = shared.clone();
        let acceptor = thread::spawn(move || accept(&listener, tls.as_ref(), &for_acceptor));
        Self { scheme, address, shared, acceptor: Some(acceptor) }
    }

    /// A server with one resource.
    #[must_use]
    pub fn of(path: &str, body: impl Into<Body>) -> Self {
        let server = Self::start();
        server.serve(path, body);
        server
    }

    /// Puts `body` at `path` (which starts with `/`), in place of what was there.
    pub fn serve(&self, path: &str, body: impl Into<Body>) {
        let mut state = self.shared.state.lock().unwrap();
        state.resources.insert(path.into(), Resource::new(body.into()));
    }

    /// Misbehaves at every request to `path`.
    pub fn misbehave(&self, path: &str, misbehaviour: Misbehaviour) {
        self.misbehave_at(path, 0..usize::MAX, misbehaviour);
    }

    /// Misbehaves at the requests to `path` with these ordinal numbers, from 0. Several such
    /// rules may hold at once.
    pub fn misbehave_at(&self, path: &str, requests: Range<usize>, misbehaviour: Misbehaviour) {
        let replacement = match &misbehaviour {
            Misbehaviour::Replaced(body) => Some(Resource::new(body.clone())),
            _ => None,
        };
        let rule = Rule { path: path.into(), requests, misbehaviour, replacement };
        self.shared.state.lock().unwrap().rules.push(rule);
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().log.clone()
    }

    /// Body bytes written so far, over all requests.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.requests().iter().map(|it| it.sent).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor. Where even that fails, it is left behind rather than waited for.
        if TcpStream::connect(self.address).is_err() {
            return;
        }
        if let Some(acceptor) = self.acceptor.take() {
            let _panicked = acceptor.join();
        }
        let (connections, threads) = {
            let mut state = self.shared.state.lock().unwrap();
            (std::mem::take(&mut state.connections), std::mem::take(&mut state.threads))
        };
        for connection in connections.into_values() {
            let _gone_already = connection.shutdown(Shutdown::Both);
        }
        for thread in threads {
            let _panicked = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, tls: Option<&SslAcceptor>, shared: &Arc<Shared>) {
    for (number, stream) in listener.incoming().enumerate() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let _slower = stream.set_nodelay(true);
        let Ok(for_drop) = stream.try_clone() else { continue };
        let (for_thread, tls) = (shared.clone(), tls.cloned());
        shared.state.lock().unwrap().connections.insert(number, for_drop);
        let thread = thread::spawn(move || {
            // A client that goes away in the middle is what many tests are about.
            let _gone = match tls {
                None => converse(&stream, number, &for_thread),
                Some(tls) => match tls.accept(&stream) {
                    Ok(tls) => converse(tls, number, &for_thread),
                    Err(_) => Ok(()),
                },
            };
            let _gone_already = stream.shutdown(Shutdown::Both);
            for_thread.state.lock().unwrap().connections.remove(&number);
        });
        shared.state.lock().unwrap().threads.push(thread);
    }
}

fn converse(stream: impl Read + Write, connection: usize, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader, connection)? {
        let (number, answer) = shared.state.lock().unwrap().answer(request)?;
        send(&answer, reader.get_mut(), number, shared)?;
        if answer.close {
            break;
        }
    }
    Ok(())
}

fn send(answer: &Answer, out: &mut impl Write, number: usize, shared: &Shared) -> io::Result<()> {
    if answer.stall_after == Some(0) {
        stall(shared);
    }
    shared.state.lock().unwrap().log[number].status = answer.status;
    out.write_all(&answer.head())?;
    let mut sent = 0;
    while let Some(len) = answer.next_len(sent) {
        if answer.stall_after.is_some_and(|after| sent >= after) {
            stall(shared);
        }
        let piece = match &answer.body {
            Some(body) if !answer.endless => {
                let mut piece = body.piece(answer.start + sent, len)?;
                answer.flip_in(answer.start + sent, &mut piece);
                piece
            }
            _ => vec![0; len as usize],
        };
        if answer.chunked {
            write!(out, "{:x}\r\n", piece.len())?;
        }
        out.write_all(&piece)?;
        if answer.chunked {
            out.write_all(b"\r\n")?;
        }
        sent += piece.len() as u64;
        shared.state.lock().unwrap().log[number].sent = sent;
        if let Some((_, pause)) = answer.drip {
            nap(shared, pause);
        }
    }
    if answer.chunked {
        out.write_all(b"0\r\n\r\n")?;
    }
    out.flush()
}

/// Waits until the server is dropped.
fn stall(shared: &Shared) {
    nap(shared, Duration::MAX);
}

fn nap(shared: &Shared, time: Duration) {
    let step = Duration::from_millis(5);
    let mut left = time;
    while !left.is_zero() && !shared.stop.load(Ordering::SeqCst) {
        thread::sleep(step.min(left));
        left = left.saturating_sub(step);
    }
}

fn read_request(
    reader: &mut BufReader<impl Read>,
    connection: usize,
) -> io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.by_ref().take(64 << 10).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, path) = (method.to_owned(), path.to_owned());
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.iter().skip(1).filter_map(header).collect();
    Ok(Some(Request { method, path, headers, connection, status: 0, sent: 0 }))
}
