// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A layer in memory above the root, where the policy file asks for one.

use veriroot_test_support::ddi::Ddi;

use crate::exposure::{Exposure, SHOW, assert_lines, shown};

/// With it.
pub(crate) const OVERLAY: Exposure = Exposure {
    name: "overlay",
    image: || Ddi::builder().build(),
    extra: None,
    policy: "[boot]\noverlay = true\nhold = \"1s\"\n",
    words: "",
    script: "\
veriroot boot || exit $?
grep sysroot /proc/mounts
echo new > /sysroot/etc/note && cat /sysroot/etc/note /sysroot/etc/os-release
ls /run/veriroot; dmsetup info -c --noheadings -o open root | sed 's/^/OPEN /'
umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*
",
};
/// Without.
pub(crate) const PLAIN: Exposure = Exposure {
    name: "overlay-plain",
    policy: "[boot]\noverlay = false\nhold = \"1s\"\n",
    script: SHOW,
    ..OVERLAY
};

#[test]
fn boots_root_that_takes_writes() {
    let console = shown(&OVERLAY);
    assert_lines(console, &["veriroot /sysroot overlay rw,nodev", "new", "ID=fixture", "OPEN 1"]);
    assert!(!console.lines().any(|it| it == "overlay"), "{console}");
    assert_lines(shown(&PLAIN), &["SHOW-MOUNT /dev/dm-0 /sysroot erofs ro,nodev"]);
}
