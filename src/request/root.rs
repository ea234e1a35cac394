// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which transfer becomes the root.
//!
//! **In:** `root=`, and what is to be loaded. **Out:** one transfer, and the partition of it that
//! the command line takes for the root. **Refuses:** a root that nothing that is loaded could
//! become, and to choose between several.

use super::error::Help;
use super::pull::{Format, ImageClass};
use super::transfer::Asked;
use super::{RequestError, single};
use crate::cmdline::Word;
use crate::escape::escape;

/// The name by which systemd 262 knows the disk of the root (udev-builtin-blkid.c).
const ROOTDISK: &str = "rootdisk";

/// Why there is no root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum RootError {
    #[error("the root device \"{device}\" is not one that anything loaded could become")]
    Device { device: String },
    #[error("no disk image of class machine is loaded")]
    Nothing,
    #[error("any of these could be the root: {}", candidates.join(", "))]
    Several { candidates: Vec<String> },
}

impl RootError {
    pub(super) fn help(&self) -> Help {
        let (expected, advice) = match self {
            Self::Device { .. } => (
                "root=/dev/disk/by-loop-ref/NAME.raw-partN, /dev/mapper/root, dissect, gpt-auto, \
                 or bind:/run/machines/NAME for a tarball",
                "name an image that rd.systemd.pull= names",
            ),
            Self::Nothing => (
                "rd.systemd.pull=raw,machine,...:NAME:URL, or a tarball and \
                 root=bind:/run/machines/NAME",
                "say what the root is: nobody vouches for one that is not loaded here",
            ),
            Self::Several { .. } => (
                "one candidate for the root",
                "call one of them rootdisk, or say root=/dev/disk/by-loop-ref/NAME.raw-partN",
            ),
        };
        ("request-root", expected, advice)
    }
}

/// Which device the command line calls the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootDevice {
    /// Whatever authenticates as root: `dissect`, `gpt-auto`, `/dev/mapper/root`, or nothing said.
    Designated,
    /// The tree of a tarball: `bind:/run/machines/NAME`.
    Directory,
    /// `/dev/disk/by-loop-ref/NAME.raw-partN`: slot N, which has to be the one that
    /// authenticates.
    Partition(u32),
}

/// What is said of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The device.
    pub device: RootDevice,
    /// The word that says so, for reports; empty where none does.
    pub word: String,
}

/// The transfer that becomes the root, by its index, and what is said of the root.
pub(super) fn elect(words: &[Word], asked: &[Asked]) -> Result<(usize, Root), RequestError> {
    let word = single(words, "root")?;
    let value = word.and_then(|word| word.value.as_deref());
    let root = |device| Root { device, word: word.map(Word::shown).unwrap_or_default() };
    let machines = |format| {
        let fits = move |it: &(usize, &Asked)| {
            it.1.pull.class == ImageClass::Machine && it.1.pull.format == format
        };
        asked.iter().enumerate().filter(fits).map(|(index, it)| (index, it.pull.name.as_str()))
    };
    let not_loaded = || RootError::Device { device: escape(value.unwrap_or_default()) };
    match value {
        None
        | Some("dissect" | "dissect-force" | "gpt-auto" | "gpt-auto-force" | "/dev/mapper/root") => {
            let index = only(machines(Format::Raw).collect())?;
            Ok((index, root(RootDevice::Designated)))
        }
        Some(value) => {
            if let Some(name) = value.strip_prefix("bind:/run/machines/") {
                let tree = machines(Format::Tar).find(|(_, it)| *it == name);
                let (index, _) = tree.ok_or_else(not_loaded)?;
                return Ok((index, root(RootDevice::Directory)));
            }
            let (name, number) = partition(value).ok_or_else(not_loaded)?;
            let image = machines(Format::Raw).find(|(_, it)| *it == name);
            let (index, _) = image.ok_or_else(not_loaded)?;
            Ok((index, root(RootDevice::Partition(number))))
        }
    }
}

/// The image called `rootdisk`, or the only one.
fn only(machines: Vec<(usize, &str)>) -> Result<usize, RootError> {
    let rootdisk = machines.iter().find(|(_, name)| *name == ROOTDISK);
    match (rootdisk, machines.as_slice()) {
        (Some((index, _)), _) | (None, [(index, _)]) => Ok(*index),
        (None, []) => Err(RootError::Nothing),
        (None, several) => Err(RootError::Several {
            candidates: several.iter().map(|(_, name)| escape(name)).collect(),
        }),
    }
}

