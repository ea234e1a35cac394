// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Archives and the trees that others make of them.
//!
//! **In:** an accepted archive and the tree that it became. **Out:** nothing. **Refuses:** (panics)
//! a reader that refuses the archive or makes another tree of it.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use veriroot_test_support::tar::{self, BLOCK, Member};

use crate::mutate::Random;
use crate::targets::tar::{Tree, listing, owned};

/// Unpacks the archive of the first path into the directory of the second, or says why not.
type Unpack = fn(&Path, &Path) -> Result<(), String>;

/// The other readers, by their names.
pub(super) const READERS: [(&str, Unpack); 3] = [
    ("tar", |archive, place| {
        let words = ["--extract", "--preserve-permissions", "--same-owner", "--file"];
        run(Command::new("tar").args(words).arg(archive).arg("--directory").arg(place))
    }),
    ("bsdtar", |archive, place| {
        let words = ["-x", "-p", "--same-owner", "--numeric-owner", "-f"];
        run(Command::new("bsdtar").args(words).arg(archive).arg("-C").arg(place))
    }),
    ("python3", |archive, place| PYTHON.with_borrow_mut(|it| it.unpack(archive, place))),
];

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

thread_local! {
    static PYTHON: RefCell<Python> = RefCell::new(Python::start());
}

/// One interpreter for all archives of a thread: its start takes longer than what it is asked.
struct Python {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A line for each archive: what was wrong, or nothing.
const SCRIPT: &str = r#"
import sys, tarfile
for line in sys.stdin:
    archive, place = line.rstrip("\n").split("\t")
    try:
        with tarfile.open(archive, errorlevel=2) as it:
            it.extractall(place, numeric_owner=True, filter="fully_trusted")
        print(flush=True)
    except Exception as e:
        print(repr(e), flush=True)
"#;

impl Python {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let command = command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 is not there");
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, questions, answers }
    }

    fn unpack(&mut self, archive: &Path, place: &Path) -> Result<(), String> {
        let mut answer = String::new();
        let questions = self.questions.as_mut().unwrap();
        writeln!(questions, "{}\t{}", archive.display(), place.display()).unwrap();
        assert!(self.answers.read_line(&mut answer).unwrap() > 0, "python3 has ended");
        if answer == "\n" { Ok(()) } else { Err(answer) }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.questions.take());
        self.child.wait().unwrap();
    }
}

/// Has every reader unpack the archive, and compares.
pub(super) fn compare(archive: &[u8], ours: &Tree, readers: &[(&str, Unpack)]) {
    let place = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = place.path().join("archive");
    fs::write(&file, archive).unwrap();
    for (name, unpack) in readers {
        let theirs = place.path().join(name);
        fs::create_dir(&theirs).unwrap();
        unpack(&file, &theirs).unwrap_or_else(|said| panic!("{name} refuses: {said}"));
        assert_eq!(listing(&theirs), *ours, "{name} makes another tree");
    }
}

/// One archive that differs from a sound one in a byte of a header, in its order, or in a member:
/// what a mutator that knows no blocks hardly ever makes.
pub(super) fn mutant(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut members = owned(tar::tree());
    if random.below(2) == 0 {
        members = members.into_iter().map(Member::gnu).collect();
    }
    let (at, other) = (random.below(members.len()), random.below(members.len()));
    let odd = [
        Member::file("etc/new", b"new"),
        Member::file("new/x", b""),
        Member::dir("etc/d/"),
        Member::symlink("usr/link", "/etc"),
        Member::hard_link("etc/hard", "usr/lib/os-release"),
        Member::file("short", b"x").pax("path", "etc/a-long-name"),
        Member::file("x", b"12345").pax("size", "5").pax("mtime", "1600000000.5"),
        Member::file("x", b"").pax("uid", "0").pax("comment", "x"),
        Member::other(b'g', "g").with(|it| it.body = tar::record("comment", b"c")),
    ];
    let odd = owned(vec![odd[random.below(odd.len())].clone()]).remove(0);
    match random.below(4) {
        0 => members.insert(at, odd),
        1 => members.push(odd),
        2 => members.swap(at, other),
        _ => {}
    }
    let mut bytes = tar::archive(&members);
    if random.below(3) > 0 {
        change_a_header(&mut bytes, &mut random);
    }
    bytes
}

/// Digits are favoured, so that numbers stay numbers.
fn change_a_header(bytes: &mut [u8], random: &mut Random) {
    let headers: Vec<usize> = (0..bytes.len() / BLOCK)
        .map(|it| it * BLOCK)
        .filter(|at| &bytes[at + 257..at + 262] == b"ustar")
        .collect();
    let header = headers[random.below(headers.len())];
    let byte = header + random.below(BLOCK);
    bytes[byte] = match random.below(3) {
        0 => b'0' + random.below(8) as u8,
        1 => bytes[byte] ^ (1 << random.below(8)),
        _ => b"\0 /.x"[random.below(5)],
    };
    tar::sum(&mut bytes[header..header + BLOCK]);
}
