// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot doctor` in an initrd that boots, and in the same one less its trust anchors.

use veriroot_test_support::ddi::Ddi;

use crate::exposure::{Exposure, assert_lines, shown};

/// Nothing is booted.
pub(crate) const DOCTOR: Exposure = Exposure {
    name: "doctor",
    image: || Ddi::builder().build(),
    extra: None,
    policy: "",
    words: "root=dissect",
    script: "\
veriroot doctor; echo \"WHOLE $?\"
mv /etc/verity.d /tmp/elsewhere
veriroot doctor; echo \"WITHOUT $?\"
mv /tmp/elsewhere /etc/verity.d
",
};

#[test]
fn doctor_says_what_an_initrd_lacks() {
    let console = shown(&DOCTOR);
    let ends = ["READY", "WHOLE 0", "missing    trust-anchors", "NOT READY", "WITHOUT 2"];
    assert_lines(console, &ends);
    let whole = console.split("WHOLE").next().unwrap_or_default();
    assert!(!whole.contains("\nmissing"), "{whole}");
}
