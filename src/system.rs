// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Where a boot finds what it was told.
//!
//! **In:** nothing. **Out:** paths of the running system. **Refuses:** nothing.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::checksums;
use crate::expose::Places;
use crate::request::Side;

/// The file system of an initrd that is no tmpfs (linux/magic.h).
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// Where a boot finds what it was told. The default is the running system.
#[derive(Clone, Debug)]
pub struct System {
    /// Which of its words count.
    pub side: Side,
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Directories of policy files, strongest first. /run is not among them: credentials can
    /// write to it.
    pub policy: Vec<PathBuf>,
    /// Directories of trust anchors, strongest first.
    pub anchors: Vec<PathBuf>,
    /// OpenPGP keyrings: of each list the first that exists.
    pub keyrings: Vec<Vec<PathBuf>>,
    /// Directories of credentials, strongest first: they say what to load, and nothing else.
    pub credentials: Vec<PathBuf>,
    /// Directories of encrypted credentials, which nothing here opens.
    pub encrypted_credentials: Vec<PathBuf>,
    /// Where EFI variables are shown.
    pub efivars: PathBuf,
    /// Where the root and the links go.
    pub places: Places,
}

impl Default for System {
    fn default() -> Self {
        let paths = |texts: [&str; 2]| texts.map(PathBuf::from).to_vec();
        Self {
            side: if in_initrd() { Side::Initrd } else { Side::Host },
            cmdline: PathBuf::from("/proc/cmdline"),
            policy: paths(["/etc/veriroot/policy.d", "/usr/lib/veriroot/policy.d"]),
            anchors: paths(["/etc/verity.d", "/usr/lib/verity.d"]),
            keyrings: checksums::built_in(),
            credentials: credentials("CREDENTIALS_DIRECTORY", "/run/credentials/@system"),
            encrypted_credentials: credentials(
                "ENCRYPTED_CREDENTIALS_DIRECTORY",
                "/run/credentials/@encrypted",
            ),
            efivars: PathBuf::from("/sys/firmware/efi/efivars"),
            places: Places::default(),
        }
    }
}

/// Whether this system is an initrd: by the file in which it says so (os-release(5)), or by a root
/// that the kernel unpacked it into. A plain initrd has no such file.
fn in_initrd() -> bool {
    let unpacked =
        statfs("/").is_ok_and(|root| [RAMFS_MAGIC, TMPFS_MAGIC].contains(&root.filesystem_type()));
    unpacked || Path::new("/etc/initrd-release").exists()
}

/// A unit's own credentials, then those of the system.
fn credentials(variable: &str, of_system: &str) -> Vec<PathBuf> {
    std::env::var_os(variable).into_iter().map(PathBuf::from).chain([of_system.into()]).collect()
}
