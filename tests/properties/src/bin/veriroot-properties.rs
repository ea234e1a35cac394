// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Runs the properties by hand.
//!
//! **In:** `list`, `invariants`, `seeds DIRECTORY`, `smoke [TARGET [MUTANTS]]`, `exhaustive THREADS
//! SAMPLE`, `differential WHAT MUTANTS`, `cage STARTS`, or `replay TARGET FILE…`.
//! **Out:** a line for each target; seeds as files; a mutant that breaks a property as a file, and
//! where. **Refuses:** words it does not know.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use veriroot_properties::mutate::{keep_what_breaks, mutant, remember};
use veriroot_properties::targets::ALL;
use veriroot_properties::{Target, Verdict, cage, differential, exhaustive, run};

fn main() -> ExitCode {
    keep_what_breaks();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => ALL.iter().for_each(|it| println!("{}", it.name)),
        ["invariants"] => ALL.iter().for_each(|it| println!("| {} | {} |", it.name, it.invariant)),
        ["seeds", directory] => write_seeds(Path::new(directory)),
        ["smoke"] => ALL.iter().for_each(|it| smoke(it, it.smoke)),
        ["smoke", name] => {
            let target = veriroot_properties::target(name).expect("no such target");
            smoke(target, target.smoke);
        }
        ["smoke", name, count] => {
            let target = veriroot_properties::target(name).expect("no such target");
            smoke(target, count.parse().expect("no number"));
        }
        ["exhaustive", threads, sample] => {
            exhaust(threads.parse().expect("no number"), sample.parse().expect("no number"));
        }
        ["differential", what, mutants] => {
            let mutants = mutants.parse().expect("no number");
            println!("{}", differential::run(what, mutants).expect("tree, gpt, cms or tar"));
        }
        ["cage", starts] => print!("{}", cage::cost(starts.parse().expect("no number"))),
        ["cage-child", role] => cage::child(role),
        ["replay", name, ref files @ ..] => {
            for file in files {
                run(name, &std::fs::read(file).expect("no such file"));
                println!("{file}: holds");
            }
        }
        _ => {
            eprintln!(
                "list | invariants | seeds DIRECTORY | smoke [TARGET [MUTANTS]] | exhaustive THREADS SAMPLE | differential WHAT MUTANTS | cage STARTS | replay TARGET FILE..."
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn write_seeds(directory: &Path) {
    for target in ALL {
        let directory = directory.join(target.name);
        std::fs::create_dir_all(&directory).unwrap();
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number:03}")), seed).unwrap();
        }
        let quoted = |word: &&str| {
            let bytes: String = word.bytes().map(|it| format!("\\x{it:02x}")).collect();
            format!("\"{bytes}\"\n")
        };
        let dictionary: String = target.words.iter().map(quoted).collect();
        std::fs::write(directory.with_extension("dict"), dictionary).unwrap();
    }
}

fn smoke(target: &Target, mutants: u64) {
    let (start, seeds) = (Instant::now(), (target.seeds)());
    let mut accepted = 0_u64;
    for number in 0..mutants {
        let input = mutant(&seeds, target.words, number);
        remember(number, &input);
        accepted += u64::from((target.check)(&input) == Verdict::Accepted);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:<18} {mutants:>8} mutants {accepted:>8} accepted {seconds:>7.1} s", target.name);
}

/// One change in `sample` is made; with 1, every one.
fn exhaust(threads: usize, sample: usize) {
    let many = 100_000 / 4 / sample as u64;
    for fixture in exhaustive::fixtures() {
        let start = Instant::now();
        let [flips, cuts, blocks] = exhaustive::all(&fixture, threads, sample, many);
        let seconds = start.elapsed().as_secs_f64();
        let name = fixture.name;
        println!(
            "{name:<15} {:>8} flips {:>8} refused, harmless {:?}",
            flips.tried, flips.refused, flips.harmless
        );
        println!("{name:<15} {:>8} cuts {:>9} refused", cuts.tried, cuts.refused);
        println!(
            "{name:<15} {:>8} corrupt blocks refused, wrongly accepted 0, {seconds:.0} s",
            blocks.tried
        );
    }
}
