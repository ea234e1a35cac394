// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Names of entries.
//!
//! **In:** a name as an archive has it. **Out:** [`EntryPath`]: plain components below the root of
//! the tree. **Refuses:** every name that could lead somewhere else or be read in two ways.

use std::borrow::Borrow;
use std::fmt;

use super::fault::Fault;
use crate::escape::escape;
use crate::limits;

/// Where an entry lies: components joined by `/`, none of them `.`, `..` or empty. The root of the
/// tree is the empty path. Names are bytes to the kernel; here they are UTF-8, and two that differ
/// in any byte (case, normal form) are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryPath(String);

impl EntryPath {
    /// Reads the name of a directory: one `/` at its end is taken off.
    pub(super) fn parse_directory(name: &[u8]) -> Result<Self, Fault> {
        match name.strip_suffix(b"/").unwrap_or(name) {
            b"." => Ok(Self(String::new())),
            name => Self::parse(name),
        }
    }

    /// Reads a name. One `./` in front is taken off.
    pub(super) fn parse(name: &[u8]) -> Result<Self, Fault> {
        if name.len() > limits::ARCHIVE_PATH {
            return Err(Fault::Path("too long"));
        }
        let name = str::from_utf8(name).map_err(|_utf8| Fault::Path("not UTF-8"))?;
        if name.contains('\0') {
            return Err(Fault::Path("NUL in it"));
        }
        if name.is_empty() {
            return Err(Fault::Path("empty"));
        }
        let name = name.strip_prefix("./").unwrap_or(name);
        let mut depth: usize = 0;
        for component in name.split('/') {
            depth = depth.saturating_add(1);
            match component {
                "" => return Err(Fault::Path("an empty component, or absolute")),
                "." | ".." => return Err(Fault::Path("a component of dots")),
                _ if component.len() > limits::FILE_NAME => {
                    return Err(Fault::Path("a component is too long"));
                }
                _ => {}
            }
        }
        if depth > limits::ARCHIVE_DEPTH { Err(Fault::Depth) } else { Ok(Self(name.to_owned())) }
    }

    /// Components joined by `/`; empty for the root of the tree.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory it lies in, and its name there; `None` for the root of the tree.
    pub(super) fn split(&self) -> Option<(&str, &str)> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.0.rsplit_once('/').unwrap_or(("", &self.0)))
    }
}

/// Ordered as its text is.
impl Borrow<str> for EntryPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Escaped, for one line of a report.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.0.is_empty() { ".".to_owned() } else { escape(&self.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_taken_as_they_are() {
        let parse = |name: &str, directory: bool| match directory {
            true => EntryPath::parse_directory(name.as_bytes()),
            false => EntryPath::parse(name.as_bytes()),
        };
        for (name, directory, path) in [
            ("etc/passwd", false, "etc/passwd"),
            ("./etc/passwd", false, "etc/passwd"),
            ("./etc/", true, "etc"),
            ("etc", true, "etc"),
            ("./", true, ""),
            (".", true, ""),
            ("...", false, "..."),
            ("..a/b..", false, "..a/b.."),
            ("F\u{151}", false, "F\u{151}"),
            ("Fo\u{30b}", false, "Fo\u{30b}"),
        ] {
            assert_eq!(parse(name, directory).unwrap().as_str(), path);
        }
        let longest = "x".repeat(255);
        assert!(EntryPath::parse(longest.as_bytes()).is_ok());
        let deepest = vec!["d"; limits::ARCHIVE_DEPTH].join("/");
        assert!(EntryPath::parse(deepest.as_bytes()).is_ok());
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        let longer = "y/".repeat(60).repeat(40);
        for name in [
            "",
            "/",
            "/abs",
            "//x",
            "a//b",
            "../x",
            "a/../../x",
            "a/..",
            "..",
            "./../x",
            "././x",
            "a/./b",
            "x/",
            "a\0b",
            ".",
            &long,
            &longer,
        ] {
            let refused = EntryPath::parse(name.as_bytes());
            assert!(matches!(refused, Err(Fault::Path(_))), "{name:?}: {refused:?}");
        }
        for name in ["//", "a//", ".//", "../", "./."] {
            assert!(matches!(EntryPath::parse_directory(name.as_bytes()), Err(Fault::Path(_))));
        }
        assert!(matches!(EntryPath::parse(b"\xff"), Err(Fault::Path("not UTF-8"))));
        let deeper = vec!["d"; limits::ARCHIVE_DEPTH + 1].join("/");
        assert_eq!(EntryPath::parse(deeper.as_bytes()), Err(Fault::Depth));
    }

    #[test]
    fn a_path_knows_its_directory() {
        let split = |name: &str| {
            let path = EntryPath::parse_directory(name.as_bytes()).unwrap();
            path.split().map(|(parent, name)| (parent.to_owned(), name.to_owned()))
        };
        assert_eq!(split("a/b/c"), Some(("a/b".to_owned(), "c".to_owned())));
        assert_eq!(split("a"), Some((String::new(), "a".to_owned())));
        assert_eq!(split("./"), None);
    }
}
