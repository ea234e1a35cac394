// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Taking away what was attached or mounted before.
//!
//! **In:** a name, or a directory, that somebody types; the kernel's state. **Out:** devices, links
//! and mounts gone. **Refuses:** what is not there, what is in use, and whatever this program did
//! not make: a device is ours by its UUID, its target and the sealed memory below it, never by its
//! name, nor by a note in /run.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use super::links::{NOTES, encode};
use super::{Placement, Places, Target};
use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::limits;
use crate::sys::devmapper::LiveDevice;
use crate::verity::{NameError, is_ours};
use crate::wire::read_file_bounded;

/// Why nothing was taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum DetachError {
    #[error("{what} is not something this program made")]
    Foreign { what: String },
    #[error("{what} is in use")]
    InUse { what: String },
    #[error("{what}: {error}")]
    Kernel { what: String, error: io::Error },
    #[error("\"{name}\" is {error}")]
    Name { name: String, error: NameError },
    #[error("nothing of the name {name} is attached")]
    NotAttached { name: String },
    #[error("nothing is mounted at {path}")]
    NotMounted { path: String },
}

impl Refusal for DetachError {
    fn class(&self) -> Class {
        match self {
            Self::Name { .. } | Self::NotAttached { .. } | Self::NotMounted { .. } => Class::Config,
            Self::Foreign { .. } | Self::InUse { .. } | Self::Kernel { .. } => Class::Dev,
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, advice) = match self {
            Self::Foreign { .. } => (
                "expose-foreign",
                "devices and mounts of this program alone",
                "whoever made it has to take it away; nothing was changed",
            ),
            Self::InUse { .. } => (
                "expose-in-use",
                "nobody holds it",
                "unmount what is mounted from it, leave the directory, close its files; nothing \
                 was changed",
            ),
            Self::Kernel { .. } => (
                "expose-kernel",
                "a kernel that does what is asked",
                "run this as root, with /proc, /sys and /dev mounted",
            ),
            Self::Name { .. } => {
                ("expose-name", "a name that devices can have", "give the name of `attach`")
            }
            Self::NotAttached { .. } => (
                "expose-nothing",
                "an image attached under this name",
                "see `dmsetup ls`: the devices of NAME are called NAME-root, NAME-usr",
            ),
            Self::NotMounted { .. } => (
                "expose-nothing",
                "a directory that an image is mounted at",
                "give the directory of `mount`",
            ),
        };
        Finding {
            id,
            stage: Stage::Expose,
            outcome: Outcome::Failed,
            subject: "detach".to_owned(),
            expected: expected.to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule("only what this program made is taken away"),
            advice: advice.to_owned(),
        }
    }
}

/// Removes the devices and links of an attached image; their names.
///
/// # Errors
/// See [`DetachError`]; all devices are looked at before the first is removed.
pub fn detach(name: &str, places: &Places) -> Result<Vec<String>, DetachError> {
    let placement =
        Placement { name: name.to_owned(), target: Target::Devices, places: places.clone() };
    let devices = devices_of(&placement)?;
    if devices.is_empty() {
        return Err(DetachError::NotAttached { name: escape(name) });
    }
    if let Some(used) = devices.iter().find(|it| it.open_count > 0) {
        return Err(DetachError::InUse { what: used.name.clone() });
    }
    for device in &devices {
        device.remove().map_err(|error| failed(&device.name, error))?;
        unlink(device, places);
    }
    Ok(devices.into_iter().map(|it| it.name).collect())
}

/// Unmounts an image, with everything of it below; the mount points, the last one first.
///
/// # Errors
/// See [`DetachError`]; all mounts are looked at before the first is taken away.
pub fn unmount(directory: &Path, places: &Places) -> Result<Vec<PathBuf>, DetachError> {
    let shown = || escape(&directory.to_string_lossy());
    let directory = directory.canonicalize().map_err(|error| failed(&shown(), error))?;
    let placement = Placement {
        name: String::new(),
        target: Target::Directory(directory.clone()),
        places: places.clone(),
    };
    let mountinfo = read_file_bounded(Path::new("/proc/self/mountinfo"), limits::MOUNTS);
    let mountinfo = mountinfo.map_err(|error| failed("/proc/self/mountinfo", error))?;
    let mounts: Vec<_> =
        mounts(&mountinfo).into_iter().filter(|it| it.path.starts_with(&directory)).collect();
    if !mounts.iter().any(|it| it.path == directory) {
        return Err(DetachError::NotMounted { path: shown() });
    }
    let nodes: Vec<_> = devices_of(&placement)?.iter().map(LiveDevice::node).collect();
    for mount in &mounts {
        // An image that has usr alone stands on a directory in memory.
        let base = mount.path == directory && mount.is_base && !nodes.is_empty();
        if !base && !nodes.contains(&mount.source) {
            let what = escape(&mount.path.to_string_lossy());
            return Err(DetachError::Foreign { what });
        }
    }
    let mut gone = Vec::new();
    for mount in mounts.into_iter().rev() {
        umount2(&mount.path, MntFlags::UMOUNT_NOFOLLOW)
            .map_err(|errno| failed(&escape(&mount.path.to_string_lossy()), errno.into()))?;
        gone.push(mount.path);
    }
    Ok(gone)
}

fn failed(what: &str, error: io::Error) -> DetachError {
    let what = what.to_owned();
    if error.kind() == io::ErrorKind::ResourceBusy {
        return DetachError::InUse { what };
    }
    DetachError::Kernel { what, error }
}

