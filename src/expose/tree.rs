// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Handing the tree of an archive over.
//!
//! **In:** [`Placed`]: a whole tree of files in a tmpfs. **Out:** [`ExposedTree`]: the tree and a
//! mount of it that is read-only and without devices: the root's where it belongs, that of an
//! extension over the tree itself.
//! **Refuses:** a mount point that is no plain directory. What was made before a failure is taken
//! back, the tree too.
//!
//! No hash tree stands under these files: from here on, it is the mount that keeps them as they
//! were signed.

use std::io;
use std::path::Path;

use super::ExposeError;
use super::mount::{self, Tree};
use super::undo::Undo;
use crate::designator::PartitionDesignator;
use crate::request::MountFlag;
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

/// Mounts a tree at `place`, without what those flags take away. That can be its own directory.
///
/// # Errors
/// [`ExposeError::Mount`]; nothing is left of the tree then.
pub fn expose_tree(
    placed: Placed,
    place: Option<(&Path, &[MountFlag])>,
) -> Result<ExposedTree, ExposeError> {
    let mut exposed = ExposedTree { undo: Undo::default(), placed, kept: false };
    if let Some((place, without)) = place {
        exposed.mount(place, without).map_err(|error| ExposeError::Mount {
            designator: PartitionDesignator::Root,
            place: place.display().to_string(),
            error,
        })?;
    }
    Ok(exposed)
}

impl ExposedTree {
    fn mount(&mut self, path: &Path, without: &[MountFlag]) -> io::Result<()> {
        let place = mount::place(path)?;
        let tree = Tree::again(self.placed.path())?;
        self.undo.attach(tree, &place, path.to_owned())?.restrict(without)
    }

    /// Where the tree stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.placed.path()
    }

    /// Its mount points.
    #[must_use]
    pub fn mounts(&self) -> Vec<&Path> {
        self.undo.mounts().collect()
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
