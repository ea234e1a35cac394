// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Who signed the root hash, whether that is what was signed, and the JSON that says so.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::keys::{self, Algorithm, Signer, Spec};
use veriroot_test_support::sign::{self, Attributes, Cms, Digest, SignerInfo};

use super::{Attack, Make, builder};
use crate::{Case, Demand, anchors};

pub(super) const ALL: &[Make] = &[
    impostors,
    counts,
    embedded,
    attributes,
    contents,
    strictness,
    weak,
    algorithms,
    json_cuts,
    json_padding,
    json_twice,
    json_types,
    json_hashes,
    json_bombs,
    json_hints,
];

fn cms(make: impl Fn(&[u8]) -> Cms + Send + Sync + 'static) -> Image {
    builder().change("root", |it| it.cms(make)).build()
}

fn cms_with(change: impl Fn(Cms) -> Cms + Send + Sync + 'static) -> Image {
    cms(move |hash| change(Cms::of_root_hash(&keys::trusted(), hash)))
}

fn impostors() -> Vec<Case> {
    let by = |signer: fn() -> Arc<Signer>, carried: Vec<Arc<Signer>>| {
        cms(move |hash| {
            Cms::of_root_hash(&signer(), hash).with(|it| it.certificates = carried.clone())
        })
    };
    let attack =
        Attack::new("CMS-01", "OpenSSL PKCS7_verify with NOINTERN; certificates in the CMS");
    attack
        .push("signed by a stranger", Demand::Refuse, &by(keys::stranger, vec![]))
        .push(
            "stranger's certificate inside",
            Demand::Refuse,
            &by(keys::stranger, vec![keys::stranger()]),
        )
        .push(
            "both certificates inside",
            Demand::Refuse,
            &by(keys::stranger, vec![keys::stranger(), keys::trusted()]),
        )
        .push("names of the trusted signer", Demand::Refuse, &by(keys::impostor, vec![]))
        .push(
            "impostor's certificate inside",
            Demand::Refuse,
            &by(keys::impostor, vec![keys::impostor()]),
        )
        .push(
            "trusted certificate inside",
            Demand::Refuse,
            &by(keys::impostor, vec![keys::trusted()]),
        )
        .push("own certificate inside", Demand::Accept, &by(keys::trusted, vec![keys::trusted()]))
        .push(
            "another key under the trusted name",
            Demand::Refuse,
            &cms(|hash| {
                Cms::of_root_hash(&keys::trusted_ec(), hash)
                    .with_signer(|it| it.named = Some(keys::trusted()))
            }),
        )
        .done()
}

fn counts() -> Vec<Case> {
    let of = |signers: Vec<Arc<Signer>>| {
        cms_with(move |it| it.with(|it| it.signers = signers.iter().map(SignerInfo::new).collect()))
    };
    let no_digests = cms_with(|it| it.with(|it| it.no_digest_algorithms = true));
    let mut cases =
        Attack::new("CMS-02", "CVE-2026-45447: an empty digest set crashed PKCS7_verify")
            .push("no digest algorithms", Demand::Refuse, &no_digests)
            .done();
    // The fingerprint in the JSON is a signer's, so nobody's here; the CMS is what counts.
    cases.push(Case::of(
        "CMS-02",
        "no signer",
        "CVE-2026-45447",
        Demand::Refuse,
        &builder()
            .change("root", |it| {
                it.signature(|hash| {
                    let der = Cms::of_root_hash(&keys::trusted(), hash)
                        .with(|it| it.signers.clear())
                        .build();
                    sign::partition(&sign::json(hash, &keys::trusted().fingerprint(), &der))
                })
            })
            .build(),
    ));
    let several = Attack::new("CMS-03", "OpenSSL wants all signers, the kernel another rule")
        .push("trusted and stranger", Demand::Refuse, &of(vec![keys::trusted(), keys::stranger()]))
        .push("trusted twice", Demand::Refuse, &of(vec![keys::trusted(); 2]))
        .push("33 signers", Demand::Refuse, &of(vec![keys::trusted(); 33]));
    cases.extend(several.done());
    cases
}

