// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Mounting by descriptor (fsopen(2), fsmount(2), move_mount(2)).
//!
//! **In:** devices of [`crate::verity`]; directories. **Out:** a [`Tree`]: a mount that nobody sees
//! until it is attached to a directory that is held open, so that what was looked at is what is
//! mounted, where it was meant. **Refuses:** mount points that are links, files, or mounted on.
//!
//! Options are constants, but for flags of the command line, which can only take something away.
//! Every mount is `nodev`; what takes no writes is read-only in mount and
//! superblock, with the log replay of its file system switched off; boot partitions are for root's
//! eyes and run nothing, nor do configuration extensions; what nobody vouches for has no set-id
//! programs, but for the root of the machine itself.
//! systemd 262 mounts with a subset of these.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, open, statx,
};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount_change, mount_remount, move_mount, open_tree, unmount,
};

use super::{Placement, Target};
use crate::designator::PartitionDesignator;
use crate::filesystem::FileSystem;
use crate::purpose::Purpose;
use crate::request::MountFlag;
use crate::sys::openat2;
use crate::verity::{MappedPartition, Shield};

/// A mount, held by its root directory.
#[derive(Debug)]
pub(super) struct Tree(OwnedFd);

/// How a partition is mounted.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    attributes: MountAttrFlags,
    flags: &'static [&'static str],
    values: &'static [(&'static str, &'static str)],
}

impl Options {
    fn of(
        designator: PartitionDesignator,
        filesystem: FileSystem,
        shield: &Shield,
        placement: &Placement,
    ) -> Self {
        use PartitionDesignator as P;
        let mut attributes = attributes(placement.without(designator));
        let unprotected = matches!(shield, Shield::Open { .. });
        let system = matches!(placement.target, Target::System { .. });
        if unprotected && !(system && designator == P::Root) {
            attributes |= MountAttrFlags::MOUNT_ATTR_NOSUID;
        }
        if placement.purpose() == Purpose::Confext {
            attributes |= MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        }
        if matches!(designator, P::Esp | P::Xbootldr) {
            attributes |=
                MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW;
        }
        let values: &[_] = match filesystem {
            FileSystem::Vfat => &[("fmask", "0177"), ("dmask", "0077")],
            FileSystem::Btrfs | FileSystem::Erofs | FileSystem::Ext4 | FileSystem::F2fs => &[],
            FileSystem::Squashfs | FileSystem::Xfs => &[],
        };
        if matches!(shield, Shield::Open { writable: true, .. }) {
            return Self { attributes, flags: &[], values };
        }
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        let (flags, values): (&[_], _) = match filesystem {
            FileSystem::Ext4 => (&["ro", "noload"], values),
            FileSystem::Xfs => (&["ro", "norecovery"], values),
            FileSystem::Btrfs => (&["ro"], &[("rescue", "nologreplay")][..]),
            FileSystem::Erofs | FileSystem::F2fs | FileSystem::Squashfs | FileSystem::Vfat => {
                (&["ro"], values)
            }
        };
        Self { attributes, flags, values }
    }
}

impl Tree {
    /// The file system of a partition.
    pub(super) fn of(partition: &MappedPartition, placement: &Placement) -> io::Result<Self> {
        let MappedPartition { designator, filesystem, shield, .. } = partition;
        let filesystem = *filesystem;
        let options = Options::of(*designator, filesystem, shield, placement);
        Self::new(filesystem.name(), partition.node(), &options)
    }

    /// An empty directory in memory, of at most that size as tmpfs(5) has it.
    pub(super) fn in_memory(size: &'static str, without: &[MountFlag]) -> io::Result<Self> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", "veriroot")?;
        fsconfig_set_string(context.as_fd(), "mode", "0755")?;
        fsconfig_set_string(context.as_fd(), "size", size)?;
        Self::made(&context, attributes(without))
    }

