// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Handing the verified root over: mounts and links.
//!
//! **In:** [`Mapped`]: devices under dm-verity. **Out:** [`Exposed`]: the root mounted read-only, no
//! older than the policy's floor, and links that exist only for what was authenticated and lead to
//! its dm-verity device.
//! **Refuses:** mount points that are not plain directories, names that are taken, a root whose
//! version is below a floor or unknown. What was made before a failure is taken back.
//!
//! Version floors are held against the root's own os-release, read through dm-verity, before any
//! link is made: a signature has no date, so an older root with a good one comes this far.
//!
//! Every mount is `ro,nodev` with the log replay of its file system switched off; systemd 262
//! mounts with the same flags.

mod os_release;
mod tree;
mod undo;

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::designator::PartitionDesignator;
use crate::filesystem::FileSystem;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::policy_file::Stated;
use crate::verity::{Mapped, MappedPartition};
use crate::version::compare;
pub use os_release::{OsReleaseError, OsVersion};
pub use tree::{ExposedTree, expose_tree};
use undo::Undo;

/// Where links go: the directories of a running system, or of a test.
#[derive(Clone, Debug)]
pub struct Places {
    /// The mount point of the root.
    pub root: PathBuf,
    /// /dev, or a directory in its place.
    pub dev: PathBuf,
}

/// A root that is ready for switch-root. Made by [`expose`] alone; dropping it without
/// [`Self::keep`] takes everything back.
///
/// It can't be put together, or doubled.
///
/// ```
/// # use veriroot::{expose::{Exposed, Places, expose}, verity::Mapped};
/// fn last(it: Mapped, places: &Places) -> Option<Exposed> {
///     expose(it, &[], "image", places).ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::expose::Exposed;
/// fn forge(it: Exposed) -> Exposed {
///     Exposed { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::expose::Exposed;
/// let twice = Exposed::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Exposed {
    // In this order: a device is removed when nothing uses it any more.
    undo: Undo,
    partitions: Vec<MappedPartition>,
    version: Option<OsVersion>,
}

/// Why the root was not handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum ExposeError {
    #[error("{path}: {error}")]
    Link { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Mount { designator: PartitionDesignator, path: PathBuf, error: io::Error },
    #[error("no root partition is mapped")]
    NoRoot,
    #[error("{found}")]
    Rollback { found: OsVersion, floor: String, origin: Origin },
    #[error("{error}")]
    Version { error: OsReleaseError, floor: String, origin: Origin },
}

impl Refusal for ExposeError {
    fn class(&self) -> Class {
        match self {
            Self::NoRoot => Class::Config,
            Self::Link { .. } | Self::Mount { .. } => Class::Dev,
            Self::Rollback { .. } | Self::Version { .. } => Class::Rollback,
        }
    }

    fn finding(&self) -> Finding {
        let (id, subject, expected, advice) = match self {
            Self::Link { .. } => (
                "expose-link",
                "link",
                "a free name".to_owned(),
                "nothing else may make links of this name",
            ),
            Self::Mount { designator, .. } => (
                "expose-mount",
                designator.name(),
                "an empty directory, and the file system's driver in the kernel".to_owned(),
                "the initrd needs the kernel module of this file system, and /sysroot must be a \
                 directory",
            ),
            Self::NoRoot => (
                "expose-root",
                "root",
                "a root partition".to_owned(),
                "booting from a usr partition alone is not supported",
            ),
            Self::Rollback { floor, .. } => (
                "expose-version",
                "root",
                at_least(floor),
                "serve a newer image; if this one is meant, lower trust.minimum-version",
            ),
            Self::Version { floor, .. } => (
                "expose-version",
                "root",
                at_least(floor),
                "build the image with IMAGE_VERSION= or VERSION_ID= in its os-release, each line \
                 a plain KEY=VALUE",
            ),
        };
        let required_by = match self {
            Self::Rollback { origin, .. } | Self::Version { origin, .. } => origin.clone(),
            Self::Link { .. } | Self::Mount { .. } | Self::NoRoot => {
                Origin::Rule("only what was authenticated is exposed")
            }
        };
        Finding {
            id,
            stage: Stage::Expose,
            outcome: Outcome::Failed,
            subject: subject.to_owned(),
            expected,
            found: self.to_string(),
            required_by,
            advice: advice.to_owned(),
        }
    }
}

/// What a floor demands, in words.
pub(crate) fn at_least(floor: &str) -> String {
    format!("version {floor} or later")
}

/// Mounts root, and usr on it, holds the version floors against it, and makes the links.
///
/// # Errors
/// The first mount or link that fails, the first floor that is not reached; what was made before is
/// taken back.
pub fn expose(
    mapped: Mapped,
    floors: &[Stated<String>],
    name: &str,
    places: &Places,
) -> Result<Exposed, ExposeError> {
    let mut partitions = mapped.into_partitions();
    partitions.sort_by_key(|it| it.designator);
    if partitions.first().map(|it| it.designator) != Some(PartitionDesignator::Root) {
        return Err(ExposeError::NoRoot);
    }
    let mut undo = Undo::default();
    for partition in &partitions {
        mount_one(partition, places, &mut undo)?;
    }
    let version = reach(floors, &places.root)?;
    for partition in &partitions {
        for link in links(partition, name, places) {
            make_link(&link, partition.node(), &mut undo)?;
        }
    }
    Ok(Exposed { undo, partitions, version })
}

