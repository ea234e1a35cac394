// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A fault at every call: of each kind of call that makes something, the first fails once, then the
//! second, and so on. Whatever fails, the boot ends in a refusal that leaves nothing, or it got over
//! the fault and everything is in its place.

use std::time::Duration;

use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;

use crate::exposure::{Exposure, run};

/// A root with an open partition, an extension, and a layer for writes: every kind of step.
const FAULTS: Exposure = Exposure {
    name: "faults",
    image: || {
        let tree = Erofs::root_tree(4096).directory("home", 0o755);
        let home = Image::from_zst_fixture("root-erofs-plain").content("root").to_vec();
        Ddi::empty().volume("root", Volume::new(tree.build())).partition("home", home).build()
    },
    extra: Some(|| {
        let release = "lib/extension-release.d/extension-release.tools";
        let tree = Erofs::new().file(release, 0o644, "ID=_any\n");
        Ddi::empty().volume("usr", Volume::new(tree.build())).build()
    }),
    policy: "\
image-policy = \"root=signed:home=unprotected:=ignore\"
[boot]
overlay = true
on-refusal = \"danger-shell\"
hold = \"1ms\"
",
    words: "root=dissect rd.systemd.pull=raw,sysext,verify=no:tools:@extra@",
    script: "\
there() {
    dmsetup ls | grep -v 'No devices'; losetup -a
    grep -e sysroot -e /run/ /proc/mounts
    find /dev/mapper /dev/disk /run/extensions /run/veriroot ! -name control 2>/dev/null | grep -v -x -e /dev/mapper -e '/dev/disk\\(/by-[a-z-]*\\)*' -e /run/extensions -e /run/veriroot -e /run/veriroot/devices
}
down() {
    for point in $(grep -o -e '/sysroot[^ ]*' -e '/run/[^ ]*' /proc/mounts | sort -r); do umount $point; done
    dmsetup remove_all; rm -rf /run/extensions/* /run/veriroot /dev/mapper/[!c]* /dev/disk
}
for call in ioctl fsmount move_mount symlink; do
    strace -f -qq -o /tmp/trace -e trace=$call -e signal=none veriroot boot > /tmp/out 2>&1 || { echo BROKEN; cat /tmp/out; exit 1; }
    count=$(grep -c \"$call(\" /tmp/trace); down
    k=0; refused=0; passed=0
    while [ $k -lt $count ]; do
        k=$((k + 1))
        if strace -f -qq -o /dev/null -e trace=$call -e inject=$call:error=EIO:when=$k veriroot boot > /tmp/out 2>&1; then
            passed=$((passed + 1)); down
        else
            refused=$((refused + 1)); grep -q '^REFUSED' /tmp/out || echo \"SILENT $call $k\"
        fi
        there > /tmp/left; [ -s /tmp/left ] && { echo \"LEFT $call $k\"; cat /tmp/left; down; }
    done
    echo \"FAULTS $call $refused refused, $passed passed\"
done
",
};

/// How long all of it may take: some hundred boots.
const LIMIT: Duration = Duration::from_secs(1200);

#[test]
#[ignore = "a hundred boots: minutes on an idle machine, run by name"]
fn takes_everything_back_whatever_fails() {
    let outcomes = run(&[&FAULTS], LIMIT);
    let outcome = outcomes.of(FAULTS.name);
    let console = &outcome.console;
    for word in ["LEFT", "SILENT", "BROKEN"] {
        assert!(!console.contains(word), "{console}");
    }
    assert_eq!(outcome.exposed, [""; 0], "{console}");
    let refused = |call: &str| {
        let line = console.lines().find_map(|it| it.strip_prefix(&format!("FAULTS {call} ")));
        line.and_then(|it| it.split(' ').next()?.parse::<u32>().ok()).unwrap_or_default()
    };
    // Each kind of call is needed, and its failure noticed.
    for (call, at_least) in [("ioctl", 20), ("fsmount", 4), ("move_mount", 4), ("symlink", 5)] {
        assert!(refused(call) >= at_least, "{call}: {}:\n{console}", refused(call));
    }
}
