// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Boots that end before the network: what the machine was told can't be used.
//!
//! The accepted twin asks a port where nobody listens, so what ends it is the source.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use veriroot::authenticate::anchors::AnchorError;
use veriroot::boot::{AfterRefusal, Ended, System, boot};
use veriroot::checksums::KeyringError;
use veriroot::error::Error;
use veriroot::expose::Places;
use veriroot::finding::Class;
use veriroot::policy_file::{EffectiveError, FileFault, OnRefusal};
use veriroot::request::boot_origin::BootOriginError;
use veriroot::request::{RequestError, Side, TransferError};
use veriroot_test_support::keys;

use crate::judge::Unwatched;

const CMDLINE: &str = "rd.systemd.pull=raw,machine,verify=no:image:http://127.0.0.1:1/image.raw";

/// An initrd: a command line, one policy file, one trust anchor.
struct Initrd(TempDir);

impl Initrd {
    fn new() -> Self {
        let initrd = Self(tempfile::tempdir().unwrap());
        for directory in ["policy.d", "verity.d", "root", "dev"] {
            fs::create_dir(initrd.path(directory)).unwrap();
        }
        keys::trusted().write_certificate(&initrd.path("verity.d"), "trusted.crt");
        initrd
            .file("cmdline", CMDLINE)
            .file("policy.d/ours.toml", "[boot]\non-refusal = \"halt\"\n")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.path(name)).unwrap();
        self
    }

    fn boot(&self) -> Ended {
        let system = System {
            side: Side::Initrd,
            credentials: vec![self.path("credentials")],
            encrypted_credentials: vec![self.path("encrypted")],
            efivars: self.path("efivars"),
            cmdline: self.path("cmdline"),
            policy: vec![self.path("policy.d")],
            anchors: vec![self.path("verity.d")],
            keyrings: vec![vec![self.path("import-pubring.pgp")]],
            places: Places {
                root: self.path("root"),
                dev: self.path("dev"),
                run: self.path("run"),
            },
        };
        boot(&system, &mut Unwatched)
    }

    #[track_caller]
    fn reaches_the_source(&self) -> AfterRefusal {
        let ended = self.boot();
        assert!(matches!(ended.result, Err(Error::Source(_))), "{:?}", ended.result);
        ended.after_refusal
    }

    /// Why it ends; nothing is exposed.
    #[track_caller]
    fn refuses(&self) -> (Error, Ended) {
        let mut ended = self.boot();
        let error = std::mem::replace(&mut ended.result, Ok(()));
        for place in ["root", "dev"] {
            assert_eq!(veriroot::listing::names(&self.path(place)).unwrap().count(), 0);
        }
        assert!(ended.report().refused.is_some_and(|it| it.exit_code() == 2), "{ended:?}");
        (error.unwrap_err(), ended)
    }
}

#[test]
fn does_as_the_policy_says_about_refusals() {
    let after = Initrd::new().reaches_the_source();
    assert_eq!(after.action, OnRefusal::Halt);
    let after = Initrd::new().without("policy.d/ours.toml").reaches_the_source();
    assert_eq!((after.action, after.hold), (OnRefusal::Reboot, Duration::from_secs(60)));
}

#[test]
fn refuses_boot_without_trust_anchors() {
    let (error, _) = Initrd::new().without("verity.d/trusted.crt").refuses();
    assert_refused!(error, Error::Anchors(AnchorError::NoAnchors { .. }));
    let (error, _) = Initrd::new().file("verity.d/broken.crt", "x").refuses();
    assert_refused!(error, Error::Anchors(AnchorError::Unusable { .. }));
}

#[test]
fn refuses_boot_without_a_keyring_where_signatures_are_asked_for() {
    for check in ["", "verify=signature,"] {
        let words =
            format!("rd.systemd.pull=raw,machine,{check}blockdev:image:http://127.0.0.1:9/i");
        let initrd = Initrd::new().file("cmdline", &words);
        let (error, _) = initrd.refuses();
        assert_refused!(error, Error::Keyring(KeyringError::Nothing { .. }));
        let (error, _) = initrd.file("import-pubring.pgp", "x").refuses();
        assert_refused!(error, Error::Keyring(KeyringError::Broken { .. }));
    }
    Initrd::new().reaches_the_source();
}

