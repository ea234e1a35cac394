// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Frames on the link between the program and its network child.
//!
//! **In:** requests of the parent, answers of the child. **Out:** frames; and for the child, which
//! trusts its parent, the requests read back. **Refuses:** payloads over [`limits::FRAME`].
//! What the parent accepts from the child is in [`super::link`].
//!
//! Each message is a head (id, kind, payload length, little-endian) and its payload. The parent
//! asks one thing at a time; ids only grow, so a late answer can't pass for the next one.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::link::Failure;
use super::pace::Pace;
use crate::limits;
use crate::units::ByteRange;
use crate::wire::Wire;

const HEAD: usize = 9;

const OPEN: u8 = 1;
const READ: u8 = 2;

pub(super) const OPENED: u8 = 0x81;
pub(super) const DATA: u8 = 0x82;
pub(super) const END: u8 = 0x83;
pub(super) const FAILED: u8 = 0x84;
pub(super) const FLOWING: u8 = 0x85;

/// The first message to the child: all it ever learns about the machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) url: Zeroizing<String>,
    /// Text of the PEM bundle; without it no TLS connection can succeed.
    pub(super) tls_roots: String,
    pub(super) size_max: u64,
    pub(super) pace: Pace,
    pub(super) proxy: Option<String>,
    pub(super) secrets: Secrets,
    /// Certificates are never judged by an earlier time, seconds since 1970.
    pub(super) clock_floor: u64,
}

/// What one server alone may see.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) bearer: Option<Zeroizing<String>>,
    /// PEM of certificate chain and key.
    pub(super) client: Option<(String, Zeroizing<String>)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// What the parent asks for.
#[derive(Debug)]
pub(super) enum Request {
    Open(Box<Open>),
    Read { offset: u64, len: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) kind: u8,
    pub(super) len: u32,
}

impl Head {
    pub(super) fn bytes(self) -> [u8; HEAD] {
        let [a, b, c, d] = self.id.to_le_bytes();
        let [w, x, y, z] = self.len.to_le_bytes();
        [a, b, c, d, self.kind, w, x, y, z]
    }

    fn from_bytes(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, d, kind, w, x, y, z] = bytes;
        Self { id: u32::from_le_bytes([a, b, c, d]), kind, len: u32::from_le_bytes([w, x, y, z]) }
    }

    pub(super) fn read(link: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; HEAD];
        link.read_exact(&mut bytes)?;
        Ok(Self::from_bytes(bytes))
    }
}

/// What a failed read or write says of a child: it is gone, it was silent, or something else.
pub(super) fn broken<E>(error: io::Error, [gone, late]: [E; 2], other: fn(io::Error) -> E) -> E {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    let kind = error.kind();
    if matches!(kind, UnexpectedEof | BrokenPipe | ConnectionReset) {
        gone
    } else if matches!(kind, TimedOut | WouldBlock) {
        late
    } else {
        other(error)
    }
}

/// Sends one frame.
pub(super) fn send(link: &mut impl Write, id: u32, kind: u8, payload: &[u8]) -> io::Result<()> {
    let len = u32::try_from(payload.len()).ok().filter(|len| *len <= limits::FRAME);
    let len = len.ok_or(io::ErrorKind::FileTooLarge)?;
    let head = Head { id, kind, len }.bytes();
    // In one call as a rule; what is left of it goes the plain way.
    let sent = match link.write_vectored(&[IoSlice::new(&head), IoSlice::new(payload)]) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        sent => sent?,
    };
    link.write_all(head.get(sent..).unwrap_or_default())?;
    link.write_all(payload.get(sent.saturating_sub(HEAD)..).unwrap_or_default())
}

/// Sends a request.
pub(super) fn send_request(link: &mut impl Write, id: u32, request: &Request) -> io::Result<()> {
    match request {
        Request::Open(open) => send(link, id, OPEN, &Zeroizing::new(serde_json::to_vec(open)?)),
        Request::Read { offset, len } => {
            send(link, id, READ, &[offset.to_le_bytes(), len.to_le_bytes()].concat())
        }
    }
}

