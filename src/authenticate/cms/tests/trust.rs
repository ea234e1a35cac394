// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Whose signature counts, and for what.
//!
//! **In:** genuine signatures, and anchors with scopes and revocations. **Out:** whether it
//! counts. **Refuses:** nothing.

use std::path::PathBuf;

use super::*;
use crate::authenticate::anchors::{AnchorName, ScopeError};
use crate::revocation::Revocations;

#[test]
fn embedded_certificates_are_never_used() {
    assert_eq!(but(|it| made::embed(it, &RSA)), Ok(()));
    assert_eq!(but(|it| made::embed(it, &STRANGER)), Ok(()));
    // The stranger signs under the trusted signer's name and brings a certificate to match.
    let name = RSA.certificate.issuer_name().to_owned().unwrap();
    let serial = RSA.certificate.serial_number().to_owned().unwrap();
    let impostor = STRANGER.certified(|certificate| {
        certificate.set_issuer_name(&name).unwrap();
        certificate.set_serial_number(&serial).unwrap();
    });
    let mut signed = made::sign(&impostor, Scheme::Rsa, SHA256, CONTENT);
    assert_eq!(judge(&made::encode(&signed), CONTENT), Err(bad_signature()));
    made::embed(&mut signed, &impostor);
    assert_eq!(judge(&made::encode(&signed), CONTENT), Err(bad_signature()));
    // And under its own name.
    let mut signed = made::sign(&STRANGER, Scheme::Rsa, SHA256, CONTENT);
    made::embed(&mut signed, &STRANGER);
    let error = judge(&made::encode(&signed), CONTENT).unwrap_err();
    assert!(matches!(error, CmsError::UnknownSigner { .. }), "{error}");
}

#[test]
fn every_anchor_of_that_name_is_tried() {
    let name = RSA.certificate.issuer_name().to_owned().unwrap();
    let serial = RSA.certificate.serial_number().to_owned().unwrap();
    let ec = Key::ec(Nid::SECP384R1);
    let [twin, other_kind] = [&*STRANGER, &ec].map(|key| {
        key.certified(|certificate| {
            certificate.set_issuer_name(&name).unwrap();
            certificate.set_serial_number(&serial).unwrap();
        })
    });
    let signed = SignedData::parse(&made::encode(&sound())).unwrap();
    let path = |anchors: &TrustAnchors, at| anchors.iter().nth(at).unwrap().path().to_owned();
    for files in [[&*RSA, &twin, &other_kind], [&other_kind, &twin, &*RSA]] {
        let anchors = made::anchors(&files.map(Key::pem));
        let signer = signed.verify(CONTENT, "root", &anchors).unwrap();
        assert_eq!(signer.fingerprint()[..], RSA.certificate.digest(sha256()).unwrap()[..]);
    }
    // The failure that says most, wherever it comes.
    for (files, at) in [([&other_kind, &twin], 1), ([&twin, &other_kind], 0)] {
        let anchors = made::anchors(&files.map(Key::pem));
        let expected = CmsError::BadSignature { anchor: path(&anchors, at) };
        assert_eq!(signed.verify(CONTENT, "root", &anchors).err(), Some(expected));
    }
    let anchors = made::anchors(&[other_kind.pem()]);
    let (anchor, algorithm) = (path(&anchors, 0), signed.algorithm());
    let expected = CmsError::KeyMismatch { anchor, algorithm };
    assert_eq!(signed.verify(CONTENT, "root", &anchors).err(), Some(expected));
}

#[test]
fn shows_names_on_one_printable_line() {
    let key = RSA.certified(|certificate| {
        let mut name = openssl::x509::X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, "a\n\u{1b}[2Jb").unwrap();
        certificate.set_issuer_name(&name.build()).unwrap();
    });
    let signed = made::sign(&key, Scheme::Rsa, SHA256, CONTENT);
    let error = judge(&made::encode(&signed), CONTENT).unwrap_err();
    let shown = error.to_string();
    assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{shown}");
    assert!(shown.contains("1b[2Jb"), "{shown}");
}

fn only(anchors: &TrustAnchors, at: usize) -> PathBuf {
    anchors.iter().nth(at).unwrap().path().to_owned()
}

fn fingerprint(key: &Key) -> AnchorName {
    AnchorName::Fingerprint(openssl::sha::sha256(&key.certificate.to_der().unwrap()))
}

