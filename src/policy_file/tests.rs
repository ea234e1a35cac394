// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policy files alone, on disk and together.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::image_policy::{Fault, Rule, Use, UseSet};
use crate::revocation::RevocationError;

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile::parse(Path::new(name), text).unwrap()
}

fn refused(text: &str) -> PolicyFileError {
    PolicyFile::parse(Path::new("p.toml"), text).unwrap_err()
}

fn at(path: &str, line: usize) -> Origin {
    Origin::File { path: path.into(), line }
}

fn together(files: &[PolicyFile]) -> Result<EffectivePolicy, EffectiveError> {
    EffectivePolicy::new(Statements { files, ..Statements::default() })
}

fn uses(flags: &[Use]) -> UseSet {
    flags.iter().copied().collect()
}

const EVERYTHING: &str = r#"
image-policy = "root=signed:esp=unprotected+absent:=ignore"
[filesystems]
root = ["erofs", "squashfs"]
esp = ["vfat"]
[trust]
certificates = ["/etc/verity.d"]
kernel-keyring = "require"
command-line = "authenticated"
revoked = ["root-hash:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]
minimum-version = "41.2"
[[trust.signer]]
certificate = "/etc/verity.d/vendor.crt"
designators = ["usr"]
[transport]
mirrors = ["https://mirror.example/images"]
plain-http = false
tls-roots = "/etc/pki/roots.pem"
proxy = "http://proxy.example:3128"
size-max = "8G"
memory-reserve = "512M"
budget = "5min"
[[transport.credential]]
origin = "https://images.example"
bearer = "images.token"
client-certificate = "/etc/veriroot/client.crt"
client-key = "images.key"
[archive]
authentication = "checksum-pin"
[boot]
on-corruption = "panic"
on-refusal = "halt"
hold = "2min"
overlay = true
required = true
[extensions]
image-policy = "root=signed+absent:usr=signed+absent:=ignore"
sysext = "usr=signed:=ignore"
"#;

#[test]
fn every_key_is_read_with_its_line() {
    let policy = together(&[file("a.toml", EVERYTHING)]).unwrap();
    let line = |needle: &str| EVERYTHING.lines().position(|it| it.starts_with(needle)).unwrap() + 1;
    let (rule, origins) = policy.rule(PartitionDesignator::Root);
    assert_eq!(rule.uses, uses(&[Use::Signed]));
    assert_eq!(rule.filesystems.to_string(), "erofs+squashfs");
    assert_eq!(origins, [at("a.toml", line("image-policy")), at("a.toml", line("root ="))]);
    let trust = policy.trust();
    assert_eq!(trust.certificates.as_ref().unwrap().value, [Path::new("/etc/verity.d")]);
    assert_eq!(trust.kernel_keyring.value, KernelKeyring::Require);
    assert_eq!(trust.command_line.value, CommandLine::Authenticated);
    assert!(matches!(trust.revoked[0].value, Revoked::RootHash(_)));
    assert_eq!(trust.minimum_versions[0].value, "41.2");
    assert_eq!(trust.signers[0].value.scopes, [SignerScope::Partition(PartitionDesignator::Usr)]);
    let transport = policy.transport();
    assert_eq!(transport.mirrors.value, ["https://mirror.example/images"]);
    assert!(!transport.plain_http.value);
    assert_eq!(transport.tls_roots.value, Path::new("/etc/pki/roots.pem"));
    assert_eq!(transport.proxy.value.as_deref(), Some("http://proxy.example:3128"));
    assert_eq!(transport.size_max.value, 8 << 30);
    assert_eq!(transport.memory_reserve.value, 512 << 20);
    assert_eq!(transport.budget.value, Duration::from_secs(300));
    let credential = &transport.credentials[0].value;
    assert_eq!(credential.origin, "https://images.example");
    assert_eq!(credential.bearer.as_ref().unwrap().0, "images.token");
    let (certificate, key) = credential.client.as_ref().unwrap();
    assert_eq!((&*certificate.0, &*key.0), ("/etc/veriroot/client.crt", "images.key"));
    assert_eq!(policy.archive().authentication.value, ArchiveAuthentication::ChecksumPin);
    let boot = policy.boot();
    assert_eq!(boot.on_corruption.value, OnCorruption::Panic);
    assert_eq!(boot.on_refusal.value, OnRefusal::Halt);
    assert_eq!(boot.hold.value, Duration::from_secs(120));
    assert_eq!(boot.hold.origin, at("a.toml", line("hold")));
}

#[test]
fn without_files_the_built_in_policy_holds() {
    let policy = together(&[]).unwrap();
    let (rule, origins) = policy.rule(PartitionDesignator::Root);
    assert_eq!((rule.uses, origins), (uses(&[Use::Signed]), vec![Origin::BuiltIn]));
    for designator in [PartitionDesignator::Usr, PartitionDesignator::Home] {
        assert_eq!(policy.rule(designator).0.uses, UseSet::ignore());
    }
    assert_eq!(policy.archive().authentication.value, ArchiveAuthentication::Signature);
    assert_eq!(policy.trust().command_line.value, CommandLine::Untrusted);
    assert_eq!(policy.boot().on_refusal.value, OnRefusal::Reboot);
    assert_eq!(policy.boot().hold.value, Duration::from_secs(60));
    policy.bootable().unwrap();
    // A file that speaks of other things does not take it away.
    let policy = together(&[file("a.toml", "transport.size-max = \"1G\"")]).unwrap();
    assert_eq!(policy.rule(PartitionDesignator::Root).1, [Origin::BuiltIn]);
}

#[test]
fn refuses_keys_and_values_off_the_list() {
    let toml = [
        ("image_policy = \"*\"", 1),
        ("\n[trust]\ncertificate = []", 3),
        ("[boot]\non-refusal = \"shell\"", 2),
        ("[archive]\nauthentication = \"none\"", 2),
        ("image-policy = \"-\"\nimage-policy = \"*\"", 2),
        ("[transport]\nplain-http = \"yes\"", 2),
        ("\n\n=", 3),
        ("[[trust.signer]]\ncertificate = \"/a\"", 1),
    ];
    for (text, line) in toml {
        let error = refused(text);
        assert!(matches!(error.fault, FileFault::Toml(_)), "{text}: {error}");
        assert_eq!(error.line, Some(line), "{text}: {error}");
    }
    let values = [
        ("[filesystems]\nroot = [\"vfat\"]", "filesystems"),
        ("[filesystems]\nroot = [\"f2fs\"]", "filesystems"),
        ("[filesystems]\nesp = [\"erofs\"]", "filesystems"),
        ("[filesystems]\nroot = [\"erofs\", \"erofs\"]", "filesystems"),
        ("[filesystems]\nswap = [\"erofs\"]", "filesystems"),
        ("[filesystems]\nbin = [\"erofs\"]", "filesystems"),
        ("[trust]\nminimum-version = \"\"", "trust.minimum-version"),
        ("[transport]\nmirrors = [\"file:/x\"]", "transport.mirrors"),
        ("[transport]\nmirrors = [\"http:///x\"]", "transport.mirrors"),
        ("[transport]\nproxy = \"socks://x\"", "transport.proxy"),
        ("[transport]\nsize-max = \"65G\"", "transport.size-max"),
        ("[transport]\nmemory-reserve = \"0\"", "transport.memory-reserve"),
        ("[transport]\nbudget = \"25h\"", "transport.budget"),
        ("[boot]\nhold = \"25h\"", "boot.hold"),
    ];
    for (text, expected) in values {
        let error = refused(text);
        assert_eq!(error.line, Some(2), "{text}");
        assert!(matches!(error.fault, FileFault::Value { key, .. } if key == expected), "{text}");
    }
}

#[test]
fn secrets_are_for_one_https_origin_as_it_is_spelt() {
    let credential = |rest: &str| format!("[[transport.credential]]\n{rest}");
    let good = "origin = \"https://h\"\nbearer = \"token\"";
    assert!(PolicyFile::parse(Path::new("a.toml"), &credential(good)).is_ok());
    for (bad, expected) in [
        ("origin = \"http://h\"\nbearer = \"token\"", "transport.credential.origin"),
        ("origin = \"https://h/\"\nbearer = \"token\"", "transport.credential.origin"),
        ("origin = \"https://H\"\nbearer = \"token\"", "transport.credential.origin"),
        ("origin = \"https://h:443\"\nbearer = \"token\"", "transport.credential.origin"),
        ("origin = \"https://u@h\"\nbearer = \"token\"", "transport.credential.origin"),
        ("origin = \"https://h\"\nbearer = \"../token\"", "transport.credential.bearer"),
        ("origin = \"https://h\"\nbearer = \"\"", "transport.credential.bearer"),
        ("origin = \"https://h\"", "transport.credential"),
        ("origin = \"https://h\"\nclient-key = \"key\"", "transport.credential"),
    ] {
        let error = refused(&credential(bad));
        assert!(matches!(error.fault, FileFault::Value { key, .. } if key == expected), "{bad}");
    }
    let twice = format!("{}\n{}", credential(good), credential(good));
    assert!(matches!(refused(&twice).fault, FileFault::Value { .. }));
    let files = [file("a.toml", &credential(good)), file("b.toml", &credential(good))];
    assert_eq!(together(&files).unwrap().transport().credentials.len(), 1);
    let other = credential(&good.replace("token", "other"));
    assert!(together(&[file("a.toml", &credential(good)), file("b.toml", &other)]).is_err());
}

#[test]
fn refuses_revocations_it_does_not_understand() {
    let error = refused("[trust]\nrevoked = [\"serial:1\"]");
    assert!(matches!(error.fault, FileFault::Revocation(RevocationError::Kind { .. })));
    assert_eq!(error.line, Some(2));
}

#[test]
fn refuses_signers_that_sign_nothing_or_too_much() {
    let signer = |designators: &str| {
        format!("[[trust.signer]]\ncertificate = \"/a\"\ndesignators = [{designators}]")
    };
    file("p.toml", &signer("\"root\", \"usr\", \"archive\""));
    for designators in ["\"home\"", "\"root\", \"root\"", "\"root-verity\"", "\"Archive\""] {
        let fault = refused(&signer(designators)).fault;
        assert!(matches!(fault, FileFault::Value { .. }), "{designators}");
    }
    assert!(matches!(refused(&signer("")).fault, FileFault::EmptyList));
    let twice = signer("\"root\"") + "\n" + &signer("\"usr\"");
    assert!(matches!(refused(&twice).fault, FileFault::Value { .. }));
}

#[test]
fn refuses_files_that_state_nothing() {
    for text in ["", "\n", "# image-policy = \"*\"\n", "[trust]\n", "[trust]\nrevoked = []"] {
        assert!(matches!(refused(text).fault, FileFault::Empty), "{text:?}");
    }
    let lists = ["[filesystems]\nroot = []", "[trust]\ncertificates = []"];
    for text in lists {
        assert!(matches!(refused(text).fault, FileFault::EmptyList), "{text:?}");
    }
    let relative = refused("[trust]\ncertificates = [\"verity.d\"]").fault;
    assert!(matches!(relative, FileFault::NotAbsolute(_)));
}

#[test]
fn a_wrong_image_policy_is_named_by_its_line() {
    let error = refused("# who: me\n\nimage-policy = \"root=sgined\"\n");
    assert_eq!(error.line, Some(3));
    let FileFault::ImagePolicy { text, error } = error.fault else { panic!("{error}") };
    assert!(matches!(error.fault, Fault::UnknownFlag { .. }));
    assert_eq!(text.get(error.span), Some("sgined"));
}

#[test]
fn all_files_hold_together() {
    let a = file("a.toml", "image-policy = \"root=signed+verity:=ignore\"");
    let b = file("b.toml", "\nimage-policy = \"root=signed+unprotected:=absent\"");
    let policy = together(&[a, b]).unwrap();
    let (root, origins) = policy.rule(PartitionDesignator::Root);
    assert_eq!(root.uses, uses(&[Use::Signed]));
    assert_eq!(origins, [at("a.toml", 1), at("b.toml", 2)]);
    assert_eq!(policy.rule(PartitionDesignator::Home).0.uses, uses(&[Use::Absent]));
    let found = uses(&[Use::Unprotected, Use::Unused]);
    assert_eq!(policy.refused_by(PartitionDesignator::Home, found), [at("b.toml", 2)]);
    let verity = uses(&[Use::Verity]);
    assert_eq!(policy.refused_by(PartitionDesignator::Root, verity), [at("b.toml", 2)]);
}

#[test]
fn refuses_policies_that_exclude_each_other_by_name() {
    let a = file("a.toml", "image-policy = \"root=signed+verity+absent:=open\"");
    let b = file("b.toml", "image-policy = \"root=signed:=ignore\"");
    let c = file("c.toml", "image-policy = \"usr=signed:=ignore\"");
    let error = together(&[a, b, c]).unwrap_err();
    let EffectiveError::Exclusive { origins, .. } = &error else { panic!("{error}") };
    assert_eq!(*origins, [at("b.toml", 1), at("c.toml", 1)]);
}

#[test]
fn kernel_words_only_tighten() {
    let with = |files: &[PolicyFile], kernel_words: &[&str]| {
        EffectivePolicy::new(Statements { files, kernel_words, ..Statements::default() })
    };
    let policy = with(&[], &["*"]).unwrap();
    assert_eq!(policy.rule(PartitionDesignator::Root).0.uses, uses(&[Use::Signed]));
    let tighter = with(&[], &["root=signed+erofs:=absent"]).unwrap();
    assert_eq!(tighter.rule(PartitionDesignator::Home).0.uses, uses(&[Use::Absent]));
    let word = Origin::KernelWord("systemd.image_policy=root=signed+erofs:=absent".to_owned());
    assert_eq!(tighter.rule(PartitionDesignator::Home).1, [Origin::BuiltIn, word]);
    let error = with(&[], &["root=unprotected"]).unwrap_err();
    assert!(matches!(error, EffectiveError::Exclusive { .. }), "{error}");
    let error = with(&[], &["root=sgined"]).unwrap_err();
    assert!(matches!(error, EffectiveError::ImagePolicy { .. }), "{error}");
}

#[test]
fn program_options_replace_what_files_say() {
    let files = [file("a.toml", EVERYTHING)];
    let certificates = [PathBuf::from("/tmp/mine.crt")];
    let policy = EffectivePolicy::new(Statements {
        files: &files,
        image_policy_option: Some("usr=verity"),
        certificates_option: Some(&certificates),
        ..Statements::default()
    });
    let policy = policy.unwrap();
    let (usr, origins) = policy.rule(PartitionDesignator::Usr);
    assert_eq!(usr.uses, uses(&[Use::Verity]));
    assert_eq!(origins, [Origin::ProgramOption("--image-policy=")]);
    assert_eq!(policy.trust().certificates.as_ref().unwrap().value, certificates);
}

#[test]
fn a_policy_without_root_and_usr_boots_nothing() {
    for text in ["-", "", "~", "esp=unprotected", "root=signed+absent:=absent:usr=ignore"] {
        let option = Statements { image_policy_option: Some(text), ..Statements::default() };
        let bootable = EffectivePolicy::new(option).unwrap().bootable();
        let signed = text.contains("signed");
        assert_eq!(bootable.is_ok(), signed, "{text:?}");
    }
    // signed can't be reached where the signature must be missing.
    let text = "root=signed+absent:root-verity-sig=absent";
    let option = Statements { image_policy_option: Some(text), ..Statements::default() };
    let error = EffectivePolicy::new(option).unwrap().bootable().unwrap_err();
    assert!(matches!(error, EffectiveError::NothingToBoot { .. }), "{error}");
}

#[test]
fn file_systems_are_only_ever_narrowed() {
    let rule = |files: &[PolicyFile], text| -> Result<Rule, EffectiveError> {
        let option = Statements { files, image_policy_option: Some(text), ..Statements::default() };
        Ok(EffectivePolicy::new(option)?.rule(PartitionDesignator::Root).0)
    };
    let all = rule(&[], "root=signed").unwrap().filesystems;
    assert_eq!(all, mountable(PartitionDesignator::Root).unwrap());
    let files = [file("a.toml", "[filesystems]\nroot = [\"erofs\", \"ext4\"]")];
    assert_eq!(rule(&files, "root=signed+ext4").unwrap().filesystems.to_string(), "ext4");
    for (files, text) in [(&files[..], "root=signed+xfs"), (&[], "root=signed+f2fs")] {
        let error = rule(files, text).unwrap_err();
        assert!(matches!(error, EffectiveError::NoFileSystem { .. }), "{error}");
    }
    assert_eq!(rule(&files, "root=signed+xfs+absent").unwrap().uses, uses(&[Use::Absent]));
    let other = file("b.toml", "[filesystems]\nroot = [\"xfs\"]");
    let [first] = files;
    let error = together(&[first, other]).unwrap_err();
    assert!(matches!(error, EffectiveError::Conflict { key: "filesystems", .. }), "{error}");
}

#[test]
fn of_two_values_the_stricter_holds() {
    let lax = "[trust]\ncommand-line = \"authenticated\"\nkernel-keyring = \"off\"\n\
        [transport]\nplain-http = true\nsize-max = \"2G\"\nmemory-reserve = \"1M\"\n\
        [archive]\nauthentication = \"danger-none\"\ndevices = true\nset-id = true\n\
        [boot]\non-corruption = \"eio\"\non-refusal = \"danger-shell\"\nhold = \"1s\"";
    let strict = "[trust]\ncommand-line = \"untrusted\"\nkernel-keyring = \"require\"\n\
        [transport]\nplain-http = false\nsize-max = \"1G\"\nmemory-reserve = \"2M\"\n\
        [archive]\nauthentication = \"checksum-pin\"\ndevices = false\nset-id = false\n\
        [boot]\non-corruption = \"restart\"\non-refusal = \"reboot\"\nhold = \"2s\"";
    let (lax, strict) = (file("lax.toml", lax), file("strict.toml", strict));
    for files in [[lax.clone(), strict.clone()], [strict, lax]] {
        let policy = together(&files).unwrap();
        assert_eq!(policy.trust().command_line.value, CommandLine::Untrusted);
        assert_eq!(policy.trust().kernel_keyring.value, KernelKeyring::Require);
        assert!(!policy.transport().plain_http.value);
        assert_eq!(policy.transport().size_max.value, 1 << 30);
        assert_eq!(policy.transport().memory_reserve.value, 2 << 20);
        assert_eq!(policy.archive().authentication.value, ArchiveAuthentication::ChecksumPin);
        assert_eq!(policy.archive().authentication.origin, at("strict.toml", 9));
        assert!(!policy.archive().devices.value && !policy.archive().set_id.value);
        assert_eq!(policy.archive().set_id.origin, at("strict.toml", 11));
        assert_eq!(policy.boot().on_corruption.value, OnCorruption::Restart);
        assert_eq!(policy.boot().on_refusal.value, OnRefusal::Reboot);
        assert_eq!(policy.boot().hold.value, Duration::from_secs(2));
    }
}

#[test]
fn lists_of_several_files_keep_what_all_have() {
    let text = |certificates: &str, mirrors: &str| {
        format!("[trust]\ncertificates = [{certificates}]\n[transport]\nmirrors = [{mirrors}]")
    };
    let (x, y) = ("\"http://x\"", "\"http://y\"");
    let a = file("a.toml", &text("\"/a\", \"/b\"", &format!("{x}, {y}")));
    let b = file("b.toml", &text("\"/b\"", y));
    let policy = together(&[a.clone(), b]).unwrap();
    assert_eq!(policy.trust().certificates.as_ref().unwrap().value, [Path::new("/b")]);
    assert_eq!(policy.transport().mirrors.value, ["http://y"]);
    let error = together(&[a, file("c.toml", &text("\"/c\"", ""))]).unwrap_err();
    assert!(matches!(error, EffectiveError::Conflict { key: "trust.certificates", .. }), "{error}");
}

#[test]
fn signers_may_sign_what_every_file_lets_them() {
    let signer = |name, certificate, designators| {
        let text = format!(
            "[[trust.signer]]\ncertificate = \"{certificate}\"\ndesignators = [{designators}]"
        );
        file(name, &text)
    };
    let a = signer("a.toml", "/a", "\"root\", \"usr\"");
    let policy = together(&[a.clone(), signer("b.toml", "/a", "\"usr\"")]).unwrap();
    assert_eq!(
        policy.trust().signers[0].value.scopes,
        [SignerScope::Partition(PartitionDesignator::Usr)]
    );
    let error = together(&[a, signer("b.toml", "/b", "\"usr\"")]).unwrap_err();
    let expected = (at("a.toml", 1), at("b.toml", 1));
    let EffectiveError::Conflict { key: "trust.signer", first, second } = error else { panic!() };
    assert_eq!((first, second), expected);
}

#[test]
fn what_has_no_stricter_value_must_be_agreed() {
    let roots = |name, path| file(name, &format!("[transport]\ntls-roots = \"{path}\""));
    together(&[roots("a.toml", "/x"), roots("b.toml", "/x")]).unwrap();
    let error = together(&[roots("a.toml", "/x"), roots("b.toml", "/y")]).unwrap_err();
    let EffectiveError::Conflict { key: "transport.tls-roots", first, second } = error else {
        panic!("{error}")
    };
    assert_eq!((first, second), (at("a.toml", 2), at("b.toml", 2)));
}

#[test]
fn revocations_and_floors_add_up() {
    let hash = |digit: &str| digit.repeat(64);
    let text = |digit| {
        let hash = hash(digit);
        format!("[trust]\nrevoked = [\"root-hash:{hash}\"]\nminimum-version = \"{digit}\"")
    };
    let policy = together(&[file("a.toml", &text("1")), file("b.toml", &text("2"))]).unwrap();
    assert_eq!(policy.trust().revoked.len(), 2);
    assert_eq!(policy.trust().minimum_versions[1].origin, at("b.toml", 3));
}

#[test]
fn files_are_read_in_order_and_masked_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (etc, usr) = (dir.path().join("etc"), dir.path().join("usr"));
    for (directory, names) in [(&etc, ["20.toml", "x.conf"]), (&usr, ["10.toml", "20.toml"])] {
        fs::create_dir(directory).unwrap();
        for name in names {
            fs::write(directory.join(name), "image-policy = \"-\"").unwrap();
        }
    }
    let absent = dir.path().join("absent");
    let files = load_directories(&[&etc, &absent, &usr]).unwrap();
    let paths: Vec<_> = files.iter().map(PolicyFile::path).collect();
    assert_eq!(paths, [usr.join("10.toml"), etc.join("20.toml")]);
    assert!(load_directories(&[&absent]).unwrap().is_empty());
    let error = PolicyFile::load(&absent.join("configured.toml")).unwrap_err();
    assert!(matches!(error.fault, FileFault::Read(_)), "{error}");
}

