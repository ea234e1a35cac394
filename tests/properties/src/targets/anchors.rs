// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Certificate files.
//!
//! **In:** the bytes of a file in a directory of trust anchors. **Out:** a verdict.
//! **Refuses:** (panics) an anchor that is not the one certificate in its file.

use std::cell::RefCell;

use openssl::pkey::Id;
use openssl::x509::X509;
use veriroot::authenticate::anchors::TrustAnchors;
use veriroot_test_support::keys::{self, Algorithm, Spec, Usage};

use crate::{Target, Verdict};

/// One `.crt` file.
pub(super) const ANCHORS: Target = Target {
    name: "anchors",
    invariant: "an accepted file holds one certificate that OpenSSL reads too, with the same \
                fingerprint, a key that is strong enough, and one anchor comes of it",
    check,
    seeds: || {
        let weak = Spec::new("weak", Algorithm::Rsa(1024)).signer();
        let authority = Spec::new("authority", Algorithm::P256).usage(Usage::CertSign).signer();
        let old = Spec::new("old", Algorithm::P384).version_1().signer();
        let ed25519 = Spec::new("ed", Algorithm::Ed25519).usage(Usage::DigitalSignature).signer();
        let one = keys::trusted().certificate_pem();
        let mut seeds = vec![one.clone(), keys::trusted_ec().certificate_pem()];
        seeds.extend([weak, authority, old, ed25519].iter().map(|it| it.certificate_pem()));
        seeds.push([&one[..], &keys::stranger().certificate_pem()].concat());
        seeds.push(keys::trusted().certificate.to_der().unwrap());
        seeds.push([b"text before\n", &one[..], b"text behind\n"].concat());
        seeds
    },
    words: &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----",
        "\r\n",
        "=",
        "\0",
        "AAAA",
    ],
    smoke: 3000,
};

thread_local! {
    static PLACE: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().unwrap());
}

fn check(input: &[u8]) -> Verdict {
    PLACE.with_borrow(|place| {
        let path = place.path().join("a.crt");
        std::fs::write(&path, input).unwrap();
        let loaded = TrustAnchors::load(&[path]);
        match &loaded {
            Ok(anchors) => judge(anchors, input),
            Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error}"),
        }
        (&loaded).into()
    })
}

fn judge(anchors: &TrustAnchors, input: &[u8]) {
    let all: Vec<_> = anchors.iter().collect();
    let [anchor] = all[..] else { panic!("{} anchors of one file", all.len()) };
    assert_eq!(input.windows(11).filter(|it| *it == b"-----BEGIN ").count(), 1);
    let theirs = X509::from_pem(input).unwrap_or_else(|e| panic!("OpenSSL reads none: {e}"));
    let der = theirs.to_der().unwrap();
    assert_eq!(*anchor.fingerprint(), openssl::sha::sha256(&der));
    let key = theirs.public_key().unwrap();
    assert_eq!(*anchor.spki_fingerprint(), openssl::sha::sha256(&key.public_key_to_der().unwrap()));
    match key.id() {
        Id::RSA => assert!(key.bits() >= 2048 && key.rsa().unwrap().e().num_bits() >= 17),
        Id::EC => assert!([256, 384, 521].contains(&key.bits())),
        other => assert_eq!(other, Id::ED25519),
    }
    for text in [anchor.subject(), anchor.issuer(), anchor.serial()] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
