// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policy files on disk.
//!
//! **In:** directories and files of the initrd. **Out:** every policy file in them, parsed.
//! **Refuses:** all of them, if one is unreadable, empty, not regular, writable by everybody or
//! too large, or if there are too many.
//!
//! UAPI.6 Configuration Files Specification: a file masks those of the same name in later
//! directories. Off-spec: an empty file, or a link to `/dev/null`, is an error and not a mask.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{FileFault, PolicyFile, PolicyFileError};
use crate::limits;
use crate::listing;
use crate::wire;

/// Permission bit: everybody may write.
const OTHERS_WRITE: u32 = 0o002;

impl PolicyFile {
    /// Reads the policy file at `path`, which must exist.
    ///
    /// # Errors
    /// [`PolicyFileError`] as the module says.
    pub fn load(path: &Path) -> Result<Self, PolicyFileError> {
        let error = |fault| PolicyFileError { path: path.to_owned(), line: None, fault };
        let read = |it| error(FileFault::Read(it));
        if fs::metadata(path).map_err(read)?.mode() & OTHERS_WRITE != 0 {
            return Err(error(FileFault::WorldWritable));
        }
        let bytes = wire::read_file_bounded(path, limits::POLICY_FILE).map_err(read)?;
        let text = str::from_utf8(&bytes).map_err(|_utf8| error(FileFault::NotUtf8))?;
        Self::parse(path, text)
    }
}

/// Reads every `*.toml` of the directories, in the order of their names. A directory may be
/// absent; a name in an earlier directory masks the same name in a later one.
///
/// # Errors
/// [`PolicyFileError`] as the module says.
pub fn load_directories(directories: &[&Path]) -> Result<Vec<PolicyFile>, PolicyFileError> {
    let mut paths: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in directories {
        for path in policy_files(directory)? {
            if let Some(name) = path.file_name() {
                paths.entry(name.to_owned()).or_insert(path);
            }
        }
    }
    paths.values().map(|path| PolicyFile::load(path)).collect()
}

fn policy_files(directory: &Path) -> Result<Vec<PathBuf>, PolicyFileError> {
    let error = |fault| PolicyFileError { path: directory.to_owned(), line: None, fault };
    let read = |it| error(FileFault::Read(it));
    // A link to nowhere is not an absent directory.
    if let Err(it) = fs::symlink_metadata(directory)
        && it.kind() == io::ErrorKind::NotFound
    {
        return Ok(Vec::new());
    }
    let metadata = fs::metadata(directory).map_err(read)?;
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(error(FileFault::WorldWritable));
    }
    let mut paths = Vec::new();
    for name in listing::names(directory).map_err(read)? {
        let path = directory.join(name.map_err(read)?);
        if path.extension().is_some_and(|it| it == "toml") {
            paths.push(path);
        }
        if paths.len() > limits::POLICY_FILES {
            return Err(error(FileFault::TooMany));
        }
    }
    Ok(paths)
}
