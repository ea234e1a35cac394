// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is left of an image when its metadata were read: its source, and what its end has to be.
//!
//! **In:** a source; the primary table, where the source is a stream whose end is still to come.
//! **Out:** ranges; and at last [`Ended`], without which nothing is kept for a boot: the image ends
//! where its primary table says, with a backup table that matches.
//! **Refuses:** a backup that differs, an end elsewhere, bytes behind it.

use crate::dissect::DissectError;
use crate::dissect::gpt::{GptError, Primary};
use crate::source::{self, Source};
use crate::units::ByteRange;

/// The source of an image whose metadata were read.
#[derive(Debug)]
#[must_use]
pub struct Rest {
    source: Source,
    /// `None` where the backup has matched already, or there is no table at all.
    due: Option<Primary>,
}

/// An image's end was seen, and is as its beginning says. Made by [`Rest::end`] alone.
///
/// ```
/// # use veriroot::{dissect::Ended, fetch::{LetGo, Store}};
/// fn keep(ended: Ended) -> bool {
///     LetGo.keep(ended).is_ok()
/// }
/// ```
/// ```compile_fail,E0423
/// # use veriroot::{dissect::Ended, fetch::{LetGo, Store}};
/// fn keep() -> bool {
///     LetGo.keep(Ended(())).is_ok()
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Ended(());

impl Rest {
    pub(super) fn new(source: Source, due: Option<Primary>) -> Self {
        Self { source, due }
    }

    /// Where the bytes come from.
    pub(crate) fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    /// The image's length, bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.source.len()
    }

    /// Bytes of a stream that came so far; `None` where ranges are read in any order.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.source.position()
    }

    /// How the bytes come.
    #[must_use]
    pub fn mode(&self) -> source::Mode {
        self.source.mode()
    }

    /// Says what will still be read, each range once, apart from the end.
    pub(crate) fn only(&mut self, mut ranges: Vec<ByteRange>) -> Result<(), source::Error> {
        ranges.extend(self.due.as_ref().and_then(Primary::backup_range));
        self.source.only(ranges)
    }

    /// Whether the end is still to come.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Goes to the end of the image and compares it with its beginning.
    ///
    /// # Errors
    /// [`GptError::BackupDiffers`] and what else is wrong with a backup; the source's, above all for
    /// an end elsewhere.
    pub fn end(mut self) -> Result<Ended, DissectError> {
        self.reach()?;
        Ok(Ended(()))
    }

    pub(super) fn reach(&mut self) -> Result<(), DissectError> {
        if let Some(primary) = self.due.take() {
            let length = self.source.len();
            let backup = primary.backup_range().ok_or(GptError::Truncated { length })?;
            primary.check_backup(&self.source.read(backup, backup.len())?)?;
            self.source.end()?;
        }
        Ok(())
    }
}