#[test]
fn refuses_boot_with_a_policy_file_that_cannot_be_used() {
    for text in ["", "# nothing\n", "image-polcy = \"root=signed\"\n", "image-policy = \"root=\"\n"]
    {
        let (error, ended) = Initrd::new().file("policy.d/zzz.toml", text).refuses();
        assert_refused!(error, Error::PolicyFile(it) if it.path.ends_with("zzz.toml"));
        // Not even the other file's words count then.
        assert_eq!(ended.after_refusal.action, OnRefusal::Reboot);
    }
    let initrd = Initrd::new();
    fs::create_dir(initrd.path("policy.d/zzz.toml")).unwrap();
    assert_refused!(initrd.refuses().0, Error::PolicyFile(it)
        if matches!(it.fault, FileFault::Read(_)));
}

/// Whoever writes the command line does not choose what a refusal ends in.
#[test]
fn refuses_words_it_cannot_use_and_still_does_as_the_files_say() {
    for words in [
        "",
        "quiet",
        "rd.systemd.pull=",
        "rd.systemd.pull=raw,machine,verfy=no:image:http://127.0.0.1:1/image.raw",
        &format!("{CMDLINE} {CMDLINE}x"),
        &format!("{CMDLINE} root=/dev/sda1"),
        &format!("{CMDLINE} roothash=00"),
        &format!("{CMDLINE} systemd.verity=0"),
        &format!("{CMDLINE} systemd.image_policy="),
        &format!("{CMDLINE} systemd.image_policy=root=signd"),
        &format!("{CMDLINE} systemd.image_policy=root=absent"),
        &format!("{CMDLINE} \u{e9}"),
        &format!("{CMDLINE} \"open"),
    ] {
        let (_, ended) = Initrd::new().file("cmdline", words).refuses();
        assert_eq!(ended.after_refusal.action, OnRefusal::Halt, "{words}");
    }
    let ended = Initrd::new().without("cmdline").refuses().1;
    assert_eq!(ended.after_refusal.action, OnRefusal::Halt);
    Initrd::new()
        .file("cmdline", &format!("quiet {CMDLINE} systemd.image_policy=root=signed"))
        .reaches_the_source();
}

#[test]
fn refuses_plain_http_where_the_policy_does() {
    let stating = |value| format!("[transport]\nplain-http = {value}\n");
    Initrd::new().file("policy.d/http.toml", &stating(true)).reaches_the_source();
    let (error, ended) = Initrd::new().file("policy.d/http.toml", &stating(false)).refuses();
    assert_eq!(ended.report().refused, Some(Class::Config));
    assert_refused!(error, Error::Request(RequestError::PlainHttp { origin })
        if origin.to_string().ends_with("http.toml:2"));
}

#[test]
fn refuses_demands_that_would_go_unheeded() {
    let stating = |line| format!("[transport]\n{line}\n");
    let (error, _) =
        Initrd::new().file("policy.d/zzz.toml", &stating("mirrors = [\"http://h?x\"]")).refuses();
    assert_refused!(error, Error::Request(RequestError::Mirror { .. }));
    let stated = stating("proxy = \"\"");
    Initrd::new().file("policy.d/zzz.toml", &stated).reaches_the_source();
}

/// What a credential says is worth no more than a word: it chooses what is loaded.
#[test]
fn a_credential_asks_for_transfers_and_weakens_nothing() {
    let expression = CMDLINE.split_once('=').unwrap().1;
    let told = |text: &str| {
        let initrd = Initrd::new();
        fs::create_dir(initrd.path("credentials")).unwrap();
        initrd.file("cmdline", "quiet").file("credentials/import.pull", text)
    };
    told(&format!("# the root\n\n  {expression}  \n")).reaches_the_source();
    let (error, _) = told("# nothing\n").refuses();
    let nothing = RequestError::Transfer(TransferError::Nothing { key: "rd.systemd.pull" });
    assert_refused!(error, Error::Request(it) if *it == nothing);
    // No line is a word of the command line, and none is left out.
    for line in ["systemd.image_policy=root=unprotected", "rd.systemd.pull=x", expression] {
        let (error, ended) = told(&format!("{expression}\n{line}\n")).refuses();
        assert_refused!(error, Error::Request(RequestError::Transfer(_)));
        let by = ended.report().findings.last().unwrap().required_by.to_string();
        let same_place = line == expression;
        assert!(same_place || by == "credential import.pull, line 2", "{by}");
    }
    let initrd = told(expression);
    fs::create_dir(initrd.path("encrypted")).unwrap();
    let (error, _) = initrd.file("encrypted/import.pull", "").refuses();
    assert_refused!(error, Error::Request(RequestError::EncryptedCredential { .. }));
}

