// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The strict reader, which stands in front of the other one.
//!
//! **In:** the archive's bytes. **Out:** the same bytes, each block only after it was found to be
//! right, and an [`Entry`] for each that there is. **Refuses:** what [`Header`], [`Entry`] and the
//! rules of order do; every end but two blocks of zeros with nothing but zeros behind them.

use std::io::{self, Read};

use super::entry::{Entry, Pending};
use super::error::Stop;
use super::fault::Fault;
use super::header::{BLOCK, Header};
use crate::limits;
use crate::policy::EntryRules;
use crate::source::{self, Source};
use crate::units::ByteRange;

/// Bytes read from the source at once.
const CHUNK: usize = 256 * 1024;

/// A source as a stream.
pub(super) struct Bytes<'a> {
    source: &'a mut Source,
    /// The next byte to be read from the source.
    at: u64,
    buffer: Vec<u8>,
    /// The bytes of the buffer that were not handed out yet.
    ready: std::ops::Range<usize>,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(source: &'a mut Source) -> Self {
        Self { source, at: 0, buffer: vec![0; CHUNK], ready: 0..0 }
    }

    /// Fills the beginning of `out`; 0 at the end.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, source::Error> {
        if self.ready.is_empty() {
            let left = self.source.len().saturating_sub(self.at);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let len_on_source = u64::try_from(len).unwrap_or(u64::MAX);
            let Some(range) = ByteRange::new(self.at, len_on_source).filter(|_| len > 0) else {
                return Ok(0);
            };
            let chunk = self.buffer.get_mut(..len).unwrap_or_default();
            self.source.read_into(range, chunk, |_, _| Ok::<_, source::Error>(()))?;
            self.at = self.at.saturating_add(len_on_source);
            self.ready = 0..len;
        }
        let from = self.buffer.get(self.ready.clone()).unwrap_or_default();
        let len = from.len().min(out.len());
        out.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        self.ready.start = self.ready.start.saturating_add(len);
        Ok(len)
    }

    /// Fills `out` as far as there are bytes.
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, source::Error> {
        let mut filled: usize = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|it| !it.is_empty()) {
            match self.read(rest)? {
                0 => break,
                read => filled = filled.saturating_add(read),
            }
        }
        Ok(filled)
    }
}

enum State {
    /// A header comes next.
    Header,
    /// The rest of a file, and of the padding behind it.
    Body { left: u64, padding: usize },
    /// Nothing comes any more.
    Ended,
}

