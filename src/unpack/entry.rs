// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One entry: header and extensions together, with one meaning.
//!
//! **In:** a header, and the extension headers in front of it. **Out:** an [`Entry`] that says what
//! shall come to be. **Refuses:** kinds, modes, owners, sizes and attributes off the list below.
//!
//! | entry | |
//! | --- | --- |
//! | regular file, directory, symbolic link, hard link | taken |
//! | character or block device, FIFO | only with `archive.devices` |
//! | set-user-ID, set-group-ID on a regular file | unless `archive.set-id` is false |
//! | sticky bit, set-group-ID on a directory | taken |
//! | mode bits outside 07777, owner 2^32-1 or above | refused |
//! | `security.capability`, `security.selinux`, `user.*` but `user.overlay.*` | taken, of regular files and directories |
//! | every other attribute, ACL, flag | refused |
//! | sparse files, multi-volume and incremental archives, old type codes | refused |

use std::collections::BTreeMap;

use super::fault::Fault;
use super::header::{Dialect, Header};
use super::path::EntryPath;
use super::pax::Pax;
use crate::escape::escape;
use crate::limits;
use crate::policy::{Admission, EntryRules};

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A device; `block`, or else character.
    Device {
        /// Whether it is a block device.
        block: bool,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
    },
    /// A further name of a regular file.
    HardLink {
        /// Its first name.
        target: EntryPath,
    },
    /// A symbolic link. Nothing here ever follows it.
    Symlink {
        /// What it says.
        target: Vec<u8>,
    },
}

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub path: EntryPath,
    /// What it is.
    pub kind: Kind,
    /// Permissions, at most 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of last change: seconds since 1970, and nanoseconds.
    pub mtime: (u64, u32),
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Name, link target and size as they stand in the archive, for the other reader.
    pub(super) raw: Raw,
}

/// What another reader has to see too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) kind: u8,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
}

/// The extension headers in front of an entry.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) pax: Option<Pax>,
    /// GNU's `L`.
    pub(super) name: Option<Vec<u8>>,
    /// GNU's `K`.
    pub(super) link: Option<Vec<u8>>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.pax.is_none() && self.name.is_none() && self.link.is_none()
    }

    /// Takes an extension header. Each kind once, and those of one dialect only.
    pub(super) fn add(&mut self, header: &Header, body: &[u8]) -> Result<(), Fault> {
        let gnu = self.name.is_some() || self.link.is_some();
        let twice = match (header.kind, header.dialect) {
            (b'x', Dialect::Posix) if !gnu => {
                let pax = Pax::parse(body)?;
                pax.bounded()?;
                self.pax.replace(pax).is_some()
            }
            (b'g', Dialect::Posix) if self.is_empty() => {
                Pax::parse_global(body)?;
                false
            }
            (b'L', Dialect::Gnu) if self.pax.is_none() => {
                self.name.replace(long_name(body)?).is_some()
            }
            (b'K', Dialect::Gnu) if self.pax.is_none() => {
                self.link.replace(long_name(body)?).is_some()
            }
            _ => return Err(Fault::Extension("one of another format, or in another order")),
        };
        if twice { Err(Fault::Extension("one of a kind twice")) } else { Ok(()) }
    }
}

/// GNU's long names end with one NUL.
fn long_name(body: &[u8]) -> Result<Vec<u8>, Fault> {
    let name = body.strip_suffix(b"\0").ok_or(Fault::Extension("a long name without its end"))?;
    if name.contains(&0) { Err(Fault::Path("NUL in it")) } else { Ok(name.to_vec()) }
}

/// The first size that octal has no room for.
const BEYOND_OCTAL: u64 = 1 << 33;

impl Entry {
    /// Puts a header and its extensions together.
    pub(super) fn new(header: Header, pending: Pending, rules: EntryRules) -> Result<Self, Fault> {
        if !matches!(header.kind, b'0'..=b'6') {
            let kind = escape(&char::from(header.kind).to_string());
            return Err(Fault::Type { kind });
        }
        let dialect =
            if pending.pax.is_some() { Some(Dialect::Posix) } else { gnu_extension(&pending) };
        if dialect.is_some_and(|it| it != header.dialect) {
            return Err(Fault::Extension("the entry is of another format"));
        }
        let pax = pending.pax.unwrap_or_default();
        let raw = Raw {
            kind: header.kind,
            size: size(header.size, pax.size)?,
            name: pax.path.or(pending.name).unwrap_or(header.name),
            link: pax.link.or(pending.link).unwrap_or(header.link),
        };
        let path = if header.kind == b'5' {
            EntryPath::parse_directory(&raw.name)?
        } else {
            EntryPath::parse(&raw.name)?
        };
        let kind = kind(&raw, (header.major, header.minor))?;
        let mode = u32::try_from(header.mode).ok().filter(|it| *it <= 0o7777);
        let mode = mode.ok_or(Fault::Mode { found: header.mode })?;
        let entry = Self {
            path,
            mode,
            uid: owner("uid", pax.uid.unwrap_or(header.uid))?,
            gid: owner("gid", pax.gid.unwrap_or(header.gid))?,
            mtime: mtime(pax.mtime.unwrap_or((header.mtime, 0)))?,
            xattrs: pax.xattrs,
            kind,
            raw,
        };
        entry.allowed(rules)?;
        Ok(entry)
    }

