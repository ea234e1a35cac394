// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A detached OpenPGP signature over a checksum file.
//!
//! **In:** a file beside the image, the exact bytes of the checksum file, the keyring of this
//! machine. **Out:** who signed them. **Refuses:** everything that is not signatures alone (signed
//! messages, keys); signatures by no key of the keyring, by one that is expired, revoked, too weak or
//! not for signing, today or when it signed; hashes other than SHA-2 with 256 bits and more; text
//! signatures, which do not cover the bytes.
//!
//! Of several signatures one good one is enough, whatever the others are: a keyring in transition
//! knows one of two signers. What counts as good does not depend on the clock, except where the
//! owner of a key gave a date: keys and signatures have to be valid at the time of this machine.

use std::fmt;

use openpgp::packet::{Signature, Tag};
use openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper,
};
use openpgp::parse::{PacketParser, PacketParserResult, Parse};
use openpgp::policy::{AsymmetricAlgorithm, StandardPolicy};
use openpgp::types::{HashAlgorithm, RevocationStatus, SignatureType};
use openpgp::{Cert, KeyHandle};
use sequoia_openpgp as openpgp;

use super::keyring::Keyring;
use crate::escape::escape;
use crate::finding::Class;
use crate::limits;

/// Who signed a checksum file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signer {
    /// Fingerprint of the certificate, hex.
    pub(super) fingerprint: String,
    /// Its primary user id, escaped; empty if it has none.
    pub(super) user_id: String,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.fingerprint, self.user_id)
    }
}

/// Why a signature is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum SignatureError {
    #[error("no OpenPGP signature, neither in binary form nor armored")]
    Form,
    #[error("key {key} can't vouch for it: {reason}")]
    Key { key: String, reason: String },
    #[error("not well-formed: {reason}")]
    Malformed { reason: String },
    #[error("it holds a packet of type \"{found}\" beside signatures")]
    Packet { found: String },
    #[error("a signature by {key} that does not hold: {reason}")]
    Signature { key: String, reason: String },
    #[error("more than {} signatures", limits::OPENPGP_SIGNATURES)]
    TooMany,
    #[error("signed by {issuer}, which is not in the keyring")]
    UnknownKey { issuer: String },
}

impl SignatureError {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Form | Self::Malformed { .. } | Self::Packet { .. } => Class::Sigfmt,
            Self::TooMany => Class::Limit,
            Self::Key { .. } | Self::Signature { .. } | Self::UnknownKey { .. } => Class::Sig,
        }
    }

    /// Of several failures the one that says most: the nearer to a good signature, the higher.
    fn rank(&self) -> u8 {
        match self {
            Self::Signature { .. } => 3,
            Self::Key { .. } => 2,
            Self::UnknownKey { .. } => 1,
            Self::Form | Self::Malformed { .. } | Self::Packet { .. } | Self::TooMany => 0,
        }
    }
}

const ARMOR: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// Asks who signed `content`.
pub(super) fn verify(
    keyring: &Keyring,
    content: &[u8],
    signature: &[u8],
) -> Result<Signer, SignatureError> {
    signatures_alone(signature)?;
    let policy = policy();
    let witness = Witness { policy: &policy, certs: keyring.certs(), found: None };
    let mut verifier = DetachedVerifierBuilder::from_bytes(signature)
        .and_then(|it| it.with_policy(&policy, None, witness))
        .map_err(|error| malformed(&error))?;
    verifier.verify_bytes(content).map_err(|error| malformed(&error))?;
    let nothing = || SignatureError::Malformed { reason: "no signature in it".to_owned() };
    verifier.into_helper().found.ok_or_else(nothing)?
}

/// Goes through the packets once. What is signed inside, or armored otherwise, is not looked for.
fn signatures_alone(signature: &[u8]) -> Result<(), SignatureError> {
    let binary = signature.first().is_some_and(|first| first & 0x80 != 0);
    if !binary && !signature.starts_with(ARMOR) {
        return Err(SignatureError::Form);
    }
    let mut count: usize = 0;
    let mut next = PacketParser::from_bytes(signature).map_err(|error| malformed(&error))?;
    while let PacketParserResult::Some(parser) = next {
        // One of a version or an algorithm that is not known is a signature too: it counts for
        // nothing.
        let tag = parser.packet.tag();
        if tag != Tag::Signature {
            return Err(SignatureError::Packet { found: tag.to_string() });
        }
        count = count.saturating_add(1);
        if count > limits::OPENPGP_SIGNATURES {
            return Err(SignatureError::TooMany);
        }
        next = parser.next().map_err(|error| malformed(&error))?.1;
    }
    Ok(())
}

/// Closed lists, which no clock changes: what is not named here is not good enough.
fn policy() -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::new();
    policy.reject_all_hashes();
    for hash in [HashAlgorithm::SHA256, HashAlgorithm::SHA384, HashAlgorithm::SHA512] {
        policy.accept_hash(hash);
    }
    policy.reject_all_asymmetric_algos();
    for algorithm in [
        AsymmetricAlgorithm::RSA2048,
        AsymmetricAlgorithm::RSA3072,
        AsymmetricAlgorithm::RSA4096,
        AsymmetricAlgorithm::NistP256,
        AsymmetricAlgorithm::NistP384,
        AsymmetricAlgorithm::NistP521,
        AsymmetricAlgorithm::EdDSA,
        AsymmetricAlgorithm::Ed25519,
    ] {
        policy.accept_asymmetric_algo(algorithm);
    }
    policy
}