fn embedded() -> Vec<Case> {
    let with = |content: fn(&[u8]) -> Vec<u8>| {
        cms(move |hash| {
            let content = content(hash);
            Cms::of_root_hash(&keys::trusted(), hash).with(|it| it.embedded = Some(content))
        })
    };
    Attack::new("CMS-04", "content that the signature brings along")
        .push("the same", Demand::Refuse, &with(|hash| HEXLOWER.encode(hash).into_bytes()))
        .push("other", Demand::Refuse, &with(|_| b"other".to_vec()))
        .push("empty", Demand::Refuse, &with(|_| Vec::new()))
        .done()
}

fn attributes() -> Vec<Case> {
    let with = |attributes: Attributes| {
        cms_with(move |it| it.with_signer(|it| it.attributes = attributes.clone()))
    };
    let stripped = cms(|hash| {
        // Signed with attributes, which are then dropped: the value covers another text.
        let text = HEXLOWER.encode(hash);
        let good = Cms::detached(&keys::trusted(), text.as_bytes())
            .with_signer(|it| it.attributes = Attributes::Usual)
            .build();
        let value = good[good.len() - 256..].to_vec();
        Cms::of_root_hash(&keys::trusted(), hash).with_signer(|it| it.value = Some(value))
    });
    let mut cases = Attack::new("CMS-05", "CrabEFI PR 145, CVE-2026-22796, CVE-2009-0591")
        .push("usual", Demand::Accept, &with(Attributes::Usual))
        .push("with capabilities", Demand::Accept, &with(Attributes::WithCapabilities))
        .push("digest of other content", Demand::Refuse, &with(Attributes::OtherDigest))
        .push("no message digest", Demand::Refuse, &with(Attributes::NoMessageDigest))
        .push("no content type", Demand::Refuse, &with(Attributes::NoContentType))
        .push("two digests", Demand::Refuse, &with(Attributes::TwoDigests))
        .push("empty set", Demand::Refuse, &with(Attributes::Empty))
        .done();
    let stripped = Attack::new("CMS-06", "ForgedAttributes, eprint 2023/1801").push(
        "attributes stripped",
        Demand::Refuse,
        &stripped,
    );
    cases.extend(stripped.done());
    cases
}

