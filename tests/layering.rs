// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The rules of the source tree that no compiler holds: direction, where `unsafe` lives, twins of
//! doctests that must not compile, length of files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that panics fails, which is what a test is for"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have; tests at its bottom and documentation of items, where the doctests are,
/// not counted.
const LINES: usize = 400;

struct Source {
    /// From the package's root.
    path: String,
    text: String,
}

impl Source {
    /// The text without comments, one line for each line of the file.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(|line| match line.find("//") {
            // A URL in a string is no comment.
            Some(at) if !line[..at].ends_with(':') => &line[..at],
            _ => line,
        })
    }

    /// The same without the tests at the bottom.
    fn shipped(&self) -> String {
        let code: Vec<&str> = self.code().collect();
        let tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {");
        let end = code.windows(2).position(tests).unwrap_or(code.len());
        code[..end].join("\n")
    }

    fn is_in(&self, directory: &str) -> bool {
        self.path.starts_with(directory)
    }
}

fn files(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut found);
    assert!(!found.is_empty(), "no sources in {directory}");
    found
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            found.push(Source { path: path.to_str().unwrap().to_owned(), text });
        }
    }
}

/// Fails with everything that is wrong, not only the first.
#[track_caller]
fn none(rule: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

/// The library's modules in the order of lib.rs.
fn floors() -> Vec<String> {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let module = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    lib.lines().filter_map(module).collect()
}

/// The module a file of the library belongs to.
fn module(path: &str) -> &str {
    path.strip_prefix("src/").unwrap().split(['/', '.']).next().unwrap()
}

/// Every module named after `crate::`, in braces too.
fn used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let whole_word = !code[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_');
        if !whole_word {
            continue;
        }
        if let Some(list) = rest.strip_prefix('{') {
            used.extend(heads(list));
        } else {
            used.push(head(rest));
        }
    }
    used
}

fn head(path: &str) -> String {
    path.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
}

/// The first names of a list in braces, up to the brace that closes it.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut start) = (0_usize, Vec::new(), 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(head(list[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|it| !it.is_empty());
    names
}

#[test]
fn paths_are_found_in_every_way_they_are_written() {
    let code = "use crate::a::{B, C}; use crate::{d, e::{f, g}, h}; crate::i::j(); $crate::k!(); mycrate::l";
    assert_eq!(used(code), ["a", "d", "e", "h", "i", "k"]);
}

#[test]
fn a_module_uses_only_modules_declared_above_it() {
    let floors = floors();
    let mut wrong = Vec::new();
    for file in files("src").iter().filter(|it| !it.is_in("src/cli/") && it.path != "src/main.rs") {
        let own = module(&file.path);
        if own == "lib" {
            continue;
        }
        let floor = |name: &str| floors.iter().position(|it| it == name);
        let Some(mine) = floor(own) else {
            wrong.push(format!("{}: {own} is not in lib.rs", file.path));
            continue;
        };
        for name in used(&file.shipped()).iter().filter(|it| *it != own) {
            if floor(name).is_none_or(|theirs| theirs > mine) {
                wrong.push(format!("{} uses {name}, which is not above {own}", file.path));
            }
        }
    }
    none("direction", wrong);
}

#[test]
fn the_library_knows_nothing_of_the_command_line() {
    let library = files("src").into_iter().filter(|it| !it.is_in("src/cli/"));
    let wrong = library
        .filter(|it| it.path != "src/main.rs")
        .filter(|it| it.code().any(|line| line.contains("clap::") || line.contains("use clap")))
        .map(|it| it.path)
        .collect();
    none("clap in the library", wrong);
}

#[test]
fn unsafe_lives_in_sys_alone() {
    let mut wrong = Vec::new();
    for file in files("src").iter().filter(|it| !it.is_in("src/sys/")) {
        let token = |line: &str| {
            line.split(|it: char| !it.is_alphanumeric() && it != '_').any(|it| it == "unsafe")
        };
        if file.code().any(token) {
            wrong.push(format!("{}: unsafe", file.path));
        }
        // main.rs forbids it for cli; lib.rs can't, since sys is below it.
        let covered = file.path == "src/lib.rs" || file.is_in("src/cli/");
        if !covered && !file.text.lines().any(|it| it == "#![forbid(unsafe_code)]") {
            wrong.push(format!("{}: no forbid(unsafe_code)", file.path));
        }
    }
    none("unsafe", wrong);
}

