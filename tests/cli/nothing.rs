// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Where something is missing, empty or not what it should be, nothing is accepted. Each refusal
//! names the thing, and the same run with the thing in place is accepted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use tempfile::TempDir;
use veriroot_test_support::{fixture, fixture_path};

use crate::program::{Ran, SIGNED, image, trusted, veriroot};

const IMAGE: &str = "root-erofs-signed";

fn judge(arguments: &[&str]) -> Ran {
    veriroot(&[&["audit", "--json=short"], arguments].concat())
}

#[track_caller]
fn accepted(arguments: &[&str]) {
    let ran = judge(arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json();
}

/// Refused with that exit code, by a finding that names `thing`.
#[track_caller]
fn refused(arguments: &[&str], code: i32, thing: &str) {
    let ran = judge(arguments);
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    let refusal = ran.refusal().to_string();
    assert!(refusal.contains(thing), "{thing}: {refusal}");
    // Configuration ends the run before the image is looked at.
    if code == 2 {
        assert_eq!(ran.json()["findings"].as_array().unwrap().len(), 1, "{ran:?}");
    }
}

/// A directory for one test, and paths in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn fifo(&self, name: &str) -> PathBuf {
        nix::unistd::mkfifo(&self.path(name), Mode::S_IRWXU).unwrap();
        self.path(name)
    }

    fn directory(&self, name: &str) -> PathBuf {
        fs::create_dir(self.path(name)).unwrap();
        self.path(name)
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn certificate_is(path: &Path, thing: Option<&str>) {
    let image = image(IMAGE);
    let certificate = option("certificate", path);
    let arguments = [SIGNED, &certificate, image.to_str().unwrap()];
    match thing {
        Some(thing) => refused(&arguments, 2, thing),
        None => accepted(&arguments),
    }
}

#[test]
fn refuses_without_any_certificate() {
    let image = image(IMAGE);
    let ran = judge(&[SIGNED, image.to_str().unwrap()]);
    assert_ne!(ran.code, 0, "{ran:?}");
    let places = ["/etc/verity.d", "/run/verity.d", "/usr/local/lib/verity.d", "/usr/lib/verity.d"];
    if !places.iter().any(|it| Path::new(it).exists()) {
        for place in places {
            refused(&[SIGNED, image.to_str().unwrap()], 2, place);
        }
    }
}

#[test]
fn refuses_certificates_that_are_not_there() {
    let place = Place::new();
    let pem = fixture("trusted.crt");
    certificate_is(&place.path("missing.crt"), Some("missing.crt"));
    certificate_is(&place.directory("empty.d"), Some("empty.d"));
    let full = place.directory("full.d");
    // Neither a hidden file nor another suffix is an anchor.
    for name in ["full.d/.hidden.crt", "full.d/trusted.crt.bak", "full.d/trusted.pem"] {
        place.file(name, &pem);
    }
    certificate_is(&full, Some("full.d"));
    place.file("full.d/trusted.crt", b"");
    certificate_is(&full, Some("full.d"));
    place.file("full.d/trusted.crt", &pem);
    certificate_is(&full, None);
    // One that can't be used is not passed over, though another would do.
    place.file("full.d/zzz.crt", b"not a certificate\n");
    certificate_is(&full, Some("zzz.crt"));
}

#[test]
fn refuses_certificates_that_are_something_else() {
    let place = Place::new();
    let pem = fixture("trusted.crt");
    let text = String::from_utf8(pem.clone()).unwrap();
    let base64: String = text.lines().filter(|it| !it.starts_with('-')).collect();
    let der = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    let key = text.replace("CERTIFICATE", "PRIVATE KEY");
    let twice = [&pem[..], &fixture("second.crt")].concat();
    let rows: [(&str, &[u8]); 7] = [
        ("empty.crt", b""),
        ("words.crt", b"trust me\n"),
        ("der.crt", &der),
        ("cut.crt", &pem[..pem.len() / 2]),
        ("two.crt", &twice),
        ("key.crt", key.as_bytes()),
        ("zeros.crt", &[0; 100_000]),
    ];
    for (name, bytes) in rows {
        certificate_is(&place.file(name, bytes), Some(name));
    }
    certificate_is(&place.fifo("fifo.crt"), Some("fifo.crt"));
    symlink("loop.crt", place.path("loop.crt")).unwrap();
    certificate_is(&place.path("loop.crt"), Some("loop.crt"));
    symlink("/dev/zero", place.path("device.crt")).unwrap();
    certificate_is(&place.path("device.crt"), Some("device.crt"));
    // `openssl x509 -text` writes around the certificate.
    certificate_is(&place.file("good.crt", &[b"Text:\n", &pem[..], b"more\n"].concat()), None);
    symlink("good.crt", place.path("link.crt")).unwrap();
    certificate_is(&place.path("link.crt"), None);
}

#[test]
fn refuses_certificates_of_somebody_else() {
    let image = image(IMAGE);
    for name in ["second.crt", "stranger.crt"] {
        let other = option("certificate", &fixture_path(name));
        refused(&[SIGNED, &other, image.to_str().unwrap()], 22, "no trust anchor");
        accepted(&[SIGNED, &other, &trusted(), image.to_str().unwrap()]);
    }
}

#[test]
fn refuses_image_policies_that_say_nothing_or_are_misspelt() {
    let image = image(IMAGE);
    let rows = [
        " ",
        ":",
        "=",
        "root",
        "root=",
        "root=-",
        "root=signd",
        "rot=signed",
        "root=signed,usr=signed",
        "root=signed:root=unprotected",
        "root=erofs",
        "root=growfs-off",
        "Root=signed",
        "root=signed:",
        "root=signed:root-verity=absent",
        "root=ѕigned",
        "@host",
    ];
    for policy in rows {
        let policy = format!("--image-policy={policy}");
        refused(&[&policy, &trusted(), image.to_str().unwrap()], 2, "--image-policy=");
    }
    // What these say is that nothing is used, so no image will do.
    for policy in ["", "-", "root=unused:=ignore"] {
        let policy = format!("--image-policy={policy}");
        refused(&[&policy, &trusted(), image.to_str().unwrap()], 21, "--image-policy=");
    }
    for policy in ["root=signed", "root=signed:=ignore", "root=signed+erofs:=absent", "*"] {
        let policy = format!("--image-policy={policy}");
        accepted(&[&policy, &trusted(), image.to_str().unwrap()]);
    }
}

fn policy_file_is(path: &Path, thing: Option<&str>) {
    let image = image(IMAGE);
    let file = option("policy-file", path);
    let arguments = [&file, &trusted(), image.to_str().unwrap()];
    match thing {
        Some(thing) => refused(&arguments, 2, thing),
        None => accepted(&arguments),
    }
}

#[test]
fn refuses_policy_files_that_are_missing_or_say_nothing() {
    let place = Place::new();
    let good = b"image-policy = \"root=signed:=ignore\"\n";
    policy_file_is(&place.file("good.toml", good), None);
    let rows: [(&str, &[u8]); 11] = [
        ("empty.toml", b""),
        ("comment.toml", b"# root=signed\n"),
        ("table.toml", b"[trust]\n"),
        ("toml.toml", b"image-policy = root=signed\n"),
        ("twice.toml", b"image-policy = \"root=signed\"\nimage-policy = \"*\"\n"),
        ("key.toml", b"image-polcy = \"root=signed\"\n"),
        ("deep.toml", b"image-policy = \"root=signed\"\n[trust]\nrevokd = []\n"),
        ("type.toml", b"image-policy = 1\n"),
        ("typo.toml", b"image-policy = \"root=signd\"\n"),
        ("latin.toml", b"image-policy = \"root=signed\" # \xe9\n"),
        ("zeros.toml", &[0; 100]),
    ];
    for (name, bytes) in rows {
        policy_file_is(&place.file(name, bytes), Some(name));
    }
    policy_file_is(&place.path("missing.toml"), Some("missing.toml"));
    policy_file_is(&place.directory("directory.toml"), Some("directory.toml"));
    policy_file_is(&place.fifo("fifo.toml"), Some("fifo.toml"));
    symlink("/dev/null", place.path("null.toml")).unwrap();
    policy_file_is(&place.path("null.toml"), Some("null.toml"));
    let big = [&good[..], &vec![b'#'; 65_536]].concat();
    policy_file_is(&place.file("big.toml", &big), Some("big.toml"));
}

#[test]
fn refuses_policy_files_that_everybody_may_write() {
    let place = Place::new();
    let path = place.file("policy.toml", b"image-policy = \"root=signed:=ignore\"\n");
    fs::set_permissions(&path, Permissions::from_mode(0o646)).unwrap();
    policy_file_is(&path, Some("policy.toml"));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    policy_file_is(&path, None);
}

#[test]
fn refuses_policy_files_that_exclude_each_other() {
    let place = Place::new();
    let image = image(IMAGE);
    let one = option("policy-file", &place.file("1.toml", b"image-policy = \"root=signed\"\n"));
    let two = option("policy-file", &place.file("2.toml", b"image-policy = \"root=absent\"\n"));
    let path = image.to_str().unwrap();
    refused(&[&one, &two, &trusted(), path], 2, "2.toml:1");
    accepted(&[&one, &one, &trusted(), path]);
}

#[test]
fn refuses_images_that_are_missing_empty_or_no_files() {
    let place = Place::new();
    let arguments = |path: &Path| [SIGNED.to_owned(), trusted(), path.display().to_string()];
    let refused = |path: &Path, code| {
        let arguments = arguments(path);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        refused(&arguments, code, path.file_name().unwrap().to_str().unwrap());
    };
    refused(&place.path("missing.raw"), 2);
    refused(&place.directory("directory.raw"), 2);
    refused(&place.fifo("fifo.raw"), 2);
    refused(Path::new("/dev/null"), 2);
    refused(&place.file("empty.raw", b""), 20);
}

#[test]
fn refuses_image_cut_off_at_any_point() {
    let place = Place::new();
    let whole = fixture(&format!("{IMAGE}.raw.zst"));
    let points = (0..48).map(|it| 1 + it * (whole.len() - 2) / 47);
    let edges = [511, 512, 513, 1023, 1024, 17_408, 24_576, whole.len() - 512, whole.len() - 1];
    for len in points.chain(edges) {
        let path = place.file("cut.raw", &whole[..len]);
        refused(&[SIGNED, &trusted(), path.to_str().unwrap()], 20, "partition table");
    }
    let path = place.file("cut.raw", &whole);
    accepted(&[SIGNED, &trusted(), path.to_str().unwrap()]);
}

#[test]
fn refuses_files_that_are_no_disk_image() {
    let place = Place::new();
    let rows: [(&str, &[u8]); 3] = [
        ("zeros.raw", &[0; 1 << 20]),
        ("text.raw", b"<html>Log in to go on</html>"),
        ("one.raw", b"\0"),
    ];
    for (name, bytes) in rows {
        let path = place.file(name, bytes);
        refused(&[SIGNED, &trusted(), path.to_str().unwrap()], 20, "partition table");
    }
    // Compressed, it is one.
    let packed = fs::read(fixture_path(&format!("{IMAGE}.raw.zst"))).unwrap();
    let path = place.file("image.raw.zst", &packed);
    accepted(&[SIGNED, &trusted(), path.to_str().unwrap()]);
}
