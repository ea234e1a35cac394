// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! os-release(5) and extension-release: which version an image is, and what it is for.
//!
//! **In:** a mounted tree that was authenticated; the key's holder wrote the file, so it is hostile
//! at most in size and form. **Out:** [`OsVersion`]: `IMAGE_VERSION`, or `VERSION_ID` where the
//! image gives no such field; assignments. **Refuses:** a file that two readers could read
//! differently: lines that are no assignment, keys given twice, open quotes, expansions; a version
//! that is empty or has characters no version has. Links lead nowhere outside the tree.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{OFlags, ResolveFlags};

use crate::escape::escape;
use crate::limits;
use crate::sys::openat2;
use crate::version;
use crate::wire::read_bounded;

/// Of the image, and of the operating system where the image has none.
const FIELDS: [&str; 2] = ["IMAGE_VERSION", "VERSION_ID"];

/// A version, and the field that states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsVersion {
    field: &'static str,
    version: String,
}

impl OsVersion {
    /// Reads the text of an os-release file.
    ///
    /// # Errors
    /// [`OsReleaseError`]; never [`OsReleaseError::File`].
    pub fn parse(text: &str) -> Result<Self, OsReleaseError> {
        version(&parse(text)?)
    }

    /// The version itself, of the characters a version has.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Display for OsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.field, self.version)
    }
}

/// Why a root's version is unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum OsReleaseError {
    #[error("os-release gives {key} twice")]
    Duplicate { key: String },
    #[error("{file}: {error}")]
    File { file: String, error: io::Error },
    #[error("line {line} of os-release is no plain KEY=VALUE")]
    Line { line: usize },
    #[error("os-release has neither IMAGE_VERSION nor VERSION_ID")]
    NoVersion,
    #[error("os-release is not UTF-8 text")]
    NotText,
    #[error("{field} is \"{found}\", which is no version")]
    Version { field: &'static str, found: String },
}

/// The assignments of a file of that kind.
pub(super) type Assignments = BTreeMap<String, String>;

/// Reads a file of a tree as if the tree were `/`: absolute links and `..` stay inside. `None` if
/// there is no such file.
///
/// # Errors
/// See [`OsReleaseError`].
pub(super) fn read(
    tree: BorrowedFd<'_>,
    file: &str,
) -> Result<Option<Assignments>, OsReleaseError> {
    let failed = |error| OsReleaseError::File { file: escape(file), error };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let opened = match openat2::open(tree, file, flags, resolve) {
        Ok(opened) => File::from(opened),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno.into())),
    };
    if !opened.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let bytes = read_bounded(opened, limits::OS_RELEASE).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_bytes| OsReleaseError::NotText)?;
    parse(&text).map(Some)
}

fn parse(text: &str) -> Result<Assignments, OsReleaseError> {
    let mut assignments = BTreeMap::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = assignment(line).ok_or(OsReleaseError::Line { line: number })?;
        if assignments.insert(key.to_owned(), value).is_some() {
            return Err(OsReleaseError::Duplicate { key: escape(key) });
        }
    }
    Ok(assignments)
}

/// The version that an os-release states.
///
/// # Errors
/// [`OsReleaseError::NoVersion`] or [`OsReleaseError::Version`].
pub(super) fn version(assignments: &Assignments) -> Result<OsVersion, OsReleaseError> {
    for field in FIELDS {
        let Some(found) = assignments.get(field) else { continue };
        if !version::is_plain(found) {
            return Err(OsReleaseError::Version { field, found: escape(found) });
        }
        return Ok(OsVersion { field, version: found.clone() });
    }
    Err(OsReleaseError::NoVersion)
}

/// One assignment as a shell would read it, from the first to the last character of the line.
fn assignment(line: &str) -> Option<(&str, String)> {
    let (key, value) = line.split_once('=')?;
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) || !key.chars().all(named) {
        return None;
    }
    if let Some(rest) = value.strip_prefix('\'') {
        let inside = rest.strip_suffix('\'')?;
        return (!inside.contains('\'')).then(|| (key, inside.to_owned()));
    }
    if let Some(rest) = value.strip_prefix('"') {
        return Some((key, double_quoted(rest)?));
    }
    let bare = |c: char| c.is_ascii_graphic() && !"\"'$`\\;&|<>()".contains(c);
    value.chars().all(bare).then(|| (key, value.to_owned()))
}

