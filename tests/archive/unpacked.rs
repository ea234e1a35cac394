// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What comes to be on disk: the whole tree, or nothing of it, whatever happens at whichever entry.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use veriroot::error::Error;
use veriroot::fetch::Progress;
use veriroot::finding::{Class, Refusal};
use veriroot::purpose::Purpose;
use veriroot::unpack::{TreeKind, UnpackError};
use veriroot_test_support::tar::{self, Member};

use crate::machine::{Machine, Unwatched, memory, owned, tree_and};

/// Names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let name = |it: std::io::Result<fs::DirEntry>| it.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
    names.sort();
    names
}

/// Mode, and what is in it, by path.
fn listing(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    fn add(at: &Path, name: &str, all: &mut BTreeMap<String, (u32, Vec<u8>)>) {
        let metadata = at.symlink_metadata().unwrap();
        let content = if metadata.is_symlink() {
            fs::read_link(at).unwrap().into_os_string().into_encoded_bytes()
        } else if metadata.is_file() {
            fs::read(at).unwrap()
        } else {
            Vec::new()
        };
        all.insert(name.to_owned(), (metadata.mode(), content));
        if metadata.is_dir() {
            for child in names(at) {
                add(&at.join(&child), &format!("{name}/{child}"), all);
            }
        }
    }
    let mut all = BTreeMap::new();
    add(root, ".", &mut all);
    all
}

#[test]
fn a_tree_comes_to_be_as_it_was_packed() {
    let place = memory();
    let bytes = tree_and(&[]);
    let (placed, report) = Machine::signed(&bytes).unpack(&bytes, place.path(), &mut Unwatched);
    let placed = placed.unwrap();
    assert!(report.is_accepted());
    assert_eq!(placed, place.path().join("tree"));
    assert_eq!(names(place.path()), ["tree"]);
    let found = listing(&placed);
    let expected = [
        (".", 0o40755, &b""[..]),
        ("./bin", 0o120_777, b"usr/bin"),
        ("./etc", 0o40750, b""),
        ("./etc/empty", 0o100_644, b""),
        ("./etc/large", 0o100_644, &veriroot_test_support::noise(7, 70_001)),
        ("./etc/os-release", 0o120_777, b"../usr/lib/os-release"),
        ("./tmp", 0o41777, b""),
        ("./usr", 0o40755, b""),
        ("./usr/bin", 0o40755, b""),
        ("./usr/bin/su", 0o104_755, b"set-id"),
        ("./usr/bin/sudo", 0o104_755, b"set-id"),
        ("./usr/lib", 0o40755, b""),
        ("./usr/lib/os-release", 0o100_644, b"ID=test\nVERSION_ID=7\n"),
    ];
    let expected: BTreeMap<_, _> =
        expected.map(|(name, mode, content)| (name.to_owned(), (mode, content.to_vec()))).into();
    assert_eq!(found, expected);
    let at = |name: &str| placed.join(name).symlink_metadata().unwrap();
    assert_eq!(at("usr/bin/su").ino(), at("usr/bin/sudo").ino());
    for name in ["", "etc", "etc/large", "bin", "tmp"] {
        assert_eq!(at(name).mtime(), 1_700_000_000, "{name}");
    }
}

#[test]
fn attributes_and_owners_come_with_it() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = memory();
    // CAP_NET_RAW, effective and permitted.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let ping = Member::file("usr/bin/ping", b"x")
        .with(|it| (it.uid, it.gid) = (0, 12))
        .pax("SCHILY.xattr.security.capability", capability)
        .pax("mtime", "1700000001.5");
    let bytes = tar::archive(&[tar::tree(), vec![ping]].concat());
    let (placed, _) = Machine::careless("").unpack(&bytes, place.path(), &mut Unwatched);
    let path = placed.unwrap().join("usr/bin/ping");
    let metadata = path.metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (0, 12));
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_700_000_001, 500_000_000));
    let shown = Command::new("getcap").arg(&path).output();
    if let Ok(shown) = shown {
        assert!(String::from_utf8_lossy(&shown.stdout).contains("cap_net_raw"));
    }
}

#[test]
fn a_tree_without_an_entry_for_its_root_has_a_readable_one() {
    let place = memory();
    let bytes = tar::archive(&owned(vec![Member::dir("usr")]));
    let machine = Machine { kind: TreeKind::Any, ..Machine::careless("") };
    let (placed, _) = machine.unpack(&bytes, place.path(), &mut Unwatched);
    assert_eq!(placed.unwrap().metadata().unwrap().permissions().mode(), 0o40755);
}

