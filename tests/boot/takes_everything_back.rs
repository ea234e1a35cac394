// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A fault at every call: of each kind of call that makes something, the first fails once, then the
//! second, and so on, each with another of six errors; in six rounds each with every one. Whatever
//! fails, the boot ends in a refusal that leaves nothing, or it got over the fault and everything is in
//! its place.

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
error() { shift $(($1 % 6)); echo $2; }
there() {
    dmsetup ls | grep -v 'No devices'; losetup -a
    grep -e ' /sysroot' -e ' /run/' /proc/mounts
    find /dev/mapper /dev/disk ! -type d ! -name control 2>/dev/null
    find /run/extensions /run/veriroot/overlay -mindepth 1 2>/dev/null
}
down() {
    awk '$2 ~ \"^/(sysroot|run/)\" { print $2 }' /proc/mounts | sort -r > /tmp/points
    while read -r point; do umount \"$point\"; done < /tmp/points
    dmsetup remove_all; rm -rf /run/extensions/* /run/veriroot /dev/mapper/[!c]* /dev/disk
}
for call in ioctl fsopen fsconfig fsmount move_mount mount mkdirat mkdir symlink; do
    strace -f -qq -o /tmp/trace -e trace=$call -e signal=none veriroot boot > /tmp/out 2>&1 || { echo BROKEN; cat /tmp/out; exit 1; }
    count=$(grep -c \"$call(\" /tmp/trace); down
    k=0; refused=0; passed=0
    while [ $k -lt $((count * @rounds@)) ]; do
        error=$(error $((k / count + k % count)) EIO ENOMEM EINTR EBUSY ENOSPC EACCES)
        fault=$call:error=$error:when=$((k % count + 1)); k=$((k + 1))
        if strace -f -qq -o /dev/null -e trace=$call -e inject=$fault veriroot boot > /tmp/out 2>&1; then
            passed=$((passed + 1)); down
        else
            refused=$((refused + 1)); grep -q '\"refused\"' /run/veriroot/boot.json || echo \"SILENT $fault\"
        fi
        there > /tmp/left; [ -s /tmp/left ] && { echo \"LEFT $fault\"; cat /tmp/left; down; }
    done
    echo \"FAULTS $call $refused refused, $passed passed\"
done
",
};

/// How many of the six errors each call meets.
const ROUNDS: &str = "VERIROOT_FAULT_ROUNDS";

/// How long a round may take: some hundred boots.
const LIMIT: Duration = Duration::from_secs(1200);

#[test]
#[expect(clippy::print_stdout, reason = "it says how much was tried")]
#[ignore = "a hundred boots: minutes on an idle machine, run by name"]
fn takes_everything_back_whatever_fails() {
    let rounds: u32 = std::env::var(ROUNDS).map_or(1, |it| it.parse().unwrap());
    let script = FAULTS.script.replace("@rounds@", &rounds.to_string()).leak();
    let outcomes = run(&[&Exposure { script, ..FAULTS }], LIMIT * rounds);
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
    console.lines().filter(|it| it.starts_with("FAULTS")).for_each(|it| println!("{it}"));
    // Each kind of call is needed, and its failure noticed.
    for (call, at_least) in [
        ("ioctl", 20),
        ("fsopen", 4),
        ("fsconfig", 16),
        ("fsmount", 4),
        ("move_mount", 4),
        ("mount", 6),
        ("mkdirat", 1),
        ("mkdir", 10),
        ("symlink", 5),
    ] {
        assert!(refused(call) >= at_least, "{call}: {}:\n{console}", refused(call));
    }
}
