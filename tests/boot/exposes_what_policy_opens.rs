// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partitions that nobody vouches for: with a line of policy that opens them they are mounted, with
//! less than a root, and said so loudly; without one they are not even a device.

use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::{Ddi, Image, READ_ONLY, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::fat;

use crate::exposure::{BOOT, Exposure, SHOW, assert_lines, assert_refused, shown};

/// A signed root, and partitions that nothing protects. Home is read-only by its bit.
fn house(directories: &[&str]) -> Image {
    let open = Image::from_zst_fixture("full-house");
    let tree = Erofs::root_tree(200 * 4096).file("etc/note", 0o644, "signed\n");
    let tree = directories.iter().fold(tree, |tree, path| tree.directory(path, 0o755));
    let mut ddi = Ddi::empty().volume("root", Volume::new(tree.build()));
    for name in ["home", "var"] {
        ddi = ddi.partition(name, open.content(name).to_vec());
    }
    for name in ["esp", "xbootldr"] {
        ddi = ddi.partition(name, fat::empty());
    }
    ddi.build().set_attributes("home", READ_ONLY)
}

/// Opened.
pub(crate) const OPEN: Exposure = Exposure {
    name: "open",
    image: || house(&["home", "boot", "efi"]),
    extra: None,
    policy: "\
image-policy = \"root=signed:home=unprotected:var=unprotected:esp=unprotected:xbootldr=unprotected:=ignore\"
[boot]
hold = \"1s\"
",
    words: "",
    script: SHOW,
};
/// The same image where only the root is used.
pub(crate) const CLOSED: Exposure = Exposure { name: "open-closed", policy: "", ..OPEN };
/// The same policy, and an image without a directory for the ESP.
pub(crate) const NOWHERE: Exposure =
    Exposure { name: "open-nowhere", image: || house(&["home", "boot"]), script: BOOT, ..OPEN };
/// An image with a link in the place of a directory.
pub(crate) const LINK: Exposure = Exposure {
    name: "open-link",
    image: || {
        let open = Image::from_zst_fixture("full-house");
        let tree = Erofs::root_tree(4096).symlink("home", "/run");
        let ddi = Ddi::empty().volume("root", Volume::new(tree.build()));
        ddi.partition("home", open.content("home").to_vec()).build()
    },
    policy: "image-policy = \"root=signed:home=unprotected:=ignore\"\n[boot]\nhold = \"1s\"\n",
    script: BOOT,
    ..OPEN
};

#[test]
fn exposes_what_policy_opens() {
    let console = shown(&OPEN);
    let lines = [
        "SHOW-MOUNT /dev/dm-0 /sysroot erofs ro,nodev",
        "SHOW-MOUNT /dev/dm-1 /sysroot/home ext4 ro,nosuid,nodev,relatime,norecovery",
        "SHOW-LINK home -> /dev/dm-1",
        "VAR-TAKES-WRITES",
        "HOME-DOES-NOT",
        "PARTSCAN 0",
    ];
    assert_lines(console, &lines);
    for (place, options) in [
        ("/sysroot/efi vfat", "rw,nosuid,nodev,noexec"),
        ("/sysroot/boot vfat", "rw,nosuid,nodev,noexec"),
        ("/sysroot/var ext4", "rw,nosuid,nodev"),
    ] {
        let line = console.lines().find(|it| it.contains(place));
        assert!(line.is_some_and(|it| it.contains(options)), "{place} {options}:\n{console}");
    }
    assert_eq!(console.matches("UNPROTECTED: nobody vouches for").count(), 4, "{console}");
    assert!(console.contains("policy.toml:1"), "{console}");
    // By designator and by loop ref only what was authenticated.
    assert_eq!(console.matches("SHOW-LINK root -> /dev/dm-0").count(), 2, "{console}");
    assert_eq!(console.matches("SHOW-LINK home").count(), 1, "{console}");
}

#[test]
fn makes_no_device_of_what_no_policy_opens() {
    let console = shown(&CLOSED);
    assert_eq!(console.matches("\nLOOP\n").count(), 0, "{console}");
    assert!(!console.contains("UNPROTECTED") && !console.contains("dm-1"), "{console}");
    assert_eq!(console.matches("SHOW-MOUNT").count(), 1, "{console}");
}

#[test]
fn refuses_partition_that_the_image_has_no_place_for() {
    let console = assert_refused(&NOWHERE, Stage::Expose, Class::Dev);
    assert!(console.contains("/sysroot/efi"), "{console}");
    let console = assert_refused(&LINK, Stage::Expose, Class::Dev);
    assert!(console.contains("/sysroot/home"), "{console}");
}
