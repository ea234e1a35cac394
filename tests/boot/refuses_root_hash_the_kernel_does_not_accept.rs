// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The kernel as second witness, on a kernel that has not got our key: the signature is good, and
//! the boot ends all the same, without a try that leaves the signature out. A kernel that has the
//! key is in `keyring/`.

use veriroot::finding::{Class, Stage};

use crate::demands::{BOOT, Demand, SHOW, assert_refused, outcome, table};

/// What is demanded.
pub(crate) const REQUIRED: Demand = Demand {
    name: "kernel-keyring-required",
    policy: "[trust]\nkernel-keyring = \"require\"\n[boot]\nhold = \"1s\"\n",
    script: BOOT,
};

/// The twin.
pub(crate) const OFF: Demand = Demand {
    name: "kernel-keyring-off",
    policy: "[trust]\nkernel-keyring = \"off\"\n[boot]\nhold = \"1s\"\n",
    script: SHOW,
};

#[test]
fn refuses_root_hash_the_kernel_does_not_accept() {
    let console = assert_refused(&REQUIRED, Stage::Verity, Class::Sig);
    // ENOKEY, and the line that made it a demand
    assert!(console.contains("(os error 126)"), "{console}");
    assert!(console.contains("policy.toml:2\n"), "{console}");
    // The kernel was asked once.
    let asked = outcome(&REQUIRED).kernel.matches("verity: Root hash verification failed").count();
    assert_eq!(asked, 1, "{}", outcome(&REQUIRED).kernel);
}

#[test]
fn boots_where_the_kernel_is_not_asked() {
    let table = table(&OFF);
    assert!(!table.contains("root_hash_sig_key_desc"), "{table}");
}
