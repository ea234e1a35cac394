// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is accepted, and each way to miss it.

use std::sync::LazyLock;

use cms::cert::x509::attr::Attribute;
use cms::revocation::RevocationInfoChoices;
use cms::signed_data::{SignedData as Raw, SignerInfos};
use der::asn1::{OctetString, SetOfVec};
use der::oid::db::{rfc5912, rfc6268, rfc8410};
use openssl::nid::Nid;

use super::*;
use crate::authenticate::testing::{self as made, CONTENT, Key, RSA, SHA256, SHA384, SHA512};
use crate::authenticate::testing::{STRANGER, Scheme};
use crate::digest::HashAlgorithm;
use crate::dissect::verity_sig::VeritySignature;
use crate::dissect::verity_superblock::VeritySuperblock;
use crate::finding::Class;

static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(|| made::anchors(&[RSA.pem()]));

fn judge(der: &[u8], content: &[u8]) -> Result<(), CmsError> {
    SignedData::parse(der)?.verify(content, &ANCHORS).map(|signer| {
        assert_eq!(signer.fingerprint()[..], RSA.certificate.digest(sha256()).unwrap()[..]);
    })
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
            let signer = parsed.verify(CONTENT, &anchors).unwrap();
            assert!(signer.path().ends_with("1.crt"), "{scheme:?}");
            // The same signature with each other way to name the signer, and with certificates.
            made::by_key_identifier(&mut signed, key);
            made::embed(&mut signed, key);
            let named = SignedData::parse(&made::encode(&signed)).unwrap();
            assert!(named.verify(CONTENT, &anchors).is_ok(), "{scheme:?} by key identifier");
            // And its twin over one changed byte.
            let mut other = CONTENT.to_vec();
            other[63] ^= 1;
            let error = parsed.verify(&other, &anchors).unwrap_err();
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
        let signer = signed.verify(&read("content"), &anchors).unwrap();
        assert_eq!(signer.subject(), format!("CN={}", name.split('-').next().unwrap()));
        assert_eq!(signed.verify(b"x", &anchors).unwrap_err().class(), Class::Sig, "{name}");
    }
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
        match (signed.verify(content.as_bytes(), &anchors), signer) {
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
        assert_eq!(signed.verify(other.as_bytes(), &anchors).unwrap_err().class(), Class::Sig);
    }
}

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
        let signer = signed.verify(CONTENT, &anchors).unwrap();
        assert_eq!(signer.fingerprint()[..], RSA.certificate.digest(sha256()).unwrap()[..]);
    }
    let anchors = made::anchors(&[other_kind.pem(), twin.pem()]);
    let anchor = path(&anchors, 1);
    assert_eq!(signed.verify(CONTENT, &anchors).err(), Some(CmsError::BadSignature { anchor }));
    let anchors = made::anchors(&[other_kind.pem()]);
    let (anchor, algorithm) = (path(&anchors, 0), signed.algorithm());
    let expected = CmsError::KeyMismatch { anchor, algorithm };
    assert_eq!(signed.verify(CONTENT, &anchors).err(), Some(expected));
}

#[test]
fn refuses_all_but_one_signer() {
    assert_eq!(but(|_| {}), Ok(()));
    let count = |found| Err(CmsError::SignerCount { found });
    assert_eq!(but(|it| it.signer_infos = SignerInfos(SetOfVec::new())), count(0));
    let signers = |keys: Vec<&Key>| {
        let signers = keys.into_iter().map(|key| {
            let signed = made::sign(key, Scheme::RsaPss(32), SHA256, CONTENT);
            signed.signer_infos.0.get(0).unwrap().clone()
        });
        SignerInfos(made::set(signers.collect()))
    };
    assert_eq!(but(|it| it.signer_infos = signers(vec![&RSA])), Ok(()));
    assert_eq!(but(|it| it.signer_infos = signers(vec![&RSA, &STRANGER])), count(2));
    assert_eq!(but(|it| it.signer_infos = signers(vec![&RSA, &RSA])), count(2));
    assert_eq!(but(|it| it.signer_infos = signers(vec![&*RSA; 33])), count(33));
    let mut parts = parts(&sound());
    let signer = sound().signer_infos.0.get(0).unwrap().to_der().unwrap();
    parts[3] = made::tlv(0x31, &[signer.clone(), signer].concat());
    assert_eq!(judge(&join(&parts), CONTENT), count(2));
}

