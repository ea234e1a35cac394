// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A fault at every call: of each kind of call that makes something, the first fails once, then the
//! second, and so on, each with another of six errors; in six rounds each with every one. Whatever
//! fails, the boot ends in a refusal that leaves nothing, or it got over the fault and everything is in
//! its place.

use std::time::Duration;

use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::guest::Outcome;

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
    script: "",
};

/// Calls that make or unmake something, and how many of each are refused at the least in a round: each
/// kind is needed, and its failure noticed.
type Calls = [(&'static str, u32)];

const CALLS: &Calls = &[
    ("ioctl", 20),
    ("fsopen", 4),
    ("fsconfig", 16),
    ("fsmount", 4),
    ("move_mount", 4),
    ("mount", 6),
    ("mkdirat", 1),
    ("mkdir", 10),
    ("symlink", 5),
];

const SCRIPT: &str = "\
error() { shift $(($1 % 6)); echo $2; }
there() {
    dmsetup ls | grep -v 'No devices'; losetup -a
    grep -e ' /sysroot' -e ' /run/' /proc/mounts
    find /dev/mapper /dev/disk ! -type d ! -name control 2>/dev/null
    find /run/extensions /run/machines /run/veriroot/overlay -mindepth 1 2>/dev/null
}
down() {
    awk '$2 ~ \"^/(sysroot|run/)\" { print $2 }' /proc/mounts | sort -r > /tmp/points
    while read -r point; do umount \"$point\"; done < /tmp/points
    dmsetup remove_all; rm -rf /run/extensions/* /run/machines/* /run/veriroot /dev/mapper/[!c]* /dev/disk
}
for call in @calls@; do
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
";

/// How many of the six errors each call meets.
const ROUNDS: &str = "VERIROOT_FAULT_ROUNDS";

fn rounds() -> u32 {
    std::env::var(ROUNDS).ok().and_then(|it| it.parse().ok()).unwrap_or(1)
}

/// How long all rounds may take: some hundred boots each.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(1200).saturating_mul(rounds())
}

/// Boots once for each fault.
pub(crate) fn script(calls: &Calls) -> String {
    let names: Vec<&str> = calls.iter().map(|it| it.0).collect();
    let rounds = rounds().to_string();
    SCRIPT.replace("@calls@", &names.join(" ")).replace("@rounds@", &rounds)
}

/// Asserts that nothing was left, no refusal silent, and each kind of call noticed.
#[expect(clippy::print_stdout, reason = "it says how much was tried")]
pub(crate) fn assert_taken_back(outcome: &Outcome, calls: &Calls) {
    let console = &outcome.console;
    for word in ["LEFT", "SILENT", "BROKEN"] {
        assert!(!console.contains(word), "{console}");
    }
    assert_eq!(outcome.exposed, [""; 0], "{console}");
    console.lines().filter(|it| it.starts_with("FAULTS")).for_each(|it| println!("{it}"));
    for (call, at_least) in calls {
        let line = console.lines().find_map(|it| it.strip_prefix(&format!("FAULTS {call} ")));
        let refused = line.and_then(|it| it.split(' ').next()?.parse::<u32>().ok());
        assert!(refused.is_some_and(|it| it >= *at_least), "{call}: {refused:?}:\n{console}");
    }
}

#[test]
#[ignore = "a hundred boots: minutes on an idle machine, run by name"]
fn takes_everything_back_whatever_fails() {
    let script = script(CALLS).leak();
    let outcomes = run(&[&Exposure { script, ..FAULTS }], limit());
    assert_taken_back(outcomes.of(FAULTS.name), CALLS);
}
