// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Putting the trees of an image together.
//!
//! **In:** trees nobody sees yet. **Out:** the same where systemd puts them, each below the one
//! before: root, usr, home, srv, var, var/tmp, boot partitions. **Refuses:** places that the image
//! does not have: it is read-only, and what a policy wants used has to be somewhere.
//!
//! A system that has usr alone gets a root in memory, with what a first program needs to find
//! itself: systemd makes the rest of it (os-release(5), file-hierarchy(7)).

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, statat, symlinkat};

use super::mount::{self, Tree};
use super::undo::Undo;
use super::{ExposeError, Placement, Target};
use crate::designator::PartitionDesignator;
use crate::limits;
use crate::verity::MappedPartition;

/// A partition's file system.
#[derive(Debug)]
pub(super) struct Mounted {
    pub(super) designator: PartitionDesignator,
    pub(super) tree: Tree,
}

/// The order in which partitions are mounted (systemd 262, dissect-image.c).
pub(super) fn rank(designator: PartitionDesignator) -> usize {
    use PartitionDesignator as P;
    let order = [P::Root, P::Usr, P::Home, P::Srv, P::Var, P::Tmp, P::Xbootldr, P::Esp];
    order.iter().position(|it| *it == designator).unwrap_or(order.len())
}

/// Attaches everything.
pub(super) fn assemble(
    partitions: &[MappedPartition],
    trees: Vec<Mounted>,
    placement: &Placement,
    undo: &mut Undo,
) -> Result<(), ExposeError> {
    let place = match &placement.target {
        Target::Devices => return Ok(()),
        Target::System { .. } => placement.places.root.clone(),
        Target::Directory(path) => path.clone(),
        Target::Extension(_, path) => own_directory(path, undo)?,
    };
    let at_place = |error| ExposeError::Place { path: place.clone(), error };
    let opened = mount::place(&place).map_err(at_place)?;
    let mut trees = trees.into_iter().peekable();
    let lowest = trees.next_if(|it| it.designator == PartitionDesignator::Root);
    let root = match lowest {
        Some(root) if matches!(placement.target, Target::System { overlay: true, .. }) => {
            overlay(root.tree, placement).map_err(|error| ExposeError::Overlay { error })?
        }
        Some(root) => root.tree,
        None => in_memory(trees.peek(), placement).map_err(at_place)?,
    };
    let base = undo.attach(root, &opened, place.clone()).map_err(at_place)?;
    for Mounted { designator, tree } in trees {
        let failed = |(path, error): (&str, io::Error)| ExposeError::Mount {
            designator,
            place: place.join(path).display().to_string(),
            error,
        };
        let (path, opened) = mount_point(&base, designator, partitions).map_err(failed)?;
        let at = place.join(path);
        undo.attach(tree, &opened, at).map_err(|error| failed((path, error)))?;
    }
    Ok(())
}

/// Where in the root a partition goes, and that directory.
fn mount_point(
    root: &Tree,
    designator: PartitionDesignator,
    partitions: &[MappedPartition],
) -> Result<(&'static str, OwnedFd), (&'static str, io::Error)> {
    use PartitionDesignator as P;
    let has_xbootldr = partitions.iter().any(|it| it.designator == P::Xbootldr);
    let path = match designator {
        P::Usr => "usr",
        P::Home => "home",
        P::Srv => "srv",
        P::Var => "var",
        P::Tmp => "var/tmp",
        P::Xbootldr => "boot",
        P::Esp => match root.place("efi") {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !has_xbootldr => "boot",
            Ok(_) | Err(_) => "efi",
        },
        // No stage before lets these be exposed.
        P::Root | P::Swap | P::RootVerity | P::UsrVerity | P::RootVeritySig | P::UsrVeritySig => {
            return Err(("", io::ErrorKind::Unsupported.into()));
        }
    };
    let opened = root.place(path).map_err(|error| (path, error))?;
    if designator == P::Esp && path == "boot" && !is_empty(&opened).map_err(|it| (path, it))? {
        return Err((path, io::ErrorKind::DirectoryNotEmpty.into()));
    }
    Ok((path, opened))
}

fn is_empty(directory: &OwnedFd) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(directory.as_fd(), ".", flags, Mode::empty())?;
    for entry in Dir::read_from(opened.as_fd())? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The directory that an extension is looked for in. Nothing of its name may be there, as a
