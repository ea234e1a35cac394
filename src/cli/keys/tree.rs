// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The tree of an unpacked initrd.
//!
//! **In:** paths as a boot has them, and the directory its initrd was unpacked into. **Out:** the
//! same files, as seen from here. **Refuses:** links that a boot would follow to another file.

use std::fs;
use std::path::{Path, PathBuf};

use veriroot::finding::{Finding, Origin};
use veriroot::listing;
use veriroot::policy_file::Trust;

use super::{fault, shown};

/// Where the tree is; `None` for the running system.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a>(pub(super) Option<&'a Path>);

impl Tree<'_> {
    /// Where these places of the tree are from here.
    pub(super) fn places(self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|it| self.place(it)).collect()
    }

    fn place(self, path: &Path) -> PathBuf {
        match self.0 {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// What a policy of the tree says of trust. What a program option names stays where it is.
    pub(super) fn moved(self, trust: &Trust) -> Trust {
        let mut trust = trust.clone();
        if let Some(certificates) = &mut trust.certificates
            && !matches!(certificates.origin, Origin::ProgramOption(_))
        {
            certificates.value = self.places(&certificates.value);
        }
        for signer in &mut trust.signers {
            signer.value.certificate = self.place(&signer.value.certificate);
        }
        trust
    }

    /// A fault for each path that is a link out of the tree.
    pub(super) fn strays(self, paths: impl Iterator<Item = PathBuf>) -> Vec<Finding> {
        let Some(Ok(root)) = self.0.map(fs::canonicalize) else { return Vec::new() };
        let stray = |path: PathBuf| {
            // Whoever reads a broken link says what is wrong with it.
            let real = fs::canonicalize(&path).ok()?;
            (!real.starts_with(&root) && real != Path::new("/dev/null")).then(|| {
                let found = format!("{} leads out of the tree, to {}", shown(&path), shown(&real));
                fault(found, "files of the tree", "use links that are relative and stay inside")
            })
        };
        paths.filter_map(stray).collect()
    }
}

/// A directory and what is in it.
pub(super) fn with_entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    listing::paths(directory).chain([directory.to_owned()])
}
