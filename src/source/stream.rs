// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Ranges of a stream that can only be read forward.
//!
//! **In:** bytes in order, from a decoder, a pipe, or a server without ranges. **Out:** ranges, as if
//! from a file: what comes before a range is kept in memory until it is asked for.
//! **Refuses:** to take the last memory of the machine, an end before the image's end, bytes behind
//! it, a range that was let go.
//!
//! Until [`Stream::only`] everything that came is kept. From then on each range is read once:
//! what is read is given back to the kernel, and what nobody will read is not kept at all.

use std::fmt;
use std::io::{self, Read};

use super::Error;
use super::decoder::Decoder;
use super::flow::Flowing;
use crate::limits;
use crate::sys::memfd::{Memfd, available};
use crate::units::ByteRange;

/// Where the bytes come from.
pub(super) enum Flow {
    Decoder(Box<Decoder>),
    Reader(Box<dyn Read + Send>),
    Server(Box<Flowing>),
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decoder(_) => "Decoder",
            Self::Reader(_) => "Reader",
            Self::Server(_) => "Server",
        })
    }
}

/// A forward-only stream, and what is kept of it.
#[derive(Debug)]
pub(super) struct Stream {
    name: String,
    flow: Flow,
    /// Bytes that came.
    at: u64,
    /// How many a server said it has.
    announced: Option<u64>,
    /// Whether no more will.
    ended: bool,
    kept: Memfd,
    /// Bytes kept since the machine's memory was looked at.
    unseen: u64,
    /// Memory that has to stay free.
    reserve: u64,
    /// What will still be read; all of it as long as nothing was said.
    wanted: Option<Vec<ByteRange>>,
}

impl Stream {
    pub(super) fn new(name: &str, flow: Flow, reserve: u64) -> Result<Self, Error> {
        let name = name.to_owned();
        let kept = Memfd::create("veriroot-spool", 0)
            .map_err(|source| Error::Memory { name: name.clone(), source })?;
        let (at, unseen) = (0, limits::SPOOL_STEP);
        let (announced, wanted) = (None, None);
        Ok(Self { name, flow, at, announced, ended: false, kept, unseen, reserve, wanted })
    }

    /// Notes how many bytes a server said it has.
    pub(super) fn announced(self, announced: Option<u64>) -> Self {
        Self { announced, ..self }
    }

    /// How many bytes a server said it has.
    pub(super) fn announced_len(&self) -> Option<u64> {
        self.announced
    }

    /// Leaves that much memory free from now on.
    pub(super) fn leave(&mut self, reserve: u64) {
        self.reserve = reserve;
    }

    /// Bytes that came so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// From now on, only these ranges are read, each of them once.
    pub(super) fn only(&mut self, ranges: Vec<ByteRange>) -> Result<(), Error> {
        let mut at = 0;
        for range in merged(&ranges) {
            self.let_go(at, range.offset().min(self.at))?;
            at = range.end();
        }
        self.let_go(at, self.at)?;
        self.wanted = Some(ranges);
        Ok(())
    }

    /// Of what was to be read, this is not.
    pub(super) fn forgo(&mut self, range: ByteRange) -> Result<(), Error> {
        let Some(wanted) = self.wanted.take() else { return Ok(()) };
        self.wanted = Some(wanted.iter().flat_map(|it| without(*it, range)).collect());
        self.let_go(range.offset(), range.end().min(self.at))
    }

    /// Bytes that are in memory and will be read, and with that given back.
    pub(super) fn held(&self) -> u64 {
        let wanted = self.wanted.as_deref().unwrap_or_default();
        let held = |it: ByteRange| it.end().min(self.at).saturating_sub(it.offset());
        merged(wanted).map(held).fold(0, u64::saturating_add)
    }