    /// An overlay: what is written goes to `upper`, with `work` beside it; `lower` stays as it is.
    pub(super) fn overlay(
        lower: &Path,
        (upper, work): (&Path, &Path),
        without: &[MountFlag],
    ) -> io::Result<Self> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", "veriroot")?;
        fsconfig_set_string(context.as_fd(), "lowerdir", lower)?;
        fsconfig_set_string(context.as_fd(), "upperdir", upper)?;
        fsconfig_set_string(context.as_fd(), "workdir", work)?;
        Self::made(&context, attributes(without))
    }

    /// A directory of this machine, once more.
    pub(super) fn again(path: &Path) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        Ok(Self(open_tree(CWD, path, flags)?))
    }

    /// Takes writes and devices away from it. What is mounted by [`Self::again`] takes flags only
    /// when it is attached.
    pub(super) fn restrict(&self, without: &[MountFlag]) -> io::Result<()> {
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NODEV;
        let flags = without.iter().fold(flags, |all, it| all | remount_flag(*it));
        Ok(mount_remount(magic_link(&self.0), flags, "")?)
    }

    fn new(filesystem: &str, source: &Path, options: &Options) -> io::Result<Self> {
        let context = fsopen(filesystem, FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", source)?;
        for flag in options.flags {
            fsconfig_set_flag(context.as_fd(), *flag)?;
        }
        for (key, value) in options.values {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        Self::made(&context, options.attributes)
    }

    fn made(context: &OwnedFd, attributes: MountAttrFlags) -> io::Result<Self> {
        fsconfig_create(context.as_fd())?;
        Ok(Self(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?))
    }

    /// The same tree, held once more.
    pub(super) fn reopened(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Its root directory.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Shows it at a directory that was opened for it; nothing mounted there later goes elsewhere.
    /// An error may come after it is shown, so this is for [`super::undo::Undo::attach`] alone.
    pub(super) fn attach(&self, place: &OwnedFd) -> io::Result<()> {
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(self.0.as_fd(), "", place.as_fd(), "", flags)?;
        Ok(mount_change(magic_link(&self.0), MountPropagationFlags::PRIVATE)?)
    }

    /// Takes it away again, whoever is in it.
    pub(super) fn detach(&self) -> io::Result<()> {
        Ok(unmount(magic_link(&self.0), UnmountFlags::DETACH)?)
    }

    /// The directory of that path beneath the root. No link is followed, not even to the inside.
    pub(super) fn place(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let place = openat2::open(self.0.as_fd(), path, flags, resolve)?;
        free(place)
    }
}

/// What every mount goes without, and what else this one shall.
fn attributes(without: &[MountFlag]) -> MountAttrFlags {
    use MountAttrFlags as M;
    without.iter().fold(M::MOUNT_ATTR_NODEV, |all, it| {
        all | match it {
            MountFlag::NoAtime => M::MOUNT_ATTR_NOATIME,
            MountFlag::NoDev => M::MOUNT_ATTR_NODEV,
            MountFlag::NoDirAtime => M::MOUNT_ATTR_NODIRATIME,
            MountFlag::NoExec => M::MOUNT_ATTR_NOEXEC,
            MountFlag::NoSuid => M::MOUNT_ATTR_NOSUID,
            MountFlag::NoSymFollow => M::MOUNT_ATTR_NOSYMFOLLOW,
            MountFlag::RelAtime => M::MOUNT_ATTR_RELATIME,
        }
    })
}

/// The same for mount(2).
fn remount_flag(flag: MountFlag) -> MountFlags {
    match flag {
        MountFlag::NoAtime => MountFlags::NOATIME,
        MountFlag::NoDev => MountFlags::NODEV,
        MountFlag::NoDirAtime => MountFlags::NODIRATIME,
        MountFlag::NoExec => MountFlags::NOEXEC,
        MountFlag::NoSuid => MountFlags::NOSUID,
        MountFlag::NoSymFollow => MountFlags::NOSYMFOLLOW,
        MountFlag::RelAtime => MountFlags::RELATIME,
    }
}

/// A directory of this machine, opened for a mount: no link, and nothing mounted there yet.
pub(super) fn place(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    free(open(path, flags, Mode::empty())?)
}

fn free(place: OwnedFd) -> io::Result<OwnedFd> {
    let found = statx(place.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        let taken = io::Error::new(io::ErrorKind::AlreadyExists, "something is mounted there");
        return Err(taken);
    }
    Ok(place)
}

fn magic_link(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::expose::{Places, Without};
    use crate::finding::Origin;

    fn placement(target: Target) -> Placement {
        Placement { name: "x".to_owned(), target, places: Places::default() }
    }

    fn system(root: &[MountFlag]) -> Placement {
        let without = Without { root: root.to_vec(), usr: Vec::new() };
        placement(Target::System { overlay: false, without })
    }

    #[test]
    fn what_nobody_vouches_for_is_mounted_with_less() {
        use MountAttrFlags as M;
        use PartitionDesignator as P;
        let verity = Shield::Verity(String::new());
        let open = |writable| Shield::Open { origins: vec![Origin::BuiltIn], writable };
        let (nodev, ro) = (M::MOUNT_ATTR_NODEV, M::MOUNT_ATTR_RDONLY);
        let (nosuid, boot) =
            (M::MOUNT_ATTR_NOSUID, M::MOUNT_ATTR_NOEXEC | M::MOUNT_ATTR_NOSYMFOLLOW);
        for (designator, filesystem, shield, attributes, flags) in [
            (P::Root, FileSystem::Erofs, &verity, nodev | ro, &["ro"][..]),
            (P::Usr, FileSystem::Ext4, &verity, nodev | ro, &["ro", "noload"]),
            (P::Root, FileSystem::Xfs, &open(false), nodev | ro, &["ro", "norecovery"]),
            (P::Home, FileSystem::Ext4, &open(false), nodev | ro | nosuid, &["ro", "noload"]),
            (P::Var, FileSystem::Ext4, &open(true), nodev | nosuid, &[]),
            (P::Esp, FileSystem::Vfat, &open(false), nodev | ro | nosuid | boot, &["ro"]),
            (P::Xbootldr, FileSystem::Vfat, &open(true), nodev | nosuid | boot, &[]),
        ] {
            let options = Options::of(designator, filesystem, shield, &system(&[]));
            assert_eq!((options.attributes, options.flags), (attributes, flags), "{designator}");
            let vfat = filesystem == FileSystem::Vfat;
            assert_eq!(options.values.contains(&("fmask", "0177")), vfat, "{designator}");
        }
        let noexec = system(&[MountFlag::NoExec]);
        let options = Options::of(P::Root, FileSystem::Btrfs, &verity, &noexec);
        assert_eq!(options.attributes, nodev | ro | M::MOUNT_ATTR_NOEXEC);
        assert_eq!(options.values, [("rescue", "nologreplay")]);
        let options = Options::of(P::Var, FileSystem::Btrfs, &open(true), &system(&[]));
        assert!(options.values.is_empty());
        let extension = |purpose| placement(Target::Extension(purpose, "/run/x".into()));
        let confext = extension(Purpose::Confext);
        let options = Options::of(P::Root, FileSystem::Erofs, &verity, &confext);
        assert_eq!(options.attributes, nodev | ro | nosuid | M::MOUNT_ATTR_NOEXEC);
    }

    #[test]
    fn only_the_root_of_the_machine_keeps_set_id_programs_that_nobody_vouches_for() {
        use PartitionDesignator as P;
        let verity = Shield::Verity(String::new());
        let open = Shield::Open { origins: vec![Origin::BuiltIn], writable: false };
        let sysext = placement(Target::Extension(Purpose::Sysext, "/run/x".into()));
        let directory = placement(Target::Directory("/mnt".into()));
        for (designator, shield, placement, taken) in [
            (P::Root, &open, &system(&[]), false),
            (P::Usr, &open, &system(&[]), true),
            (P::Root, &open, &directory, true),
            (P::Usr, &open, &directory, true),
            (P::Root, &open, &sysext, true),
            (P::Root, &verity, &directory, false),
            (P::Usr, &verity, &sysext, false),
        ] {
            let found = Options::of(designator, FileSystem::Erofs, shield, placement).attributes;
            let found = found.contains(MountAttrFlags::MOUNT_ATTR_NOSUID);
            assert_eq!(found, taken, "{designator} {shield:?} {:?}", placement.target);
        }
    }

    #[test]
    fn a_mount_point_is_a_directory_that_nothing_is_mounted_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("plain")).unwrap();
        std::fs::write(path("file"), "").unwrap();
        symlink(path("plain"), path("link")).unwrap();
        assert!(place(&path("plain")).is_ok());
        for name in ["file", "link", "absent"] {
            assert!(place(&path(name)).is_err(), "{name}");
        }
        let error = place(Path::new("/proc")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn no_link_of_the_image_leads_a_mount_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("var/tmp")).unwrap();
        symlink("var", dir.path().join("inside")).unwrap();
        symlink("/tmp", dir.path().join("outside")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let tree = Tree(open(dir.path(), flags, Mode::empty()).unwrap());
        assert!(tree.place("var").is_ok() && tree.place("var/tmp").is_ok());
        for path in ["inside", "inside/tmp", "outside", "..", "var/../../x", "/var", "absent"] {
            assert!(tree.place(path).is_err(), "{path}");
        }
    }
}
