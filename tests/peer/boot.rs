// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make boot-peer`: from the start of the kernel to the root's first program, for an image with 180
//! MiB of noise: systemd 262 alone, the same initrd with veriroot in it, and veriroot in a plain
//! one. Rounds are interleaved, medians compared; what the root stands on is compared too.
//!
//! Emulated machines are slow and noisy: the ratios mean something, the seconds do not.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the figures are what this is for, and it reads a program to put into an image"
)]

mod beside;

use std::path::{Path, PathBuf};
use std::time::Duration;

use veriroot_test_support::ddi::{Ddi, Volume};
use veriroot_test_support::erofs::{Content, Erofs};
use veriroot_test_support::guest::{self, Guest, Initrd, Kernel};
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;

const PAYLOAD: u64 = 180 << 20;

/// Says when it was reached and what it stands on, and stops the machine.
const INIT: &str = "#!/usr/bin/busybox sh
B=/usr/bin/busybox
$B mount -t proc proc /proc 2>/dev/null
$B mount -t devtmpfs dev /dev 2>/dev/null
{ $B echo \"ROOT-UP $($B cat /proc/uptime)\"; $B grep ' / ' /proc/mounts; } > /dev/console
$B poweroff -f
";

/// One way to boot it.
struct Way {
    name: &'static str,
    initrd: Initrd,
    cmdline: String,
    /// Seconds of the kernel's clock, a round each.
    seconds: Vec<f64>,
}

fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build/systemd").join(name)
}

fn ways(kernel: &Kernel, server: &Server) -> [Way; 3] {
    let port = server.address().port();
    let words = "root=dissect console=ttyS0 panic=-1 quiet ip=dhcp systemd.show_status=no";
    let pull = |name: &str| {
        let url = format!("http://10.0.2.2:{port}/image.raw");
        format!("rd.systemd.pull=raw,machine,verify=no,blockdev:{name}:{url} {words}")
    };
    let (peer, ours) = (built("peer.img"), built("mkosi/veriroot.cpio"));
    let policy = guest::netboot_policy("2s");
    let certificate = || keys::trusted().certificate_pem();
    let plain = Initrd::with_program(kernel, &guest::release_program())
        .policy("netboot.toml", &policy)
        .certificate("trusted.crt", certificate());
    println!("plain initrd: {:?}", plain.sizes());
    let beside = Initrd::on_top_of(&[&peer, &ours])
        .policy("netboot.toml", &policy)
        .certificate("trusted.crt", certificate());
    let way = |name, initrd, cmdline| Way { name, initrd, cmdline, seconds: Vec::new() };
    [
        way("systemd", Initrd::on_top_of(&[&peer]).build(), pull("rootdisk")),
        way("systemd + veriroot", beside.build(), pull("image")),
        way("veriroot", plain.build(), pull("image")),
    ]
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied();
    assert!(middle.is_some(), "no round arrived");
    middle.unwrap_or_default()
}

#[test]
fn reaches_the_root_sooner_than_systemd_alone() {
    let rounds = std::env::var("VERIROOT_ROUNDS").map_or(3, |it| it.parse().unwrap());
    let busybox = std::fs::read("/usr/bin/busybox").unwrap();
    let tree = Erofs::root_tree(0)
        .file("usr/bin/busybox", 0o755, Content::Bytes(busybox))
        .file("usr/sbin/init", 0o755, INIT)
        .file("usr/lib/payload", 0o644, Content::Noise { seed: 1, len: PAYLOAD });
    let image = Ddi::builder().volume("root", Volume::new(tree.build())).root_second().build();
    let (kernel, server) = (Kernel::find(), Server::of("/image.raw", image.bytes));
    let mut ways = ways(&kernel, &server);
    for round in 1..=rounds {
        for way in &mut ways {
            let guest = Guest::new(&kernel, &way.initrd);
            let run = guest.memory_mib(3072).limit(Duration::from_secs(300)).boot(&way.cmdline);
            // Now and then the peer loses a race with itself: it counts as not arrived.
            let Some(up) = run.find("ROOT-UP ") else {
                println!("{round}: {}: no root after {:.0} s", way.name, run.wall.as_secs_f64());
                assert!(way.name == "systemd", "{}", run.tail());
                continue;
            };
            let seconds = up.text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap();
            let on = run.lines.iter().find(|it| it.text.contains(" / erofs")).unwrap();
            println!("{round}: {}: {seconds} s, on {}", way.name, on.text);
            way.seconds.push(seconds);
        }
    }
    let [peer, beside, plain] = ways.map(|it| median(&it.seconds));
    println!(
        "medians: systemd {peer:.1} s, systemd + veriroot {beside:.1} s, veriroot {plain:.1} s"
    );
    println!("ratios: {:.2} and {:.2}", beside / peer, plain / peer);
    assert!(beside <= 0.9 * peer && plain <= 0.35 * peer, "slower than promised");
}