/// The strict reader.
pub(super) struct Gate<'a> {
    bytes: Bytes<'a>,
    rules: EntryRules,
    state: State,
    pending: Pending,
    /// Whether the last header describes an entry that is to come.
    dangling: bool,
    /// Bytes that were found right and not handed out yet.
    ahead: Vec<u8>,
    handed: usize,
    /// The entry whose header was handed out last.
    entry: Option<Entry>,
    /// Headers for all entries that were handed out, and not passed by the other reader yet.
    globals: u64,
    /// Entries so far.
    count: u64,
    stop: Option<Stop>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(source: &'a mut Source, rules: EntryRules) -> Self {
        Self {
            bytes: Bytes::new(source),
            rules,
            state: State::Header,
            pending: Pending::default(),
            dangling: false,
            ahead: Vec::new(),
            handed: 0,
            entry: None,
            globals: 0,
            count: 0,
            stop: None,
        }
    }

    /// The entry that the other reader has to come to now.
    pub(super) fn take_entry(&mut self) -> Result<Entry, Stop> {
        self.entry.take().ok_or_else(|| Fault::Differs { what: "which entries there are" }.into())
    }

    /// Whether a header for all entries was passed.
    pub(super) fn take_global(&mut self) -> bool {
        let passed = self.globals.checked_sub(1);
        self.globals = passed.unwrap_or_default();
        passed.is_some()
    }

    /// Entries so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether the other reader gets no more bytes.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Why the other reader got no more bytes.
    pub(super) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// Makes sure that the other reader is at the end too.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        if let Some(stop) = self.stop.take() {
            return Err(stop);
        }
        match (&self.state, &self.entry) {
            (State::Ended, None) => Ok(()),
            _ => Err(Fault::Differs { what: "where the archive ends" }.into()),
        }
    }

    fn next(&mut self, out: &mut [u8]) -> Result<usize, Stop> {
        loop {
            let ready = self.ahead.get(self.handed..).unwrap_or_default();
            if !ready.is_empty() {
                let len = ready.len().min(out.len());
                out.iter_mut().zip(ready).for_each(|(to, from)| *to = *from);
                self.handed = self.handed.saturating_add(len);
                return Ok(len);
            }
            self.ahead.clear();
            self.handed = 0;
            match self.state {
                State::Ended => return Ok(0),
                State::Header => self.header()?,
                State::Body { left: 0, padding } => {
                    self.state = State::Header;
                    self.padding(padding)?;
                }
                State::Body { left, padding } => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
                    let part = out.get_mut(..most).unwrap_or_default();
                    let read = self.bytes.read(part)?;
                    if read == 0 {
                        return Err(Fault::Truncated.into());
                    }
                    let left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
                    self.state = State::Body { left, padding };
                    return Ok(read);
                }
            }
        }
    }

    /// Reads a header, and what it describes of the next one.
    fn header(&mut self) -> Result<(), Stop> {
        let mut block = [0; BLOCK];
        match self.bytes.fill(&mut block)? {
            BLOCK => {}
            0 => return Err(Fault::NoEnd.into()),
            _ => return Err(Fault::Truncated.into()),
        }
        let Some(header) = Header::parse(&block)? else { return self.end(&block) };
        self.ahead.extend_from_slice(&block);
        if matches!(header.kind, b'x' | b'g' | b'L' | b'K') {
            return self.extension(&header);
        }
        if self.entry.is_some() {
            return Err(Fault::Differs { what: "which entries there are" }.into());
        }
        self.count = self.count.saturating_add(1);
        if self.count > limits::ARCHIVE_ENTRIES {
            return Err(Fault::Entries.into());
        }
        let entry = Entry::new(header, std::mem::take(&mut self.pending), self.rules)?;
        self.dangling = false;
        self.state = State::Body { left: entry.raw.size, padding: padding(entry.raw.size) };
        self.entry = Some(entry);
        Ok(())
    }

    fn extension(&mut self, header: &Header) -> Result<(), Stop> {
        let size = usize::try_from(header.size).ok();
        let Some(size) = size.filter(|it| *it <= limits::ARCHIVE_EXTENSION) else {
            return Err(Fault::ExtensionSize { found: header.size }.into());
        };
        let mut body = vec![0; size];
        if self.bytes.fill(&mut body)? < size {
            return Err(Fault::Truncated.into());
        }
        self.pending.add(header, &body)?;
        self.dangling = true;
        self.globals = self.globals.saturating_add(u64::from(header.kind == b'g'));
        self.ahead.extend_from_slice(&body);
        self.padding(padding(header.size))
    }

    /// Takes the zeros up to the next block.
    fn padding(&mut self, len: usize) -> Result<(), Stop> {
        let mut zeros = [0; BLOCK];
        let zeros = zeros.get_mut(..len).unwrap_or_default();
        if self.bytes.fill(zeros)? < len {
            return Err(Fault::Truncated.into());
        }
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(Fault::Padding.into());
        }
        self.ahead.extend_from_slice(zeros);
        Ok(())
    }

    /// Takes the end: a second block of zeros, and zeros to the last byte, in whole blocks.
    fn end(&mut self, first: &[u8; BLOCK]) -> Result<(), Stop> {
        if self.dangling {
            return Err(Fault::Dangling.into());
        }
        if self.count == 0 {
            return Err(Fault::Empty.into());
        }
        let mut block = [0; BLOCK];
        let mut blocks: u64 = 1;
        loop {
            let filled = self.bytes.fill(&mut block)?;
            if block.get(..filled).unwrap_or_default().iter().any(|byte| *byte != 0) {
                return Err(Fault::Trailing.into());
            }
            match filled {
                BLOCK => blocks = blocks.saturating_add(1),
                0 if blocks > 1 => break,
                0 => return Err(Fault::NoEnd.into()),
                _ => return Err(Fault::Truncated.into()),
            }
        }
        self.ahead.extend_from_slice(first);
        self.state = State::Ended;
        Ok(())
    }
}

impl Read for Gate<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.next(out).map_err(|stop| {
            self.stop = Some(stop);
            io::ErrorKind::InvalidData.into()
        })
    }
}

/// Bytes from the end of `size` bytes to the end of their last block.
fn padding(size: u64) -> usize {
    let block = u64::try_from(BLOCK).unwrap_or(1);
    let over = size.checked_rem(block).unwrap_or_default();
    let padding = block.saturating_sub(over).checked_rem(block).unwrap_or_default();
    usize::try_from(padding).unwrap_or_default()
}
