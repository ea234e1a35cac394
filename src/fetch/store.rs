// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Where judged bytes go.
//!
//! **In:** bytes that were found right. **Out:** sealed memory for a boot, nothing for an audit.
//! **Refuses:** nothing; every failure is the kernel's.

use std::io;

use crate::sys::memfd::{Memfd, SealedMemfd};

/// A place for bytes, at the offsets they have in the image.
pub trait Store {
    /// What is left when all bytes are in.
    type Kept;

    /// Prepares for an image of `len` bytes; holes take no memory.
    ///
    /// # Errors
    /// What the kernel says.
    fn make_room(&mut self, len: u64) -> io::Result<()>;

    /// Takes judged bytes.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` or `ENOMEM` where memory is gone.
    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Closes the store against every change.
    ///
    /// # Errors
    /// What the kernel says.
    fn keep(self) -> io::Result<Self::Kept>;
}

/// For an audit: bytes are judged and let go, so that memory stays constant.
#[derive(Debug)]
pub struct LetGo;

impl Store for LetGo {
    type Kept = Self;

    fn make_room(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn put(&mut self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn keep(self) -> io::Result<Self> {
        Ok(self)
    }
}

/// For a boot: a memfd, sealed at the end.
#[derive(Debug, Default)]
pub struct Sealing(Option<Memfd>);

impl Store for Sealing {
    type Kept = SealedMemfd;

    fn make_room(&mut self, len: u64) -> io::Result<()> {
        self.0 = Some(Memfd::create("veriroot-image", len)?);
        Ok(())
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.as_ref().ok_or(io::ErrorKind::NotFound)?.write_at(offset, bytes)
    }

    fn keep(self) -> io::Result<SealedMemfd> {
        self.0.ok_or(io::ErrorKind::NotFound)?.seal()
    }
}
