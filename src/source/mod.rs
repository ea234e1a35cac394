// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The only way bytes enter the program.
//!
//! **In:** a file of this machine, or a URL whose server an attacker may own. **Out:** a
//! [`Source`]: its length and mode are known and its reads are bounded; every byte is a claim,
//! HTTPS or not. **Refuses:** what is empty or over the size limit, servers that answer another
//! question than was asked, and a network child that does not keep to the protocol of [`link`].
//!
//! The network lives in a child process ([`CHILD_SUBCOMMAND`]); it can lie about bytes, as any
//! mirror can, and nothing else.

use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use openssl::sha::Sha256;

use crate::escape::escape;
use crate::limits;
use crate::policy_file::Credential;
use crate::units::ByteRange;
use crate::url::SourceUrl;

pub mod answer;
mod beside;
mod child;
mod client;
pub mod decode;
mod decoded;
mod decoder;
pub mod clock;
mod error;
mod flow;
mod frame;
mod http;
mod lanes;
pub mod link;
mod mirrors;
mod pace;
mod process;
mod secrets;
mod spool;
mod stream;
mod transport;
mod whole;

pub use beside::Beside;
pub use child::{CHILD_SUBCOMMAND, run_child};
pub use decoded::{Layer, Terms};
pub use decoder::{DECODE_SUBCOMMAND, Fault, run_decode_child};
pub use error::Error;
pub(crate) use lanes::Lane;
pub use link::Failure;
pub use mirrors::{Dropped, Mirrors, Reason};
pub use pace::Pace;
pub use transport::Transport;

use child::{Child, Deadline};
use flow::Flowing;
use link::Opened;
use stream::{Flow, Stream};

/// How a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A file of this machine.
    File,
    /// A stream, in one pass: each byte is judged when it comes.
    Linear,
    /// Byte ranges of a URL.
    Ranged,
    /// A stream whose bytes had to wait in memory for what they are judged by.
    Spooled,
}

impl Mode {
    /// Lower-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Linear => "linear",
            Self::Ranged => "ranged",
            Self::Spooled => "spooled",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that bytes can be read from. Its length is known; every byte is a claim.
///
/// Read each byte at most once and keep what was judged: a server may give other bytes the second
/// time. After any error but [`Error::Limit`] and [`Error::Range`] the source has ended and says
/// [`Error::Ended`] from then on; nothing is retried on it behind the caller's back.
///
/// The network child dies with the *thread* that opened the source, so that thread has to live as
/// long as the source is read.
///
/// It can't be put together from parts, or doubled.
///
/// ```
/// # use veriroot::source::Source;
/// let path = std::path::Path::new("Cargo.toml");
/// assert!(Source::open_file(path).is_ok());
/// ```
/// ```compile_fail,E0451
/// # use veriroot::source::Source;
/// fn forge(it: Source) -> Source {
///     Source { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::source::Source;
/// let twice = Source::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Source {
    name: String,
    len: u64,
    mode: Mode,
    /// Whether a server gave it, under the name that it has.
    from_server: bool,
    layer: Layer,
    bytes: Bytes,
    beside: Beside,
    /// When the time for its server is over, whatever is still done with its bytes.
    deadline: Option<Deadline>,
    /// What was put behind it, with the offset it begins at, in ascending order.
    behind: Vec<(u64, Self)>,
    /// Where the same bytes may be had, if they are to be had elsewhere.
    mirrors: Option<Mirrors>,
    /// What [`Source::read`] gave, for whoever wants to keep it.
    seen: Option<Seen>,
}

/// Bytes with their places.
pub(crate) type Seen = Arc<Mutex<Vec<(u64, Vec<u8>)>>>;

#[derive(Debug)]
enum Bytes {
    Ended,
    File(File),
    /// With whether the server named a strong validator.
    Remote(Box<Child>, bool),
    Stream(Box<Stream>),
}

