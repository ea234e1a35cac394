// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Files and certificates that may be trust anchors, and those that may not.
//!
//! **In:** files made to be wrong in one way. **Out:** an anchor, or the exact fault. **Refuses:**
//! nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509Builder, X509Extension};
use tempfile::TempDir;

use super::*;
use crate::authenticate::testing::{Key, RSA, STRANGER, certify};

fn dir(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn load(sources: &[&Path]) -> Result<TrustAnchors, AnchorError> {
    TrustAnchors::load(&sources.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
}

fn names(anchors: &TrustAnchors) -> Vec<&str> {
    anchors.iter().map(|it| it.path().file_name().unwrap().to_str().unwrap()).collect()
}

/// What a file of that content is refused for, alone and in a directory.
#[track_caller]
fn fault(content: &[u8]) -> Option<AnchorFault> {
    let dir = dir(&[("one.crt", content)]);
    let file = dir.path().join("one.crt");
    let faults = [dir.path(), &file].map(|source| match load(&[source]) {
        Ok(_) => None,
        Err(AnchorError::Unusable { path, fault }) => {
            assert_eq!(path, file);
            Some(fault)
        }
        Err(error) => panic!("{error}"),
    });
    let [first, second] = faults;
    assert_eq!(first, second);
    first
}

fn certified(change: impl FnOnce(&mut X509Builder)) -> Option<AnchorFault> {
    fault(&RSA.certified(change).pem())
}

fn critical(oid: &str, content: &[u8]) -> X509Extension {
    let oid = Asn1Object::from_str(oid).unwrap();
    let content = Asn1OctetString::new_from_bytes(content).unwrap();
    X509Extension::new_from_der(&oid, true, &content).unwrap()
}

#[test]
fn reads_what_a_certificate_says() {
    let dir = dir(&[("a.crt", &RSA.pem())]);
    let anchors = load(&[dir.path()]).unwrap();
    let anchor = anchors.iter().next().unwrap();
    let certificate = &RSA.certificate;
    let sha256 = |der: Vec<u8>| openssl::sha::sha256(&der);
    assert_eq!(*anchor.fingerprint(), sha256(certificate.to_der().unwrap()));
    let spki = certificate.public_key().unwrap().public_key_to_der().unwrap();
    assert_eq!(*anchor.spki_fingerprint(), sha256(spki));
    assert_eq!(anchor.key_identifier(), certificate.subject_key_id().map(|it| it.as_slice()));
    assert_eq!(anchor.key_kind(), "RSA-2048");
    assert_eq!(anchor.subject(), anchor.issuer());
    assert!(anchor.subject().starts_with("CN=signer "));
    let serial = certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap();
    assert_eq!(anchor.serial().trim_start_matches("00"), serial.to_lowercase());
    assert_eq!(anchor.not_after() - anchor.not_before(), 30 * 24 * 3600);
}

#[test]
fn directories_give_every_crt_and_mask_by_name() {
    let [one, two, three] = [Key::ed25519(), Key::ed25519(), Key::ed25519()].map(|it| it.pem());
    let first = dir(&[("a.crt", &one), ("m.crt", b""), ("a.crt.bak", b"?"), ("a.pem", b"?")]);
    fs::write(first.path().join(".hidden.crt"), "?").unwrap();
    symlink("/dev/null", first.path().join("n.crt")).unwrap();
    let second = dir(&[("a.crt", &two), ("b.crt", &two), ("m.crt", &three), ("n.crt", b"?")]);
    let (first, second) = (first.path(), second.path());
    assert_eq!(names(&load(&[first]).unwrap()), ["a.crt"]);
    let both = load(&[first, second]).unwrap();
    assert_eq!(names(&both), ["a.crt", "b.crt"]);
    assert!(both.iter().next().unwrap().path().starts_with(first));
    // In the other order the broken n.crt is no longer masked.
    let error = load(&[second, first]).unwrap_err();
    assert!(matches!(error, AnchorError::Unusable { fault: AnchorFault::NotPem, .. }), "{error}");
    // A file named itself is neither masked nor masks.
    let files = [second.join("m.crt"), second.join("a.crt"), first.join("a.crt")];
    let [m, a, other] = files.each_ref().map(PathBuf::as_path);
    assert_eq!(names(&load(&[first, m, a, other]).unwrap()), ["a.crt", "m.crt", "a.crt"]);
}

#[test]
fn one_certificate_under_two_names_is_one_anchor() {
    let dir = dir(&[("b.crt", &RSA.pem()), ("a.crt", &RSA.pem()), ("c.crt", &STRANGER.pem())]);
    assert_eq!(names(&load(&[dir.path()]).unwrap()), ["a.crt", "c.crt"]);
    // The same key under another certificate is another anchor.
    fs::write(dir.path().join("d.crt"), RSA.certified(|_| {}).pem()).unwrap();
    assert_eq!(names(&load(&[dir.path()]).unwrap()), ["a.crt", "c.crt", "d.crt"]);
}

#[test]
fn nothing_is_never_everything() {
    let empty = dir(&[("m.crt", b""), ("README", b"?")]);
    let missing = empty.path().join("missing");
    for sources in [&[][..], &[empty.path().to_owned()]] {
        let error = TrustAnchors::load(sources).unwrap_err();
        assert!(matches!(error, AnchorError::NoAnchors { .. }), "{error}");
    }
    let gone = TrustAnchors::load(std::slice::from_ref(&missing)).unwrap_err();
    assert!(matches!(&gone, AnchorError::Source { path, .. } if *path == missing), "{gone}");
    let search = [missing.clone(), empty.path().to_owned()];
    let error = TrustAnchors::load_search_path(&search).unwrap_err();
    assert!(matches!(error, AnchorError::NoAnchors { .. }), "{error}");
    fs::write(empty.path().join("a.crt"), RSA.pem()).unwrap();
    assert_eq!(names(&TrustAnchors::load_search_path(&search).unwrap()), ["a.crt"]);
    let error = TrustAnchors::load(&search).unwrap_err();
    assert!(matches!(error, AnchorError::Source { .. }), "{error}");
}

#[test]
fn unreadable_entries_are_errors() {
    type Make = fn(&Path);
    let not_a_file: [Make; 4] = [
        |path| fs::create_dir(path).unwrap(),
        |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| {
            std::os::unix::net::UnixListener::bind(path).unwrap();
        },
    ];
    let system: [Make; 2] =
        [|path| symlink(path, path).unwrap(), |path| symlink("missing", path).unwrap()];
    for make in not_a_file.into_iter().chain(system) {
        let dir = dir(&[("a.crt", &RSA.pem())]);
        make(&dir.path().join("z.crt"));
        match load(&[dir.path()]) {
            Err(AnchorError::Unusable { path, fault: AnchorFault::NotAFile })
            | Err(AnchorError::Source { path, .. }) => assert!(path.ends_with("z.crt")),
            other => panic!("{other:?}"),
        }
    }
    let dir = dir(&[("a.crt", &RSA.pem())]);
    let file = dir.path().join("a.crt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same.
    let readable = fs::File::open(&file).is_ok();
    assert_eq!(load(&[dir.path()]).is_ok(), readable);
}

#[test]
fn counts_and_sizes_are_bounded() {
    let dir = dir(&[]);
    for number in 0..limits::CERTIFICATES {
        fs::write(dir.path().join(format!("{number}.crt")), RSA.pem()).unwrap();
    }
    assert_eq!(load(&[dir.path()]).unwrap().iter().count(), 1);
    fs::write(dir.path().join("more.crt"), RSA.pem()).unwrap();
    let error = load(&[dir.path()]).unwrap_err();
    assert!(matches!(error, AnchorError::TooMany { .. }), "{error}");
    let mut pem = RSA.pem();
    pem.resize(limits::CERTIFICATE_FILE, b'\n');
    assert_eq!(fault(&pem), None);
    pem.push(b'\n');
    assert_eq!(fault(&pem), Some(AnchorFault::TooLarge));
    let sparse = dir.path().join("sparse");
    fs::File::create(&sparse).unwrap().set_len(1 << 30).unwrap();
    let error = load(&[&sparse]).unwrap_err();
    assert!(matches!(error, AnchorError::Unusable { fault: AnchorFault::TooLarge, .. }), "{error}");
}

#[test]
fn names_that_are_not_text_are_read_and_shown_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"\xff\x1b[2J.crt");
    fs::write(dir.path().join(name), "?").unwrap();
    let shown = load(&[dir.path()]).unwrap_err().to_string();
    assert!(shown.contains("\\u{fffd}\\u{1b}[2J.crt: holds no PEM"), "{shown}");
    fs::write(dir.path().join(name), RSA.pem()).unwrap();
    assert!(load(&[dir.path()]).is_ok());
}

#[test]
fn a_file_holds_exactly_one_pem_certificate() {
    let pem = RSA.pem();
    let text = String::from_utf8(pem.clone()).unwrap();
    let private = RSA.private.private_key_to_pem_pkcs8().unwrap();
    let der = RSA.certificate.to_der().unwrap();
    let block = |label: &str, der: &[u8]| {
        let base64 = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n").into_bytes()
    };
    assert_eq!(fault(&pem), None);
    assert_eq!(fault(&block("CERTIFICATE", &der)), None);
    assert_eq!(fault(&[b"Certificate:\n    Data: x\n", &pem[..], b"bye\n"].concat()), None);
    let trailing = [&der[..], &[0]].concat();
    let label = |found: &str| AnchorFault::Label { found: found.into() };
    let rows = [
        (der, AnchorFault::Der),
        (b"hello".to_vec(), AnchorFault::NotPem),
        (b"\n".to_vec(), AnchorFault::NotPem),
        ([&pem[..], &pem].concat(), AnchorFault::SeveralBlocks { found: 2 }),
        ([&pem[..], &STRANGER.pem()].concat(), AnchorFault::SeveralBlocks { found: 2 }),
        ([&pem[..], &block("X509 CRL", &[1])].concat(), AnchorFault::SeveralBlocks { found: 2 }),
        ([&pem[..], &private].concat(), AnchorFault::PrivateKey),
        (private, AnchorFault::PrivateKey),
        (RSA.private.rsa().unwrap().private_key_to_pem().unwrap(), AnchorFault::PrivateKey),
        (block("TRUSTED CERTIFICATE", &[1]), label("TRUSTED CERTIFICATE")),
        (RSA.certificate.public_key().unwrap().public_key_to_pem().unwrap(), label("PUBLIC KEY")),
        (block("CERTIFICATE", &trailing), AnchorFault::Trailing),
    ];
    for (content, expected) in rows {
        assert_eq!(fault(&content), Some(expected));
    }
    let half = text.split_at(400).0.to_owned();
    for content in [half, text.replace("MII", "M!I"), text.replace("MII", "MIJ")] {
        let found = fault(content.as_bytes());
        assert!(matches!(found, Some(AnchorFault::Malformed { .. })), "{found:?}");
    }
    let dir = dir(&[("empty", b"")]);
    let error = load(&[&dir.path().join("empty")]).unwrap_err();
    assert!(matches!(error, AnchorError::Unusable { fault: AnchorFault::Empty, .. }), "{error}");
}

#[test]
fn dates_and_being_a_ca_change_nothing() {
    let days = |from: i64, to: i64| {
        certified(|it| {
            let now = 1_700_000_000;
            let at = |days| Asn1Time::from_unix(now + days * 86400).unwrap();
            it.set_not_before(&at(from)).unwrap();
            it.set_not_after(&at(to)).unwrap();
        })
    };
    assert_eq!(days(-9000, -8000), None);
    assert_eq!(days(8000, 9000), None);
    assert_eq!(days(1, -1), None);
    let constraints = BasicConstraints::new().critical().ca().build().unwrap();
    assert_eq!(certified(|it| it.append_extension(constraints).unwrap()), None);
    let mut first_version = X509Builder::new().unwrap();
    first_version.set_pubkey(&RSA.private).unwrap();
    first_version.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    first_version.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    first_version.sign(&RSA.private, openssl::hash::MessageDigest::sha256()).unwrap();
    assert_eq!(fault(&first_version.build().to_pem().unwrap()), None);
}

#[test]
fn usage_must_allow_signatures() {
    let usage = |make: &dyn Fn(&mut KeyUsage) -> &mut KeyUsage| {
        let usage = make(&mut KeyUsage::new()).build().unwrap();
        certified(|it| it.append_extension(usage).unwrap())
    };
    assert_eq!(usage(&|it| it.critical().digital_signature()), None);
    assert_eq!(usage(&|it| it.digital_signature().key_cert_sign()), None);
    assert_eq!(usage(&|it| it.critical().key_cert_sign().crl_sign()), Some(AnchorFault::KeyUsage));
    assert_eq!(usage(&|it| it.key_encipherment()), Some(AnchorFault::KeyUsage));
    let extended = |make: &dyn Fn(&mut ExtendedKeyUsage) -> &mut ExtendedKeyUsage| {
        let usage = make(&mut ExtendedKeyUsage::new()).build().unwrap();
        certified(|it| it.append_extension(usage).unwrap())
    };
    assert_eq!(extended(&|it| it.code_signing()), None);
    assert_eq!(extended(&|it| it.email_protection().server_auth()), None);
    assert_eq!(extended(&|it| it.other("2.5.29.37.0")), None);
    assert_eq!(extended(&|it| it.server_auth()), Some(AnchorFault::ExtendedKeyUsage));
    assert_eq!(extended(&|it| it.other("1.2.3.4")), Some(AnchorFault::ExtendedKeyUsage));
}

#[test]
fn extensions_are_known_single_and_well_formed() {
    let with = |extensions: Vec<X509Extension>| {
        certified(|it| extensions.into_iter().for_each(|new| it.append_extension(new).unwrap()))
    };
    let unknown = "1.2.3.4";
    let oid = Asn1Object::from_str(unknown).unwrap();
    let content = Asn1OctetString::new_from_bytes(&[5, 0]).unwrap();
    let ignored = X509Extension::new_from_der(&oid, false, &content).unwrap();
    assert_eq!(with(vec![ignored]), None);
    let refused = AnchorFault::CriticalExtension { oid: unknown.into() };
    assert_eq!(with(vec![critical(unknown, &[5, 0])]), Some(refused));
    let constraints = AnchorFault::CriticalExtension { oid: "2.5.29.30".into() };
    assert_eq!(with(vec![critical("2.5.29.30", &[0x30, 0])]), Some(constraints));
    let malformed = |reason: &str| Some(AnchorFault::Malformed { reason: reason.into() });
    // Each of these would otherwise count as absent.
    for oid in ["2.5.29.15", "2.5.29.37", "2.5.29.19"] {
        let found = with(vec![critical(oid, &[0x0c, 1, b'x'])]);
        assert_eq!(found, malformed(&format!("extension {oid}")), "{oid}");
    }
    let usage = || critical("2.5.29.15", &[3, 2, 7, 0x80]);
    assert_eq!(with(vec![usage()]), None);
    let twice = with(vec![usage(), usage()]);
    assert!(matches!(twice, Some(AnchorFault::Malformed { .. })), "{twice:?}");
}

#[test]
fn keys_are_strong_and_of_an_allowed_kind() {
    for (key, kind) in [
        (Key::rsa(2048, 65537), "RSA-2048"),
        (Key::ec(Nid::X9_62_PRIME256V1), "P-256"),
        (Key::ec(Nid::SECP384R1), "P-384"),
        (Key::ec(Nid::SECP521R1), "P-521"),
        (Key::ed25519(), "Ed25519"),
    ] {
        let dir = dir(&[("a.crt", &key.pem())]);
        assert_eq!(load(&[dir.path()]).unwrap().iter().next().unwrap().key_kind(), kind);
    }
    let weak = |bits, e: &str| Some(AnchorFault::WeakRsa { bits, exponent: e.into() });
    assert_eq!(fault(&Key::rsa(1024, 65537).pem()), weak(1024, "65537"));
    assert_eq!(fault(&Key::rsa(2047, 65537).pem()), weak(2047, "65537"));
    assert_eq!(fault(&Key::rsa(2048, 3).pem()), weak(2048, "3"));
    let modulus = RSA.private.rsa().unwrap().n().to_owned().unwrap();
    let even = Rsa::from_public_components(modulus, BigNum::from_u32(65538).unwrap()).unwrap();
    let even = certify(&PKey::from_rsa(even).unwrap(), &RSA.private, |_| {});
    assert_eq!(fault(&even.to_pem().unwrap()), weak(2048, "65538"));
    let curve = |found: &str| Some(AnchorFault::Curve { found: found.into() });
    assert_eq!(fault(&Key::ec(Nid::X9_62_PRIME192V1).pem()), curve("1.2.840.10045.3.1.1"));
    assert_eq!(fault(&Key::ec(Nid::SECP256K1).pem()), curve("1.3.132.0.10"));
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    group.set_asn1_flag(Asn1Flag::EXPLICIT_CURVE);
    let explicit = Key::new(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap());
    assert_eq!(fault(&explicit.pem()), curve("parameters"));
    let ed448 = Key::new(PKey::generate_ed448().unwrap());
    assert_eq!(
        fault(&ed448.pem()),
        Some(AnchorFault::KeyAlgorithm { found: "1.3.101.113".into() })
    );
}
