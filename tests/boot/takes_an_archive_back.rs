// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A fault at every call that unpacking an archive, mounting its tree and booting from it consist of:
//! the whole tree comes to be, or nothing of it.

use veriroot_test_support::guest::{Batch, Initrd, Kernel, Scenario, release_program};
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar::{self, Member};

use crate::takes_everything_back::{assert_taken_back, limit, script};

const CALLS: &[(&str, u32)] = &[
    ("mkdirat", 5),
    ("flock", 1),
    ("openat2", 5),
    ("symlinkat", 1),
    ("linkat", 1),
    ("mknodat", 1),
    ("fchown", 5),
    ("fchownat", 1),
    ("fchmod", 5),
    ("fchmodat", 1),
    ("utimensat", 5),
    ("renameat2", 1),
    ("open_tree", 1),
    ("move_mount", 1),
    ("mount", 2),
];

const POLICY: &str = "\
[boot]
on-refusal = \"danger-shell\"
hold = \"1ms\"
[archive]
devices = true
";

#[test]
#[ignore = "a hundred boots: minutes on an idle machine, run by name"]
fn takes_everything_back_of_an_archive_whatever_fails() {
    let (server, kernel) = (Server::start(), Kernel::find());
    let odd =
        [Member::hard_link("etc/hard", "usr/lib/os-release"), Member::other(b'6', "etc/fifo")];
    let bytes = tar::archive(&[tar::tree(), odd.to_vec()].concat());
    server.serve("/tree.tar.p7s", Cms::detached(&keys::trusted(), &bytes).build());
    server.serve("/tree.tar", bytes);
    let cmdline = format!(
        "rd.systemd.pull=tar,machine,verify=no:tree:http://10.0.2.2:{}/tree.tar \
         root=bind:/run/machines/tree console=ttyS0 panic=-1 quiet",
        server.address().port()
    );
    let scenario = Scenario::new("archive", &cmdline).policy("policy.toml", POLICY);
    let mut batch = Batch::default();
    batch.add(scenario.script(&script(CALLS)).limit(limit()));
    let initrd = Initrd::with_program(&kernel, &release_program())
        .certificate("archives.crt", keys::trusted().certificate_pem())
        .program("/usr/sbin/dmsetup".as_ref())
        .program("/usr/bin/strace".as_ref());
    assert_taken_back(batch.run(&kernel, initrd).of("archive"), CALLS);
}
