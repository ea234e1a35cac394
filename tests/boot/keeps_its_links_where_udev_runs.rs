// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A real udev with its usual rules, in the initrd and again after it: links to what was
//! authenticated stay, with our rule in the image and without, and what lies below dm-verity gets no
//! name at all.

use veriroot_test_support::ddi::Image;

use crate::exposure::{Exposure, assert_lines, shown};

/// Boots between two lives of udev.
pub(crate) const UDEV: Exposure = Exposure {
    name: "udev",
    image: || Image::from_zst_fixture("root-ext4-signed"),
    extra: None,
    policy: "[boot]\nhold = \"1s\"\n",
    words: "",
    script: "\
ln -s /usr/bin/udevadm /tmp/systemd-udevd
udevd() { /tmp/systemd-udevd --daemon; udevadm trigger --action=add; udevadm settle --timeout=15; }
show() {
    for link in /dev/mapper/root /dev/disk/*/*; do
        [ -e $link ] && echo \"$1 ${link#/dev/} $(readlink -f $link)\"
    done
}
mkdir -p /run/udev && udevd
veriroot boot || exit $?
udevadm settle --timeout=15; show FIRST
udevadm info --query=property /dev/dm-0 | grep -e DEVLINKS -e SYSTEMD_READY -e ID_FS | sed 's/^/DM /'
udevadm info --query=property /dev/loop0 | grep -e DEVLINKS -e SYSTEMD_READY -e ID_FS -e UDISKS | sed 's/^/LOOP /'
udevadm control --exit; udevadm info --cleanup-db; sleep 1
mv /lib/udev/rules.d/59-veriroot.rules /run/kept
udevd; show SECOND
udevadm info --query=property /dev/dm-0 | grep -e DEVLINKS -e SYSTEMD_READY | sed 's/^/DM2 /'
udevadm control --exit; udevadm info --cleanup-db; sleep 1
mv /run/udev/rules.d/59-veriroot.rules /run/kept2
udevd; show THIRD
udevadm control --exit; sleep 1
rm -rf /run/udev; umount /sysroot; dmsetup remove root; rm -rf /dev/mapper/root /dev/disk
",
};

#[test]
fn keeps_its_links_where_udev_runs() {
    let console = shown(&UDEV);
    for life in ["FIRST", "SECOND", "THIRD"] {
        let root = |link: &str| format!("{life} {link} /dev/dm-0");
        let by_loop_ref = root("disk/by-loop-ref/image.raw-part1");
        assert_lines(
            console,
            &[&root("mapper/root"), &root("disk/by-designator/root"), &by_loop_ref],
        );
    }
    // Where our rule is, nothing leads below dm-verity, and nothing but our names leads to it. In the
    // third life there is none at all: udev names what it finds, and leaves alone what it did not make.
    let ruled = console.lines().filter(|it| !it.starts_with("THIRD "));
    for line in ruled {
        for kind in
            ["by-uuid/", "by-label/", "by-partuuid/", "by-id/", " /dev/loop0", " /dev/loop1"]
        {
            assert!(!line.contains(kind), "{kind}:\n{console}");
        }
    }
    assert_lines(console, &["DM ID_FS_TYPE=ext4", "LOOP UDISKS_IGNORE=1", "LOOP SYSTEMD_READY=0"]);
    for line in console.lines().filter(|it| it.starts_with("DM ") || it.starts_with("DM2 ")) {
        assert!(!line.contains("SYSTEMD_READY=0"), "{console}");
    }
    assert!(
        !console.lines().any(|it| it.starts_with("LOOP DEVLINKS") || it.starts_with("LOOP ID_FS")),
        "{console}"
    );
    let links = console.lines().find(|it| it.starts_with("DM2 DEVLINKS="));
    assert!(links.is_some_and(|it| it.contains("/dev/mapper/root")), "{console}");
}
