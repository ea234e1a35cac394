// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Taking back what a boot made when it can't do so itself: it was killed.
//!
//! **In:** what was there before. **Out:** the mounts, links, notes, trees and devices that came since
//! are gone. **Refuses:** nothing; each step is tried whatever became of the one before. What was
//! there before is left alone, and so are the devices of other programs.

mod entries;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use crate::escape::escape;
use crate::limits;
use crate::listing;
use crate::sys::devmapper;
use crate::verity::is_ours;
use crate::wire::read_file_bounded;
use entries::Entries;

/// Where a boot mounts: everything else that comes meanwhile is somebody else's.
const BELOW: [&str; 6] = [
    "/sysroot",
    "/run/confexts",
    "/run/extensions",
    "/run/machines",
    "/run/portables",
    "/run/veriroot",
];

/// Where a boot makes directories, trees, staging directories and notes.
const MADE: [&str; 6] = [
    "/run/confexts",
    "/run/extensions",
    "/run/machines",
    "/run/portables",
    "/run/veriroot/devices",
    "/run/veriroot/overlay",
];

/// Where a boot makes links.
const LINKS: [&str; 3] = ["/dev/mapper", "/dev/disk/by-designator", "/dev/disk/by-loop-ref"];

/// What was there before a boot.
#[derive(Clone, Debug)]
pub struct Before {
    mounts: BTreeSet<Mount>,
    devices: BTreeSet<Device>,
    entries: Vec<Entries>,
    root: PathBuf,
}

/// A mount, as /proc/self/mountinfo has it. The kernel gives the id of one that is gone to another,
/// so the id alone does not say which it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mount {
    id: u64,
    point: PathBuf,
    /// File system and source.
    kind: String,
    source: String,
}

/// A device of this program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    /// `dm-0`.
    node: String,
    name: String,
    uuid: String,
}

impl Before {
    /// Looks around; the root is going to be mounted at `root`.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        Self {
            mounts: mounts().into_iter().collect(),
            devices: devices().into_iter().collect(),
            entries: MADE.iter().map(|it| Entries::look(Path::new(it))).collect(),
            root: root.to_owned(),
        }
    }

    /// Takes back what came since, and says what of it stays, escaped.
    #[must_use]
    pub fn take_back(&self) -> Vec<String> {
        // Newest first: what is mounted on another mount goes before it.
        for mount in self.made().iter().rev() {
            let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
            // What stays is seen below; what was mounted on another one may be gone with it.
            umount2(&mount.point, flags).ok();
        }
        let mounts = self.made().into_iter().map(|it| it.point.to_string_lossy().into_owned());
        let mut devices = devices();
        devices.retain(|it| !self.devices.contains(it));
        for device in &devices {
            unlink(&device.node, &LINKS.map(Path::new));
        }
        devices.retain(|it| devmapper::remove(&it.name).is_err());
        let devices = devices.into_iter().map(|it| it.name);
        let entries = self.entries.iter().flat_map(Entries::take_back);
        mounts.chain(devices).chain(entries).map(|it| escape(&it)).collect()
    }

    /// The mounts that came since, in the order in which they were made.
    fn made(&self) -> Vec<Mount> {
        let mut mounts = mounts();
        mounts.retain(|it| self.is_made(it));
        mounts
    }

    fn is_made(&self, mount: &Mount) -> bool {
        let ours = |place: &Path| mount.point.starts_with(place);
        !self.mounts.contains(mount)
            && (ours(&self.root) || BELOW.iter().any(|it| ours(Path::new(it))))
    }
}

fn mounts() -> Vec<Mount> {
    let text = read_file_bounded(Path::new("/proc/self/mountinfo"), limits::MOUNTINFO);
    let text = text.unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(mount).collect()
}

/// A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ');
    let id = fields.next()?.parse().ok()?;
    let point = PathBuf::from(unescape(fields.nth(3)?));
    let mut fields = fields.skip_while(|it| *it != "-").skip(1);
    let (kind, source) = (fields.next()?.to_owned(), unescape(fields.next()?));
    Some(Mount { id, point, kind, source })
}

