// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A system that is a usr alone: the root is a directory in memory, and everything below /usr comes
//! through dm-verity.

use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::exposure::{BOOT, Exposure, SHOW, assert_lines, assert_refused, shown};

fn usr() -> Volume {
    Volume::new(Erofs::usr_tree(200 * 4096).directory("sbin", 0o755).build())
}

fn of(volume: Volume) -> Image {
    Ddi::empty().volume("usr", volume).build()
}

/// The genuine image.
pub(crate) const USR: Exposure = Exposure {
    name: "usr",
    image: || of(usr()),
    extra: None,
    policy: "image-policy = \"usr=signed:=ignore\"\n[boot]\nhold = \"1s\"\n",
    words: "",
    script: SHOW,
};
/// Mounts that shall do without more than they do in any case.
pub(crate) const FLAGS: Exposure = Exposure {
    name: "usr-flags",
    words: "rootflags=nosuid,noexec mount.usrflags=nosuid,noatime",
    ..USR
};
/// The policy of an image that has a root.
pub(crate) const ROOT_WANTED: Exposure =
    Exposure { name: "usr-root-wanted", policy: "", script: BOOT, ..USR };
/// One bit of the data.
pub(crate) const FLIPPED: Exposure = Exposure {
    name: "usr-flipped",
    image: || of(usr()).flip_bit("usr", 5000, 3),
    script: BOOT,
    ..USR
};
/// A stranger's signature.
pub(crate) const STRANGER: Exposure =
    Exposure { name: "usr-stranger", image: || of(usr().signed_by(&keys::stranger())), ..FLIPPED };
/// No signature.
pub(crate) const STRIPPED: Exposure =
    Exposure { name: "usr-stripped", image: || of(usr()).remove("usr-verity-sig"), ..FLIPPED };
/// A system extension, signed by the right key, that the table calls a usr.
pub(crate) const EXTENSION: Exposure = Exposure {
    name: "usr-extension",
    image: || {
        let release = "lib/extension-release.d/extension-release.tools";
        of(Volume::new(Erofs::usr_tree(4096).file(release, 0o644, "ID=_any\n").build()))
    },
    ..FLIPPED
};

#[test]
fn boots_usr_without_root() {
    let lines = [
        "ROOT-MOUNTED",
        "SHOW-MOUNT veriroot /sysroot tmpfs rw,nodev,relatime,size=",
        "SHOW-MOUNT /dev/dm-0 /sysroot/usr erofs ro,nodev",
        "SHOW-LINK usr -> /dev/dm-0",
        "SHOW-LINK image.raw-part1 -> /dev/dm-0",
    ];
    assert_lines(shown(&USR), &lines);
}

#[test]
fn mounts_do_without_what_the_command_line_takes_away() {
    let lines = [
        "SHOW-MOUNT veriroot /sysroot tmpfs rw,nosuid,nodev,noexec,relatime,size=",
        "SHOW-MOUNT /dev/dm-0 /sysroot/usr erofs ro,nosuid,nodev,noatime",
    ];
    assert_lines(shown(&FLAGS), &lines);
}

#[test]
fn refuses_usr_that_is_not_what_was_signed() {
    assert_refused(&ROOT_WANTED, Stage::Policy, Class::Policy);
    assert_refused(&FLIPPED, Stage::Fetch, Class::Verity);
    assert_refused(&STRANGER, Stage::Authenticate, Class::Sig);
    assert_refused(&STRIPPED, Stage::Policy, Class::Policy);
    let console = assert_refused(&EXTENSION, Stage::Expose, Class::Policy);
    assert!(console.contains("the extension \"tools\""), "{console}");
}
