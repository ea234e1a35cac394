// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The JSON text of a verity signature partition.
//!
//! **In:** the whole partition; an attacker chose it. **Out:** [`VeritySignature`]: a root hash
//! that is claimed, a DER blob that may be a signature of it, and perhaps a hint at the signer.
//! Nothing is authentic yet. **Refuses:** text that two parsers could read differently (duplicate
//! keys, a second document, bytes behind the padding), lenient hex or base64, and bombs.
//!
//! Format: [Discoverable Partitions Specification, Verity][dps]: one JSON object, padded with NUL
//! bytes. A text that fills the partition has no padding. *Unknown keys are ignored*, as the
//! specification announces more of them for later revisions and systemd ignores them too; whatever
//! they say, it changes nothing here. Off-spec: systemd takes white space in the hash.
//!
//! [dps]: https://uapi-group.org/specifications/specs/discoverable_partitions_specification/#verity

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::digest::RootHashClaim;
use crate::escape::escape;
use crate::finding::Class;
use crate::limits;

/// A well-formed verity signature. Every value in it is a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VeritySignature {
    root_hash: RootHashClaim,
    signature: Vec<u8>,
    certificate_fingerprint: Option<[u8; 32]>,
}

impl VeritySignature {
    /// Parses the content of a whole signature partition.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn parse(partition: &[u8]) -> Result<Self, SignatureError> {
        let object: Object = serde_json::from_str(text(partition)?)
            .map_err(|error| SignatureError::Json { reason: escape(&error.to_string()) })?;
        let root_hash = RootHashClaim::from_hex(&object.root_hash)
            .ok_or_else(|| SignatureError::RootHash { found: escape(&object.root_hash) })?;
        // Longer text can't be a CMS within its limit: nothing is decoded for it.
        if object.signature.len() > BASE64.encode_len(limits::CMS) {
            return Err(SignatureError::SignatureTooLarge { limit: limits::CMS });
        }
        let signature = BASE64
            .decode(object.signature.as_bytes())
            .ok()
            // Only the encoding we would write: the decoder also takes several padded texts joined.
            .filter(|der| !der.is_empty() && BASE64.encode(der) == object.signature)
            .ok_or(SignatureError::Base64)?;
        if signature.len() > limits::CMS {
            return Err(SignatureError::SignatureTooLarge { limit: limits::CMS });
        }
        let certificate_fingerprint =
            object.certificate_fingerprint.as_deref().map(parse_fingerprint).transpose()?;
        Ok(Self { root_hash, signature, certificate_fingerprint })
    }

    /// Takes root hash and signature from two files.
    ///
    /// # Errors
    /// [`SignatureError::SignatureTooLarge`].
    pub(super) fn beside(
        root_hash: RootHashClaim,
        signature: Vec<u8>,
    ) -> Result<Self, SignatureError> {
        if signature.len() > limits::CMS {
            return Err(SignatureError::SignatureTooLarge { limit: limits::CMS });
        }
        Ok(Self { root_hash, signature, certificate_fingerprint: None })
    }

    /// The root hash the partition claims.
    #[must_use]
    pub fn root_hash(&self) -> &RootHashClaim {
        &self.root_hash
    }

    /// The bytes that should be a DER-encoded CMS signature of the root hash.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// SHA-256 of the certificate that the image says made the signature. A hint for messages;
    /// no decision may rest on it.
    #[must_use]
    pub fn certificate_fingerprint(&self) -> Option<&[u8; 32]> {
        self.certificate_fingerprint.as_ref()
    }
}

/// Typed, never `serde_json::Value`: that keeps the last of two equal keys and says nothing.
#[derive(Deserialize)]
struct Object {
    #[serde(rename = "rootHash")]
    root_hash: String,
    signature: String,
    #[serde(rename = "certificateFingerprint", default, deserialize_with = "string")]
    certificate_fingerprint: Option<String>,
}

