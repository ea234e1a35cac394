// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the program accepts from its network child.
//!
//! **In:** a stream that an attacker may have taken over together with the child.
//! **Out:** the length of a source, exactly the bytes asked for, or a typed failure.
//! **Refuses:** every frame that is not the one due next: wrong id, unknown kind, too long, more
//! bytes than asked for, an early end, text that is not text.

use std::io::{self, Read};

use super::frame::{DATA, END, FAILED, FLOWING, Head, OPENED, broken};
use crate::finding::Class;
use crate::limits;
use crate::wire::Wire;

/// What the child learnt when it opened a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The server knows byte ranges.
    Ranged {
        /// Length, bytes: at least 1.
        len: u64,
        /// Whether the server named a strong validator, so that a change in the middle is noticed.
        validator: bool,
    },
    /// It does not: all of it comes now, in order.
    Flowing {
        /// Length, bytes, where the server says.
        len: Option<u64>,
    },
}

/// Why a child could not do what it was asked: its word only, as good as the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server has no such thing: status 404 or 410.
    Absent,
    /// The answer is not one to the question.
    BadAnswer,
    /// Another image is served now than at the beginning.
    Changed,
    /// The server has it, perhaps, and not for us.
    Denied,
    /// A redirect that is not followed.
    Redirect,
    /// The server stalls or drips.
    Stalled,
    /// The server does not prove who it is.
    Tls,
    /// The image is over the size limit.
    TooLarge,
    /// The server can't be reached, is overloaded, or cuts connections.
    Unavailable,
}

impl Failure {
    pub(super) const ALL: [Self; 9] = [
        Self::Absent,
        Self::BadAnswer,
        Self::Changed,
        Self::Denied,
        Self::Redirect,
        Self::Stalled,
        Self::Tls,
        Self::TooLarge,
        Self::Unavailable,
    ];

    pub(super) fn code(self) -> u8 {
        Self::ALL
            .iter()
            .position(|it| *it == self)
            .and_then(|it| u8::try_from(it).ok())
            .unwrap_or(0)
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    pub(super) fn class(self) -> Class {
        match self {
            Self::Tls => Class::Tls,
            Self::TooLarge => Class::Limit,
            Self::Absent
            | Self::BadAnswer
            | Self::Changed
            | Self::Denied
            | Self::Redirect
            | Self::Stalled
            | Self::Unavailable => Class::Net,
        }
    }
}

/// Why an answer of the child is not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The child is gone.
    #[error("the network child ended in the middle of an answer")]
    Closed,
    /// More bytes than were asked for.
    #[error("the network child sent {found} bytes where {remaining} remained")]
    Excess {
        /// What was still due.
        remaining: u64,
        /// What came.
        found: u32,
    },
    /// An honest report of a failure. The text is the child's, not yet escaped.
    #[error("the network child failed")]
    Failed {
        /// What kind.
        failure: Failure,
        /// More about it.
        text: String,
    },
    /// An answer to another question.
    #[error("the network child answered {found} where {expected} was asked")]
    Id {
        /// The question.
        expected: u32,
        /// What came.
        found: u32,
    },
    /// The stream failed.
    #[error("the link to the network child failed")]
    Io(#[source] io::Error),
    /// A kind of frame that is unknown or not due.
    #[error("the network child sent a frame of kind {found:#04x}, which was not due")]
    Kind {
        /// What came.
        found: u8,
    },
    /// Nothing, or not enough, came in time.
    #[error("the network child was silent for too long")]
    Late,
    /// A payload length that this kind of frame can't have.
    #[error("the network child sent a frame of kind {kind:#04x} with {found} bytes")]
    Length {
        /// Kind of frame.
        kind: u8,
        /// Its payload length.
        found: u32,
    },
    /// A failure report that is none.
    #[error("the network child sent a failure without a known kind or without readable text")]
    Report,
    /// An end before all bytes were there.
    #[error("the network child ended an answer {missing} bytes early")]
    Short {
        /// What was still due.
        missing: u64,
    },
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        broken(error, [Self::Closed, Self::Late], Self::Io)
    }
}

/// Reads the answer to an open request.
///
/// # Errors
/// [`Error::Failed`] for what the child reports; everything else is a child that lies.
pub fn read_opened(link: &mut impl Read, id: u32) -> Result<Opened, Error> {
    let head = due_head(link, id)?;
    let mut payload = [0; 9];
    let len = match head.kind {
        OPENED => 9,
        FLOWING => 8,
        _ => return Err(not_due(link, head)),
    };
    if usize::try_from(head.len) != Ok(len) {
        return Err(Error::Length { kind: head.kind, found: head.len });
    }
    link.read_exact(payload.get_mut(..len).unwrap_or_default())?;
    match (head.kind, Wire::new(&payload).u64_le(0), payload.last()) {
        (FLOWING, Some(more), _) => Ok(Opened::Flowing { len: more.checked_sub(1) }),
        (_, Some(len @ 1..), Some(flag @ (0 | 1))) => {
            Ok(Opened::Ranged { len, validator: *flag == 1 })
        }
        _ => Err(Error::Report),
    }
}

