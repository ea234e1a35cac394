// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Mutants of a sound archive to other readers: what is accepted here, GNU tar, bsdtar and Python
//! unpack to the same tree. `make archive-differential` runs more of them, with every reader.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use veriroot_test_support::noise;
use veriroot_test_support::tar::{self, BLOCK, Member};

use crate::machine::{Machine, Unwatched, memory, owned};

/// How many mutants; a few where nobody says.
const COUNT: &str = "VERIROOT_ARCHIVE_MUTANTS";

/// Another reader: its name, and the command that unpacks `$1` into `$2`.
const READERS: [(&str, &str); 3] = [
    (
        "tar",
        "exec tar --extract --preserve-permissions --same-owner --file \"$1\" --directory \"$2\"",
    ),
    ("bsdtar", "exec bsdtar -x -p --same-owner --numeric-owner -f \"$1\" -C \"$2\""),
    (
        "python3",
        "exec python3 -c 'import sys, tarfile\n\
         with tarfile.open(sys.argv[1], errorlevel=2) as it:\n\
         \x20   it.extractall(sys.argv[2], numeric_owner=True, filter=\"fully_trusted\")' \"$1\" \"$2\"",
    ),
];

/// Numbers that follow from a seed.
struct Random(Vec<u8>);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let bytes: Vec<u8> = self.0.drain(..4).collect();
        u32::from_le_bytes(bytes.try_into().unwrap()) as usize % bound
    }
}

/// One archive that differs from a sound one in a byte of a header, in its order, or in a member.
fn mutant(seed: u64) -> Vec<u8> {
    let mut random = Random(noise(seed, 256));
    let mut members = owned(tar::tree());
    if random.below(2) == 0 {
        members = members.into_iter().map(Member::gnu).collect();
    }
    let at = random.below(members.len());
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
    match random.below(4) {
        0 => members.insert(at, owned(vec![odd[random.below(odd.len())].clone()]).remove(0)),
        1 => members.push(owned(vec![odd[random.below(odd.len())].clone()]).remove(0)),
        2 => {
            let other = random.below(members.len());
            members.swap(at, other);
        }
        _ => {}
    }
    let mut bytes = tar::archive(&members);
    if random.below(3) > 0 {
        // A byte of some header; digits are favoured, so that numbers stay numbers.
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
    bytes
}

/// A tree by path: kind and mode, owner, size or target, time, and content.
type Listing = BTreeMap<String, (u32, u32, u32, u64, i64, Vec<u8>)>;

fn listing(root: &Path) -> Listing {
    fn add(at: &Path, name: &str, all: &mut Listing) {
        let found = at.symlink_metadata().unwrap();
        let content = if found.is_symlink() {
            fs::read_link(at).unwrap().into_os_string().into_encoded_bytes()
        } else if found.is_file() {
            openssl::sha::sha256(&fs::read(at).unwrap()).to_vec()
        } else {
            Vec::new()
        };
        let (uid, gid) = (found.uid(), found.gid());
        // Not every reader sets the time of a link, or of a directory that it came back to.
        let time = if found.is_file() { found.mtime() } else { 0 };
        let links = if found.is_dir() { 0 } else { found.nlink() };
        all.insert(name.to_owned(), (found.mode(), uid, gid, links, time, content));
        if found.is_dir() {
            for child in fs::read_dir(at).unwrap() {
                let child = child.unwrap().file_name().into_string().unwrap();
                add(&at.join(&child), &format!("{name}/{child}"), all);
            }
        }
    }
    let mut all = BTreeMap::new();
    add(root, ".", &mut all);
    // The root has an entry of its own in some mutants only.
    all.remove(".");
    all
}

fn is_installed(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success())
}

#[test]
fn what_is_accepted_other_readers_unpack_to_the_same_tree() {
    let all = std::env::var(COUNT).ok();
    let count: u64 = all.as_ref().map_or(40, |it| it.parse().unwrap());
    let readers: Vec<_> = READERS.into_iter().filter(|(name, _)| is_installed(name)).collect();
    assert!(all.is_none() || readers.len() == READERS.len(), "every reader has to be installed");
    let machine = Machine::careless("");
    let mut accepted = 0;
    for seed in 0..count {
        let bytes = mutant(seed);
        let place = memory();
        let (unpacked, _) = machine.unpack(&bytes, place.path(), &mut Unwatched);
        let Ok(tree) = unpacked else { continue };
        accepted += 1;
        let ours = listing(&tree);
        let file = place.path().join("archive");
        fs::write(&file, &bytes).unwrap();
        for (name, script) in &readers {
            let theirs = place.path().join(name);
            fs::create_dir(&theirs).unwrap();
            let output =
                Command::new("sh").args(["-c", script, name]).args([&file, &theirs]).output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "seed {seed}: {name} refuses: {said}");
            assert_eq!(listing(&theirs), ours, "seed {seed}: {name} sees another tree");
        }
    }
    let names: Vec<&str> = readers.iter().map(|(name, _)| *name).collect();
    println!("{count} mutants, {accepted} accepted, the same tree to {}", names.join(", "));
    assert!(accepted * 10 > count, "{accepted} of {count} accepted");
}