fn contents() -> Vec<Case> {
    type Content = fn(&[u8]) -> Vec<u8>;
    let contents: [(&str, Content); 8] = [
        ("upper-case hex", |hash| HEXUPPER.encode(hash).into_bytes()),
        ("hex and newline", |hash| format!("{}\n", HEXLOWER.encode(hash)).into_bytes()),
        ("hex and NUL", |hash| format!("{}\0", HEXLOWER.encode(hash)).into_bytes()),
        ("raw bytes", <[u8]>::to_vec),
        ("JSON", |hash| format!(r#"{{"rootHash":"{}"}}"#, HEXLOWER.encode(hash)).into_bytes()),
        ("hex of another digest", |hash| HEXLOWER.encode(&openssl::sha::sha512(hash)).into_bytes()),
        ("another root hash", |_| HEXLOWER.encode(&[7; 32]).into_bytes()),
        ("nothing", |_| Vec::new()),
    ];
    let attack = Attack::new("CMS-07", "what exactly is signed");
    contents
        .into_iter()
        .fold(attack, |it, (name, content)| {
            let image = cms(move |hash| Cms::detached(&keys::trusted(), &content(hash)));
            it.push(name, Demand::Refuse, &image)
        })
        .done()
}

/// B0 whose CMS is changed byte by byte.
fn raw(change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Image {
    let volume = move |hash: &[u8]| {
        let der = change(Cms::of_root_hash(&keys::trusted(), hash).build());
        sign::partition(&sign::json(hash, &keys::trusted().fingerprint(), &der))
    };
    builder().change("root", |it| it.signature(volume)).build()
}

fn strictness() -> Vec<Case> {
    let nested = || {
        (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| {
            let mut outer = vec![0x30, 0x80];
            outer.extend(inner.iter().take(4));
            outer
        })
    };
    Attack::new("CMS-08", "OpenSSL accepts trailing bytes and BER")
        .push("trailing byte", Demand::Refuse, &raw(|der| [der, vec![0]].concat()))
        .push("trailing copy", Demand::Refuse, &raw(|der| [der.clone(), der].concat()))
        .push(
            "indefinite length",
            Demand::Refuse,
            &raw(|mut der| {
                // 30 82 hh ll ... becomes 30 80 ... 00 00.
                der.splice(1..4, [0x80]);
                der.extend([0, 0]);
                der
            }),
        )
        .push(
            "long length that could be short",
            Demand::Refuse,
            &raw(|mut der| {
                der.splice(1..2, [0x83, 0]);
                der
            }),
        )
        .push("cut in the middle", Demand::Refuse, &raw(|der| der[..der.len() / 2].to_vec()))
        .push("empty", Demand::Refuse, &raw(|_| Vec::new()))
        .push("nested", Demand::Refuse, &raw(move |_| nested()))
        .push("too long", Demand::Refuse, &raw(|der| [der, vec![0; 70_000]].concat()))
        .done()
}

fn weak() -> Vec<Case> {
    let with = |digest| cms_with(move |it| it.with_signer(|it| it.digest = digest));
    let mut cases = Attack::new("CMS-09", "OpenSSL accepts MD5, SHA-1 and RSA-1024")
        .push("SHA-512", Demand::Accept, &with(Digest::Sha512))
        .push("MD5", Demand::Refuse, &with(Digest::Md5))
        .push("SHA-1", Demand::Refuse, &with(Digest::Sha1))
        .done();
    for (name, algorithm) in
        [("RSA-1024", Algorithm::Rsa(1024)), ("exponent 3", Algorithm::RsaExponent3)]
    {
        let signer = Spec::new("weak signer", algorithm).signer();
        let image = builder().change("root", |it| it.signed_by(&signer)).build();
        let mut case = Case::of(
            "CMS-09",
            name,
            "OpenSSL accepts MD5, SHA-1 and RSA-1024",
            Demand::Refuse,
            &image,
        );
        case.anchors = anchors(&[&signer]);
        cases.push(case);
    }
    cases
}

fn algorithms() -> Vec<Case> {
    let kinds = [
        ("RSA-3072", Algorithm::Rsa(3072)),
        ("P-256", Algorithm::P256),
        ("P-384", Algorithm::P384),
        ("P-521", Algorithm::P521),
        ("Ed25519", Algorithm::Ed25519),
    ];
    let mut cases = Vec::new();
    for (name, algorithm) in kinds {
        let signer = Spec::new("signer", algorithm).signer();
        let image = builder().change("root", |it| it.signed_by(&signer)).build();
        let mut good =
            Case::of("CMS-10", name, "every algorithm of the list", Demand::Accept, &image);
        good.anchors = anchors(&[&signer]);
        let trusting_another = format!("{name} of nobody");
        cases.push(Case::of("CMS-10", &trusting_another, good.origin, Demand::Refuse, &image));
        cases.push(good);
    }
    cases
}

fn text(image: &Image) -> String {
    let content = image.content("root-verity-sig");
    let len = content.iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(content[..len].to_vec()).unwrap()
}

fn with_text(image: Image, text: &str) -> Image {
    image.replace_content("root-verity-sig", &sign::partition(text))
}

fn json_cuts() -> Vec<Case> {
    let attack = Attack::new("SJ-01", "every truncation of the JSON");
    let text = text(&attack.twin);
    let len = text.len();
    attack
        .refuse_each("cut at", [0, 1, 12, 78, len / 2, len - 2, len - 1], |it, at: usize| {
            with_text(it, &text[..at])
        })
        .done()
}

fn json_padding() -> Vec<Case> {
    let attack = Attack::new("SJ-02", "systemd acquire_sig_for_roothash");
    let text = text(&attack.twin);
    attack
        .refuse("byte behind the padding", |it| with_text(it, &format!("{text}\0x")))
        .refuse("two documents", |it| with_text(it, &format!("{text}{text}")))
        .refuse("junk behind", |it| with_text(it, &format!("{text}x")))
        .refuse("byte-order mark", |it| with_text(it, &format!("\u{feff}{text}")))
        .refuse("array around", |it| with_text(it, &format!("[{text}]")))
        .accept("white space", |it| with_text(it, &format!("\n {text} \n")))
        .done()
}

fn json_twice() -> Vec<Case> {
    let attack = Attack::new("SJ-03", "parsers take the first or the last of two");
    let (text, hex) = (text(&attack.twin), attack.twin.root_hash_hex("root"));
    let values = [("rootHash", hex.as_str()), ("rootHash", "00"), ("signature", "MAA=")];
    values
        .into_iter()
        .fold(attack, |it, (key, value)| {
            let first = text.replacen('{', &format!(r#"{{"{key}":"{value}","#), 1);
            let last = text.replacen('}', &format!(r#","{key}":"{value}"}}"#), 1);
            it.refuse(format!("{key} {value:.4} first"), |it| with_text(it, &first))
                .refuse(format!("{key} {value:.4} last"), |it| with_text(it, &last))
        })
        .done()
}

fn json_types() -> Vec<Case> {
    let attack = Attack::new("SJ-04", "systemd un-hexes leniently and re-encodes");
    let (text, hex) = (text(&attack.twin), attack.twin.root_hash_hex("root"));
    let der = Cms::of_root_hash(&keys::trusted(), attack.twin.root_hash("root")).build();
    let base64 = BASE64.encode(&der);
    let bad_base64 = [
        String::new(),
        base64[1..].to_owned(),
        format!("{base64}="),
        format!(" {base64}"),
        format!("\\n{base64}"),
        base64.replacen('M', "-", 1),
    ];
    let attack = attack
        .refuse_each("root hash is", ["7", "null", "[]", "{}", "true"], |it, bad| {
            with_text(it, &text.replace(&format!("\"{hex}\""), bad))
        })
        .accept("upper-case hex", |it| with_text(it, &text.replace(&hex, &hex.to_uppercase())));
    (0..)
        .zip(bad_base64)
        .fold(attack, |it, (number, bad): (u32, _)| {
            it.refuse(format!("base64 {number}"), |it| with_text(it, &text.replace(&base64, &bad)))
        })
        .done()
}

fn json_hashes() -> Vec<Case> {
    let attack = Attack::new("SJ-05", "systemd's minimum is 16 bytes");
    let (text, hex) = (text(&attack.twin), attack.twin.root_hash_hex("root"));
    let bad = [
        String::new(),
        hex[..32].to_owned(),
        hex[..63].to_owned(),
        format!("{hex}00"),
        format!("0x{hex}"),
        format!("{} ", &hex[..63]),
    ];
    let short = |bytes: usize| {
        let make = move |hash: &[u8]| {
            let hash = &hash[..bytes];
            let der = Cms::of_root_hash(&keys::trusted(), hash).build();
            sign::partition(&sign::json(hash, &keys::trusted().fingerprint(), &der))
        };
        builder().change("root", |it| it.signature(make)).build()
    };
    let attack = bad.iter().fold(attack, |it, bad| {
        it.refuse(format!("hex of {} digits", bad.len()), |it| {
            with_text(it, &text.replace(&hex, bad))
        })
    });
    [15, 16, 20, 31]
        .into_iter()
        .fold(attack, |it, bytes| {
            it.push(&format!("{bytes} bytes, signed"), Demand::Refuse, &short(bytes))
        })
        .done()
}

fn json_bombs() -> Vec<Case> {
    let attack = Attack::new("SJ-06", "stack and memory by depth and size");
    let text = text(&attack.twin);
    let with = |value: &str| text.replacen('{', &format!(r#"{{"x":{value},"#), 1);
    let (deep, long) = ("[".repeat(100_000), "9".repeat(1_000_000));
    let keys: String = (0..60_000).map(|it| format!("\"k{it}\":0,")).collect();
    attack
        .refuse("100000 arrays", |it| with_text(it, &with(&deep)))
        .refuse("number of a million digits", |it| with_text(it, &with(&long)))
        .refuse("60000 keys", |it| with_text(it, &text.replacen('{', &format!("{{{keys}"), 1)))
        .accept("keys of later revisions", |it| with_text(it, &with(r#"{"y":[1,null]}"#)))
        .done()
}

fn json_hints() -> Vec<Case> {
    let json_by = |signer: fn() -> Arc<Signer>, fingerprint: String| {
        let make = move |hash: &[u8]| {
            let der = Cms::of_root_hash(&signer(), hash).build();
            sign::partition(&sign::json(hash, &fingerprint, &der))
        };
        builder().change("root", |it| it.signature(make)).build()
    };
    let trusted = keys::trusted().fingerprint();
    Attack::new("SJ-07", "a fingerprint is a hint")
        .push(
            "trusted fingerprint, stranger's signature",
            Demand::Refuse,
            &json_by(keys::stranger, trusted.clone()),
        )
        .push(
            "stranger's fingerprint, trusted signature",
            Demand::Accept,
            &json_by(keys::trusted, keys::stranger().fingerprint()),
        )
        .push("short", Demand::Refuse, &json_by(keys::trusted, trusted[..62].to_owned()))
        .push("no hex", Demand::Refuse, &json_by(keys::trusted, "zz".repeat(32)))
        .done()
}