    /// Whether policy and the lists above let it be.
    fn allowed(&self, rules: EntryRules) -> Result<(), Fault> {
        let is_node = match &self.kind {
            Kind::Device { block: true, .. } => Some("block device"),
            Kind::Device { block: false, .. } => Some("character device"),
            Kind::Fifo => Some("FIFO"),
            Kind::Directory | Kind::File { .. } | Kind::HardLink { .. } | Kind::Symlink { .. } => {
                None
            }
        };
        if let Some(kind) = is_node.filter(|_| rules.devices == Admission::Refused) {
            return Err(Fault::Device { kind });
        }
        let plain = matches!(self.kind, Kind::File { .. });
        if self.mode & 0o6000 != 0 && self.kind != Kind::Directory {
            // A hard link has the mode of its file, a symbolic link none that counts.
            let counts = plain || is_node.is_some();
            if counts && !(plain && rules.set_id == Admission::Allowed) {
                return Err(Fault::SetId);
            }
        }
        let takes_xattrs = plain || self.kind == Kind::Directory;
        match self.xattrs.keys().find(|name| !takes_xattrs || !is_xattr(name)) {
            Some(name) => Err(Fault::Xattr { name: escape(name) }),
            None => Ok(()),
        }
    }
}

/// The dialect that GNU's long names speak, where there are any.
fn gnu_extension(pending: &Pending) -> Option<Dialect> {
    (pending.name.is_some() || pending.link.is_some()).then_some(Dialect::Gnu)
}

/// A size that is given twice is the same twice; where the header has no room for it, it is 0 there.
fn size(header: u64, pax: Option<u64>) -> Result<u64, Fault> {
    match pax {
        None => Ok(header),
        Some(size) if size == header || (header == 0 && size >= BEYOND_OCTAL) => Ok(size),
        Some(_) => Err(Fault::Size),
    }
}

fn kind(raw: &Raw, (major, minor): (u64, u64)) -> Result<Kind, Fault> {
    if raw.size != 0 && raw.kind != b'0' {
        return Err(Fault::Size);
    }
    if !raw.link.is_empty() && !matches!(raw.kind, b'1' | b'2') {
        return Err(Fault::Path("a link target where no link is"));
    }
    let number = |field, value: u64, bits: u32| {
        let value = u32::try_from(value).ok().filter(|it| *it >> bits == 0);
        value.ok_or(Fault::Range { field })
    };
    Ok(match raw.kind {
        b'0' => Kind::File { size: raw.size },
        b'1' => Kind::HardLink { target: EntryPath::parse(&raw.link)? },
        b'2' => Kind::Symlink { target: symlink_target(&raw.link)? },
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        // 12 and 20 bits: what Linux keeps of them.
        _ => Kind::Device {
            block: raw.kind == b'4',
            major: number("devmajor", major, 12)?,
            minor: number("devminor", minor, 20)?,
        },
    })
}

/// Any text that the kernel would take. It may lead anywhere: only the booted system follows it.
fn symlink_target(target: &[u8]) -> Result<Vec<u8>, Fault> {
    if target.is_empty() || target.contains(&0) || target.len() > limits::ARCHIVE_PATH {
        return Err(Fault::Path("a symbolic link to nothing, or too long"));
    }
    Ok(target.to_vec())
}

/// The last number means nobody (chown(2)).
fn owner(field: &'static str, found: u64) -> Result<u32, Fault> {
    let owner = u32::try_from(found).ok().filter(|it| *it != u32::MAX);
    owner.ok_or(Fault::Owner { field, found })
}

/// Within what a file system of today can say: the year 2446 (ext4).
fn mtime((seconds, nanoseconds): (u64, u32)) -> Result<(u64, u32), Fault> {
    const END: u64 = 15_032_385_535;
    if seconds > END { Err(Fault::Range { field: "mtime" }) } else { Ok((seconds, nanoseconds)) }
}

/// The attributes that may be set. `trusted.*`, `security.ima` and `system.*` steer the kernel, and
/// `user.overlay.*` an overlay that is mounted on top.
fn is_xattr(name: &str) -> bool {
    let user = name.strip_prefix("user.");
    let of_user = user.is_some_and(|it| !it.is_empty() && !it.starts_with("overlay."));
    let named = of_user || matches!(name, "security.capability" | "security.selinux");
    named && name.len() <= limits::FILE_NAME && !name.contains('\0')
}
