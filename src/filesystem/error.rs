// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why a device has no file system that may be mounted.
//!
//! **In:** numbers and names of fields, never text from the device. **Out:** [`ProbeError`].
//! **Refuses:** nothing.

use super::FileSystem;

/// One cause for which a device is not taken for a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Two types claim the same device, so two programs may see two contents.
    #[error("ambiguous: the content is {first} and also {second}")]
    Ambiguous {
        /// The first by name.
        first: FileSystem,
        /// The second by name.
        second: FileSystem,
    },
    /// The superblock does not match its own checksum.
    #[error("{filesystem}: wrong superblock checksum")]
    Checksum {
        /// Type by magic.
        filesystem: FileSystem,
    },
    /// A journal to replay or an error flag: not the state its maker finished.
    #[error("{filesystem}: not cleanly unmounted ({field} is {found:#x})")]
    Dirty {
        /// Type.
        filesystem: FileSystem,
        /// Field as the format calls it.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// Data, a log or a journal lies on a device that nobody verified.
    #[error("{filesystem}: needs another device ({field} is {found:#x})")]
    ExtraDevice {
        /// Type.
        filesystem: FileSystem,
        /// Field as the format calls it.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// A field that no sound superblock has with this value.
    #[error("{filesystem}: {field} cannot be {found:#x}")]
    Field {
        /// Type by magic.
        filesystem: FileSystem,
        /// Field as the format calls it.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// A type that is never mounted.
    #[error("{name} is not a file system that may be mounted")]
    Foreign {
        /// Its name, as libblkid has it.
        name: &'static str,
    },
    /// The file system continues where the device has ended.
    #[error("{filesystem}: claims {claimed} bytes, the device has {device}")]
    LargerThanDevice {
        /// Type.
        filesystem: FileSystem,
        /// Bytes the superblock claims; `u64::MAX` where the product does not fit.
        claimed: u64,
        /// Bytes there are.
        device: u64,
    },
    /// The superblock lies past the end of the device.
    #[error("{filesystem}: the superblock is cut off")]
    Truncated {
        /// Type by magic.
        filesystem: FileSystem,
    },
    /// Incompatible features that are unknown here or have no place on a verified image.
    #[error("{filesystem}: unsupported features {bits:#x} in {field}")]
    UnknownFeatures {
        /// Type.
        filesystem: FileSystem,
        /// The set of feature bits, as the format calls it.
        field: &'static str,
        /// The bits that are not supported, alone.
        bits: u64,
    },
    /// Nothing known.
    #[error("no known file system")]
    Unrecognised,
    /// A version, compressor or checksum that exists but is not supported here.
    #[error("{filesystem}: {field} {found} is not supported")]
    Unsupported {
        /// Type.
        filesystem: FileSystem,
        /// Field as the format calls it.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// The caller's bytes are not the windows of a device of that length.
    #[error("the window has {found} bytes, a device of this length needs {expected}")]
    Window {
        /// Bytes the window must have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
}

impl ProbeError {
    /// Whether the superblock itself is nonsense, so that no driver would take it either. All
    /// other causes are a file system that is there and is refused.
    pub(super) fn is_nonsense(self) -> bool {
        matches!(self, Self::Checksum { .. } | Self::Field { .. } | Self::Truncated { .. })
    }
}
