// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Pins, revocations and missing trust anchors, together: which of them can stand for which.

use std::path::{Path, PathBuf};

use veriroot::authenticate::anchors::{AnchorError, TrustAnchors};
use veriroot::authenticate::{AuthenticateError, Evidence};
use veriroot::designator::PartitionDesignator;
use veriroot::digest::RootHashClaim;
use veriroot::error::Error;
use veriroot::fetch::FetchError;
use veriroot::finding::{Class, Origin, Refusal};
use veriroot::loader::trust_anchors;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::request::Pin;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::judge::{Machine, Twin};

const ROOT: PartitionDesignator = PartitionDesignator::Root;

fn unsigned() -> Image {
    Ddi::builder().change("root", Volume::unsigned).build()
}

fn hex(image: &Image) -> String {
    data_encoding::HEXLOWER.encode(image.root_hash("root"))
}

/// A machine without any trust anchor: an authenticated command line pins the root.
fn pinning(image: &Image) -> Machine {
    Machine {
        policy: Some("root=verity+signed:root-verity-sig=absent+unprotected:=ignore".to_owned()),
        anchors: Vec::new(),
        pins_suffice: true,
        ..Machine::pinning(ROOT, image.root_hash("root"))
    }
}

#[test]
fn refuses_pinned_root_without_anchors_unless_the_command_line_is_authenticated() {
    let twin = Twin::new(pinning(&unsigned()), unsigned());
    let report = twin.accepted(|it| it);
    let word = format!("roothash={}", hex(&twin.image));
    let pinned = Evidence::Pin { word }.to_string();
    assert_eq!(report.partitions[0].signer.as_deref(), Some(pinned.as_str()));
    let machine = Machine { pins_suffice: false, ..twin.machine.clone() };
    assert_refused!(
        twin.refused_by(&machine),
        Error::Authenticate(AuthenticateError::NoEvidence { designator: ROOT, .. })
    );
}

#[test]
fn refuses_signature_that_nobody_can_check_beside_a_pin_that_fits() {
    let twin = Twin::new(pinning(&unsigned()), unsigned());
    let signed = Ddi::builder().build();
    assert_eq!(signed.root_hash("root"), twin.image.root_hash("root"));
    let (result, _) = twin.machine.judge(crate::judge::on_disk(&signed.bytes).path());
    let error = result.unwrap_err();
    assert_eq!(error.class(), Class::Config);
    assert_refused!(error, Error::Authenticate(AuthenticateError::NoAnchors { .. }));
}

#[test]
fn refuses_signature_of_a_stranger_beside_a_pin_that_fits() {
    let image = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build();
    let trusting = |signer| Machine { anchors: vec![signer], ..pinning(&image) };
    let twin = Twin::new(trusting(keys::stranger()), image.clone());
    assert_refused!(
        twin.refused_by(&trusting(keys::trusted())),
        Error::Authenticate(AuthenticateError::Cms { .. })
    );
}

// CMS-13
#[test]
fn refuses_revoked_root_hash_whoever_vouches_for_it() {
    let revoking =
        |hash: &str| Some(format!("# withdrawn\n[trust]\nrevoked = [\"root-hash:{hash}\"]\n"));
    let other = "ab".repeat(32);
    // A pin without anchors, a pin beside anchors: the list holds for both.
    for anchors in [vec![], vec![keys::trusted()]] {
        let machine = Machine { anchors, file: revoking(&other), ..pinning(&unsigned()) };
        let twin = Twin::new(machine, unsigned());
        let machine = Machine { file: revoking(&hex(&twin.image)), ..twin.machine.clone() };
        let error = twin.refused_by(&machine);
        assert_eq!(error.class(), Class::Revoked);
        let line = Origin::File { path: "/etc/test.toml".into(), line: 3 };
        assert_eq!(error.finding().required_by, line);
        assert_refused!(error, Error::Authenticate(AuthenticateError::Revoked { .. }));
    }
    // A good signature.
    let machine = Machine { file: revoking(&other), ..Machine::default() };
    let twin = Twin::new(machine.clone(), Ddi::builder().build());
    let error = twin.refused_by(&Machine { file: revoking(&hex(&twin.image)), ..machine });
    assert_refused!(error, Error::Authenticate(AuthenticateError::Revoked { .. }));
}