/// A string; `null` is none.
fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// The text before the padding, bounded in size and nesting, beginning as an object does.
fn text(partition: &[u8]) -> Result<&str, SignatureError> {
    if u64::try_from(partition.len()).map_or(true, |len| len > limits::SIGNATURE_PARTITION) {
        return Err(SignatureError::PartitionTooLarge { found: partition.len() });
    }
    let len = partition.iter().position(|byte| *byte == 0).unwrap_or(partition.len());
    let (text, padding) = partition.split_at_checked(len).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        return Err(SignatureError::Padding);
    }
    if text.len() > limits::SIGNATURE_JSON {
        return Err(SignatureError::TextTooLarge { found: text.len() });
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| SignatureError::Utf8 { offset: error.valid_up_to() })?;
    // serde also reads a struct from an array, by position.
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(SignatureError::NotAnObject);
    }
    // Counts openers in strings too: an upper bound of the depth that needs no JSON parser.
    if text.matches(['{', '[']).count() > limits::SIGNATURE_JSON_OPENERS {
        return Err(SignatureError::TooDeep { limit: limits::SIGNATURE_JSON_OPENERS });
    }
    Ok(text)
}

fn parse_fingerprint(hex: &str) -> Result<[u8; 32], SignatureError> {
    HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| SignatureError::Fingerprint { found: escape(hex) })
}

/// Why a partition holds no verity signature we accept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// `signature` is empty or not strict base64 (RFC 4648 §4, padded, no line breaks).
    #[error("verity signature: field \"signature\" is not base64")]
    Base64,
    /// `certificateFingerprint` is not a SHA-256 in hex.
    #[error("verity signature: certificate fingerprint \"{found}\" is not a SHA-256 in hex")]
    Fingerprint {
        /// As written, escaped.
        found: String,
    },
    /// Not JSON, a required key missing or repeated, a value of the wrong type, a second document.
    #[error("verity signature: {reason}")]
    Json {
        /// What the JSON parser says, escaped.
        reason: String,
    },
    /// The text does not begin with `{`: empty partition, byte-order mark, another JSON type.
    #[error("verity signature: no JSON object at the start of the partition")]
    NotAnObject,
    /// A byte behind the first NUL is not NUL.
    #[error("verity signature: the padding holds more than NUL bytes")]
    Padding,
    /// The partition is over its limit.
    #[error("signature partition of {found} bytes, the limit is {}", limits::SIGNATURE_PARTITION)]
    PartitionTooLarge {
        /// Bytes.
        found: usize,
    },
    /// `rootHash` is not hex of an allowed digest's length.
    #[error("verity signature: \"{found}\" is not the hex of a SHA-256 or SHA-512 root hash")]
    RootHash {
        /// As written, escaped.
        found: String,
    },
    /// The decoded signature is over its limit.
    #[error("verity signature: more than {limit} bytes of CMS")]
    SignatureTooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The text is over its limit.
    #[error("verity signature: text of {found} bytes, the limit is {}", limits::SIGNATURE_JSON)]
    TextTooLarge {
        /// Bytes.
        found: usize,
    },
    /// More arrays and objects than a signature could need.
    #[error("verity signature: more than {limit} arrays and objects")]
    TooDeep {
        /// Openers.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("verity signature: not UTF-8 at byte {offset}")]
    Utf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
}

impl SignatureError {
    /// The kind of refusal.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::PartitionTooLarge { .. }
            | Self::SignatureTooLarge { .. }
            | Self::TextTooLarge { .. }
            | Self::TooDeep { .. } => Class::Limit,
            Self::Base64
            | Self::Fingerprint { .. }
            | Self::Json { .. }
            | Self::NotAnObject
            | Self::Padding
            | Self::RootHash { .. }
            | Self::Utf8 { .. } => Class::Sigfmt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "1f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875";

    fn object(fields: &str) -> String {
        format!("{{\"rootHash\":\"{HASH}\",\"signature\":\"MAA=\"{fields}}}")
    }

