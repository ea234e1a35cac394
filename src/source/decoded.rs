// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! From what was opened to an image of known length: one layer of compression off, if there is one.
//!
//! **In:** a source whose first bytes say what it is. **Out:** a source to dissect. The length of a
//! stream is what its primary partition table claims; that it ends exactly there is known when
//! [`Source::end`] was reached. **Refuses:** compression inside compression, and claims over the
//! size limit. An image with a partition table is never given to a decoder, whatever its boot code
//! begins with.
//!
//! What is no image has no table, whatever its first bytes look like: it comes to its end before
//! anything of it is used.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use super::decoder::Decoder;
use super::stream::{Flow, Stream};
use super::{Bytes, Error, Mode, Pace, Source};
use crate::escape::escape;
use crate::limits;
use crate::source::decode::Format;
use crate::units::{ByteRange, SectorSize};
use crate::wire::Wire;

/// Bytes that hold the first header of a partition table at every sector size.
const HEAD: usize = 4096 + 512;

/// What decoding and keeping a stream may take.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Largest image, bytes, when decoded.
    pub size_max: u64,
    /// Memory that stays free, bytes.
    pub reserve: u64,
    /// The program that becomes the decode child: one whose `main` calls
    /// [`super::run_decode_child`] when its first argument is [`super::DECODE_SUBCOMMAND`].
    pub child: PathBuf,
    /// How slow a source may be.
    pub pace: Pace,
    /// How long the decode child may be silent beyond that.
    pub silence: Duration,
}

impl Default for Terms {
    /// This very program as the child.
    fn default() -> Self {
        Self {
            size_max: limits::IMAGE,
            reserve: limits::SPOOL_RESERVE,
            child: PathBuf::from("/proc/self/exe"),
            pace: Pace::default(),
            silence: limits::DECODE_SILENCE,
        }
    }
}

/// What the first bytes of a source look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// An image, or nothing that is known.
    #[default]
    None,
    /// A compression, which was taken off.
    Taken(Format),
    /// A compression, and a partition table behind it: an image whose boot code begins so.
    Feigned(Format),
}

impl Source {
    /// Takes a stream that can be read only once, such as a pipe. Nothing is read yet, and its length
    /// is not known: [`Self::len`] is the largest there could be until [`Self::decoded`].
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn open_stream(reader: impl Read + Send + 'static, name: &str) -> Result<Self, Error> {
        let name = escape(name);
        let flow = Flow::Reader(Box::new(reader));
        let stream = Stream::new(&name, flow, limits::SPOOL_RESERVE)?;
        Ok(Self::streaming(name, stream, limits::IMAGE))
    }

    pub(super) fn streaming(name: String, stream: Stream, len: u64) -> Self {
        let (mode, bytes) = (Mode::Linear, Bytes::Stream(Box::new(stream)));
        Self::new(name, len, (mode, bytes))
    }

    /// Looks at the first bytes and takes off one layer of compression. A source that is not
    /// compressed is given back as it is.
    ///
    /// # Errors
    /// [`Error::Decode`] and [`Error::Nested`]; [`Error::TooLarge`] for what the first bytes announce;
    /// else as [`Self::read`].
    pub fn decoded(self, terms: &Terms) -> Result<Self, Error> {
        self.peeled(terms, claimed_len)
    }

    /// The same for what is no image: no length is claimed, and all of it is taken in, to the end of
    /// a whole and sound stream.
    ///
    /// # Errors
    /// As [`Self::decoded`].
    pub(crate) fn decoded_whole(self, terms: &Terms) -> Result<Self, Error> {
        self.peeled(terms, |_| None)
    }

    fn peeled(mut self, terms: &Terms, claimed: ClaimedLen) -> Result<Self, Error> {
        let head = self.head()?;
        let format = match (Format::detect(&head), claimed(&head)) {
            (None, len) => return self.settled(len, terms),
            (Some(format), len @ Some(_)) => {
                self.layer = Layer::Feigned(format);
                return self.settled(len, terms);
            }
            (Some(format), None) => format,
        };
        let (name, beside) = (self.name.clone(), self.beside.clone());
        let (from_server, deadline) = (self.from_server, self.deadline);
        let decoder = Decoder::start(self, format, terms)?;
        let stream = Stream::new(&name, Flow::Decoder(Box::new(decoder)), terms.reserve)?;
        let mut source = Self::streaming(name, stream, terms.size_max);
        source.layer = Layer::Taken(format);
        (source.beside, source.from_server, source.deadline) = (beside, from_server, deadline);
        let head = source.head()?;
        let len = claimed(&head);
        if let (Some(inner), None) = (Format::detect(&head), len) {
            return Err(Error::Nested { name: source.name, outer: format, inner });
        }
        source.settled(len, terms)
    }

    /// The first bytes, as many as there are.
    pub(crate) fn head(&mut self) -> Result<Vec<u8>, Error> {
        let head = match &mut self.bytes {
            Bytes::Stream(stream) => stream.head(HEAD)?,
            Bytes::Ended | Bytes::File(_) | Bytes::Remote(..) => {
                let limit = u64::try_from(HEAD).unwrap_or(u64::MAX);
                let range = ByteRange::new(0, self.len.min(limit));
                range.map(|it| self.read(it, limit)).transpose()?.unwrap_or_default()
            }
        };
        if head.is_empty() {
            return Err(Error::Empty { name: self.name.clone() });
        }
        Ok(head)
    }

