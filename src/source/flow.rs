// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A URL's bytes in order, from servers that know no ranges.
//!
//! **In:** a URL whose server an attacker may own. **Out:** its bytes, each once, as they come; every
//! one is a claim. **Refuses:** what the network child and its link refuse, and the first byte over
//! the size limit. A body that is cut is taken up where it was cut, if the server can.

use super::child::{Child, Deadline};
use super::link::Flow;
use super::{Error, Transport};
use crate::url::SourceUrl;

/// Bytes that flow until they end.
#[derive(Debug)]
#[must_use]
pub struct Flowing {
    name: String,
    len: Option<u64>,
    child: Option<Child>,
    flow: Flow,
}

impl Flowing {
    /// Asks for all of an `http` or `https` URL.
    ///
    /// # Errors
    /// As [`super::Source::open_url`].
    pub fn open(url: &SourceUrl, transport: &Transport) -> Result<Self, Error> {
        let name = url.to_string();
        let (mut child, open) = transport.child(url, Deadline::after(transport.budget))?;
        let (len, flow) = child
            .stream(open)
            .map_err(|error| child.deadline().judge(Error::from_link(&name, error)))?;
        Ok(Self { name, len, child: Some(child), flow })
    }

    /// URL, escaped, without the query.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length, bytes, as the server announces it.
    #[must_use]
    pub fn announced_len(&self) -> Option<u64> {
        self.len
    }

    /// Takes what has come, at least one byte; 0 at the end, which the server has confirmed where
    /// it announced a length.
    ///
    /// # Errors
    /// As [`super::Source::read`]; after one, [`Error::Ended`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let name = &self.name;
        let child = self.child.as_mut().ok_or_else(|| Error::Ended { name: name.clone() })?;
        let (read, deadline) = (child.flow(&mut self.flow, buffer), child.deadline());
        if read.is_err() {
            self.child = None;
        }
        read.map_err(|error| deadline.judge(Error::from_link(&self.name, error)))
    }
}