#[test]
fn an_anchor_with_a_scope_signs_for_that_and_one_without_for_nothing() {
    let signed = |key: &Key| {
        let der = made::encode(&made::sign(key, Scheme::Rsa, SHA256, CONTENT));
        SignedData::parse(&der).unwrap()
    };
    let (ours, vendors) = (signed(&RSA), signed(&STRANGER));
    let mut anchors = made::anchors(&[RSA.pem(), STRANGER.pem()]);
    for scope in ["root", "usr", ""] {
        assert!(ours.verify(CONTENT, scope, &anchors).is_ok());
        assert!(vendors.verify(CONTENT, scope, &anchors).is_ok());
    }
    anchors.allow_only(&AnchorName::Path(only(&anchors, 1)), &["usr"]).unwrap();
    let out_of_scope = |at, scope: &str| CmsError::OutOfScope {
        anchor: only(&anchors, at),
        scope: scope.to_owned(),
    };
    assert!(vendors.verify(CONTENT, "usr", &anchors).is_ok());
    for scope in ["root", "USR", "us", ""] {
        let found = vendors.verify(CONTENT, scope, &anchors).err();
        assert_eq!(found, Some(out_of_scope(1, scope)));
    }
    assert_eq!(ours.verify(CONTENT, "usr", &anchors).err(), Some(out_of_scope(0, "usr")));
    // A bad signature is bad in scope or out.
    let error = vendors.verify(b"x", "root", &anchors).unwrap_err();
    assert!(matches!(error, CmsError::BadSignature { .. }), "{error}");
    anchors.allow_only(&fingerprint(&RSA), &["root", "usr"]).unwrap();
    assert!(ours.verify(CONTENT, "root", &anchors).is_ok());
}

#[test]
fn scopes_name_one_anchor_once() {
    let mut anchors = made::anchors(&[RSA.pem(), RSA.pem()]);
    let name = fingerprint(&STRANGER);
    let missing = anchors.allow_only(&name, &["root"]);
    assert_eq!(missing, Err(ScopeError::NoSuchAnchor { name }));
    let name = fingerprint(&RSA);
    let empty = anchors.allow_only(&name, &[]);
    assert_eq!(empty, Err(ScopeError::Empty { name: name.clone() }));
    let twice = anchors.allow_only(&name, &["root", "root"]);
    assert_eq!(twice, Err(ScopeError::Repeated { name: name.clone() }));
    // By the path of the second file with this certificate.
    let second = only(&anchors, 0).with_file_name("1.crt");
    assert_eq!(anchors.allow_only(&AnchorName::Path(second), &["root"]), Ok(()));
    let again = anchors.allow_only(&name, &["usr"]);
    assert_eq!(again, Err(ScopeError::Repeated { name }));
}

#[test]
fn revoked_keys_and_certificates_sign_nothing() {
    let signed = SignedData::parse(&made::encode(&sound())).unwrap();
    let hex = |der: Vec<u8>| data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&der));
    let spki = |key: &Key| hex(key.private.public_key_to_der().unwrap());
    let certificate = |key: &Key| hex(key.certificate.to_der().unwrap());
    let rows = [
        (format!("spki-sha256:{}", spki(&RSA)), true),
        (format!("certificate-sha256:{}", certificate(&RSA)), true),
        (format!("spki-sha256:{}", certificate(&RSA)), false),
        (format!("spki-sha256:{}", spki(&STRANGER)), false),
        (format!("certificate-sha256:{}", certificate(&STRANGER)), false),
    ];
    for (entry, revoked) in rows {
        let mut anchors = made::anchors(&[RSA.pem()]);
        anchors.revoke(Revocations::parse(&[&entry]).unwrap());
        anchors.revoke(Revocations::default());
        let found = signed.verify(CONTENT, "root", &anchors);
        if let Err(error) = &found {
            assert_eq!(error.class(), Class::Revoked);
            assert!(error.to_string().contains(&entry), "{error}");
        }
        assert_eq!(found.is_err(), revoked, "{entry}");
        // Only a genuine signature is called revoked.
        let error = signed.verify(b"x", "root", &anchors).unwrap_err();
        assert!(matches!(error, CmsError::BadSignature { .. }), "{error}");
    }
}

/// The key's first certificate is revoked, the signature names the key: the second one counts.
#[test]
fn a_revoked_certificate_does_not_take_its_successor_along() {
    let successor = RSA.certified(|_| {});
    let mut signed = sound();
    made::by_key_identifier(&mut signed, &RSA);
    let signed = SignedData::parse(&made::encode(&signed)).unwrap();
    for order in [[&*RSA, &successor], [&successor, &*RSA]] {
        let mut anchors = made::anchors(&order.map(Key::pem));
        let AnchorName::Fingerprint(sha256) = fingerprint(&RSA) else { unreachable!() };
        let entry = format!("certificate-sha256:{}", data_encoding::HEXLOWER.encode(&sha256));
        anchors.revoke(Revocations::parse(&[entry]).unwrap());
        let signer = signed.verify(CONTENT, "root", &anchors).unwrap();
        assert_eq!(AnchorName::Fingerprint(*signer.fingerprint()), fingerprint(&successor));
        // Revoking the key leaves none.
        let key = data_encoding::HEXLOWER.encode(signer.spki_fingerprint());
        anchors.revoke(Revocations::parse(&[format!("spki-sha256:{key}")]).unwrap());
        let error = signed.verify(CONTENT, "root", &anchors).unwrap_err();
        assert_eq!(error.class(), Class::Revoked);
    }
}