    fn padded(text: &str, len: usize) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(len.max(bytes.len()), 0);
        bytes
    }

    fn parse(text: &str) -> Result<VeritySignature, SignatureError> {
        VeritySignature::parse(&padded(text, 16384))
    }

    #[track_caller]
    fn refused_as_json(text: &str, part: &str) {
        match parse(text) {
            Err(SignatureError::Json { reason }) if reason.contains(part) => {}
            other => panic!("{text:.200}: {other:?}"),
        }
    }

    #[test]
    fn reads_the_three_fields() {
        let sound = parse(&object("")).unwrap();
        assert_eq!(sound.root_hash().to_string(), HASH);
        assert_eq!(sound.signature(), [0x30, 0]);
        assert_eq!(sound.certificate_fingerprint(), None);
        let hinted = parse(&object(&format!(",\"certificateFingerprint\":\"{HASH}\""))).unwrap();
        assert_eq!(
            hinted.certificate_fingerprint().unwrap().as_slice(),
            sound.root_hash.as_bytes()
        );
    }

    #[test]
    fn accepts_what_reads_one_way_only() {
        let sound = parse(&object("")).unwrap();
        let rows = [
            format!(" \t\r\n{} \n", object("")),
            object(",\"later\":{\"a\":[1,2,null]},\"rootHASH\":7"),
            object("").replace("rootHash", "\\u0072ootHash"),
            object("").replace(HASH, &HASH.to_uppercase()),
            object("").replace("MAA=", "\\u004dAA="),
        ];
        for text in rows {
            assert_eq!(parse(&text).as_ref(), Ok(&sound), "{text}");
        }
        let full = object("");
        assert_eq!(VeritySignature::parse(full.as_bytes()).as_ref(), Ok(&sound));
    }

    #[test]
    fn refuses_more_than_one_object_and_its_padding() {
        let sound = object("");
        for len in [sound.len() + 1, 16384, 4 << 20] {
            assert!(VeritySignature::parse(&padded(&sound, len)).is_ok());
        }
        let over = (4 << 20) + 1;
        assert_eq!(
            VeritySignature::parse(&padded(&sound, over)),
            Err(SignatureError::PartitionTooLarge { found: over })
        );
        for (at, byte) in [(sound.len() + 1, b' '), (16383, 1), (8000, b'{')] {
            let mut bytes = padded(&sound, 16384);
            bytes[at] = byte;
            assert_eq!(VeritySignature::parse(&bytes), Err(SignatureError::Padding), "{at}");
        }
        let not_objects =
            ["", "\u{feff}{}", "[]", "null", "\"x\"", "7", " ", "\u{b}{}", "[\"a\",\"MAA=\"]"];
        for text in not_objects.map(str::to_owned).into_iter().chain([
            format!("[\"{HASH}\",\"MAA=\"]"),
            format!("\u{feff}{sound}"),
            format!("\u{a0}{sound}"),
        ]) {
            assert_eq!(parse(&text), Err(SignatureError::NotAnObject), "{text}");
        }
        refused_as_json(&format!("{sound}{sound}"), "trailing");
        refused_as_json(&format!("{sound} x"), "trailing");
        refused_as_json(&format!("{sound}//"), "trailing");
        refused_as_json(&object(","), "trailing comma");
        let mut bytes = padded(&sound, 16384);
        bytes[3] = 0xff;
        assert_eq!(VeritySignature::parse(&bytes), Err(SignatureError::Utf8 { offset: 3 }));
    }

    #[test]
    fn refuses_duplicate_keys_however_they_are_spelled() {
        let evil = "00".repeat(32);
        for key in ["rootHash", "\\u0072ootHash", "r\\u006fotHash"] {
            refused_as_json(&object(&format!(",\"{key}\":\"{evil}\"")), "duplicate");
            refused_as_json(&object(&format!(",\"{key}\":\"{HASH}\"")), "duplicate");
        }
        refused_as_json(&object(",\"signature\":\"MAA=\""), "duplicate");
        let hint = format!(",\"certificateFingerprint\":\"{HASH}\"");
        assert!(parse(&object(&hint)).is_ok());
        refused_as_json(&object(&hint.repeat(2)), "duplicate");
    }

    #[test]
    fn refuses_missing_keys_and_wrong_types() {
        for value in ["7", "null", "[]", "{}", "true", "[\"MAA=\"]", "7e999"] {
            let hash = object("").replace(&format!("\"{HASH}\""), value);
            assert!(matches!(parse(&hash), Err(SignatureError::Json { .. })), "{hash}");
            let signature = object("").replace("\"MAA=\"", value);
            assert!(matches!(parse(&signature), Err(SignatureError::Json { .. })), "{signature}");
            let hint = object(&format!(",\"certificateFingerprint\":{value}"));
            assert!(matches!(parse(&hint), Err(SignatureError::Json { .. })), "{hint}");
        }
        refused_as_json(&format!("{{\"rootHash\":\"{HASH}\"}}"), "missing field `signature`");
        refused_as_json("{\"signature\":\"MAA=\"}", "missing field `rootHash`");
        refused_as_json("{}", "missing field");
        refused_as_json(&object("").replace("rootHash", "roothash"), "missing field");
    }

    #[test]
    fn refuses_root_hashes_of_another_length_or_alphabet() {
        for len in [32, 64] {
            assert!(parse(&object("").replace(HASH, &"ab".repeat(len))).is_ok());
        }
        let mut rows: Vec<String> =
            [0, 15, 16, 20, 31, 33, 48, 63, 65].map(|len| "ab".repeat(len)).to_vec();
        rows.extend([
            HASH.replace("1f", " 1f"),
            HASH.replace("1f", "  "),
            HASH.replacen("1f", "0x", 1),
            HASH.replace("1f6", "1g6"),
            HASH.replacen('1', "", 1),
            format!("{HASH} "),
            HASH.replace('1', "\u{661}"),
        ]);
        for hash in rows {
            let found = parse(&object("").replace(HASH, &hash));
            assert_eq!(found, Err(SignatureError::RootHash { found: escape(&hash) }));
        }
    }

    #[test]
    fn refuses_lenient_base64() {
        for good in ["MAA=", "MAAA", "AA==", "+/+/"] {
            assert!(parse(&object("").replace("MAA=", good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "MAA",
            "MAA==",
            "MAB=",
            "AB==",
            "-_-_",
            "MA A=",
            "MAA\\n=",
            "MAA=\\n",
            "=",
            "MAA=MAA=",
            "M\u{41}A\u{e9}",
        ] {
            let found = parse(&object("").replace("MAA=", bad));
            assert_eq!(found, Err(SignatureError::Base64), "{bad}");
        }
    }

    #[test]
    fn refuses_malformed_hints() {
        for (len, good) in [(31, false), (32, true), (33, false), (0, false), (20, false)] {
            let text = object(&format!(",\"certificateFingerprint\":\"{}\"", "cD".repeat(len)));
            let expected = SignatureError::Fingerprint { found: "cD".repeat(len) };
            assert_eq!(parse(&text).err(), (!good).then_some(expected), "{len}");
        }
    }

    #[test]
    fn stops_bombs_before_they_are_parsed() {
        let deep = |levels| object(&format!(",\"x\":{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(parse(&deep(31)).is_ok());
        let limit = limits::SIGNATURE_JSON_OPENERS;
        for levels in [32, 1000, 100_000] {
            assert_eq!(parse(&deep(levels)), Err(SignatureError::TooDeep { limit }), "{levels}");
        }
        let filler = |len: usize| {
            let text = object(",\"x\":\"\"").len();
            object(&format!(",\"x\":\"{}\"", "y".repeat(len - text)))
        };
        let full = limits::SIGNATURE_JSON;
        assert!(parse(&filler(full)).is_ok());
        let over = parse(&filler(full + 1));
        assert_eq!(over, Err(SignatureError::TextTooLarge { found: full + 1 }));
        let digits = object(&format!(",\"x\":{}", "9".repeat(1_000_000)));
        assert!(matches!(parse(&digits), Err(SignatureError::TextTooLarge { .. })));
        let keys = object(&(0..1_000_000).map(|n| format!(",\"{n}\":0")).collect::<String>());
        assert!(matches!(parse(&keys), Err(SignatureError::PartitionTooLarge { .. })));
        let signature = |len: usize| object("").replace("MAA=", &BASE64.encode(&vec![1; len]));
        assert_eq!(parse(&signature(limits::CMS)).unwrap().signature().len(), limits::CMS);
        for len in [limits::CMS + 1, limits::CMS + 2, limits::CMS + 3, limits::CMS + 1000] {
            let limit = limits::CMS;
            let found = parse(&signature(len));
            assert_eq!(found, Err(SignatureError::SignatureTooLarge { limit }), "{len}");
        }
    }
}
