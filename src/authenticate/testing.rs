// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Keys, certificates and CMS signatures made at test time.
//!
//! **In:** what a test wants to be different. **Out:** signatures that are sound but for that.
//! **Refuses:** nothing; a test that can't be built panics.

use std::path::PathBuf;
use std::sync::LazyLock;

use cms::cert::x509::attr::Attribute;
pub(crate) use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier,
    SignerInfo, SignerInfos,
};
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::oid::db::{rfc5911, rfc5912, rfc8410};
use der::{Decode, Encode};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use openssl::x509::extension::SubjectKeyIdentifier;
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::anchors::{AnchorError, TrustAnchors};

/// A root hash in the form that is signed.
pub(crate) const CONTENT: &[u8] =
    b"1f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875";

/// One key for all tests that don't care which.
pub(crate) static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048, 65537));

/// A second one that nobody trusts.
pub(crate) static STRANGER: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048, 65537));

/// A private key and its self-signed certificate.
pub(crate) struct Key {
    pub(crate) private: PKey<Private>,
    pub(crate) certificate: X509,
}

impl Key {
    pub(crate) fn rsa(bits: u32, exponent: u32) -> Self {
        let exponent = BigNum::from_u32(exponent).unwrap();
        let rsa = Rsa::generate_with_e(bits, &exponent).unwrap();
        Self::new(PKey::from_rsa(rsa).unwrap())
    }

    pub(crate) fn ec(curve: Nid) -> Self {
        let group = EcGroup::from_curve_name(curve).unwrap();
        Self::new(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::new(PKey::generate_ed25519().unwrap())
    }

    pub(crate) fn new(private: PKey<Private>) -> Self {
        let certificate = certificate(&private, |_| {});
        Self { private, certificate }
    }

    /// The same key under another certificate.
    pub(crate) fn certified(&self, change: impl FnOnce(&mut X509Builder)) -> Self {
        let certificate = certificate(&self.private, change);
        Self { private: self.private.clone(), certificate }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }
}

/// A certificate of version 3 with a random name, serial number and key identifier, before
/// `change`.
pub(crate) fn certificate(key: &PKey<Private>, change: impl FnOnce(&mut X509Builder)) -> X509 {
    certify(key, key, change)
}

/// The same for a key whose private half is not here: `signer` signs, which nobody looks at.
pub(crate) fn certify<T: HasPublic>(
    key: &PKey<T>,
    signer: &PKey<Private>,
    change: impl FnOnce(&mut X509Builder),
) -> X509 {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    // All bits, so that the highest one is set in every serial number.
    serial.rand(127, MsbOption::TWO_ONES, true).unwrap();
    let name = format!("signer {}", serial.to_hex_str().unwrap());
    serial.set_bit(127).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    let mut names = X509NameBuilder::new().unwrap();
    names.append_entry_by_nid(Nid::COMMONNAME, &name).unwrap();
    let name = names.build();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None));
    builder.append_extension(identifier.unwrap()).unwrap();
    change(&mut builder);
    let own_digest = [openssl::pkey::Id::ED25519, openssl::pkey::Id::ED448];
    let digest = if own_digest.contains(&signer.id()) {
        MessageDigest::null()
    } else {
        MessageDigest::sha256()
    };
    builder.sign(signer, digest).unwrap();
    builder.build()
}

/// The trust anchors of those files' content, loaded as any other.
pub(crate) fn anchors<B: AsRef<[u8]>>(files: &[B]) -> TrustAnchors {
    try_anchors(files).unwrap()
}

/// The same, or why not.
pub(crate) fn try_anchors<B: AsRef<[u8]>>(files: &[B]) -> Result<TrustAnchors, AnchorError> {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .enumerate()
        .map(|(number, content)| {
            let path = dir.path().join(format!("{number}.crt"));
            std::fs::write(&path, content).unwrap();
            path
        })
        .collect();
    TrustAnchors::load(&paths)
}

/// How to sign.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheme {
    /// `ecdsa-with-SHA*`
    Ecdsa,
    /// `id-Ed25519`
    Ed25519,
    /// `rsaEncryption`
    Rsa,
    /// `id-RSASSA-PSS`
    RsaPss(u16),
    /// `sha*WithRSAEncryption`
    RsaWithDigest,
}

/// A digest in every form that a test needs.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) openssl: fn() -> MessageDigest,
    rsa: ObjectIdentifier,
    ecdsa: ObjectIdentifier,
}

