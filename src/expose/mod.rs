// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Handing over what was verified: mounts and links.
//!
//! **In:** [`Mapped`]: devices, and what protects each; where they are to go. **Out:** [`Exposed`]:
//! the root with everything below it, an extension as a directory, or devices alone; no older than
//! the policy's floor, and with links that lead to dm-verity devices.
//! **Refuses:** mount points that are not plain directories, names that are taken, an image used as
//! what it is not, a root whose version is below a floor or unknown. What was made before a failure
//! is taken back.
//!
//! Every file system is mounted where nobody sees it first. What the image says of itself is read
//! there, through dm-verity, and only then is anything attached or linked: a signature has no date
//! and no purpose, so an older root, or an extension in a root's place, comes this far.

mod assemble;
pub mod attached;
mod error;
mod links;
mod mount;
mod os_release;
mod role;
mod tree;
mod undo;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::policy_file::Stated;
use crate::purpose::Purpose;
use crate::request::MountFlag;
use crate::verity::{DeviceNames, Mapped, MappedPartition, NameError, Shield};
use crate::version::compare;
use assemble::Mounted;
pub use error::ExposeError;
pub(crate) use error::at_least;
use mount::Tree;
pub use os_release::{OsReleaseError, OsVersion};
use role::Trees;
pub use tree::{ExposedTree, expose_tree};
use undo::Undo;

/// Where things go: the directories of a running system, or of a test.
#[derive(Clone, Debug)]
pub struct Places {
    /// The mount point of the root.
    pub root: PathBuf,
    /// /dev, or a directory in its place.
    pub dev: PathBuf,
    /// /run, or a directory in its place.
    pub run: PathBuf,
}

impl Default for Places {
    /// Those of an initrd.
    fn default() -> Self {
        let path = PathBuf::from;
        Self { root: path("/sysroot"), dev: path("/dev"), run: path("/run") }
    }
}

/// What an image becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The root of this machine, at [`Places::root`].
    System {
        /// Whether it takes writes, into memory.
        overlay: bool,
        /// What its mounts shall do without, beside what they do in any case.
        without: Without,
    },
    /// One of [`Purpose::EXTENSIONS`]: a directory of its own, where systemd looks for it.
    Extension(Purpose, PathBuf),
    /// Devices and links, nothing mounted.
    Devices,
    /// Read-only at this directory; the devices go with the mount.
    Directory(PathBuf),
}

/// Flags that take something away from mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// From that of the root, on disk or in memory, and from an overlay above it.
    pub root: Vec<MountFlag>,
    /// From that of usr.
    pub usr: Vec<MountFlag>,
}

/// Where an image goes, and under which name.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The image's name, without suffix.
    pub name: String,
    /// What it becomes.
    pub target: Target,
    /// Where things go.
    pub places: Places,
}

impl Placement {
    /// What its devices are called.
    ///
    /// # Errors
    /// [`NameError`] where somebody chose a name that devices can't have.
    pub fn device_names(&self) -> Result<DeviceNames, NameError> {
        Ok(match &self.target {
            Target::System { .. } => DeviceNames::system(),
            Target::Extension(purpose, _) => DeviceNames::of_extension(*purpose, &self.name),
            Target::Devices => return DeviceNames::of(&self.name),
            Target::Directory(path) => DeviceNames::of_place(&path.to_string_lossy()),
        })
    }

    /// Looks whether the place can be used, before anything is fetched for it; what is found is looked
    /// at again when it is.
    ///
    /// # Errors
    /// [`ExposeError::Name`] or [`ExposeError::Place`].
    pub fn vacant(&self) -> Result<(), ExposeError> {
        self.device_names()
            .map_err(|error| ExposeError::Name { name: escape(&self.name), error })?;
        let Target::Directory(path) = &self.target else { return Ok(()) };
        let failed = |error| ExposeError::Place { path: path.clone(), error };
        mount::place(path).map(drop).map_err(failed)
    }

