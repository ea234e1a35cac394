// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! CMS signatures, the right kind and all the wrong ones, and the JSON that carries them.
//!
//! **In:** a signer and what to sign. **Out:** DER as `openssl smime -sign -nocerts -noattr
//! -binary` makes it, or with exactly one thing different; content of a signature partition.
//! **Refuses:** nothing.
//!
//! The DER is built here rather than by OpenSSL, because OpenSSL does not make the wrong kinds.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer as RawSigner};

use crate::derive;
use crate::keys::Signer;

/// Bytes of a signature partition as systemd-repart makes it.
pub const PARTITION: usize = 16 * 1024;

const ID_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1];
const ID_SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
const CONTENT_TYPE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 4];
const SIGNING_TIME: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 5];
const SMIME_CAPABILITIES: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 15];

/// One DER element: tag, shortest length, the parts in order.
#[must_use]
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = vec![tag];
    if body.len() < 128 {
        out.push(body.len() as u8);
    } else {
        let len = body.len().to_be_bytes();
        let len = &len[len.iter().position(|byte| *byte != 0).unwrap()..];
        out.push(0x80 | len.len() as u8);
        out.extend(len);
    }
    out.extend(body);
    out
}

/// Digest of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    fn openssl(self) -> MessageDigest {
        match self {
            Self::Md5 => MessageDigest::md5(),
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::Md5 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 2, 5],
            Self::Sha1 => &[0x2B, 0x0E, 3, 2, 0x1A],
            Self::Sha256 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1],
            Self::Sha384 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2],
            Self::Sha512 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3],
        }
    }

    fn identifier(self) -> Vec<u8> {
        der(0x30, &[&der(6, &[self.oid()]), &[5, 0]])
    }

    /// Last arc of ecdsa-with-SHA…
    fn ecdsa_arcs(self) -> &'static [u8] {
        match self {
            Self::Md5 | Self::Sha1 => &[1],
            Self::Sha256 => &[3, 2],
            Self::Sha384 => &[3, 3],
            Self::Sha512 => &[3, 4],
        }
    }
}

/// Signed attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// None: the signature covers the content itself.
    Absent,
    /// contentType, signingTime, messageDigest.
    Usual,
    /// The same and S/MIME capabilities, as plain `openssl smime -sign` adds them.
    WithCapabilities,
    /// An empty set.
    Empty,
    /// Without contentType.
    NoContentType,
    /// Without messageDigest: such a signature covers no content at all.
    NoMessageDigest,
    /// messageDigest of other content.
    OtherDigest,
    /// messageDigest with two values.
    TwoDigests,
    /// Exactly these elements, DER each.
    Raw(Vec<Vec<u8>>),
}

/// One SignerInfo to be.
#[derive(Clone, Debug)]
pub struct SignerInfo {
    /// Whose key signs.
    pub signer: Arc<Signer>,
    /// Whose issuer and serial number are named, if not the signer's own.
    pub named: Option<Arc<Signer>>,
    /// Digest algorithm.
    pub digest: Digest,
    /// RSA-PSS in place of PKCS #1 v1.5.
    pub pss: bool,
    /// Signed attributes.
    pub attributes: Attributes,
    /// Signature value to put in place of the computed one.
    pub value: Option<Vec<u8>>,
}

/// A CMS SignedData to be; [`Cms::detached`] is the right kind, every field may be changed.
#[derive(Clone, Debug)]
pub struct Cms {
    /// What is signed.
    pub content: Vec<u8>,
    /// What is embedded; `None` for a detached signature.
    pub embedded: Option<Vec<u8>>,
    /// Signers, usually one.
    pub signers: Vec<SignerInfo>,
    /// Certificates carried along; systemd-repart carries the signer's.
    pub certificates: Vec<Arc<Signer>>,
    /// Whether the digestAlgorithms set is left empty.
    pub no_digest_algorithms: bool,
    /// Bytes after the DER.
    pub trailing: Vec<u8>,
}

