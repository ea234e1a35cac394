// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Reading one source in several places at the same time.
//!
//! **In:** a source. **Out:** its lanes, each for a thread of its own; every byte is a claim.
//! **Refuses:** what [`Source::read_into`] refuses, lane by lane. After an error of one lane nobody
//! knows where the others stand: the source has ended then.

use std::fs::File;

use super::child::{self, Deadline};
use super::stream::Stream;
use super::{Bytes, Error, Source, fill_each, inside, read_file};
use crate::units::ByteRange;

/// One place at which a source is read. Of a URL it is a connection.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    name: &'a str,
    from_server: bool,
    len: u64,
    bytes: LaneBytes<'a>,
}

#[derive(Debug)]
enum LaneBytes<'a> {
    File(&'a File),
    Remote(&'a mut child::Lane, Deadline),
    Stream(&'a mut Stream),
}

impl Source {
    /// At least one lane, at most `wanted`.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub(crate) fn lanes(&mut self, wanted: usize) -> Result<Vec<Lane<'_>>, Error> {
        let (name, from_server, len) = (self.name.as_str(), self.from_server, self.len);
        let lane = |bytes| Lane { name, from_server, len, bytes };
        let count = wanted.max(1);
        Ok(match &mut self.bytes {
            Bytes::Ended => return Err(Error::Ended { name: name.to_owned() }),
            Bytes::File(file) => {
                let file = &*file;
                std::iter::repeat_with(|| lane(LaneBytes::File(file))).take(count).collect()
            }
            // It goes forward only.
            Bytes::Stream(stream) => vec![lane(LaneBytes::Stream(stream))],
            Bytes::Remote(child, _) => {
                let deadline = child.deadline();
                let remote = |it| lane(LaneBytes::Remote(it, deadline));
                child.lanes().iter_mut().take(count).map(remote).collect()
            }
        })
    }
}

impl Lane<'_> {
    /// Which server, where there is one: its URL, escaped, without the query.
    pub(crate) fn server(&self) -> Option<&str> {
        self.from_server.then_some(self.name)
    }

    /// As [`Source::read_into`].
    pub(crate) fn read_into<E: From<Error>>(
        &mut self,
        range: ByteRange,
        chunk: &mut [u8],
        sink: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        inside(self.name, self.len, range)?;
        match &mut self.bytes {
            LaneBytes::File(file) => fill_each(range, chunk, sink, |offset, part| {
                read_file(self.name, file, offset, part)
            }),
            LaneBytes::Stream(stream) => {
                fill_each(range, chunk, sink, |offset, part| stream.fill(offset, part))
            }
            LaneBytes::Remote(lane, deadline) => {
                let fail = |error| deadline.judge(Error::from_link(self.name, error));
                lane.read(range).map_err(|error| fail(error).into()).and_then(|mut body| {
                    fill_each(range, chunk, sink, |_, part| body.fill(part).map_err(fail))?;
                    body.finish().map_err(|error| fail(error).into())
                })
            }
        }
    }
}
