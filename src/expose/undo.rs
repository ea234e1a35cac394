// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Taking back what was made, newest first.
//!
//! **In:** mounts, directories and links as they are made. **Out:** nothing left, unless disarmed.
//! **Refuses:** nothing: each step is tried whatever became of the one before.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::mount::Tree;

/// One thing that was made.
#[derive(Debug)]
enum Made {
    Directory(PathBuf),
    Link(PathBuf),
    Mount(Tree, PathBuf),
}

/// Undoes on drop.
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<Made>);

impl Undo {
    /// Shows a tree at a directory that was opened for it, whose path is `path`. It is taken away by
    /// its descriptor, wherever it is then, also where only a part of this succeeds.
    pub(super) fn attach(
        &mut self,
        tree: Tree,
        place: &OwnedFd,
        path: PathBuf,
    ) -> io::Result<Tree> {
        let attached = tree.reopened()?;
        self.0.push(Made::Mount(tree, path));
        attached.attach(place)?;
        Ok(attached)
    }

    /// A directory was made.
    pub(super) fn directory(&mut self, path: PathBuf) {
        self.0.push(Made::Directory(path));
    }

    /// A link, or a note, was made.
    pub(super) fn linked(&mut self, path: PathBuf) {
        self.0.push(Made::Link(path));
    }

    /// Mount points, in the order in which they were used.
    pub(super) fn mounts(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|it| match it {
            Made::Mount(_, path) => Some(path.as_path()),
            Made::Directory(_) | Made::Link(_) => None,
        })
    }

    /// Links and notes, in the order in which they were made.
    pub(super) fn links(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|it| match it {
            Made::Link(path) => Some(path.as_path()),
            Made::Directory(_) | Made::Mount(..) => None,
        })
    }

    /// Keeps everything.
    pub(super) fn disarm(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for made in self.0.drain(..).rev() {
            match made {
                Made::Directory(path) => drop(std::fs::remove_dir(path)),
                Made::Link(path) => drop(std::fs::remove_file(path)),
                Made::Mount(tree, _) => drop(tree.detach()),
            }
        }
    }
}