#[test]
fn refuses_a_boot_origin_that_is_not_there() {
    let words = CMDLINE.replace("verify=no", "verify=no,bootorigin");
    let words = words.replace("http://127.0.0.1:1/", "");
    let variable = |attributes: u8, text: &str| {
        let initrd = Initrd::new().file("cmdline", &words);
        fs::create_dir(initrd.path("efivars")).unwrap();
        let mut bytes = vec![attributes, 0, 0, 0];
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let name = "efivars/StubDeviceURL-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
        fs::write(initrd.path(name), bytes).unwrap();
        initrd
    };
    variable(6, "http://127.0.0.1:1/d/uki.efi\0").reaches_the_source();
    for (attributes, text) in [(7, "http://127.0.0.1:1/uki.efi\0"), (6, "http://127.0.0.1:1/a")] {
        let (error, ended) = variable(attributes, text).refuses();
        assert_eq!(ended.report().refused, Some(Class::Config));
        assert_refused!(error, Error::Request(RequestError::BootOrigin { .. }));
    }
    let (error, ended) = variable(6, "http://user@127.0.0.1:1/a\0").refuses();
    assert_eq!(ended.report().refused, Some(Class::Url));
    assert_refused!(error, Error::Request(RequestError::BootOrigin { .. }));
    let (error, _) = Initrd::new().file("cmdline", &words).refuses();
    let missing = BootOriginError::Missing;
    assert_refused!(error, Error::Request(RequestError::BootOrigin { error, .. })
        if *error == missing);
}

#[test]
fn the_word_to_blame_is_underlined() {
    for (words, culprit) in [
        (CMDLINE.replace("verify=no", "verfy=no"), "verfy=no"),
        (CMDLINE.replace("rd.systemd.pull", "rd.systemd.pul"), "rd.systemd.pul"),
        (format!("{CMDLINE} systemd.image-polcy=root=signed"), "systemd.image-polcy"),
        (format!("{CMDLINE} rootflags=ro,suid"), "suid"),
        (format!("{CMDLINE} systemd.verity_root_options=superblock=no"), "superblock=no"),
        (format!("{CMDLINE} systemd.verity=no"), "systemd.verity=no"),
    ] {
        let (_, ended) = Initrd::new().file("cmdline", &words).refuses();
        let excerpt = ended.report().excerpt.as_ref();
        assert_eq!(excerpt.map(|it| it.culprit()), Some(culprit), "{words}");
    }
}

/// LOG-04: what a URL may hold is in no finding.
#[test]
fn secrets_of_the_command_line_are_in_no_finding() {
    for words in [
        "rd.systemd.pull=raw,machne:i:http://user:s3cret@127.0.0.1:1/i?token=s3cret",
        "rd.systemd.pull=raw,machine,verify=no:i:http://user:s3cret@127.0.0.1:1/i?token=s3cret",
        "rd.systemd.pull=raw,machine:http://127.0.0.1:1/i?token=s3cret",
        "rd.systemd.pull=raw,machine,verify=no,bootorigin:i:i?token=s3cret",
        "rd.systemd.pul=raw,machine,verify=no:i:http://127.0.0.1:1/i?token=s3cret",
        "-- rd.systemd.pull=raw,machine,verify=no:i:http://127.0.0.1:1/i?token=s3cret",
    ] {
        let (error, ended) = Initrd::new().file("cmdline", words).refuses();
        let all = format!("{error} {error:?} {:?}", ended.report());
        assert!(!all.contains("s3cret"), "{words}: {all}");
    }
}

#[test]
fn kernel_words_tighten_what_files_say() {
    let tightened =
        format!("{CMDLINE} rootfstype=erofs systemd.verity_root_options=panic-on-corruption ro");
    Initrd::new().file("cmdline", &tightened).reaches_the_source();
    let flags = format!("{CMDLINE} rootflags=ro,nosuid,noatime");
    Initrd::new().file("cmdline", &flags).reaches_the_source();
    let ext4 = "[filesystems]\nroot = [\"ext4\"]\n";
    let initrd = Initrd::new().file("cmdline", &tightened).file("policy.d/zzz.toml", ext4);
    let (error, _) = initrd.refuses();
    assert_refused!(
        error,
        Error::EffectivePolicy(
            EffectiveError::NothingToBoot { .. } | EffectiveError::NoFileSystem { .. }
        )
    );
    let words =
        ["rw", "systemd.volatile=yes", "rootflags=rw", "root=tmpfs", "mount.usrflags=nosuid"];
    for words in words {
        let (error, _) = Initrd::new().file("cmdline", &format!("{CMDLINE} {words}")).refuses();
        assert_refused!(error, Error::Request(_));
    }
}