#[test]
fn every_block_of_unsafe_says_why_it_holds() {
    let mut blocks = 0;
    let mut wrong = Vec::new();
    for file in files("src/sys").into_iter().chain(files("sha256/src")) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap();
            if !code.contains("unsafe {") {
                continue;
            }
            blocks += 1;
            let before = lines[number.saturating_sub(6)..=number].join("\n");
            if !before.contains("// SAFETY:") {
                wrong.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    none("unsafe without SAFETY", wrong);
    assert!((1..=14).contains(&blocks), "{blocks} blocks of unsafe, the budget is 14");
}

#[test]
fn every_file_begins_with_its_licence_and_says_what_it_refuses() {
    let mut wrong = Vec::new();
    for directory in ["src", "sha256/src", "tests", "benches", "examples"] {
        for file in files(directory) {
            if !file.text.starts_with("// SPDX-License-Identifier: MIT OR Apache-2.0\n") {
                wrong.push(format!("{}: licence", file.path));
            }
            let said = ["**In:**", "**Out:**", "**Refuses:**"];
            let whole = said.iter().all(|it| file.text.contains(it));
            let tests = file.path.ends_with("/tests.rs")
                || file.path == "src/main.rs"
                || file.path == "src/lib.rs";
            if directory.ends_with("src") && !tests && !whole {
                wrong.push(format!("{}: In, Out, Refuses", file.path));
            }
        }
    }
    none("beginnings", wrong);
}

#[test]
fn every_doctest_that_must_not_compile_has_a_twin_that_does() {
    let (mut pairs, mut wrong) = (0, Vec::new());
    for file in files("src") {
        let mut fences = Vec::new();
        for line in file.text.lines().chain([""]) {
            let doc = line.trim_start().strip_prefix("///");
            let doc = doc.or_else(|| line.trim_start().strip_prefix("//!")).map(str::trim);
            match doc {
                Some(text) if text.starts_with("```") => fences.push(text.to_owned()),
                Some(_) => {}
                None => {
                    // Every second fence closes.
                    let opened: Vec<&String> = fences.iter().step_by(2).collect();
                    let failing = opened.iter().filter(|it| it.contains("compile_fail"));
                    let failing: Vec<_> = failing.collect();
                    let passing = opened
                        .iter()
                        .filter(|it| ["```", "```rust", "```no_run"].contains(&it.as_str()));
                    if !failing.is_empty() && passing.count() == 0 {
                        wrong.push(format!("{}: {failing:?} without a twin", file.path));
                    }
                    if failing.iter().any(|it| !it.starts_with("```compile_fail,E0")) {
                        wrong.push(format!("{}: {failing:?} without the error's code", file.path));
                    }
                    pairs += failing.len();
                    fences.clear();
                }
            }
        }
    }
    none("twins", wrong);
    assert!(pairs >= 25, "{pairs} doctests that must not compile: the states have one each");
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    let files = files("src").into_iter().chain(files("sha256/src"));
    for file in files.filter(|it| !it.path.ends_with("/tests.rs")) {
        let shipped = file.text.lines().take(file.shipped().lines().count());
        let lines = shipped.filter(|it| !it.trim_start().starts_with("///")).count();
        if lines > LINES {
            wrong.push(format!("{}: {lines} lines", file.path));
        }
    }
    none("length", wrong);
}

#[test]
fn nothing_is_left_to_be_done() {
    let mut wrong = Vec::new();
    for directory in ["src", "sha256/src", "tests", "benches", "examples"] {
        for file in files(directory) {
            for word in ["todo", "unimplemented", "dbg"] {
                if file.code().any(|line| line.contains(&format!("{word}!("))) {
                    wrong.push(format!("{}: {word}", file.path));
                }
            }
        }
    }
    none("left over", wrong);
}