#[test]
fn refuses_digest_sets_that_are_not_the_signers() {
    let set = |digests: &[made::Digest]| {
        made::set(digests.iter().map(|it| made::algorithm(it.oid, None)).collect())
    };
    for digests in [&[][..], &[SHA384], &[SHA256, SHA384], &[made::MD5, SHA256]] {
        assert_eq!(but(|it| it.digest_algorithms = set(digests)), Err(CmsError::DigestSet));
    }
    assert_eq!(but(|it| it.digest_algorithms = set(&[SHA256])), Ok(()));
}

#[test]
fn refuses_content_lists_and_attributes_outside_the_signature() {
    for content in [CONTENT, b"other", b""] {
        let value = Any::encode_from(&OctetString::new(content).unwrap()).unwrap();
        let embedded = but(|it| it.encap_content_info.econtent = Some(value));
        assert_eq!(embedded, Err(CmsError::EmbeddedContent));
    }
    let crls = Some(RevocationInfoChoices(SetOfVec::new()));
    assert_eq!(but(|it| it.crls = crls), Err(CmsError::RevocationLists));
    let unsigned = made::set(vec![made::content_type()]);
    let refused = but_signer(|it| it.unsigned_attrs = Some(unsigned));
    assert_eq!(refused, Err(CmsError::UnsignedAttributes));
    for found in [rfc6268::ID_SIGNED_DATA, rfc5911::ID_CT_AUTH_DATA] {
        let refused = but(|it| it.encap_content_info.econtent_type = found);
        assert_eq!(refused, Err(CmsError::ContentType { found }));
    }
    let info = ContentInfo { content_type: rfc5911::ID_DATA, content: Any::null() };
    let found = rfc5911::ID_DATA;
    assert_eq!(judge(&info.to_der().unwrap(), CONTENT), Err(CmsError::ContentType { found }));
}

#[test]
fn refuses_versions_that_do_not_fit() {
    for version in [CmsVersion::V0, CmsVersion::V3, CmsVersion::V4, CmsVersion::V5] {
        assert_eq!(but(|it| it.version = version), Err(CmsError::Version));
        assert_eq!(but_signer(|it| it.version = version), Err(CmsError::Version));
    }
    let both = but(|it| {
        it.version = CmsVersion::V3;
        made::change_signer(it, |signer| signer.version = CmsVersion::V3);
    });
    assert_eq!(both, Err(CmsError::Version));
    assert_eq!(but(|it| made::by_key_identifier(it, &RSA)), Ok(()));
}

