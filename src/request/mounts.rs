// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is asked of the mounts of root and usr.
//!
//! **In:** `ro`, `rw`, `rootflags=`, `rootfstype=`, `mount.usrflags=`, `mount.usrfstype=`.
//! **Out:** [`MountWords`]: flags that take something away, and file systems to be held to.
//! **Refuses:** every other option: no driver gets text from a command line, and nothing becomes
//! laxer than it is without.

use super::verity_options::options;
use super::words::WordError;
use super::{RequestError, single};
use crate::cmdline::Word;
use crate::designator::PartitionDesignator;
use crate::filesystem::FileSystem;
use crate::finding::{Excerpt, Origin};
use crate::image_policy::FileSystemSet;
use crate::policy_file::{Stated, mountable};

/// A mount flag that takes something away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountFlag {
    /// Access times are not kept.
    NoAtime,
    /// Device nodes are no devices. Holds in any case.
    NoDev,
    /// Access times of directories are not kept.
    NoDirAtime,
    /// Nothing can be run.
    NoExec,
    /// Set-user-ID and file capabilities do nothing.
    NoSuid,
    /// Symbolic links are not followed.
    NoSymFollow,
    /// Access times are kept roughly.
    RelAtime,
}

/// What is asked of one mount.
#[derive(Clone, Debug, Default)]
pub struct MountWords {
    /// What it shall do without.
    pub flags: Vec<MountFlag>,
    /// Whether it can be written to, where that is said, and the word that says so.
    pub writable: Option<(bool, String)>,
    /// The file systems it may be of, where that is said.
    pub filesystems: Option<Stated<FileSystemSet>>,
}

/// What is asked of the root.
pub(super) fn root(words: &[Word]) -> Result<MountWords, RequestError> {
    let mut asked = MountWords::default();
    for (key, writable) in [("ro", false), ("rw", true)] {
        if let Some(word) = words.iter().find(|it| it.key == key && it.value.is_none()) {
            asked.write((writable, word))?;
        }
    }
    asked.read(words, "rootflags", ("rootfstype", PartitionDesignator::Root))?;
    Ok(asked)
}

/// What is asked of usr.
pub(super) fn usr(words: &[Word]) -> Result<MountWords, RequestError> {
    let mut asked = MountWords::default();
    asked.read(words, "mount.usrflags", ("mount.usrfstype", PartitionDesignator::Usr))?;
    Ok(asked)
}

impl MountWords {
    fn write(&mut self, (writable, word): (bool, &Word)) -> Result<(), RequestError> {
        match &self.writable {
            Some((earlier, _)) if *earlier != writable => {
                Err(RequestError::Conflict { word: word.shown() })
            }
            Some(_) => Ok(()),
            None => {
                self.writable = Some((writable, word.shown()));
                Ok(())
            }
        }
    }

    fn read(
        &mut self,
        words: &[Word],
        flags: &str,
        (types, designator): (&str, PartitionDesignator),
    ) -> Result<(), RequestError> {
        if let Some(word) = single(words, flags)? {
            for (option, span) in options(word) {
                let excerpt = Excerpt { text: word.plain(), span };
                match option.as_str() {
                    "ro" => self.write((false, word))?,
                    "rw" => self.write((true, word))?,
                    "defaults" => (),
                    other => self.flags.push(flag(other).ok_or(WordError::Refused {
                        reason: "no mount option that can only take something away",
                        excerpt,
                    })?),
                }
            }
        }
        if let Some(word) = single(words, types)? {
            let mut set = FileSystemSet::EMPTY;
            for (name, span) in options(word) {
                let one = FileSystem::from_name(&name).map(|it| FileSystemSet::from_iter([it]));
                let known =
                    one.filter(|it| mountable(designator).is_some_and(|all| it.is_subset(all)));
                let excerpt = Excerpt { text: word.plain(), span };
                let reason = "no file system that is mounted here";
                set = set.union(known.ok_or(WordError::Refused { reason, excerpt })?);
            }
            self.filesystems =
                Some(Stated { value: set, origin: Origin::KernelWord(word.shown()) });
        }
        Ok(())
    }
}

fn flag(option: &str) -> Option<MountFlag> {
    match option {
        "noatime" => Some(MountFlag::NoAtime),
        "nodev" => Some(MountFlag::NoDev),
        "nodiratime" => Some(MountFlag::NoDirAtime),
        "noexec" => Some(MountFlag::NoExec),
        "nosuid" => Some(MountFlag::NoSuid),
        "nosymfollow" => Some(MountFlag::NoSymFollow),
        "relatime" => Some(MountFlag::RelAtime),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;

    fn root_of(text: &str) -> Result<MountWords, RequestError> {
        root(&words(text).unwrap())
    }

    #[test]
    fn flags_only_take_away() {
        let asked =
            root_of("ro rootflags=ro,noatime,nosuid,defaults rootfstype=erofs,ext4").unwrap();
        assert_eq!(asked.flags, [MountFlag::NoAtime, MountFlag::NoSuid]);
        assert_eq!(asked.writable.map(|it| it.0), Some(false));
        let both = FileSystemSet::from_iter([FileSystem::Erofs, FileSystem::Ext4]);
        assert_eq!(asked.filesystems.map(|it| it.value), Some(both));
        assert_eq!(root_of("rw").unwrap().writable.map(|it| it.0), Some(true));
        assert_eq!(root_of("quiet").unwrap().writable, None);
        let asked = usr(&words("mount.usrflags=nodev").unwrap()).unwrap();
        assert_eq!(asked.flags, [MountFlag::NoDev]);
    }

    #[test]
    fn refuses_what_could_weaken_and_contradictions() {
        for option in [
            "dev",
            "suid",
            "exec",
            "",
            "subvol=/evil",
            "data=journal",
            "context=x",
            "noload",
            "rescue=all",
            "x-systemd.makefs",
            "loop",
            "bind",
            "remount",
            "user",
        ] {
            let error = root_of(&format!("rootflags=ro,{option}")).unwrap_err();
            let RequestError::Word(error) = error else { panic!("{option}: {error:?}") };
            assert_eq!(error.excerpt().culprit(), option);
        }
        for text in ["ro rw", "ro rootflags=rw", "rootflags=ro,rw", "rootflags=ro rootflags=nodev"]
        {
            assert!(matches!(root_of(text), Err(RequestError::Conflict { .. })), "{text}");
        }
        for text in ["rootfstype=nfs", "rootfstype=", "rootfstype=erofs,auto", "rootfstype=vfat"] {
            assert!(matches!(root_of(text), Err(RequestError::Word(_))), "{text}");
        }
    }
}
