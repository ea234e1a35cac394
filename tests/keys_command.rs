// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot keys`: every fault of a trust anchor as people see it, masking, scopes, revocation.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Builder};
use serde_json::{Value, json};
use tempfile::TempDir;
use veriroot_test_support::keys::{self, Algorithm, Signer, Spec, Usage, Validity};

/// An unpacked initrd.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        self
    }

    fn link(self, path: &str, to: impl AsRef<Path>) -> Self {
        symlink(to, self.path(path)).unwrap();
        self
    }

    fn anchor(self, path: &str, signer: &Signer) -> Self {
        self.file(path, signer.certificate_pem())
    }

    /// `keys list` and `keys check` with that tree, as JSON, and their exit codes.
    #[track_caller]
    fn seen(&self) -> (i32, Value) {
        let root = format!("--root={}", self.0.path().display());
        let (code, list) = parsed(&["list", &root]);
        let (checked, check) = parsed(&["check", &root]);
        assert_eq!((code, &list), (checked, &check));
        assert_eq!(code, if list["accepted"] == json!(true) { 0 } else { 2 });
        (code, list)
    }

    #[track_caller]
    fn accepted(&self) -> Value {
        let (code, seen) = self.seen();
        assert_eq!((code, &seen["faults"]), (0, &json!([])));
        seen
    }

    /// The faults.
    #[track_caller]
    fn refused(&self) -> Vec<String> {
        let (code, seen) = self.seen();
        assert_eq!(code, 2);
        let faults = seen["faults"].as_array().unwrap();
        assert!(faults.iter().all(|it| !it["advice"].as_str().unwrap().is_empty()));
        faults.iter().map(|it| it["found"].as_str().unwrap().to_owned()).collect()
    }
}

/// Exit code, stdout, stderr.
fn keys(arguments: &[&str]) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_veriroot");
    let output = Command::new(program).arg("keys").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn parsed(arguments: &[&str]) -> (i32, Value) {
    let (code, stdout, stderr) = keys(&[arguments, &["--json=short"]].concat());
    assert_eq!(stderr, "");
    assert_eq!(stdout.lines().count(), 1);
    (code, serde_json::from_str(&stdout).unwrap())
}

