// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! CMS signatures.
//!
//! **In:** DER, near to what each kind of signer writes. **Out:** a verdict. **Refuses:** (panics)
//! a signer who signed nothing, content that nobody signed, and what OpenSSL would not accept.

use std::sync::{Arc, OnceLock};

use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use veriroot::authenticate::anchors::TrustAnchors;
use veriroot::authenticate::cms::SignedData;
use veriroot_test_support::keys::{self, Algorithm, Signer, Spec};
use veriroot_test_support::sign::{Attributes, Cms, Digest};

use crate::{Target, Verdict};

/// Detached signatures of one root hash.
pub(super) const CMS: Target = Target {
    name: "cms",
    invariant: "a key that signed nothing never authenticates, content that was not signed is never \
                authenticated, and OpenSSL, given the same anchors, accepts what we accept",
    check,
    seeds: || seeds().to_vec(),
    words: &[
        "\u{30}\0",
        "\u{31}\0",
        "\u{5}\0",
        "\u{2}\u{1}\u{1}",
        "\u{2}\u{1}\u{3}",
        "\u{4}\0",
        "*\u{7f}",
        "0\u{7f}",
        "1\u{7f}",
    ],
    smoke: 4000,
};

/// What is signed.
const CONTENT: &[u8] = b"1f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875";
/// What nobody signed.
const OTHER: &[u8] = b"2f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875";

struct Trusted {
    anchors: TrustAnchors,
    signers: Vec<Arc<Signer>>,
    silent: Arc<Signer>,
}

fn signers() -> Vec<Arc<Signer>> {
    let ed25519 = Spec::new("trusted Ed25519 signer", Algorithm::Ed25519).signer();
    let p384 = Spec::new("trusted P-384 signer", Algorithm::P384).signer();
    vec![keys::trusted(), keys::trusted_ec(), ed25519, p384]
}

fn trusted() -> &'static Trusted {
    static MADE: OnceLock<Trusted> = OnceLock::new();
    MADE.get_or_init(|| {
        let (signers, silent) = (signers(), Spec::new("silent", Algorithm::Rsa(2048)).signer());
        let all: Vec<&Signer> = signers.iter().chain([&silent]).map(|it| &**it).collect();
        let directory = keys::anchors(&all);
        let anchors = TrustAnchors::load(&[directory.path().to_owned()]).unwrap();
        Trusted { anchors, signers, silent }
    })
}

/// Every right and every wrong kind of signature.
fn seeds() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut seeds = Vec::new();
        for signer in signers() {
            let good = Cms::detached(&signer, CONTENT);
            seeds.push(good.build());
            for attributes in [
                Attributes::Usual,
                Attributes::WithCapabilities,
                Attributes::Empty,
                Attributes::NoContentType,
                Attributes::NoMessageDigest,
                Attributes::OtherDigest,
                Attributes::TwoDigests,
            ] {
                seeds.push(good.clone().with_signer(|it| it.attributes = attributes).build());
            }
            seeds.push(good.clone().with(|it| it.certificates = vec![signer.clone()]).build());
            seeds.push(good.clone().with(|it| it.embedded = Some(CONTENT.to_vec())).build());
            seeds.push(good.clone().with(|it| it.no_digest_algorithms = true).build());
            seeds.push(good.with(|it| it.trailing = vec![0]).build());
        }
        let (k1, stranger) = (keys::trusted(), keys::stranger());
        let good = Cms::detached(&k1, CONTENT);
        let silent = Spec::new("silent", Algorithm::Rsa(2048)).signer();
        seeds.push(good.clone().with_signer(|it| it.pss = true).build());
        seeds.push(good.clone().with_signer(|it| it.digest = Digest::Sha512).build());
        seeds.push(good.clone().with_signer(|it| it.digest = Digest::Sha1).build());
        seeds.push(good.clone().with_signer(|it| it.named = Some(silent)).build());
        seeds.push(Cms::detached(&stranger, CONTENT).with_signer(|it| it.named = Some(k1)).build());
        seeds.push(good.with(|it| it.signers.push(it.signers[0].clone())).build());
        seeds
    })
}

fn check(input: &[u8]) -> Verdict {
    let Trusted { anchors, silent, .. } = trusted();
    let Ok(signed) = SignedData::parse(input) else { return Verdict::Refused };
    let verified = signed.verify(CONTENT, "root", anchors);
    if let Ok(anchor) = &verified {
        assert_ne!(data_encoding::HEXLOWER.encode(anchor.fingerprint()), silent.fingerprint());
        // OpenSSL 3.0 has no CMS with Ed25519 (RFC 8419).
        if anchor.key_kind() != "Ed25519" {
            openssl_accepts(input);
        }
    }
    assert!(signed.verify(OTHER, "root", anchors).is_err(), "content that nobody signed");
    (&verified).into()
}

/// The reference, in the most lenient of its ways: only the anchors' own certificates, no chain.
fn openssl_accepts(der: &[u8]) {
    let mut certificates = Stack::new().unwrap();
    for signer in &trusted().signers {
        certificates.push(signer.certificate.clone()).unwrap();
    }
    // OpenSSL decodes the certificates that come along; here they are never used, and what is wrong
    // inside one is nobody's business.
    let Ok(mut cms) = CmsContentInfo::from_der(der) else {
        assert!(brings_certificates(der), "OpenSSL does not even parse it");
        return;
    };
    let store = X509StoreBuilder::new().unwrap().build();
    let flags = CMSOptions::BINARY
        | CMSOptions::NOINTERN
        | CMSOptions::NO_SIGNER_CERT_VERIFY
        | CMSOptions::DETACHED;
    let verified = cms.verify(Some(&certificates), Some(&store), Some(CONTENT), None, flags);
    verified.unwrap_or_else(|e| panic!("OpenSSL refuses what we accept: {e}"));
}

/// Whether there is a certificate bag between content and signers; `der` is canonical.
fn brings_certificates(der: &[u8]) -> bool {
    let (info, _) = element(der);
    let (signed_data, _) = element(element(element(info).1).0);
    let behind = (0..3).fold(signed_data, |rest, _| element(rest).1);
    behind.first() == Some(&0xA0)
}

/// Content of the first element, and what stands behind it.
fn element(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (start, len) = match bytes[1] {
        short @ 0..128 => (2, usize::from(short)),
        long => {
            let end = 2 + usize::from(long & 0x7F);
            (end, bytes[2..end].iter().fold(0, |len, it| len << 8 | usize::from(*it)))
        }
    };
    (&bytes[start..start + len], &bytes[start + len..])
}