    /// Fills `part` with the bytes from `offset` on.
    pub(super) fn fill(&mut self, offset: u64, part: &mut [u8]) -> Result<(), Error> {
        let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let once = self.take(offset, len)?;
        let kept = usize::try_from(self.at.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (before, after) = part.split_at_mut(kept.min(part.len()));
        if !before.is_empty() {
            let end = offset.saturating_add(u64::try_from(before.len()).unwrap_or(u64::MAX));
            self.kept.read_at(offset, before).map_err(|error| self.memory(error))?;
            if once {
                self.let_go(offset, end)?;
            }
        }
        if after.is_empty() {
            return Ok(());
        }
        self.skip_to(offset)?;
        let start = self.at;
        self.receive(after)?;
        if once { Ok(()) } else { self.keep(start, after) }
    }

    /// The first bytes, as many of `len` as there are; they are kept.
    pub(super) fn head(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let mut head = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|it| !it.is_empty()) {
            match self.some(rest)? {
                0 => break,
                read => filled = read.saturating_add(filled),
            }
        }
        head.truncate(filled);
        self.keep(0, &head)?;
        Ok(head)
    }

    /// Hands every byte to `sink`, in order, to the end.
    pub(super) fn pour<E: From<Error>>(
        mut self,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chunk = vec![0; limits::DECODE_CHUNK];
        let mut offset: u64 = 0;
        while offset < self.at {
            let left = usize::try_from(self.at.saturating_sub(offset)).unwrap_or(usize::MAX);
            let part = chunk.get_mut(..left.min(limits::DECODE_CHUNK)).unwrap_or_default();
            self.fill(offset, part)?;
            sink(part)?;
            offset = offset.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        }
        loop {
            let read = self.some(&mut chunk)?;
            match chunk.get(..read).filter(|it| !it.is_empty()) {
                Some(bytes) => sink(bytes)?,
                None => return Ok(()),
            }
        }
    }

    /// Keeps everything up to the end, and says where that is.
    pub(super) fn keep_all(&mut self, limit: u64) -> Result<u64, Error> {
        let mut chunk = vec![0; limits::DECODE_CHUNK];
        loop {
            let start = self.at;
            let read = self.some(&mut chunk)?;
            if read == 0 {
                return Ok(self.at);
            }
            if self.at > limit {
                return Err(Error::TooLarge { name: self.name.clone(), len: self.at, limit });
            }
            self.keep(start, chunk.get(..read).unwrap_or_default())?;
        }
    }

    /// Takes the end of the stream, which has to be after `len` bytes.
    pub(super) fn end(&mut self, len: u64) -> Result<(), Error> {
        self.skip_to(len)?;
        if self.at > len || self.some(&mut [0])? > 0 {
            return Err(Error::Trailing { name: self.name.clone(), len });
        }
        Ok(())
    }

    /// What is kept.
    pub(super) fn into_kept(self) -> Memfd {
        self.kept
    }

    /// Strikes a range off what will be read. Whether anything was.
    fn take(&mut self, offset: u64, len: u64) -> Result<bool, Error> {
        let Some(wanted) = &mut self.wanted else { return Ok(false) };
        let end = offset.saturating_add(len);
        let gone = || Error::Gone { name: self.name.clone(), offset };
        let one = wanted
            .iter_mut()
            .find(|it| it.offset() <= offset && end <= it.end())
            .ok_or_else(gone)?;
        match ByteRange::new(end, one.end().saturating_sub(end)) {
            Some(rest) => *one = rest,
            None => {
                let done = *one;
                wanted.retain(|it| *it != done);
            }
        }
        Ok(true)
    }

