// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Three command lines as people write them, booted by systemd 262 as it comes, and by the same
//! initrd with veriroot in it: an image that was changed, one that nobody trusts, and one that is to
//! be trusted, which systemd boots for another reason than its signature.

use std::time::Duration;

use veriroot_test_support::ddi::Image;
use veriroot_test_support::fixture;
use veriroot_test_support::guest::{self, Guest, Initrd, Kernel, Run, Verdict};
use veriroot_test_support::http::Server;

use super::built;

/// One command line and its image.
struct Boot {
    name: &'static str,
    image: fn() -> Image,
    /// What the image is called: systemd looks for a disk only under one name.
    called: &'static str,
    words: &'static str,
    /// What veriroot has to say; nothing where it has to boot.
    refusal: Option<(&'static str, &'static str, u8)>,
}

const BOOTS: [Boot; 3] = [
    Boot {
        name: "one bit of the data flipped",
        image: || {
            let signed = Image::from_zst_fixture("boot-signed");
            let end = signed.content("root").len() - 5000;
            signed.flip_bit("root", end, 3)
        },
        called: "image",
        words: "root=/dev/disk/by-loop-ref/image.raw-part2",
        refusal: Some(("fetch", "verity", 22)),
    },
    Boot {
        name: "signed by a key that nobody trusts",
        image: || Image::from_zst_fixture("boot-stranger"),
        called: "rootdisk",
        words: "root=dissect systemd.image_policy=root=signed",
        refusal: Some(("authenticate", "sig", 22)),
    },
    Boot {
        name: "signed, its certificate in /etc/verity.d",
        image: || Image::from_zst_fixture("boot-signed"),
        called: "rootdisk",
        words: "root=gpt-auto",
        refusal: None,
    },
];

/// What a machine said, in one line.
fn said(run: &Run) -> String {
    if let Some(Verdict { stage, class, exit }) = run.verdict() {
        return format!("refused: {stage}, class {class}, exit code {exit}");
    }
    if run.find("ROOT-UP").is_none() {
        return format!("no root after {:.0} s", run.wall.as_secs_f64());
    }
    let on = run.lines.iter().find(|it| it.text.contains(" / erofs"));
    format!("boots on {}", on.map_or("", |it| it.text.as_str()))
}

/// What systemd and the kernel say of the signature.
fn of_the_signature(run: &Run) -> Vec<&str> {
    let words = ["signature", "ENOKEY", "retrying"];
    let lines = run.lines.iter().map(|it| it.text.as_str());
    lines.filter(|line| words.iter().any(|it| line.contains(it))).collect()
}

#[test]
fn refuses_what_systemd_boots() {
    let kernel = Kernel::find();
    let (systemd, veriroot) = (built("peer.img"), built("mkosi/veriroot.cpio"));
    let peer =
        Initrd::on_top_of(&[&systemd]).certificate("trusted.crt", fixture("trusted.crt")).build();
    let ours = Initrd::on_top_of(&[&systemd, &veriroot])
        .examined()
        .policy("netboot.toml", &guest::netboot_policy("1s"))
        .certificate("trusted.crt", fixture("trusted.crt"))
        .build();
    for Boot { name, image, called, words, refusal } in BOOTS {
        let server = Server::of("/image.raw", image().bytes);
        let cmdline = format!(
            "rd.systemd.pull=raw,machine,verify=no,blockdev:{called}:http://10.0.2.2:{}/image.raw \
             {words} console=ttyS0 panic=-1 ip=dhcp systemd.show_status=no",
            server.address().port()
        );
        let boot = |initrd, more: &str| {
            let guest = Guest::new(&kernel, initrd).memory_mib(1536);
            guest.limit(Duration::from_secs(400)).boot(&format!("{cmdline} {more}"))
        };
        let theirs = boot(&peer, "systemd.log_target=kmsg systemd.log_level=info");
        println!("{name}: systemd: {}", said(&theirs));
        of_the_signature(&theirs).iter().for_each(|it| println!("    {it}"));
        let run = boot(&ours, "quiet");
        println!("{name}: veriroot: {}", said(&run));
        run.require("READY");
        match refusal {
            Some((stage, class, exit)) => run.assert_refused(&Verdict::of(stage, class, exit)),
            None => assert!(run.find("ROOT-UP").is_some(), "{}", run.tail()),
        }
    }
}
