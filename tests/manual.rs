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
    let kept = kept.into_iter().flatten().map(|it| it.unwrap().path());
    let kept: BTreeSet<_> = kept.filter(|it| manual::is_made(it)).collect();
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
    for name in ["audit", "boot", "doctor", "keys", "policy"] {
        assert!(main.contains(&format!("veriroot\\-{name}(1)")), "{main}");
        page(&format!("veriroot-{name}.1"));
    }
    assert!(main.contains("Exit codes"), "{main}");
    let list = page("veriroot-keys-list.1");
    assert!(list.contains("\\-\\-certificate"), "{list}");
    let (_, bash) = files.iter().find(|(it, _)| it.ends_with("veriroot.bash")).unwrap();
    assert!(String::from_utf8_lossy(bash).contains("--root-hash"));
}

/// A page that is written by hand, without its escapes.
fn by_hand(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/man").join(name);
    let text = fs::read_to_string(&path).unwrap_or_default();
    assert!(text.lines().all(|it| it.len() <= 80), "{name}: longer than a line");
    text.replace("\\-", "-")
}

#[test]
fn every_command_stands_in_the_overview() {
    let overview = by_hand("veriroot.7");
    let boot = by_hand("veriroot-boot.8");
    for command in manual::command().get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("veriroot-{}", command.get_name());
        assert!(overview.contains(&name) || boot.contains(&name), "veriroot.7 has no {name}");
    }
}

#[test]
fn every_key_of_policy_files_has_its_paragraph() {
    let page = by_hand("veriroot-policy.5");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy_file/raw.rs");
    let source = fs::read_to_string(source).unwrap();
    let fields = source.lines().filter_map(|it| it.trim_start().strip_prefix("pub(super) "));
    let fields = fields.filter_map(|it| it.split_once(": ")).filter(|it| !it.1.starts_with("Raw"));
    let mut keys = 0;
    for (field, _type) in fields {
        let key = field.replace('_', "-");
        let paragraph = format!("\n.TP\n.B {key}\n");
        let table = format!(".{key}]]\n");
        assert!(page.contains(&paragraph) || page.contains(&table), "veriroot-policy.5: {key}");
        keys += 1;
    }
    assert!(keys >= 18, "{keys} keys: the list is read from another form than it has");
}
