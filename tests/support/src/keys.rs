// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Keys and self-signed certificates, made when a test asks for them.
//!
//! **In:** a [`Spec`]. **Out:** a [`Signer`] that follows from it and from the seed, so that the same
//! images come out each time. **Refuses:** nothing. No private key is ever stored in the tree, and
//! since anybody can make these anew, none of them may be trusted by anything but a test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::{BigNum, BigNumRef};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509NameBuilder};

use crate::{derive, noise};

/// What every key follows from, besides its spec.
static SEED: AtomicU64 = AtomicU64::new(1);

/// Other keys from now on, in this process.
pub fn reseed(seed: u64) {
    SEED.store(seed, Ordering::Relaxed);
}

/// Kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA with that many bits.
    Rsa(u32),
    /// RSA with 2048 bits and the public exponent 3.
    RsaExponent3,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

/// What the keyUsage extension says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// No extension.
    Unstated,
    /// digitalSignature.
    DigitalSignature,
    /// keyCertSign only: such a key may not sign images.
    CertSign,
    /// No keyUsage; extended key usage serverAuth only.
    ServerAuth,
    /// No keyUsage; a critical extension that nobody knows.
    UnknownCritical,
}

/// When the certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// From 2000 to 2100.
    Always,
    /// From 2000 to 2001.
    Expired,
    /// From 2099 to 2100.
    Future,
}

/// A key and certificate to make; specs that are equal give the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    name: String,
    algorithm: Algorithm,
    usage: Usage,
    validity: Validity,
    ca: bool,
    version_1: bool,
    address: Option<String>,
}

impl Spec {
    /// A certificate whose subject is `name`: valid, no CA, no stated usage.
    #[must_use]
    pub fn new(name: &str, algorithm: Algorithm) -> Self {
        Self {
            name: name.into(),
            algorithm,
            usage: Usage::Unstated,
            validity: Validity::Always,
            ca: false,
            version_1: false,
            address: None,
        }
    }

    /// X.509 version 1, which has no extensions.
    #[must_use]
    pub fn version_1(self) -> Self {
        Self { version_1: true, ..self }
    }

    /// Names an IP address, as a TLS server's certificate does.
    #[must_use]
    pub fn address(self, address: &str) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    /// Sets basicConstraints CA:TRUE, as `openssl req -x509` does.
    #[must_use]
    pub fn ca(self) -> Self {
        Self { ca: true, ..self }
    }

    /// Sets the key usage.
    #[must_use]
    pub fn usage(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }

    /// Sets the validity.
    #[must_use]
    pub fn validity(self, validity: Validity) -> Self {
        Self { validity, ..self }
    }

    /// The signer of this spec, made at the first call.
    ///
    /// # Panics
    /// If OpenSSL can't make it.
    #[must_use]
    pub fn signer(&self) -> Arc<Signer> {
        type Made = Mutex<HashMap<(u64, Spec), Arc<Signer>>>;
        static MADE: OnceLock<Made> = OnceLock::new();
        let seed = SEED.load(Ordering::Relaxed);
        let mut made = MADE.get_or_init(Made::default).lock().unwrap();
        let made = made.entry((seed, self.clone())).or_insert_with(|| Arc::new(self.make(seed)));
        made.clone()
    }

    fn make(&self, seed: u64) -> Signer {
        let seed = derive::seed_of(&format!("{seed} {self:?}"));
        let key = self.algorithm.derive(seed);
        let mut serial = BigNum::from_slice(&noise(!seed, 16)).unwrap();
        serial.mask_bits(127).unwrap();
        serial.set_bit(126).unwrap();
        let certificate = self.certificate(&key, &serial);
        Signer { key, certificate }
    }