    /// Receives what comes before `offset`.
    fn skip_to(&mut self, offset: u64) -> Result<(), Error> {
        let mut chunk = Vec::new();
        while self.at < offset {
            chunk.resize(limits::DECODE_CHUNK, 0);
            let due = usize::try_from(offset.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let due = due.min(chunk.len());
            let part = chunk.get_mut(..due).unwrap_or_default();
            let start = self.at;
            self.receive(part)?;
            self.keep_wanted(start, part)?;
        }
        Ok(())
    }

    fn keep_wanted(&mut self, start: u64, bytes: &[u8]) -> Result<(), Error> {
        let Some(wanted) = self.wanted.take() else { return self.keep(start, bytes) };
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut result = Ok(());
        for range in &wanted {
            let from = range.offset().saturating_sub(start).min(len);
            let to = range.end().saturating_sub(start).min(len);
            let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
            if let Some(part) = bytes.get(index(from)..index(to)).filter(|it| !it.is_empty()) {
                result = result.and_then(|()| self.keep(start.saturating_add(from), part));
            }
        }
        self.wanted = Some(wanted);
        result
    }

    fn keep(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.unseen = self.unseen.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.unseen >= limits::SPOOL_STEP {
            self.unseen = 0;
            if available().map_err(|error| self.memory(error))? < self.reserve {
                return Err(self.memory(io::ErrorKind::OutOfMemory.into()));
            }
        }
        self.kept.write_at(offset, bytes).map_err(|error| self.memory(error))
    }

    fn let_go(&self, from: u64, to: u64) -> Result<(), Error> {
        match ByteRange::new(from, to.saturating_sub(from)) {
            Some(range) => self.kept.let_go(range).map_err(|error| self.memory(error)),
            None => Ok(()),
        }
    }

    /// Fills `buf` with what comes next.
    fn receive(&mut self, mut buf: &mut [u8]) -> Result<(), Error> {
        while !buf.is_empty() {
            let read = self.some(buf)?;
            if read == 0 {
                return Err(Error::Cut { name: self.name.clone(), found: self.at });
            }
            buf = buf.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// What comes next, or nothing at the end.
    fn some(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        if self.ended {
            return Ok(0);
        }
        let read = match &mut self.flow {
            Flow::Decoder(decoder) => decoder.read(buf)?,
            Flow::Server(server) => server.read(buf)?,
            Flow::Reader(reader) => loop {
                match reader.read(buf) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(source) => return Err(Error::File { name: self.name.clone(), source }),
                    Ok(read) => break read,
                }
            },
        };
        self.ended = read == 0 && !buf.is_empty();
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }

    fn memory(&self, source: io::Error) -> Error {
        Error::Memory { name: self.name.clone(), source }
    }
}

/// What `gap` leaves of a range.
fn without(range: ByteRange, gap: ByteRange) -> impl Iterator<Item = ByteRange> {
    let part = |from: u64, to: u64| ByteRange::new(from, to.saturating_sub(from));
    let before = part(range.offset(), range.end().min(gap.offset()));
    let after = part(range.offset().max(gap.end()), range.end());
    [before, after].into_iter().flatten()
}

/// The same bytes in order and without overlaps.
fn merged(ranges: &[ByteRange]) -> impl Iterator<Item = ByteRange> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<ByteRange> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.offset() <= last.end() => {
                let end = last.end().max(range.end());
                let len = end.saturating_sub(last.offset());
                *last = ByteRange::new(last.offset(), len).unwrap_or(*last);
            }
            _ => merged.push(range),
        }
    }
    merged.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 3 << 20;

    fn bytes() -> Vec<u8> {
        (0..LEN as u32 / 4).flat_map(u32::to_le_bytes).collect()
    }

    fn range(offset: usize, len: usize) -> ByteRange {
        ByteRange::new(offset as u64, len as u64).unwrap()
    }

    fn stream(bytes: Vec<u8>) -> Stream {
        // A pipe gives what it has, not what was asked for.
        struct Dribble(io::Cursor<Vec<u8>>);
        impl Read for Dribble {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let len = buf.len().min(60_001);
                self.0.read(&mut buf[..len])
            }
        }
        let reader = Box::new(Dribble(io::Cursor::new(bytes)));
        Stream::new("i", Flow::Reader(reader), 0).unwrap()
    }

    fn read(stream: &mut Stream, offset: usize, len: usize) -> Result<Vec<u8>, Error> {
        let mut part = vec![0; len];
        stream.fill(offset as u64, &mut part)?;
        Ok(part)
    }

    fn resident(stream: &Stream) -> u64 {
        stream.kept.resident().unwrap()
    }

    #[test]
    fn ranges_come_in_any_order_until_it_is_said_which() {
        let bytes = bytes();
        let mut stream = stream(bytes.clone());
        for (offset, len) in [(0, 4096), (1 << 20, 17), (5, 70_000), (0, 4096), (2 << 20, 1)] {
            assert_eq!(read(&mut stream, offset, len).unwrap(), bytes[offset..offset + len]);
        }
        assert_eq!(stream.at(), (2 << 20) + 1);
        assert!(
            matches!(read(&mut stream, LEN - 1, 2), Err(Error::Cut { found, .. }) if found == LEN as u64)
        );
    }

    #[test]
    fn what_was_read_and_what_nobody_reads_takes_no_memory() {
        let bytes = bytes();
        let mut stream = stream(bytes.clone());
        read(&mut stream, 1 << 20, 4096).unwrap();
        assert!(resident(&stream) >= 1 << 20);
        let (early, late) = (range(512 << 10, 64 << 10), range(2 << 20, 256 << 10));
        let middle = range((1 << 20) + 8192, 4096);
        stream.only(vec![late, early, middle]).unwrap();
        assert_eq!(stream.held(), 64 << 10);
        assert_eq!(resident(&stream), 64 << 10);
        // The late one first: the middle one is kept on the way.
        assert_eq!(read(&mut stream, 2 << 20, 256 << 10).unwrap(), bytes[2 << 20..][..256 << 10]);
        assert_eq!(resident(&stream), (64 << 10) + 4096);
        assert_eq!(read(&mut stream, 512 << 10, 4096).unwrap(), bytes[512 << 10..][..4096]);
        assert_eq!(resident(&stream), 64 << 10);
        let at = (1 << 20) + 8192;
        assert_eq!(read(&mut stream, at, 4096).unwrap(), bytes[at..at + 4096]);
        // Twice, before its turn, or never asked for.
        for gone in [at, 2 << 20, 512 << 10, 0, (1 << 20) + 4096] {
            assert!(matches!(read(&mut stream, gone, 512), Err(Error::Gone { .. })), "{gone}");
        }
        assert!(stream.end(LEN as u64).is_ok());
        assert_eq!(resident(&stream), 60 << 10);
    }

    #[test]
    fn what_is_not_read_after_all_takes_no_memory() {
        let bytes = bytes();
        let mut stream = stream(bytes.clone());
        read(&mut stream, 512 << 10, 4096).unwrap();
        stream.only(vec![range(0, 1 << 20), range(2 << 20, 4096)]).unwrap();
        for (offset, len) in [(0, 128 << 10), (256 << 10, 256 << 10), (768 << 10, 4096)] {
            stream.forgo(range(offset, len)).unwrap();
        }
        assert_eq!(resident(&stream), (128 << 10) + 4096);
        assert_eq!(read(&mut stream, 2 << 20, 4096).unwrap(), bytes[2 << 20..][..4096]);
        assert_eq!(resident(&stream), (384 + 256 - 4) << 10);
        for offset in [0, 256 << 10, 768 << 10] {
            assert!(matches!(read(&mut stream, offset, 512), Err(Error::Gone { .. })), "{offset}");
        }
        for (offset, len) in [(128 << 10, 128 << 10), (512 << 10, 256 << 10), (772 << 10, 4096)] {
            assert_eq!(read(&mut stream, offset, len).unwrap(), bytes[offset..offset + len]);
        }
    }

    #[test]
    fn the_end_is_where_it_has_to_be() {
        let end = |len: usize| {
            let mut stream = stream(bytes());
            read(&mut stream, 0, 4096).unwrap();
            stream.end(len as u64)
        };
        assert!(end(LEN).is_ok());
        assert!(matches!(end(LEN - 1), Err(Error::Trailing { .. })));
        assert!(matches!(end(100), Err(Error::Trailing { .. })));
        assert!(matches!(end(LEN + 1), Err(Error::Cut { .. })));
    }

    #[test]
    fn the_last_memory_is_not_taken() {
        let mut stream = Stream { reserve: u64::MAX, ..stream(bytes()) };
        assert!(matches!(read(&mut stream, 0, 1), Err(Error::Memory { .. })));
        let mut endless = Stream::new("i", Flow::Reader(Box::new(io::repeat(0))), 0).unwrap();
        let refused = endless.keep_all(1 << 20);
        assert!(matches!(refused, Err(Error::TooLarge { limit: 1_048_576, .. })));
        assert!(resident(&endless) <= 1 << 20);
    }
}
