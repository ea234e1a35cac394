// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A pin stands for a signature where a policy file says that the command line is authenticated:
//! without any trust anchor in the initrd, and by that one line. Beside a signature it is one demand
//! more.

use veriroot_test_support::ddi::Image;
use veriroot_test_support::guest::{self, Guest, Initrd, Kernel, Run};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, signed};

/// Would do with a hash tree alone.
const POLICY: &str = "image-policy = \"root=verity:root-verity-sig=absent:=ignore\"\n\
                      [boot]\nhold = \"1s\"\n";

const AUTHENTICATED: &str = "[trust]\ncommand-line = \"authenticated\"\n";

/// Boots an unsigned image whose root is pinned, under that policy.
fn boot_unsigned(policy: &str) -> Run {
    let kernel = Kernel::find();
    let initrd =
        Initrd::with_program(&kernel, &guest::release_program()).policy("site.toml", policy);
    boot(&signed().remove("root-verity-sig"), &kernel, &initrd.build())
}

fn boot(image: &Image, kernel: &Kernel, initrd: &Initrd) -> Run {
    let server = Server::of("/image.raw", image.bytes.clone());
    let announced = guest::announced(&server, "/image.raw");
    let pin = image.root_hash_hex("root");
    Guest::new(kernel, initrd).boot(&format!("{announced} roothash={pin}"))
}

/// Whether the console says that, however its lines are broken.
fn said(run: &Run, text: &str) -> bool {
    run.console().split_whitespace().collect::<Vec<_>>().join(" ").contains(text)
}

#[test]
fn boots_pinned_root_without_signature() {
    let run = boot_unsigned(&format!("{POLICY}{AUTHENTICATED}"));
    assert!(said(&run, "pinned by roothash="), "{}", run.tail());
    run.require("ROOT-UP");
    run.require("/dev/dm-0 / erofs");
}

#[test]
fn refuses_pinned_root_without_signature_where_nobody_authenticates_the_pin() {
    let run = boot_unsigned(POLICY);
    // Nothing in that initrd could ever vouch for an image, and it says so before it asks for one.
    run.require("REFUSED    wrong configuration (class config, exit code 2)");
    assert!(said(&run, "no trust anchor in "), "{}", run.tail());
    assert!(run.find("ROOT-UP").is_none(), "{}", run.tail());
}

#[test]
fn boots_signed_root_that_is_the_pinned_one() {
    let kernel = Kernel::find();
    let run = boot(&signed(), &kernel, &initrd(&kernel).build());
    assert!(said(&run, "signed by "), "{}", run.tail());
    run.require("ROOT-UP");
}