/// directory or as a file: which of two would be used is not ours to guess.
fn own_directory(path: &Path, undo: &mut Undo) -> Result<PathBuf, ExposeError> {
    let failed = |path: &Path, error| ExposeError::Place { path: path.to_owned(), error };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    }
    let mut file = path.as_os_str().to_owned();
    file.push(".raw");
    if Path::new(&file).symlink_metadata().is_ok() {
        return Err(failed(Path::new(&file), io::ErrorKind::AlreadyExists.into()));
    }
    fs::DirBuilder::new().mode(0o755).create(path).map_err(|error| failed(path, error))?;
    undo.directory(path.to_owned());
    Ok(path.to_owned())
}

/// Directories of a root that has usr alone, and their modes.
const DIRECTORIES: [(&str, u32); 9] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];

/// Links of a root whose programs are all in usr.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// A root for an image that has none: the whole of one for a system, a mount point elsewhere.
fn in_memory(usr: Option<&Mounted>, placement: &Placement) -> io::Result<Tree> {
    let without = placement.without(PartitionDesignator::Root);
    let root = Tree::in_memory(limits::ROOT_IN_MEMORY, without)?;
    let directory = root.directory();
    if !matches!(placement.target, Target::System { .. }) {
        mkdirat(directory, "usr", Mode::from_bits_retain(0o755))?;
        return Ok(root);
    }
    for (path, mode) in DIRECTORIES {
        mkdirat(directory, path, Mode::from_bits_retain(mode))?;
        // Whatever the umask is.
        rustix::fs::chmodat(directory, path, Mode::from_bits_retain(mode), AtFlags::empty())?;
    }
    for path in MERGED {
        let there = usr.map(|it| statat(it.tree.directory(), path, AtFlags::SYMLINK_NOFOLLOW));
        if there.is_some_and(|it| it.is_ok()) {
            symlinkat(format!("usr/{path}"), directory, path)?;
        }
    }
    Ok(root)
}

/// A layer in memory above the root. The overlay keeps hold of both; they are visible under a
/// private directory only while it is made.
fn overlay(lower: Tree, placement: &Placement) -> io::Result<Tree> {
    let base = placement.places.run.join("veriroot/overlay");
    let (lower_path, memory_path) = (base.join("lower"), base.join("memory"));
    let mut undo = Undo::default();
    fs::create_dir_all(placement.places.run.join("veriroot"))?;
    for path in [&base, &lower_path, &memory_path] {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        undo.directory(path.clone());
    }
    let memory = Tree::in_memory(limits::ROOT_IN_MEMORY, &[])?;
    for path in ["upper", "work"] {
        mkdirat(memory.directory(), path, Mode::from_bits_retain(0o755))?;
    }
    undo.attach(lower, &mount::place(&lower_path)?, lower_path.clone())?;
    undo.attach(memory, &mount::place(&memory_path)?, memory_path.clone())?;
    let (upper, work) = (memory_path.join("upper"), memory_path.join("work"));
    Tree::overlay(&lower_path, (&upper, &work), placement.without(PartitionDesignator::Root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_mounted_in_the_order_of_their_places() {
        use PartitionDesignator as P;
        let mut all = vec![P::Esp, P::Tmp, P::Var, P::Srv, P::Xbootldr, P::Home, P::Usr, P::Root];
        all.sort_by_key(|it| rank(*it));
        assert_eq!(all, [P::Root, P::Usr, P::Home, P::Srv, P::Var, P::Tmp, P::Xbootldr, P::Esp]);
    }

    #[test]
    fn an_extension_has_a_directory_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("extensions/tools");
        let mut undo = Undo::default();
        assert_eq!(own_directory(&path, &mut undo).unwrap(), path);
        assert!(path.is_dir());
        let twice = own_directory(&path, &mut Undo::default());
        assert!(matches!(twice, Err(ExposeError::Place { .. })));
        assert!(path.is_dir(), "the first one is gone");
        drop(undo);
        assert!(!path.exists());
        fs::write(dir.path().join("extensions/tools.raw"), "").unwrap();
        assert!(own_directory(&path, &mut Undo::default()).is_err());
    }
}