fn files(anchor: &Value) -> Vec<&str> {
    let files = anchor["files"].as_array().unwrap().iter();
    files.map(|it| it.as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

#[test]
fn list_says_everything_about_an_anchor() {
    let signer = Spec::new("old \u{1b}[2J", Algorithm::P384).validity(Validity::Expired).signer();
    let tree =
        Tree::new().anchor("etc/verity.d/b.crt", &signer).anchor("usr/lib/verity.d/a.crt", &signer);
    let seen = tree.accepted();
    assert_eq!(seen["version"], json!(1));
    let [anchor] = seen["anchors"].as_array().unwrap().as_slice() else { panic!("{seen}") };
    assert_eq!(files(anchor), ["b.crt", "a.crt"]);
    assert_eq!(anchor["subject"], json!("CN=old \\u{1b}[2J"));
    assert_eq!(anchor["key"], json!("P-384"));
    assert_eq!(anchor["certificate-sha256"], json!(signer.fingerprint()));
    assert_eq!(anchor["spki-sha256"], json!(signer.spki_fingerprint()));
    assert_eq!(anchor["not-before"], json!("2000-01-01T00:00:00Z"));
    assert_eq!(anchor["not-after"], json!("2001-01-01T00:00:00Z"));
    assert_eq!(anchor["dates-enforced"], json!(false));
    assert_eq!(anchor["may-sign"], json!(["root", "usr"]));
    assert_eq!(anchor["revoked"], json!(null));

    let root = format!("--root={}", tree.0.path().display());
    let (code, stdout, stderr) = keys(&["list", &root]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(!stdout.contains('\u{1b}'));
    assert!(stdout.lines().skip(2).all(|it| it.len() <= 80), "{stdout}");
    for line in [
        "  key          P-384",
        "  valid        2000-01-01 to 2001-01-01 (not enforced)",
        "  may sign     root, usr",
        "  revoked      no",
        &format!("  spki         {}", signer.spki_fingerprint()),
    ] {
        assert!(stdout.lines().any(|it| it == line), "{line}: {stdout}");
    }
    let (code, stdout, stderr) = keys(&["check", &root]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "accepted: 1 trust anchor\n", ""));
}

#[test]
fn earlier_directories_mask_and_other_places_are_not_looked_at() {
    let [one, two] = [keys::trusted(), keys::trusted_ec()];
    let tree = Tree::new()
        .anchor("etc/verity.d/a.crt", &one)
        .file("etc/verity.d/m.crt", "")
        .link("etc/verity.d/n.crt", "/dev/null")
        .anchor("usr/lib/verity.d/a.crt", &keys::stranger())
        .anchor("usr/lib/verity.d/b.crt", &two)
        .file("usr/lib/verity.d/m.crt", "?")
        .file("usr/lib/verity.d/n.crt", "?")
        // A boot reads neither of these, as credentials can write to /run.
        .anchor("run/verity.d/r.crt", &keys::stranger())
        .anchor("usr/local/lib/verity.d/l.crt", &keys::stranger());
    let seen = tree.accepted();
    let anchors = seen["anchors"].as_array().unwrap();
    assert_eq!(anchors.iter().flat_map(files).collect::<Vec<_>>(), ["a.crt", "b.crt"]);
    assert_eq!(anchors[0]["spki-sha256"], json!(one.spki_fingerprint()));
    let path = |path: &str| json!(tree.path(path).to_str().unwrap());
    let by = |name: &str| {
        json!({
            "file": path(&format!("usr/lib/verity.d/{name}")),
            "by": path(&format!("etc/verity.d/{name}")),
        })
    };
    let itself = |name: &str| json!({"file": path(&format!("etc/verity.d/{name}")), "by": null});
    let expected =
        [itself("m.crt"), itself("n.crt"), by("a.crt"), by("m.crt"), by("n.crt")].to_vec();
    assert_eq!(seen["masked"], json!(expected));
    // Without the mask, what it hid is a fault.
    fs::remove_file(tree.path("etc/verity.d/n.crt")).unwrap();
    let [fault] = &tree.refused()[..] else { panic!("one fault") };
    assert!(fault.ends_with("/usr/lib/verity.d/n.crt: holds no PEM certificate"), "{fault}");
}

/// A certificate of `key`, signed by another one where OpenSSL would not sign with it.
fn certified(key: &PKey<Private>, change: impl FnOnce(&mut X509Builder)) -> Vec<u8> {
    let model = keys::trusted();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(model.certificate.subject_name()).unwrap();
    builder.set_issuer_name(model.certificate.subject_name()).unwrap();
    builder.set_not_before(model.certificate.not_before()).unwrap();
    builder.set_not_after(model.certificate.not_after()).unwrap();
    builder.set_pubkey(key).unwrap();
    change(&mut builder);
    builder.sign(&model.key, openssl::hash::MessageDigest::sha256()).unwrap();
    builder.build().to_pem().unwrap()
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let base64 = data_encoding::BASE64.encode(der);
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n").into_bytes()
}

/// Every fault, with a file that has it and the start of what is said about it.
fn faults() -> Vec<(Vec<u8>, &'static str)> {
    let good = keys::trusted();
    let (text, der) = (good.certificate_pem(), good.certificate.to_der().unwrap());
    let spec = |usage, algorithm| Spec::new("odd", algorithm).usage(usage).signer();
    let odd = |usage| spec(usage, Algorithm::P256).certificate_pem();
    let weak = |algorithm| spec(Usage::Unstated, algorithm).certificate_pem();
    let curve = |nid, flag| {
        let mut group = EcGroup::from_curve_name(nid).unwrap();
        group.set_asn1_flag(flag);
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    };
    let large = [text.clone(), vec![b'\n'; 64 << 10]].concat();
    vec![
        (odd(Usage::UnknownCritical), "unknown critical extension "),
        (
            certified(&curve(Nid::SECP256K1, Asn1Flag::NAMED_CURVE), |_| {}),
            "elliptic curve 1.3.132.0.10 is not allowed",
        ),
        (
            certified(&curve(Nid::X9_62_PRIME256V1, Asn1Flag::EXPLICIT_CURVE), |_| {}),
            "elliptic curve parameters is not allowed",
        ),
        (der.clone(), "is DER, not PEM"),
        (odd(Usage::ServerAuth), "extended key usage has neither"),
        (certified(&PKey::generate_ed448().unwrap(), |_| {}), "key algorithm 1.3.101.113 is not"),
        (odd(Usage::CertSign), "key usage has no digitalSignature"),
        (pem("X509 CRL", &der), "PEM block is \"X509 CRL\", not \"CERTIFICATE\""),
        (pem("CERTIFICATE", b"0"), "malformed certificate"),
        (b"hello".to_vec(), "holds no PEM certificate"),
        (good.key.private_key_to_pem_pkcs8().unwrap(), "holds a private key"),
        ([&text[..], &text].concat(), "holds 2 PEM blocks"),
        (large, "is larger than 65536 bytes"),
        (pem("CERTIFICATE", &[&der[..], &[0]].concat()), "has bytes after the certificate"),
        (weak(Algorithm::Rsa(1024)), "RSA key of 1024 bits, exponent 65537"),
        (weak(Algorithm::RsaExponent3), "RSA key of 2048 bits, exponent 3"),
    ]
}

#[test]
fn every_fault_is_shown_and_the_list_goes_on() {
    let tree = Tree::new()
        .anchor("etc/verity.d/good.crt", &keys::trusted())
        .anchor("etc/verity.d/zulu.crt", &keys::trusted_ec());
    tree.accepted();
    for (content, said) in faults() {
        let tree = Tree::new()
            .anchor("etc/verity.d/good.crt", &keys::trusted())
            .anchor("usr/lib/verity.d/zulu.crt", &keys::trusted_ec())
            .file("etc/verity.d/odd.crt", content);
        let (code, seen) = tree.seen();
        assert_eq!((code, seen["anchors"].as_array().unwrap().len()), (2, 2), "{said}");
        let [fault] = &tree.refused()[..] else { panic!("{said}: {seen}") };
        let file = tree.path("etc/verity.d/odd.crt");
        let expected = format!("trust anchor {}: {said}", file.display());
        assert!(fault.starts_with(&expected), "{said}: {fault}");
    }
}

#[test]
fn what_is_no_file_is_a_fault() {
    let good = || Tree::new().anchor("etc/verity.d/good.crt", &keys::trusted());
    good().accepted();
    let fifo = good();
    let path = fifo.path("etc/verity.d/odd.crt");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(fifo.refused()[0].ends_with("odd.crt: is not a regular file"));
    let zero = good().link("etc/verity.d/odd.crt", "/dev/zero");
    assert!(zero.refused()[0].ends_with("odd.crt: is not a regular file"));
    let directory = good().file("etc/verity.d/odd.crt/inside", "");
    assert!(directory.refused()[0].ends_with("odd.crt: is not a regular file"));
    let round = good().link("etc/verity.d/odd.crt", "odd.crt");
    assert!(round.refused()[0].contains("odd.crt: Too many levels"));
    let broken = good().link("etc/verity.d/odd.crt", "nowhere");
    assert!(broken.refused()[0].contains("odd.crt: No such file"));
    let mut many = good();
    for number in 0..64 {
        many = many.anchor(&format!("etc/verity.d/{number}.crt"), &keys::trusted());
    }
    assert!(many.refused()[0].starts_with("more than 64 trust anchors in "));
    // An empty file masks in a directory; named itself it is a fault.
    let empty = good().file("empty.crt", "");
    let (code, seen) =
        parsed(&["list", &format!("--certificate={}/empty.crt", empty.0.path().display())]);
    assert_eq!(code, 2);
    assert!(seen["faults"][0]["found"].as_str().unwrap().ends_with("empty.crt: is empty"));
}

#[test]
fn names_that_are_not_text_are_escaped() {
    let tree = Tree::new().anchor("etc/verity.d/good.crt", &keys::trusted());
    let name = std::ffi::OsStr::from_bytes(b"\xff\x1b[2J\n.crt");
    fs::write(tree.path("etc/verity.d").join(name), "?").unwrap();
    let root = format!("--root={}", tree.0.path().display());
    for command in ["list", "check"] {
        let (code, stdout, _) = keys(&[command, &root]);
        assert_eq!(code, 2);
        assert!(stdout.contains("\\u{fffd}\\u{1b}[2J\\u{a}.crt: holds no PEM"), "{stdout}");
        assert!(!stdout.contains('\u{1b}'));
    }
}

#[test]
fn nothing_is_never_enough() {
    let empty = Tree::new();
    let [fault] = &empty.refused()[..] else { panic!("one fault") };
    assert!(fault.starts_with("no trust anchor in "), "{fault}");
    let masked = Tree::new().file("etc/verity.d/a.crt", "");
    assert!(masked.refused()[0].starts_with("no trust anchor in "));
    let gone = format!("--certificate={}/gone.crt", empty.0.path().display());
    let (code, seen) = parsed(&["check", &gone]);
    assert_eq!((code, &seen["accepted"]), (2, &json!(false)));
    assert!(seen["faults"][0]["found"].as_str().unwrap().contains("gone.crt: No such file"));
}

const POLICY: &str = "etc/veriroot/policy.d/site.toml";

#[test]
fn scopes_and_revocations_of_the_policy_are_shown() {
    let (one, two) = (keys::trusted(), keys::trusted_ec());
    let policy = format!(
        "[trust]\ncertificates = [\"/keys\"]\nrevoked = [\"spki-sha256:{}\"]\n\
         [[trust.signer]]\ncertificate = \"/keys/a.crt\"\ndesignators = [\"usr\"]\n\
         [[trust.signer]]\ncertificate = \"/keys/b.crt\"\ndesignators = [\"root\"]\n",
        one.spki_fingerprint()
    );
    let tree = Tree::new()
        .file(POLICY, &policy)
        .anchor("keys/a.crt", &one)
        .anchor("keys/b.crt", &two)
        .anchor("keys/c.crt", &keys::stranger())
        .file("etc/verity.d/not-read.crt", "?");
    let seen = tree.accepted();
    let anchors = seen["anchors"].as_array().unwrap();
    let of = |key: &str| anchors.iter().map(|it| it[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("may-sign"), [json!(["usr"]), json!(["root"]), json!([])]);
    let revoked = json!(format!("spki-sha256:{}", one.spki_fingerprint()));
    assert_eq!(of("revoked"), [revoked, json!(null), json!(null)]);
    let (_, text, _) = keys(&["list", &format!("--root={}", tree.0.path().display())]);
    assert!(text.contains("  may sign     nothing: others have scopes"), "{text}");
    assert!(text.contains("  revoked      YES: spki-sha256:"), "{text}");

    // The only one that may sign root, revoked: a boot would refuse every image.
    let policy = policy.replace(&one.spki_fingerprint(), &two.spki_fingerprint());
    let tree = tree.file(POLICY, &policy);
    let fault = "every trust anchor is revoked, or may not sign root";
    assert_eq!(tree.refused(), [fault]);
    // A scope for what is no anchor.
    let tree = tree.file(POLICY, policy.replace("/keys/b.crt", "/keys/d.crt"));
    assert!(tree.refused()[0].ends_with("/keys/d.crt is not a trust anchor"));
}

#[test]
fn a_policy_that_a_boot_would_not_take_is_a_fault() {
    let tree = || Tree::new().anchor("etc/verity.d/a.crt", &keys::trusted());
    let with = |policy: &str| tree().file(POLICY, policy);
    with("image-policy = \"root=signed:=ignore\"\n").accepted();
    for (policy, said) in [
        ("image-policy = \"root=sgined\"\n", "unknown"),
        ("image-polic = \"root=signed\"\n", "unknown field"),
        ("image-policy = \"=ignore\"\n", "neither root nor usr may be used"),
    ] {
        let [fault] = &with(policy).refused()[..] else { panic!("{policy}") };
        assert!(fault.contains(said), "{policy}: {fault}");
    }
    // Where nothing is to be signed, a boot does not look at anchors; the list does.
    let open = Tree::new().file(POLICY, "image-policy = \"root=unprotected:=ignore\"\n");
    let root = format!("--root={}", open.0.path().display());
    let (code, text, _) = keys(&["check", &root]);
    assert_eq!(code, 0);
    assert!(text.starts_with("accepted: the policy wants nothing signed"), "{text}");
    assert_eq!(keys(&["list", &root]).0, 2);
}

#[test]
fn links_out_of_the_tree_are_faults() {
    let elsewhere = Tree::new()
        .anchor("a.crt", &keys::trusted())
        .file("site.toml", "image-policy = \"root=signed:=ignore\"\n");
    let tree = Tree::new()
        .anchor("keys/a.crt", &keys::trusted())
        .file("etc/verity.d/.keep", "")
        .link("etc/verity.d/a.crt", "../../keys/a.crt");
    tree.accepted();
    let tree = tree.link("etc/verity.d/b.crt", elsewhere.path("a.crt"));
    assert!(tree.refused()[0].contains("b.crt leads out of the tree"));
    fs::remove_file(tree.path("etc/verity.d/b.crt")).unwrap();
    let tree =
        tree.file("etc/veriroot/policy.d/.keep", "").link(POLICY, elsewhere.path("site.toml"));
    assert!(tree.refused()[0].contains("site.toml leads out of the tree"));
}

#[test]
fn options_take_the_place_of_the_system() {
    let tree = Tree::new()
        .anchor("a.crt", &keys::trusted())
        .file("site.toml", "image-policy = \"usr=signed:=ignore\"\n")
        .file("bad.toml", "");
    let option = |name: &str, file: &str| format!("--{name}={}", tree.path(file).display());
    let (certificate, good) = (option("certificate", "a.crt"), option("policy-file", "site.toml"));
    let (code, seen) = parsed(&["check", &certificate, &good]);
    assert_eq!((code, seen["anchors"].as_array().unwrap().len()), (0, 1));
    let (code, _) = parsed(&["check", &certificate, &option("policy-file", "bad.toml")]);
    assert_eq!(code, 2);
    assert_eq!(keys(&["list", "--certificate="]).0, 2);
    let (code, pretty, _) = keys(&["list", &certificate, &good, "--json=pretty"]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), seen);
    assert!(pretty.lines().count() > 10);
}

#[test]
fn help_fits_a_console() {
    for arguments in [&["--help"][..], &["list", "--help"], &["check", "--help"]] {
        let (code, stdout, _) = keys(arguments);
        assert_eq!(code, 0);
        assert!(stdout.lines().all(|line| line.len() <= 80), "{stdout}");
    }
}