/// Takes the next request; `None` when the parent is gone.
pub(super) fn read_request(link: &mut impl Read) -> io::Result<Option<(u32, Request)>> {
    let head = match Head::read(link) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        head => head?,
    };
    if head.len > limits::FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = Zeroizing::new(vec![0; usize::try_from(head.len).unwrap_or(0)]);
    link.read_exact(&mut payload)?;
    let wire = Wire::new(&payload);
    let request = match (head.kind, wire.u64_le(0), wire.u64_le(8)) {
        (OPEN, _, _) => Request::Open(Box::new(serde_json::from_slice(&payload)?)),
        (READ, Some(offset), Some(len)) if payload.len() == 16 => Request::Read { offset, len },
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    Ok(Some((head.id, request)))
}

/// Answers an open request: ranges may be asked for.
pub(super) fn send_opened(
    link: &mut impl Write,
    id: u32,
    (len, validator): (u64, bool),
) -> io::Result<()> {
    send(link, id, OPENED, &[&len.to_le_bytes()[..], &[u8::from(validator)]].concat())
}

/// Answers an open request: the whole body follows, and nothing can be asked for. The length goes as
/// one more, 0 is an unknown one.
pub(super) fn send_flowing(link: &mut impl Write, id: u32, len: Option<u64>) -> io::Result<()> {
    let len = len.map_or(0, |it| it.saturating_add(1));
    send(link, id, FLOWING, &len.to_le_bytes())
}

/// Sends bytes of an answer; nothing for an empty slice.
pub(super) fn send_data(link: &mut impl Write, id: u32, bytes: &[u8]) -> io::Result<()> {
    let frame = usize::try_from(limits::FRAME).unwrap_or(usize::MAX);
    bytes.chunks(frame).try_for_each(|part| send(link, id, DATA, part))
}

/// Marks an answer as complete.
pub(super) fn send_end(link: &mut impl Write, id: u32) -> io::Result<()> {
    send(link, id, END, &[])
}

/// Reports a failure, its text cut to the limit.
pub(super) fn send_failed(
    link: &mut impl Write,
    id: u32,
    failure: Failure,
    text: &str,
) -> io::Result<()> {
    let end = text.floor_char_boundary(limits::FAILURE_TEXT.saturating_sub(1));
    let text = text.get(..end).unwrap_or_default();
    send(link, id, FAILED, &[&[failure.code()], text.as_bytes()].concat())
}

/// The range of a read request.
pub(super) fn range(offset: u64, len: u64) -> io::Result<ByteRange> {
    ByteRange::new(offset, len).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::link;

    const ID: u32 = 7;

    #[test]
    fn frames_are_whole_however_little_a_write_takes() {
        #[derive(Default)]
        struct Trickle {
            bytes: Vec<u8>,
            calls: usize,
        }
        impl Write for Trickle {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.calls += 1;
                if self.calls == 1 {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                self.bytes.extend(bytes.first());
                Ok(bytes.len().min(1))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut trickle = Trickle::default();
        let mut whole = Vec::new();
        for _ in 0..2 {
            send_data(&mut trickle, ID, b"01234567").unwrap();
            send_data(&mut whole, ID, b"01234567").unwrap();
        }
        assert_eq!(trickle.bytes, whole);
        assert_eq!(whole.len(), 2 * (HEAD + 8));
    }

    #[test]
    fn what_one_side_sends_the_other_reads() {
        for failure in Failure::ALL {
            let mut stream = Vec::new();
            send_failed(&mut stream, ID, failure, &"\u{e9}".repeat(limits::FAILURE_TEXT)).unwrap();
            let found = link::read_opened(&mut &stream[..], ID);
            assert!(matches!(found, Err(link::Error::Failed { failure: it, .. }) if it == failure));
        }
        let mut stream = Vec::new();
        send_request(&mut stream, ID, &Request::Read { offset: 512, len: 9 }).unwrap();
        let (id, request) = read_request(&mut &stream[..]).unwrap().unwrap();
        assert_eq!(id, ID);
        assert!(matches!(request, Request::Read { offset: 512, len: 9 }));
        assert!(read_request(&mut &b""[..]).unwrap().is_none());
        assert!(read_request(&mut &stream[..12]).is_err());
    }
}