pub(crate) const SHA256: Digest = Digest {
    oid: rfc5912::ID_SHA_256,
    openssl: MessageDigest::sha256,
    rsa: rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
    ecdsa: rfc5912::ECDSA_WITH_SHA_256,
};
pub(crate) const SHA384: Digest = Digest {
    oid: rfc5912::ID_SHA_384,
    openssl: MessageDigest::sha384,
    rsa: rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
    ecdsa: rfc5912::ECDSA_WITH_SHA_384,
};
pub(crate) const SHA512: Digest = Digest {
    oid: rfc5912::ID_SHA_512,
    openssl: MessageDigest::sha512,
    rsa: rfc5912::SHA_512_WITH_RSA_ENCRYPTION,
    ecdsa: rfc5912::ECDSA_WITH_SHA_512,
};
pub(crate) const SHA1: Digest = Digest {
    oid: rfc5912::ID_SHA_1,
    openssl: MessageDigest::sha1,
    rsa: rfc5912::SHA_1_WITH_RSA_ENCRYPTION,
    ecdsa: ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
};
pub(crate) const MD5: Digest = Digest {
    oid: rfc5912::ID_MD_5,
    openssl: MessageDigest::md5,
    rsa: rfc5912::MD_5_WITH_RSA_ENCRYPTION,
    ecdsa: ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
};

pub(crate) fn algorithm(
    oid: ObjectIdentifier,
    parameters: Option<Any>,
) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters }
}

pub(crate) fn signature_algorithm(scheme: Scheme, digest: Digest) -> AlgorithmIdentifierOwned {
    match scheme {
        Scheme::Ecdsa => algorithm(digest.ecdsa, None),
        Scheme::Ed25519 => algorithm(rfc8410::ID_ED_25519, None),
        Scheme::Rsa => algorithm(rfc5912::RSA_ENCRYPTION, Some(Any::null())),
        Scheme::RsaPss(salt) => {
            algorithm(rfc5912::ID_RSASSA_PSS, Some(pss_parameters(digest.oid, digest.oid, salt)))
        }
        Scheme::RsaWithDigest => algorithm(digest.rsa, Some(Any::null())),
    }
}

/// RSASSA-PSS-params in DER: a salt of 20 bytes is the default and left out.
pub(crate) fn pss_parameters(hash: ObjectIdentifier, mask: ObjectIdentifier, salt: u16) -> Any {
    let hash = algorithm(hash, None).to_der().unwrap();
    let mask_hash = Any::encode_from(&algorithm(mask, None)).unwrap();
    let mask = algorithm(rfc5912::ID_MGF_1, Some(mask_hash)).to_der().unwrap();
    let mut content = [tlv(0xa0, &hash), tlv(0xa1, &mask)].concat();
    if salt != 20 {
        content.extend(tlv(0xa2, &salt.to_der().unwrap()));
    }
    Any::from_der(&tlv(0x30, &content)).unwrap()
}

/// One value with any tag, its length in DER.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(der::Length::try_from(content.len()).unwrap().to_der().unwrap());
    out.extend(content);
    out
}

pub(crate) fn raw_sign(
    key: &PKey<Private>,
    scheme: Scheme,
    digest: Digest,
    over: &[u8],
) -> Vec<u8> {
    let mut signer = if matches!(scheme, Scheme::Ed25519) {
        Signer::new_without_digest(key).unwrap()
    } else {
        Signer::new((digest.openssl)(), key).unwrap()
    };
    if let Scheme::RsaPss(salt) = scheme {
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_mgf1_md((digest.openssl)()).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt.into())).unwrap();
    }
    signer.sign_oneshot_to_vec(over).unwrap()
}

pub(crate) fn attribute(oid: ObjectIdentifier, values: &[Any]) -> Attribute {
    let mut set = SetOfVec::new();
    for value in values {
        set.insert(value.clone()).unwrap();
    }
    Attribute { oid, values: set }
}

pub(crate) fn content_type() -> Attribute {
    attribute(rfc5911::ID_CONTENT_TYPE, &[Any::from(&rfc5911::ID_DATA)])
}

pub(crate) fn message_digest(digest: Digest, content: &[u8]) -> Attribute {
    message_digest_value(&openssl::hash::hash((digest.openssl)(), content).unwrap())
}

