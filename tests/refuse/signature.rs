// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Who signed the root hash, and whether that is what was signed.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use veriroot::authenticate::AuthenticateError;
use veriroot::authenticate::cms::CmsError;
use veriroot::dissect::group::GroupError;
use veriroot::dissect::verity_sig::SignatureError;
use veriroot::error::Error;
use veriroot::policy::PolicyError;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::keys::{self, Algorithm, Signer, Spec};
use veriroot_test_support::sign::{self, Attributes, Cms, Digest};

use crate::judge::{Machine, Twin};

/// B0 with another signature partition: the whole of it.
fn signed(make: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Image {
    Ddi::builder().change("root", |it| it.signature(make)).build()
}

/// B0 with another CMS in the usual JSON.
fn cms(make: impl Fn(&[u8]) -> Cms + Send + Sync + 'static) -> Image {
    Ddi::builder().change("root", |it| it.cms(make)).build()
}

/// B0 whose usual CMS is changed in one thing.
fn cms_with(change: impl Fn(Cms) -> Cms + Send + Sync + 'static) -> Image {
    cms(move |root_hash| change(Cms::of_root_hash(&keys::trusted(), root_hash)))
}

fn signed_by(signer: &Arc<Signer>) -> Image {
    Ddi::builder().change("root", |it| it.signed_by(signer)).build()
}

fn cms_fault(error: Error) -> CmsError {
    match error {
        Error::Authenticate(AuthenticateError::Cms { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

fn json_fault(error: Error) -> SignatureError {
    match error {
        Error::Policy(PolicyError::Group {
            error: GroupError::Signature { error, .. }, ..
        }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn refuses_root_hash_signed_by_unknown_key() {
    let twin = Twin::b0();
    let fault = cms_fault(twin.refused(|_| signed_by(&keys::stranger())));
    assert!(matches!(fault, CmsError::UnknownSigner { .. }), "{fault:?}");
    // The stranger is one to somebody who trusts K1 only.
    let machine = Machine { anchors: vec![keys::stranger()], ..Machine::default() };
    Twin::new(machine, signed_by(&keys::stranger()));
}

// CMS-01
#[test]
fn refuses_impostor_with_the_names_of_the_trusted_signer() {
    let twin = Twin::b0();
    let impostor = || Cms::of_root_hash(&keys::impostor(), twin.image.root_hash("root"));
    let plain = impostor();
    let fault = cms_fault(twin.refused(|_| cms(move |_| plain.clone())));
    assert!(matches!(fault, CmsError::BadSignature { .. }), "{fault:?}");
    // With the impostor's certificate, or the trusted one, in the CMS.
    for carried in [keys::impostor(), keys::trusted()] {
        let with = impostor().with(|it| it.certificates = vec![carried]);
        let fault = cms_fault(twin.refused(|_| cms(move |_| with.clone())));
        assert!(matches!(fault, CmsError::BadSignature { .. }), "{fault:?}");
    }
    let named = Cms::of_root_hash(&keys::stranger(), twin.image.root_hash("root"))
        .with_signer(|it| it.named = Some(keys::trusted()));
    let fault = cms_fault(twin.refused(|_| cms(move |_| named.clone())));
    assert!(matches!(fault, CmsError::BadSignature { .. }), "{fault:?}");
}

#[test]
fn takes_certificates_in_the_cms_for_nothing() {
    let twin = Twin::b0();
    twin.accepted(|_| cms_with(|it| it.with(|it| it.certificates = vec![keys::trusted()])));
    let fault = cms_fault(twin.refused(|_| {
        cms(|hash| {
            Cms::of_root_hash(&keys::stranger(), hash)
                .with(|it| it.certificates = vec![keys::stranger(), keys::trusted()])
        })
    }));
    assert!(matches!(fault, CmsError::UnknownSigner { .. }), "{fault:?}");
}

// CMS-02, CMS-03
#[test]
fn refuses_any_number_of_signers_but_one() {
    let twin = Twin::b0();
    for signers in [vec![], vec![keys::trusted(); 2], vec![keys::trusted(), keys::stranger()]] {
        let found = signers.len();
        let image = signed(move |hash| {
            let cms = Cms::of_root_hash(&keys::trusted(), hash)
                .with(|it| it.signers = signers.iter().map(sign::SignerInfo::new).collect());
            sign::partition(&sign::json(hash, &keys::trusted().fingerprint(), &cms.build()))
        });
        assert_eq!(cms_fault(twin.refused(|_| image)), CmsError::SignerCount { found });
    }
    let none = cms_with(|it| it.with(|it| it.no_digest_algorithms = true));
    assert_eq!(cms_fault(twin.refused(|_| none)), CmsError::DigestSet);
}

// CMS-04
#[test]
fn refuses_signature_that_brings_its_own_content() {
    let twin = Twin::b0();
    let hash = twin.image.root_hash_hex("root").into_bytes();
    for content in [hash, b"other".to_vec(), Vec::new()] {
        let image = cms_with(move |it| it.with(|it| it.embedded = Some(content.clone())));
        assert_eq!(cms_fault(twin.refused(|_| image)), CmsError::EmbeddedContent);
    }
}

// CMS-05
#[test]
fn refuses_signed_attributes_that_do_not_name_this_content() {
    let twin = Twin::b0();
    let with = |attributes: Attributes| {
        cms_with(move |it| it.with_signer(|it| it.attributes = attributes.clone()))
    };
    for sound in [Attributes::Usual, Attributes::WithCapabilities] {
        twin.accepted(|_| with(sound));
    }
    let fault = |attributes| cms_fault(twin.refused(|_| with(attributes)));
    assert!(matches!(fault(Attributes::OtherDigest), CmsError::OtherContent { .. }));
    assert!(matches!(fault(Attributes::NoMessageDigest), CmsError::AttributeMissing { .. }));
    assert!(matches!(fault(Attributes::NoContentType), CmsError::AttributeMissing { .. }));
    assert!(matches!(fault(Attributes::TwoDigests), CmsError::AttributeRepeated { .. }));
    assert!(matches!(fault(Attributes::Empty), CmsError::AttributeMissing { .. }));
}

// CMS-07
#[test]
fn refuses_signature_over_anything_but_the_hex_of_this_root_hash() {
    let twin = Twin::b0();
    type Content = fn(&[u8]) -> Vec<u8>;
    let contents: [Content; 7] = [
        |hash| HEXUPPER.encode(hash).into_bytes(),
        |hash| format!("{}\n", HEXLOWER.encode(hash)).into_bytes(),
        |hash| format!("{}\0", HEXLOWER.encode(hash)).into_bytes(),
        <[u8]>::to_vec,
        |hash| format!(r#"{{"rootHash":"{}"}}"#, HEXLOWER.encode(hash)).into_bytes(),
        |hash| HEXLOWER.encode(&openssl::sha::sha512(hash)).into_bytes(),
        |_| Vec::new(),
    ];
    for content in contents {
        let image = cms(move |hash| Cms::detached(&keys::trusted(), &content(hash)));
        let fault = cms_fault(twin.refused(|_| image));
        assert!(matches!(fault, CmsError::BadSignature { .. }), "{fault:?}");
    }
}

#[test]
fn refuses_signature_of_the_same_signer_over_another_image() {
    let twin = Twin::b0();
    let other = vec![7; 32];
    let image = cms(move |_| Cms::of_root_hash(&keys::trusted(), &other));
    let fault = cms_fault(twin.refused(|_| image));
    assert!(matches!(fault, CmsError::BadSignature { .. }), "{fault:?}");
}

// CMS-08
#[test]
fn refuses_bytes_behind_the_der() {
    let twin = Twin::b0();
    let fault = cms_fault(twin.refused(|_| cms_with(|it| it.with(|it| it.trailing = vec![0]))));
    assert!(matches!(fault, CmsError::NotDer { .. }), "{fault:?}");
}

// CMS-09
#[test]
fn refuses_weak_digests() {
    let twin = Twin::b0();
    for digest in [Digest::Sha384, Digest::Sha512] {
        twin.accepted(|_| cms_with(move |it| it.with_signer(|it| it.digest = digest)));
    }
    for digest in [Digest::Md5, Digest::Sha1] {
        let image = cms_with(move |it| it.with_signer(|it| it.digest = digest));
        let fault = cms_fault(twin.refused(|_| image));
        assert!(matches!(fault, CmsError::DigestAlgorithm { .. }), "{fault:?}");
    }
}

#[test]
fn refuses_every_cut_of_the_cms() {
    let twin = Twin::b0();
    let hash = twin.image.root_hash("root").to_vec();
    let der = Cms::of_root_hash(&keys::trusted(), &hash).build();
    let fingerprint = keys::trusted().fingerprint();
    for len in (1..der.len()).step_by(7) {
        let json = sign::json(&hash, &fingerprint, &der[..len]);
        let error =
            twin.refused(|it| it.replace_content("root-verity-sig", &sign::partition(&json)));
        let fault = cms_fault(error);
        assert!(matches!(fault, CmsError::NotDer { .. }), "{len}: {fault:?}");
    }
}

#[test]
fn refuses_one_changed_byte_of_the_signature_value() {
    let twin = Twin::b0();
    for at in [0, 100, 255] {
        let image = cms_with(move |it| {
            let good = it.build();
            let mut value = good[good.len() - 256..].to_vec();
            value[at] ^= 1;
            it.with_signer(|it| it.value = Some(value))
        });
        let fault = cms_fault(twin.refused(|_| image));
        assert!(matches!(fault, CmsError::BadSignature { .. }), "{fault:?}");
    }
}

#[test]
fn refuses_signature_of_another_algorithm_under_the_trusted_name() {
    let twin = Twin::b0();
    let image = cms(|hash| {
        Cms::of_root_hash(&keys::trusted_ec(), hash)
            .with_signer(|it| it.named = Some(keys::trusted()))
    });
    let fault = cms_fault(twin.refused(|_| image));
    assert!(matches!(fault, CmsError::KeyMismatch { .. }), "{fault:?}");
}

#[test]
fn takes_every_algorithm_of_the_list() {
    for algorithm in [
        Algorithm::Rsa(3072),
        Algorithm::P256,
        Algorithm::P384,
        Algorithm::P521,
        Algorithm::Ed25519,
    ] {
        let signer = Spec::new("signer", algorithm).signer();
        let machine = Machine { anchors: vec![signer.clone()], ..Machine::default() };
        let twin = Twin::new(machine, signed_by(&signer));
        let fault = cms_fault(twin.refused_by(&Machine::default()));
        assert!(matches!(fault, CmsError::UnknownSigner { .. }), "{fault:?}");
    }
}

// SJ-02
#[test]
fn refuses_anything_behind_the_json_but_nul() {
    let twin = Twin::b0();
    let text = |image: &Image| {
        let content = image.content("root-verity-sig");
        let len = content.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(content[..len].to_vec()).unwrap()
    };
    let text = text(&twin.image);
    let with = |content: &[u8]| {
        let content = content.to_vec();
        twin.refused(|it| it.replace_content("root-verity-sig", &content))
    };
    let json = |content: String| json_fault(with(&sign::partition(&content)));
    assert_eq!(json(format!("{text}\0x")), SignatureError::Padding);
    assert!(matches!(json(format!("{text}{text}")), SignatureError::Json { .. }));
    assert!(matches!(json(format!("{text}x")), SignatureError::Json { .. }));
    assert_eq!(json(format!("\u{feff}{text}")), SignatureError::NotAnObject);
    assert_eq!(json(format!("[{text}]")), SignatureError::NotAnObject);
    assert_eq!(json(String::new()), SignatureError::NotAnObject);
    let big = [text.as_bytes(), &vec![0; (4 << 20) - text.len()]].concat();
    twin.accepted(|it| it.replace_content("root-verity-sig", &big));
    let found = big.len() + 4096;
    let error = with(&[&big[..], &[0]].concat());
    assert_eq!(json_fault(error), SignatureError::PartitionTooLarge { found });
    twin.accepted(|it| {
        it.replace_content("root-verity-sig", &sign::partition(&format!("\n {text} \n")))
    });
}

// SJ-03, SJ-04, SJ-05
#[test]
fn refuses_json_that_two_parsers_could_read_differently() {
    let twin = Twin::b0();
    let hash = twin.image.root_hash("root").to_vec();
    let hex = HEXLOWER.encode(&hash);
    let der = Cms::of_root_hash(&keys::trusted(), &hash).build();
    let text = sign::json(&hash, &keys::trusted().fingerprint(), &der);
    let fault = |text: String| {
        json_fault(
            twin.refused(|it| it.replace_content("root-verity-sig", &sign::partition(&text))),
        )
    };
    let twice = |key: &str, value: &str| {
        [
            text.replacen('{', &format!(r#"{{"{key}":"{value}","#), 1),
            text.replacen('}', &format!(r#","{key}":"{value}"}}"#), 1),
        ]
    };
    for (key, value) in [("rootHash", hex.as_str()), ("signature", "MAA=")] {
        for text in twice(key, value) {
            assert!(matches!(fault(text), SignatureError::Json { .. }), "{key}");
        }
    }
    for bad in ["7", "null", "[]", "{}", "true"] {
        let text = text.replace(&format!("\"{hex}\""), bad);
        assert!(matches!(fault(text), SignatureError::Json { .. }), "{bad}");
    }
    for bad in [
        "",
        &hex[..30],
        &hex[..63],
        &format!("{hex}00"),
        &format!("0x{hex}"),
        &format!("{} ", &hex[..63]),
    ] {
        let text = text.replace(&hex, bad);
        assert!(matches!(fault(text), SignatureError::RootHash { .. }), "{bad}");
    }
    let base64 = BASE64.encode(&der);
    for bad in [
        "",
        &base64[1..],
        &format!("{base64}="),
        &format!(" {base64}"),
        &format!("\\n{base64}"),
        &base64.replacen('M', "-", 1),
        &format!("{base64}AA=="),
    ] {
        let text = text.replace(&base64, bad);
        let fault = fault(text);
        assert!(matches!(fault, SignatureError::Base64), "{bad}: {fault:?}");
    }
    // Either case of hex means the same bytes, and those are what counts.
    let upper = text.replace(&hex, &hex.to_uppercase());
    twin.accepted(|it| it.replace_content("root-verity-sig", &sign::partition(&upper)));
}

// SJ-07
#[test]
fn takes_the_fingerprint_for_a_hint() {
    let twin = Twin::b0();
    let json_by = |signer: Arc<Signer>, fingerprint: String| {
        signed(move |hash| {
            let der = Cms::of_root_hash(&signer, hash).build();
            sign::partition(&sign::json(hash, &fingerprint, &der))
        })
    };
    let trusted = keys::trusted().fingerprint();
    let fault = cms_fault(twin.refused(|_| json_by(keys::stranger(), trusted.clone())));
    assert!(matches!(fault, CmsError::UnknownSigner { .. }), "{fault:?}");
    twin.accepted(|_| json_by(keys::trusted(), keys::stranger().fingerprint()));
    for malformed in ["", "00", &trusted[..62], "zz"] {
        let image = json_by(keys::trusted(), malformed.to_owned());
        let fault = json_fault(twin.refused(|_| image));
        assert!(matches!(fault, SignatureError::Fingerprint { .. }), "{fault:?}");
    }
}

#[test]
fn refuses_signed_root_where_nobody_is_trusted() {
    let error = Twin::b0().refused_by(&Machine {
        policy: Some("root=verity+signed:=ignore".to_owned()),
        anchors: vec![keys::stranger(), keys::trusted_ec()],
        ..Machine::default()
    });
    assert!(matches!(cms_fault(error), CmsError::UnknownSigner { .. }));
}

#[test]
fn refuses_usr_that_nobody_trusted_signed() {
    let usr = Volume::new(veriroot_test_support::erofs::Erofs::usr_tree(4096).build());
    let machine = Machine::demanding("usr=signed:=ignore");
    let with = |usr: Volume| Ddi::empty().volume("usr", usr).build();
    let twin = Twin::new(machine, with(usr.clone()));
    let fault = cms_fault(twin.refused(|_| with(usr.clone().signed_by(&keys::stranger()))));
    assert!(matches!(fault, CmsError::UnknownSigner { .. }), "{fault:?}");
    for usr in [usr.clone().unsigned(), usr.plain()] {
        let error = twin.refused(|_| with(usr));
        assert_refused!(error, Error::Policy(PolicyError::Layout { designator, .. })
            if designator.name() == "usr");
    }
}
