// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every property, without a fuzzer: seeds, what once broke something, and some mutants.
//!
//! **In:** the targets. **Out:** their verdicts. **Refuses:** (panics) a broken property, and a
//! target none of whose seeds is accepted or refused: it would assert nothing.

use std::path::Path;

use veriroot_properties::mutate::mutant;
use veriroot_properties::targets::ALL;
use veriroot_properties::{Verdict, differential, exhaustive, target};

/// Targets without a refusal, since every input means something.
const TOTAL: [&str; 2] = ["version", "escape"];

/// Plain `cargo test` runs a part; `make fuzz-smoke` runs all.
const PART: u64 = 8;

#[test]
fn seeds_hold_and_some_are_accepted_and_some_refused() {
    let mut one_sided = Vec::new();
    for target in ALL {
        let verdicts: Vec<_> = (target.seeds)().iter().map(|it| (target.check)(it)).collect();
        let total = TOTAL.contains(&target.name);
        let refused = verdicts.contains(&Verdict::Refused);
        if !verdicts.contains(&Verdict::Accepted) || refused == total {
            one_sided.push(target.name);
        }
    }
    assert!(one_sided.is_empty(), "{one_sided:?}");
}

#[test]
fn what_once_broke_a_property_holds_now() {
    let crashes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crashes");
    for directory in std::fs::read_dir(&crashes).unwrap().map(Result::unwrap) {
        let name = directory.file_name().into_string().unwrap();
        if directory.file_type().unwrap().is_file() {
            continue;
        }
        let target = target(&name).unwrap_or_else(|| panic!("no target {name}"));
        for file in std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            (target.check)(&std::fs::read(file.path()).unwrap());
        }
    }
}

#[test]
fn mutants_of_the_seeds_hold() {
    let all = std::env::var_os("VERIROOT_SMOKE_ALL").is_some();
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for target in ALL.iter().skip(half).step_by(2) {
                    let seeds = (target.seeds)();
                    for number in 0..if all { target.smoke } else { target.smoke / PART } {
                        let input = mutant(&seeds, target.words, number);
                        let held = std::panic::catch_unwind(|| (target.check)(&input));
                        assert!(held.is_ok(), "{}: mutant {number}: {input:02x?}", target.name);
                    }
                }
            });
        }
    });
}

/// `make exhaustive` takes every one.
#[test]
fn some_of_all_flips_cuts_and_blocks_are_refused() {
    for fixture in exhaustive::fixtures() {
        let [flips, cuts, blocks] = exhaustive::all(&fixture, 2, 1999, 20);
        assert!(flips.tried > 200 && cuts.tried > 15 && blocks.tried >= 20, "{flips:?} {cuts:?}");
    }
}

/// The fuzz workspace is not built here, so this is what keeps it whole.
#[test]
fn every_property_is_a_fuzz_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for target in ALL {
        assert!(manifest.contains(&format!("\nname = \"{}\"\n", target.name)), "{}", target.name);
        let body = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{}.rs", target.name)));
        assert!(body.unwrap().contains(&format!("run(\"{}\", input)", target.name)));
    }
    assert_eq!(manifest.matches("[[bin]]").count(), ALL.len());
}

/// `make differential` shows many more of them, to more readers.
#[test]
fn archives_that_are_accepted_become_the_tree_that_gnu_tar_makes_of_them() {
    let said = differential::archives(100, &["tar"]);
    let accepted = said.split(' ').nth(2).and_then(|it| it.parse::<u32>().ok());
    assert!(accepted.is_some_and(|it| it > 10), "{said}");
}
