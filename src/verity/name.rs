// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What devices are called, and how they are known again.
//!
//! **In:** names that people give to images. **Out:** names and UUIDs for device-mapper: `root` and
//! `usr` for the machine itself, `NAME-root` for every other image; a UUID that says who made the
//! device. **Refuses:** names that could be read as something else.
//!
//! The UUID of a verity device begins as cryptsetup's do, so that its tools know what it is, and
//! ends in a mark before the device's name. cryptsetup writes the name alone there, so no other
//! program's device has the mark.

use data_encoding::HEXLOWER;
use openssl::sha::sha256;
use uuid::Uuid;

use crate::designator::PartitionDesignator;
use crate::limits;
use crate::purpose::Purpose;

/// What stands before the name in the UUID of every device of ours.
const MARK: &str = "veriroot-";

/// Of devices under dm-verity, as cryptsetup writes it.
const VERITY: &str = "CRYPT-VERITY-";

/// Of devices that policy opens.
const OPEN: &str = "VERIROOT-OPEN-";

/// What the devices of one image are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNames(Option<String>);

/// A name that devices can't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a name for devices: up to {} letters, digits and _ . + -, the first a letter or digit",
    limits::DEVICE_NAME
)]
pub struct NameError;

impl DeviceNames {
    /// `root`, `usr`: the machine's own.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// `NAME-root`, `NAME-usr`.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn of(name: &str) -> Result<Self, NameError> {
        if is_plain(name) { Ok(Self(Some(name.to_owned()))) } else { Err(NameError) }
    }

    /// `sysext-NAME-root`: another one for each class and name; a digest stands for names that a
    /// device can't have.
    #[must_use]
    pub fn of_extension(purpose: Purpose, name: &str) -> Self {
        let plain = format!("{purpose}-{name}");
        if is_plain(&plain) {
            return Self(Some(plain));
        }
        Self(Some(format!("{purpose}-{}", digest(name))))
    }

    /// The devices of a mount: its place is their name, so that each place has its own.
    #[must_use]
    pub fn of_place(path: &str) -> Self {
        Self(Some(format!("mount-{}", digest(path))))
    }

    /// The name of one partition's device.
    #[must_use]
    pub fn device(&self, designator: PartitionDesignator) -> String {
        match &self.0 {
            None => designator.name().to_owned(),
            Some(name) => format!("{name}-{designator}"),
        }
    }

    /// Whether these are the machine's own.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.is_none()
    }
}

/// The first 64 bits of a text's SHA-256, hex: names have to differ, nothing rests on them.
fn digest(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    HEXLOWER.encode(digest.get(..8).unwrap_or_default())
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
    name.len() <= limits::DEVICE_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
}

/// The UUID of a device under dm-verity.
pub(super) fn verity_uuid(superblock: Uuid, device: &str) -> String {
    format!("{VERITY}{}-{MARK}{device}", superblock.simple())
}

/// The UUID of a device that policy opens.
pub(super) fn open_uuid(device: &str) -> String {
    format!("{OPEN}{MARK}{device}")
}

/// Whether a device's UUID is one that this program gives to a device of that name.
#[must_use]
pub fn is_ours(device: &str, uuid: &str) -> bool {
    let verity = || {
        let (superblock, rest) = uuid.strip_prefix(VERITY)?.split_at_checked(32)?;
        let hex = superblock.bytes().all(|it| it.is_ascii_hexdigit());
        hex.then(|| rest.strip_prefix('-')).flatten()
    };
    let rest = uuid.strip_prefix(OPEN).or_else(verity);
    rest.and_then(|it| it.strip_prefix(MARK)) == Some(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_names_of_its_own() {
        let root = PartitionDesignator::Root;
        assert_eq!(DeviceNames::system().device(root), "root");
        assert_eq!(DeviceNames::of("a.b_c-1").unwrap().device(root), "a.b_c-1-root");
        let sysext = |name| DeviceNames::of_extension(Purpose::Sysext, name).device(root);
        assert_eq!(sysext("tools"), "sysext-tools-root");
        let long = "x".repeat(200);
        let (space, long) = (sysext("a b"), sysext(&long));
        assert!(space != long && space != sysext("a  b"));
        for name in [space, long] {
            let digest = name.strip_prefix("sysext-").and_then(|it| it.strip_suffix("-root"));
            assert_eq!(digest.map(str::len), Some(16), "{name}");
        }
        assert_ne!(
            DeviceNames::of_extension(Purpose::Confext, "tools"),
            DeviceNames::of_extension(Purpose::Sysext, "tools")
        );
        assert_ne!(DeviceNames::of_place("/a"), DeviceNames::of_place("/b"));
    }

    #[test]
    fn refuses_names_that_could_be_read_as_something_else() {
        let long = "x".repeat(limits::DEVICE_NAME + 1);
        for name in ["", "-x", ".x", "a/b", "a b", "a\n", "\u{e9}", "..", &long] {
            assert_eq!(DeviceNames::of(name), Err(NameError), "{name}");
        }
        // The longest name with the longest designator is a UUID that device-mapper takes.
        let longest = DeviceNames::of(&"x".repeat(limits::DEVICE_NAME)).unwrap();
        let device = longest.device(PartitionDesignator::RootVeritySig);
        assert!(verity_uuid(Uuid::nil(), &device).len() <= 128);
    }

    #[test]
    fn only_our_own_devices_are_known_again() {
        for uuid in [verity_uuid(Uuid::from_u128(7), "root"), open_uuid("root")] {
            assert!(is_ours("root", &uuid), "{uuid}");
            assert!(!is_ours("usr", &uuid), "{uuid}");
        }
        let other = "CRYPT-VERITY-00000000000000000000000000000007-";
        for uuid in [
            "",
            "veriroot-root",
            "LVM-veriroot-root",
            &format!("{other}root"),
            // What veritysetup writes for a device called so.
            &format!("{other}veriroot-veriroot-root"),
            &format!("{other}xveriroot-root"),
            "CRYPT-VERITY--veriroot-root",
            "CRYPT-VERITY-zz000000000000000000000000000007-veriroot-root",
        ] {
            assert!(!is_ours("root", uuid), "{uuid}");
        }
    }
}