#[test]
fn one_unusable_file_refuses_all() {
    type Spoil = fn(&Path);
    let spoil: [(&str, Spoil); 7] = [
        ("empty", |path| fs::write(path, "").unwrap()),
        ("masked", |path| symlink("/dev/null", path).unwrap()),
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("dangling", |path| symlink("/nonexistent", path).unwrap()),
        ("fifo", |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap()),
        ("large", |path| fs::write(path, "#".repeat(limits::POLICY_FILE + 1)).unwrap()),
        ("binary", |path| fs::write(path, b"image-policy = \"\xff\"").unwrap()),
    ];
    for (what, spoil) in spoil {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("10.toml"), "image-policy = \"-\"").unwrap();
        assert_eq!(load_directories(&[dir.path()]).unwrap().len(), 1);
        let path = dir.path().join("20.toml");
        spoil(&path);
        let error = load_directories(&[dir.path()]).unwrap_err();
        assert_eq!(error.path, path, "{what}");
        assert_eq!(crate::finding::Refusal::class(&error).exit_code(), 2, "{what}");
    }
}

#[test]
fn refuses_what_everybody_may_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("10.toml");
    fs::write(&path, "image-policy = \"-\"").unwrap();
    for target in [path.as_path(), dir.path()] {
        let before = fs::metadata(target).unwrap().permissions();
        fs::set_permissions(target, PermissionsExt::from_mode(0o777)).unwrap();
        let error = load_directories(&[dir.path()]).unwrap_err();
        assert!(matches!(error.fault, FileFault::WorldWritable), "{error}");
        assert_eq!(error.path, target);
        fs::set_permissions(target, before).unwrap();
        load_directories(&[dir.path()]).unwrap();
    }
}

