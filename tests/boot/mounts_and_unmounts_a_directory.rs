// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! An image at a directory: read-only, on devices that go with it, and never over something else.

use veriroot_test_support::ddi::Ddi;

use crate::exposure::{Exposure, assert_lines, outcome, shown};

/// The genuine image, all the way.
pub(crate) const MOUNT: Exposure = Exposure {
    name: "mount",
    image: || Ddi::builder().build(),
    extra: None,
    policy: "",
    words: "",
    script: "\
mkdir -p /tmp/m/other && ln -s m /tmp/link && : > /tmp/file
veriroot mount @url@ /tmp/m; echo \"MOUNTED $?\"
grep /tmp/m /proc/mounts; cat /tmp/m/etc/os-release
ls /dev/mapper/mount-* 2>/dev/null && echo LINKED
veriroot mount @url@ /tmp/link; echo \"TAKEN $?\"
veriroot mount @url@ /tmp/file; echo \"FILE $?\"
veriroot mount @url@ /tmp/absent; echo \"ABSENT $?\"
( cd /tmp/m && veriroot umount /tmp/m; echo \"BUSY $?\" )
veriroot umount /tmp/link; echo \"UNMOUNTED $?\"
dmsetup ls
veriroot umount /tmp/m; echo \"NOTHING $?\"
mount -t tmpfs veriroot /tmp/m; veriroot umount /tmp/m; echo \"FOREIGN $?\"; umount /tmp/m
veriroot mount @url@ /tmp/m && umount /tmp/m && dmsetup ls && echo BY-HAND
rm -r /tmp/m /tmp/link /tmp/file
",
};

/// The same with one bit of the hash tree flipped.
pub(crate) const FLIPPED: Exposure = Exposure {
    name: "mount-flipped",
    image: || Ddi::builder().build().flip_bit("root-verity", 5000, 3),
    script: "mkdir -p /tmp/m; veriroot mount @url@ /tmp/m; echo \"REFUSED-WITH $?\"\n",
    ..MOUNT
};

#[test]
fn mounts_and_unmounts_a_directory() {
    let console = shown(&MOUNT);
    let lines = [
        "MOUNTED 0",
        "/dev/dm-0 /tmp/m erofs ro,nodev",
        "ID=fixture",
        "TAKEN 30",
        "FILE 30",
        "ABSENT 30",
        "BUSY 30",
        "UNMOUNTED 0",
        "NOTHING 2",
        "FOREIGN 30",
        "BY-HAND",
    ];
    assert_lines(console, &lines);
    assert!(!console.contains("LINKED"), "{console}");
    assert_eq!(console.matches("No devices found").count(), 2, "{console}");
}

#[test]
fn mounts_nothing_that_a_boot_would_refuse() {
    let outcome = outcome(&FLIPPED);
    assert_lines(&outcome.console, &["REFUSED-WITH 22"]);
    assert_eq!(outcome.exposed, [""; 0], "{}", outcome.console);
}
