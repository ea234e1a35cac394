// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Extensions, portable services and containers beside the root: mounted where systemd looks for
//! them, each under a device of its own; one that is refused takes the root with it.

use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::exposure::{BOOT, Exposure, SHOW, assert_lines, assert_refused, shown};

const RELEASE: &str = "lib/extension-release.d/extension-release.tools";

fn usr() -> Volume {
    let tree = Erofs::new().file(RELEASE, 0o644, "ID=_any\n").file("bin/tool", 0o755, "tool\n");
    Volume::new(tree.build())
}

fn of(volume: Volume) -> Image {
    Ddi::empty().volume("usr", volume).build()
}

fn confext() -> Image {
    let release = "etc/extension-release.d/extension-release.tools";
    let tree = Erofs::new().file(release, 0o644, "ID=_any\n").file("etc/route", 0o644, "route\n");
    Ddi::empty().volume("root", Volume::new(tree.build())).build()
}

/// A system extension that has usr alone.
pub(crate) const SYSEXT: Exposure = Exposure {
    name: "sysext",
    image: || Ddi::builder().build(),
    extra: Some(|| of(usr())),
    policy: "",
    words: "root=dissect rd.systemd.pull=raw,sysext,verify=no:tools:@extra@",
    script: SHOW,
};
/// A configuration extension.
pub(crate) const CONFEXT: Exposure = Exposure {
    name: "confext",
    extra: Some(confext),
    words: "root=dissect rd.systemd.pull=raw,confext,verify=no:tools:@extra@",
    ..SYSEXT
};
/// A portable service.
pub(crate) const PORTABLE: Exposure = Exposure {
    name: "portable",
    extra: Some(|| Ddi::builder().build()),
    words: "root=dissect rd.systemd.pull=raw,portable,verify=no:tools:@extra@",
    ..SYSEXT
};
/// A machine for a container: a system beside the root, and not the root.
pub(crate) const MACHINE: Exposure = Exposure {
    name: "machine",
    words: "root=/dev/disk/by-loop-ref/image.raw-part1 rd.systemd.pull=raw,machine,verify=no:tools:@extra@",
    ..PORTABLE
};
/// An extension in a machine's place.
pub(crate) const NO_MACHINE: Exposure =
    Exposure { name: "machine-sysext", extra: Some(|| of(usr())), script: BOOT, ..MACHINE };
/// Under another name than it has inside.
pub(crate) const RENAMED: Exposure = Exposure {
    name: "sysext-renamed",
    words: "root=dissect rd.systemd.pull=raw,sysext,verify=no:other:@extra@",
    script: BOOT,
    ..SYSEXT
};
/// One bit.
pub(crate) const FLIPPED: Exposure = Exposure {
    name: "sysext-flipped",
    extra: Some(|| of(usr()).flip_bit("usr", 1200, 3)),
    script: BOOT,
    ..SYSEXT
};
/// A stranger's.
pub(crate) const STRANGER: Exposure = Exposure {
    name: "sysext-stranger",
    extra: Some(|| of(usr().signed_by(&keys::stranger()))),
    ..FLIPPED
};
/// Nobody's.
pub(crate) const STRIPPED: Exposure = Exposure {
    name: "sysext-stripped",
    extra: Some(|| of(usr()).remove("usr-verity-sig")),
    ..FLIPPED
};
/// A root with a good signature in an extension's place.
pub(crate) const ROOT: Exposure =
    Exposure { name: "sysext-root", extra: Some(|| Ddi::builder().build()), ..FLIPPED };
/// An extension with a good signature in the root's place.
pub(crate) const AS_ROOT: Exposure = Exposure {
    name: "root-sysext",
    image: || {
        let tree = Erofs::root_tree(4096).file(&format!("usr/{RELEASE}"), 0o644, "ID=_any\n");
        Ddi::empty().volume("root", Volume::new(tree.build())).build()
    },
    extra: None,
    words: "root=dissect",
    script: BOOT,
    ..SYSEXT
};
/// A key that may sign roots and no extensions.
pub(crate) const SCOPED: Exposure = Exposure {
    name: "sysext-scoped",
    policy: "\
[[trust.signer]]
certificate = \"/etc/verity.d/built.crt\"
designators = [\"root\", \"usr\"]
[boot]
hold = \"1s\"
",
    script: BOOT,
    ..SYSEXT
};
/// The same where it may.
pub(crate) const SCOPED_TOO: Exposure = Exposure {
    name: "sysext-scoped-too",
    policy: "\
[[trust.signer]]
certificate = \"/etc/verity.d/built.crt\"
designators = [\"root\", \"sysext\"]
[boot]
hold = \"1s\"
",
    script: SHOW,
    ..SYSEXT
};

#[test]
fn exposes_extensions_as_directories() {
    for exposure in [&SYSEXT, &SCOPED_TOO] {
        let lines = [
            "SHOW-MOUNT /dev/dm-1 /sysroot erofs ro,nodev",
            "SHOW-MOUNT /dev/dm-0 /run/extensions/tools/usr erofs ro,nodev",
            "SHOW-LINK sysext-tools-usr -> /dev/dm-0",
            "SHOW-FILE /run/extensions/tools/usr/bin/tool",
        ];
        assert_lines(shown(exposure), &lines);
    }
    let confext = ["SHOW-MOUNT /dev/dm-0 /run/confexts/tools erofs ro,nosuid,nodev,noexec"];
    assert_lines(shown(&CONFEXT), &confext);
    let console = shown(&PORTABLE);
    assert_lines(console, &["SHOW-MOUNT /dev/dm-0 /run/portables/tools erofs ro,nodev"]);
    // Never as a file that another program would dissect again.
    assert!(!console.contains(".raw ->"), "{console}");
    let machine = [
        "SHOW-MOUNT /dev/dm-1 /sysroot erofs ro,nodev",
        "SHOW-MOUNT /dev/dm-0 /run/machines/tools erofs ro,nodev",
    ];
    assert_lines(shown(&MACHINE), &machine);
}

#[test]
fn refuses_extension_that_is_not_what_was_signed_and_the_root_with_it() {
    assert_refused(&FLIPPED, Stage::Fetch, Class::Verity);
    assert_refused(&STRANGER, Stage::Authenticate, Class::Sig);
    // Absent is fine with the policy, and then there is nothing to use.
    assert_refused(&STRIPPED, Stage::Policy, Class::Policy);
    assert_refused(&SCOPED, Stage::Authenticate, Class::Sig);
}

#[test]
fn refuses_image_used_as_what_it_is_not() {
    for (exposure, found) in [
        (&RENAMED, "the extension \"tools\""),
        (&ROOT, "an operating system"),
        (&AS_ROOT, "the extension \"tools\""),
        (&NO_MACHINE, "the extension \"tools\""),
    ] {
        let console = assert_refused(exposure, Stage::Expose, Class::Policy);
        assert!(console.contains(found) && console.contains("expose-role"), "{console}");
    }
}
