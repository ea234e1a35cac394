// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The JSON of a signature partition.
//!
//! **In:** whole partitions. **Out:** a verdict. **Refuses:** (panics) text that another parser of
//! JSON reads differently.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::Value;
use veriroot::dissect::verity_sig::VeritySignature;
use veriroot_test_support::sign;

use crate::{Target, Verdict};

/// JSON and padding.
pub(super) const SIGNATURE_JSON: Target = Target {
    name: "signature_json",
    invariant: "an accepted partition is one JSON object and NUL bytes; each of our keys stands in \
                it once, and a lenient parser decodes the same root hash and the same signature",
    check,
    seeds: || {
        let hash = [0x5A; 32];
        let text = sign::json(&hash, &"ab".repeat(32), &[0x30, 3, 2, 1, 1]);
        let more = text.replace("\"signature\"", "\"x\":[1,{\"y\":null}], \"signature\" ");
        let twice = text.replace("}", ",\"rootHash\":\"00\"}");
        let long = sign::json(&[7; 64], &"AB".repeat(32), &[0x30; 300]);
        [text.clone(), more, twice, long, format!("{text} \n"), format!("{text}\0x")]
            .iter()
            .map(|it| [it.as_bytes(), &[0; 64]].concat())
            .collect()
    },
    words: &[
        "\"rootHash\":",
        "\"signature\":",
        "\"certificateFingerprint\":",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "null",
        "\\u0000",
        "\\u0072ootHash",
        "\u{FEFF}",
        "=",
        "==",
        "-_",
        "\0",
        "1e999",
        "\n",
    ],
    smoke: 6000,
};

fn check(input: &[u8]) -> Verdict {
    let parsed = VeritySignature::parse(input);
    if let Ok(found) = &parsed {
        let end = input.iter().position(|it| *it == 0).unwrap_or(input.len());
        assert!(input[end..].iter().all(|it| *it == 0));
        let value: Value = serde_json::from_slice(&input[..end]).unwrap();
        let object = value.as_object().unwrap();
        let hash = object["rootHash"].as_str().unwrap().as_bytes();
        let hash = HEXLOWER_PERMISSIVE.decode(hash).unwrap();
        assert_eq!(found.root_hash().as_bytes(), hash);
        assert!([32, 64].contains(&hash.len()));
        let signature = object["signature"].as_str().unwrap();
        assert_eq!(found.signature(), BASE64.decode(signature.as_bytes()).unwrap());
        let spelt = |key: &str| String::from_utf8_lossy(&input[..end]).matches(key).count();
        for key in ["\"rootHash\"", "\"signature\"", "\"certificateFingerprint\""] {
            // Escapes spell a key in other letters; inside a string its quotes would be escaped.
            let escaped = input[..end].contains(&b'\\');
            assert!(spelt(key) <= 1 || escaped || nested(&value), "{key} twice");
        }
    }
    (&parsed).into()
}

/// Whether an object inside has keys of its own.
fn nested(value: &Value) -> bool {
    value.as_object().is_some_and(|it| it.values().any(|it| it.is_object() || it.is_array()))
        || value.as_object().is_some_and(|it| {
            it.values()
                .any(|it| it == "rootHash" || it == "signature" || it == "certificateFingerprint")
        })
}