/// The live devices of an image, all of them ours.
fn devices_of(placement: &Placement) -> Result<Vec<LiveDevice>, DetachError> {
    let names = placement.device_names().map_err(|error| {
        let name = escape(&placement.name);
        DetachError::Name { name, error }
    })?;
    let names: Vec<_> = PartitionDesignator::ALL.iter().map(|it| names.device(*it)).collect();
    let live = LiveDevice::all().map_err(|error| failed("device-mapper", error))?;
    let mut found = Vec::new();
    for device in live.into_iter().filter(|it| names.contains(&it.name)) {
        let target = device.target().map_err(|error| failed(&device.name, error))?;
        let target = target.filter(|_| is_ours(&device.name, &device.uuid));
        if !target.is_some_and(|(kind, params)| is_on_sealed_memory(&kind, &params)) {
            return Err(DetachError::Foreign { what: device.name });
        }
        found.push(device);
    }
    Ok(found)
}

/// Whether a target is one of ours, over loop devices on memory of ours.
fn is_on_sealed_memory(kind: &str, params: &str) -> bool {
    let mut words = params.split(' ');
    let backing: Vec<_> = match kind {
        "verity" => words.skip(1).take(2).collect(),
        "linear" => words.next().into_iter().collect(),
        _ => return false,
    };
    let ours = |number: &&str| {
        let path = Path::new("/sys/dev/block").join(number).join("loop/backing_file");
        let file = read_file_bounded(&path, limits::BACKING_FILE).unwrap_or_default();
        file.starts_with(b"/memfd:veriroot-")
    };
    !backing.is_empty() && backing.iter().all(ours)
}

/// Removes the links that lead to a device, and its note. The note is a hint where to look.
fn unlink(device: &LiveDevice, places: &Places) {
    let note = places.run.join(NOTES).join(&device.name);
    let text = read_file_bounded(&note, limits::NOTE).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let noted = text.lines().filter_map(|it| it.strip_prefix("VERIROOT_LINK_"));
    let noted = noted.filter_map(|it| Some(it.split_once('=')?.1.to_owned()));
    for name in noted.chain([format!("mapper/{}", encode(&device.name))]) {
        let link = places.dev.join(name);
        if fs::read_link(&link).is_ok_and(|it| it == device.node()) {
            // What is gone already need not be removed.
            fs::remove_file(&link).ok();
        }
    }
    fs::remove_file(&note).ok();
}

/// One mount of this machine.
struct Mount {
    path: PathBuf,
    source: PathBuf,
    /// Whether it is a directory in memory that this program made.
    is_base: bool,
}

/// All of them, in the order in which they were made (proc_pid_mountinfo(5)).
fn mounts(mountinfo: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let path = unescape(fields.nth(4)?);
        let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
        let kind = fields.next()?;
        let source = unescape(fields.next()?);
        let is_base = kind == b"tmpfs" && source == Path::new("veriroot");
        Some(Mount { path, source, is_base })
    };
    mountinfo.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// Octal escapes stand for blanks and the backslash itself.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let value = escaped
            .and_then(|it| std::str::from_utf8(it).ok())
            .and_then(|it| u8::from_str_radix(it, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = match value {
            Some(_) => tail.get(3..).unwrap_or_default(),
            None => tail,
        };
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_by_their_fields() {
        let text = b"22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n\
            30 1 253:0 / /mnt/a\\040b ro,nodev - erofs /dev/dm-0 ro\n\
            31 30 0:40 / /srv/x rw,nodev shared:1 master:2 - tmpfs veriroot rw,size=25%\n\
            broken line\n";
        let found: Vec<_> =
            mounts(text).into_iter().map(|it| (it.path, it.source, it.is_base)).collect();
        let path = PathBuf::from;
        assert_eq!(
            found,
            [
                (path("/proc"), path("proc"), false),
                (path("/mnt/a b"), path("/dev/dm-0"), false),
                (path("/srv/x"), path("veriroot"), true),
            ]
        );
    }

    #[test]
    fn only_links_that_lead_to_the_device_go_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            dev: dir.path().join("dev"),
            run: dir.path().join("run"),
            ..Places::default()
        };
        let device = LiveDevice {
            name: "x-root".to_owned(),
            uuid: String::new(),
            number: (253, 7),
            open_count: 0,
        };
        let note = places.run.join(NOTES).join("x-root");
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        fs::write(
            &note,
            "ID_FS_TYPE=erofs\nVERIROOT_LINK_1=disk/ours\nVERIROOT_LINK_2=disk/other\n",
        )
        .unwrap();
        for (name, node) in [
            ("disk/ours", "/dev/dm-7"),
            ("disk/other", "/dev/dm-1"),
            ("mapper/x-root", "/dev/dm-7"),
        ] {
            let link = places.dev.join(name);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(node, link).unwrap();
        }
        unlink(&device, &places);
        let there = |name: &str| places.dev.join(name).symlink_metadata().is_ok();
        assert!(!there("disk/ours") && there("disk/other") && !there("mapper/x-root"));
        assert!(!note.exists());
    }

    #[test]
    fn targets_of_other_programs_are_foreign() {
        for (kind, params) in [
            ("linear", "8:1 0"),
            ("linear", ""),
            ("crypt", "aes 00 0 7:0 0"),
            ("verity", "1 8:1 8:2 4096 4096 1 1 sha256 00 -"),
        ] {
            assert!(!is_on_sealed_memory(kind, params), "{kind} {params}");
        }
    }
}
