// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The Wycheproof vectors, each as the signature of a whole `SignedData`.
//!
//! **In:** messages, signatures and keys with a label. **Out:** the verdict of the label, and how
//! many. **Refuses:** nothing.
//!
//! Every group whose digest is SHA-256, SHA-384 or SHA-512 goes through parser, anchors and
//! verifier: 8126 vectors are judged by a key, 435 are refused by rule. Left out, because a
//! `SignerInfo` has no way to say them or because the digest alone refuses them: SHA-1, SHA-224,
//! SHA-512/t, SHA-3 and SHAKE, ECDSA signatures in the P1363 and bitcoin forms, and other curves
//! (their keys can't be anchors, see the tests there).
//!
//! Two kinds of group are refused by rule whatever their label: RSA keys with exponent 3, and PSS
//! with another digest for the mask. "Acceptable" vectors (a missing NULL) must fail.

use ::wycheproof::{EllipticCurve, HashFunction, TestResult, ecdsa, eddsa};
use ::wycheproof::{rsa_pkcs1_verify, rsa_pss_verify};
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;

use super::*;
use crate::authenticate::testing::Digest;

/// What became of the vectors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Judged by the key, as labelled.
    as_labelled: usize,
    /// Of these, valid ones.
    valid: usize,
    /// Refused by rule.
    by_rule: usize,
}

struct Vector<'a> {
    message: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
    name: String,
}

/// What a group is expected to meet before any signature is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    None,
    WeakKey,
    Parameters,
}

fn digest(function: HashFunction) -> Option<Digest> {
    [
        (HashFunction::Sha2_256, SHA256),
        (HashFunction::Sha2_384, SHA384),
        (HashFunction::Sha2_512, SHA512),
    ]
    .into_iter()
    .find_map(|(it, digest)| (it == function).then_some(digest))
}

fn run<'a>(
    count: &mut Count,
    key: &PKey<Public>,
    (algorithm, digest, rule): (made::AlgorithmIdentifierOwned, Digest, Rule),
    vectors: impl IntoIterator<Item = Vector<'a>>,
) {
    let certificate = made::certify(key, &RSA.private, |_| {});
    let pem = certificate.to_pem().unwrap();
    let vectors = vectors.into_iter();
    if rule == Rule::WeakKey {
        let error = made::try_anchors(&[pem]).unwrap_err();
        assert!(error.to_string().contains("exponent 3"), "{error}");
        count.by_rule += vectors.count();
        return;
    }
    let anchors = made::anchors(&[pem]);
    for vector in vectors {
        let signature = vector.signature.to_vec();
        let signed = made::assemble(&certificate, algorithm.clone(), digest, signature);
        let signed = SignedData::parse(&made::encode(&signed));
        if rule == Rule::Parameters {
            let error = signed.unwrap_err();
            assert!(matches!(error, CmsError::SignatureParameters { .. }), "{error}");
            count.by_rule += 1;
            continue;
        }
        let signed = signed.unwrap();
        let found = signed.verify(vector.message, "root", &anchors).map(|_| ());
        // By its digest alone, content gets the same verdict.
        let digest = digest_of(signed.digest(), &[vector.message]);
        let by_digest = signed.verify_digest(&digest, "root", &anchors).map(|_| ());
        let one_shot = signed.algorithm() == SignatureAlgorithm::Ed25519;
        let expected = if one_shot { Err(CmsError::OneShot) } else { found.clone() };
        assert_eq!(by_digest, expected, "{}", vector.name);
        let valid = vector.result == TestResult::Valid;
        assert_eq!(found.is_ok(), valid, "{}: {found:?}", vector.name);
        assert!(valid || matches!(found, Err(CmsError::BadSignature { .. })), "{}", vector.name);
        count.as_labelled += 1;
        count.valid += usize::from(valid);
    }
}

/// The vectors of one group; the crate has one type per file format.
macro_rules! vectors {
    ($name:expr, $group:expr) => {
        $group.tests.iter().map(|it| Vector {
            message: &it.msg,
            signature: &it.sig,
            result: it.result,
            name: format!("{:?} {}", $name, it.tc_id),
        })
    };
}

fn rsa_key(pkcs1: &[u8]) -> (PKey<Public>, Rule) {
    let rsa = Rsa::public_key_from_der_pkcs1(pkcs1).unwrap();
    let weak = rsa.e().num_bits() < 17;
    (PKey::from_rsa(rsa).unwrap(), if weak { Rule::WeakKey } else { Rule::None })
}

#[test]
fn rsa_pkcs1() {
    let mut count = Count::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let Some(digest) = digest(group.hash) else { continue };
            let (key, rule) = rsa_key(&group.asn_key);
            // Both ways to name the algorithm.
            for scheme in [Scheme::Rsa, Scheme::RsaWithDigest] {
                let algorithm = made::signature_algorithm(scheme, digest);
                run(&mut count, &key, (algorithm, digest, rule), vectors!(name, group));
            }
        }
    }
    // 3101 vectors and 5 with exponent 3, twice.
    assert_eq!(count, Count { as_labelled: 6202, valid: 168, by_rule: 10 });
}

#[test]
fn rsa_pss() {
    let mut count = Count::default();
    for name in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let (Some(hash), Some(mask)) = (digest(group.hash), group.mgf_hash) else { continue };
            let (key, weak) = rsa_key(&group.asn_key);
            assert!(weak == Rule::None);
            let rule = if mask == group.hash { Rule::None } else { Rule::Parameters };
            let mask = match (digest(mask), mask) {
                (Some(digest), _) => digest.oid,
                (None, HashFunction::Sha2_224) => rfc5912::ID_SHA_224,
                (None, HashFunction::Sha1) => made::SHA1.oid,
                (None, other) => panic!("{other:?}"),
            };
            let salt = u16::try_from(group.salt_size).unwrap();
            let parameters = made::pss_parameters(hash.oid, mask, salt);
            let algorithm = made::algorithm(rfc5912::ID_RSASSA_PSS, Some(parameters));
            run(&mut count, &key, (algorithm, hash, rule), vectors!(name, group));
        }
    }
    assert_eq!(count, Count { as_labelled: 1776, valid: 1191, by_rule: 430 });
}

#[test]
fn ecdsa() {
    let mut count = Count::default();
    for name in ecdsa::TestName::all() {
        let set = ecdsa::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let curve = matches!(
                group.key.curve,
                EllipticCurve::Secp256r1 | EllipticCurve::Secp384r1 | EllipticCurve::Secp521r1
            );
            let der = group.test_type == ecdsa::TestGroupTypeId::Ecdsa;
            let Some(digest) = digest(group.hash).filter(|_| curve && der) else { continue };
            let key = PKey::public_key_from_der(&group.der).unwrap();
            let algorithm = made::signature_algorithm(Scheme::Ecdsa, digest);
            run(&mut count, &key, (algorithm, digest, Rule::None), vectors!(name, group));
        }
    }
    assert_eq!(count, Count { as_labelled: 3098, valid: 1236, by_rule: 0 });
}

#[test]
fn ed25519() {
    let mut count = Count::default();
    let name = eddsa::TestName::Ed25519;
    for group in &eddsa::TestSet::load(name).unwrap().test_groups {
        let key = PKey::public_key_from_der(&group.der).unwrap();
        let algorithm = made::signature_algorithm(Scheme::Ed25519, SHA512);
        run(&mut count, &key, (algorithm, SHA512, Rule::None), vectors!(name, group));
    }
    assert_eq!(count, Count { as_labelled: 151, valid: 88, by_rule: 0 });
}
