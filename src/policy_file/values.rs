// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The values a policy file can state.
//!
//! **In:** words of a policy file. **Out:** typed values. Where one value is stricter than
//! another, it is the greater one. **Refuses:** sizes, durations and revocations that are not
//! exactly of their form.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::FileFault;
use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::finding::Origin;
use crate::limits;
use crate::purpose::Purpose;

/// A value, and who stated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated<T> {
    /// The value.
    pub value: T,
    /// The line of a file, or the built-in policy.
    pub origin: Origin,
}

impl<T> Stated<T> {
    /// What holds where no file says otherwise.
    pub(super) fn built_in(value: T) -> Self {
        Self { value, origin: Origin::BuiltIn }
    }
}

/// Whether dm-verity is handed the signature too, for the kernel to judge by its own keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelKeyring {
    /// Our judgement alone.
    Off,
    /// Both; there is no retry without the signature.
    Require,
}

/// What the kernel command line is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandLine {
    /// It came with a signed kernel image: pins there may replace signatures.
    Authenticated,
    /// Anybody may have written it: it can only tighten.
    Untrusted,
}

/// What an archive must show before it is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveAuthentication {
    /// Nothing. Whoever answers for the URL owns the machine.
    DangerNone,
    /// A checksum that the machine was told.
    ChecksumPin,
    /// A list of checksums that a key of the OpenPGP keyrings signed.
    SignedList,
    /// A signature over the whole file.
    Signature,
}

/// What dm-verity does about a block that does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnCorruption {
    /// The read fails.
    Eio,
    /// The machine restarts.
    Restart,
    /// The kernel panics.
    Panic,
}

/// What becomes of a machine whose image was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRefusal {
    /// A root shell on the console. Whoever stands there owns the machine.
    DangerShell,
    /// It tries again from the start.
    Reboot,
    /// It stays off.
    Halt,
}

/// What one trust anchor may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Its certificate file.
    pub certificate: PathBuf,
    /// root, usr, archive, classes of extensions, or several of them.
    pub scopes: Vec<SignerScope>,
}

/// What a signature can be over. A key that may sign one of these says nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerScope {
    /// A tar archive as a whole, for the root of this machine.
    Archive,
    /// The root hash of a partition of this machine: root or usr.
    Partition(PartitionDesignator),
    /// Whatever becomes one of [`Purpose::EXTENSIONS`]: the root hash of any partition of an image,
    /// or a tar archive.
    Extension(Purpose),
}

impl SignerScope {
    /// Reads a word of `designators`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == Self::Archive.name() {
            return Some(Self::Archive);
        }
        if let Some(purpose) = Purpose::EXTENSIONS.into_iter().find(|it| it.name() == name) {
            return Some(Self::Extension(purpose));
        }
        let designator = PartitionDesignator::from_name(name)?;
        designator.signature().is_some().then_some(Self::Partition(designator))
    }

    /// What has to be in an anchor's scope for its signature over a root hash to count.
    #[must_use]
    pub fn of(purpose: Purpose, designator: PartitionDesignator) -> Self {
        match purpose {
            Purpose::System => Self::Partition(designator),
            Purpose::Sysext | Purpose::Confext | Purpose::Portable | Purpose::Machine => {
                Self::Extension(purpose)
            }
        }
    }

    /// What has to be in an anchor's scope for its signature over an archive to count.
    #[must_use]
    pub fn of_archive(purpose: Purpose) -> Self {
        match purpose {
            Purpose::System => Self::Archive,
            Purpose::Sysext | Purpose::Confext | Purpose::Portable | Purpose::Machine => {
                Self::Extension(purpose)
            }
        }
    }

    /// That word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Partition(designator) => designator.name(),
            Self::Extension(purpose) => purpose.name(),
        }
    }
}

/// Secrets for one server. They name files; what is in those is read when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Scheme, host and port of the server, `https` only.
    pub origin: String,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// Certificate chain and key that TLS shows the server, each in PEM.
    pub client: Option<(Secret, Secret)>,
}

/// Where a secret is: a file, or a systemd credential of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret(pub String);

/// Reads a size: a number of bytes, or of KiB (`K`), MiB (`M`), GiB (`G`) or TiB (`T`).
/// `None` for everything else, 0 included.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.checked_mul(1_u64.checked_shl(shift)?)
}

/// Reads a duration: a number of `ms`, `s`, `min` or `h`. `None` for everything else, 0 included.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A decimal number above 0, without sign or leading zero, and what follows it.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    if number.starts_with('0') {
        return None;
    }
    Some((number.parse().ok()?, unit))
}

/// An absolute http or https URL of printable ASCII; the network side judges the rest of it.
pub(super) fn is_url(key: &'static str, text: &str) -> Result<(), FileFault> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = text.len() <= limits::URL && text.chars().all(|c| matches!(c, '!'..='~'));
    match rest {
        Some(rest) if plain && !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(FileFault::Value { key, text: escape(text) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_exactly_one_form() {
        let good = [
            ("1", 1),
            ("512K", 512 << 10),
            ("256M", 256 << 20),
            ("16G", 16 << 30),
            ("1T", 1 << 40),
        ];
        for (text, bytes) in good {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in
            ["", "0", "G", "-1", "+1", "016G", "1 G", "1g", "1GiB", "1.5G", "16777216T", "1K1"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_need_their_unit() {
        for (text, seconds) in [("90s", 90), ("2min", 120), ("1h", 3600), ("2000ms", 2)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "90", "s", "-1s", "1m", "1 s", "1min30s", "18446744073709551615h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_stricter_value_is_the_greater_one() {
        assert!(ArchiveAuthentication::Signature > ArchiveAuthentication::SignedList);
        assert!(ArchiveAuthentication::SignedList > ArchiveAuthentication::ChecksumPin);
        assert!(ArchiveAuthentication::ChecksumPin > ArchiveAuthentication::DangerNone);
        assert!(OnRefusal::Halt > OnRefusal::Reboot && OnRefusal::Reboot > OnRefusal::DangerShell);
        assert!(OnCorruption::Restart > OnCorruption::Eio);
        assert!(KernelKeyring::Require > KernelKeyring::Off);
        assert!(CommandLine::Untrusted > CommandLine::Authenticated);
    }
    #[test]
    fn a_scope_is_an_archive_a_partition_that_can_be_signed_or_an_extension() {
        for name in ["archive", "root", "usr", "sysext", "confext", "portable", "machine"] {
            assert_eq!(SignerScope::from_name(name).map(SignerScope::name), Some(name));
        }
        for name in ["", "home", "esp", "root-verity", "system", "Sysext"] {
            assert_eq!(SignerScope::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_key_for_root_is_none_for_an_extension() {
        let root = PartitionDesignator::Root;
        assert_eq!(SignerScope::of(Purpose::System, root), SignerScope::Partition(root));
        for purpose in Purpose::EXTENSIONS {
            assert_eq!(SignerScope::of(purpose, root), SignerScope::Extension(purpose));
        }
    }
}
