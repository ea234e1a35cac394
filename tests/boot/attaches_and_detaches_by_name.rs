// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Devices by hand: the same engine as a boot, a name for each image, and nobody else's device is
//! ever taken away.

use veriroot_test_support::ddi::Ddi;

use crate::exposure::{Exposure, assert_lines, shown};

/// The genuine image, all the way.
pub(crate) const ATTACH: Exposure = Exposure {
    name: "attach",
    image: || Ddi::builder().build(),
    extra: None,
    policy: "",
    words: "",
    script: "\
veriroot attach @url@ tools; echo \"ATTACHED $?\"
dmsetup table tools-root
ls /dev/disk/by-loop-ref | sed 's/^/REF /'
veriroot attach @url@ tools; echo \"AGAIN $?\"
veriroot attach @url@ 'a b'; echo \"NAME $?\"
mkdir -p /tmp/m && mount -t erofs -o ro /dev/mapper/tools-root /tmp/m && cat /tmp/m/etc/os-release
veriroot detach tools; echo \"IN-USE $?\"
umount /tmp/m
veriroot detach tools; echo \"DETACHED $?\"
veriroot detach tools; echo \"NOTHING $?\"
dmsetup create other-root --table '0 8 error'
dmsetup create other-usr --table '0 8 error' -u CRYPT-VERITY-00000000000000000000000000000000-veriroot-other-usr
veriroot detach other; echo \"FOREIGN $?\"
dmsetup remove other-root
veriroot detach other; echo \"FORGED $?\"
dmsetup remove other-usr && echo INTACT
rm -f /dev/mapper/other-*
",
};

/// The same with one bit flipped, with a stranger's signature, and with none.
pub(crate) const FLIPPED: Exposure = Exposure {
    name: "attach-flipped",
    image: || Ddi::builder().build().flip_bit("root", 5000, 3),
    script: "veriroot attach @url@ tools; echo \"REFUSED-WITH $?\"\n",
    ..ATTACH
};
/// A stranger's.
pub(crate) const STRANGER: Exposure = Exposure {
    name: "attach-stranger",
    image: || {
        let stranger = veriroot_test_support::keys::stranger();
        Ddi::builder().change("root", |it| it.signed_by(&stranger)).build()
    },
    ..FLIPPED
};
/// Nobody's.
pub(crate) const STRIPPED: Exposure = Exposure {
    name: "attach-stripped",
    image: || Ddi::builder().build().remove("root-verity-sig"),
    ..FLIPPED
};

#[test]
fn attaches_and_detaches_by_name() {
    let console = shown(&ATTACH);
    let lines = [
        "ATTACHED 0",
        "0 2048 verity 1 7:0 7:1 4096 4096 256 1 sha256 ",
        "REF tools.raw-part1",
        "AGAIN 30",
        "NAME 2",
        "ID=fixture",
        "IN-USE 30",
        "DETACHED 0",
        "NOTHING 2",
        "FOREIGN 30",
        "FORGED 30",
        "INTACT",
    ];
    assert_lines(console, &lines);
}

#[test]
fn attaches_nothing_that_a_boot_would_refuse() {
    for (exposure, code) in [(&FLIPPED, 22), (&STRANGER, 22), (&STRIPPED, 21)] {
        let outcome = crate::exposure::outcome(exposure);
        assert_lines(&outcome.console, &[&format!("REFUSED-WITH {code}")]);
        assert_eq!(outcome.exposed, [""; 0], "{}", outcome.console);
    }
}