/// What is before the closing quote, which is the last character.
fn double_quoted(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return rest.next().is_none().then_some(value),
            '\\' => value.push(rest.next().filter(|c| "\"$`\\".contains(*c))?),
            '$' | '`' => return None,
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn stated(text: &str) -> Result<(&'static str, String), OsReleaseError> {
        version(&parse(text)?).map(|it| (it.field, it.version))
    }

    fn version_of(root: &Path) -> Result<Option<String>, OsReleaseError> {
        let root = File::open(root).unwrap();
        let found = read(root.as_fd(), "etc/os-release")?;
        found.map(|it| version(&it).map(|it| it.version)).transpose()
    }

    #[test]
    fn the_images_version_comes_before_the_systems() {
        for (text, field, expected) in [
            ("ID=x\n# no\n\nVERSION_ID=1\n", "VERSION_ID", "1"),
            ("VERSION_ID=\"12\"\nIMAGE_VERSION='2.1~rc1'", "IMAGE_VERSION", "2.1~rc1"),
            ("NAME=\"a \\\"b\\\" \\$c; d\"\nVERSION_ID=3.18.4\n", "VERSION_ID", "3.18.4"),
            ("HOME_URL=https://example.com/?a#b\nNAME='x'\nVERSION_ID=9", "VERSION_ID", "9"),
        ] {
            assert_eq!(stated(text).unwrap(), (field, expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for line in [
            "VERSION_ID",
            " VERSION_ID=2",
            "export VERSION_ID=2",
            "VERSION_ID =2",
            "=2",
            "2=2",
            "VERSION_ID=2 # new",
            "VERSION_ID=2\t",
            "VERSION_ID=\"2",
            "VERSION_ID=\"2\"3",
            "VERSION_ID=\"2\\n\"",
            "VERSION_ID=\"2\\\"",
            "VERSION_ID=\"`id`\"",
            "VERSION_ID=\"$X\"",
            "VERSION_ID=$X",
            "VERSION_ID='2''3'",
            "VERSION_ID='2",
            "VERSION_ID=1;VERSION_ID=2",
            "VERSION_ID=2\r",
            "VERSION_ID=2\u{85}",
        ] {
            let error = stated(&format!("ID=x\n{line}\n")).unwrap_err();
            assert!(matches!(error, OsReleaseError::Line { line: 2 }), "{line}: {error:?}");
        }
        let error = stated("VERSION_ID=2\nVERSION_ID=2\n").unwrap_err();
        assert!(matches!(error, OsReleaseError::Duplicate { key } if key == "VERSION_ID"));
    }

    #[test]
    fn refuses_what_is_no_version() {
        for (text, field) in [
            ("VERSION_ID=", "VERSION_ID"),
            ("VERSION_ID=1\nIMAGE_VERSION=\"\"", "IMAGE_VERSION"),
            ("IMAGE_VERSION=\"1 2\"", "IMAGE_VERSION"),
            ("IMAGE_VERSION=\"\u{663}\"", "IMAGE_VERSION"),
        ] {
            let error = stated(text).unwrap_err();
            assert!(
                matches!(error, OsReleaseError::Version { field: it, .. } if it == field),
                "{text}: {error:?}"
            );
        }
        assert!(matches!(stated("ID=x\n").unwrap_err(), OsReleaseError::NoVersion));
        assert!(matches!(stated("").unwrap_err(), OsReleaseError::NoVersion));
    }

    #[test]
    fn links_stay_inside_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for path in ["etc", "usr/lib"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        std::fs::write(dir.path().join("outside"), "VERSION_ID=99\n").unwrap();
        assert_eq!(version_of(&root).unwrap(), None);
        std::fs::write(root.join("usr/lib/os-release"), "VERSION_ID=1\n").unwrap();
        assert_eq!(version_of(&root).unwrap(), None);

        // A link that leaves the root on this machine leads into it from inside.
        let link = root.join("etc/os-release");
        for target in
            ["../usr/lib/os-release", "/usr/lib/os-release", "../../../usr/lib/os-release"]
        {
            symlink(target, &link).unwrap();
            assert_eq!(version_of(&root).unwrap().as_deref(), Some("1"), "{target}");
            std::fs::remove_file(&link).unwrap();
        }
        symlink(dir.path().join("outside"), &link).unwrap();
        assert_eq!(version_of(&root).unwrap(), None);
        std::fs::remove_file(&link).unwrap();

        nix::unistd::mkfifo(&link, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let error = version_of(&root).unwrap_err();
        assert!(matches!(error, OsReleaseError::File { .. }), "{error}");
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, vec![b'#'; limits::OS_RELEASE + 1]).unwrap();
        let error = version_of(&root).unwrap_err();
        assert!(matches!(error, OsReleaseError::File { .. }), "{error}");
    }
}
