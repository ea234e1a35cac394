// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Where fewer descriptors are allowed than the children would take, they make do with those: what is
//! signed is accepted, and a stranger's image is refused for what it is.

use std::process::Command;

use veriroot_test_support::ddi::{Ddi, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::{SIGNED, run_by, serve};

#[test]
fn a_lower_limit_of_descriptors_is_kept() {
    let volume = || Volume::new(Erofs::root_tree(4096).build());
    for (volume, code) in [(volume(), 0), (volume().signed_by(&keys::stranger()), 22)] {
        let server = serve(&Ddi::empty().volume("root", volume).build().bytes);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 64 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_veriroot")]);
        let ran = run_by(&mut limited, "audit", &[SIGNED, &server.url("/image.raw")]);
        assert_eq!(ran.code, code, "{}{}", ran.verdict, ran.stderr);
    }
}