    /// What the image is judged for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match &self.target {
            Target::Extension(purpose, _) => *purpose,
            Target::System { .. } | Target::Devices | Target::Directory(_) => Purpose::System,
        }
    }

    /// What the mount of that partition shall do without.
    fn without(&self, designator: PartitionDesignator) -> &[MountFlag] {
        match (&self.target, designator) {
            (Target::System { without, .. }, PartitionDesignator::Root) => &without.root,
            (Target::System { without, .. }, PartitionDesignator::Usr) => &without.usr,
            _ => &[],
        }
    }

    /// Whether what policy opens may be written to.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        matches!(self.target, Target::System { .. })
    }
}

/// An image that was handed over. Made by [`expose`] alone; dropping it without [`Self::keep`]
/// takes everything back.
///
/// It can't be put together, or doubled.
///
/// ```
/// # use veriroot::{expose::{Placement, Exposed, expose}, verity::Mapped};
/// fn last(it: Mapped, placement: &Placement) -> Option<Exposed> {
///     expose(it, &[], placement).ok()
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
    /// Whether the devices go with their mounts.
    while_used: bool,
}

/// A device that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedDevice {
    /// What it is used as.
    pub designator: PartitionDesignator,
    /// Its name.
    pub name: String,
    /// The node below /dev.
    pub node: PathBuf,
    /// What protects it.
    pub shield: Shield,
}

/// Mounts what is to be mounted, holds the image's own words against what it is used as and the
/// version floors, and makes the links.
///
/// # Errors
/// The first step that fails; what was made before is taken back.
pub fn expose(
    mapped: Mapped,
    floors: &[Stated<String>],
    placement: &Placement,
) -> Result<Exposed, ExposeError> {
    let mut partitions = mapped.into_partitions();
    partitions.sort_by_key(|it| assemble::rank(it.designator));
    let mut undo = Undo::default();
    let mut version = None;
    // Devices alone are given to somebody who knows what to do with them.
    if placement.target != Target::Devices || !floors.is_empty() {
        let trees = partitions.iter().map(|it| mount_unseen(it, placement));
        let trees = trees.collect::<Result<Vec<_>, _>>()?;
        version = judge(&partitions, &trees, floors, placement)?;
        assemble::assemble(&partitions, trees, placement, &mut undo)?;
    }
    links::install_rule(placement)?;
    for partition in &partitions {
        links::make(partition, placement, &mut undo)?;
    }
    let while_used = matches!(placement.target, Target::Directory(_));
    Ok(Exposed { undo, partitions, version, while_used })
}

fn mount_unseen(
    partition: &MappedPartition,
    placement: &Placement,
) -> Result<Mounted, ExposeError> {
    let designator = partition.designator;
    let failed =
        |error| ExposeError::Mount { designator, place: partition.filesystem.to_string(), error };
    let tree = Tree::of(partition, placement).map_err(failed)?;
    Ok(Mounted { designator, tree })
}

/// Holds what the image says of itself against what it is used as, and against the floors.
fn judge(
    partitions: &[MappedPartition],
    mounted: &[Mounted],
    floors: &[Stated<String>],
    placement: &Placement,
) -> Result<Option<OsVersion>, ExposeError> {
    let tree = |designator| {
        let found = mounted.iter().find(|it| it.designator == designator);
        found.map(|it| it.tree.directory())
    };
    let is_verity = |designator| {
        let found = partitions.iter().find(|it| it.designator == designator);
        found.is_some_and(|it| matches!(it.shield, Shield::Verity(_)))
    };
    let (root, usr) = (PartitionDesignator::Root, PartitionDesignator::Usr);
    let usr_alone = is_verity(usr) && !is_verity(root);
    let trees = Trees { root: tree(root), usr: tree(usr), usr_alone };
    // What is only looked at, or handed to somebody as a device, has no role to play.
    let has_role = matches!(placement.target, Target::System { .. } | Target::Extension(..));
    if !has_role && floors.is_empty() {
        return Ok(None);
    }
    let release = trees.play(placement.purpose(), &placement.name)?;
    reach(floors, release.unwrap_or_default())
}

