// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The files that stand beside an image: checksums, signatures, root hashes, a hash tree.
//!
//! **In:** where an image was *asked for*, by path or URL; a redirect moves nothing.
//! **Out:** the bytes of a neighbour, or that there is none. **Refuses:** to take any other failure
//! for its absence: only a server that says 404 or 410, and a directory without the file, do say
//! that.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::child::Deadline;
use super::{Error, Failure, Source, Transport};
use crate::escape::escape;
use crate::request::pull::stem;
use crate::url::SourceUrl;

/// The place of an image, as far as others can stand beside it.
#[derive(Clone, Debug)]
pub struct Beside {
    place: Place,
    /// The image's own name there.
    name: OsString,
}

#[derive(Clone, Debug)]
enum Place {
    Nowhere,
    File(PathBuf),
    /// With the time there is for the image and all of these together.
    Url(SourceUrl, Box<Transport>, Deadline),
}

impl Beside {
    /// Nothing stands beside a stream.
    #[must_use]
    pub fn nothing() -> Self {
        Self { place: Place::Nowhere, name: OsString::new() }
    }

    /// Beside a file of this machine. Nothing stands beside a device.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        match path.file_name() {
            Some(name) if !path.starts_with("/dev") => {
                Self { place: Place::File(path.to_owned()), name: name.to_owned() }
            }
            _ => Self::nothing(),
        }
    }

    /// Beside a URL; asked for over the same transport, of the same server, and in its time.
    pub(super) fn until(url: &SourceUrl, transport: &Transport, deadline: Deadline) -> Self {
        match (url.file_path(), url.file_name()) {
            (Some(path), _) => Self::file(path),
            (None, Some(name)) => Self {
                place: Place::Url(url.clone(), Box::new(transport.clone()), deadline),
                name: OsString::from(name),
            },
            (None, None) => Self::nothing(),
        }
    }

    /// The image's own name: the last component of its path or URL, byte for byte; `None` where
    /// nothing can stand beside it.
    #[must_use]
    pub fn name(&self) -> Option<&OsStr> {
        (!self.name.is_empty()).then_some(self.name.as_os_str())
    }

    /// The image's name without the suffixes that systemd takes off; what has no other name of
    /// its own is called after that.
    #[must_use]
    pub fn stem(&self) -> Option<OsString> {
        let name = self.name()?;
        Some(name.to_str().map_or_else(|| name.to_owned(), |it| OsString::from(stem(it))))
    }

    /// Whether a look costs nothing.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// Path or URL of the neighbour called `name`, escaped.
    #[must_use]
    pub fn shown(&self, name: &OsStr) -> String {
        match &self.place {
            Place::Nowhere => escape(&name.to_string_lossy()),
            Place::File(path) => escape(&path.with_file_name(name).to_string_lossy()),
            Place::Url(url, ..) => {
                let url = name.to_str().and_then(|name| url.sibling(name));
                url.map_or_else(|| escape(&name.to_string_lossy()), |url| url.to_string())
            }
        }
    }

    /// Opens the neighbour called `name`; `None` if there is none. What flows and was not announced
    /// has the length `limit` as long as it is not known.
    ///
    /// # Errors
    /// As [`Source::open_url`]; [`Error::TooLarge`] over `limit` bytes.
    pub fn open(&self, name: &OsStr, limit: u64) -> Result<Option<Source>, Error> {
        let opened = match &self.place {
            Place::Nowhere => return Ok(None),
            Place::File(path) => Source::open_file(&path.with_file_name(name)),
            Place::Url(url, transport, deadline) => {
                // A name that makes no URL is one that no server can have.
                let Some(url) = name.to_str().and_then(|name| url.sibling(name)) else {
                    return Ok(None);
                };
                let transport = Transport { size_max: limit, ..(**transport).clone() };
                Source::open_within(&url, &transport, *deadline)
            }
        };
        match opened {
            Ok(source) => source.within(limit).map(Some),
            Err(Error::Server { failure: Failure::Absent, .. }) => Ok(None),
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All bytes of the neighbour called `name`; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(&self, name: &OsStr, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.open(name, limit)?.map(|source| source.all(limit)).transpose()
    }

    /// The image's name with `suffix` behind it.
    #[must_use]
    pub fn suffixed(&self, suffix: &str) -> OsString {
        OsStr::from_bytes(&[self.name.as_bytes(), suffix.as_bytes()].concat()).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let beside = Beside::file(&path("image.raw"));
        let read = |name: &str| beside.read(OsStr::new(name), 4);
        std::fs::write(path("four"), b"four").unwrap();
        std::fs::write(path("more"), b"fours").unwrap();
        std::fs::write(path("empty"), b"").unwrap();
        std::fs::create_dir(path("directory")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        std::os::unix::fs::symlink("loop", path("loop")).unwrap();
        assert_eq!(read("four").unwrap(), Some(b"four".to_vec()));
        assert_eq!((read("none").unwrap(), read("dangling").unwrap()), (None, None));
        assert!(matches!(read("more"), Err(Error::TooLarge { limit: 4, .. })));
        assert!(matches!(read("empty"), Err(Error::Empty { .. })));
        assert!(matches!(read("directory"), Err(Error::FileKind { .. })));
        assert!(matches!(read("loop"), Err(Error::File { .. })));
    }

    fn beside(url: &str) -> Beside {
        let (url, transport) = (SourceUrl::parse(url).unwrap(), Transport::default());
        Beside::until(&url, &transport, Deadline::after(transport.budget))
    }

    #[test]
    fn nothing_stands_beside_a_device_or_a_stream() {
        for beside in [
            Beside::nothing(),
            Beside::file(Path::new("/dev/sda1")),
            Beside::file(Path::new("/")),
            beside("http://h/"),
        ] {
            assert_eq!(beside.name(), None);
            assert!(beside.open(OsStr::new("hosts"), 4).unwrap().is_none());
        }
    }

    #[test]
    fn names_are_taken_as_they_are_written() {
        let beside = beside("http://h/a/b%2fc.raw?token=secret");
        assert_eq!(beside.name(), Some(OsStr::new("b%2fc.raw")));
        assert_eq!(beside.suffixed(".sha256"), "b%2fc.raw.sha256");
        assert_eq!(beside.shown(OsStr::new("SHA256SUMS")), "http://h/a/SHA256SUMS");
    }
}
