// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A URL's bytes in order, from a server that knows no ranges.
//!
//! **In:** a network child that said that everything comes now. **Out:** its bytes, each once, as
//! they come; every one is a claim. **Refuses:** what the child and its link refuse, and the first
//! byte over the size limit.

use super::Error;
use super::child::Child;
use super::link::Flow;

/// Bytes that flow until they end.
#[derive(Debug)]
pub(super) struct Flowing {
    name: String,
    child: Child,
    flow: Flow,
}

impl Flowing {
    pub(super) fn new(name: &str, child: Child, flow: Flow) -> Self {
        Self { name: name.to_owned(), child, flow }
    }

    /// Takes what has come, at least one byte; 0 at the end, which the server has confirmed where
    /// it announced a length.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let read = self.child.flow(&mut self.flow, buffer);
        read.map_err(|error| self.child.deadline().judge(Error::from_link(&self.name, error)))
    }
}
