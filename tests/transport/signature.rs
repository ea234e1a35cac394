// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `verify=signature`, with keys and signatures that gpg(1) made.

use std::fs;
use std::path::Path;

use veriroot::checksums::{Check, Error, Keyring, KeyringError, Received, Shown, SignatureError};
use veriroot::finding::{Class, Refusal};
use veriroot::policy::{ArchiveDemand, admit_archive};
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot_test_support::gpg::Gnupg;
use veriroot_test_support::http::{Misbehaviour, Server};

use super::{IMAGE, fetch, hex, line, refused, server};

/// Keys of one test, and a server of a signed list.
struct Signing {
    gnupg: Gnupg,
    server: Server,
    list: String,
}

impl Signing {
    /// Keys made as `(name, algorithm)`; nothing is signed yet.
    fn new(keys: &[(&str, &str)]) -> Self {
        let gnupg = Gnupg::new();
        keys.iter().for_each(|(name, algorithm)| gnupg.key(name, algorithm));
        let list = line("image.raw");
        Self { gnupg, server: server(&[("SHA256SUMS", &list)]), list }
    }

    fn serve(&self, name: &str, signature: &[u8]) {
        self.server.serve(&format!("/d/{name}"), signature);
    }

    /// Serves `signature` and fetches with these keys in the keyring.
    fn fetch_with(&self, ring: &[u8], signature: &[u8]) -> Result<Received, Error> {
        self.serve("SHA256SUMS.gpg", signature);
        self.fetch(ring)
    }

    fn fetch(&self, ring: &[u8]) -> Result<Received, Error> {
        fetch(&self.server, Check::Signature(keyring(ring).unwrap()))
    }

    #[track_caller]
    fn accepts(&self, ring: &[u8], signature: &[u8], signer: &str) {
        let received = self.fetch_with(ring, signature).unwrap();
        let Shown::Signed { signer: found, sha256, .. } = received.shown() else {
            panic!("{received:?}")
        };
        let expected =
            format!("{} {signer} <{signer}@example.org>", self.gnupg.fingerprint(signer));
        assert_eq!((found, sha256), (&expected, &hex(IMAGE)));
    }

    #[track_caller]
    fn refuses(&self, ring: &[u8], signature: &[u8]) -> SignatureError {
        let (error, class, finding) = refused(self.fetch_with(ring, signature));
        let Error::Signature { error, .. } = error else { panic!("{error:?}") };
        assert_eq!((class.exit_code() / 10, finding.id), (2, "source-signature"));
        *error
    }
}

fn keyring(bytes: &[u8]) -> Result<Keyring, KeyringError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let policy = EffectivePolicy::new(Statements::default()).unwrap();
    Keyring::of_policy(policy.transport(), &[vec![file.path().to_owned()]])
}

/// As gpg wrote it, made as of that time.
fn on(time: &'static str) -> [&'static str; 2] {
    ["--faked-system-time", time]
}

#[test]
fn signatures_of_gpg_are_accepted_and_hold_for_these_bytes_alone() {
    for algorithm in ["rsa2048", "ed25519", "nistp256"] {
        let it = Signing::new(&[("alice", algorithm)]);
        let (ring, list) = (it.gnupg.export(&[]), it.list.as_bytes());
        it.accepts(&ring, &it.gnupg.detached("alice", list), "alice");
        it.accepts(&ring, &it.gnupg.sign("alice", &["--detach-sign", "--armor"], list), "alice");
        let mut flipped = it.gnupg.detached("alice", list);
        let last = flipped.last_mut().unwrap();
        *last ^= 1;
        for other in [flipped, it.gnupg.detached("alice", &list[1..])] {
            let error = it.refuses(&ring, &other);
            assert!(matches!(error, SignatureError::Signature { .. }), "{algorithm}: {error:?}");
        }
    }
}

