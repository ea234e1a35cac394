// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One certificate file, one trust anchor.
//!
//! **In:** the bytes of a file the machine was told to trust.
//! **Out:** [`TrustAnchor`]: names, fingerprints and a key of an allowed kind and strength.
//! **Refuses:** what is not exactly one PEM certificate, and certificates that say themselves that
//! they are not for signing ([RFC 5280] §4.2.1).
//!
//! [RFC 5280]: https://www.rfc-editor.org/rfc/rfc5280

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use der::asn1::Any;
use der::{Encode, Tag};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Public};
use openssl::sha::sha256;
use openssl::x509::X509;
use thiserror::Error;
use x509_parser::asn1_rs;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::oid_registry as oid;
use x509_parser::oid_registry::Oid;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

use super::{AnchorName, SignerName};
use crate::escape::escape;
use crate::limits;

/// Shortest RSA modulus, bits (NIST SP 800-131A).
const RSA_BITS: i32 = 2048;

/// Critical extensions that we know: what they say is enforced, or means nothing for an anchor.
const KNOWN: [Oid<'static>; 6] = [
    oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
    oid::OID_X509_EXT_BASIC_CONSTRAINTS,
    oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
    oid::OID_X509_EXT_KEY_USAGE,
    oid::OID_X509_EXT_SUBJECT_ALT_NAME,
    oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
];

/// A certificate that the machine was told to trust, with a key fit for signing.
#[derive(Debug)]
pub struct TrustAnchor {
    path: PathBuf,
    /// Further files with the same certificate.
    other_paths: Vec<PathBuf>,
    scopes: Option<BTreeSet<String>>,
    subject: String,
    issuer: String,
    issuer_der: Vec<u8>,
    serial: String,
    serial_der: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    fingerprint: [u8; 32],
    spki_fingerprint: [u8; 32],
    not_before: i64,
    not_after: i64,
    key: PKey<Public>,
    key_kind: String,
}

impl TrustAnchor {
    /// Reads the content of the file `path`.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, AnchorFault> {
        let der = single_certificate(bytes)?;
        let (rest, certificate) = X509Certificate::from_der(&der).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(AnchorFault::Trailing);
        }
        // A second reader has to find the same: what only one of them can read is malformed.
        if X509::from_pem(bytes).and_then(|it| it.to_der()).map_err(malformed)? != der {
            return Err(malformed("two readers find two certificates"));
        }
        let key_identifier = read_extensions(&certificate)?;
        let spki = certificate.public_key().raw;
        let key = PKey::public_key_from_der(spki).map_err(malformed)?;
        let serial = certificate.raw_serial();
        Ok(Self {
            path: path.to_owned(),
            other_paths: Vec::new(),
            scopes: None,
            subject: escape(&certificate.subject().to_string()),
            issuer: escape(&certificate.issuer().to_string()),
            issuer_der: certificate.issuer().as_raw().to_vec(),
            serial: data_encoding::HEXLOWER.encode(serial),
            serial_der: Any::new(Tag::Integer, serial)
                .and_then(|it| it.to_der())
                .map_err(malformed)?,
            key_identifier,
            fingerprint: sha256(&der),
            spki_fingerprint: sha256(spki),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            key_kind: key_kind(&key, &certificate)?,
            key,
        })
    }

    /// The file it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files it came from.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.path].into_iter().chain(&self.other_paths).map(PathBuf::as_path)
    }

    /// Subject, escaped.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Issuer, escaped.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Serial number in lower-case hex.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Subject key identifier, if the certificate has that extension.
    #[must_use]
    pub fn key_identifier(&self) -> Option<&[u8]> {
        self.key_identifier.as_deref()
    }

    /// SHA-256 of the certificate in DER.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// SHA-256 of the public key (`SubjectPublicKeyInfo` in DER): the same in every certificate of
    /// one key.
    #[must_use]
    pub fn spki_fingerprint(&self) -> &[u8; 32] {
        &self.spki_fingerprint
    }

    /// Start of validity, seconds since 1970. Reported, not enforced.
    #[must_use]
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// End of validity, seconds since 1970. Reported, not enforced.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Kind and size of the key: `RSA-2048`, `P-256`, `Ed25519`.
    #[must_use]
    pub fn key_kind(&self) -> &str {
        &self.key_kind
    }

    /// What it may sign for, if that was restricted.
    #[must_use]
    pub fn scopes(&self) -> Option<&BTreeSet<String>> {
        self.scopes.as_ref()
    }

    /// Gives it its scopes; false if it has some, or if one is named twice.
    pub(super) fn restrict(&mut self, scopes: &[&str]) -> bool {
        let set: BTreeSet<String> = scopes.iter().map(|it| (*it).to_owned()).collect();
        let first = self.scopes.is_none() && set.len() == scopes.len();
        if first {
            self.scopes = Some(set);
        }
        first
    }

    pub(super) fn add_path(&mut self, path: PathBuf) {
        self.other_paths.push(path);
    }

    pub(super) fn is_called(&self, name: &AnchorName) -> bool {
        match name {
            AnchorName::Fingerprint(sha256) => self.fingerprint == *sha256,
            AnchorName::Path(path) => self.path == *path || self.other_paths.contains(path),
        }
    }

    pub(in super::super) fn key(&self) -> &PKeyRef<Public> {
        &self.key
    }

    /// Whether a signature that names its signer so could mean this anchor.
    pub(super) fn is_named(&self, name: &SignerName) -> bool {
        match name {
            SignerName::IssuerAndSerial { issuer, serial, .. } => {
                self.issuer_der == *issuer && self.serial_der == *serial
            }
            SignerName::SubjectKeyIdentifier(id) => self.key_identifier.as_ref() == Some(id),
        }
    }
}

