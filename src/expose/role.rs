// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What an image says it is, against what it is used as.
//!
//! **In:** trees that were mounted and that nobody sees yet. **Out:** the os-release of a system.
//! **Refuses:** an extension used as a root, a root used as an extension, an extension under another
//! name than its own.
//!
//! A signature over a root hash says nothing of what the image is for, and the partition type that
//! says so is not signed. What is inside is: an operating system has an os-release and no
//! extension-release, an extension has the extension-release of its own name and no os-release
//! (systemd-sysext(8), os-release(5)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Dir, OFlags, ResolveFlags};

use super::ExposeError;
use super::os_release::{Assignments, OsReleaseError, read};
use crate::escape::escape;
use crate::limits;
use crate::purpose::Purpose;
use crate::sys::openat2;

/// Where each kind of extension keeps its extension-release.
const SYSEXT: &str = "usr/lib/extension-release.d";
const CONFEXT: &str = "etc/extension-release.d";

/// Of an operating system, in the order of os-release(5).
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The trees of one image. `/usr` has a tree of its own where it is a partition of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trees<'a> {
    pub(super) root: Option<BorrowedFd<'a>>,
    pub(super) usr: Option<BorrowedFd<'a>>,
    /// Whether somebody vouches for usr and nobody for root: the root's word counts for nothing.
    pub(super) usr_alone: bool,
}

