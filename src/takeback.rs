// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Taking back what a boot made when it can't do so itself: it was killed.
//!
//! **In:** what was there before. **Out:** the mounts, links and dm-verity devices that came since
//! are gone. **Refuses:** nothing; each step is tried whatever became of the one before, and what was
//! there before is left alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use crate::escape::escape;
use crate::limits;
use crate::sys::devmapper;
use crate::wire::read_file_bounded;

/// Where a boot mounts: everything else that comes meanwhile is somebody else's.
const BELOW: [&str; 6] = [
    "/sysroot",
    "/run/confexts",
    "/run/extensions",
    "/run/machines",
    "/run/portables",
    "/run/veriroot",
];

/// Where a boot makes links.
const LINKS: [&str; 3] = ["/dev/mapper", "/dev/disk/by-designator", "/dev/disk/by-loop-ref"];

/// What was there before a boot.
#[derive(Clone, Debug)]
pub struct Before {
    mounts: BTreeSet<u64>,
    devices: BTreeSet<String>,
    root: PathBuf,
}

/// A mount, as /proc/self/mountinfo has it.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    point: PathBuf,
}

/// A device of dm-verity.
#[derive(Debug)]
struct Device {
    /// `dm-0`.
    node: String,
    name: String,
}

impl Before {
    /// Looks around; the root is going to be mounted at `root`.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        Self {
            mounts: mounts().into_iter().map(|it| it.id).collect(),
            devices: devices().into_iter().map(|it| it.node).collect(),
            root: root.to_owned(),
        }
    }

    /// Takes back what came since, and says what of it stays, escaped.
    #[must_use]
    pub fn take_back(&self) -> Vec<String> {
        let mut mounts = mounts();
        mounts.retain(|it| self.is_made(it));
        // Newest first: what is mounted on another mount goes before it.
        mounts.sort_by_key(|it| std::cmp::Reverse(it.id));
        let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
        mounts.retain(|it| umount2(&it.point, flags).is_err());
        let mut devices = devices();
        devices.retain(|it| !self.devices.contains(&it.node));
        for device in &devices {
            unlink(&device.node);
        }
        devices.retain(|it| devmapper::remove(&it.name).is_err());
        let mounts = mounts.iter().map(|it| it.point.to_string_lossy().into_owned());
        mounts.chain(devices.into_iter().map(|it| it.name)).map(|it| escape(&it)).collect()
    }

    fn is_made(&self, mount: &Mount) -> bool {
        let ours = |place: &Path| mount.point.starts_with(place);
        !self.mounts.contains(&mount.id)
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
    let point = fields.nth(3)?;
    Some(Mount { id, point: PathBuf::from(unescape(point)) })
}

/// The kernel writes blanks, line ends and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.into_iter().fold(text.to_owned(), |text, (code, c)| text.replace(code, c))
}

/// Devices that carry the UUID of a dm-verity device of this program.
fn devices() -> Vec<Device> {
    let Ok(entries) = std::fs::read_dir("/sys/block") else { return Vec::new() };
    let device = |entry: std::fs::DirEntry| {
        let node = entry.file_name().into_string().ok().filter(|it| it.starts_with("dm-"))?;
        let of = |name: &str| {
            let text = read_file_bounded(&entry.path().join("dm").join(name), 256).ok()?;
            Some(String::from_utf8_lossy(&text).trim_end().to_owned())
        };
        let uuid = of("uuid")?;
        Some(Device { node, name: of("name")? }).filter(|_| uuid.starts_with("CRYPT-VERITY-"))
    };
    entries.filter_map(Result::ok).filter_map(device).collect()
}

/// Removes the links that lead to a device.
fn unlink(node: &str) {
    let target = Path::new("/dev").join(node);
    for directory in LINKS {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for path in entries.filter_map(Result::ok).map(|it| it.path()) {
            if std::fs::read_link(&path).is_ok_and(|it| it == target) {
                drop(std::fs::remove_file(&path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let line = "36 35 98:0 / /run/machines/a\\040b\\134 ro,nodev shared:1 - erofs /dev/dm-0 ro";
        let found = mount(line).unwrap();
        assert_eq!(found, Mount { id: 36, point: PathBuf::from("/run/machines/a b\\") });
        assert_eq!(mount("36 35"), None);
        assert!(mounts().iter().any(|it| it.point == Path::new("/")));
    }

    #[test]
    fn only_new_mounts_in_places_of_a_boot_are_taken_back() {
        let before = Before {
            mounts: BTreeSet::from([1]),
            devices: BTreeSet::new(),
            root: PathBuf::from("/new"),
        };
        let made = |id, point: &str| before.is_made(&Mount { id, point: PathBuf::from(point) });
        for (id, point, expected) in [
            (2, "/new", true),
            (2, "/new/usr", true),
            (2, "/run/extensions/a", true),
            (1, "/new", false),
            (2, "/newer", false),
            (2, "/run/credentials", false),
            (2, "/", false),
        ] {
            assert_eq!(made(id, point), expected, "{id} {point}");
        }
    }
}