impl Cms {
    /// A detached signature without attributes and certificates, SHA-256.
    #[must_use]
    pub fn detached(signer: &Arc<Signer>, content: &[u8]) -> Self {
        Self {
            content: content.to_vec(),
            embedded: None,
            signers: vec![SignerInfo::new(signer)],
            certificates: Vec::new(),
            no_digest_algorithms: false,
            trailing: Vec::new(),
        }
    }

    /// What a signature partition carries: [`Self::detached`] over the root hash in lower-case hex.
    #[must_use]
    pub fn of_root_hash(signer: &Arc<Signer>, root_hash: &[u8]) -> Self {
        Self::detached(signer, HEXLOWER.encode(root_hash).as_bytes())
    }

    /// Changes one thing.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Changes one thing about the first signer.
    #[must_use]
    pub fn with_signer(mut self, change: impl FnOnce(&mut SignerInfo)) -> Self {
        change(&mut self.signers[0]);
        self
    }

    /// Signs and encodes.
    ///
    /// # Panics
    /// If OpenSSL refuses to sign that way.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut digests: Vec<_> = self.signers.iter().map(SignerInfo::digest_identifier).collect();
        digests.sort();
        digests.dedup();
        if self.no_digest_algorithms {
            digests.clear();
        }
        let embedded = match &self.embedded {
            None => Vec::new(),
            Some(content) => der(0xA0, &[&der(4, &[content])]),
        };
        let certificates: Vec<u8> =
            self.certificates.iter().flat_map(|it| it.certificate.to_der().unwrap()).collect();
        let certificates =
            if certificates.is_empty() { certificates } else { der(0xA0, &[&certificates]) };
        let mut infos: Vec<_> = self.signers.iter().map(|it| it.build(&self.content)).collect();
        infos.sort();
        let signed_data = der(
            0x30,
            &[
                &[2, 1, 1],
                &der(0x31, &[&digests.concat()]),
                &der(0x30, &[&der(6, &[ID_DATA]), &embedded]),
                &certificates,
                &der(0x31, &[&infos.concat()]),
            ],
        );
        let mut out = der(0x30, &[&der(6, &[ID_SIGNED_DATA]), &der(0xA0, &[&signed_data])]);
        out.extend(&self.trailing);
        out
    }
}

impl SignerInfo {
    /// The right kind: SHA-256 (SHA-512 for Ed25519), no attributes, PKCS #1 v1.5.
    #[must_use]
    pub fn new(signer: &Arc<Signer>) -> Self {
        let digest = match signer.key.id() {
            Id::ED25519 => Digest::Sha512,
            _ => Digest::Sha256,
        };
        Self {
            signer: signer.clone(),
            named: None,
            digest,
            pss: false,
            attributes: Attributes::Absent,
            value: None,
        }
    }

    fn build(&self, content: &[u8]) -> Vec<u8> {
        let named = &self.named.as_ref().unwrap_or(&self.signer).certificate;
        let serial = named.serial_number().to_bn().unwrap().to_vec();
        let sign = if serial[0] & 0x80 == 0 { &[][..] } else { &[0] };
        let issuer = named.issuer_name().to_der().unwrap();
        let attributes = self.attributes(content);
        let set = attributes.as_ref().map(|set| der(0x31, &[&set.concat()]));
        let value =
            self.value.clone().unwrap_or_else(|| self.raw(set.as_deref().unwrap_or(content)));
        let tagged = attributes.map(|set| der(0xA0, &[&set.concat()])).unwrap_or_default();
        der(
            0x30,
            &[
                &[2, 1, 1],
                &der(0x30, &[&issuer, &der(2, &[sign, &serial])]),
                &self.digest_identifier(),
                &tagged,
                &self.algorithm(),
                &der(4, &[&value]),
            ],
        )
    }

    /// Without parameters for Ed25519 (RFC 8419), with NULL for the others, as OpenSSL does.
    fn digest_identifier(&self) -> Vec<u8> {
        match self.signer.key.id() {
            Id::ED25519 => der(0x30, &[&der(6, &[self.digest.oid()])]),
            _ => self.digest.identifier(),
        }
    }

