// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One encoding only, within limits.
//!
//! **In:** bytes that encode a sound signature in another way. **Out:** the exact error.
//! **Refuses:** nothing.

use super::*;

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
        ("a field more", but_part(3, &[&parts(&sound())[3][..], &[5, 0]].concat())),
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

/// Inside values that no parser looks into, too.
#[test]
fn every_length_is_inside_its_parent() {
    let inner = |content: &[u8]| {
        let value = Any::new(der::Tag::Sequence, content).unwrap();
        let attribute = made::attribute(rfc5911::SMIME_CAPABILITIES, &[value]);
        with_attributes(&[standard(), vec![attribute]].concat())
    };
    assert_eq!(inner(&[4, 1, 0]), Ok(()));
    let kind = |tag| Err(CmsError::NotDer { kind: der::ErrorKind::Length { tag } });
    assert_eq!(inner(&[4, 2, 0]), kind(der::Tag::OctetString));
    assert_eq!(inner(&[0x30, 1]), kind(der::Tag::Sequence));
}