impl Source {
    /// Opens a regular file or a block device of this machine.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::FileKind`], [`Error::Empty`] or [`Error::TooLarge`].
    pub fn open_file(path: &Path) -> Result<Self, Error> {
        let name = escape(&path.to_string_lossy());
        let fail = |source| Error::File { name: name.clone(), source };
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let mut file = File::options().read(true).custom_flags(flags).open(path).map_err(fail)?;
        let kind = file.metadata().map_err(fail)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Error::FileKind { name });
        }
        let len = file.seek(SeekFrom::End(0)).map_err(fail)?;
        let (mode, bytes) = (Mode::File, Bytes::File(file));
        let mut source = Self::new(name, len, (mode, bytes));
        source.beside = Beside::file(path);
        source.within(limits::IMAGE)
    }

    fn new(name: String, len: u64, (mode, bytes): (Mode, Bytes)) -> Self {
        let (layer, beside) = (Layer::None, Beside::nothing());
        Self {
            name,
            len,
            mode,
            from_server: false,
            layer,
            bytes,
            beside,
            deadline: None,
            behind: Vec::new(),
            mirrors: None,
            seen: None,
        }
    }

    /// Opens a URL through a network child and learns its length from the first bytes.
    /// A `file` URL is opened as [`Self::open_file`] does.
    ///
    /// # Errors
    /// The configuration ([`Error::NoTlsRoots`], [`Error::TlsRoots`]), the system
    /// ([`Error::Child`]), the server ([`Error::Server`]) or a child that lies ([`Error::Link`]).
    pub fn open_url(url: &SourceUrl, transport: &Transport) -> Result<Self, Error> {
        Self::open_within(url, transport, Deadline::after(transport.budget))
    }

    fn open_within(
        url: &SourceUrl,
        transport: &Transport,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        if let Some(path) = url.file_path() {
            return Self::open_file(path);
        }
        let name = url.to_string();
        deadline.judge_now(&name)?;
        let (mut child, open) = transport.child(url, deadline)?;
        let size_max = open.size_max;
        let (opened, flow) =
            child.open(open).map_err(|error| deadline.judge(Error::from_link(&name, error)))?;
        let mut source = match opened {
            Opened::Ranged { len, validator } => {
                Self::new(name, len, (Mode::Ranged, Bytes::Remote(Box::new(child), validator)))
            }
            Opened::Flowing { len } => {
                let flow = Flow::Server(Box::new(Flowing::new(&name, child, flow)));
                let stream = Stream::new(&name, flow, transport.memory_reserve)?.announced(len);
                Self::streaming(name, stream, len.unwrap_or(size_max))
            }
        };
        source.from_server = true;
        source.deadline = Some(deadline);
        source.beside = Beside::until(url, transport, deadline);
        source.within(size_max)
    }

    /// Reads the whole source, in order, into sealed memory that leaves `reserve` bytes free, and goes
    /// on from there if its SHA-256 is the one given. That says nothing of what the image itself has to prove.
    ///
    /// # Errors
    /// [`Error::Digest`]; [`Error::Memory`] before anything is read; else as [`Self::read`].
    pub fn whole(self, sha256: &[u8; 32], reserve: u64) -> Result<Self, Error> {
        let mut hash = Sha256::new();
        let sealed = self.sealed(reserve, |bytes| {
            hash.update(bytes);
            Ok::<_, Error>(())
        })?;
        let found = hash.finish();
        if found != *sha256 {
            let (expected, found) = (HEXLOWER.encode(sha256), HEXLOWER.encode(&found));
            return Err(Error::Digest { name: sealed.name, expected, found });
        }
        Ok(sealed)
    }

    /// Takes the whole source, in order, into sealed memory that leaves `reserve` bytes free, unless it
    /// is there already, and shows every byte to `seen`, once. What is read from then on are the
    /// bytes that `seen` was shown.
    ///
    /// # Errors
    /// As [`Self::whole`], or what `seen` says.
    pub fn sealed<E: From<Error>>(
        mut self,
        reserve: u64,
        seen: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        if let Bytes::Stream(stream) = &mut self.bytes {
            stream.leave(reserve);
        }
        self = self.taken_in(limits::IMAGE)?;
        if self.mode == Mode::Spooled {
            spool::show(&mut self, seen)?;
            return Ok(self);
        }
        let file = spool::take(&mut self, reserve, seen)?;
        let (mode, bytes) = (Mode::Spooled, Bytes::File(file));
        Ok(Self { mode, bytes, mirrors: None, ..self })
    }

    /// Length, bytes: at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a source is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// What may stand beside it, where it was asked for.
    #[must_use]
    pub fn beside(&self) -> &Beside {
        &self.beside
    }

    /// Puts `other` behind this source and what was put there before, and returns where it stands
    /// from now on: at the next multiple of 4 KiB. Nothing is in the gap.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no such offset.
    pub(crate) fn append(&mut self, other: Self) -> Result<ByteRange, Error> {
        let offset = self.extent().next_multiple_of(BEHIND);
        let Some(range) = ByteRange::new(offset, other.len) else {
            return Err(Error::TooLarge { name: other.name, len: other.len, limit: limits::IMAGE });
        };
        self.behind.push((offset, other));
        Ok(range)
    }

    /// Length with all that was put behind it, bytes.
    pub(crate) fn extent(&self) -> u64 {
        self.behind.last().map_or(self.len, |(offset, it)| offset.saturating_add(it.len))
    }

    /// How it is read.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a change of the source while it is read would be noticed before the bytes are
    /// checked against anything.
    #[must_use]
    pub fn has_validator(&self) -> bool {
        match &self.bytes {
            Bytes::Remote(_, validator) => *validator,
            Bytes::Ended | Bytes::File(_) | Bytes::Stream(_) => true,
        }
    }

    /// Path or URL, escaped, without the query.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which server, where there is one: its URL, escaped, without the query.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.from_server.then_some(self.name.as_str())
    }

    /// Reads a range of at most `limit` bytes into memory.
    ///
    /// # Errors
    /// [`Error::Limit`] before anything is allocated; [`Error::Range`]; else as
    /// [`Self::open_url`].
    pub fn read(&mut self, range: ByteRange, limit: u64) -> Result<Vec<u8>, Error> {
        let len = usize::try_from(range.len()).ok().filter(|_| range.len() <= limit);
        let Some(len) = len else {
            return Err(Error::Limit { name: self.name.clone(), range, limit });
        };
        self.inside(range)?;
        let mut bytes = vec![0; len];
        self.read_into(range, &mut bytes, |_, _| Ok::<_, Error>(()))?;
        if let Some(seen) = &self.seen {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((range.offset(), bytes.clone()));
        }
        Ok(bytes)
    }

    /// All of it, at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Limit`]; else as [`Self::read`].
    pub fn all(self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut source = self.taken_in(limit)?;
        match ByteRange::new(0, source.len) {
            Some(range) => source.read(range, limit),
            None => Ok(Vec::new()),
        }
    }

    /// Keeps what is read into memory from now on; [`Self::seen`] is where.
    pub(crate) fn remembering(self) -> Self {
        Self { seen: Some(Seen::default()), ..self }
    }

    /// What was read and will be, if it is to be kept.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.seen.clone()
    }

    /// Reads a range through `chunk`, the caller's own memory: fills it, the last time perhaps
    /// only its beginning, and hands each filling to `sink` with its offset in the source. While
    /// `sink` works, the child goes on receiving.
    ///
    /// # Errors
    /// As [`Self::read`], or what `sink` says, which ends the source.
    pub fn read_into<E: From<Error>>(
        &mut self,
        range: ByteRange,
        chunk: &mut [u8],
        sink: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.inside(range)?;
        if let Some(at) = self.holder(range)
            && let Some((shift, other)) = self.behind.get_mut(at)
            && let Some(within) = ByteRange::new(range.offset().saturating_sub(*shift), range.len())
        {
            let (shift, mut sink) = (*shift, sink);
            return other.read_own(within, chunk, |at, part| sink(at.saturating_add(shift), part));
        }
        self.read_own(range, chunk, sink)
    }

    /// The same, of this source alone.
    fn read_own<E: From<Error>>(
        &mut self,
        range: ByteRange,
        chunk: &mut [u8],
        sink: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (name, bytes) = (self.name.as_str(), &mut self.bytes);
        let result = match bytes {
            Bytes::Ended => Err(Error::Ended { name: name.to_owned() }.into()),
            Bytes::File(file) => {
                fill_each(range, chunk, sink, |offset, part| read_file(name, file, offset, part))
            }
            Bytes::Stream(stream) => {
                fill_each(range, chunk, sink, |offset, part| stream.fill(offset, part))
            }
            Bytes::Remote(child, _) => {
                let deadline = child.deadline();
                let fail = |error| deadline.judge(Error::from_link(name, error));
                child.first().read(range).map_err(|error| fail(error).into()).and_then(
                    |mut body| {
                        fill_each(range, chunk, sink, |_, part| body.fill(part).map_err(fail))?;
                        body.finish().map_err(|error| fail(error).into())
                    },
                )
            }
        };
        if result.is_err() {
            self.bytes = Bytes::Ended;
        }
        result
    }

    /// Which of those behind this source a range lies in.
    fn holder(&self, range: ByteRange) -> Option<usize> {
        self.behind.iter().position(|(offset, it)| {
            *offset <= range.offset() && range.end() <= offset.saturating_add(it.len)
        })
    }

    fn inside(&self, range: ByteRange) -> Result<(), Error> {
        if range.end() <= self.len || self.holder(range).is_some() {
            return Ok(());
        }
        Err(Error::Range { name: self.name.clone(), range, len: self.len })
    }

    fn within(self, limit: u64) -> Result<Self, Error> {
        match self.len {
            0 => Err(Error::Empty { name: self.name }),
            len if len > limit => Err(Error::TooLarge { name: self.name, len, limit }),
            _ => Ok(self),
        }
    }
}

/// What is put behind a source begins at a multiple of this: a page, and a block of any device.
const BEHIND: u64 = 4096;

fn inside(name: &str, len: u64, range: ByteRange) -> Result<(), Error> {
    if range.end() <= len {
        return Ok(());
    }
    Err(Error::Range { name: name.to_owned(), range, len })
}

fn read_file(name: &str, file: &File, offset: u64, part: &mut [u8]) -> Result<(), Error> {
    file.read_exact_at(part, offset).map_err(|source| Error::File { name: name.to_owned(), source })
}

/// Fills `chunk` again and again until `range` is read.
fn fill_each<E: From<Error>>(
    range: ByteRange,
    chunk: &mut [u8],
    mut sink: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    mut fill: impl FnMut(u64, &mut [u8]) -> Result<(), Error>,
) -> Result<(), E> {
    let mut offset = range.offset();
    while offset < range.end() {
        let left = range.end().saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let part = chunk.get_mut(..len).filter(|part| !part.is_empty());
        let part = part.ok_or(Error::NoBuffer)?;
        fill(offset, part)?;
        sink(offset, part)?;
        offset = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
    Ok(())
}
