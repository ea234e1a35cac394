// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is in a directory.
//!
//! **In:** a path. **Out:** the names there, in the order of the file system, as long as they can be
//! read. **Refuses:** nothing; how many are too many is for the caller to say.
//!
//! The reader of the standard library ends the program when closing a directory fails, and on a
//! disk that fails it does.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, open};

/// Names in a directory.
///
/// # Errors
/// If it is none, or can't be read; then each entry for itself.
pub fn names(directory: &Path) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = Dir::new(open(directory, flags, Mode::empty())?)?;
    Ok(entries.filter_map(|entry| match entry {
        Ok(entry) if [&b"."[..], b".."].contains(&entry.file_name().to_bytes()) => None,
        Ok(entry) => Some(Ok(OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())),
        Err(errno) => Some(Err(errno.into())),
    }))
}

/// Paths of what can be read there; none where there is no such directory.
pub fn paths(directory: impl Into<PathBuf>) -> impl Iterator<Item = PathBuf> {
    let directory = directory.into();
    let names = names(&directory).ok();
    names.into_iter().flatten().filter_map(Result::ok).map(move |it| directory.join(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_was_made_there() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        assert!(names(&missing).is_err() && paths(missing).next().is_none());
        std::fs::write(place.path().join("file"), "").unwrap();
        std::fs::create_dir(place.path().join(".hidden")).unwrap();
        let mut found: Vec<_> = names(place.path()).unwrap().map(Result::unwrap).collect();
        found.sort();
        assert_eq!(found, [".hidden", "file"]);
        assert_eq!(paths(place.path()).count(), 2);
        assert!(names(&place.path().join("file")).is_err());
    }
}
