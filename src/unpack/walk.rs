// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The walk over an archive: two readers in step, and one tree.
//!
//! **In:** an archive's bytes. **Out:** every entry to a [`Sink`], once both readers agree on it
//! and it has its place in the tree. **Refuses:** the first entry of which that is not so.
//!
//! The `tar` crate reads the archive through the strict reader, which hands it no byte that was not
//! found right. Should the two ever see different entries, there would be an archive that other
//! readers see differently too: it is refused, whoever is right.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};

use super::entry::{Entry, Kind};
use super::error::{Stop, UnpackError};
use super::fault::Fault;
use super::gate::Gate;
use super::path::EntryPath;
use crate::escape::escape;
use crate::limits;
use crate::policy::EntryRules;
use crate::source::Source;

/// What becomes of the entries.
pub(super) trait Sink {
    /// Takes an entry; of a regular file `content` gives exactly its bytes.
    fn take(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), UnpackError>;
}

/// Nothing becomes of them: they are only looked at.
pub(super) struct LookOnly;

impl Sink for LookOnly {
    fn take(&mut self, _entry: &Entry, _content: &mut dyn Read) -> Result<(), UnpackError> {
        Ok(())
    }
}

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bytes of all regular files.
    pub bytes: u64,
    /// Memory that all of it takes in a tmpfs, bytes: whole pages, and what the kernel keeps of
    /// each file.
    pub memory: u64,
}

/// The gate as something to read from while others look into it.
struct Through<'g, 's>(&'g RefCell<Gate<'s>>);

impl Read for Through<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(out)
    }
}

/// Walks over all entries.
pub(super) fn walk(
    source: &mut Source,
    rules: EntryRules,
    sink: &mut dyn Sink,
) -> Result<(Totals, Tree), UnpackError> {
    let gate = RefCell::new(Gate::new(source, rules));
    let mut archive = tar::Archive::new(Through(&gate));
    let mut tree = Tree::default();
    // Where the gate let nothing through, it knows why; else it is the other reader that objects.
    let blame = |error: &io::Error, subject: Option<&Entry>| {
        let stop = gate.borrow_mut().take_stop();
        let stop = stop.unwrap_or_else(|| Stop::Reader { reason: escape(&error.to_string()) });
        stop.at(subject.map(|it| &it.path), gate.borrow().count())
    };
    for other in archive.entries().map_err(|error| blame(&error, None))? {
        let mut other = other.map_err(|error| blame(&error, None))?;
        if other.header().entry_type().is_pax_global_extensions() && gate.borrow_mut().take_global()
        {
            continue;
        }
        let count = gate.borrow().count();
        let entry = gate.borrow_mut().take_entry().map_err(|stop| stop.at(None, count))?;
        let judged = agree(&entry, &mut other).and_then(|()| tree.grow(&entry, rules));
        judged.map_err(|fault| Stop::from(fault).at(Some(&entry.path), count))?;
        let result = sink.take(&entry, &mut other);
        if gate.borrow().is_stopped() {
            return Err(blame(&io::ErrorKind::InvalidData.into(), Some(&entry)));
        }
        result?;
    }
    let count = gate.borrow().count();
    gate.borrow_mut().finish().map_err(|stop| stop.at(None, count))?;
    Ok((tree.totals, tree))
}

/// Whether the other reader sees the same entry.
fn agree<R: Read>(entry: &Entry, other: &mut tar::Entry<'_, R>) -> Result<(), Fault> {
    let link = other.link_name_bytes().unwrap_or_default();
    let header = other.header();
    let number = |found: io::Result<u64>, ours: u32| found.is_ok_and(|it| it == u64::from(ours));
    let facts = [
        ("the kind of an entry", header.entry_type().as_byte() == entry.raw.kind),
        ("a name", *other.path_bytes() == *entry.raw.name),
        ("a link's target", *link == *entry.raw.link),
        ("a size", other.size() == entry.raw.size),
        ("a mode", header.mode().is_ok_and(|it| it == entry.mode)),
        ("an owner", number(header.uid(), entry.uid)),
        ("a group", number(header.gid(), entry.gid)),
    ];
    match facts.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(Fault::Differs { what }),
        None => Ok(()),
    }
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Directory,
    File(Dress),
    Other,
}

/// What a file has beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dress {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: (u64, u32),
}

impl Dress {
    fn of(entry: &Entry) -> Self {
        Self { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime }
    }
}

/// The tree as far as it has come. One rule keeps it free of surprises: an entry is new, and the
/// directory it lies in came before it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    standing: BTreeMap<EntryPath, Standing>,
    names: usize,
    totals: Totals,
}

/// Memory that the kernel takes for a file of a tmpfs besides its pages, bytes: inode, name and
/// attributes, generously.
const OVERHEAD: u64 = 2048;

/// A page of a tmpfs, bytes.
const PAGE: u64 = 4096;

impl Tree {
    /// Takes an entry in.
    fn grow(&mut self, entry: &Entry, rules: EntryRules) -> Result<(), Fault> {
        match entry.path.split() {
            // The root is there always; an entry of its own says how.
            None if entry.kind != Kind::Directory => return Err(Fault::Path("the root")),
            None | Some(("", _)) => {}
            Some((parent, _)) if self.at(parent) == Some(Standing::Directory) => {}
            Some(_) => return Err(Fault::Parent),
        }
        let standing = match &entry.kind {
            Kind::Directory => Standing::Directory,
            Kind::File { .. } => Standing::File(Dress::of(entry)),
            Kind::HardLink { target } => match self.standing.get(target) {
                // Some readers dress the file anew with what its link says.
                Some(Standing::File(dress)) if *dress != Dress::of(entry) => {
                    return Err(Fault::LinkDiffers);
                }
                Some(Standing::File(dress)) => Standing::File(*dress),
                Some(Standing::Directory | Standing::Other) | None => {
                    return Err(Fault::HardLink { target: target.to_string() });
                }
            },
            Kind::Device { .. } | Kind::Fifo | Kind::Symlink { .. } => Standing::Other,
        };
        self.names = self.names.saturating_add(entry.path.as_str().len());
        if self.names > limits::ARCHIVE_NAMES {
            return Err(Fault::Names);
        }
        if self.standing.insert(entry.path.clone(), standing).is_some() {
            return Err(Fault::Duplicate);
        }
        self.count(entry, rules)
    }

    fn count(&mut self, entry: &Entry, rules: EntryRules) -> Result<(), Fault> {
        let size = if let Kind::File { size } = entry.kind { size } else { 0 };
        let attributes = entry.xattrs.values().map(Vec::len).fold(0, usize::saturating_add);
        let attributes = u64::try_from(attributes).unwrap_or(u64::MAX);
        let pages = size.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let totals = &mut self.totals;
        totals.entries = totals.entries.saturating_add(1);
        totals.bytes = totals.bytes.saturating_add(size);
        for part in [pages, OVERHEAD, attributes] {
            totals.memory = totals.memory.saturating_add(part);
        }
        let limit = rules.size_max.min(limits::IMAGE);
        if totals.bytes > limit { Err(Fault::TooLarge { limit }) } else { Ok(()) }
    }

    fn at(&self, path: &str) -> Option<Standing> {
        self.standing.get(path).copied()
    }

    /// Whether there is a directory at `path`.
    pub(super) fn has_directory(&self, path: &str) -> bool {
        self.at(path) == Some(Standing::Directory)
    }
}
