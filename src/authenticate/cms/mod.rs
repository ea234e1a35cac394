// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Detached CMS signatures (PKCS#7), read under a closed list.
//!
//! **In:** DER an attacker may have written, the content it should sign, the trust anchors.
//! **Out:** the trust anchor that signed exactly that content. **Refuses:** everything that is not
//! on this list ([RFC 5652]), before any key is touched:
//!
//! - the whole input is one DER `ContentInfo`; its re-encoding gives the same bytes;
//! - id-signedData over id-data, detached, no revocation lists, exactly one `SignerInfo`;
//! - `digestAlgorithms` holds exactly that signer's digest; the algorithms are those of
//!   [`algorithm`](SignatureAlgorithm); versions are the ones §5.1 and §5.3 prescribe;
//! - signed attributes are absent, or contentType (id-data) and messageDigest, perhaps signingTime
//!   and S/MIME capabilities, each once with one value; no unsigned attributes.
//!
//! Embedded certificates are parsed as part of the whole and never used: the key is always a trust
//! anchor's. OpenSSL's `PKCS7_verify` and `CMS_verify` are never called. They accept trailing
//! bytes, BER, SHA-1 and embedded content, and one of them crashed on an empty digest set.
//!
//! [RFC 5652]: https://www.rfc-editor.org/rfc/rfc5652

mod algorithm;
mod content;
mod error;
#[cfg(test)]
mod tests;

use cms::cert::x509::time::Time;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedAttributes, SignerInfo};
use der::asn1::{Any, ObjectIdentifier, OctetStringRef};
use der::oid::db::rfc5911;
use der::{Decode, Encode, Header, Length, Reader, SliceReader};

pub use algorithm::{SignatureAlgorithm, SignatureDigest};
pub use content::{ContentDigest, ContentHasher};
pub use error::CmsError;

use super::anchors::{SignerName, TrustAnchor, TrustAnchors};
use crate::escape::escape;
use crate::limits;

/// A CMS signature of the accepted form. Nothing is verified until [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedData {
    signer: SignerName,
    digest: SignatureDigest,
    algorithm: SignatureAlgorithm,
    attributes: Option<Attributes>,
    signature: Vec<u8>,
}

/// The signed attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attributes {
    /// What the signature covers: the attributes encoded as a SET.
    der: Vec<u8>,
    message_digest: Vec<u8>,
}

impl SignedData {
    /// Parses a detached signature; `der` is nothing else from its first to its last byte.
    ///
    /// # Errors
    /// See [`CmsError`]; none of those that name a trust anchor.
    pub fn parse(der: &[u8]) -> Result<Self, CmsError> {
        if der.len() > limits::CMS {
            return Err(CmsError::TooLarge { found: der.len() });
        }
        bound_depth(der)?;
        let info = ContentInfo::from_der(der)?;
        if info.content_type != rfc5911::ID_SIGNED_DATA {
            return Err(CmsError::ContentType { found: info.content_type });
        }
        let signed: cms::signed_data::SignedData = info.content.decode_as()?;
        let canonical =
            ContentInfo { content_type: info.content_type, content: Any::encode_from(&signed)? };
        if canonical.to_der()? != der {
            return Err(CmsError::NotCanonical);
        }
        let content = &signed.encap_content_info;
        if content.econtent_type != rfc5911::ID_DATA {
            return Err(CmsError::ContentType { found: content.econtent_type });
        }
        if content.econtent.is_some() {
            return Err(CmsError::EmbeddedContent);
        }
        if signed.crls.is_some() {
            return Err(CmsError::RevocationLists);
        }
        let [signer] = signed.signer_infos.0.as_slice() else {
            return Err(CmsError::SignerCount { found: signed.signer_infos.0.len() });
        };
        if signed.digest_algorithms.as_slice() != [signer.digest_alg.clone()] {
            return Err(CmsError::DigestSet);
        }
        if signed.version != signer.version {
            return Err(CmsError::Version);
        }
        Self::from_signer(signer)
    }

    fn from_signer(info: &SignerInfo) -> Result<Self, CmsError> {
        let signer = SignerName::try_from(&info.sid)?;
        let version = match signer {
            SignerName::IssuerAndSerial { .. } => CmsVersion::V1,
            SignerName::SubjectKeyIdentifier(_) => CmsVersion::V3,
        };
        if info.version != version {
            return Err(CmsError::Version);
        }
        if info.unsigned_attrs.is_some() {
            return Err(CmsError::UnsignedAttributes);
        }
        let digest = SignatureDigest::parse(&info.digest_alg)?;
        let algorithm = SignatureAlgorithm::parse(&info.signature_algorithm, digest)?;
        let attributes =
            info.signed_attrs.as_ref().map(|it| Attributes::parse(it, digest)).transpose()?;
        let signature = info.signature.as_bytes().to_vec();
        Ok(Self { signer, digest, algorithm, attributes, signature })
    }

