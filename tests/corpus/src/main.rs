// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot-corpus`: writes the attacks as files, and tries loaders on them.
//!
//! **In:** `list`, `write DIRECTORY`, or `run` with loaders. **Out:** files; a table, and JSON
//! beside it. **Refuses:** words it does not know; a run fails if the first loader does anything
//! else than what is demanded.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use veriroot_corpus::run::{Got, Loader};
use veriroot_corpus::{Case, cases};

const USAGE: &str = "\
veriroot-corpus list                       the attacks, one a line
veriroot-corpus write DIRECTORY            every case as files, and manifest.json
veriroot-corpus run LOADER...              tries loaders, NAME[:GROUPS]=COMMAND each
Options: --seed N (1), --only PREFIX, --json FILE, --table FILE, --work DIRECTORY
In a command {image} {anchors} {policy} {data} {hash} {roothash} {dir} stand for what the case has:
  veriroot-corpus run 'veriroot=veriroot audit -q {image} --certificate={anchors} --image-policy={policy}'
Exit code 0 of the command means that it accepts, any other that it refuses.";

#[derive(Default)]
struct Options {
    seed: Option<u64>,
    only: String,
    json: Option<PathBuf>,
    table: Option<PathBuf>,
    work: Option<PathBuf>,
    words: Vec<String>,
}

fn options() -> Option<Options> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => options.seed = Some(words.next()?.parse().ok()?),
            "--only" => options.only = words.next()?,
            "--json" => options.json = Some(words.next()?.into()),
            "--table" => options.table = Some(words.next()?.into()),
            "--work" => options.work = Some(words.next()?.into()),
            _ if word.starts_with("--") => return None,
            _ => options.words.push(word),
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    veriroot_test_support::keys::reseed(options.seed.unwrap_or(1));
    let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            for case in chosen(&options) {
                println!("{:<8} {:<7} {}", case.id, case.demand.name(), case.name);
            }
            ExitCode::SUCCESS
        }
        ["write", directory] => write(Path::new(directory), &options),
        ["run", ref loaders @ ..] if !loaders.is_empty() => {
            let Some(loaders) = loaders.iter().map(|it| Loader::parse(it)).collect() else {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            };
            run(loaders, &options)
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn chosen(options: &Options) -> impl Iterator<Item = Case> {
    cases::all().into_iter().flat_map(|make| make()).filter(|it| it.id.starts_with(&options.only))
}

fn describe(case: &Case) -> Value {
    json!({
        "id": case.id,
        "name": case.name,
        "origin": case.origin,
        "demand": case.demand.name(),
        "directory": case.slug(),
        "policy": case.policy,
        "sha256": data_encoding::HEXLOWER.encode(&openssl::sha::sha256(&case.image)),
    })
}

fn write(directory: &Path, options: &Options) -> ExitCode {
    let mut manifest = Vec::new();
    for case in chosen(options) {
        case.write(&directory.join(case.slug())).unwrap();
        manifest.push(describe(&case));
    }
    println!("{} cases", manifest.len());
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    std::fs::write(directory.join("manifest.json"), text + "\n").unwrap();
    ExitCode::SUCCESS
}

fn run(loaders: Vec<Loader>, options: &Options) -> ExitCode {
    let work = match &options.work {
        Some(path) => tempfile::tempdir_in(path),
        None => tempfile::tempdir(),
    };
    let work = work.unwrap();
    let names: Vec<&str> = loaders.iter().map(|it| it.name.as_str()).collect();
    let mut table = format!("{:<8} {:<44} {:<8} {}\n", "id", "case", "demanded", names.join(" "));
    let (mut results, mut counts) = (Vec::new(), vec![[0_usize; 3]; loaders.len()]);
    for case in chosen(options) {
        // A new place each: what one loader leaves behind, no other finds.
        let directory = work.path().join(case.slug());
        let files = case.write(&directory).unwrap();
        let got: Vec<Got> = loaders.iter().map(|it| it.run(&case, &files)).collect();
        std::fs::remove_dir_all(&directory).unwrap();
        let mut line = format!("{:<8} {:<44} {:<8}", case.id, case.name, case.demand.name());
        for (index, got) in got.iter().enumerate() {
            let meets = got.meets(case.demand);
            counts[index][meets.map_or(2, usize::from)] += 1;
            let mark = if meets == Some(false) { "!" } else { "" };
            let shown = format!("{mark}{}", got.name());
            line += &format!(" {shown:<width$}", width = names[index].len());
        }
        table += line.trim_end();
        table += "\n";
        let mut described = describe(&case);
        let got = got.iter().zip(&names).map(|(got, name)| ((*name).to_owned(), got.name().into()));
        described["got"] = Value::Object(got.collect());
        results.push(described);
    }
    for (name, [bad, good, unasked]) in names.iter().zip(&counts) {
        table += &format!("{name}: {good} as demanded, {bad} not, {unasked} not asked\n");
    }
    print!("{table}");
    if let Some(path) = &options.table {
        std::fs::write(path, &table).unwrap();
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&results).unwrap() + "\n").unwrap();
    }
    if counts[0][0] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