/// Holds what a tree says of itself against what it is used as, and the version of a system against
/// the floors.
pub(crate) fn judge_tree(
    tree: BorrowedFd<'_>,
    (purpose, name): (Purpose, &str),
    floors: &[Stated<String>],
) -> Result<Option<OsVersion>, ExposeError> {
    match Trees::of_root(tree).play(purpose, name)? {
        Some(release) => reach(floors, release),
        // An extension has no version of the kind that floors are about.
        None => Ok(None),
    }
}

/// The version, where there are floors; it reaches all of them.
fn reach(
    floors: &[Stated<String>],
    release: os_release::Assignments,
) -> Result<Option<OsVersion>, ExposeError> {
    let Some(first) = floors.first() else { return Ok(None) };
    let found = os_release::version(&release).map_err(|error| ExposeError::Version {
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

fn device(partition: &MappedPartition) -> ExposedDevice {
    ExposedDevice {
        designator: partition.designator,
        name: partition.name(),
        node: partition.node().to_owned(),
        shield: partition.shield.clone(),
    }
}

impl Exposed {
    /// Mount points, the root first.
    pub fn mounts(&self) -> impl Iterator<Item = &Path> {
        self.undo.mounts()
    }

    /// The version of the root; known where the policy has a floor for it.
    #[must_use]
    pub fn version(&self) -> Option<&OsVersion> {
        self.version.as_ref()
    }

    /// Links to the devices, and notes for udev.
    pub fn links(&self) -> impl Iterator<Item = &Path> {
        self.undo.links()
    }

    /// The devices.
    pub fn devices(&self) -> impl Iterator<Item = ExposedDevice> {
        self.partitions.iter().map(device)
    }

    /// Lets everything outlive this program.
    pub fn keep(self) {
        self.undo.disarm();
        for partition in self.partitions {
            // The table and the mount, or the name, hold the device from here on. One that can't be
            // told to go with its mount stays until it is detached.
            if self.while_used {
                drop(partition.keep_while_used());
            } else {
                drop(partition.keep());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Class, Origin, Refusal};

    #[test]
    fn every_floor_has_to_be_reached() {
        let floor = |(line, value): (usize, &&str)| Stated {
            value: (*value).to_owned(),
            origin: Origin::File { path: "/etc/policy.toml".into(), line },
        };
        let held = |floors: &[&str], version: &str| {
            let floors: Vec<_> = floors.iter().enumerate().map(floor).collect();
            let release = ("IMAGE_VERSION".to_owned(), version.to_owned());
            reach(&floors, os_release::Assignments::from_iter([release]))
        };
        for floors in [&["1.10"][..], &["1.9", "1.10"], &["1.10~rc1", "1"]] {
            assert_eq!(held(floors, "1.10").unwrap().unwrap().version(), "1.10", "{floors:?}");
        }
        let error = held(&["1.9", "1.11", "2"], "1.10").unwrap_err();
        assert!(matches!(&error, ExposeError::Rollback { floor, .. } if floor == "1.11"));
        assert_eq!(error.class(), Class::Rollback);
        assert_eq!(error.finding().required_by, floor((1, &"1.11")).origin);
        assert!(held(&["1.10.1"], "1.10").is_err());

        let error = held(&["1"], "").unwrap_err();
        assert!(matches!(error, ExposeError::Version { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Rollback);
        assert_eq!(held(&[], "1").unwrap(), None);
    }

    #[test]
    fn only_a_name_that_somebody_chose_can_be_refused() {
        let names = |name: &str, target| {
            let places = Places::default();
            Placement { name: name.to_owned(), target, places }.device_names()
        };
        let root = PartitionDesignator::Root;
        assert_eq!(names("a b", Target::Devices), Err(NameError));
        assert_eq!(names("a", Target::Devices).unwrap().device(root), "a-root");
        let system = Target::System { overlay: false, without: Without::default() };
        assert_eq!(names("a b", system).unwrap().device(root), "root");
        for target in
            [Target::Extension(Purpose::Sysext, "/run/x".into()), Target::Directory("/a b".into())]
        {
            assert!(names("a b", target).is_ok());
        }
    }
}
