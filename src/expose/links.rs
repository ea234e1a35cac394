// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The names a system looks for, and a note for udev of what they are.
//!
//! **In:** devices; a directory in which they get names. **Out:** links: device-mapper's for every
//! device, and only for what is under dm-verity systemd's by designator and the one that the command
//! line of `rd.systemd.pull=` uses. **Refuses:** names that are taken.
//!
//! udev rebuilds its links when a system starts. `dist/udev/59-veriroot.rules` makes these again
//! from the notes, which are in /run and so survive switch-root; without that rule udev leaves them
//! as they are, for they are none of its own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::ExposeError;
use super::undo::Undo;
use super::{Placement, Target};
use crate::verity::{MappedPartition, Shield};

/// What udev is told of our devices.
const RULE: &str = include_str!("../../dist/udev/59-veriroot.rules");

/// Below /run: one note for each device, by its name.
pub(super) const NOTES: &str = "veriroot/devices";

/// Below /dev, relative to it.
pub(super) fn names(partition: &MappedPartition, placement: &Placement) -> Vec<String> {
    let device = partition.name();
    if matches!(placement.target, Target::Directory(_)) {
        return Vec::new();
    }
    let mut names = vec![format!("mapper/{}", encode(&device))];
    if !matches!(partition.shield, Shield::Verity(_)) {
        return names;
    }
    if matches!(placement.target, Target::System { .. }) {
        names.push(format!("disk/by-designator/{}", partition.designator));
    }
    if matches!(placement.target, Target::System { .. } | Target::Devices) {
        let image = encode(&placement.name);
        names.push(match partition.number {
            // A file system without a table is the whole image.
            0 => format!("disk/by-loop-ref/{image}.raw"),
            number => format!("disk/by-loop-ref/{image}.raw-part{number}"),
        });
    }
    names
}

/// Makes the links of one device, and its note.
pub(super) fn make(
    partition: &MappedPartition,
    placement: &Placement,
    undo: &mut Undo,
) -> Result<(), ExposeError> {
    let names = names(partition, placement);
    if names.is_empty() {
        return Ok(());
    }
    let note = placement.places.run.join(NOTES).join(partition.name());
    let facts = format!("ID_FS_USAGE=filesystem\nID_FS_TYPE={}\n", partition.filesystem);
    write_note(&note, &facts, &names, undo)
        .map_err(|error| ExposeError::Record { path: note.clone(), error })?;
    for name in &names {
        make_link(&placement.places.dev.join(name), partition.node(), undo)?;
    }
    announce(partition);
    Ok(())
}

/// What udev has to know: properties, one a line.
fn write_note(note: &Path, facts: &str, names: &[String], undo: &mut Undo) -> io::Result<()> {
    if let Some(directory) = note.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut text = facts.to_owned();
    for (number, name) in (1..).zip(names) {
        let _infallible = writeln!(text, "VERIROOT_LINK_{number}={name}");
    }
    // Before it is written: what fails halfway leaves a part of it.
    undo.linked(note.to_owned());
    fs::write(note, text)
}

fn make_link(link: &Path, node: &Path, undo: &mut Undo) -> Result<(), ExposeError> {
    let failed = |error| ExposeError::Link { path: link.to_owned(), error };
    if let Some(directory) = link.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    match symlink(node, link) {
        // udev was sooner: it has the note, or device-mapper's own rule.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && leads_to(link, node) => {}
        made => made.map_err(failed)?,
    }
    undo.linked(link.to_owned());
    Ok(())
}

/// Whether it is a link to this very node. What it leads to is what counts: udev makes relative
/// links, and makes them again whenever it looks at the device.
fn leads_to(link: &Path, node: &Path) -> bool {
    let is_link = link.symlink_metadata().is_ok_and(|it| it.is_symlink());
    is_link
        && match (link.canonicalize(), node.canonicalize()) {
            (Ok(found), Ok(node)) => found == node,
            _ => false,
        }
}

/// Where udev runs, has the rule for these devices outlive the initrd: /run does.
pub(super) fn install_rule(placement: &Placement) -> Result<(), ExposeError> {
    let udev = placement.places.run.join("udev");
    if !udev.is_dir() {
        return Ok(());
    }
    let directory = udev.join("rules.d");
    let path = directory.join("59-veriroot.rules");
    let installed = fs::create_dir_all(directory).and_then(|()| fs::write(&path, RULE));
    installed.map_err(|error| ExposeError::Record { path, error })
}

/// Has udev look at the device again, where one runs: when it came up there was no note yet.
fn announce(partition: &MappedPartition) {
    let Some(node) = partition.node().file_name() else { return };
    let event = PathBuf::from("/sys/class/block").join(node).join("uevent");
    // Without it udev knows the device and not its links, which are there all the same.
    fs::write(event, "change").ok();
}

/// Encodes as udev does for link names (libblkid, `blkid_encode_string`): everything outside its
/// list as `\xNN`.
pub(super) fn encode(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "\\x{byte:02x}");
        }
    }
    out
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
    fn a_link_name_that_is_taken_is_an_error_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("disk/by-designator/root");
        let mut undo = Undo::default();
        make_link(&link, Path::new("/dev/dm-0"), &mut undo).unwrap();
        let error = make_link(&link, Path::new("/dev/dm-1"), &mut undo).unwrap_err();
        assert!(matches!(error, ExposeError::Link { .. }));
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/dev/dm-0"));
        drop(undo);
        assert!(!link.exists() && link.symlink_metadata().is_err());
    }

    #[test]
    fn a_link_that_udev_made_of_the_same_name_to_the_same_device_is_the_link() {
        let dir = tempfile::tempdir().unwrap();
        let (node, other) = (dir.path().join("dm-0"), dir.path().join("dm-1"));
        fs::write(&node, "").unwrap();
        fs::write(&other, "").unwrap();
        fs::create_dir(dir.path().join("mapper")).unwrap();
        let link = dir.path().join("mapper/root");
        symlink("../dm-0", &link).unwrap();
        let mut undo = Undo::default();
        assert!(make_link(&link, &other, &mut undo).is_err());
        make_link(&link, &node, &mut undo).unwrap();
        drop(undo);
        assert!(link.symlink_metadata().is_err(), "it goes with the others");
        // A node of that name is no link.
        assert!(make_link(&node, &node, &mut Undo::default()).is_err() && node.exists());
    }

    #[test]
    fn a_note_says_what_udev_shall_call_the_device() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join(NOTES).join("root");
        let mut undo = Undo::default();
        let names = ["mapper/root".to_owned(), "disk/by-loop-ref/a\\x20b.raw-part2".to_owned()];
        write_note(&note, "ID_FS_TYPE=erofs\n", &names, &mut undo).unwrap();
        let text = crate::wire::read_file_bounded(&note, 4096).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "ID_FS_TYPE=erofs\nVERIROOT_LINK_1=mapper/root\n\
             VERIROOT_LINK_2=disk/by-loop-ref/a\\x20b.raw-part2\n"
        );
        drop(undo);
        assert!(!note.exists());
    }
}