#[test]
fn a_signed_list_vouches_for_an_archive_only_where_policy_says_so() {
    let it = Signing::new(&[("alice", "ed25519")]);
    let (ring, signature) = (it.gnupg.export(&[]), it.gnupg.detached("alice", it.list.as_bytes()));
    let suffices = |text: &str| {
        let file = PolicyFile::parse(Path::new("/etc/p.toml"), text).unwrap();
        let policy = EffectivePolicy::new(Statements { files: &[file], ..Statements::default() });
        let received = it.fetch_with(&ring, &signature).unwrap();
        let admitted = admit_archive(received, &policy.unwrap(), None);
        matches!(admitted.demand(), ArchiveDemand::Listed { .. })
    };
    for value in ["signed-list", "checksum-pin", "danger-none"] {
        assert!(suffices(&format!("[archive]\nauthentication = \"{value}\"\n")), "{value}");
    }
    assert!(!suffices("[archive]\nauthentication = \"signature\"\n"));
    assert!(!suffices("[trust]\ncommand-line = \"authenticated\"\n"));
}

#[test]
fn a_signature_by_a_stranger_is_none() {
    let it = Signing::new(&[("alice", "ed25519"), ("mallory", "ed25519")]);
    let (ring, list) = (it.gnupg.export(&["alice"]), it.list.as_bytes());
    let (good, bad) = (it.gnupg.detached("alice", list), it.gnupg.detached("mallory", list));
    assert!(matches!(it.refuses(&ring, &bad), SignatureError::UnknownKey { .. }));
    // One good one is enough, wherever it stands.
    it.accepts(&ring, &[bad.clone(), good.clone()].concat(), "alice");
    it.accepts(&ring, &[good.clone(), bad.clone()].concat(), "alice");
    let many = good.repeat(16);
    it.accepts(&ring, &many, "alice");
    assert_eq!(it.refuses(&ring, &[many, good].concat()), SignatureError::TooMany);
}

#[test]
fn subkeys_sign_for_their_certificate() {
    let it = Signing::new(&[]);
    it.gnupg.key_with("alice", "ed25519", &["cert", "never"], &[]);
    let primary_alone = it.gnupg.export(&[]);
    it.gnupg.run(&["--quick-add-key", &it.gnupg.fingerprint("alice"), "rsa2048", "sign", "never"]);
    let list = it.list.as_bytes();
    it.accepts(&it.gnupg.export(&[]), &it.gnupg.detached("alice", list), "alice");
    let error = it.refuses(&primary_alone, &it.gnupg.detached("alice", list));
    assert!(matches!(error, SignatureError::UnknownKey { .. }), "{error:?}");
}

#[test]
fn keys_that_are_over_vouch_for_nothing() {
    let it = Signing::new(&[]);
    let list = it.list.as_bytes();
    let then = on("20240101T000000");
    it.gnupg.key_with("alice", "ed25519", &["sign", "never"], &then);
    it.gnupg.key_with("bob", "ed25519", &["sign", "1y"], &then);
    let sign = |name, options: &[&str]| {
        it.gnupg.sign(name, &[&then[..], options, &["--detach-sign"]].concat(), list)
    };
    it.accepts(&it.gnupg.export(&["alice"]), &sign("alice", &[]), "alice");
    // The key was good when it signed, as it says itself.
    let error = it.refuses(&it.gnupg.export(&["bob"]), &sign("bob", &[]));
    assert!(matches!(error, SignatureError::Key { .. }), "{error:?}");
    // So is a signature that had an end.
    let error =
        it.refuses(&it.gnupg.export(&["alice"]), &sign("alice", &["--default-sig-expire", "1m"]));
    assert!(matches!(error, SignatureError::Signature { .. }), "{error:?}");
    let signature = sign("alice", &[]);
    it.gnupg.revoke("alice");
    let error = it.refuses(&it.gnupg.export(&["alice"]), &signature);
    assert!(matches!(error, SignatureError::Key { .. }), "{error:?}");
}

#[test]
fn a_key_or_a_signature_from_the_future_is_none() {
    let it = Signing::new(&[]);
    let then = on("20400101T000000");
    it.gnupg.key_with("alice", "ed25519", &["sign", "never"], &on("20240101T000000"));
    let options = [&then[..], &["--detach-sign"]].concat();
    let signature = it.gnupg.sign("alice", &options, it.list.as_bytes());
    let error = it.refuses(&it.gnupg.export(&[]), &signature);
    assert!(matches!(error, SignatureError::Signature { .. }), "{error:?}");
}

