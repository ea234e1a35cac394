// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! How the program is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A position-independent program has some 10,000 addresses to adjust at its start: as DT_RELR
    // they take 5 KiB instead of 250. glibc reads it from 2.36 on; a linker that does not know
    // the word ignores it.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
}