    /// The signature algorithm.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The digest of the content that the signer took, for [`ContentHasher`].
    #[must_use]
    pub fn digest(&self) -> SignatureDigest {
        self.digest
    }

    /// The trust anchor whose key signed exactly `content`, may sign for `scope`, and is not
    /// revoked, no more than the root hash that `content` may be.
    ///
    /// Every anchor that the signature could mean is tried. For dm-verity, `content` is the root
    /// hash in lower-case hex without a newline, and `scope` the name of the designator.
    ///
    /// # Errors
    /// The most specific of [`CmsError::Revoked`], [`CmsError::OutOfScope`],
    /// [`CmsError::OtherContent`], [`CmsError::BadSignature`], [`CmsError::KeyMismatch`] and
    /// [`CmsError::UnknownSigner`]; [`CmsError::ContentIsAttributes`] for content no signature is
    /// accepted for.
    pub fn verify<'a>(
        &self,
        content: &[u8],
        scope: &str,
        anchors: &'a TrustAnchors,
    ) -> Result<&'a TrustAnchor, CmsError> {
        // A signature over signed attributes is also one over their encoding as plain content.
        // No such content is accepted, so no signature has two meanings.
        if SignedAttributes::from_der(content).is_ok() {
            return Err(CmsError::ContentIsAttributes);
        }
        self.verify_any(Content::Bytes(content), scope, anchors)
    }

    /// The same for content that is too long to be held: its digest, by [`Self::digest`]. It has
    /// no limit of length; every byte of the content goes into the digest.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`CmsError::OneShot`] for a signature that has no digest of its
    /// content in it.
    pub fn verify_digest<'a>(
        &self,
        content: &ContentDigest,
        scope: &str,
        anchors: &'a TrustAnchors,
    ) -> Result<&'a TrustAnchor, CmsError> {
        if content.may_be_attributes() {
            return Err(CmsError::ContentIsAttributes);
        }
        if self.attributes.is_none() && self.algorithm == SignatureAlgorithm::Ed25519 {
            return Err(CmsError::OneShot);
        }
        self.verify_any(Content::Digest(content), scope, anchors)
    }

    /// Whether any anchor could have made it: an image that nobody here can vouch for need not be
    /// fetched.
    ///
    /// # Errors
    /// [`CmsError::UnknownSigner`].
    pub fn names_an_anchor(&self, anchors: &TrustAnchors) -> Result<(), CmsError> {
        match anchors.named(&self.signer).next() {
            Some(_anchor) => Ok(()),
            None => Err(CmsError::UnknownSigner { name: self.signer.to_string() }),
        }
    }

    fn verify_any<'a>(
        &self,
        content: Content<'_>,
        scope: &str,
        anchors: &'a TrustAnchors,
    ) -> Result<&'a TrustAnchor, CmsError> {
        let mut refusal = CmsError::UnknownSigner { name: self.signer.to_string() };
        for anchor in anchors.named(&self.signer) {
            let judged =
                self.verify_with(content, anchor).and_then(|()| believe(scope, anchor, anchors));
            match judged {
                Ok(()) => return Ok(anchor),
                Err(error) if error.specificity() > refusal.specificity() => refusal = error,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn verify_with(&self, content: Content<'_>, anchor: &TrustAnchor) -> Result<(), CmsError> {
        let anchor_path = || anchor.path().to_owned();
        if !self.algorithm.fits(anchor.key()) {
            let (anchor, algorithm) = (anchor_path(), self.algorithm);
            return Err(CmsError::KeyMismatch { anchor, algorithm });
        }
        let (key, signature) = (anchor.key(), self.signature.as_slice());
        let verifies = match (&self.attributes, content) {
            (Some(attributes), _) => self.algorithm.verifies(key, &attributes.der, signature),
            (None, Content::Bytes(bytes)) => self.algorithm.verifies(key, bytes, signature),
            (None, Content::Digest(digest)) => {
                let of_signer = digest.algorithm() == self.digest;
                of_signer && self.algorithm.verifies_digest(key, digest.value(), signature)
            }
        };
        if !verifies {
            return Err(CmsError::BadSignature { anchor: anchor_path() });
        }
        let Some(attributes) = &self.attributes else { return Ok(()) };
        let same = match content {
            Content::Bytes(bytes) => openssl::hash::hash(self.digest.openssl(), bytes)
                .is_ok_and(|digest| digest[..] == attributes.message_digest[..]),
            Content::Digest(digest) => {
                digest.algorithm() == self.digest && digest.value() == attributes.message_digest
            }
        };
        if same { Ok(()) } else { Err(CmsError::OtherContent { anchor: anchor_path() }) }
    }
}

/// What a signature is held against.
#[derive(Clone, Copy)]
enum Content<'a> {
    Bytes(&'a [u8]),
    Digest(&'a ContentDigest),
}

/// Whether a genuine signature of `anchor` counts.
fn believe(scope: &str, anchor: &TrustAnchor, anchors: &TrustAnchors) -> Result<(), CmsError> {
    let path = || anchor.path().to_owned();
    let revocations = anchors.revocations();
    // Root hashes are the caller's: a pinned one has no signature to look at.
    let revoked = revocations.of_signer(anchor.fingerprint(), anchor.spki_fingerprint());
    if let Some(entry) = revoked {
        return Err(CmsError::Revoked { anchor: path(), entry: entry.clone() });
    }
    if !anchors.permits(anchor, scope) {
        return Err(CmsError::OutOfScope { anchor: path(), scope: escape(scope) });
    }
    Ok(())
}

impl Attributes {
    fn parse(attributes: &SignedAttributes, digest: SignatureDigest) -> Result<Self, CmsError> {
        let (mut content_type, mut message_digest) = (false, None);
        let mut seen: Vec<ObjectIdentifier> = Vec::new();
        for attribute in attributes.iter() {
            let oid = attribute.oid;
            let [value] = attribute.values.as_slice() else {
                return Err(CmsError::AttributeRepeated { oid });
            };
            if seen.contains(&oid) {
                return Err(CmsError::AttributeRepeated { oid });
            }
            seen.push(oid);
            let sound = match oid {
                rfc5911::ID_CONTENT_TYPE => {
                    content_type = true;
                    value.decode_as::<ObjectIdentifier>() == Ok(rfc5911::ID_DATA)
                }
                rfc5911::ID_MESSAGE_DIGEST => {
                    message_digest = value
                        .decode_as::<OctetStringRef<'_>>()
                        .ok()
                        .map(|it| it.as_bytes().to_vec());
                    message_digest.as_ref().map(Vec::len) == Some(digest.openssl().size())
                }
                rfc5911::ID_SIGNING_TIME => Time::from_der(&value.to_der()?).is_ok(),
                rfc5911::SMIME_CAPABILITIES => {
                    value.sequence(|it| it.read_slice(it.remaining_len())).is_ok()
                }
                _ => return Err(CmsError::AttributeUnknown { oid }),
            };
            if !sound {
                return Err(CmsError::AttributeMalformed { oid });
            }
        }
        if !content_type {
            return Err(CmsError::AttributeMissing { oid: rfc5911::ID_CONTENT_TYPE });
        }
        let message_digest =
            message_digest.ok_or(CmsError::AttributeMissing { oid: rfc5911::ID_MESSAGE_DIGEST })?;
        Ok(Self { der: attributes.to_der()?, message_digest })
    }
}

/// Walks the DER without recursion: every length is definite, minimal and inside its parent, and
/// nothing is nested deeper than [`limits::CMS_DEPTH`]. Parsers see the bytes only after that.
fn bound_depth(der: &[u8]) -> Result<(), CmsError> {
    let mut reader = SliceReader::new(der)?;
    let mut ends: Vec<Length> = Vec::new();
    while !reader.is_finished() {
        while ends.last().is_some_and(|end| *end <= reader.position()) {
            ends.pop();
        }
        let header = Header::decode(&mut reader)?;
        let end = reader.position().saturating_add(header.length);
        if ends.last().is_some_and(|parent| end > *parent) {
            return Err(CmsError::NotDer { kind: der::ErrorKind::Length { tag: header.tag } });
        }
        if !header.tag.is_constructed() {
            reader.read_slice(header.length)?;
        } else if ends.len() < limits::CMS_DEPTH {
            ends.push(end);
        } else {
            return Err(CmsError::TooDeep);
        }
    }
    Ok(())
}