#[test]
fn a_tree_is_of_the_kind_that_was_asked_for() {
    let tree = |top: &str| tar::archive(&owned(vec![Member::dir(top)]));
    let kinds = [
        (TreeKind::Of(Purpose::System), &["usr"][..]),
        (TreeKind::Of(Purpose::Sysext), &["usr", "opt"]),
        (TreeKind::Of(Purpose::Confext), &["etc"]),
        (TreeKind::Any, &["usr", "opt", "etc", "wrapped"]),
    ];
    for (kind, tops) in kinds {
        let machine = Machine { kind, ..Machine::careless("") };
        for top in ["usr", "opt", "etc", "wrapped"] {
            let place = memory();
            let (result, _) = machine.unpack(&tree(top), place.path(), &mut Unwatched);
            let layout = matches!(result, Err(Error::Unpack(UnpackError::Layout { .. })));
            assert_eq!(layout, !tops.contains(&top), "{kind:?} {top}: {result:?}");
            // A directory alone is not yet something that says what it is.
            assert_eq!(result.is_ok(), kind == TreeKind::Any && !layout, "{kind:?} {top}");
            if result.is_err() {
                assert!(names(place.path()).is_empty());
            }
        }
    }
}

/// The tree of an extension.
fn extension(directories: &[&str], file: &str) -> Vec<u8> {
    let mut members: Vec<_> = directories.iter().map(|it| Member::dir(it)).collect();
    members.push(Member::file(file, b"ID=_any\n"));
    tar::archive(&owned(members))
}

#[test]
fn a_signed_tree_is_used_as_what_it_says_it_is() {
    let system = tree_and(&[]);
    let tools = |name: &str| {
        let file = format!("usr/lib/extension-release.d/extension-release.{name}");
        extension(&["usr", "usr/lib", "usr/lib/extension-release.d"], &file)
    };
    let routes = extension(
        &["etc", "etc/extension-release.d"],
        "etc/extension-release.d/extension-release.tree",
    );
    let (sysext, other) = (tools("tree"), tools("other"));
    for (purpose, fits) in [
        (Purpose::System, &system),
        (Purpose::Machine, &system),
        (Purpose::Portable, &system),
        (Purpose::Sysext, &sysext),
        (Purpose::Confext, &routes),
    ] {
        for bytes in [&system, &sysext, &other, &routes] {
            let place = memory();
            let machine = Machine { kind: TreeKind::Of(purpose), ..Machine::signed(bytes) };
            let (result, report) = machine.unpack(bytes, place.path(), &mut Unwatched);
            assert_eq!(result.is_ok(), bytes == fits, "{purpose}: {result:?}");
            if let Err(error) = result {
                assert!(!report.is_accepted());
                assert!(["expose-role", "unpack-layout"].contains(&error.finding().id), "{error}");
                assert!(names(place.path()).is_empty());
            }
        }
    }
}

#[test]
fn a_key_signs_trees_of_the_classes_in_its_scope() {
    let (system, release) = (tree_and(&[]), "usr/lib/extension-release.d/extension-release.tree");
    let sysext = extension(&["usr", "usr/lib", "usr/lib/extension-release.d"], release);
    for (scope, purpose, bytes, accepted) in [
        ("archive", Purpose::System, &system, true),
        ("archive", Purpose::Sysext, &sysext, false),
        ("archive", Purpose::Machine, &system, false),
        ("sysext", Purpose::Sysext, &sysext, true),
        ("sysext", Purpose::System, &system, false),
        ("machine", Purpose::Machine, &system, true),
        ("machine", Purpose::Portable, &system, false),
    ] {
        let place = memory();
        let machine = Machine {
            file: Some(format!(
                "[trust]\ncertificates = [\"@anchors@\"]\n[[trust.signer]]\n\
                 certificate = \"@anchors@/signer-0.crt\"\ndesignators = [\"{scope}\"]"
            )),
            kind: TreeKind::Of(purpose),
            ..Machine::signed(bytes)
        };
        let (result, _) = machine.unpack(bytes, place.path(), &mut Unwatched);
        assert_eq!(result.is_ok(), accepted, "{scope} {purpose}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.class(), Class::Sig, "{scope} {purpose}");
        }
    }
}

#[test]
fn nothing_is_left_of_an_archive_that_is_wrong_at_any_entry() {
    let members = owned(tar::tree());
    let bytes = tar::archive(&members);
    for at in 0..members.len() {
        let mut wrong = members.clone();
        wrong[at].over_sum.push((148, b"7".to_vec()));
        let place = memory();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let (result, report) =
            Machine::careless("").unpack(&tar::archive(&wrong), place.path(), &mut Unwatched);
        assert_eq!(result.unwrap_err().class(), Class::Tar, "{at}");
        assert!(!report.is_accepted());
        assert_eq!(names(place.path()), ["outside"]);
        assert!(names(&outside).is_empty());
    }
    let place = memory();
    assert!(Machine::careless("").unpack(&bytes, place.path(), &mut Unwatched).0.is_ok());
}