#[test]
fn refuses_pinned_root_that_is_not_the_pinned_one() {
    let twin = Twin::new(pinning(&unsigned()), unsigned());
    let root = Erofs::root_tree(237 * 4096).build();
    let other = Ddi::empty().volume("root", Volume::new(root).unsigned()).build();
    // An unsigned image claims no root hash: its tree is held against the pin itself.
    let error = twin.refused(|_| other.clone());
    assert_refused!(error, Error::Fetch(FetchError::Tree { designator: ROOT, .. }));
    pinning(&other).accepts(&other);
    // The right hash beside other content.
    let error = twin.refused(|it| it.flip_bit("root", 5000, 3));
    assert_refused!(error, Error::Fetch(FetchError::Block { designator: ROOT, .. }));
}

/// The anchors a machine goes on with: `policy` in a file, `pinned` on its command line.
fn anchors(
    policy: &str,
    pinned: &[PartitionDesignator],
    built_in: &Path,
) -> Result<Option<TrustAnchors>, AnchorError> {
    let file = PolicyFile::parse(Path::new("/etc/test.toml"), policy).unwrap();
    let statements = Statements { files: &[file], ..Statements::default() };
    let policy = EffectivePolicy::new(statements).unwrap();
    let pin = |designator: &PartitionDesignator| Pin {
        designator: *designator,
        root_hash: RootHashClaim::from_bytes(&[7; 32]).unwrap(),
        word: "roothash=07…".to_owned(),
        origin: Origin::KernelWord("roothash=07…".to_owned()),
    };
    let pins: Vec<Pin> = pinned.iter().map(pin).collect();
    trust_anchors(&policy, &pins, &[built_in.to_owned()])
}

#[test]
fn refuses_to_go_on_without_anchors_unless_pins_can_stand_for_every_signature() {
    const PINNABLE: &str = "image-policy = \"root=verity+signed:root-verity-sig=absent+unprotected:\
                            =ignore\"\n[trust]\ncommand-line = \"authenticated\"\n";
    let empty = tempfile::tempdir().unwrap();
    let go_on = |policy: &str, pinned: &[_]| anchors(policy, pinned, empty.path());
    assert!(matches!(go_on(PINNABLE, &[ROOT]), Ok(None)));

    let untrusted = PINNABLE.replace("authenticated", "untrusted");
    let signed = PINNABLE.replace("verity+signed:root-verity-sig=absent+unprotected", "signed");
    let usr_too = PINNABLE.replace("=ignore", "usr=verity+absent:=ignore");
    let usr = PartitionDesignator::Usr;
    for (policy, pinned) in [
        (PINNABLE, &[][..]),
        (PINNABLE, &[usr]),
        (&untrusted, &[ROOT]),
        (&signed, &[ROOT]),
        (&usr_too, &[ROOT]),
    ] {
        let error = go_on(policy, pinned).unwrap_err();
        assert!(matches!(error, AnchorError::NoAnchors { .. }), "{policy}: {error}");
    }
    assert!(matches!(go_on(&usr_too, &[ROOT, usr]), Ok(None)));
    // What a policy names has to be there, whatever is pinned.
    let signer = "[[trust.signer]]\ncertificate = \"/a.crt\"\ndesignators = [\"root\"]\n";
    let certificates = format!("certificates = [{:?}]\n", empty.path());
    for named in [signer, certificates.as_str()] {
        let error = go_on(&format!("{PINNABLE}{named}"), &[ROOT]).unwrap_err();
        assert!(matches!(error, AnchorError::NoAnchors { .. }), "{named}: {error}");
    }
    // An anchor that can't be used is no missing one.
    let file: PathBuf = empty.path().join("a.crt");
    std::fs::write(&file, "?").unwrap();
    let error = go_on(PINNABLE, &[ROOT]).unwrap_err();
    assert!(matches!(error, AnchorError::Unusable { .. }), "{error}");
    std::fs::write(&file, keys::trusted().certificate_pem()).unwrap();
    assert!(matches!(go_on(PINNABLE, &[ROOT]), Ok(Some(_))));
    // Where nothing is to be protected there is nothing to check.
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(go_on("image-policy = \"root=unprotected:=ignore\"\n", &[]), Ok(None)));
}
