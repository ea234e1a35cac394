// SPDX-License-Identifier: MIT OR Apache-2.0
//! veritysetup and openssl as this machine has them: what they make now, we read. `make interop`.
//!
//! A program that is missing fails the test: nothing here passes without having compared. Images of
//! systemd-repart, and the signatures in them, are under `fixtures`, as that program is on few
//! machines.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test that panics has failed, and it runs other programs"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use data_encoding::HEXLOWER;
use openssl::hash::MessageDigest;
use openssl::x509::X509;
use tempfile::TempDir;
use veriroot::digest::HashAlgorithm;
use veriroot::merkle::{TreeShape, VerifiedTree, build::build};
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::verity::Formatted;
use veriroot_test_support::{keys, sign};

/// Runs a program that has to be there and to succeed.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        // Where Debian keeps veritysetup, which is not on everybody's path.
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    output
}

/// What veritysetup makes of a file.
#[track_caller]
fn veritysetup(data: &Path, algorithm: HashAlgorithm, sizes: (u32, u32), salt: &[u8]) -> Formatted {
    let place = tempfile::tempdir().unwrap();
    let hash = place.path().join("hash");
    File::create(&hash).unwrap();
    let salt = if salt.is_empty() { "-".to_owned() } else { HEXLOWER.encode(salt) };
    let output = run(
        "veritysetup",
        &[
            "format",
            data.to_str().unwrap(),
            hash.to_str().unwrap(),
            &format!("--hash={algorithm}"),
            &format!("--data-block-size={}", sizes.0),
            &format!("--hash-block-size={}", sizes.1),
            &format!("--salt={salt}"),
        ],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|it| it.strip_prefix("Root hash:")).unwrap();
    let root_hash = HEXLOWER.decode(line.trim().as_bytes()).unwrap();
    Formatted { hash_area: fs::read(&hash).unwrap(), root_hash }
}

// VER-08
#[test]
fn trees_of_boundary_shapes_are_those_of_veritysetup() {
    const SALT: &[u8] = &[0x5A; 32];
    // 128 digests to a block: a level more at 129, 16385 and 2097153 blocks. The last two have
    // data blocks of 512 bytes: the levels are the same, and a GiB is enough.
    let shapes = [
        (4096, vec![1, 2, 127, 128, 129, 16_383, 16_384, 16_385]),
        (512, vec![2_097_152, 2_097_153]),
    ];
    for (size, counts) in shapes {
        for blocks in counts {
            let shape = TreeShape::new(HashAlgorithm::Sha256, size, 4096, blocks, SALT).unwrap();
            let data = tempfile::NamedTempFile::new().unwrap();
            data.as_file().set_len(shape.data_len()).unwrap();
            let made = veritysetup(data.path(), shape.algorithm(), (size, 4096), SALT);
            let zeros = vec![0; usize::try_from(shape.data_len()).unwrap()];
            let (tree, root_hash) = build(&shape, &zeros).unwrap();
            assert_eq!(HEXLOWER.encode(&root_hash), HEXLOWER.encode(&made.root_hash), "{blocks}");
            let offset = usize::try_from(shape.tree_offset()).unwrap();
            let theirs = &made.hash_area[offset..];
            assert!(tree == theirs, "{blocks}: the trees differ");
            let checked = VerifiedTree::check(shape, theirs.to_vec(), &made.root_hash);
            assert!(checked.is_ok(), "{blocks}: {checked:?}");
        }
    }
}

/// The exit code of `veriroot audit`, and all it printed.
fn audit(image: &Image, certificate: &Path) -> (i32, String) {
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("image.raw");
    fs::write(&disk, &image.bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["audit", "--image-policy=root=signed:=ignore", "--architecture=x86-64"])
        .arg(format!("--certificate={}", certificate.display()))
        .arg(&disk)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

fn content() -> Vec<u8> {
    Erofs::root_tree(40 * 4096).build()
}

#[test]
fn every_format_of_veritysetup_is_accepted() {
    let anchors = keys::anchors(&[&keys::trusted()]);
    let data = tempfile::NamedTempFile::new().unwrap();
    fs::write(data.path(), content()).unwrap();
    let sizes = [512, 1024, 2048, 4096];
    let mut accepted = 0;
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
        for (data_size, hash_size) in sizes.into_iter().flat_map(|it| sizes.map(|its| (it, its))) {
            for salt in [&[][..], &[7], &[0x5A; 32], &[0xFF; 256]] {
                let made = veritysetup(data.path(), algorithm, (data_size, hash_size), salt);
                let volume = Volume::new(content()).formatted(made);
                let image = Ddi::empty().total(0).volume("root", volume).build();
                let case = format!("{algorithm} {data_size} {hash_size} {}", salt.len());
                let (code, text) = audit(&image, anchors.path());
                assert_eq!(code, 0, "{case}: {text}");
                let (code, text) = audit(&image.flip_bit("root", 70_000, 1), anchors.path());
                assert_eq!(code, 22, "{case}: {text}");
                accepted += 1;
            }
        }
    }
    assert_eq!(accepted, 128);
}