impl<'a> Trees<'a> {
    /// The tree that has a path, and the path in it.
    fn find<'p>(&self, path: &'p str) -> Option<(BorrowedFd<'a>, &'p str)> {
        if let (Some(usr), Some(rest)) = (self.usr, path.strip_prefix("usr/")) {
            return Some((usr, rest));
        }
        Some((self.root.filter(|_| !self.usr_alone)?, path))
    }

    /// Those of a system in one tree.
    pub(super) fn of_root(root: BorrowedFd<'a>) -> Self {
        Self { root: Some(root), usr: None, usr_alone: false }
    }

    /// What the operating system says of itself; `None` where it says nothing.
    pub(super) fn os_release(&self) -> Result<Option<Assignments>, OsReleaseError> {
        self.first(&OS_RELEASE)
    }

    /// The first of these files that is there.
    fn first(&self, paths: &[&str]) -> Result<Option<Assignments>, OsReleaseError> {
        for path in paths {
            let Some((tree, path)) = self.find(path) else { continue };
            if let Some(found) = read(tree, path)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Names of the extensions that this image says it is.
    fn extensions(&self, directory: &str) -> io::Result<Vec<String>> {
        let Some((tree, path)) = self.find(directory) else { return Ok(Vec::new()) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let directory = match openat2::open(tree, path, flags, resolve) {
            Ok(directory) => directory,
            Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(directory.as_fd())?.take(limits::EXTENSION_RELEASES) {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            names.extend(name.strip_prefix("extension-release.").map(str::to_owned));
        }
        Ok(names)
    }

    /// Checks that the image is what it is used as. An operating system's os-release is handed
    /// back: version floors are held against it.
    pub(super) fn play(
        &self,
        purpose: Purpose,
        name: &str,
    ) -> Result<Option<Assignments>, ExposeError> {
        match purpose {
            Purpose::System | Purpose::Portable | Purpose::Machine => {
                self.system(purpose).map(Some)
            }
            Purpose::Sysext => self.extension(purpose, name, SYSEXT),
            Purpose::Confext => self.extension(purpose, name, CONFEXT),
        }
    }

    fn system(&self, purpose: Purpose) -> Result<Assignments, ExposeError> {
        let expected = "an operating system: an os-release, and no extension-release";
        let refuse =
            |found: String| ExposeError::Role { purpose, found, expected: expected.to_owned() };
        for directory in [SYSEXT, CONFEXT] {
            let extensions = self.extensions(directory).map_err(|it| refuse(it.to_string()))?;
            if let Some(name) = extensions.first() {
                return Err(refuse(format!("the extension \"{}\"", escape(name))));
            }
        }
        let found = self.os_release().map_err(|it| refuse(it.to_string()))?;
        found.ok_or_else(|| refuse("no os-release".to_owned()))
    }

    fn extension(
        &self,
        purpose: Purpose,
        name: &str,
        directory: &str,
    ) -> Result<Option<Assignments>, ExposeError> {
        let file = format!("{directory}/extension-release.{name}");
        let refuse = |found: String| ExposeError::Role {
            purpose,
            found,
            expected: format!("a {purpose}: {} with ID=, and no os-release", escape(&file)),
        };
        let failed = |it: OsReleaseError| refuse(it.to_string());
        if self.os_release().map_err(failed)?.is_some() {
            return Err(refuse("an operating system".to_owned()));
        }
        let Some(release) = self.first(&[&file]).map_err(failed)? else {
            let others = self.extensions(directory).map_err(|it| refuse(it.to_string()))?;
            return Err(refuse(match others.first() {
                Some(other) => format!("the extension \"{}\"", escape(other)),
                None => "no extension-release".to_owned(),
            }));
        };
        if release.get("ID").is_none_or(String::is_empty) {
            return Err(refuse("an extension-release without ID=".to_owned()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use super::*;
    use crate::finding::{Class, Refusal};

    /// What became of a tree with these files.
    fn play(files: &[(&str, &str)], purpose: Purpose, name: &str) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = File::open(dir.path()).unwrap();
        let trees = Trees::of_root(root.as_fd());
        let result = trees.play(purpose, name);
        result.map(|_| ()).map_err(|it| {
            assert_eq!(it.class(), Class::Policy);
            it.to_string()
        })
    }

    const SYSTEM: (&str, &str) = ("usr/lib/os-release", "ID=x\n");
    const TOOLS: (&str, &str) =
        ("usr/lib/extension-release.d/extension-release.tools", "ID=_any\n");
    const ROUTES: (&str, &str) = ("etc/extension-release.d/extension-release.routes", "ID=x\n");

    #[test]
    fn an_image_is_used_as_what_it_says_it_is() {
        for purpose in [Purpose::System, Purpose::Portable, Purpose::Machine] {
            assert_eq!(play(&[SYSTEM], purpose, "any"), Ok(()), "{purpose}");
            assert_eq!(play(&[("etc/os-release", "ID=x\n")], purpose, "any"), Ok(()));
        }
        assert_eq!(play(&[TOOLS], Purpose::Sysext, "tools"), Ok(()));
        assert_eq!(play(&[ROUTES], Purpose::Confext, "routes"), Ok(()));
    }

    #[test]
    fn refuses_an_image_that_is_something_else() {
        let open = ("usr/lib/extension-release.d/extension-release.tools", "ID=\"x\n");
        let nameless = ("usr/lib/extension-release.d/extension-release.tools", "VERSION_ID=1\n");
        for (files, purpose, name, found) in [
            (&[][..], Purpose::System, "x", "no os-release"),
            (&[TOOLS], Purpose::System, "tools", "the extension \"tools\""),
            (&[SYSTEM, TOOLS], Purpose::System, "x", "the extension \"tools\""),
            (&[SYSTEM, ROUTES], Purpose::Portable, "x", "the extension \"routes\""),
            (&[SYSTEM], Purpose::Sysext, "tools", "an operating system"),
            (&[SYSTEM, TOOLS], Purpose::Sysext, "tools", "an operating system"),
            (&[TOOLS], Purpose::Sysext, "other", "the extension \"tools\""),
            (&[TOOLS], Purpose::Confext, "tools", "no extension-release"),
            (&[ROUTES], Purpose::Sysext, "routes", "no extension-release"),
            (&[], Purpose::Sysext, "x", "no extension-release"),
            (&[nameless], Purpose::Sysext, "tools", "an extension-release without ID="),
            (&[open], Purpose::Sysext, "tools", "line 1 of os-release is no plain KEY=VALUE"),
        ] {
            assert_eq!(play(files, purpose, name), Err(found.to_owned()), "{files:?} {purpose}");
        }
    }

    #[test]
    fn a_root_that_nobody_vouches_for_does_not_speak_for_its_usr() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("root/etc/os-release", "VERSION_ID=99\n");
        write("usr/lib/os-release", "VERSION_ID=1\n");
        let open = |path: &Path| File::open(path).unwrap();
        let (root, usr) = (open(&dir.path().join("root")), open(&dir.path().join("usr")));
        let version = |usr_alone| {
            let trees = Trees { root: Some(root.as_fd()), usr: Some(usr.as_fd()), usr_alone };
            let found = trees.play(Purpose::System, "x").unwrap().unwrap();
            found.get("VERSION_ID").cloned().unwrap()
        };
        assert_eq!(version(true), "1");
        assert_eq!(version(false), "99");
    }
}