    /// Knows the length of a stream: what its partition table claims, else its end is waited for.
    fn settled(mut self, claimed: Option<u64>, terms: &Terms) -> Result<Self, Error> {
        let Bytes::Stream(stream) = &mut self.bytes else { return Ok(self) };
        stream.leave(terms.reserve);
        // What comes in one pass was not judged yet when a mirror fails: the next one begins anew.
        self.mirrors = None;
        let limit = terms.size_max.min(limits::IMAGE);
        match claimed {
            Some(len) if len > limit => {
                return Err(Error::TooLarge { name: self.name, len, limit });
            }
            // What a server announces is held against the table, as with ranges.
            Some(len) => self.len = stream.announced_len().unwrap_or(len),
            None => {
                self.len = stream.keep_all(limit)?;
                self = self.in_memory()?;
            }
        }
        Ok(self)
    }

    /// A stream that came to its end, as a file from here on.
    fn in_memory(mut self) -> Result<Self, Error> {
        let memory = |name: &str, source| Error::Memory { name: name.to_owned(), source };
        self.bytes = match self.bytes {
            Bytes::Stream(stream) => {
                let sealed = stream.into_kept().seal().map_err(|it| memory(&self.name, it))?;
                Bytes::File(sealed.into_file())
            }
            other @ (Bytes::Ended | Bytes::File(_) | Bytes::Remote(..)) => other,
        };
        self.mode = Mode::Spooled;
        Ok(self)
    }

    /// Keeps the whole of a stream in memory, at most `limit` bytes; anything else stays as it is.
    pub(super) fn taken_in(mut self, limit: u64) -> Result<Self, Error> {
        let Bytes::Stream(stream) = &mut self.bytes else { return Ok(self) };
        self.len = stream.keep_all(limit)?;
        if self.len == 0 {
            return Err(Error::Empty { name: self.name });
        }
        self.in_memory()
    }

    /// Ends a stream after `len` bytes, if it goes on for so long: nothing behind them is taken, and each
    /// of them is read once. Anything else stays as it is.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(crate) fn up_to(mut self, len: u64) -> Result<Self, Error> {
        if let Bytes::Stream(stream) = &mut self.bytes {
            self.len = stream.announced_len().unwrap_or(len).min(len);
            stream.only(ByteRange::new(0, self.len).into_iter().collect())?;
        }
        Ok(self)
    }

    /// Hands every byte to `sink`, in order, to the end.
    pub(super) fn pour<E: From<Error>>(
        mut self,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Bytes::Stream(stream) = self.bytes {
            return stream.pour(sink);
        }
        let mut chunk = vec![0; limits::DECODE_CHUNK];
        match ByteRange::new(0, self.len) {
            Some(range) => self.read_into(range, &mut chunk, |_, bytes| sink(bytes)),
            None => Ok(()),
        }
    }

    /// What the first bytes looked like.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Bytes that came so far, if this is a stream whose end is still to come.
    pub(crate) fn position(&self) -> Option<u64> {
        if let Bytes::Stream(stream) = &self.bytes { Some(stream.at()) } else { None }
    }

    /// Says what will still be read, each range once. A stream keeps nothing else from here on.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(crate) fn only(&mut self, ranges: Vec<ByteRange>) -> Result<(), Error> {
        let Bytes::Stream(stream) = &mut self.bytes else { return Ok(()) };
        // What stands behind the stream is no part of it.
        stream.only(ranges.into_iter().filter(|it| it.end() <= self.len).collect())
    }

    /// Takes back that a range will be read.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(crate) fn forgo(&mut self, range: ByteRange) -> Result<(), Error> {
        if let Bytes::Stream(stream) = &mut self.bytes { stream.forgo(range) } else { Ok(()) }
    }

    /// Bytes in memory that are given back as they are read.
    pub(crate) fn held(&self) -> u64 {
        if let Bytes::Stream(stream) = &self.bytes { stream.held() } else { 0 }
    }

    /// Takes the end of a stream, which has to be where its partition table says.
    ///
    /// # Errors
    /// [`Error::Cut`] or [`Error::Trailing`]; else as [`Self::read`].
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        match &mut self.bytes {
            Bytes::Stream(stream) => stream.end(self.len),
            Bytes::Ended | Bytes::File(_) | Bytes::Remote(..) => Ok(()),
        }
    }
}

/// Reads a length out of the first bytes, if they claim one.
type ClaimedLen = fn(&[u8]) -> Option<u64>;

/// The length that the first header found claims; `None` without one.
fn claimed_len(head: &[u8]) -> Option<u64> {
    let wire = Wire::new(head);
    SectorSize::ALL.into_iter().find_map(|size| {
        let at = usize::try_from(size.bytes()).ok()?;
        if wire.bytes(at, 8) != Some(b"EFI PART") {
            return None;
        }
        // The backup header stands at the last LBA (UEFI 5.3.2).
        let last = wire.u64_le(at.checked_add(32)?)?;
        Some(last.saturating_add(1).saturating_mul(size.bytes()))
    })
}
