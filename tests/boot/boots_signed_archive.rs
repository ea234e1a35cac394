// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A tarball as the root: signed as a whole it is unpacked into /run and mounted read-only; with one
//! byte more it is refused, and nothing of it is left.

use veriroot::finding::{Class, Stage};
use veriroot_test_support::guest::{Guest, Kernel, Run, Verdict};
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;

use crate::machine::initrd;
use veriroot_test_support::matrix::archive;

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
    let mount = run.require("tmpfs / tmpfs");
    assert!(mount.text.contains("ro,") && mount.text.contains("nodev"), "{}", mount.text);
    assert!(run.went_off, "{}", run.tail());
}

#[test]
fn refuses_archive_with_a_block_more() {
    let bytes = archive();
    let run = boot(&bytes, [&bytes[..], &[0; 512]].concat());
    let (stage, class) = (Stage::Authenticate, Class::Sig);
    run.assert_refused(&Verdict::of(stage.name(), class.name(), class.exit_code()));
    assert_eq!(run.exposed(), Some(Vec::new()), "{}", run.tail());
}
