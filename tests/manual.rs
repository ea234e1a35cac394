// SPDX-License-Identifier: MIT OR Apache-2.0
//! Man pages and completions under `dist` are those of the program as it is: `make manual`.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a test that panics has failed")]

#[path = "../examples/manual.rs"]
#[expect(dead_code, reason = "its main is not run here")]
mod manual;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn what_is_kept_is_what_the_arguments_say() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    let files = manual::files().unwrap();
    for (path, content) in &files {
        let kept = fs::read(dist.join(path)).unwrap_or_default();
        assert!(kept == *content, "dist/{} is not up to date: make manual", path.display());
    }
    let made: BTreeSet<_> = files.iter().map(|(path, _)| dist.join(path)).collect();
    let kept = ["man", "completions"].map(|it| fs::read_dir(dist.join(it)).unwrap());
    let kept: BTreeSet<_> = kept.into_iter().flatten().map(|it| it.unwrap().path()).collect();
    assert_eq!(made, kept, "make manual");
}

#[test]
fn every_command_has_its_page() {
    let files = manual::files().unwrap();
    let page = |name: &str| {
        let path = Path::new("man").join(name);
        let (_, content) = files.iter().find(|(it, _)| *it == path).unwrap();
        String::from_utf8(content.clone()).unwrap()
    };
    let main = page("veriroot.1");
    for name in ["audit", "boot", "keys", "policy"] {
        assert!(main.contains(&format!("veriroot\\-{name}(1)")), "{main}");
        page(&format!("veriroot-{name}.1"));
    }
    assert!(main.contains("Exit codes"), "{main}");
    let list = page("veriroot-keys-list.1");
    assert!(list.contains("\\-\\-certificate"), "{list}");
    let (_, bash) = files.iter().find(|(it, _)| it.ends_with("veriroot.bash")).unwrap();
    assert!(String::from_utf8_lossy(bash).contains("--root-hash"));
}