/// Does something when so many steps were made.
struct At<F: FnMut()>(u64, F);

impl<F: FnMut()> Progress for At<F> {
    fn begin(&mut self, _total: u64) {}

    fn advance(&mut self, _bytes: u64) {
        if self.0 == 0 {
            (self.1)();
        }
        self.0 = self.0.wrapping_sub(1);
    }
}

#[test]
fn a_name_that_is_taken_meanwhile_is_left_alone() {
    let place = memory();
    let bytes = tree_and(&[]);
    let taken = place.path().join("tree");
    let (result, _) = Machine::careless("").unpack(
        &bytes,
        place.path(),
        &mut At(3, || fs::write(&taken, b"another's").unwrap()),
    );
    assert!(matches!(result.unwrap_err(), Error::Unpack(UnpackError::Taken { .. })));
    assert_eq!(fs::read(&taken).unwrap(), b"another's");
    assert_eq!(names(place.path()), ["tree"]);
    let (result, _) = Machine::careless("").unpack(&bytes, place.path(), &mut Unwatched);
    assert!(matches!(result.unwrap_err(), Error::Unpack(UnpackError::Taken { .. })));
    assert_eq!(names(place.path()), ["tree"]);
}

#[test]
fn a_link_that_another_process_puts_in_is_not_followed() {
    let place = memory();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let bytes = tree_and(&[]);
    let swap = || {
        let staging = names(place.path()).into_iter().find(|it| it.starts_with('.')).unwrap();
        let usr = place.path().join(staging).join("usr");
        if usr.is_dir() {
            fs::rename(&usr, usr.with_file_name("moved")).unwrap();
            std::os::unix::fs::symlink(&outside, &usr).unwrap();
        }
    };
    let (result, _) = Machine::careless("").unpack(&bytes, place.path(), &mut At(2, swap));
    assert_eq!(result.unwrap_err().class(), Class::Dev);
    assert_eq!(names(place.path()), ["outside"]);
    assert!(names(&outside).is_empty());
}

#[test]
fn a_place_that_others_can_write_to_or_that_is_on_a_disk_is_refused() {
    let bytes = tree_and(&[]);
    let place = memory();
    let with_mode = |mode: u32| {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
        Machine::careless("").unpack(&bytes, place.path(), &mut Unwatched).0
    };
    for mode in [0o777, 0o775, 0o757] {
        let error = with_mode(mode).unwrap_err();
        assert!(matches!(error, Error::Unpack(UnpackError::Place { .. })), "{error:?}");
    }
    assert!(with_mode(0o755).is_ok());
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (result, _) = Machine::careless("").unpack(&bytes, disk.path(), &mut Unwatched);
    assert!(matches!(result.unwrap_err(), Error::Unpack(UnpackError::Place { .. })));
}

#[test]
fn a_tree_below_the_version_floor_is_taken_away_again() {
    let bytes = tree_and(&[]);
    let floor = |floor: &str, bytes: &[u8], purpose| {
        let place = memory();
        let file = Some(format!(
            "[trust]\nminimum-version = \"{floor}\"\n[archive]\nauthentication = \"danger-none\""
        ));
        let machine = Machine { file, kind: TreeKind::Of(purpose), ..Machine::default() };
        let (result, _) = machine.unpack(bytes, place.path(), &mut Unwatched);
        (result.map(|_| ()), names(place.path()))
    };
    let (result, left) = floor("7", &bytes, Purpose::System);
    assert!(result.is_ok() && left == ["tree"]);
    let (result, left) = floor("7.1", &bytes, Purpose::System);
    assert_eq!(result.unwrap_err().class(), Class::Rollback);
    assert!(left.is_empty());
    // Extensions have no version of that kind.
    let release = "usr/lib/extension-release.d/extension-release.tree";
    let sysext = extension(&["usr", "usr/lib", "usr/lib/extension-release.d"], release);
    assert!(floor("7.1", &sysext, Purpose::Sysext).0.is_ok());
}

