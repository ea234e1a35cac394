// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What was decided can be read after the boot, also by programs and also where the boot was killed;
//! and a boot that was killed leaves nothing behind.

use serde_json::{Value, json};
use veriroot::finding::{Class, Stage};
use veriroot_test_support::guest::Outcome;

use crate::demands::{Demand, assert_refused, outcome};

/// The genuine image.
pub(crate) const ACCEPTED: Demand = Demand {
    name: "record-accepted",
    policy: "[boot]\nhold = \"1s\"\ndeadline = \"1h\"\n",
    script: "\
veriroot boot && echo ROOT-MOUNTED
printf 'RECORD %s\\n' \"$(cat /run/veriroot/boot.json)\"
stat -c 'MODE %a %n' /run/veriroot /run/veriroot/boot.json
umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*; rm -r /run/veriroot
",
};

/// The same, too old by the policy.
pub(crate) const REFUSED: Demand = Demand {
    name: "record-refused",
    policy: "[trust]\nminimum-version = \"9999\"\n[boot]\non-refusal = \"danger-shell\"\nhold = \"1s\"\n",
    script: "\
veriroot boot; echo CODE $?
printf 'RECORD %s\\n' \"$(cat /run/veriroot/boot.json)\"
",
};

/// A limit of the system ends the process that boots, by a signal, while it stores the image.
pub(crate) const KILLED: Demand = Demand {
    name: "killed",
    policy: "[boot]\non-refusal = \"danger-shell\"\nhold = \"1s\"\n",
    script: "\
( ulimit -f 128; veriroot boot; echo CODE $? )
printf 'RECORD %s\\n' \"$(cat /run/veriroot/boot.json)\"
",
};

/// Killed when the device is there already. The process is the first one that the boot starts, so
/// its number is the next one; where the boot was faster, it is tried again.
pub(crate) const KILLED_LATE: Demand = Demand {
    name: "killed-late",
    policy: "[boot]\non-refusal = \"danger-shell\"\nhold = \"1s\"\n",
    script: "\
for attempt in 1 2 3 4 5 6 7 8; do
    veriroot boot & boot=$!
    while [ ! -e /sys/block/dm-0 ] && kill -0 $boot 2> /dev/null; do :; done
    kill -KILL $((boot + 1))
    wait $boot && code=0 || code=$?
    if [ $code = 30 ]; then echo TAKEN-BACK; break; fi
    umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*
done
",
};

/// A policy that no boot can meet.
pub(crate) const LATE: Demand = Demand {
    name: "deadline",
    policy: "[boot]\non-refusal = \"danger-shell\"\nhold = \"1s\"\ndeadline = \"1ms\"\n",
    script: "veriroot boot; echo CODE $?\n",
};

fn record(demand: &Demand) -> Value {
    let console = &outcome(demand).console;
    let line = console.lines().find_map(|line| line.strip_prefix("RECORD "));
    serde_json::from_str(line.unwrap_or_default()).unwrap_or_default()
}

#[test]
fn keeps_a_record_of_an_accepted_boot() {
    let Outcome { console, kernel, .. } = outcome(&ACCEPTED);
    assert!(console.contains("ROOT-MOUNTED\n"), "{console}");
    for mode in ["MODE 755 /run/veriroot\n", "MODE 644 /run/veriroot/boot.json\n"] {
        assert!(console.contains(mode), "no {mode}:\n{console}");
    }
    // There is no journal in this initrd, so the kernel is told.
    assert!(kernel.contains("veriroot: boot accepted: http://10.0.2.2:"), "{kernel}");
    let record = record(&ACCEPTED);
    assert_eq!((&record["verdict"], &record["version"]), (&json!("accepted"), &json!(1)));
    assert_eq!(record.get("class"), None);
    let audit = &record["images"][0]["audit"];
    assert_eq!((&audit["verdict"], &audit["mode"]), (&json!("accepted"), &json!("ranged")));
    assert_eq!(audit["partitions"][0]["designator"], "root");
    assert!(audit["partitions"][0]["signer"].as_str().is_some_and(|it| !it.is_empty()));
}

#[test]
fn keeps_a_record_of_a_refused_boot() {
    let console = assert_refused(&REFUSED, Stage::Expose, Class::Rollback);
    assert!(console.contains("CODE 21\n"), "{console}");
    let record = record(&REFUSED);
    assert_eq!((&record["verdict"], &record["class"]), (&json!("refused"), &json!("rollback")));
    assert_eq!(record["finding"]["id"], "expose-version");
    let by = record["finding"]["required-by"].as_str();
    assert!(by.is_some_and(|it| it.ends_with("policy.toml:2")), "{by:?}");
    assert_eq!(record["images"][0]["audit"]["verdict"], "refused");
}

#[test]
fn refuses_a_boot_that_is_ended_by_a_signal() {
    let console = assert_refused(&KILLED, Stage::Boot, Class::Dev);
    assert!(console.contains("(SIGXFSZ)") && console.contains("CODE 30\n"), "{console}");
    let record = record(&KILLED);
    assert_eq!((&record["verdict"], &record["class"]), (&json!("refused"), &json!("dev")));
    assert_eq!(record["finding"]["id"], "boot-killed");
}

#[test]
fn takes_back_what_a_killed_boot_made() {
    let console = assert_refused(&KILLED_LATE, Stage::Boot, Class::Dev);
    assert!(console.contains("TAKEN-BACK\n") && console.contains("(SIGKILL)"), "{console}");
}

#[test]
fn refuses_a_boot_that_takes_too_long() {
    let console = assert_refused(&LATE, Stage::Boot, Class::Net);
    assert!(console.contains("boot-deadline") && console.contains("CODE 10\n"), "{console}");
}
