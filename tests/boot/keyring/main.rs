// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-keyring`: the kernel as second witness, on a kernel whose dm-verity has a keyring of
//! its own, which the initrd fills and closes. The twin of
//! `refuses_root_hash_the_kernel_does_not_accept`.
//!
//! One guest, scenarios in this order: before the keyring holds our certificates, while it is open,
//! and once it is closed: what both accept, another signer whom this program trusts and the kernel
//! does not, and forms of signature that the kernel does not take.

#![expect(clippy::expect_used, reason = "a test that panics has failed")]

use std::sync::OnceLock;

use nix::libc::{EKEYREJECTED, ENOKEY, ENOPKG};
use veriroot_test_support::ddi::{Ddi, Image};
use veriroot_test_support::guest::{
    self, Batch, Initrd, Kernel, Outcome, Outcomes, Scenario, Verdict,
};
use veriroot_test_support::http::Server;
use veriroot_test_support::sign::{Attributes, Cms, SignerInfo};
use veriroot_test_support::{fixture, keys};

const POLICY: &str = "[trust]\nkernel-keyring = \"require\"\n[boot]\nhold = \"1s\"\n";

const SHOW: &str = "\
veriroot boot && echo ROOT-MOUNTED && dmsetup table root
umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*
";

const ADD: &str = "\
keyctl padd asymmetric '' %keyring:.dm-verity < /trusted.der && echo ADDED
keyctl padd asymmetric '' %keyring:.dm-verity < /built.der && echo ADDED
";

const BOOT: &str = "veriroot boot\n";

/// Nothing can be added any more, and only now dm-verity looks there.
const CLOSE: &str = "\
keyctl restrict_keyring %keyring:.dm-verity && echo CLOSED
keyctl padd asymmetric '' %keyring:.dm-verity < /trusted.der || echo NO-MORE
";

/// Runs all scenarios in one guest, once.
fn outcomes() -> &'static Outcomes {
    static ALL: OnceLock<Outcomes> = OnceLock::new();
    ALL.get_or_init(|| {
        let (server, kernel) = (Server::start(), Kernel::with_verity_keyring());
        let mut batch = Batch::default().words("dm_verity.keyring_unsealed=1");
        let (trusted, built) = (fixture("trusted.crt"), keys::trusted().certificate_pem());
        let genuine = || Image::from_zst_fixture("boot-signed");
        let stranger = || Image::from_zst_fixture("boot-stranger");
        let same = |_: &mut SignerInfo| ();
        let capabilities = |it: &mut SignerInfo| it.attributes = Attributes::WithCapabilities;
        let pss = |it: &mut SignerInfo| it.pss = true;
        let scenarios = [
            ("before", genuine(), &trusted, BOOT.to_owned()),
            ("open", genuine(), &trusted, format!("{ADD}{BOOT}")),
            ("closed", genuine(), &trusted, format!("{CLOSE}{SHOW}")),
            ("other-signer", stranger(), &fixture("stranger.crt"), BOOT.to_owned()),
            ("built", signed(same), &built, SHOW.to_owned()),
            ("capabilities", signed(capabilities), &built, BOOT.to_owned()),
            ("pss", signed(pss), &built, BOOT.to_owned()),
        ];
        for (name, image, certificate, script) in scenarios {
            let path = format!("/{name}/image.raw");
            server.serve(&path, image.bytes);
            let scenario = Scenario::new(name, &guest::announced(&server, &path))
                .policy("policy.toml", POLICY)
                .certificate("signer.crt", certificate)
                .script(&script);
            batch.add(scenario);
        }
        let initrd = Initrd::with_program(&kernel, &guest::release_program())
            .program("/usr/sbin/dmsetup".as_ref())
            .program("/usr/bin/keyctl".as_ref())
            .file("trusted.der", der(&trusted))
            .file("built.der", der(&built));
        batch.run(&kernel, initrd)
    })
}

/// An image whose signature has this changed.
fn signed(change: fn(&mut SignerInfo)) -> Image {
    let cms = move |hash: &[u8]| Cms::of_root_hash(&keys::trusted(), hash).with_signer(change);
    Ddi::builder().change("root", |root| root.cms(cms)).root_second().build()
}

/// A certificate as the kernel reads it.
fn der(pem: &[u8]) -> Vec<u8> {
    openssl::x509::X509::from_pem(pem).expect("a certificate").to_der().expect("its DER")
}

fn assert_refused_by_kernel(name: &str, errno: i32) {
    let Outcome { console, exposed, verdict, .. } = outcomes().of(name);
    let expected = Verdict::of("verity", "sig", 22);
    assert_eq!(verdict.as_ref(), Some(&expected), "{console}");
    assert!(console.contains(&format!("(os error {errno})")), "{console}");
    assert_eq!(*exposed, [""; 0], "{console}");
}

fn assert_accepted_by_both(name: &str) {
    let Outcome { console, exposed, verdict, .. } = outcomes().of(name);
    assert!(verdict.is_none() && console.contains("ROOT-MOUNTED\n"), "{console}");
    let table = "3 restart_on_corruption root_hash_sig_key_desc veriroot:root\n";
    assert!(console.contains(table), "{console}");
    assert_eq!(*exposed, [""; 0], "not taken down:\n{console}");
}

#[test]
fn refuses_what_a_kernel_without_the_key_does_not_accept() {
    assert_refused_by_kernel("before", ENOKEY);
}

#[test]
fn refuses_while_the_keyring_is_open() {
    let console = &outcomes().of("open").console;
    assert_eq!(console.matches("ADDED\n").count(), 2, "{console}");
    assert_refused_by_kernel("open", ENOKEY);
}

#[test]
fn boots_what_program_and_kernel_accept() {
    let console = &outcomes().of("closed").console;
    assert!(console.contains("CLOSED\n") && console.contains("NO-MORE\n"), "{console}");
    assert_accepted_by_both("closed");
}

#[test]
fn refuses_a_signer_that_only_the_program_trusts() {
    assert_refused_by_kernel("other-signer", ENOKEY);
}

#[test]
fn refuses_forms_of_signature_that_only_the_program_takes() {
    assert_accepted_by_both("built");
    assert_refused_by_kernel("capabilities", EKEYREJECTED);
    assert_refused_by_kernel("pss", ENOPKG);
}
