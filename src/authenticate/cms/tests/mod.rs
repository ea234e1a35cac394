// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is accepted, and each way to miss it.
//!
//! **In:** signatures by repart, by the openssl command and by ourselves. **Out:** their signer.
//! **Refuses:** nothing.

use std::sync::LazyLock;

use cms::cert::x509::attr::Attribute;
use cms::revocation::RevocationInfoChoices;
use cms::signed_data::{SignedData as Raw, SignerInfos};
use der::asn1::{OctetString, SetOfVec};
use der::oid::db::{rfc5912, rfc6268, rfc8410};
use openssl::nid::Nid;

mod algorithms;
mod digest;
mod encoding;
mod flips;
mod structure;
mod trust;
mod wycheproof;

use super::*;
use crate::authenticate::testing::{self as made, CONTENT, Key, RSA, SHA256, SHA384, SHA512};
use crate::authenticate::testing::{STRANGER, Scheme};
use crate::digest::HashAlgorithm;
use crate::dissect::verity_sig::VeritySignature;
use crate::dissect::verity_superblock::VeritySuperblock;
use crate::finding::Class;

static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(|| made::anchors(&[RSA.pem()]));

fn judge(der: &[u8], content: &[u8]) -> Result<(), CmsError> {
    SignedData::parse(der)?.verify(content, "root", &ANCHORS).map(|signer| {
        assert_eq!(signer.fingerprint()[..], RSA.certificate.digest(sha256()).unwrap()[..]);
    })
}

/// The digest of content that comes in pieces.
fn digest_of(algorithm: SignatureDigest, pieces: &[&[u8]]) -> ContentDigest {
    let mut hasher = ContentHasher::new(algorithm).unwrap();
    pieces.iter().for_each(|it| hasher.update(it).unwrap());
    hasher.finish().unwrap()
}

fn sha256() -> openssl::hash::MessageDigest {
    openssl::hash::MessageDigest::sha256()
}

fn sound() -> Raw {
    made::sign(&RSA, Scheme::Rsa, SHA256, CONTENT)
}

/// Sound but for `change`.
fn but(change: impl FnOnce(&mut Raw)) -> Result<(), CmsError> {
    let mut signed = sound();
    change(&mut signed);
    judge(&made::encode(&signed), CONTENT)
}

/// Sound but for `change` to its only signer.
fn but_signer(change: impl FnOnce(&mut SignerInfo)) -> Result<(), CmsError> {
    but(|signed| made::change_signer(signed, change))
}

fn bad_signature() -> CmsError {
    CmsError::BadSignature { anchor: ANCHORS.iter().next().unwrap().path().to_owned() }
}

fn other_content() -> CmsError {
    CmsError::OtherContent { anchor: ANCHORS.iter().next().unwrap().path().to_owned() }
}

fn standard() -> Vec<Attribute> {
    vec![made::content_type(), made::message_digest(SHA256, CONTENT)]
}

fn with_attributes(attributes: &[Attribute]) -> Result<(), CmsError> {
    let signed = made::sign_attributes(&RSA, Scheme::Rsa, SHA256, attributes);
    judge(&made::encode(&signed), CONTENT)
}

/// The four parts of a `SignedData` without options, each in DER.
fn parts(signed: &Raw) -> [Vec<u8>; 4] {
    [
        signed.version.to_der().unwrap(),
        signed.digest_algorithms.to_der().unwrap(),
        signed.encap_content_info.to_der().unwrap(),
        signed.signer_infos.to_der().unwrap(),
    ]
}

/// Puts parts together whatever they are.
fn join(parts: &[Vec<u8>; 4]) -> Vec<u8> {
    let content = made::tlv(0xa0, &made::tlv(0x30, &parts.concat()));
    made::tlv(0x30, &[rfc5911::ID_SIGNED_DATA.to_der().unwrap(), content].concat())
}

#[test]
fn accepts_every_allowed_algorithm() {
    let curves = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
    let [p256, p384, p521] = curves.map(Key::ec);
    let (ed25519, long) = (Key::ed25519(), Key::rsa(3072, 65537));
    for (digest, attributes) in [(SHA256, false), (SHA384, true), (SHA512, false), (SHA512, true)] {
        let rows = [
            (&*RSA, Scheme::Rsa),
            (&*RSA, Scheme::RsaWithDigest),
            (&*RSA, Scheme::RsaPss(0)),
            (&*RSA, Scheme::RsaPss(20)),
            (&*RSA, Scheme::RsaPss(64)),
            (&long, Scheme::RsaPss(200)),
            (&p256, Scheme::Ecdsa),
            (&p384, Scheme::Ecdsa),
            (&p521, Scheme::Ecdsa),
            (&ed25519, Scheme::Ed25519),
        ];
        for (key, scheme) in rows {
            if matches!(scheme, Scheme::Ed25519) && digest.oid != SHA512.oid {
                continue;
            }
            let mut signed = if attributes {
                let attributes = [made::content_type(), made::message_digest(digest, CONTENT)];
                made::sign_attributes(key, scheme, digest, &attributes)
            } else {
                made::sign(key, scheme, digest, CONTENT)
            };
            let anchors = made::anchors(&[STRANGER.pem(), key.pem()]);
            let parsed = SignedData::parse(&made::encode(&signed)).unwrap();
            let signer = parsed.verify(CONTENT, "root", &anchors).unwrap();
            assert!(signer.path().ends_with("1.crt"), "{scheme:?}");
            // The same signature with each other way to name the signer, and with certificates.
            made::by_key_identifier(&mut signed, key);
            made::embed(&mut signed, key);
            let named = SignedData::parse(&made::encode(&signed)).unwrap();
            assert!(
                named.verify(CONTENT, "root", &anchors).is_ok(),
                "{scheme:?} by key identifier"
            );
            // And its twin over one changed byte.
            let mut other = CONTENT.to_vec();
            other[63] ^= 1;
            let error = parsed.verify(&other, "root", &anchors).unwrap_err();
            let expected = if attributes { 3 } else { 2 };
            assert_eq!(error.specificity(), expected, "{scheme:?}: {error}");
            assert_eq!(error.class(), Class::Sig);
        }
    }
}