#[test]
fn refuses_weak_and_mismatched_algorithms() {
    let null = || Some(Any::null());
    for digest in [made::MD5, made::SHA1] {
        let signed = made::sign(&RSA, Scheme::Rsa, digest, CONTENT);
        let found = digest.oid;
        let refused = judge(&made::encode(&signed), CONTENT);
        assert_eq!(refused, Err(CmsError::DigestAlgorithm { found }));
    }
    let parameters = |algorithm| Err(CmsError::SignatureParameters { algorithm });
    let unknown = |found| Err(CmsError::SignatureAlgorithm { found });
    let pss = rfc5912::ID_RSASSA_PSS;
    let (sha256, sha384, sha1) = (SHA256.oid, SHA384.oid, made::SHA1.oid);
    let pss_with = |extra: &[u8]| {
        let sound = made::pss_parameters(sha256, sha256, 20);
        Some(Any::new(der::Tag::Sequence, [sound.value(), extra].concat()).unwrap())
    };
    let rows = [
        (rfc5912::RSA_ENCRYPTION, None, Ok(())),
        (rfc5912::SHA_256_WITH_RSA_ENCRYPTION, null(), Ok(())),
        (rfc5912::SHA_256_WITH_RSA_ENCRYPTION, None, Ok(())),
        (rfc5912::RSA_ENCRYPTION, Some(Any::from(&sha256)), parameters(rfc5912::RSA_ENCRYPTION)),
        (
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
            null(),
            unknown(rfc5912::SHA_384_WITH_RSA_ENCRYPTION),
        ),
        (rfc5912::SHA_1_WITH_RSA_ENCRYPTION, null(), unknown(rfc5912::SHA_1_WITH_RSA_ENCRYPTION)),
        (rfc5912::DSA_WITH_SHA_256, None, unknown(rfc5912::DSA_WITH_SHA_256)),
        (rfc5912::ECDSA_WITH_SHA_384, None, unknown(rfc5912::ECDSA_WITH_SHA_384)),
        (rfc5912::ECDSA_WITH_SHA_256, null(), parameters(rfc5912::ECDSA_WITH_SHA_256)),
        (sha256, null(), unknown(sha256)),
        (rfc8410::ID_ED_25519, None, parameters(rfc8410::ID_ED_25519)),
        (pss, None, parameters(pss)),
        (pss, null(), parameters(pss)),
        (pss, Some(Any::new(der::Tag::Sequence, &[][..]).unwrap()), parameters(pss)),
        (pss, Some(made::pss_parameters(sha1, sha1, 20)), parameters(pss)),
        (pss, Some(made::pss_parameters(sha256, sha1, 32)), parameters(pss)),
        (pss, Some(made::pss_parameters(sha384, sha256, 32)), parameters(pss)),
        (pss, Some(made::pss_parameters(sha384, sha384, 48)), parameters(pss)),
        (pss, pss_with(&[0xa2, 3, 2, 1, 20]), parameters(pss)),
        (pss, pss_with(&[0xa3, 3, 2, 1, 1]), parameters(pss)),
        (pss, pss_with(&[0xa2, 3, 2, 1, 0x80]), parameters(pss)),
        // Well formed: these reach the key, and PKCS#1 v1.5 is not PSS.
        (pss, pss_with(&[]), Err(bad_signature())),
        (pss, pss_with(&[0xa2, 3, 2, 1, 32]), Err(bad_signature())),
    ];
    for (oid, parameters, expected) in rows {
        let found = but_signer(|it| {
            it.signature_algorithm = made::algorithm(oid, parameters.clone());
        });
        assert_eq!(found, expected, "{oid} {parameters:?}");
    }
    let digest = |parameters: Option<Any>| {
        but(|it| {
            let algorithm = made::algorithm(sha256, parameters);
            it.digest_algorithms = made::set(vec![algorithm.clone()]);
            made::change_signer(it, |signer| signer.digest_alg = algorithm);
        })
    };
    assert_eq!(digest(null()), Ok(()));
    let odd = digest(Some(Any::from(&sha256)));
    assert_eq!(odd, Err(CmsError::DigestAlgorithm { found: sha256 }));
}

#[test]
fn a_salt_of_another_length_is_another_signature() {
    for (made_with, declared) in [(32, 31), (32, 20), (20, 32), (0, 1), (32, u16::MAX)] {
        let signature = made::raw_sign(&RSA.private, Scheme::RsaPss(made_with), SHA256, CONTENT);
        let algorithm = made::signature_algorithm(Scheme::RsaPss(declared), SHA256);
        let signed = made::assemble(&RSA, algorithm, SHA256, signature);
        assert_eq!(judge(&made::encode(&signed), CONTENT), Err(bad_signature()));
    }
}

