// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which version a mounted root is, by its own os-release(5).
//!
//! **In:** the mount point of an authenticated root; the key's holder wrote the file, so it is
//! hostile at most in size and form. **Out:** [`OsVersion`]: `IMAGE_VERSION`, or `VERSION_ID` where
//! the image gives no such field. **Refuses:** a file that two readers could read differently:
//! lines that are no assignment, keys given twice, open quotes, expansions; a version that is empty
//! or has characters no version has. Links lead nowhere outside the root.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use crate::escape::escape;
use crate::limits;
use crate::version;
use crate::wire::read_bounded;

/// In the order of os-release(5).
const FILES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

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
        let mut assignments = BTreeMap::new();
        for (number, line) in (1..).zip(text.split('\n')) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = assignment(line).ok_or(OsReleaseError::Line { line: number })?;
            if assignments.insert(key, value).is_some() {
                return Err(OsReleaseError::Duplicate { key: escape(key) });
            }
        }
        for field in FIELDS {
            let Some(found) = assignments.remove(field) else { continue };
            if !version::is_plain(&found) {
                return Err(OsReleaseError::Version { field, found: escape(&found) });
            }
            return Ok(Self { field, version: found });
        }
        Err(OsReleaseError::NoVersion)
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
    File { file: &'static str, error: io::Error },
    #[error("line {line} of os-release is no plain KEY=VALUE")]
    Line { line: usize },
    #[error("os-release has neither IMAGE_VERSION nor VERSION_ID")]
    NoVersion,
    #[error("os-release is not UTF-8 text")]
    NotText,
    #[error("{field} is \"{found}\", which is no version")]
    Version { field: &'static str, found: String },
}

/// Reads the version of the root that is mounted there.
///
/// # Errors
/// See [`OsReleaseError`].
pub(super) fn version_of(root: &Path) -> Result<OsVersion, OsReleaseError> {
    for file in FILES {
        match read(root, file) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_bytes| OsReleaseError::NotText)?;
                return OsVersion::parse(&text);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OsReleaseError::File { file, error }),
        }
    }
    let [_, file] = FILES;
    Err(OsReleaseError::File { file, error: Errno::ENOENT.into() })
}

/// Reads a file of the root as if the root were `/`: absolute links and `..` stay inside.
fn read(root: &Path, file: &str) -> io::Result<Vec<u8>> {
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let root = open(root, directory, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(openat2(root, file, how)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    read_bounded(file, limits::OS_RELEASE)
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
    use std::os::unix::fs::symlink;

    use super::*;

    fn version(text: &str) -> Result<(&'static str, String), OsReleaseError> {
        OsVersion::parse(text).map(|it| (it.field, it.version))
    }

    #[test]
    fn the_images_version_comes_before_the_systems() {
        for (text, field, expected) in [
            ("ID=x\n# no\n\nVERSION_ID=1\n", "VERSION_ID", "1"),
            ("VERSION_ID=\"12\"\nIMAGE_VERSION='2.1~rc1'", "IMAGE_VERSION", "2.1~rc1"),
            ("NAME=\"a \\\"b\\\" \\$c; d\"\nVERSION_ID=3.18.4\n", "VERSION_ID", "3.18.4"),
            ("HOME_URL=https://example.com/?a#b\nNAME='x'\nVERSION_ID=9", "VERSION_ID", "9"),
        ] {
            assert_eq!(version(text).unwrap(), (field, expected.to_owned()), "{text}");
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
            let error = version(&format!("ID=x\n{line}\n")).unwrap_err();
            assert!(matches!(error, OsReleaseError::Line { line: 2 }), "{line}: {error:?}");
        }
        let error = version("VERSION_ID=2\nVERSION_ID=2\n").unwrap_err();
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
            let error = version(text).unwrap_err();
            assert!(
                matches!(error, OsReleaseError::Version { field: it, .. } if it == field),
                "{text}: {error:?}"
            );
        }
        assert!(matches!(version("ID=x\n").unwrap_err(), OsReleaseError::NoVersion));
        assert!(matches!(version("").unwrap_err(), OsReleaseError::NoVersion));
    }

    #[test]
    fn links_stay_inside_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for path in ["etc", "usr/lib"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        std::fs::write(dir.path().join("outside"), "VERSION_ID=99\n").unwrap();
        let error = version_of(&root).unwrap_err();
        assert!(matches!(error, OsReleaseError::File { file: "usr/lib/os-release", .. }));
        std::fs::write(root.join("usr/lib/os-release"), "VERSION_ID=1\n").unwrap();
        assert_eq!(version_of(&root).unwrap().version(), "1");

        // A link that leaves the root on this machine leads into it from inside.
        let link = root.join("etc/os-release");
        for target in
            ["../usr/lib/os-release", "/usr/lib/os-release", "../../../usr/lib/os-release"]
        {
            symlink(target, &link).unwrap();
            assert_eq!(version_of(&root).unwrap().version(), "1", "{target}");
            std::fs::remove_file(&link).unwrap();
        }
        symlink(dir.path().join("outside"), &link).unwrap();
        assert_eq!(version_of(&root).unwrap().version(), "1");
        std::fs::remove_file(&link).unwrap();

        nix::unistd::mkfifo(&link, Mode::S_IRUSR).unwrap();
        let error = version_of(&root).unwrap_err();
        assert!(matches!(error, OsReleaseError::File { file: "etc/os-release", .. }), "{error}");
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, vec![b'#'; limits::OS_RELEASE + 1]).unwrap();
        let error = version_of(&root).unwrap_err();
        assert!(matches!(error, OsReleaseError::File { file: "etc/os-release", .. }), "{error}");
    }
}
