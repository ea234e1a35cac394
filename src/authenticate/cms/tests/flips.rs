// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every single bit and every truncation of whole signature partitions.
//!
//! **In:** signature partitions that are accepted. **Out:** what a flipped bit leaves accepted.
//! **Refuses:** nothing.
//!
//! What a flipped bit may leave accepted, and nothing else: the case of a hex digit of the root
//! hash, name and value of the certificate fingerprint (a hint), bytes of an embedded certificate
//! (never used), and the first padding byte, which becomes a space. Whatever is accepted names the
//! same root hash and the same signer.

use std::ops::Range;

use super::*;

/// The specification pads to the next multiple of this.
const PADDED: usize = 4096;

struct Partition {
    bytes: Vec<u8>,
    anchors: TrustAnchors,
}

impl Partition {
    fn new(text: &[u8], anchor: &str) -> Self {
        let mut bytes = text.to_vec();
        bytes.resize(bytes.len().next_multiple_of(PADDED), 0);
        let partition = Self { bytes, anchors: made::anchors(&[made::fixture(anchor)]) };
        assert!(partition.accepts(&partition.bytes).is_some());
        partition
    }

    fn accepts(&self, bytes: &[u8]) -> Option<VeritySignature> {
        let signature = VeritySignature::parse(bytes).ok()?;
        let content = signature.root_hash().to_string();
        let signed = SignedData::parse(signature.signature()).ok()?;
        signed.verify(content.as_bytes(), "root", &self.anchors).ok()?;
        Some(signature)
    }

    fn text_len(&self) -> usize {
        self.bytes.iter().position(|byte| *byte == 0).unwrap()
    }

    /// From the start of `from` to the end of what lies before the next `to`.
    fn range(&self, from: &str, to: &str) -> Range<usize> {
        let find = |needle: &str, at: usize| {
            let rest = &self.bytes[at..];
            at + rest.windows(needle.len()).position(|it| it == needle.as_bytes()).unwrap()
        };
        let start = find(from, 0);
        start..find(to, start + from.len())
    }

    /// Flips every bit; `certificate` is where in the DER a certificate is embedded. Returns the
    /// flips that change nothing that counts: in hash, hint, certificate and padding.
    fn flip_all(&self, certificate: &Range<usize>) -> [usize; 4] {
        let sound = self.accepts(&self.bytes).unwrap();
        let hash = self.range(&sound.root_hash().to_string(), "\"");
        let hint = match sound.certificate_fingerprint() {
            Some(_) => self.range("certificateFingerprint", "\",\"signature"),
            None => 0..0,
        };
        let mut counts = [0; 4];
        let mut bytes = self.bytes.clone();
        for bit in 0..bytes.len() * 8 {
            let (at, mask) = (bit / 8, 1 << (bit % 8));
            bytes[at] ^= mask;
            if let Some(found) = self.accepts(&bytes) {
                assert_eq!(found.root_hash(), sound.root_hash(), "bit {bit}");
                let (old, new) = (sound.signature(), found.signature());
                assert_eq!(old.len(), new.len(), "bit {bit}");
                let differing = |it: &usize| old[*it] != new[*it];
                let changed: Vec<usize> = (0..old.len()).filter(differing).collect();
                let kind = if hash.contains(&at) && mask == 0x20 {
                    0
                } else if hint.contains(&at) {
                    1
                } else if at == self.text_len() && mask == b' ' {
                    3
                } else {
                    assert!(changed.iter().all(|it| certificate.contains(it)), "bit {bit}");
                    assert!(!changed.is_empty(), "bit {bit}");
                    2
                };
                counts[kind] += 1;
            }
            bytes[at] ^= mask;
        }
        counts
    }
}

fn digits_with_case(hash: &[u8]) -> usize {
    hash.iter().filter(|it| it.is_ascii_alphabetic()).count()
}

/// As systemd-repart writes the text, around a signature of the openssl command.
fn text_around(signature: &str) -> Vec<u8> {
    let hash = String::from_utf8(made::fixture("cms/content")).unwrap();
    let der = data_encoding::BASE64.encode(&made::fixture(signature));
    format!("{{\"rootHash\":\"{hash}\",\"signature\":\"{der}\"}}").into_bytes()
}

#[test]
fn every_bit_of_a_partition_by_systemd_repart() {
    let partitions = made::fixture_partitions("root-erofs-signed");
    let written = partitions.into_iter().find(|it| it.starts_with(b"{")).unwrap();
    let len = written.iter().position(|byte| *byte == 0).unwrap();
    let partition = Partition::new(&written[..len], "trusted.crt");
    let sound = partition.accepts(&partition.bytes).unwrap();
    let pem = made::fixture("trusted.crt");
    let certificate = openssl::x509::X509::from_pem(&pem).unwrap().to_der().unwrap();
    let mut windows = sound.signature().windows(certificate.len());
    let start = windows.position(|it| it == certificate).unwrap();
    let counts = partition.flip_all(&(start..start + certificate.len()));
    let hash = sound.root_hash().to_string();
    assert_eq!((counts[0], counts[3]), (digits_with_case(hash.as_bytes()), 1));
    assert!(counts[1] > 0 && counts[2] > 0, "{counts:?}");
}

#[test]
fn every_bit_of_bare_rsa_and_ecdsa_signatures() {
    let rows = [
        ("cms/rsa-smime-noattr.der", "cms/rsa.crt"),
        ("cms/rsa-pss.der", "cms/rsa.crt"),
        ("cms/ec-cms-keyid.der", "cms/ec.crt"),
        ("cms/ec-cms.der", "cms/ec.crt"),
    ];
    for (signature, anchor) in rows {
        let partition = Partition::new(&text_around(signature), anchor);
        let case = digits_with_case(&made::fixture("cms/content"));
        assert_eq!(partition.flip_all(&(0..0)), [case, 0, 0, 1], "{signature}");
    }
}

#[test]
fn every_truncation_of_a_partition() {
    let partition = Partition::new(&text_around("cms/ec-cms.der"), "cms/ec.crt");
    for len in 0..=partition.bytes.len() {
        let found = partition.accepts(&partition.bytes[..len]);
        assert_eq!(found.is_some(), len >= partition.text_len(), "{len}");
    }
}