#[test]
fn signed_attributes_are_exactly_those_listed() {
    let time = Any::new(der::Tag::UtcTime, &b"261123022506Z"[..]).unwrap();
    let time = made::attribute(rfc5911::ID_SIGNING_TIME, &[time]);
    let smime = rfc5911::SMIME_CAPABILITIES;
    let sequence = |content: &[u8]| Any::new(der::Tag::Sequence, content).unwrap();
    let capabilities = made::attribute(smime, &[sequence(&[])]);
    let [content_type, digest] = [made::content_type(), made::message_digest(SHA256, CONTENT)];
    for extra in [vec![], vec![time.clone()], vec![capabilities.clone()], vec![time, capabilities]]
    {
        assert_eq!(with_attributes(&[standard(), extra].concat()), Ok(()));
    }
    let octets = |it: &[u8]| Any::encode_from(&OctetString::new(it).unwrap()).unwrap();
    let digest_of = |values: &[Any]| made::attribute(rfc5911::ID_MESSAGE_DIGEST, values);
    let right = digest.values.get(0).unwrap().clone();
    let bits = Any::new(der::Tag::BitString, [&[0], right.value()].concat()).unwrap();
    let typed = |it| made::attribute(rfc5911::ID_CONTENT_TYPE, &[Any::from(it)]);
    let missing = |oid| CmsError::AttributeMissing { oid };
    let malformed = |oid| CmsError::AttributeMalformed { oid };
    let repeated = |oid| CmsError::AttributeRepeated { oid };
    let (md, ct, st) =
        (rfc5911::ID_MESSAGE_DIGEST, rfc5911::ID_CONTENT_TYPE, rfc5911::ID_SIGNING_TIME);
    let protection = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.52");
    let rows = [
        (vec![content_type.clone(), made::message_digest(SHA256, b"other")], other_content()),
        (vec![content_type.clone()], missing(md)),
        (vec![digest.clone()], missing(ct)),
        (vec![], missing(ct)),
        (vec![content_type.clone(), digest_of(&[bits])], malformed(md)),
        (vec![content_type.clone(), digest_of(&[Any::null()])], malformed(md)),
        (vec![content_type.clone(), digest_of(&[octets(&right.value()[..31])])], malformed(md)),
        (vec![content_type.clone(), made::message_digest(SHA384, CONTENT)], malformed(md)),
        (vec![content_type.clone(), digest_of(&[])], repeated(md)),
        (vec![content_type.clone(), digest_of(&[right, octets(&[7; 32])])], repeated(md)),
        (vec![content_type.clone(), digest.clone(), digest_of(&[octets(&[7; 32])])], repeated(md)),
        (vec![typed(&rfc5911::ID_SIGNED_DATA), digest.clone()], malformed(ct)),
        ([standard(), vec![typed(&rfc5911::ID_SIGNED_DATA)]].concat(), malformed(ct)),
        ([standard(), vec![made::attribute(st, &[Any::null()])]].concat(), malformed(st)),
        ([standard(), vec![made::attribute(smime, &[Any::null()])]].concat(), malformed(smime)),
        (
            [standard(), vec![made::attribute(smime, &[sequence(&[]), sequence(&[5, 0])])]]
                .concat(),
            repeated(smime),
        ),
        (
            [standard(), vec![made::attribute(protection, &[sequence(&[])])]].concat(),
            CmsError::AttributeUnknown { oid: protection },
        ),
    ];
    for (attributes, expected) in rows {
        let found = with_attributes(&attributes).unwrap_err();
        // Which of two contentType comes first is up to the order of the set.
        if expected == malformed(ct) && attributes.len() == 3 {
            assert!([malformed(ct), repeated(ct)].contains(&found), "{found}");
        } else {
            assert_eq!(found, expected, "{attributes:?}");
        }
    }
}

/// Signed attributes taken off, and their encoding presented as the content.
#[test]
fn stripping_attributes_gives_no_second_meaning() {
    let mut signed = made::sign_attributes(&RSA, Scheme::Rsa, SHA256, &standard());
    let attributes = signed.signer_infos.0.get(0).unwrap().signed_attrs.clone().unwrap();
    let content = attributes.to_der().unwrap();
    assert_eq!(judge(&made::encode(&signed), CONTENT), Ok(()));
    made::change_signer(&mut signed, |it| it.signed_attrs = None);
    // It is a signature over those bytes; only that they are attributes refuses it.
    let key = ANCHORS.iter().next().unwrap();
    let parsed = SignedData::parse(&made::encode(&signed)).unwrap();
    assert!(parsed.algorithm().verifies(key.key(), &content, &parsed.signature));
    assert_eq!(judge(&made::encode(&signed), &content), Err(CmsError::ContentIsAttributes));
    assert_eq!(judge(&made::encode(&signed), CONTENT), Err(bad_signature()));
    // No root hash can be such content: an attribute holds an identifier, tag 6, which is no hex.
    assert_eq!(content[0], b'1');
    assert!(content.contains(&6));
    // And the other way round: attributes put onto a signature without.
    let attached = but_signer(|it| it.signed_attrs = Some(attributes));
    assert_eq!(attached, Err(bad_signature()));
}