pub(crate) fn message_digest_value(digest: &[u8]) -> Attribute {
    let value = Any::encode_from(&OctetString::new(digest).unwrap()).unwrap();
    attribute(rfc5911::ID_MESSAGE_DIGEST, &[value])
}

/// A `SignedData` without signed attributes, named by issuer and serial number.
pub(crate) fn sign(key: &Key, scheme: Scheme, digest: Digest, content: &[u8]) -> SignedData {
    let signature = raw_sign(&key.private, scheme, digest, content);
    assemble(&key.certificate, signature_algorithm(scheme, digest), digest, signature)
}

/// The same with signed attributes.
pub(crate) fn sign_attributes(
    key: &Key,
    scheme: Scheme,
    digest: Digest,
    attributes: &[Attribute],
) -> SignedData {
    let mut set = SignedAttributes::new();
    for attribute in attributes {
        set.insert(attribute.clone()).unwrap();
    }
    let signature = raw_sign(&key.private, scheme, digest, &set.to_der().unwrap());
    let mut signed =
        assemble(&key.certificate, signature_algorithm(scheme, digest), digest, signature);
    change_signer(&mut signed, |signer| signer.signed_attrs = Some(set));
    signed
}

/// Puts a signature that exists into a `SignedData`.
pub(crate) fn assemble(
    certificate: &X509,
    signature_algorithm: AlgorithmIdentifierOwned,
    digest: Digest,
    signature: Vec<u8>,
) -> SignedData {
    let certificate = x509(certificate);
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.tbs_certificate.issuer,
            serial_number: certificate.tbs_certificate.serial_number,
        }),
        digest_alg: algorithm(digest.oid, None),
        signed_attrs: None,
        signature_algorithm,
        signature: OctetString::new(signature).unwrap(),
        unsigned_attrs: None,
    };
    SignedData {
        version: CmsVersion::V1,
        digest_algorithms: set(vec![algorithm(digest.oid, None)]),
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: rfc5911::ID_DATA,
            econtent: None,
        },
        certificates: None,
        crls: None,
        signer_infos: SignerInfos(set(vec![signer])),
    }
}

fn x509(certificate: &X509) -> cms::cert::x509::Certificate {
    Decode::from_der(&certificate.to_der().unwrap()).unwrap()
}

pub(crate) fn set<T: der::DerOrd>(items: Vec<T>) -> SetOfVec<T> {
    SetOfVec::try_from(items).unwrap()
}

pub(crate) fn change_signer(signed: &mut SignedData, change: impl FnOnce(&mut SignerInfo)) {
    let mut signer = signed.signer_infos.0.get(0).unwrap().clone();
    change(&mut signer);
    signed.signer_infos = SignerInfos(set(vec![signer]));
}

pub(crate) fn embed(signed: &mut SignedData, key: &Key) {
    let choice = CertificateChoices::Certificate(x509(&key.certificate));
    signed.certificates = Some(CertificateSet(set(vec![choice])));
}

/// Names the signer by key identifier instead.
pub(crate) fn by_key_identifier(signed: &mut SignedData, key: &Key) {
    let id = key.certificate.subject_key_id().unwrap().as_slice();
    let id = OctetString::new(id).unwrap();
    signed.version = CmsVersion::V3;
    change_signer(signed, |signer| {
        signer.version = CmsVersion::V3;
        signer.sid = SignerIdentifier::SubjectKeyIdentifier(id.into());
    });
}

pub(crate) fn encode(signed: &SignedData) -> Vec<u8> {
    let info = ContentInfo {
        content_type: rfc5911::ID_SIGNED_DATA,
        content: Any::encode_from(signed).unwrap(),
    };
    info.to_der().unwrap()
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    crate::wire::read_file_bounded(&path, 1 << 20).unwrap()
}

/// The partitions of a fixture image, in table order.
pub(crate) fn fixture_partitions(name: &str) -> Vec<Vec<u8>> {
    let image = zstd::decode_all(&fixture(&format!("{name}.raw.zst"))[..]).unwrap();
    let table = gptman::GPT::read_from(&mut std::io::Cursor::new(&image), 512).unwrap();
    let used = table.iter().filter(|(_, it)| it.is_used());
    used.map(|(_, it)| {
        let [from, to] = [it.starting_lba, it.ending_lba + 1].map(|lba| lba as usize * 512);
        image[from..to].to_vec()
    })
    .collect()
}
