// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! GnuPG, to make keys and signatures as people make them.
//!
//! **In:** an algorithm, a time, bytes to sign. **Out:** what gpg(1) wrote. **Refuses:** (panics) where
//! gpg is not installed or says no. Keys live in a directory that goes with the [`Gnupg`].

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A home of gpg.
#[derive(Debug)]
pub struct Gnupg {
    home: TempDir,
}

impl Gnupg {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no directory to be had.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a directory is made")]
    pub fn new() -> Self {
        Self { home: tempfile::Builder::new().prefix("gpg").tempdir().unwrap() }
    }

    /// Runs gpg(1) on these arguments and returns what it prints.
    ///
    /// # Panics
    /// If it is not there, or fails.
    pub fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--no-options", "--passphrase", ""])
            .args(["--pinentry-mode", "loopback", "--trust-model", "always", "--yes", "--homedir"])
            .arg(self.home.path())
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("gpg (Debian: gnupg): {error}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {stderr}");
        output.stdout
    }

    /// Makes a key for signing, without an end, called `NAME <NAME@example.org>`.
    pub fn key(&self, name: &str, algorithm: &str) {
        self.key_with(name, algorithm, &["sign", "never"], &[]);
    }

    /// Makes a key with these usages and that end, under more options of gpg.
    pub fn key_with(&self, name: &str, algorithm: &str, words: &[&str], options: &[&str]) {
        let user = format!("{name} <{name}@example.org>");
        self.run(&[options, &["--quick-gen-key", &user, algorithm], words].concat());
    }

    /// Fingerprint of the key of that name, hex.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn fingerprint(&self, name: &str) -> String {
        let list = String::from_utf8(self.run(&["--with-colons", "--list-keys", name])).unwrap();
        let line = list.lines().find(|it| it.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// Revokes the key of that name.
    ///
    /// # Panics
    /// If gpg has kept no revocation for it.
    pub fn revoke(&self, name: &str) {
        let file = format!("openpgp-revocs.d/{}.rev", self.fingerprint(name));
        let text = fs::read_to_string(self.home.path().join(file)).unwrap();
        let armed = text.replace(":-----BEGIN", "-----BEGIN");
        let path = self.home.path().join("revocation");
        fs::write(&path, armed).unwrap();
        self.run(&["--import", path.to_str().unwrap()]);
    }

    /// The public keys of these names, or all.
    #[must_use]
    pub fn export(&self, names: &[&str]) -> Vec<u8> {
        self.run(&[&["--export"], names].concat())
    }

    /// A signature by the key of that name, made with these options: `--detach-sign`, `--armor`.
    ///
    /// # Panics
    /// If gpg says no.
    #[must_use]
    pub fn sign(&self, name: &str, options: &[&str], bytes: &[u8]) -> Vec<u8> {
        let path = self.home.path().join("signed");
        fs::write(&path, bytes).unwrap();
        let standing = ["--local-user", name, "--output", "-"];
        self.run(&[&standing[..], options, &[path.to_str().unwrap()]].concat())
    }

    /// A detached signature in binary form.
    #[must_use]
    pub fn detached(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        self.sign(name, &["--detach-sign"], bytes)
    }

    /// Where its files are.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        // The agent that holds the private keys lives on otherwise.
        let _gone_already = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}