#[test]
fn accepts_what_the_openssl_command_writes() {
    let read = |name: &str| made::fixture(&format!("cms/{name}"));
    let anchors = made::anchors(&[read("rsa.crt"), read("ec.crt")]);
    let rows = [
        ("rsa-smime-noattr.der", "RSA PKCS#1 v1.5 with SHA-256"),
        ("rsa-smime.der", "RSA PKCS#1 v1.5 with SHA-512"),
        ("rsa-cms-keyid.der", "RSA PKCS#1 v1.5 with SHA-256"),
        ("rsa-cms.der", "RSA PKCS#1 v1.5 with SHA-384"),
        ("rsa-pss-longest-salt.der", "RSA-PSS with SHA-256, salt of 222"),
        ("rsa-pss.der", "RSA-PSS with SHA-384, salt of 48"),
        ("ec-smime.der", "ECDSA with SHA-256"),
        ("ec-cms-keyid.der", "ECDSA with SHA-256"),
        ("ec-cms.der", "ECDSA with SHA-512"),
    ];
    for (name, algorithm) in rows {
        let signed = SignedData::parse(&read(name)).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert_eq!(signed.algorithm().to_string(), algorithm, "{name}");
        let signer = signed.verify(&read("content"), "root", &anchors).unwrap();
        assert_eq!(signer.subject(), format!("CN={}", name.split('-').next().unwrap()));
        assert_eq!(
            signed.verify(b"x", "root", &anchors).unwrap_err().class(),
            Class::Sig,
            "{name}"
        );
    }
}

#[test]
fn accepts_what_systemd_keyutil_writes() {
    let read = |name: &str| made::fixture(&format!("cms/{name}"));
    let anchors = made::anchors(&[read("keyutil.crt")]);
    let signed = SignedData::parse(&read("rsa-keyutil.der")).unwrap();
    assert_eq!(signed.algorithm().to_string(), "RSA PKCS#1 v1.5 with SHA-256");
    let signer = signed.verify(&read("content"), "root", &anchors).unwrap();
    assert_eq!(signer.subject(), "CN=keyutil");
    assert!(signed.verify(b"x", "root", &anchors).is_err());
}

#[test]
fn judges_images_made_by_systemd_repart() {
    let anchors = made::anchors(&["trusted.crt", "second.crt"].map(made::fixture));
    let rows = [
        ("root-erofs-signed", Some("CN=fixture trusted signer")),
        ("usr-erofs-signed", Some("CN=fixture trusted signer")),
        ("root-erofs-second-key", Some("CN=fixture second signer")),
        ("root-erofs-stranger", None),
    ];
    for (image, signer) in rows {
        let partitions = made::fixture_partitions(image);
        let superblock = partitions.iter().find(|it| it.starts_with(b"verity")).unwrap();
        let superblock = VeritySuperblock::parse(&superblock[..512]).unwrap();
        assert_eq!(superblock.algorithm(), HashAlgorithm::Sha256);
        let signature = partitions.iter().find(|it| it.starts_with(b"{")).unwrap();
        let signature = VeritySignature::parse(signature).unwrap();
        let signed = SignedData::parse(signature.signature()).unwrap();
        let content = signature.root_hash().to_string();
        match (signed.verify(content.as_bytes(), "root", &anchors), signer) {
            (Ok(found), Some(signer)) => {
                assert_eq!(found.subject(), signer, "{image}");
                assert_eq!(Some(found.fingerprint()), signature.certificate_fingerprint());
            }
            (Err(CmsError::UnknownSigner { name }), None) => {
                assert!(name.starts_with("CN=fixture untrusted signer, serial 0D:08"), "{name}");
            }
            (found, _) => panic!("{image}: {found:?}"),
        }
        let digest = openssl::sha::sha256(b"evil");
        let other = data_encoding::HEXLOWER.encode(&digest);
        assert_eq!(
            signed.verify(other.as_bytes(), "root", &anchors).unwrap_err().class(),
            Class::Sig
        );
    }
}
