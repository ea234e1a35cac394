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
    Device { device: String, advice: &'static str },
    #[error("{word} asks for a usr of another image than that of the root")]
    OtherUsr { word: String },
    #[error("no disk image of class machine is loaded")]
    Nothing,
    #[error("any of these could be the root: {}", candidates.join(", "))]
    Several { candidates: Vec<String> },
}

impl RootError {
    pub(super) fn help(&self) -> Help {
        let (expected, advice) = match self {
            Self::Device { advice, .. } => (
                "root=/dev/disk/by-loop-ref/NAME.raw-partN, /dev/mapper/root, dissect, gpt-auto, \
                 bind:/run/machines/NAME for a tarball, or tmpfs with mount.usr=",
                *advice,
            ),
            Self::OtherUsr { .. } => (
                "mount.usr=dissect, /dev/mapper/usr or /dev/disk/by-loop-ref/NAME.raw-partN",
                "name a usr partition of the image that the root is of",
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
    /// `tmpfs`: an empty one, with the image's usr on it.
    Tmpfs,
}

/// What is said of usr: that it is to be used, and maybe in which slot it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usr {
    /// The slot.
    pub slot: Option<u32>,
    /// The word that says so.
    pub word: String,
}

/// What is said of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The device.
    pub device: RootDevice,
    /// The word that says so, for reports; empty where none does.
    pub word: String,
    /// What is said of usr.
    pub usr: Option<Usr>,
}

/// The transfer that becomes the root, by its index, and what is said of the root.
pub(super) fn elect(words: &[Word], asked: &[Asked]) -> Result<(usize, Root), RequestError> {
    let word = single(words, "root")?;
    let value = word.and_then(|word| word.value.as_deref());
    let usr = single(words, "mount.usr")?;
    let (index, device) = match value {
        None => (only(asked)?, RootDevice::Designated),
        Some("tmpfs") => {
            let Some(usr) = usr else {
                let advice = "say mount.usr= too: a tmpfs alone is no system";
                return Err(RootError::Device { device: "tmpfs".to_owned(), advice }.into());
            };
            (with_usr(usr, asked)?, RootDevice::Tmpfs)
        }
        Some(value) => named(value, asked)?,
    };
    let said_of_usr = |usr: &Word| {
        let (name, slot) = usr_device(usr)?;
        let word = usr.shown();
        match name {
            Some(name) if image(asked, Format::Raw, name) != Some(index) => {
                Err(RootError::OtherUsr { word })
            }
            _ => Ok(Usr { slot, word }),
        }
    };
    let usr = usr.map(said_of_usr).transpose()?;
    Ok((index, Root { device, word: word.map(Word::shown).unwrap_or_default(), usr }))
}

/// What a value of `root=` leads to.
fn named(value: &str, asked: &[Asked]) -> Result<(usize, RootDevice), RootError> {
    let not_loaded = || RootError::Device { device: escape(value), advice: advice(value) };
    if DESIGNATED.contains(&value) {
        return Ok((only(asked)?, RootDevice::Designated));
    }
    if let Some(name) = value.strip_prefix("bind:/run/machines/") {
        let index = image(asked, Format::Tar, name).ok_or_else(not_loaded)?;
        return Ok((index, RootDevice::Directory));
    }
    let (name, slot) = partition(value).ok_or_else(not_loaded)?;
    let index = image(asked, Format::Raw, name).ok_or_else(not_loaded)?;
    Ok((index, RootDevice::Partition(slot)))
}

/// Values of `root=` that leave the choice to what authenticates.
const DESIGNATED: [&str; 5] =
    ["/dev/mapper/root", "dissect", "dissect-force", "gpt-auto", "gpt-auto-force"];

/// What to do about a root that nothing loaded could become.
fn advice(value: &str) -> &'static str {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|it| value.starts_with(it));
    if begins(&["bind:"]) {
        "bind:/run/machines/NAME takes the tree of a tarball; say root=dissect for a disk image"
    } else if begins(&["off", "fstab"]) {
        "take root= off: the root is the image that is loaded, and nothing else mounts one"
    } else if begins(&["LABEL=", "UUID=", "PARTUUID=", "PARTLABEL=", "nfs", "/dev/nfs"]) {
        "say root=dissect: names that an image gives to itself choose nothing"
    } else {
        "name an image that rd.systemd.pull= names"
    }
}