#[test]
fn refuses_more_files_than_anyone_needs() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..limits::POLICY_FILES {
        fs::write(dir.path().join(format!("{index}.toml")), "image-policy = \"-\"").unwrap();
    }
    load_directories(&[dir.path()]).unwrap();
    fs::write(dir.path().join("more.toml"), "image-policy = \"-\"").unwrap();
    let error = load_directories(&[dir.path()]).unwrap_err();
    assert!(matches!(error.fault, FileFault::TooMany), "{error}");
}

#[test]
fn each_class_of_extensions_has_a_policy_of_its_own() {
    let policy = together(&[file("a.toml", EVERYTHING)]).unwrap();
    let line = |needle: &str| EVERYTHING.lines().position(|it| it.starts_with(needle)).unwrap() + 1;
    let usr = |purpose| policy.for_purpose(purpose).unwrap().rule(PartitionDesignator::Usr);
    let all = EVERYTHING.lines().count() - 1;
    let (sysext, origins) = usr(Purpose::Sysext);
    assert_eq!(sysext.uses, uses(&[Use::Signed]));
    assert_eq!(origins, [at("a.toml", all), at("a.toml", line("sysext"))]);
    let (confext, origins) = usr(Purpose::Confext);
    assert_eq!(
        (confext.uses, origins),
        (uses(&[Use::Signed, Use::Absent]), vec![at("a.toml", all)])
    );
    // The machine's own policy does not speak of them, and its floors are those of the root.
    assert!(!policy.rule(PartitionDesignator::Usr).0.uses.may_be_used());
    let sysext = policy.for_purpose(Purpose::Sysext).unwrap();
    assert!(sysext.trust().minimum_versions.is_empty());
    assert_eq!(sysext.trust().signers, policy.trust().signers);
    assert_eq!(policy.for_purpose(Purpose::System).unwrap().trust().minimum_versions.len(), 1);
}

