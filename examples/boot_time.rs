// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! How long a netboot takes: from the start of the kernel to the init of the root.
//!
//! Boots a signed image with a payload of noise (MiB, 180 unless told) in the emulated machine, a few
//! times, and prints what the guest's own clock said. `make boot-time`. Emulation is slow and
//! machines are noisy: compare figures of one run only.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a program for people, on inputs it makes itself"
)]

use veriroot_test_support::ddi::{Ddi, Volume};
use veriroot_test_support::erofs::{Content, Erofs};
use veriroot_test_support::guest::{self, Guest, Initrd, Kernel};
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;

/// Boots that are timed.
const ROUNDS: usize = 3;

/// Says when it was reached, and stops the machine.
const INIT: &str = "#!/usr/bin/busybox sh
B=/usr/bin/busybox
$B mount -t proc proc /proc
$B echo \"ROOT-UP $($B cat /proc/uptime)\" > /dev/console
$B poweroff -f
";

fn main() {
    let mib: u64 = std::env::args().nth(1).map_or(180, |it| it.parse().unwrap());
    let busybox = std::fs::read("/usr/bin/busybox").unwrap();
    let tree = Erofs::root_tree(0)
        .file("usr/bin/busybox", 0o755, Content::Bytes(busybox))
        .file("usr/sbin/init", 0o755, INIT)
        .file("usr/lib/payload", 0o644, Content::Noise { seed: 1, len: mib << 20 });
    let image = Ddi::builder().volume("root", Volume::new(tree.build())).root_second().build();
    println!("image: {} MiB, {mib} MiB of them noise", image.bytes.len() >> 20);

    let kernel = Kernel::find();
    let initrd = Initrd::with_program(&kernel, &guest::release_program())
        .policy("netboot.toml", &guest::netboot_policy("2s"))
        .certificate("trusted.crt", keys::trusted().certificate_pem())
        .build();
    println!("initrd: {:?}", initrd.sizes);
    let server = Server::of("/image.raw", image.bytes);
    for round in 1..=ROUNDS {
        let run = Guest::new(&kernel, &initrd).boot(&guest::announced(&server, "/image.raw"));
        let up = run.find("ROOT-UP").unwrap_or_else(|| panic!("{}", run.tail()));
        println!(
            "{round}: {} (s since the kernel's start), {:.1} s in all",
            up.text,
            run.wall.as_secs_f64()
        );
    }
}