/// The DER inside the one PEM block of a file. Text around the block is a comment.
fn single_certificate(bytes: &[u8]) -> Result<Vec<u8>, AnchorFault> {
    // Counted before anything is decoded, so that no block can hide in another's comment.
    let blocks = count(bytes, b"-----BEGIN ");
    if count(bytes, b"PRIVATE KEY-----") > 0 {
        return Err(AnchorFault::PrivateKey);
    }
    match blocks {
        1 => {}
        0 if bytes.is_empty() => return Err(AnchorFault::Empty),
        0 if bytes.first() == Some(&0x30) => return Err(AnchorFault::Der),
        0 => return Err(AnchorFault::NotPem),
        found => return Err(AnchorFault::SeveralBlocks { found }),
    }
    let (pem, _) = Pem::read(Cursor::new(bytes)).map_err(malformed)?;
    if pem.label != "CERTIFICATE" {
        return Err(AnchorFault::Label { found: escape(&pem.label) });
    }
    Ok(pem.contents)
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|it| *it == needle).count()
}

/// Enforces what the extensions say and returns the subject key identifier.
fn read_extensions(certificate: &X509Certificate<'_>) -> Result<Option<Vec<u8>>, AnchorFault> {
    certificate.extensions_map().map_err(malformed)?;
    let mut key_identifier = None;
    for extension in certificate.extensions() {
        if extension.critical && !KNOWN.contains(&extension.oid) {
            return Err(AnchorFault::CriticalExtension { oid: extension.oid.to_id_string() });
        }
        if let ParsedExtension::ParseError { .. } = extension.parsed_extension() {
            return Err(malformed_extension(extension));
        }
        if let ParsedExtension::KeyUsage(usage) = extension.parsed_extension()
            && !usage.digital_signature()
        {
            return Err(AnchorFault::KeyUsage);
        }
        if let ParsedExtension::ExtendedKeyUsage(usage) = extension.parsed_extension()
            && !(usage.any || usage.code_signing || usage.email_protection)
        {
            return Err(AnchorFault::ExtendedKeyUsage);
        }
        if let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() {
            key_identifier = Some(id.0.to_vec());
        }
    }
    Ok(key_identifier)
}

fn malformed_extension(extension: &X509Extension<'_>) -> AnchorFault {
    AnchorFault::Malformed { reason: format!("extension {}", extension.oid.to_id_string()) }
}

fn malformed(error: impl std::fmt::Display) -> AnchorFault {
    AnchorFault::Malformed { reason: escape(&error.to_string()) }
}

