// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! File systems by name and by content.
//!
//! **In:** names from policies; [`Windows`] on the bytes of a partition, verified or not.
//! **Out:** one [`FileSystem`], or the one [`Superblock`] that [`probe`] finds.
//! **Refuses:** names and superblocks off the list, and every content with two answers.

mod btrfs;
mod erofs;
mod error;
mod ext4;
mod fields;
mod foreign;
mod probe;
mod squashfs;
mod vfat;
mod windows;
mod xfs;

use std::fmt;

pub use error::ProbeError;
pub use probe::{Superblock, probe};
pub use windows::Windows;

/// The types that image policies can name (systemd.image-policy(7), systemd 262).
///
/// [`Self::F2fs`] can be named but never mounted: it is not on [`Self::MOUNTABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileSystem {
    /// btrfs
    Btrfs,
    /// EROFS
    Erofs,
    /// ext4
    Ext4,
    /// F2FS
    F2fs,
    /// SquashFS 4.0
    Squashfs,
    /// FAT12, FAT16 or FAT32, for the ESP and XBOOTLDR
    Vfat,
    /// XFS version 5
    Xfs,
}

impl FileSystem {
    /// All names, in the order policies print them.
    pub const ALL: [Self; 7] =
        [Self::Btrfs, Self::Erofs, Self::Ext4, Self::F2fs, Self::Squashfs, Self::Vfat, Self::Xfs];

    /// The types this program lets the kernel mount.
    pub const MOUNTABLE: [Self; 6] =
        [Self::Btrfs, Self::Erofs, Self::Ext4, Self::Squashfs, Self::Vfat, Self::Xfs];

    /// The kernel's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
            Self::F2fs => "f2fs",
            Self::Squashfs => "squashfs",
            Self::Vfat => "vfat",
            Self::Xfs => "xfs",
        }
    }

    /// Whether its driver can write.
    #[must_use]
    pub fn takes_writes(self) -> bool {
        !matches!(self, Self::Erofs | Self::Squashfs)
    }

    /// The type of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
