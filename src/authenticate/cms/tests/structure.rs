// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Structures off the list, and contents that were not signed.
//!
//! **In:** sound signatures but for one field, attribute or content. **Out:** the exact error.
//! **Refuses:** nothing.

use super::*;

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
