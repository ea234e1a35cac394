// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! How a signature names its signer.
//!
//! **In:** the signer identifier of a CMS signature; an attacker may have chosen it.
//! **Out:** [`SignerName`], a claim that selects the trust anchors to try.
//! **Refuses:** nothing; a name proves nothing.

use std::fmt;

use cms::signed_data::SignerIdentifier;
use data_encoding::HEXLOWER;
use der::Encode;

use crate::escape::escape;

/// How a signature names its signer: a claim. Compared byte by byte with the certificate's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum SignerName {
    /// Issuer and serial number of the certificate, each in DER.
    IssuerAndSerial {
        issuer: Vec<u8>,
        serial: Vec<u8>,
        /// Both for people, escaped.
        shown: String,
    },
    /// Subject key identifier of the certificate.
    SubjectKeyIdentifier(Vec<u8>),
}

impl TryFrom<&SignerIdentifier> for SignerName {
    type Error = der::Error;

    fn try_from(sid: &SignerIdentifier) -> Result<Self, der::Error> {
        Ok(match sid {
            SignerIdentifier::IssuerAndSerialNumber(it) => Self::IssuerAndSerial {
                issuer: it.issuer.to_der()?,
                serial: it.serial_number.to_der()?,
                shown: escape(&format!("{}, serial {}", it.issuer, it.serial_number)),
            },
            SignerIdentifier::SubjectKeyIdentifier(it) => {
                Self::SubjectKeyIdentifier(it.0.as_bytes().to_vec())
            }
        })
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IssuerAndSerial { shown, .. } => f.write_str(shown),
            Self::SubjectKeyIdentifier(id) => {
                write!(f, "with key identifier {}", escape(&HEXLOWER.encode(id)))
            }
        }
    }
}