/// The kernel writes blanks, line ends and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.into_iter().fold(text.to_owned(), |text, (code, c)| text.replace(code, c))
}

/// Devices that this program made, by their UUIDs.
fn devices() -> Vec<Device> {
    let device = |path: PathBuf| {
        let node = path.file_name()?.to_str().filter(|it| it.starts_with("dm-"))?.to_owned();
        let of = |name: &str| {
            let text = read_file_bounded(&path.join("dm").join(name), 256).ok()?;
            Some(String::from_utf8_lossy(&text).trim_end().to_owned())
        };
        own(node, of("name")?, of("uuid")?)
    };
    listing::paths("/sys/block").filter_map(device).collect()
}

/// A device, if it is one of this program.
fn own(node: String, name: String, uuid: String) -> Option<Device> {
    is_ours(&name, &uuid).then_some(Device { node, name, uuid })
}

/// Removes the links that lead to a device: ours are absolute, udev's are not.
fn unlink(node: &str, directories: &[&Path]) {
    for directory in directories {
        for path in listing::paths(*directory) {
            let leads_there = |it: PathBuf| it.file_name().is_some_and(|it| it == node);
            if std::fs::read_link(&path).is_ok_and(leads_there) {
                drop(std::fs::remove_file(&path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(id: u64, point: &str) -> Mount {
        let (kind, source) = ("erofs".to_owned(), "/dev/dm-0".to_owned());
        Mount { id, point: PathBuf::from(point), kind, source }
    }

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let line = "36 35 98:0 / /run/machines/a\\040b\\134 ro,nodev shared:1 - erofs /dev/dm-0 ro";
        assert_eq!(mount(line), Some(mounted(36, "/run/machines/a b\\")));
        assert_eq!(mount("36 35"), None);
        assert!(mounts().iter().any(|it| it.point == Path::new("/")));
    }

    #[test]
    fn only_new_mounts_in_places_of_a_boot_are_taken_back() {
        let before = Before {
            mounts: BTreeSet::from([mounted(1, "/new"), mounted(3, "/somewhere")]),
            devices: BTreeSet::new(),
            entries: Vec::new(),
            root: PathBuf::from("/new"),
        };
        for (id, point, expected) in [
            (2, "/new", true),
            (2, "/new/usr", true),
            (2, "/run/extensions/a", true),
            (1, "/new", false),
            // The id of one that is gone.
            (3, "/new", true),
            (2, "/newer", false),
            (2, "/run/credentials", false),
            (2, "/", false),
        ] {
            assert_eq!(before.is_made(&mounted(id, point)), expected, "{id} {point}");
        }
        let other = Mount { source: "/dev/dm-1".to_owned(), ..mounted(1, "/new") };
        assert!(before.is_made(&other), "its id and its place, and another source");
    }

    #[test]
    fn devices_of_this_program_are_known_however_they_are_protected() {
        let own = |name: &str, uuid: &str| {
            own("dm-0".to_owned(), name.to_owned(), uuid.to_owned()).is_some()
        };
        let verity = "CRYPT-VERITY-00000000000000000000000000000007-";
        assert!(own("root", &format!("{verity}veriroot-root")));
        assert!(own("home", "VERIROOT-OPEN-veriroot-home"));
        for (name, uuid) in [
            ("root", format!("{verity}root")),
            ("root", format!("{verity}veriroot-usr")),
            ("home", "LVM-veriroot-home".to_owned()),
        ] {
            assert!(!own(name, &uuid), "{name} {uuid}");
        }
    }

    #[test]
    fn links_to_the_device_go_whoever_made_them() {
        let dir = tempfile::tempdir().unwrap();
        for (name, target) in
            [("ours", "/dev/dm-7"), ("udev", "../dm-7"), ("other", "/dev/dm-1"), ("long", "dm-77")]
        {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("control"), "").unwrap();
        unlink("dm-7", &[dir.path()]);
        let there = |name: &&str| dir.path().join(name).symlink_metadata().is_ok();
        let left: Vec<_> =
            ["ours", "udev", "other", "long", "control"].into_iter().filter(there).collect();
        assert_eq!(left, ["other", "long", "control"]);
    }
}