#[test]
fn weak_hashes_and_keys_are_refused() {
    let it = Signing::new(&[("alice", "rsa2048"), ("weak", "rsa1024")]);
    let (ring, list) = (it.gnupg.export(&[]), it.list.as_bytes());
    let sign = |name, hash| it.gnupg.sign(name, &["--detach-sign", "--digest-algo", hash], list);
    it.accepts(&ring, &sign("alice", "SHA256"), "alice");
    for hash in ["SHA1", "SHA224", "RIPEMD160"] {
        let error = it.refuses(&ring, &sign("alice", hash));
        assert!(matches!(error, SignatureError::Signature { .. }), "{hash}: {error:?}");
    }
    let error = it.refuses(&ring, &sign("weak", "SHA256"));
    assert!(matches!(error, SignatureError::Key { .. }), "{error:?}");
}

#[test]
fn only_detached_signatures_over_bytes_count() {
    let it = Signing::new(&[("alice", "ed25519")]);
    let (ring, list) = (it.gnupg.export(&[]), it.list.as_bytes());
    let sign = |options: &[&str]| it.gnupg.sign("alice", options, list);
    it.accepts(&ring, &sign(&["--detach-sign"]), "alice");
    assert_eq!(it.refuses(&ring, &sign(&["--clear-sign"])), SignatureError::Form);
    let inline = it.refuses(&ring, &sign(&["--sign"]));
    assert!(matches!(inline, SignatureError::Packet { .. }), "{inline:?}");
    assert_eq!(it.refuses(&ring, &sign(&["--sign", "--armor"])), SignatureError::Form);
    let text = it.refuses(&ring, &sign(&["--detach-sign", "--textmode"]));
    assert!(matches!(text, SignatureError::Signature { .. }), "{text:?}");
    let with_key = [sign(&["--detach-sign"]), ring.clone()].concat();
    let with_key = it.refuses(&ring, &with_key);
    assert!(matches!(with_key, SignatureError::Packet { .. }), "{with_key:?}");
    for text in ["<html>sign in</html>", "\n"] {
        assert_eq!(it.refuses(&ring, text.as_bytes()), SignatureError::Form);
    }
    let whole = sign(&["--detach-sign"]);
    for len in [1, 2, 10, whole.len() - 1] {
        let cut = it.refuses(&ring, &whole[..len]);
        assert!(matches!(cut, SignatureError::Malformed { .. }), "{len}: {cut:?}");
    }
}

#[test]
fn signatures_have_their_names_and_their_order() {
    let it = Signing::new(&[("alice", "ed25519")]);
    let (ring, list) = (it.gnupg.export(&[]), it.list.as_bytes());
    let good = it.gnupg.detached("alice", list);
    let (error, class, finding) = refused(it.fetch(&ring));
    assert!(matches!(error, Error::Unsigned { .. }));
    assert_eq!((class, finding.id), (Class::Net, "source-signature-absent"));
    for name in ["/d/SHA256SUMS.gpg", "/d/SHA256SUMS.asc"] {
        assert!(finding.found.contains(name), "{}", finding.found);
    }
    it.serve("SHA256SUMS.asc", &good);
    assert!(it.fetch(&ring).is_ok());
    // The first that is there decides.
    it.serve("SHA256SUMS.gpg", b"nonsense");
    assert_eq!(refused(it.fetch(&ring)).2.id, "source-signature");
    it.serve("image.raw.sha256", list);
    it.serve("image.raw.sha256.gpg", &good);
    assert!(it.fetch(&ring).is_ok());
    it.serve("image.raw.sha256.asc", b"nonsense");
    assert_eq!(refused(it.fetch(&ring)).2.id, "source-signature");
    it.server.misbehave("/d/image.raw.sha256.asc", Misbehaviour::Status(403));
    assert_eq!(refused(it.fetch(&ring)).1, Class::Net);
}

