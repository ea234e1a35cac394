// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The genuine image under policies of several kinds, all in one guest: what a policy file changes,
//! beside the twin under which the same image boots.

use std::sync::OnceLock;

use veriroot::finding::{Class, Stage};
use veriroot_test_support::guest::{self, Batch, Kernel, Outcome, Outcomes, Scenario};
use veriroot_test_support::http::Server;

use crate::machine::{initrd, refused, signed};

/// One policy file, and what runs under it.
#[derive(Debug)]
pub(crate) struct Demand {
    /// A word for it.
    pub(crate) name: &'static str,
    /// The only policy file.
    pub(crate) policy: &'static str,
    /// What runs.
    pub(crate) script: &'static str,
}

/// Boots up to a root that is mounted, shows what is live, and takes it down again.
pub(crate) const SHOW: &str = "\
veriroot boot && echo ROOT-MOUNTED && dmsetup table root
umount /sysroot; dmsetup remove root; rm -f /dev/mapper/root /dev/disk/by-*/*
";

/// Boots, and no more: a refusal ends it.
pub(crate) const BOOT: &str = "veriroot boot\n";

/// Runs all of them in one guest, once, and says what became of this one.
pub(crate) fn outcome(demand: &Demand) -> &'static Outcome {
    static ALL: OnceLock<Outcomes> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let server = Server::of("/image.raw", signed().bytes);
        let (mut batch, kernel) = (Batch::default(), Kernel::find());
        for demand in crate::DEMANDS {
            let scenario = Scenario::new(demand.name, &guest::announced(&server, "/image.raw"))
                .policy("policy.toml", demand.policy)
                .script(demand.script);
            batch.add(scenario);
        }
        batch.run(&kernel, initrd(&kernel).program("/usr/sbin/dmsetup".as_ref()))
    });
    all.of(demand.name)
}

/// Asserts that the root was mounted, and says what the live table was.
pub(crate) fn table(demand: &Demand) -> &'static str {
    let Outcome { console, exposed, verdict, .. } = outcome(demand);
    assert!(verdict.is_none() && console.contains("ROOT-MOUNTED\n"), "{console}");
    assert_eq!(*exposed, [""; 0], "not taken down:\n{console}");
    let table = console.lines().find(|line| line.contains(" verity "));
    assert!(table.is_some(), "no table:\n{console}");
    table.unwrap_or_default()
}

/// Asserts that the kernel, or what it mounted, ended the boot, and that nothing stays.
pub(crate) fn assert_refused(demand: &Demand, stage: Stage, class: Class) -> &'static str {
    refused(outcome(demand), stage, class)
}
