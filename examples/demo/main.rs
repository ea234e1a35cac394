// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `make demo`: one machine, seven images.
//!
//! An emulated machine boots from the network with the command line that people use, once for each
//! image. A signed image becomes its root, on dm-verity. Six images with something wrong about them
//! do not, and nothing of them is left behind. Fails if any boot ends otherwise.

#![expect(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "a program for people, on inputs it makes itself"
)]

mod images;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use veriroot::finding::{Class, Stage};
use veriroot_test_support::fixture;
use veriroot_test_support::guest::{self, Guest, Initrd, InitrdBuilder, Kernel, Line, Run};
use veriroot_test_support::http::Server;

use images::Demonstration;

/// What should become of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It becomes the root.
    Root,
    /// It is refused, for this kind of reason.
    Refused(Class),
}

/// One line of the closing table.
#[derive(Debug)]
struct Row {
    image: &'static str,
    expected: String,
    verdict: String,
    stage: String,
    served: String,
    seconds: String,
    exposed: String,
    as_expected: bool,
}

fn main() -> ExitCode {
    let kernel = Kernel::find();
    let initrd = initrd(&kernel).build();
    let sizes = initrd.sizes;
    println!(
        "The initrd: program {}, its libraries {}, kernel modules {}; {} in all, {} compressed.",
        mib(sizes.program),
        mib(sizes.libraries),
        mib(sizes.modules),
        mib(sizes.initrd),
        mib(sizes.compressed)
    );

    let demonstrations = images::demonstrations();
    let count = demonstrations.len();
    let rows: Vec<Row> = demonstrations
        .into_iter()
        .enumerate()
        .map(|(index, demonstration)| {
            println!(
                "\n{}",
                bold(&format!("Boot {} of {count}: {}", index + 1, demonstration.name))
            );
            show(&Guest::new(&kernel, &initrd), demonstration)
        })
        .collect();

    table(&rows);
    let total = rows.iter().filter(|row| row.as_expected).count();
    println!("\n{total} of {count} boots ended as they should.");
    if total == count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn initrd(kernel: &Kernel) -> InitrdBuilder {
    Initrd::with_program(kernel, &guest::release_program())
        .policy("netboot.toml", &guest::netboot_policy("2s"))
        .certificate("trusted.crt", fixture("trusted.crt"))
}

/// Serves the image, boots the machine from it, and tells what happens.
fn show(guest: &Guest<'_>, demonstration: Demonstration) -> Row {
    let Demonstration { name, image, expected } = demonstration;
    let server = Server::of("/image.raw", image.bytes);
    let cmdline = guest::announced(&server, "/image.raw");
    println!("  {cmdline}");
    let mut listens = false;
    let run = guest.boot_watched(&cmdline, |line| {
        if listens && worth_showing(line) {
            println!("  {:>5.1}s | {}", line.at.as_secs_f64(), line.text);
        }
        if line.text.starts_with("INIT: ready") {
            println!("  {:>5.1}s | (the kernel is up, the initrd starts)", line.at.as_secs_f64());
            listens = true;
        }
    });
    let row = judge(name, expected, &run, server.sent());
    println!("  {} after {}: {}", row.verdict, row.seconds, wanted(&row, &run));
    row
}

fn wanted(row: &Row, run: &Run) -> String {
    if row.as_expected {
        return "as expected".to_owned();
    }
    format!("NOT AS EXPECTED ({})\n{}", row.expected, run.tail())
}

/// The image's own init shows its line of `/proc/mounts`.
fn is_root_mount(line: &str) -> bool {
    line.starts_with("/dev/") && line.contains(" / ")
}

fn worth_showing(line: &Line) -> bool {
    let not_ours = ["STATE ", "KERNEL ", "INIT: ", "[", "Hangup"];
    !not_ours.iter().any(|prefix| line.text.starts_with(prefix)) && !line.text.trim().is_empty()
}

fn judge(image: &'static str, expected: Expected, run: &Run, served: u64) -> Row {
    let root = run.find("ROOT-UP");
    let mounted = run.lines.iter().find(|line| is_root_mount(&line.text));
    let on_verity = mounted.is_some_and(|line| line.text.starts_with("/dev/dm-"));
    let exposed = run.exposed();
    let said = run.verdict();

    let as_expected = run.went_off
        && match expected {
            Expected::Root => root.is_some() && on_verity,
            Expected::Refused(class) => {
                root.is_none()
                    && exposed.as_ref().is_some_and(Vec::is_empty)
                    && said.as_ref().is_some_and(|verdict| {
                        verdict.class == class.name()
                            && verdict.exit == i32::from(class.exit_code())
                    })
            }
        };
    let (verdict, stage) = match (root, &said) {
        (Some(_), _) => ("accepted (0)".to_owned(), Stage::Expose.to_string()),
        (None, Some(said)) => {
            (format!("refused: {} ({})", said.class, said.exit), said.stage.clone())
        }
        (None, None) => ("no verdict".to_owned(), "-".to_owned()),
    };
    Row {
        image,
        expected: match expected {
            Expected::Root => "accepted (0)".to_owned(),
            Expected::Refused(class) => format!("refused: {class} ({})", class.exit_code()),
        },
        verdict,
        stage,
        served: kib(served),
        seconds: seconds(run.wall),
        exposed: match (mounted, exposed) {
            (Some(line), _) => line.text.split(" ro").next().unwrap_or_default().to_owned(),
            (None, Some(facts)) if facts.is_empty() => "nothing".to_owned(),
            (None, Some(facts)) => facts.join("; "),
            (None, None) => "not listed".to_owned(),
        },
        as_expected,
    }
}

fn table(rows: &[Row]) {
    const HEAD: [&str; 7] =
        ["image", "expected", "verdict", "stage", "served", "time", "what was exposed"];
    let cells = |row: &Row| {
        [
            row.image.to_owned(),
            row.expected.clone(),
            row.verdict.clone(),
            row.stage.clone(),
            row.served.clone(),
            row.seconds.clone(),
            row.exposed.clone(),
        ]
    };
    let body: Vec<[String; 7]> = rows.iter().map(cells).collect();
    let widths: Vec<usize> = HEAD
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let cells = body.iter().filter_map(|row| row.get(column)).map(String::len);
            cells.max().unwrap_or(0).max(head.len())
        })
        .collect();
    let print = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        padded.collect::<String>().trim_end().to_owned()
    };
    println!("\n{}", bold(&print(&HEAD.map(str::to_owned))));
    for row in &body {
        println!("{}", print(row));
    }
}

fn bold(text: &str) -> String {
    if stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

fn mib(bytes: usize) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xF_FFFF) * 10) >> 20)
}