/// The root's version, where there are floors; it reaches all of them.
pub(crate) fn reach(
    floors: &[Stated<String>],
    root: &Path,
) -> Result<Option<OsVersion>, ExposeError> {
    let Some(first) = floors.first() else { return Ok(None) };
    let found = os_release::version_of(root).map_err(|error| ExposeError::Version {
        error,
        floor: first.value.clone(),
        origin: first.origin.clone(),
    })?;
    match floors.iter().find(|floor| compare(found.version(), &floor.value).is_lt()) {
        None => Ok(Some(found)),
        Some(Stated { value, origin }) => {
            let (floor, origin) = (value.clone(), origin.clone());
            Err(ExposeError::Rollback { found, floor, origin })
        }
    }
}

fn mount_one(
    partition: &MappedPartition,
    places: &Places,
    undo: &mut Undo,
) -> Result<(), ExposeError> {
    let path = if partition.designator == PartitionDesignator::Usr {
        places.root.join("usr")
    } else {
        places.root.clone()
    };
    let designator = partition.designator;
    let failed = |error| ExposeError::Mount { designator, path: path.clone(), error };
    if !path.symlink_metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    mount(
        Some(partition.node()),
        &path,
        Some(partition.filesystem.name()),
        MsFlags::MS_RDONLY | MsFlags::MS_NODEV,
        without_replay(partition.filesystem),
    )
    .map_err(|errno| failed(errno.into()))?;
    undo.mounted(path);
    Ok(())
}

/// The option that keeps a driver from replaying a log, which would write.
fn without_replay(filesystem: FileSystem) -> Option<&'static str> {
    match filesystem {
        FileSystem::Ext4 => Some("noload"),
        FileSystem::Xfs => Some("norecovery"),
        FileSystem::Btrfs => Some("rescue=nologreplay"),
        FileSystem::Erofs | FileSystem::F2fs | FileSystem::Squashfs | FileSystem::Vfat => None,
    }
}

/// The names a system looks for: device-mapper's, systemd's by designator, and the one that the
/// command line of `rd.systemd.pull=` uses.
fn links(partition: &MappedPartition, name: &str, places: &Places) -> [PathBuf; 3] {
    let designator = partition.designator.name();
    let mut by_loop_ref = format!("{}.raw", encode(name));
    // A file system without a table is the whole image.
    if partition.number != 0 {
        by_loop_ref.push_str(&format!("-part{}", partition.number));
    }
    [
        places.dev.join("mapper").join(designator),
        places.dev.join("disk/by-designator").join(designator),
        places.dev.join("disk/by-loop-ref").join(by_loop_ref),
    ]
}

/// Encodes as udev does for link names (libblkid, `blkid_encode_string`): everything outside its
/// list as `\xNN`.
fn encode(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn make_link(link: &Path, node: &Path, undo: &mut Undo) -> Result<(), ExposeError> {
    let failed = |error| ExposeError::Link { path: link.to_owned(), error };
    if let Some(directory) = link.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    symlink(node, link).map_err(failed)?;
    undo.linked(link.to_owned());
    Ok(())
}

impl Exposed {
    /// Mount points, the root first.
    #[must_use]
    pub fn mounts(&self) -> &[PathBuf] {
        self.undo.mounts()
    }

    /// The root's version; known where the policy has a floor for it.
    #[must_use]
    pub fn version(&self) -> Option<&OsVersion> {
        self.version.as_ref()
    }

    /// Links to the devices.
    #[must_use]
    pub fn links(&self) -> &[PathBuf] {
        self.undo.links()
    }

    /// Lets everything outlive this program.
    pub fn keep(self) {
        self.undo.disarm();
        for partition in self.partitions {
            // The table and the mount hold the device from here on.
            drop(partition.keep());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_are_encoded_as_udev_does() {
        assert_eq!(encode("image"), "image");
        assert_eq!(encode("a b/../\\"), "a\\x20b\\x2f..\\x2f\\x5c");
    }

    #[test]
    fn every_floor_has_to_be_reached() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        let os_release = dir.path().join("etc/os-release");
        std::fs::write(&os_release, "IMAGE_VERSION=1.10\n").unwrap();
        let floor = |(line, value): (usize, &&str)| Stated {
            value: (*value).to_owned(),
            origin: Origin::File { path: "/etc/policy.toml".into(), line },
        };
        let held = |floors: &[&str]| {
            let floors: Vec<_> = floors.iter().enumerate().map(floor).collect();
            reach(&floors, dir.path())
        };
        for floors in [&["1.10"][..], &["1.9", "1.10"], &["1.10~rc1", "1"]] {
            assert_eq!(held(floors).unwrap().unwrap().version(), "1.10", "{floors:?}");
        }
        let error = held(&["1.9", "1.11", "2"]).unwrap_err();
        assert!(matches!(&error, ExposeError::Rollback { floor, .. } if floor == "1.11"));
        assert_eq!(error.class(), Class::Rollback);
        assert_eq!(error.finding().required_by, floor((1, &"1.11")).origin);
        assert!(held(&["1.10.1"]).is_err());

        std::fs::remove_file(&os_release).unwrap();
        let error = held(&["1"]).unwrap_err();
        assert!(matches!(error, ExposeError::Version { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Rollback);
        assert_eq!(held(&[]).unwrap(), None);
    }

    #[test]
    fn a_link_name_that_is_taken_is_an_error_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("disk/by-designator/root");
        let mut undo = Undo::default();
        make_link(&link, Path::new("/dev/dm-0"), &mut undo).unwrap();
        let error = make_link(&link, Path::new("/dev/dm-1"), &mut undo).unwrap_err();
        assert!(matches!(error, ExposeError::Link { .. }));
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("/dev/dm-0"));
        drop(undo);
        assert!(!link.exists() && link.symlink_metadata().is_err());
    }
}
