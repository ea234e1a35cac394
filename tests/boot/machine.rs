// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The machine all scenarios use, and what must hold of every refusal.

use std::sync::OnceLock;
use std::time::Duration;

use veriroot::finding::{Class, Stage};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::fixture;
use veriroot_test_support::guest::{
    self, Batch, Initrd, InitrdBuilder, Kernel, Outcome, Outcomes, Scenario, Verdict,
};
use veriroot_test_support::http::{Request, Server};

/// The shell's word for a program whose PID namespace a reboot ended (SIGHUP).
const REBOOTED: i32 = 129;

/// One thing wrong about an image or a command line.
#[derive(Debug)]
pub(crate) struct Attack {
    /// A word for it.
    pub(crate) name: &'static str,
    /// Makes the image.
    pub(crate) image: fn() -> Image,
    /// Kernel command line words beside the usual ones; `@root-hash@` is the one of its root.
    pub(crate) words: &'static str,
}

/// What became of an attack.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// What the guest saw.
    pub(crate) outcome: &'static Outcome,
    /// Body bytes that left the server for it.
    pub(crate) served: u64,
}

/// The signed image: root is its second partition.
pub(crate) fn signed() -> Image {
    Image::from_zst_fixture("boot-signed")
}

/// The same root, signed by nobody this machine trusts.
pub(crate) fn stranger() -> Image {
    Image::from_zst_fixture("boot-stranger")
}

/// The program, the policy of a netboot as shipped, and the one trust anchor.
pub(crate) fn initrd(kernel: &Kernel) -> InitrdBuilder {
    Initrd::with_program(kernel, &guest::release_program())
        .policy("netboot.toml", &guest::netboot_policy("1s"))
        .certificate("trusted.crt", fixture("trusted.crt"))
}

/// Runs all attacks in one guest, once, and says what became of this one.
pub(crate) fn attempt(attack: &Attack) -> Attempt {
    static ALL: OnceLock<(Outcomes, Vec<Request>)> = OnceLock::new();
    let (outcomes, requests) = ALL.get_or_init(|| {
        let (server, mut batch, kernel) = (Server::start(), Batch::default(), Kernel::find());
        for attack in crate::ATTACKS {
            let path = path(attack);
            let image = (attack.image)();
            let words = attack.words.replace("@root-hash@", &image.root_hash_hex("root"));
            let cmdline = format!("{} {words}", guest::announced(&server, &path));
            server.serve(&path, image.bytes);
            batch.add(Scenario::new(attack.name, &cmdline).limit(Duration::from_secs(30)));
        }
        (batch.run(&kernel, initrd(&kernel)), server.requests())
    });
    let path = path(attack);
    let served = requests.iter().filter(|it| it.path == path).map(|it| it.sent).sum();
    Attempt { outcome: outcomes.of(attack.name), served }
}

/// Asserts what must hold of every refusal: the verdict, the reboot that the policy asks for, and
/// that no device, link, mount or process is left.
pub(crate) fn assert_refused(attack: &Attack, stage: Stage, class: Class) -> Attempt {
    let attempt = attempt(attack);
    let console = refused(attempt.outcome, stage, class);
    assert_eq!(attempt.outcome.exit, REBOOTED, "{console}");
    assert!(attempt.served > 0, "it never asked for the image:\n{console}");
    attempt
}

/// Asserts that it was refused by that stage for that, and that nothing stays; the console.
pub(crate) fn refused(outcome: &Outcome, stage: Stage, class: Class) -> &str {
    outcome.assert_refused(&Verdict::of(stage.name(), class.name(), class.exit_code()))
}

fn path(attack: &Attack) -> String {
    format!("/{}/image.raw", attack.name)
}
