// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Signatures held against the digest of content that is too long to be held.
//!
//! **In:** whole files, piece by piece, up to 4 GiB and a byte. **Out:** the same verdict as over
//! the bytes. **Refuses:** nothing.

use super::*;

fn by_digest(signed: &Raw, pieces: &[&[u8]]) -> Result<(), CmsError> {
    let signed = SignedData::parse(&made::encode(signed))?;
    let digest = digest_of(signed.digest(), pieces);
    signed.verify_digest(&digest, "archive", &ANCHORS).map(|_| ())
}

#[test]
fn a_digest_stands_for_the_content_with_attributes_and_without() {
    let plain = sound();
    let attributes = made::sign_attributes(&RSA, Scheme::Rsa, SHA256, &standard());
    let pss = made::sign(&RSA, Scheme::RsaPss(32), SHA384, CONTENT);
    let wide = made::sign(&RSA, Scheme::RsaWithDigest, SHA512, CONTENT);
    let (head, tail) = CONTENT.split_at(17);
    for signed in [&plain, &attributes, &pss, &wide] {
        assert_eq!(by_digest(signed, &[head, b"", tail]), Ok(()));
        assert!(by_digest(signed, &[tail, head]).is_err());
        assert!(by_digest(signed, &[CONTENT, b"\n"]).is_err());
        assert!(by_digest(signed, &[]).is_err());
    }
    assert_eq!(by_digest(&plain, &[b"x"]), Err(bad_signature()));
    assert_eq!(by_digest(&attributes, &[b"x"]), Err(other_content()));
}

#[test]
fn another_digest_than_the_signers_proves_nothing() {
    let signed = SignedData::parse(&made::encode(&sound())).unwrap();
    let other = digest_of(SignatureDigest::Sha512, &[CONTENT]);
    assert_eq!(signed.verify_digest(&other, "archive", &ANCHORS).unwrap_err(), bad_signature());
    let attributes = made::sign_attributes(&RSA, Scheme::Rsa, SHA256, &standard());
    let signed = SignedData::parse(&made::encode(&attributes)).unwrap();
    assert_eq!(signed.verify_digest(&other, "archive", &ANCHORS).unwrap_err(), other_content());
}

#[test]
fn signed_attributes_are_no_content() {
    let attributes = made::sign_attributes(&RSA, Scheme::Rsa, SHA256, &standard());
    let signer = attributes.signer_infos.0.get(0).unwrap();
    let der = signer.signed_attrs.as_ref().unwrap().to_der().unwrap();
    let signature = signer.signature.as_bytes().to_vec();
    // The signature over the attributes, as one over them as content.
    let algorithm = made::signature_algorithm(Scheme::Rsa, SHA256);
    let stripped = made::assemble(&RSA.certificate, algorithm, SHA256, signature);
    assert_eq!(by_digest(&stripped, &[&der]), Err(CmsError::ContentIsAttributes));
    assert_eq!(by_digest(&stripped, &[&der, b"x"]), Err(bad_signature()));
}

#[test]
fn ed25519_over_a_file_needs_attributes() {
    let key = Key::ed25519();
    let anchors = made::anchors(&[key.pem()]);
    let judge = |signed: &Raw| {
        let signed = SignedData::parse(&made::encode(signed)).unwrap();
        let digest = digest_of(signed.digest(), &[CONTENT]);
        signed.verify_digest(&digest, "archive", &anchors).map(|_| ())
    };
    let attributes = [made::content_type(), made::message_digest(SHA512, CONTENT)];
    let with = made::sign_attributes(&key, Scheme::Ed25519, SHA512, &attributes);
    assert_eq!(judge(&with), Ok(()));
    let without = made::sign(&key, Scheme::Ed25519, SHA512, CONTENT);
    assert_eq!(judge(&without), Err(CmsError::OneShot));
}

#[test]
fn a_signature_covers_what_stands_behind_every_integer_size() {
    let zeros = vec![0; 1 << 20];
    let ends: [u64; 4] = [(1 << 31) - 1, 1 << 31, 1 << 32, (1 << 32) + 1];
    let mut hasher = ContentHasher::new(SignatureDigest::Sha256).unwrap();
    let mut at = 0_u64;
    for end in ends {
        while at < end {
            let piece = zeros.len().min((end - at) as usize);
            hasher.update(&zeros[..piece]).unwrap();
            at += piece as u64;
        }
        let with = |last: &[u8]| {
            let mut hasher = hasher.clone();
            hasher.update(last).unwrap();
            hasher.finish().unwrap()
        };
        let signed = made::sign_attributes(
            &RSA,
            Scheme::Rsa,
            SHA256,
            &[made::content_type(), made::message_digest_value(with(b"x").value())],
        );
        let signed = SignedData::parse(&made::encode(&signed)).unwrap();
        let judge = |last: &[u8]| signed.verify_digest(&with(last), "archive", &ANCHORS).is_ok();
        assert!(judge(b"x"), "{end}");
        assert!(!judge(b"y") && !judge(b"") && !judge(b"xx"), "{end}");
    }
}