/// What follows [`Opened::Flowing`]: bytes until the child says it is the end.
#[derive(Debug)]
pub struct Flow {
    id: u32,
    /// Bytes that may still come.
    left: u64,
    /// Bytes of the current frame that were not taken yet.
    frame: u32,
    ended: bool,
}

impl Flow {
    /// Expects at most `limit` bytes in answer to request `id`.
    #[must_use]
    pub fn new(id: u32, limit: u64) -> Self {
        Self { id, left: limit, frame: 0, ended: false }
    }

    /// Takes what is there, at least one byte; 0 after the end, and for an empty buffer.
    ///
    /// # Errors
    /// As [`read_opened`]; [`Error::Excess`] for the first byte over the limit.
    pub fn read(&mut self, link: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        if self.frame == 0 {
            let head = due_head(link, self.id)?;
            match (head.kind, head.len) {
                (END, 0) => {
                    self.ended = true;
                    return Ok(0);
                }
                (DATA, found) if found > 0 && found <= limits::FRAME => {
                    let left = self.left.checked_sub(u64::from(found));
                    self.left = left.ok_or(Error::Excess { remaining: self.left, found })?;
                    self.frame = found;
                }
                (END | DATA, found) => return Err(Error::Length { kind: head.kind, found }),
                _ => return Err(not_due(link, head)),
            }
        }
        let want = usize::try_from(self.frame).unwrap_or(usize::MAX).min(buffer.len());
        let now = buffer.get_mut(..want).unwrap_or_default();
        link.read_exact(now)?;
        self.frame = self.frame.saturating_sub(u32::try_from(want).unwrap_or(u32::MAX));
        Ok(want)
    }
}

/// The answer to a read request: exactly the bytes asked for.
#[derive(Debug)]
pub struct Body<R> {
    link: R,
    id: u32,
    /// Bytes that no frame has announced yet.
    due: u64,
    /// Bytes of the current frame that were not taken yet.
    frame: u32,
}

impl<R: Read> Body<R> {
    /// Expects `len` bytes in answer to request `id`.
    pub fn new(link: R, id: u32, len: u64) -> Self {
        Self { link, id, due: len, frame: 0 }
    }

    /// Fills `chunk` to its end, straight from the stream.
    ///
    /// # Errors
    /// As [`read_opened`]; [`Error::Short`] also if `chunk` is longer than what was asked for.
    pub fn fill(&mut self, mut chunk: &mut [u8]) -> Result<(), Error> {
        while !chunk.is_empty() {
            if self.frame == 0 {
                self.next_frame()?;
            }
            let want = usize::try_from(self.frame).unwrap_or(usize::MAX).min(chunk.len());
            let (now, rest) = chunk.split_at_mut(want);
            self.link.read_exact(now)?;
            self.frame = self.frame.saturating_sub(u32::try_from(want).unwrap_or(u32::MAX));
            chunk = rest;
        }
        Ok(())
    }

    /// Takes the mark that says the answer is complete.
    ///
    /// # Errors
    /// As [`Self::fill`]; [`Error::Short`] if not all bytes were taken.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.frame > 0 || self.due > 0 {
            return Err(Error::Short { missing: self.due.saturating_add(u64::from(self.frame)) });
        }
        let head = due_head(&mut self.link, self.id)?;
        match (head.kind, head.len) {
            (END, 0) => Ok(()),
            (END, found) => Err(Error::Length { kind: END, found }),
            (DATA, found) => Err(Error::Excess { remaining: 0, found }),
            _ => Err(not_due(&mut self.link, head)),
        }
    }

    fn next_frame(&mut self) -> Result<(), Error> {
        let head = due_head(&mut self.link, self.id)?;
        match head.kind {
            DATA if head.len == 0 || head.len > limits::FRAME => {
                Err(Error::Length { kind: DATA, found: head.len })
            }
            DATA => match self.due.checked_sub(u64::from(head.len)) {
                Some(due) => {
                    (self.due, self.frame) = (due, head.len);
                    Ok(())
                }
                None => Err(Error::Excess { remaining: self.due, found: head.len }),
            },
            END => Err(Error::Short { missing: self.due }),
            _ => Err(not_due(&mut self.link, head)),
        }
    }
}

/// A frame that is not the one due: the child's report of a failure, or a lie.
fn not_due(link: &mut impl Read, head: Head) -> Error {
    if head.kind != FAILED {
        return Error::Kind { found: head.kind };
    }
    read_failure(link, head).unwrap_or_else(|error| error)
}

