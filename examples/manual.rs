// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Writes `dist/man` and `dist/completions`: `make manual`.
//!
//! **In:** the program's own arguments, from the file that parses them. **Out:** a man page for
//! each command, completions for bash, fish and zsh. **Refuses:** nothing; `tests/manual.rs` fails
//! as long as what is kept under `dist` is not what this writes.

#[path = "../src/cli/mod.rs"]
#[expect(dead_code, reason = "only the arguments are wanted here, not what runs them")]
mod cli;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use veriroot::listing;

/// Writes every file, and removes the page of a command that is no more. Pages of other sections
/// are written by hand.
fn main() -> io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    for directory in ["man", "completions"] {
        let directory = dist.join(directory);
        fs::create_dir_all(&directory)?;
        for name in listing::names(&directory)? {
            let path = directory.join(name?);
            if is_made(&path) {
                fs::remove_file(path)?;
            }
        }
    }
    files()?.into_iter().try_for_each(|(path, content)| fs::write(dist.join(path), content))
}

/// The program's arguments.
pub(crate) fn command() -> Command {
    cli::command()
}

/// Whether a file below `dist/man` and `dist/completions` is one of those that are made.
pub(crate) fn is_made(path: &Path) -> bool {
    !path.extension().is_some_and(|it| it == "5" || it == "7" || it == "8")
}

/// Every file below `dist`, with its content.
pub(crate) fn files() -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut whole = command().disable_help_subcommand(true);
    whole.build();
    pages(&whole, &mut files)?;
    let shells = [
        (Shell::Bash, "completions/veriroot.bash"),
        (Shell::Fish, "completions/veriroot.fish"),
        (Shell::Zsh, "completions/_veriroot"),
    ];
    for (shell, path) in shells {
        let mut content = Vec::new();
        clap_complete::generate(shell, &mut command(), "veriroot", &mut content);
        files.push((path.into(), content));
    }
    Ok(files)
}

/// The page of a command, and those of the commands below it.
fn pages(command: &Command, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    let source = concat!("veriroot ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).source(source);
    let mut content = Vec::new();
    page.render(&mut content)?;
    files.push((Path::new("man").join(page.get_filename()), content));
    command.get_subcommands().try_for_each(|it| pages(it, files))
}