    fn algorithm(&self) -> Vec<u8> {
        match self.signer.key.id() {
            Id::ED25519 => der(0x30, &[&der(6, &[&[0x2B, 0x65, 0x70]])]),
            Id::EC => {
                let oid = [&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4][..], self.digest.ecdsa_arcs()];
                der(0x30, &[&der(6, &oid)])
            }
            _ if self.pss => {
                let hash = self.digest.identifier();
                let mgf1 = der(6, &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 8]]);
                let salt = [2, 1, self.digest.openssl().size() as u8];
                let parameters = der(
                    0x30,
                    &[
                        &der(0xA0, &[&hash]),
                        &der(0xA1, &[&der(0x30, &[&mgf1, &hash])]),
                        &der(0xA2, &[&salt]),
                    ],
                );
                let oid = der(6, &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 10]]);
                der(0x30, &[&oid, &parameters])
            }
            _ => {
                let oid = der(6, &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1]]);
                der(0x30, &[&oid, &[5, 0]])
            }
        }
    }

    fn raw(&self, message: &[u8]) -> Vec<u8> {
        let key = &self.signer.key;
        if key.id() == Id::ED25519 {
            let mut signer = RawSigner::new_without_digest(key).unwrap();
            return signer.sign_oneshot_to_vec(message).unwrap();
        }
        if key.id() == Id::EC {
            return derive::ecdsa(key, self.digest.openssl(), message);
        }
        let mut signer = RawSigner::new(self.digest.openssl(), key).unwrap();
        if self.pss {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        signer.sign_oneshot_to_vec(message).unwrap()
    }

    /// The elements of the signed attributes in DER order; `None` for no set at all.
    fn attributes(&self, content: &[u8]) -> Option<Vec<Vec<u8>>> {
        let attribute = |oid, values: &[&[u8]]| der(0x30, &[&der(6, &[oid]), &der(0x31, values)]);
        let digest_of =
            |content| der(4, &[&openssl::hash::hash(self.digest.openssl(), content).unwrap()]);
        let content_type = attribute(CONTENT_TYPE, &[&der(6, &[ID_DATA])]);
        let time = attribute(SIGNING_TIME, &[&der(0x17, &[b"250101000000Z"])]);
        let digest = attribute(MESSAGE_DIGEST, &[&digest_of(content)]);
        let other = digest_of(b"other content");
        let mut set = match &self.attributes {
            Attributes::Absent => return None,
            Attributes::Usual => vec![content_type, time, digest],
            Attributes::WithCapabilities => {
                let aes256 = der(6, &[&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2A]]);
                let capabilities = der(0x30, &[&der(0x30, &[&aes256])]);
                vec![content_type, time, digest, attribute(SMIME_CAPABILITIES, &[&capabilities])]
            }
            Attributes::Empty => Vec::new(),
            Attributes::NoContentType => vec![time, digest],
            Attributes::NoMessageDigest => vec![content_type, time],
            Attributes::OtherDigest => vec![content_type, attribute(MESSAGE_DIGEST, &[&other])],
            Attributes::TwoDigests => {
                let mut digests = [digest_of(content), other];
                digests.sort();
                vec![content_type, attribute(MESSAGE_DIGEST, &[&digests[0], &digests[1]])]
            }
            Attributes::Raw(elements) => return Some(elements.clone()),
        };
        set.sort();
        Some(set)
    }
}

/// The JSON text that systemd-repart writes into a signature partition.
#[must_use]
pub fn json(root_hash: &[u8], fingerprint: &str, cms: &[u8]) -> String {
    let (hash, signature) = (HEXLOWER.encode(root_hash), BASE64.encode(cms));
    format!(
        r#"{{"rootHash":"{hash}","certificateFingerprint":"{fingerprint}","signature":"{signature}"}}"#
    )
}

/// `text`, NUL padded to 16 KiB.
#[must_use]
pub fn partition(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().max(PARTITION), 0);
    bytes
}

/// Content of the signature partition for `root_hash`, signed by `signer` in the right way.
#[must_use]
pub fn root_hash_partition(signer: &Arc<Signer>, root_hash: &[u8]) -> Vec<u8> {
    let cms = Cms::of_root_hash(signer, root_hash).build();
    partition(&json(root_hash, &signer.fingerprint(), &cms))
}