fn read_failure(link: &mut impl Read, head: Head) -> Result<Error, Error> {
    let len = usize::try_from(head.len).unwrap_or(usize::MAX);
    if len == 0 || len > limits::FAILURE_TEXT {
        return Err(Error::Length { kind: head.kind, found: head.len });
    }
    let mut payload = vec![0; len];
    link.read_exact(&mut payload)?;
    let (code, text) = payload.split_first().ok_or(Error::Report)?;
    let failure = Failure::from_code(*code).ok_or(Error::Report)?;
    let text = String::from_utf8(text.to_vec()).map_err(|_text| Error::Report)?;
    Ok(Error::Failed { failure, text })
}

/// The next head, which must belong to the answer that is due.
fn due_head(link: &mut impl Read, expected: u32) -> Result<Head, Error> {
    let head = Head::read(link)?;
    if head.id == expected { Ok(head) } else { Err(Error::Id { expected, found: head.id }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: u32 = 7;

    fn frame(id: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
        let head = Head { id, kind, len: payload.len() as u32 };
        [&head.bytes()[..], payload].concat()
    }

    fn head_only(kind: u8, len: u32) -> Vec<u8> {
        Head { id: ID, kind, len }.bytes().to_vec()
    }

    /// Takes an answer of `len` bytes in chunks of three.
    fn body(stream: &[u8], len: usize) -> Result<Vec<u8>, Error> {
        let mut body = Body::new(stream, ID, len as u64);
        let mut bytes = vec![0; len];
        bytes.chunks_mut(3).try_for_each(|chunk| body.fill(chunk))?;
        body.finish()?;
        Ok(bytes)
    }

    /// Debug text, because errors with a source can't be compared.
    fn same(found: Result<impl std::fmt::Debug, Error>, expected: &Error) -> bool {
        format!("{:?}", found.unwrap_err()) == format!("{expected:?}")
    }

    #[test]
    fn answers_arrive_whole_however_they_are_cut() {
        let data = |bytes: &[u8]| frame(ID, DATA, bytes);
        let end = frame(ID, END, b"");
        for frames in [
            vec![data(b"01234567")],
            vec![data(b"0"), data(b"1234"), data(b"567")],
            b"01234567".chunks(1).map(data).collect(),
        ] {
            let stream = [frames.concat(), end.clone()].concat();
            assert_eq!(body(&stream, 8).unwrap(), b"01234567");
        }
    }

    #[test]
    fn refuses_each_way_a_child_can_lie_about_data() {
        let good = frame(ID, DATA, b"01234567");
        let end = frame(ID, END, b"");
        let over = limits::FRAME + 1;
        let cases: Vec<(&str, Vec<u8>, Error)> = vec![
            ("nothing", vec![], Error::Closed),
            ("half a head", good[..5].to_vec(), Error::Closed),
            ("half a frame", good[..12].to_vec(), Error::Closed),
            ("no end", good.clone(), Error::Closed),
            ("empty frame", frame(ID, DATA, b""), Error::Length { kind: DATA, found: 0 }),
            ("too long", head_only(DATA, over), Error::Length { kind: DATA, found: over }),
            ("too much", frame(ID, DATA, b"012345678"), Error::Excess { remaining: 8, found: 9 }),
            (
                "too much, later",
                [good.clone(), frame(ID, DATA, b"8"), end.clone()].concat(),
                Error::Excess { remaining: 0, found: 1 },
            ),
            (
                "early end",
                [frame(ID, DATA, b"0123456"), end.clone()].concat(),
                Error::Short { missing: 1 },
            ),
            (
                "end with payload",
                [good.clone(), frame(ID, END, b"x")].concat(),
                Error::Length { kind: END, found: 1 },
            ),
            (
                "an older answer",
                frame(ID - 1, DATA, b"01234567"),
                Error::Id { expected: ID, found: ID - 1 },
            ),
            (
                "an end of another answer",
                [good.clone(), frame(ID + 1, END, b"")].concat(),
                Error::Id { expected: ID, found: ID + 1 },
            ),
            ("not due", frame(ID, OPENED, &[1; 9]), Error::Kind { found: OPENED }),
            ("unknown", frame(ID, 0, b""), Error::Kind { found: 0 }),
            (
                "garbage",
                b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
                Error::Id { expected: ID, found: u32::from_le_bytes(*b"HTTP") },
            ),
        ];
        for (name, stream, expected) in cases {
            assert!(same(body(&stream, 8), &expected), "{name}: {:?}", body(&stream, 8));
        }
        assert_eq!(body(&[good, end].concat(), 8).unwrap(), b"01234567");
    }

    #[test]
    fn an_answer_left_early_is_not_finished() {
        let stream = [frame(ID, DATA, b"01234567"), frame(ID, END, b"")].concat();
        let mut taken = Body::new(&stream[..], ID, 8);
        taken.fill(&mut [0; 3]).unwrap();
        assert!(matches!(taken.finish(), Err(Error::Short { missing: 5 })));
        let mut asked_too_much = Body::new(&stream[..], ID, 8);
        assert!(matches!(asked_too_much.fill(&mut [0; 9]), Err(Error::Short { missing: 0 })));
    }

    #[test]
    fn refuses_each_way_a_child_can_lie_about_a_length() {
        let opened =
            |len: u64, flag: u8| frame(ID, OPENED, &[&len.to_le_bytes()[..], &[flag]].concat());
        let cases: Vec<(Vec<u8>, Error)> = vec![
            (vec![], Error::Closed),
            (opened(0, 0), Error::Report),
            (opened(512, 2), Error::Report),
            (frame(ID, OPENED, &[1; 8]), Error::Length { kind: OPENED, found: 8 }),
            (head_only(OPENED, u32::MAX), Error::Length { kind: OPENED, found: u32::MAX }),
            (frame(ID, DATA, &[1; 9]), Error::Kind { found: DATA }),
            (frame(0, OPENED, &[1; 9]), Error::Id { expected: ID, found: 0 }),
        ];
        for (stream, expected) in cases {
            let found = read_opened(&mut &stream[..], ID);
            assert!(same(found, &expected), "{expected:?}");
        }
        let found = read_opened(&mut &opened(512, 1)[..], ID).unwrap();
        assert_eq!(found, Opened::Ranged { len: 512, validator: true });
    }

    #[test]
    fn a_flow_ends_where_the_child_says_so_and_nowhere_else() {
        let flowing = |payload: &[u8]| read_opened(&mut &frame(ID, FLOWING, payload)[..], ID);
        assert_eq!(flowing(&0_u64.to_le_bytes()).unwrap(), Opened::Flowing { len: None });
        assert_eq!(flowing(&8_u64.to_le_bytes()).unwrap(), Opened::Flowing { len: Some(7) });
        assert!(same(flowing(&[8; 9]), &Error::Length { kind: FLOWING, found: 9 }));
        let take = |stream: &[u8]| -> Result<Vec<u8>, Error> {
            let (mut flow, mut stream, mut bytes) = (Flow::new(ID, 8), stream, Vec::new());
            loop {
                let mut three = [0; 3];
                match flow.read(&mut stream, &mut three)? {
                    0 => return Ok(bytes),
                    read => bytes.extend_from_slice(&three[..read]),
                }
            }
        };
        let (good, end) = (frame(ID, DATA, b"01234567"), frame(ID, END, b""));
        assert_eq!(take(&[good.clone(), end.clone()].concat()).unwrap(), b"01234567");
        assert_eq!(take(&end).unwrap(), b"");
        let more = [good.clone(), frame(ID, DATA, b"8"), end.clone()].concat();
        assert!(same(take(&more), &Error::Excess { remaining: 0, found: 1 }));
        assert!(same(take(&good), &Error::Closed));
        assert!(same(take(&frame(ID + 1, END, b"")), &Error::Id { expected: ID, found: ID + 1 }));
        assert!(same(take(&frame(ID, DATA, b"")), &Error::Length { kind: DATA, found: 0 }));
        assert!(same(take(&frame(ID, OPENED, b"")), &Error::Kind { found: OPENED }));
    }

    #[test]
    fn failure_reports_are_bounded_text_of_a_known_kind() {
        let at_limit = [vec![Failure::Tls.code()], vec![b'x'; limits::FAILURE_TEXT - 1]].concat();
        let over = [&at_limit[..], b"x"].concat();
        let cases: Vec<(Vec<u8>, Error)> = vec![
            (
                frame(ID, FAILED, &at_limit),
                Error::Failed { failure: Failure::Tls, text: "x".repeat(limits::FAILURE_TEXT - 1) },
            ),
            (frame(ID, FAILED, &over), Error::Length { kind: FAILED, found: over.len() as u32 }),
            (frame(ID, FAILED, b""), Error::Length { kind: FAILED, found: 0 }),
            (frame(ID, FAILED, &[200, b'x']), Error::Report),
            (frame(ID, FAILED, &[0, 0xff]), Error::Report),
            (frame(ID, FAILED, &[0, b'x'])[..10].to_vec(), Error::Closed),
        ];
        for (stream, expected) in cases {
            assert!(same(body(&stream, 8), &expected), "{expected:?}");
            assert!(same(read_opened(&mut &stream[..], ID), &expected), "{expected:?}");
        }
    }
}
