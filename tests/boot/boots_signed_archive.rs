// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A tarball as the root: signed as a whole it is unpacked into /run and mounted read-only; with one
//! byte more it is refused, and nothing of it is left.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics fails, which is what a test is for"
)]

use veriroot::finding::{Class, Stage};
use veriroot_test_support::guest::{Guest, Kernel, Run, Verdict};
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar::{self, Member};

use crate::machine::initrd;

/// What finds itself started: it says what it stands on, and switches the machine off.
const INIT: &str = "\
#!/usr/bin/busybox sh
echo ROOT-UP
while read -r line; do case $line in *' / '*) echo \"ON $line\" ;; esac; done < /proc/mounts
/usr/bin/busybox touch /etc/x 2>/dev/null || echo READ-ONLY
/usr/bin/busybox poweroff -f
";

fn archive() -> Vec<u8> {
    let busybox = std::fs::read("/bin/busybox").unwrap();
    let program = |name: &str, body: &[u8]| Member::file(name, body).with(|it| it.mode = 0o755);
    let mut members: Vec<Member> =
        ["./", "./dev/", "./proc/", "./run/", "./sys/", "./etc/", "./sbin/"]
            .map(Member::dir)
            .into();
    members.extend([Member::dir("./usr/"), Member::dir("./usr/bin/")]);
    members.push(program("./usr/bin/busybox", &busybox));
    members.push(program("./sbin/init", INIT.as_bytes()));
    tar::archive(&members)
}

fn boot(signed: &[u8], served: Vec<u8>) -> Run {
    let (server, kernel) = (Server::start(), Kernel::find());
    server.serve("/tree.tar.p7s", Cms::detached(&keys::trusted(), signed).build());
    server.serve("/tree.tar", served);
    let port = server.address().port();
    let cmdline = format!(
        "rd.systemd.pull=tar,machine,verify=no:tree:http://10.0.2.2:{port}/tree.tar \
         root=bind:/run/machines/tree console=ttyS0 panic=-1 quiet"
    );
    let initrd = initrd(&kernel).certificate("archives.crt", keys::trusted().certificate_pem());
    Guest::new(&kernel, &initrd.build()).boot(&cmdline)
}

#[test]
fn boots_signed_archive() {
    let bytes = archive();
    let run = boot(&bytes, bytes.clone());
    run.require("ROOT-UP");
    run.require("READ-ONLY");
    let mount = run.require("ON tmpfs / tmpfs");
    assert!(mount.text.contains("ro,") && mount.text.contains("nodev"), "{}", mount.text);
    assert!(run.went_off, "{}", run.tail());
}

#[test]
fn refuses_archive_with_a_block_more() {
    let bytes = archive();
    let run = boot(&bytes, [&bytes[..], &[0; 512]].concat());
    let expected = Verdict {
        stage: Stage::Authenticate.name().to_owned(),
        class: Class::Sig.name().to_owned(),
        exit: i32::from(Class::Sig.exit_code()),
    };
    assert_eq!(run.verdict(), Some(expected), "{}", run.tail());
    assert_eq!(run.exposed(), Some(Vec::new()), "{}", run.tail());
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}
