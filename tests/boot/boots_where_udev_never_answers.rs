// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! An initrd whose udev has no rules for device-mapper: nobody ever says that an event was handled.
//! Neither a boot nor a refusal waits for it.

use crate::demands::{Demand, outcome, table};

/// Boots.
pub(crate) const BOOT: Demand = Demand {
    name: "udev-boot",
    policy: "[boot]\nhold = \"1s\"\n",
    script: "\
mkdir -p /run/udev && : > /run/udev/control
veriroot boot && echo ROOT-MOUNTED && dmsetup table root
rm /run/udev/control
umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*
",
};

/// Refuses when the device is live already: it has to be removed again.
pub(crate) const REFUSE: Demand = Demand {
    name: "udev-refuse",
    policy: "[trust]\nminimum-version = \"99\"\n[boot]\nhold = \"1s\"\n",
    script: "\
mkdir -p /run/udev && : > /run/udev/control
unshare -p -f sh -c 'veriroot boot; exit $?'
echo \"SECOND $?\"
rm /run/udev/control
",
};

#[test]
fn boots_where_udev_never_answers() {
    assert!(table(&BOOT).contains(" verity "));
}

#[test]
fn refuses_where_udev_never_answers() {
    let ended = outcome(&REFUSE);
    for text in ["(class rollback, exit code 21)", "\nSECOND 129\n"] {
        assert!(ended.console.contains(text), "no {text}:\n{}", ended.console);
    }
    assert_eq!(ended.exposed, [""; 0], "not taken down:\n{}", ended.console);
}