/// A key and its certificate, made by the openssl command.
struct Openssl(TempDir);

impl Openssl {
    fn new(key: &[&str]) -> Self {
        let it = Self(tempfile::tempdir().unwrap());
        let (private, certificate) = (it.path("key"), it.path("signer.crt"));
        let files = ["-keyout", private.to_str().unwrap(), "-out", certificate.to_str().unwrap()];
        let base = ["req", "-x509", "-nodes", "-subj", "/CN=interop", "-days", "30", "-newkey"];
        run("openssl", &[&base[..], key, &files].concat());
        it
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// B0 with a signature over `text` of its root hash.
    fn image(&self, command: &[&str], text: impl Fn(&[u8]) -> String) -> Image {
        let plain = Ddi::empty().total(0).volume("root", Volume::new(content()));
        let root_hash = plain.build().root_hash("root").to_vec();
        let (file, out) = (self.path("content"), self.path("signature"));
        fs::write(&file, text(&root_hash)).unwrap();
        let (key, certificate) = (self.path("key"), self.path("signer.crt"));
        let paths = [&file, &certificate, &key, &out].map(|it| it.to_str().unwrap());
        let [file, certificate, key, out] = paths;
        let usual = [
            "-sign",
            "-binary",
            "-outform",
            "der",
            "-in",
            file,
            "-signer",
            certificate,
            "-inkey",
            key,
            "-out",
            out,
        ];
        let (first, rest) = command.split_first().unwrap();
        run("openssl", &[&[*first], &usual[..], rest].concat());
        let signature = fs::read(out).unwrap();
        let pem = X509::from_pem(&fs::read(certificate).unwrap()).unwrap();
        let fingerprint = HEXLOWER.encode(&pem.digest(MessageDigest::sha256()).unwrap());
        let make = move |root_hash: &[u8]| {
            sign::partition(&sign::json(root_hash, &fingerprint, &signature))
        };
        plain.change("root", |it| it.signature(make)).build()
    }
}

#[test]
fn signatures_of_the_openssl_command_are_accepted() {
    const PSS: &str = "rsa_padding_mode:pss";
    let rsa: &[&[&str]] = &[
        &["smime", "-nocerts", "-noattr"],
        &["smime"],
        &["smime", "-md", "sha512"],
        &["cms", "-nocerts", "-noattr"],
        &["cms"],
        &["cms", "-keyid", "-md", "sha384"],
        &["cms", "-nocerts", "-md", "sha256", "-keyopt", PSS, "-keyopt", "rsa_pss_saltlen:32"],
    ];
    let ec: &[&[&str]] = &[
        &["smime", "-nocerts", "-noattr"],
        &["smime"],
        &["cms", "-nocerts", "-noattr", "-keyid"],
        &["cms", "-md", "sha512"],
    ];
    let p = |curve| vec!["ec", "-pkeyopt", curve];
    for (key, commands) in [
        (vec!["rsa:2048"], rsa),
        (vec!["rsa:4096"], &rsa[..1]),
        (p("ec_paramgen_curve:P-256"), ec),
        (p("ec_paramgen_curve:P-384"), ec),
        (p("ec_paramgen_curve:P-521"), ec),
    ] {
        let signer = Openssl::new(&key);
        let certificate = signer.path("signer.crt");
        for command in commands {
            let (code, text) =
                audit(&signer.image(command, |it| HEXLOWER.encode(it)), &certificate);
            assert_eq!(code, 0, "{key:?} {command:?}: {text}");
            // What is signed is the text without a newline, and nothing else.
            let other = signer.image(command, |it| HEXLOWER.encode(it) + "\n");
            let (code, text) = audit(&other, &certificate);
            assert!(text.contains("class sig,"), "{text}");
            assert_eq!(code, 22, "{key:?} {command:?}: {text}");
        }
    }
}
