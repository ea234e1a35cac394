// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Handing the tree of an archive over.
//!
//! **In:** [`Placed`]: a whole tree of files in a tmpfs. **Out:** [`ExposedTree`]: the tree and,
//! where it is the root, a mount of it that is read-only and without devices.
//! **Refuses:** a mount point that is no plain directory. What was made before a failure is taken
//! back, the tree too.
//!
//! No hash tree stands under these files: from here on, it is the mount that keeps them as they
//! were signed.

use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::ExposeError;
use super::undo::Undo;
use crate::designator::PartitionDesignator;
use crate::unpack::Placed;

/// A tree in its place. Made by [`expose_tree`] alone; dropping it without [`Self::keep`] takes
/// everything back.
#[derive(Debug)]
#[must_use]
pub struct ExposedTree {
    undo: Undo,
    placed: Placed,
    kept: bool,
}

/// Mounts a tree at `root`, where it is one.
///
/// # Errors
/// [`ExposeError::Mount`]; nothing is left of the tree then.
pub fn expose_tree(placed: Placed, root: Option<&Path>) -> Result<ExposedTree, ExposeError> {
    let mut exposed = ExposedTree { undo: Undo::default(), placed, kept: false };
    if let Some(root) = root {
        exposed.mount(root).map_err(|error| ExposeError::Mount {
            designator: PartitionDesignator::Root,
            path: root.to_owned(),
            error,
        })?;
    }
    Ok(exposed)
}

impl ExposedTree {
    fn mount(&mut self, root: &Path) -> io::Result<()> {
        if !root.symlink_metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let none: Option<&str> = None;
        let bind = MsFlags::MS_BIND;
        mount(Some(self.placed.path()), root, none, bind, none)?;
        self.undo.mounted(root.to_owned());
        // A bind mount takes its flags only when it is there.
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
        Ok(mount(none, root, none, bind | flags, none)?)
    }

    /// Where the tree stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.placed.path()
    }

    /// Its mount points.
    #[must_use]
    pub fn mounts(&self) -> &[PathBuf] {
        self.undo.mounts()
    }

    /// Lets everything outlive this program.
    pub fn keep(mut self) {
        std::mem::take(&mut self.undo).disarm();
        self.kept = true;
    }
}

impl Drop for ExposedTree {
    fn drop(&mut self) {
        if !self.kept {
            drop(std::mem::take(&mut self.undo));
            self.placed.take_back();
        }
    }
}