/// Answers the library's questions and keeps what came of them.
struct Witness<'a> {
    policy: &'a StandardPolicy<'static>,
    certs: &'a [Cert],
    found: Option<Result<Signer, SignatureError>>,
}

impl VerificationHelper for Witness<'_> {
    fn get_certs(&mut self, _ids: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.certs.to_vec())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                let judged = match result {
                    Ok(good) => judge(self.policy, &good),
                    Err(error) => Err(refusal(&error)),
                };
                self.note(judged);
            }
        }
        Ok(())
    }
}

impl Witness<'_> {
    fn note(&mut self, judged: Result<Signer, SignatureError>) {
        match (&self.found, &judged) {
            (Some(Ok(_)), _) => {}
            (Some(Err(earlier)), Err(error)) if earlier.rank() >= error.rank() => {}
            _ => self.found = Some(judged),
        }
    }
}

/// What the library does not ask: that the bytes are covered, and that certificate and key are
/// good today and not only on the date that the signature gives itself.
fn judge(
    policy: &StandardPolicy<'static>,
    good: &GoodChecksum<'_>,
) -> Result<Signer, SignatureError> {
    let cert = good.ka.cert();
    let key = good.ka.key().fingerprint();
    let fingerprint = cert.fingerprint().to_hex();
    if good.sig.typ() != SignatureType::Binary {
        let reason = "it is over text, not over bytes".to_owned();
        return Err(SignatureError::Signature { key: key.to_hex(), reason });
    }
    let refuse = |reason: String| SignatureError::Key { key: key.to_hex(), reason };
    let valid = cert.with_policy(policy, None).map_err(|error| refuse(reason(&error)))?;
    valid.alive().map_err(|error| refuse(reason(&error)))?;
    if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
        return Err(refuse("its certificate is revoked".to_owned()));
    }
    let mut keys = valid.keys().alive().revoked(false).for_signing();
    if !keys.any(|it| it.key().fingerprint() == key) {
        return Err(refuse("it is expired, revoked or not for signing today".to_owned()));
    }
    let user_id = valid.primary_userid().map(|it| String::from_utf8_lossy(it.userid().value()));
    let user_id = user_id.map(|it| escape(&it)).unwrap_or_default();
    Ok(Signer { fingerprint, user_id })
}

fn refusal(error: &VerificationError<'_>) -> SignatureError {
    if let VerificationError::MissingKey { sig } = error {
        SignatureError::UnknownKey { issuer: issuer(sig) }
    } else if let VerificationError::UnboundKey { sig, error, .. }
    | VerificationError::BadKey { sig, error, .. } = error
    {
        SignatureError::Key { key: issuer(sig), reason: reason(error) }
    } else if let VerificationError::BadSignature { sig, error, .. } = error {
        SignatureError::Signature { key: issuer(sig), reason: reason(error) }
    } else {
        malformed(error)
    }
}

/// Who a signature says made it.
fn issuer(signature: &Signature) -> String {
    let first = signature.get_issuers().first().map(KeyHandle::to_hex);
    first.unwrap_or_else(|| "somebody it does not name".to_owned())
}

fn malformed(error: &dyn fmt::Display) -> SignatureError {
    SignatureError::Malformed { reason: reason(&error) }
}

/// The chain of causes, in one line.
fn reason(error: &dyn fmt::Display) -> String {
    escape(&format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_miss_is_the_one_that_is_told() {
        let policy = policy();
        let mut witness = Witness { policy: &policy, certs: &[], found: None };
        let unknown = SignatureError::UnknownKey { issuer: "a".to_owned() };
        let bad = SignatureError::Signature { key: "b".to_owned(), reason: "c".to_owned() };
        let signer = Signer { fingerprint: "d".to_owned(), user_id: String::new() };
        for (judged, found) in [
            (Err(unknown.clone()), Err(unknown.clone())),
            (Err(bad.clone()), Err(bad.clone())),
            (Err(unknown), Err(bad.clone())),
            (Ok(signer.clone()), Ok(signer.clone())),
            (Err(bad), Ok(signer)),
        ] {
            witness.note(judged);
            assert_eq!(witness.found, Some(found));
        }
    }

    #[test]
    fn what_is_no_signature_is_not_searched_for_one() {
        for text in ["", "<html>", "-----BEGIN PGP SIGNED MESSAGE-----\n", "\n-----BEGIN PGP "] {
            assert_eq!(signatures_alone(text.as_bytes()), Err(SignatureError::Form), "{text}");
        }
        for bytes in [&b"\xc2"[..], &b"\x89\xff\xff"[..], ARMOR] {
            let error = verify(&Keyring::of(Vec::new()), b"", bytes).unwrap_err();
            assert!(matches!(error, SignatureError::Malformed { .. }), "{error:?}");
        }
    }
}