/// Name and slot of `/dev/disk/by-loop-ref/NAME.raw-partN`.
fn partition(value: &str) -> Option<(&str, u32)> {
    let (name, digits) = value.strip_prefix("/dev/disk/by-loop-ref/")?.rsplit_once(".raw-part")?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    Some((name, digits.parse().ok().filter(|_| plain)?))
}

#[cfg(test)]
mod tests {
    use super::super::{Purpose, Request, Side, Told};
    use super::*;
    use crate::cmdline::words;

    fn request(text: &str) -> Result<Request, RequestError> {
        let words = words(text).unwrap();
        Request::read(&Told { side: Side::Initrd, words: &words, credential: None })
    }

    /// The name of the root and the device it is called.
    fn root_of(text: &str) -> (String, RootDevice) {
        let request = request(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let root = request.transfers().iter().find(|it| *it.purpose() == Purpose::Root).unwrap();
        (root.name().to_owned(), request.root().unwrap().device.clone())
    }

    fn pulls(expressions: &[&str]) -> String {
        let words: Vec<_> = expressions
            .iter()
            .map(|it| {
                let (kind, name) = it.split_once(' ').unwrap();
                format!("rd.systemd.pull={kind},verify=no:{name}:http://h/i")
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn the_root_is_the_one_that_the_words_name() {
        use RootDevice::{Designated, Directory, Partition};
        let cases: [(&[&str], &str, (&str, RootDevice)); 9] = [
            (&["raw,machine a"], "", ("a", Designated)),
            (&["raw,machine a", "raw,sysext b"], "root=dissect", ("a", Designated)),
            (&["raw,machine a", "tar,machine b"], "root=gpt-auto", ("a", Designated)),
            (&["raw,machine a", "raw,machine rootdisk"], "", ("rootdisk", Designated)),
            (&["raw,machine a"], "root=/dev/mapper/root", ("a", Designated)),
            (&["raw,machine a"], "root=/dev/disk/by-loop-ref/a.raw-part2", ("a", Partition(2))),
            (
                &["raw,machine a", "raw,machine rootdisk"],
                "root=/dev/disk/by-loop-ref/a.raw-part2",
                ("a", Partition(2)),
            ),
            (&["tar,machine a"], "root=bind:/run/machines/a", ("a", Directory)),
            (&["raw,machine a", "tar,machine b"], "root=bind:/run/machines/b", ("b", Directory)),
        ];
        for (expressions, words, (name, device)) in cases {
            let text = format!("{} {words}", pulls(expressions));
            assert_eq!(root_of(&text), (name.to_owned(), device), "{text}");
        }
    }

    #[test]
    fn refuses_to_choose_between_roots() {
        let several = pulls(&["raw,machine b", "raw,machine a"]);
        let candidates = vec!["b".to_owned(), "a".to_owned()];
        assert_eq!(request(&several).unwrap_err(), RootError::Several { candidates }.into());
        for none in [pulls(&["raw,sysext a"]), pulls(&["tar,machine a"])] {
            assert_eq!(request(&none).unwrap_err(), RootError::Nothing.into(), "{none}");
        }
    }

    #[test]
    fn refuses_a_root_that_nothing_loaded_could_become() {
        for root in [
            "",
            "/dev/sda1",
            "/dev/disk/by-loop-ref/image.raw",
            "/dev/disk/by-loop-ref/other.raw-part2",
            "/dev/disk/by-loop-ref/image.raw-part02",
            "/dev/disk/by-loop-ref/image.raw-part+2",
            "/dev/disk/by-loop-ref/image.raw-part4294967296",
            "/dev/disk/by-loop-ref/extension.raw-part2",
            "bind:/run/machines/image",
            "bind:/run/extensions/extension",
            "bind:/",
            "tmpfs",
            "off",
            "fstab",
        ] {
            let text = pulls(&["raw,machine image", "raw,sysext extension"]);
            assert_eq!(
                request(&format!("{text} root={root}")).unwrap_err(),
                RootError::Device { device: root.to_owned() }.into()
            );
        }
    }
}