#[test]
fn extensions_are_signed_where_nobody_says_otherwise() {
    let policy = together(&[file("a.toml", "image-policy = \"*\"\n")]).unwrap();
    for purpose in Purpose::EXTENSIONS {
        let policy = policy.for_purpose(purpose).unwrap();
        for designator in [PartitionDesignator::Root, PartitionDesignator::Usr] {
            let (rule, origins) = policy.rule(designator);
            assert_eq!(
                (rule.uses, origins),
                (uses(&[Use::Signed, Use::Absent]), vec![Origin::BuiltIn])
            );
        }
        assert!(!policy.rule(PartitionDesignator::Home).0.uses.may_be_used());
    }
}

#[test]
fn policies_of_one_class_that_exclude_each_other_are_refused_early() {
    let one = file("a.toml", "[extensions]\nsysext = \"usr=signed:=absent\"\n");
    let other = file("b.toml", "[extensions]\nsysext = \"root=signed:=absent\"\n");
    assert!(together(std::slice::from_ref(&one)).is_ok());
    assert!(matches!(together(&[one, other]), Err(EffectiveError::Exclusive { .. })));
}

#[test]
fn more_memory_may_stay_free_than_an_image_can_take() {
    for (text, bytes) in [("512M", 512 << 20), ("100G", 100 << 30), ("1000000T", 1_000_000 << 40)] {
        let file = file("a.toml", &format!("[transport]\nmemory-reserve = \"{text}\"\n"));
        assert_eq!(together(&[file]).unwrap().transport().memory_reserve.value, bytes);
    }
}

#[test]
fn one_file_is_enough_to_require_a_boot() {
    let required = |text: &str| file("a.toml", &format!("[boot]\nrequired = {text}\n"));
    let held = |files: &[PolicyFile]| together(files).unwrap().boot().required.value;
    assert!(held(&[required("false"), required("true")]));
    assert!(!held(&[required("false")]));
    assert!(!held(&[file("a.toml", "[boot]\nhold = \"1s\"\n")]));
}

#[test]
fn an_overlay_needs_every_file_that_speaks_of_it() {
    let overlay = |text: &str| file("a.toml", &format!("[boot]\noverlay = {text}\n"));
    let held = |files: &[PolicyFile]| together(files).unwrap().boot().overlay.value;
    assert!(held(&[overlay("true")]));
    assert!(!held(&[overlay("true"), overlay("false")]));
    assert!(!held(&[file("a.toml", EVERYTHING.split("overlay").next().unwrap())]));
}