#[test]
fn only_the_exact_content_is_signed() {
    let text = std::str::from_utf8(CONTENT).unwrap();
    let raw = data_encoding::HEXLOWER.decode(CONTENT).unwrap();
    let json = format!("{{\"rootHash\":\"{text}\"}}");
    let other = [text, text].concat();
    let (upper, line) = (text.to_uppercase(), format!("{text}\n"));
    let rows = [upper.as_bytes(), line.as_bytes(), &raw, json.as_bytes(), other.as_bytes(), b""];
    for content in rows {
        let signed = made::sign(&RSA, Scheme::Rsa, SHA256, content);
        let der = made::encode(&signed);
        assert_eq!(judge(&der, content), Ok(()));
        assert_eq!(judge(&der, CONTENT), Err(bad_signature()));
    }
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
fn refuses_what_is_not_der_from_the_first_to_the_last_byte() {
    let der = join(&parts(&sound()));
    assert_eq!(der, made::encode(&sound()));
    assert_eq!(judge(&der, CONTENT), Ok(()));
    for len in 0..der.len() {
        let error = SignedData::parse(&der[..len]).unwrap_err();
        assert!(matches!(error, CmsError::NotDer { .. }), "{len}: {error}");
    }
    for tail in [&[0][..], &[5, 0], &der] {
        let error = SignedData::parse(&[&der, tail].concat()).unwrap_err();
        assert!(matches!(error, CmsError::NotDer { .. }), "{tail:?}: {error}");
    }
    let but_part = |at: usize, new: &[u8]| {
        let mut parts = parts(&sound());
        parts[at] = new.to_vec();
        SignedData::parse(&join(&parts)).unwrap_err()
    };
    let body = &der[4..];
    let oid = sound().encap_content_info.econtent_type.to_der().unwrap();
    let not_der = [
        ("indefinite length", [&[0x30, 0x80], body, &[0, 0]].concat()),
        ("length of 2^31", [&[0x30, 0x84, 0x80, 0, 0, 0], body].concat()),
        (
            "length of 2^64",
            [&[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], body].concat(),
        ),
        ("length with a leading zero", [&[0x30, 0x83, 0], &der[2..4], body].concat()),
    ];
    for (what, der) in not_der {
        let error = SignedData::parse(&der).unwrap_err();
        assert!(matches!(error, CmsError::NotDer { .. }), "{what}: {error}");
    }
    let long_length = [&[0x30, 0x81, oid.len() as u8], &oid[..]].concat();
    let rows = [
        ("long form of a short length", but_part(2, &long_length)),
        ("non-minimal integer", but_part(0, &[2, 2, 0, 1])),
        ("negative version", but_part(0, &[2, 1, 0xff])),
        ("child longer than its parent", but_part(0, &[2, 0x7f, 1])),
        ("another tag", but_part(1, &[0x30, 0])),
    ];
    for (what, error) in rows {
        assert!(matches!(error, CmsError::NotDer { .. }), "{what}: {error}");
    }
    let algorithm = made::algorithm(SHA256.oid, None).to_der().unwrap();
    assert_eq!(but_part(1, &made::tlv(0x31, &[])), CmsError::DigestSet);
    let twice = [algorithm.clone(), algorithm].concat();
    assert_eq!(but_part(1, &made::tlv(0x31, &twice)), CmsError::DigestSet);
}

#[test]
fn refuses_sets_out_of_order() {
    let signed = made::sign_attributes(&RSA, Scheme::Rsa, SHA256, &standard());
    let mut parts = parts(&signed);
    let attributes = standard().iter().map(|it| it.to_der().unwrap()).collect::<Vec<_>>();
    let sorted = attributes.concat();
    let at = parts[3].windows(sorted.len()).position(|it| it == sorted).unwrap();
    assert!(judge(&join(&parts), CONTENT).is_ok());
    let turned = [&attributes[1][..], &attributes[0]].concat();
    parts[3][at..at + turned.len()].copy_from_slice(&turned);
    assert_eq!(judge(&join(&parts), CONTENT), Err(CmsError::NotCanonical));
}

#[test]
fn bounds_size_and_depth_before_parsing() {
    let nested = |levels: usize| (0..levels).fold(Vec::new(), |inner, _| made::tlv(0x30, &inner));
    // Eight values enclose the value of an attribute.
    let deep = |levels| {
        let value = Any::from_der(&nested(levels)).unwrap();
        with_attributes(
            &[standard(), vec![made::attribute(rfc5911::SMIME_CAPABILITIES, &[value])]].concat(),
        )
    };
    assert_eq!(deep(limits::CMS_DEPTH - 8), Ok(()));
    assert_eq!(deep(limits::CMS_DEPTH - 7), Err(CmsError::TooDeep));
    assert_eq!(judge(&nested(10_000), CONTENT), Err(CmsError::TooDeep));
    for len in [limits::CMS + 1, 1 << 20] {
        assert_eq!(judge(&vec![0x30; len], CONTENT), Err(CmsError::TooLarge { found: len }));
    }
    let oid = made::tlv(6, &[0x55; 60_000]);
    assert!(matches!(judge(&oid, CONTENT), Err(CmsError::NotDer { .. })));
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
