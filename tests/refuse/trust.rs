// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Keys that are known and still may not sign this.

use veriroot::authenticate::AuthenticateError;
use veriroot::authenticate::cms::CmsError;
use veriroot::designator::PartitionDesignator;
use veriroot::error::Error;
use veriroot::finding::{Class, Refusal};
use veriroot::purpose::Purpose;
use veriroot_test_support::ddi::{Arch, Ddi, Volume, type_guid};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::judge::{Machine, Twin};

/// What is wrong with the signature.
fn cms(error: Error) -> CmsError {
    match error {
        Error::Authenticate(AuthenticateError::Cms { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

/// Trusts K1 and K3, under a policy file with these lines in `[trust]`.
fn stating(lines: &str) -> Machine {
    Machine {
        file: Some(format!("[trust]\n{lines}\n")),
        anchors: vec![keys::trusted(), keys::revoked()],
        ..Machine::default()
    }
}

// CMS-13
#[test]
fn refuses_image_signed_by_revoked_key() {
    let revoking = |spki: String| stating(&format!("revoked = [\"spki-sha256:{spki}\"]"));
    let image = Ddi::builder().change("root", |it| it.signed_by(&keys::revoked())).build();
    let twin = Twin::new(revoking(keys::stranger().spki_fingerprint()), image);
    let error = twin.refused_by(&revoking(keys::revoked().spki_fingerprint()));
    assert_eq!(error.class(), Class::Revoked);
    assert!(matches!(cms(error), CmsError::Revoked { .. }));
}

// CMS-13
#[test]
fn refuses_revoked_root_hash_whoever_vouches_for_it() {
    let revoking = |hash: &str| stating(&format!("revoked = [\"root-hash:{hash}\"]"));
    let image = Ddi::builder().build();
    let hash = image.root_hash_hex("root");
    let twin = Twin::new(revoking(&"00".repeat(32)), image);
    let error = twin.refused_by(&revoking(&hash));
    assert_refused!(error, Error::Authenticate(AuthenticateError::Revoked { .. }));
    let unsigned = Ddi::builder().change("root", Volume::unsigned).build();
    let pinning = |file| Machine {
        policy: Some("root=verity:=ignore".to_owned()),
        pins_suffice: true,
        file,
        ..Machine::pinning(PartitionDesignator::Root, unsigned.root_hash("root"))
    };
    let twin = Twin::new(pinning(None), unsigned.clone());
    let error = twin.refused_by(&pinning(revoking(&hash).file));
    assert_refused!(error, Error::Authenticate(AuthenticateError::Revoked { .. }));
}

/// What the first anchor may sign.
fn scoped(designators: &str) -> Machine {
    let signer = format!("certificate = \"@anchors@/signer-0.crt\"\ndesignators = [{designators}]");
    Machine {
        policy: Some("root=signed+absent:usr=signed+absent:=ignore".to_owned()),
        file: Some(format!("[[trust.signer]]\n{signer}\n")),
        ..stating("")
    }
}

// SEL-07
#[test]
fn refuses_root_signed_by_a_key_for_usr() {
    let twin = Twin::new(scoped("\"root\""), Ddi::builder().build());
    let error = twin.refused_by(&scoped("\"usr\""));
    assert_eq!(error.class(), Class::Sig);
    assert!(matches!(cms(error), CmsError::OutOfScope { .. }));
}

// SEL-07
#[test]
fn refuses_signed_usr_that_the_table_calls_root() {
    let usr = Ddi::empty().volume("usr", Volume::new(Erofs::usr_tree(4096).build())).build();
    let twin = Twin::new(scoped("\"usr\""), usr);
    let error = twin.refused(|it| {
        ["usr", "usr-verity", "usr-verity-sig"].into_iter().fold(it, |it, name| {
            it.retype(name, type_guid(&name.replace("usr", "root"), Arch::X86_64))
        })
    });
    assert!(matches!(cms(error), CmsError::OutOfScope { .. }));
}

#[test]
fn refuses_anchor_without_a_scope_where_another_has_one() {
    let image = Ddi::builder().change("root", |it| it.signed_by(&keys::revoked())).build();
    let twin = Twin::new(Machine { file: None, ..stating("") }, image);
    let error = twin.refused_by(&scoped("\"root\", \"usr\""));
    assert!(matches!(cms(error), CmsError::OutOfScope { .. }));
}

// I-16: a signature does not say what it was made for.
#[test]
fn refuses_extension_signed_by_a_key_for_usr() {
    let sysext = |scope| Machine { purpose: Purpose::Sysext, ..scoped(scope) };
    let usr = Ddi::empty().volume("usr", Volume::new(Erofs::usr_tree(4096).build())).build();
    let twin = Twin::new(sysext("\"sysext\""), usr);
    for scope in ["\"root\", \"usr\"", "\"confext\"", "\"portable\", \"machine\""] {
        let error = twin.refused_by(&sysext(scope));
        assert!(matches!(cms(error), CmsError::OutOfScope { .. }), "{scope}");
    }
}

// I-16
#[test]
fn refuses_root_signed_by_a_key_for_extensions() {
    let twin = Twin::new(scoped("\"root\""), Ddi::builder().build());
    let error = twin.refused_by(&scoped("\"sysext\", \"confext\", \"portable\", \"machine\""));
    assert!(matches!(cms(error), CmsError::OutOfScope { .. }));
}
