// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Taking back what was made, newest first.
//!
//! **In:** mounts and links as they are made. **Out:** nothing left, unless disarmed.
//! **Refuses:** nothing: each step is tried whatever became of the one before.

use std::path::PathBuf;

use nix::mount::{MntFlags, umount2};

/// Undoes on drop.
#[derive(Debug, Default)]
pub(super) struct Undo {
    mounts: Vec<PathBuf>,
    links: Vec<PathBuf>,
}

impl Undo {
    /// Something was mounted there.
    pub(super) fn mounted(&mut self, path: PathBuf) {
        self.mounts.push(path);
    }

    /// A link was made.
    pub(super) fn linked(&mut self, path: PathBuf) {
        self.links.push(path);
    }

    /// What was mounted, in the order in which it was.
    pub(super) fn mounts(&self) -> &[PathBuf] {
        &self.mounts
    }

    /// The links, in the order in which they were made.
    pub(super) fn links(&self) -> &[PathBuf] {
        &self.links
    }

    /// Keeps everything.
    pub(super) fn disarm(mut self) {
        self.mounts.clear();
        self.links.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for link in self.links.iter().rev() {
            drop(std::fs::remove_file(link));
        }
        for mount in self.mounts.iter().rev() {
            umount2(mount, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).ok();
        }
    }
}