/// Which image, and which slot of it, `mount.usr=` speaks of, as far as it says so.
fn usr_device(word: &Word) -> Result<(Option<&str>, Option<u32>), RootError> {
    match word.value.as_deref().unwrap_or_default() {
        "dissect" | "/dev/mapper/usr" => Ok((None, None)),
        value => match partition(value) {
            Some((name, slot)) => Ok((Some(name), Some(slot))),
            None => Err(RootError::OtherUsr { word: word.shown() }),
        },
    }
}

/// The image whose usr becomes most of the system.
fn with_usr(word: &Word, asked: &[Asked]) -> Result<usize, RootError> {
    match usr_device(word)? {
        (Some(name), _) => {
            image(asked, Format::Raw, name).ok_or(RootError::OtherUsr { word: word.shown() })
        }
        (None, _) => only(asked),
    }
}

/// All machines of a format, with their indices.
fn machines(asked: &[Asked], format: Format) -> impl Iterator<Item = (usize, &str)> {
    let fits = move |it: &(usize, &Asked)| {
        it.1.pull.class == ImageClass::Machine && it.1.pull.format == format
    };
    asked.iter().enumerate().filter(fits).map(|(index, it)| (index, it.pull.name.as_str()))
}

/// The machine of this name.
fn image(asked: &[Asked], format: Format, name: &str) -> Option<usize> {
    machines(asked, format).find(|(_, it)| *it == name).map(|(index, _)| index)
}

/// The image called `rootdisk`, or the only one.
fn only(asked: &[Asked]) -> Result<usize, RootError> {
    let machines: Vec<_> = machines(asked, Format::Raw).collect();
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
    use super::super::{BootOriginError, Purpose, Request, Side, Told};
    use super::*;
    use crate::cmdline::words;

    fn request(text: &str) -> Result<Request, RequestError> {
        let words = words(text).unwrap();
        Request::read(&Told {
            side: Side::Initrd,
            words: &words,
            credential: None,
            boot_url: &Err(BootOriginError::Missing),
        })
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
            let error = request(&format!("{text} root={root}")).unwrap_err();
            let RequestError::Root(RootError::Device { device, .. }) = error else {
                panic!("{root}: {error:?}")
            };
            assert_eq!(device, root);
        }
    }

    #[test]
    fn usr_is_that_of_the_roots_image() {
        let images = pulls(&["raw,machine a", "raw,machine rootdisk"]);
        let part = "/dev/disk/by-loop-ref/rootdisk.raw-part3";
        for (words, name, slot) in [
            ("mount.usr=dissect", "rootdisk", None),
            ("mount.usr=/dev/mapper/usr root=dissect", "rootdisk", None),
            (&format!("mount.usr={part}"), "rootdisk", Some(3)),
            ("root=tmpfs mount.usr=dissect", "rootdisk", None),
            ("root=tmpfs mount.usr=/dev/disk/by-loop-ref/a.raw-part1", "a", Some(1)),
        ] {
            let text = format!("{images} {words}");
            assert_eq!(root_of(&text).0, name, "{words}");
            let root = request(&text).unwrap().root().cloned().unwrap();
            assert_eq!(root.usr.map(|it| it.slot), Some(slot), "{words}");
        }
        for words in [
            "mount.usr=",
            "mount.usr=gpt-auto",
            "mount.usr=/dev/sda1",
            "mount.usr=/dev/disk/by-loop-ref/a.raw-part1",
            "root=tmpfs mount.usr=/dev/disk/by-loop-ref/b.raw-part1",
            &format!("root=/dev/disk/by-loop-ref/a.raw-part1 mount.usr={part}"),
        ] {
            let error = request(&format!("{images} {words}")).unwrap_err();
            let other = matches!(error, RequestError::Root(RootError::OtherUsr { .. }));
            assert!(other, "{words}: {error:?}");
        }
    }
}
