// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What can be wrong with an archive, entry by entry.
//!
//! **In:** facts of the readers. **Out:** one cause each, with its class. **Refuses:** nothing.

use crate::finding::Class;
use crate::limits;

/// What is wrong with an archive. Texts are already escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The sum of a header's bytes is another one.
    #[error("the header's checksum is wrong")]
    Checksum,
    /// Headers that describe an entry, and no entry.
    #[error("the archive ends after a header that describes the next entry")]
    Dangling,
    /// Nested too deeply.
    #[error("it lies deeper than {} directories", limits::ARCHIVE_DEPTH)]
    Depth,
    /// A device or a FIFO, without a policy that wants it.
    #[error("it is a {kind}, and archive.devices does not allow that")]
    Device {
        /// What it is.
        kind: &'static str,
    },
    /// The other reader sees another entry.
    #[error("two readers of tar read {what} differently")]
    Differs {
        /// What they see differently.
        what: &'static str,
    },
    /// The same name before.
    #[error("an earlier entry has the same name")]
    Duplicate,
    /// Nothing in it.
    #[error("the archive has no entry")]
    Empty,
    /// More entries than a root has files.
    #[error("more than {} entries", limits::ARCHIVE_ENTRIES)]
    Entries,
    /// Extension headers that do not go together.
    #[error("extension headers do not go together: {0}")]
    Extension(&'static str),
    /// An extension header too long.
    #[error("an extension header of {found} bytes, the limit is {}", limits::ARCHIVE_EXTENSION)]
    ExtensionSize {
        /// Bytes.
        found: u64,
    },
    /// A hard link to anything but a regular file that came before.
    #[error("it is a hard link to \"{target}\", which is no regular file that came before it")]
    HardLink {
        /// Its target.
        target: String,
    },
    /// Bytes where nobody looks.
    #[error("bytes stand behind the end of a field")]
    Hidden,
    /// A hard link that says something else of its file.
    #[error("it is a hard link with another owner, mode or time than its file")]
    LinkDiffers,
    /// Neither POSIX's nor GNU's format.
    #[error("this is no header of a tar archive (POSIX ustar or GNU)")]
    Magic,
    /// Mode bits outside 07777.
    #[error("its mode is {found:o}")]
    Mode {
        /// The mode.
        found: u64,
    },
    /// Names that take too much memory.
    #[error("names of more than {} bytes together", limits::ARCHIVE_NAMES)]
    Names,
    /// No two blocks of zeros at the end.
    #[error("the archive has no end: two blocks of zeros")]
    NoEnd,
    /// A number with none or several readings.
    #[error("{field} is no number of its form")]
    Number {
        /// Which.
        field: &'static str,
    },
    /// A number too large.
    #[error("{field} is out of range")]
    Range {
        /// Which.
        field: &'static str,
    },
    /// A user or group that means nobody.
    #[error("{field} {found} is no owner")]
    Owner {
        /// Which.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// Bytes between an entry's end and the next block.
    #[error("the padding behind an entry is not zero")]
    Padding,
    /// The directory it would lie in did not come before.
    #[error("no entry before it is the directory it lies in")]
    Parent,
    /// A name that could lead somewhere else, or be read in two ways.
    #[error("its name can't be used: {0}")]
    Path(&'static str),
    /// A PAX record that is not of the form.
    #[error("a PAX record is malformed: {0}")]
    Pax(&'static str),
    /// A PAX record off the list.
    #[error("PAX record \"{key}\" is not known here")]
    PaxKey {
        /// Its key.
        key: String,
    },
    /// set-user-ID or set-group-ID, without a policy that wants it.
    #[error("it is set-user-ID or set-group-ID, and archive.set-id does not allow that")]
    SetId,
    /// Sizes that contradict each other, or a size where none can be.
    #[error("its size is given twice, differently, or it can have none")]
    Size,
    /// More bytes than the limit, unpacked.
    #[error("unpacked it is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Bytes behind the end.
    #[error("bytes stand behind the end of the archive")]
    Trailing,
    /// The archive ends inside an entry.
    #[error("the archive ends inside an entry")]
    Truncated,
    /// A kind of entry off the list.
    #[error("entries of type '{kind}' are not known here")]
    Type {
        /// The letter, escaped.
        kind: String,
    },
    /// An extended attribute off the list, or where none can be.
    #[error("extended attribute \"{name}\" is not allowed")]
    Xattr {
        /// Its name.
        name: String,
    },
    /// Too many extended attributes, or too long.
    #[error(
        "more than {} extended attributes, or one of more than {} bytes",
        limits::ARCHIVE_XATTRS,
        limits::ARCHIVE_XATTR
    )]
    XattrSize,
}

impl Fault {
    /// The kind of refusal.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Depth
            | Self::Entries
            | Self::ExtensionSize { .. }
            | Self::Names
            | Self::TooLarge { .. }
            | Self::XattrSize => Class::Limit,
            Self::Device { .. } | Self::SetId => Class::Policy,
            Self::Checksum
            | Self::Dangling
            | Self::Differs { .. }
            | Self::Duplicate
            | Self::Empty
            | Self::Extension(_)
            | Self::HardLink { .. }
            | Self::Hidden
            | Self::LinkDiffers
            | Self::Magic
            | Self::Mode { .. }
            | Self::NoEnd
            | Self::Number { .. }
            | Self::Owner { .. }
            | Self::Padding
            | Self::Parent
            | Self::Path(_)
            | Self::Pax(_)
            | Self::PaxKey { .. }
            | Self::Range { .. }
            | Self::Size
            | Self::Trailing
            | Self::Truncated
            | Self::Type { .. }
            | Self::Xattr { .. } => Class::Tar,
        }
    }
}
