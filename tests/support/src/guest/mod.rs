// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A real machine, emulated: a distribution's kernel, an initrd made here, and nothing of the host
//! but its loopback (10.0.2.2 from inside).
//!
//! ```no_run
//! use veriroot_test_support::guest::{Guest, Initrd, Kernel};
//!
//! let kernel = Kernel::find();
//! let initrd = Initrd::with_program(&kernel, "target/release/veriroot".as_ref())
//!     .certificate("signer.crt", "PEM")
//!     .policy("netboot.toml", "[boot]\non-refusal = \"reboot\"\n")
//!     .build();
//! let run = Guest::new(&kernel, &initrd).boot("console=ttyS0 panic=-1 quiet");
//! println!("{}", run.console());
//! ```
//!
//! [`Batch`] runs many command lines in one guest, for what is refused and so never leaves the
//! initrd.

mod batch;
mod cpio;
mod initrd;
mod kernel;
mod qemu;
mod state;
mod verdict;

use std::path::PathBuf;

use crate::http::Server;

pub use batch::{Batch, Outcome, Outcomes, Scenario};
pub use initrd::{Initrd, InitrdBuilder, Sizes};
pub use kernel::{Kernel, Module};
pub use qemu::{Firmware, Guest, Line, Run};
pub use state::State;
pub use verdict::Verdict;

/// The kernel command line that people use, for an image at `path` of `server`: its second
/// partition is to be the root. The console and what follows are the guest's own needs.
#[must_use]
pub fn announced(server: &Server, path: &str) -> String {
    let port = server.address().port();
    format!(
        "rd.systemd.pull=raw,machine,verify=no,blockdev:image:http://10.0.2.2:{port}{path} \
         root=/dev/disk/by-loop-ref/image.raw-part2 console=ttyS0 panic=-1 quiet"
    )
}

/// The program as it ships, which `make program` built: beside the tests' own build.
///
/// # Panics
/// If it is not there, with a hint.
#[must_use]
pub fn release_program() -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    let program = this.ancestors().nth(3).expect("target/PROFILE/KIND/NAME");
    let program = program.join("release/veriroot");
    assert!(program.is_file(), "no {}: run `make program` first", program.display());
    program
}

/// `policy/netboot.toml` as shipped, but for how long the summary of a refusal stays.
///
/// # Panics
/// If that file is not there or says nothing about it.
#[must_use]
pub fn netboot_policy(hold: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy/netboot.toml");
    let shipped = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let text = shipped.replace("hold = \"60s\"", &format!("hold = \"{hold}\""));
    assert_ne!(text, shipped, "{path} says nothing of hold");
    text
}