#[test]
fn a_signature_is_of_the_checksum_file_that_is_used() {
    let it = Signing::new(&[("alice", "ed25519")]);
    let ring = it.gnupg.export(&[]);
    it.serve("SHA256SUMS.gpg", &it.gnupg.detached("alice", it.list.as_bytes()));
    assert!(it.fetch(&ring).is_ok());
    // A server that adds an unsigned list is not helped by the signature of the other.
    it.serve("image.raw.sha256", it.list.as_bytes());
    assert!(matches!(refused(it.fetch(&ring)).0, Error::Unsigned { .. }));
}

#[test]
fn a_signed_list_still_has_to_list_the_image() {
    let it = Signing::new(&[("alice", "ed25519")]);
    let ring = it.gnupg.export(&[]);
    for (text, id) in [
        (line("other.raw"), "source-checksum-list"),
        (format!("{}  image.raw\n", hex(b"other")), "source-digest"),
        ("anything\n".to_owned(), "source-checksum-list"),
    ] {
        it.serve("SHA256SUMS", text.as_bytes());
        let result = it.fetch_with(&ring, &it.gnupg.detached("alice", text.as_bytes()));
        let (_, class, finding) = refused(result);
        assert_eq!((class, finding.id), (Class::Pair, id));
    }
}

#[test]
fn a_keyring_is_whole_and_public() {
    let gnupg = Gnupg::new();
    gnupg.key("alice", "ed25519");
    gnupg.key("bob", "ed25519");
    let armored = |name| gnupg.run(&["--armor", "--export", name]);
    for good in [gnupg.export(&[]), gnupg.export(&["bob"]), gnupg.run(&["--armor", "--export"])] {
        assert!(keyring(&good).is_ok());
    }
    let cut = gnupg.export(&[]);
    for bad in [
        Vec::new(),
        b"nonsense".to_vec(),
        cut[..cut.len() - 1].to_vec(),
        [armored("alice"), armored("bob")].concat(),
        gnupg.run(&["--export-secret-keys", "alice"]),
        gnupg.detached("alice", b""),
        gnupg.export(&["alice"]).repeat(1 << 12),
    ] {
        let error = keyring(&bad).unwrap_err();
        assert!(matches!(error, KeyringError::Broken { .. } | KeyringError::Unreadable { .. }));
        assert_eq!((error.class(), error.finding().id), (Class::Config, "request-keyring"));
    }
}

#[test]
fn keyrings_are_those_of_systemd_or_those_of_the_policy() {
    let gnupg = Gnupg::new();
    gnupg.key("alice", "ed25519");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let built_in = [vec![path("etc.pgp"), path("etc.gpg")], vec![path("usr.pgp")]];
    let of = |text: Option<String>| {
        let file = text.map(|text| PolicyFile::parse(Path::new("/etc/p.toml"), &text).unwrap());
        let files: Vec<PolicyFile> = file.into_iter().collect();
        let policy = EffectivePolicy::new(Statements { files: &files, ..Statements::default() });
        Keyring::of_policy(policy.unwrap().transport(), &built_in)
    };
    let named = || {
        let text = format!("[transport]\nopenpgp-keyring = [\"{}\"]\n", path("named").display());
        of(Some(text))
    };
    assert!(matches!(of(None), Err(KeyringError::Nothing { .. })));
    assert!(matches!(named(), Err(KeyringError::Unreadable { .. })));
    fs::write(path("usr.pgp"), gnupg.export(&[])).unwrap();
    assert!(of(None).is_ok());
    // The legacy name counts only where the other is not there.
    fs::write(path("etc.gpg"), b"nonsense").unwrap();
    assert!(matches!(of(None), Err(KeyringError::Broken { .. })));
    fs::write(path("etc.pgp"), gnupg.export(&[])).unwrap();
    assert!(of(None).is_ok());
    assert!(matches!(named(), Err(KeyringError::Unreadable { .. })));
    fs::write(path("named"), gnupg.export(&[])).unwrap();
    assert!(named().is_ok());
}
