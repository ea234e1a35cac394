// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! systemd's own generators for what this program does, in an initrd that systemd runs.
//!
//! **In:** the directories that systemd looks for generators in. **Out:** nothing, if none of the
//! rivals would run. **Refuses:** a boot beside one: it would download the same image again, or set
//! up the same names, by rules that ask for less.

use std::fs;
use std::path::{Path, PathBuf};

use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};

/// The generators that download, map or mount what this program does.
pub const GENERATORS: [&str; 3] =
    ["systemd-gpt-auto-generator", "systemd-import-generator", "systemd-veritysetup-generator"];

/// The directories that systemd looks for generators in, strongest first (systemd.generator(7)).
/// systemd looks in /run before all of them, which is left out: what can write there must not
/// be able to say that a rival is masked.
const DIRECTORIES: [&str; 3] = [
    "etc/systemd/system-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/lib/systemd/system-generators",
];

/// Why a boot does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not masked", path.display())]
pub struct RivalError {
    /// The generator that would run.
    pub path: PathBuf,
}

impl Refusal for RivalError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn finding(&self) -> Finding {
        Finding {
            id: "request-rival",
            stage: Stage::Request,
            outcome: Outcome::Failed,
            subject: "initrd".to_owned(),
            expected: "no generator of systemd that downloads, maps or mounts the same image"
                .to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule("one loader per boot"),
            advice: "build the initrd with the link \
                     /etc/systemd/system-generators/NAME -> /dev/null, as the modules in dist/ do"
                .to_owned(),
        }
    }
}

/// The generator of that name that systemd would run below `root`, if it is there and not masked.
#[must_use]
pub fn live(root: &Path, name: &str) -> Option<PathBuf> {
    let mut places = DIRECTORIES.iter().map(|it| root.join(it).join(name));
    places.find(|it| it.symlink_metadata().is_ok()).filter(|it| !is_mask(it))
}

/// Refuses a boot below `root` where systemd runs (`systemd` is there) and has a rival.
///
/// # Errors
/// [`RivalError`] naming the first one.
pub fn refuse(root: &Path, systemd: &Path) -> Result<(), RivalError> {
    if !systemd.exists() {
        return Ok(());
    }
    match GENERATORS.iter().find_map(|name| live(root, name)) {
        None => Ok(()),
        Some(path) => Err(RivalError { path }),
    }
}

/// A link to /dev/null, or an empty file. What can't be looked at is none.
fn is_mask(path: &Path) -> bool {
    let null = fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null"));
    null || fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_rival_counts_unless_it_is_masked() {
        let root = tempfile::tempdir().unwrap();
        let place = |directory: &str| {
            let path = root.path().join(directory).join("systemd-import-generator");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let (systemd, none) = (root.path(), root.path().join("run/systemd/system"));
        assert_eq!(refuse(root.path(), systemd), Ok(()));

        let [mask, _, shipped] = DIRECTORIES.map(place);
        fs::write(&shipped, "ELF").unwrap();
        let refused = Err(RivalError { path: shipped.clone() });
        assert_eq!(refuse(root.path(), systemd), refused);
        assert_eq!(refuse(root.path(), &none), Ok(()), "systemd does not run there");

        symlink("/dev/null", &mask).unwrap();
        assert_eq!(refuse(root.path(), systemd), Ok(()));
        fs::remove_file(&mask).unwrap();
        fs::write(&mask, "").unwrap();
        assert_eq!(refuse(root.path(), systemd), Ok(()));
        fs::write(&mask, "ELF").unwrap();
        assert_eq!(refuse(root.path(), systemd), Err(RivalError { path: mask.clone() }));
        fs::remove_file(&mask).unwrap();
        symlink("/nowhere", &mask).unwrap();
        assert_eq!(refuse(root.path(), systemd), Err(RivalError { path: mask }));

        // A mask that a credential could have put there is none.
        symlink("/dev/null", place("run/systemd/system-generators")).unwrap();
        assert!(refuse(root.path(), systemd).is_err());
    }
}