    fn certificate(&self, key: &PKey<Private>, serial: &BigNumRef) -> X509 {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, &self.name).unwrap();
        let name = name.build();
        // Two digits of the year up to 2049: RFC 5280 wants it so, and the kernel insists.
        let (from, to) = match self.validity {
            Validity::Always => ("000101000000Z", "21000101000000Z"),
            Validity::Expired => ("000101000000Z", "010101000000Z"),
            Validity::Future => ("20990101000000Z", "21000101000000Z"),
        };
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(if self.version_1 { 0 } else { 2 }).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&Asn1Time::from_str(from).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_str(to).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        if !self.version_1 {
            self.extend(&mut builder);
        }
        let digest = match self.algorithm {
            Algorithm::Ed25519 => MessageDigest::null(),
            _ => MessageDigest::sha256(),
        };
        builder.sign(key, digest).unwrap();
        match key.id() {
            Id::EC => derive::resign(&builder.build(), key),
            _ => builder.build(),
        }
    }

    fn extend(&self, builder: &mut X509Builder) {
        if self.ca {
            let constraints = BasicConstraints::new().critical().ca().build();
            builder.append_extension(constraints.unwrap()).unwrap();
        }
        if let Some(address) = &self.address {
            let names = SubjectAlternativeName::new()
                .ip(address)
                .build(&builder.x509v3_context(None, None));
            builder.append_extension(names.unwrap()).unwrap();
        }
        let usage = match self.usage {
            Usage::Unstated => return,
            Usage::DigitalSignature => KeyUsage::new().critical().digital_signature().build(),
            Usage::CertSign => KeyUsage::new().critical().key_cert_sign().build(),
            Usage::ServerAuth => ExtendedKeyUsage::new().server_auth().build(),
            Usage::UnknownCritical => {
                let oid = Asn1Object::from_str("2.999.1").unwrap();
                let null = Asn1OctetString::new_from_bytes(&[5, 0]).unwrap();
                X509Extension::new_from_der(&oid, true, &null)
            }
        };
        builder.append_extension(usage.unwrap()).unwrap();
    }
}

impl Algorithm {
    fn derive(self, seed: u64) -> PKey<Private> {
        match self {
            Self::Rsa(bits) => derive::rsa(seed, bits, 65537),
            Self::RsaExponent3 => derive::rsa(seed, 2048, 3),
            Self::P256 => derive::ec(seed, Nid::X9_62_PRIME256V1),
            Self::P384 => derive::ec(seed, Nid::SECP384R1),
            Self::P521 => derive::ec(seed, Nid::SECP521R1),
            Self::Ed25519 => derive::ed25519(seed),
        }
    }
}

/// A key with its self-signed certificate.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The private key.
    pub key: PKey<Private>,
    /// Its certificate.
    pub certificate: X509,
}

impl Signer {
    /// The certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// SHA-256 of the certificate's DER, lower-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = self.certificate.digest(MessageDigest::sha256()).unwrap();
        data_encoding::HEXLOWER.encode(&digest)
    }

    /// SHA-256 of the subject public key info, lower-case hex.
    #[must_use]
    pub fn spki_fingerprint(&self) -> String {
        let spki = self.key.public_key_to_der().unwrap();
        data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&spki))
    }

    /// Writes the certificate as `name` (such as `trusted.crt`) into `directory`.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write_certificate(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, self.certificate_pem()).unwrap();
        path
    }
}

/// K1: the signer that tests trust, RSA-2048.
#[must_use]
pub fn trusted() -> Arc<Signer> {
    Spec::new("trusted signer", Algorithm::Rsa(2048)).ca().signer()
}

/// E1: a second trusted signer, P-256.
#[must_use]
pub fn trusted_ec() -> Arc<Signer> {
    Spec::new("trusted P-256 signer", Algorithm::P256).ca().signer()
}

/// K2: a signer nobody trusts.
#[must_use]
pub fn stranger() -> Arc<Signer> {
    Spec::new("stranger", Algorithm::Rsa(2048)).ca().signer()
}

/// K3: a signer whose key was revoked.
#[must_use]
pub fn revoked() -> Arc<Signer> {
    Spec::new("revoked signer", Algorithm::Rsa(2048)).ca().signer()
}

/// Another key whose certificate has the subject, issuer and serial number of [`trusted`].
#[must_use]
pub fn impostor() -> Arc<Signer> {
    let spec = Spec::new("trusted signer", Algorithm::Rsa(2048)).ca();
    let serial = trusted().certificate.serial_number().to_bn().unwrap();
    let key = stranger().key.clone();
    let certificate = spec.certificate(&key, &serial);
    Arc::new(Signer { key, certificate })
}

/// A directory of trust anchors that holds the certificates of `signers` and nothing else.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn anchors(signers: &[&Signer]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (index, signer) in signers.iter().enumerate() {
        signer.write_certificate(directory.path(), &format!("signer-{index}.crt"));
    }
    directory
}