#[test]
fn memory_is_asked_for_before_it_is_taken() {
    let bytes = tree_and(&[]);
    let place = memory();
    let reserving = |reserve: &str| {
        let more = format!("[transport]\nmemory-reserve = \"{reserve}\"");
        Machine::careless(&more).unpack(&bytes, place.path(), &mut Unwatched).0
    };
    let error = reserving("1000000T").unwrap_err();
    // The archive itself is the first that needs some.
    assert_eq!((error.class(), error.finding().id), (Class::Dev, "source-memory"));
    assert!(names(place.path()).is_empty());
    assert!(reserving("1M").is_ok());
}

#[test]
fn a_tree_is_mounted_over_itself_and_takes_no_writes() {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    // Mounts of this thread alone. Only root has any; the guests show the same of a root.
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        return;
    }
    let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(none, "/", none, private, none).unwrap();
    let place = memory();
    let bytes = tree_and(&[]);
    let exposed = Machine::signed(&bytes).mounted(&bytes, place.path()).unwrap();
    let tree = place.path().join("tree");
    assert_eq!((exposed.path(), exposed.mounts()), (tree.as_path(), vec![tree.as_path()]));
    let written = fs::write(tree.join("usr/new"), "").unwrap_err();
    assert_eq!(written.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    let flags = nix::sys::statvfs::statvfs(&tree).unwrap().flags();
    assert!(flags.contains(nix::sys::statvfs::FsFlags::ST_NODEV));
    drop(exposed);
    assert!(names(place.path()).is_empty());
}

/// What a process of its own is asked to do; see [`killed_at`].
const KILLED: &str = "VERIROOT_TEST_KILLED_AT";
const PLACE: &str = "VERIROOT_TEST_PLACE";

/// Not a test by itself: unpacks, and kills itself on the way, where another test asks for it.
#[test]
fn dies_where_it_is_asked_to() {
    let (Ok(at), Ok(place)) = (std::env::var(KILLED), std::env::var(PLACE)) else { return };
    let die = || kill(getpid(), Signal::SIGKILL).unwrap();
    let mut progress = At(at.parse().unwrap(), die);
    let (result, _) = Machine::careless("").unpack(&tree_and(&[]), place.as_ref(), &mut progress);
    assert!(result.is_ok());
}

/// Whether a process of its own was killed on its way.
fn killed_at(step: u64, place: &Path) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "unpacked::dies_where_it_is_asked_to"])
        .env(KILLED, step.to_string())
        .env(PLACE, place)
        .output()
        .unwrap();
    !output.status.success()
}

#[test]
fn what_a_killed_process_left_is_taken_away_at_the_next_start() {
    let place = memory();
    let (mut step, mut left) = (0, 0);
    while killed_at(step, place.path()) {
        assert!(!place.path().join("tree").exists(), "{step}");
        left += names(place.path()).len();
        step += 1;
        assert!(step < 1000);
    }
    // At least one step for each entry; never more than the one that was killed last is there.
    assert!(step >= tar::tree().len() as u64 && left as u64 == step, "{step} {left}");
    assert_eq!(names(place.path()), ["tree"]);
    // Of another name, or in use: left alone.
    let other = place.path().join(".veriroot-other-0123456789abcdef");
    let ours = place.path().join(".veriroot-tree-not-random");
    fs::create_dir(&other).unwrap();
    fs::create_dir(&ours).unwrap();
    fs::remove_dir_all(place.path().join("tree")).unwrap();
    let (result, _) = Machine::careless("").unpack(&tree_and(&[]), place.path(), &mut Unwatched);
    assert!(result.is_ok() && other.exists() && ours.exists());
}

#[test]
fn nothing_is_left_where_the_tmpfs_is_full() {
    let mount = memory();
    let mounted = |size: &str| {
        let options = format!("size={size},mode=755");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(mount.path());
        command.status().is_ok_and(|it| it.success())
    };
    // Root may mount, and where not even root may, there is nothing to be seen here.
    if !nix::unistd::geteuid().is_root() || !mounted("64K") {
        return;
    }
    let unmount = || assert!(Command::new("umount").arg(mount.path()).status().unwrap().success());
    let (result, _) = Machine::careless("").unpack(&tree_and(&[]), mount.path(), &mut Unwatched);
    let left = names(mount.path());
    unmount();
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Unpack(UnpackError::Memory { .. })), "{error:?}");
    assert!(left.is_empty());

    // Somebody else takes the room while it is under way.
    assert!(mounted("256K"));
    let fill = || {
        fs::write(mount.path().join("other"), vec![1; 1 << 20]).unwrap_err();
    };
    let (result, _) = Machine::careless("").unpack(&tree_and(&[]), mount.path(), &mut At(2, fill));
    let left = names(mount.path());
    unmount();
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Unpack(UnpackError::Create { .. })), "{error:?}");
    assert_eq!(left, ["other"]);
}
