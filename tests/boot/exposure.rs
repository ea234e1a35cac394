// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is made of images beside the plain root, all in one guest: commands by hand, a usr without
//! a root, partitions that policy opens, a layer for writes. Each with its own image and policy, and
//! each refusal beside the acceptance it differs from in one thing.

use std::sync::OnceLock;
use std::time::Duration;

use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::fixture;
use veriroot_test_support::guest::{self, Batch, Initrd, Kernel, Outcome, Outcomes, Scenario};
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;

use crate::machine::refused;

/// One image, one policy, and what runs.
#[derive(Debug)]
pub(crate) struct Exposure {
    /// A word for it.
    pub(crate) name: &'static str,
    /// Makes the image.
    pub(crate) image: fn() -> Image,
    /// Makes a second image.
    pub(crate) extra: Option<fn() -> Image>,
    /// The only policy file; that of a netboot if it is empty.
    pub(crate) policy: &'static str,
    /// The words of the kernel command line after the URL of the image; `@extra@` is the second
    /// image's.
    pub(crate) words: &'static str,
    /// What runs; `@url@` is the image's.
    pub(crate) script: &'static str,
}

/// Boots and shows what is there, as `SHOW-…` lines, then takes it down.
pub(crate) const SHOW: &str = "\
veriroot boot || exit $?
echo ROOT-MOUNTED
sed -n 's/^/SHOW-MOUNT /p' /proc/mounts | grep -e sysroot -e /run/
find /run/extensions /run/confexts /run/portables -type f 2>/dev/null | sed 's/^/SHOW-FILE /'
ls -l /dev/mapper /dev/disk/*/ 2>/dev/null | sed -n 's/.* \\(.*\\) -> /SHOW-LINK \\1 -> /p'
touch /sysroot/var/written 2>/dev/null && echo VAR-TAKES-WRITES
touch /sysroot/home/written 2>/dev/null || echo HOME-DOES-NOT
cat /sys/block/loop*/loop/partscan 2>/dev/null | sort -u | sed 's/^/PARTSCAN /'
for point in $(grep -o -e '/sysroot[^ ]*' -e '/run/[^ ]*' /proc/mounts | sort -r); do umount $point; done
rmdir /run/extensions/* /run/confexts/* /run/portables/* /run/machines/* 2>/dev/null
dmsetup remove_all; rm -f /dev/mapper/[!c]* /dev/disk/by-*/*
";

/// Boots, and no more: a refusal ends it.
pub(crate) const BOOT: &str = "veriroot boot\n";

/// Runs all of them in one guest, once, and says what became of this one.
pub(crate) fn outcome(exposure: &Exposure) -> &'static Outcome {
    static ALL: OnceLock<Outcomes> = OnceLock::new();
    ALL.get_or_init(|| run(crate::EXPOSURES, Duration::from_secs(300))).of(exposure.name)
}

/// Runs them in one guest.
pub(crate) fn run(exposures: &[&Exposure], limit: Duration) -> Outcomes {
    let (server, mut batch, kernel) = (Server::start(), Batch::default(), Kernel::find());
    for exposure in exposures {
        let path = format!("/{}/image.raw", exposure.name);
        server.serve(&path, (exposure.image)().bytes);
        let at = |path: &str| format!("http://10.0.2.2:{}{path}", server.address().port());
        let (url, extra) = (at(&path), format!("/{}/extra.raw", exposure.name));
        if let Some(image) = exposure.extra {
            server.serve(&extra, image().bytes);
        }
        let cmdline = format!(
            "rd.systemd.pull=raw,machine,verify=no,blockdev:image:{url} console=ttyS0 panic=-1 \
             quiet {}",
            exposure.words.replace("@extra@", &at(&extra))
        );
        let mut scenario = Scenario::new(exposure.name, &cmdline)
            .script(&exposure.script.replace("@url@", &url))
            .limit(limit);
        if !exposure.policy.is_empty() {
            scenario = scenario.policy("policy.toml", exposure.policy);
        }
        batch.add(scenario);
    }
    let initrd = Initrd::with_program(&kernel, &guest::release_program())
        .policy("netboot.toml", &guest::netboot_policy("1s"))
        .certificate("trusted.crt", fixture("trusted.crt"))
        .certificate("built.crt", keys::trusted().certificate_pem())
        .program("/usr/sbin/dmsetup".as_ref())
        .program("/usr/bin/strace".as_ref())
        .udev();
    batch.run(&kernel, initrd)
}

/// Asserts that it ran to its end and left nothing, and gives the console.
pub(crate) fn shown(exposure: &Exposure) -> &'static str {
    let Outcome { console, exposed, exit, .. } = outcome(exposure);
    assert_eq!(*exit, 0, "{console}");
    assert_eq!(*exposed, [""; 0], "not taken down:\n{console}");
    console
}

/// Asserts that a boot refused, and that nothing stays.
pub(crate) fn assert_refused(exposure: &Exposure, stage: Stage, class: Class) -> &'static str {
    refused(outcome(exposure), stage, class)
}

/// Asserts that the console has all of these lines, or beginnings of lines.
pub(crate) fn assert_lines(console: &str, beginnings: &[&str]) {
    for beginning in beginnings {
        assert!(console.lines().any(|it| it.starts_with(beginning)), "{beginning}:\n{console}");
    }
}
