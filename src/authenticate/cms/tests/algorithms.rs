// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Algorithms and parameters off the list.
//!
//! **In:** sound signatures but for one algorithm or parameter. **Out:** the exact error.
//! **Refuses:** nothing.

use super::*;

#[test]
fn algorithms_agree_with_digest_and_parameters() {
    let null = || Some(Any::null());
    let parameters = |algorithm| Err(CmsError::SignatureParameters { algorithm });
    let unknown = |found| Err(CmsError::SignatureAlgorithm { found });
    let pss = rfc5912::ID_RSASSA_PSS;
    let (sha256, sha384, sha1) = (SHA256.oid, SHA384.oid, made::SHA1.oid);
    let pss_with = |extra: &[u8]| {
        let sound = made::pss_parameters(sha256, sha256, 20);
        Some(Any::new(der::Tag::Sequence, [sound.value(), extra].concat()).unwrap())
    };
    // The last arc of id-mgf1 is 8, of id-pSpecified 9.
    let mut mask = made::pss_parameters(sha256, sha256, 32).to_der().unwrap();
    let last_arc = mask.windows(3).position(|it| it == [1, 1, 8]).unwrap() + 2;
    mask[last_arc] = 9;
    let other_mask = Some(Any::from_der(&mask).unwrap());
    let rows = [
        (pss, other_mask, parameters(pss)),
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
}

#[test]
fn digests_are_strong_and_have_no_parameters() {
    for digest in [made::MD5, made::SHA1] {
        let signed = made::sign(&RSA, Scheme::Rsa, digest, CONTENT);
        let found = digest.oid;
        let refused = judge(&made::encode(&signed), CONTENT);
        assert_eq!(refused, Err(CmsError::DigestAlgorithm { found }));
    }
    let sha256 = SHA256.oid;
    let digest = |parameters: Option<Any>| {
        but(|it| {
            let algorithm = made::algorithm(sha256, parameters);
            it.digest_algorithms = made::set(vec![algorithm.clone()]);
            made::change_signer(it, |signer| signer.digest_alg = algorithm);
        })
    };
    assert_eq!(digest(Some(Any::null())), Ok(()));
    let odd = digest(Some(Any::from(&sha256)));
    assert_eq!(odd, Err(CmsError::DigestAlgorithm { found: sha256 }));
}

#[test]
fn a_salt_of_another_length_is_another_signature() {
    for (made_with, declared) in [(32, 31), (32, 20), (20, 32), (0, 1), (32, u16::MAX)] {
        let signature = made::raw_sign(&RSA.private, Scheme::RsaPss(made_with), SHA256, CONTENT);
        let algorithm = made::signature_algorithm(Scheme::RsaPss(declared), SHA256);
        let signed = made::assemble(&RSA.certificate, algorithm, SHA256, signature);
        assert_eq!(judge(&made::encode(&signed), CONTENT), Err(bad_signature()));
    }
}