/// Kind and size of a key that may sign.
fn key_kind(
    key: &PKeyRef<Public>,
    certificate: &X509Certificate<'_>,
) -> Result<String, AnchorFault> {
    match key.id() {
        Id::RSA => {
            let rsa = key.rsa().map_err(malformed)?;
            let (bits, e) = (rsa.n().num_bits(), rsa.e());
            // Odd and of 17 bits: 65537 at least.
            if bits < RSA_BITS || e.num_bits() < 17 || !e.is_bit_set(0) {
                let exponent = escape(&e.to_string());
                return Err(AnchorFault::WeakRsa { bits, exponent });
            }
            Ok(format!("RSA-{bits}"))
        }
        Id::EC => {
            let curve = key.ec_key().map_err(malformed)?.group().curve_name();
            // Curves spelled out as parameters have no name here, whatever OpenSSL makes of them.
            let named = certificate.public_key().algorithm.parameters.as_ref();
            let named = named
                .filter(|it| it.tag() == asn1_rs::Tag::Oid)
                .and_then(|it| it.as_oid().ok())
                .map(|it| it.to_id_string());
            match (curve, named.as_deref()) {
                (Some(Nid::X9_62_PRIME256V1), Some("1.2.840.10045.3.1.7")) => Ok("P-256".into()),
                (Some(Nid::SECP384R1), Some("1.3.132.0.34")) => Ok("P-384".into()),
                (Some(Nid::SECP521R1), Some("1.3.132.0.35")) => Ok("P-521".into()),
                _ => {
                    Err(AnchorFault::Curve { found: named.unwrap_or_else(|| "parameters".into()) })
                }
            }
        }
        Id::ED25519 => Ok("Ed25519".to_owned()),
        _ => {
            let found = certificate.public_key().algorithm.algorithm.to_id_string();
            Err(AnchorFault::KeyAlgorithm { found })
        }
    }
}

/// Why a file can't be a trust anchor.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchorFault {
    /// A critical extension that we don't know.
    #[error("unknown critical extension {oid}")]
    CriticalExtension {
        /// Its identifier.
        oid: String,
    },
    /// An elliptic curve off the list.
    #[error("elliptic curve {found} is not allowed (P-256, P-384, P-521 by name)")]
    Curve {
        /// Its identifier, or `parameters`.
        found: String,
    },
    /// DER instead of PEM.
    #[error("is DER, not PEM: openssl x509 -inform der -in FILE -out FILE converts it")]
    Der,
    /// An empty file that was named itself; in a directory it would mask.
    #[error("is empty")]
    Empty,
    /// The certificate is for other purposes.
    #[error("extended key usage has neither codeSigning nor emailProtection")]
    ExtendedKeyUsage,
    /// A kind of key off the list.
    #[error("key algorithm {found} is not allowed (RSA, ECDSA, Ed25519)")]
    KeyAlgorithm {
        /// Its identifier.
        found: String,
    },
    /// The certificate is not for signatures.
    #[error("key usage has no digitalSignature")]
    KeyUsage,
    /// A PEM block of something else.
    #[error("PEM block is \"{found}\", not \"CERTIFICATE\"")]
    Label {
        /// Its label, escaped.
        found: String,
    },
    /// Broken PEM, DER or key.
    #[error("malformed certificate: {reason}")]
    Malformed {
        /// What the parser says, escaped.
        reason: String,
    },
    /// A FIFO, a device, a directory.
    #[error("is not a regular file")]
    NotAFile,
    /// Neither PEM nor DER.
    #[error("holds no PEM certificate")]
    NotPem,
    /// A private key, which has no place here.
    #[error("holds a private key: keep it off this machine, and use another one from now on")]
    PrivateKey,
    /// More than one PEM block.
    #[error("holds {found} PEM blocks, exactly one certificate is allowed")]
    SeveralBlocks {
        /// Blocks.
        found: usize,
    },
    /// Over the limit.
    #[error("is larger than {} bytes", limits::CERTIFICATE_FILE)]
    TooLarge,
    /// Bytes behind the certificate, inside its PEM block.
    #[error("has bytes after the certificate")]
    Trailing,
    /// An RSA key too short, or with a small exponent.
    #[error(
        "RSA key of {bits} bits, exponent {exponent}: at least {RSA_BITS} and 65537 are needed"
    )]
    WeakRsa {
        /// Bits of the modulus.
        bits: i32,
        /// The public exponent, decimal.
        exponent: String,
    },
}
