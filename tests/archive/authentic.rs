// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Who vouches for an archive: signatures beside it, pins, scopes, revocation, and nobody.

use veriroot::authenticate::archive::ArchiveError;
use veriroot::authenticate::cms::CmsError;
use veriroot::error::Error;
use veriroot::finding::{Class, Origin, Outcome, Refusal, Stage};
use veriroot::policy::ArchivePin;
use veriroot_test_support::keys::{self, Signer};
use veriroot_test_support::sign::{Attributes, Cms, Digest};
use veriroot_test_support::tar;

use crate::machine::{Machine, accepted, refused, tree_and};

fn pin(bytes: &[u8]) -> ArchivePin {
    let sha256 = openssl::sha::sha256(bytes);
    let word = format!("verify={}", data_encoding::HEXLOWER.encode(&sha256));
    ArchivePin { sha256, origin: Origin::KernelWord(word.clone()), word }
}

/// The error, and that no entry was looked at before it: nothing of the unpack stage is reported.
#[track_caller]
fn unauthentic(machine: &Machine, bytes: &[u8]) -> ArchiveError {
    let (_, report) = machine.judge(bytes);
    assert!(report.findings.iter().all(|it| it.stage < Stage::Unpack), "{:?}", report.findings);
    match refused(machine, bytes) {
        Error::Archive(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_over_the_whole_file_suffices() {
    let bytes = tree_and(&[]);
    accepted(&Machine::signed(&bytes), &bytes);
    let sign =
        |change: &dyn Fn(&mut Cms)| Cms::detached(&keys::trusted(), &bytes).with(change).build();
    for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        for attributes in [Attributes::Absent, Attributes::Usual, Attributes::WithCapabilities] {
            let signature = Cms::detached(&keys::trusted(), &bytes)
                .with_signer(|it| (it.digest, it.attributes) = (digest, attributes.clone()))
                .build();
            accepted(&Machine { signature: Some(signature), ..Machine::default() }, &bytes);
        }
    }
    let signature = sign(&|_| ());
    accepted(&Machine { signature: Some(signature), ..Machine::default() }, &bytes);
}

#[test]
fn refuses_an_archive_that_nobody_vouches_for() {
    let bytes = tree_and(&[]);
    let error = unauthentic(&Machine::default(), &bytes);
    assert!(matches!(error, ArchiveError::NoEvidence { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Sig);
}

#[test]
fn refuses_an_archive_signed_by_a_stranger() {
    let bytes = tree_and(&[]);
    let signature = Some(Cms::detached(&keys::stranger(), &bytes).build());
    let error = unauthentic(&Machine { signature, ..Machine::default() }, &bytes);
    let unknown = matches!(&error, ArchiveError::Cms { error: CmsError::UnknownSigner { .. }, .. });
    assert!(unknown && error.class() == Class::Sig, "{error:?}");
    let mut known = Machine::signed(&bytes);
    known.anchors = vec![keys::stranger()];
    assert_eq!(unauthentic(&known, &bytes).class(), Class::Sig);
}

#[test]
fn refuses_one_flipped_bit_anywhere() {
    let bytes = tree_and(&[]);
    let machine = Machine::signed(&bytes);
    for at in [0, 700, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(unauthentic(&machine, &flipped).class(), Class::Sig, "{at}");
    }
    assert_eq!(unauthentic(&machine, &[&bytes[..], &[0; 512]].concat()).class(), Class::Sig);
    assert_eq!(unauthentic(&machine, &bytes[..bytes.len() - 512]).class(), Class::Sig);
}

#[test]
fn a_bad_signature_ends_it_before_anything_is_decompressed() {
    // Neither an archive nor anything that could be decompressed: nobody comes to see that.
    let bomb = [&b"\xfd7zXZ\0\0\x04"[..], &veriroot_test_support::noise(1, 4096)].concat();
    let machine = Machine::signed(&tree_and(&[]));
    assert_eq!(unauthentic(&machine, &bomb).class(), Class::Sig);
    let signed = Machine::signed(&bomb);
    let error = refused(&signed, &bomb);
    assert!(!matches!(error, Error::Archive(_)), "{error:?}");
}

#[test]
fn malformed_signatures_are_said_to_be_that() {
    let bytes = tree_and(&[]);
    let good = Cms::detached(&keys::trusted(), &bytes).build();
    for signature in [&b""[..], b"x", &good[..good.len() - 1], &[&good[..], b"\0"].concat()] {
        let machine = Machine { signature: Some(signature.to_vec()), ..Machine::default() };
        assert_eq!(unauthentic(&machine, &bytes).class(), Class::Sigfmt);
    }
}

#[test]
fn a_key_that_signs_partitions_signs_no_archives() {
    let bytes = tree_and(&[]);
    let scoped = |scopes: &str| Machine {
        file: Some(format!(
            "[trust]\ncertificates = [\"@anchors@\"]\n[[trust.signer]]\n\
             certificate = \"@anchors@/signer-0.crt\"\ndesignators = [{scopes}]"
        )),
        ..Machine::signed(&bytes)
    };
    accepted(&scoped("\"archive\""), &bytes);
    accepted(&scoped("\"root\", \"archive\""), &bytes);
    let error = unauthentic(&scoped("\"root\", \"usr\""), &bytes);
    let scope = matches!(&error, ArchiveError::Cms { error: CmsError::OutOfScope { .. }, .. });
    assert!(scope, "{error:?}");
}

#[test]
fn revoked_keys_and_archives_are_refused() {
    let bytes = tree_and(&[]);
    let sha256 = data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&bytes));
    let other = data_encoding::HEXLOWER.encode(&openssl::sha::sha256(b"other"));
    let revoking = |entry: &str| Machine {
        file: Some(format!("[trust]\nrevoked = [\"{entry}\"]")),
        ..Machine::signed(&bytes)
    };
    accepted(&revoking(&format!("archive-sha256:{other}")), &bytes);
    let key: &Signer = &keys::trusted();
    for entry in [
        format!("archive-sha256:{sha256}"),
        format!("spki-sha256:{}", key.spki_fingerprint()),
        format!("certificate-sha256:{}", key.fingerprint()),
    ] {
        assert_eq!(unauthentic(&revoking(&entry), &bytes).class(), Class::Revoked, "{entry}");
    }
    // A pin does not bring it back.
    let mut pinned = revoking(&format!("archive-sha256:{sha256}"));
    pinned.file = pinned.file.map(|it| it + "\n[archive]\nauthentication = \"checksum-pin\"");
    pinned.pin = Some(pin(&bytes));
    assert_eq!(unauthentic(&pinned, &bytes).class(), Class::Revoked);
}

#[test]
fn a_pin_counts_where_policy_says_so() {
    let bytes = tree_and(&[]);
    let pinned = |file: Option<&str>, signature: Option<Vec<u8>>| Machine {
        file: file.map(ToOwned::to_owned),
        pin: Some(pin(&bytes)),
        signature,
        ..Machine::default()
    };
    let by_line = "[trust]\ncommand-line = \"authenticated\"";
    let by_pin = "[archive]\nauthentication = \"checksum-pin\"";
    accepted(&pinned(Some(by_line), None), &bytes);
    accepted(&pinned(Some(by_pin), None), &bytes);
    // Anybody may have written the command line: the pin does not stand for the signature.
    let error = unauthentic(&pinned(None, None), &bytes);
    assert!(matches!(error, ArchiveError::NoEvidence { .. }));
    accepted(&pinned(None, Machine::signed(&bytes).signature), &bytes);
    // Wherever a pin is given it has to fit.
    let other = tree_and(&[tar::Member::file("x", b"")]);
    let danger = "[archive]\nauthentication = \"danger-none\"";
    for file in [None, Some(by_line), Some(by_pin), Some(danger)] {
        let machine = pinned(file, Machine::signed(&other).signature);
        let error = unauthentic(&machine, &other);
        assert!(matches!(error, ArchiveError::PinDiffers { .. }), "{file:?}: {error:?}");
    }
    // Without a pin, checksum-pin asks for a signature.
    let machine = Machine { file: Some(by_pin.to_owned()), ..Machine::signed(&bytes) };
    accepted(&machine, &bytes);
    let machine = Machine { signature: None, ..machine };
    assert!(matches!(unauthentic(&machine, &bytes), ArchiveError::NoEvidence { .. }));
}

#[test]
fn an_archive_that_nobody_vouches_for_is_reported_as_such() {
    let (result, report) = Machine::careless("").judge(&tree_and(&[]));
    assert!(result.is_ok());
    let danger = report.findings.iter().find(|it| it.id == "authenticate-danger").unwrap();
    assert_eq!(danger.outcome, Outcome::Noted);
    assert!(danger.found.starts_with("DANGER"), "{danger:?}");
    assert!(matches!(&danger.required_by, Origin::File { line: 2, .. }));
    // Two files: the one that demands a signature holds.
    let bytes = tree_and(&[]);
    let (_, report) = Machine::signed(&bytes).judge(&bytes);
    assert!(report.findings.iter().all(|it| it.id != "authenticate-danger"));
}
