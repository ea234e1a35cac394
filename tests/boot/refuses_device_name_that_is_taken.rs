// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A device of our name is there already. It is not taken over, whatever its table says, and not
//! replaced: the boot ends, and the device stays as it was.

use veriroot_test_support::guest::Outcome;

use crate::demands::{Demand, outcome};

/// Somebody else's device, of another target.
pub(crate) const SQUATTED: Demand = Demand {
    name: "name-squatted",
    policy: "[boot]\nhold = \"1s\"\n",
    script: "\
dmsetup create root --table '0 8 error'
unshare -p -f sh -c 'veriroot boot; exit $?'
echo \"SECOND $?\"
[ \"$(dmsetup table root)\" = '0 8 error ' ] && echo INTACT
dmsetup remove root; rm -f /dev/mapper/root
",
};

/// The first boot's device is in the way of the second one, which reboots its own namespace.
pub(crate) const TWICE: Demand = Demand {
    name: "name-taken",
    policy: "[boot]\nhold = \"1s\"\n",
    script: "\
veriroot boot && echo ROOT-MOUNTED
dmsetup table root > /tmp/table && cat /sysroot/usr/lib/os-release > /tmp/root
unshare -p -f sh -c 'veriroot boot; exit $?'
echo \"SECOND $?\"
dmsetup table root | cmp - /tmp/table && cmp /sysroot/usr/lib/os-release /tmp/root && echo INTACT
umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*
",
};

fn assert_left_alone(Outcome { console, exposed, .. }: &Outcome) {
    for text in ["(class dev, exit code 30)", "verity-device", "\nSECOND 129\n", "\nINTACT\n"] {
        assert!(console.contains(text), "no {text}:\n{console}");
    }
    assert_eq!(*exposed, [""; 0], "not taken down:\n{console}");
}

#[test]
fn refuses_device_name_that_is_taken_by_another() {
    assert_left_alone(outcome(&SQUATTED));
}

#[test]
fn refuses_device_name_that_is_taken_by_a_boot() {
    let outcome = outcome(&TWICE);
    let (first, _) = outcome.console.split_once("ROOT-MOUNTED\n").expect("a first boot");
    assert!(!first.contains("REFUSED"), "{first}");
    assert_left_alone(outcome);
}
