// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Archives, their checksums mended after every change.
//!
//! **In:** one byte that says whether to mend, then an archive. **Out:** a verdict. **Refuses:**
//! (panics) a tree other than the one that a plain reader sees, and a byte beside it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use veriroot::authenticate::Trust;
use veriroot::checksums::{Demand, receive};
use veriroot::error::Error;
use veriroot::fetch::Progress;
use veriroot::loader::{ArchiveDemands, audit_archive, unpack_archive};
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::report::Report;
use veriroot::source::Source;
use veriroot::unpack::{Destination, TreeKind};
use veriroot_test_support::tar::{self, BLOCK, Member};

use crate::{Target, Verdict};

/// A whole archive.
pub(super) const TAR: Target = Target {
    name: "tar",
    invariant: "an accepted archive becomes the tree that a plain second reader sees in it, entry \
                by entry, and nothing beside that tree; a refused one leaves nothing at all",
    check,
    seeds,
    words: &[
        "ustar\u{0}00",
        "ustar  \u{0}",
        "../",
        "./",
        "/",
        "0000644\u{0}",
        "00000000005\u{0}",
        "11 size=5\n",
        "12 path=a/b\n",
        "16 linkpath=a/b\n",
        "././@LongLink",
        "15 mtime=1.5\n",
        "GNU.sparse.major=1",
        "SCHILY.xattr.user.a=",
    ],
    smoke: 3000,
};

fn seeds() -> Vec<Vec<u8>> {
    let archive = |members: Vec<Member>| [vec![0], tar::archive(&owned(members))].concat();
    let dir = || Member::dir("a/");
    let small: Vec<Member> = tar::tree().into_iter().filter(|it| it.body.len() < 4096).collect();
    let gnu = small.iter().cloned().map(Member::gnu).collect();
    vec![
        archive(small),
        archive(gnu),
        archive(vec![dir(), Member::file("a/x", b"content")]),
        archive(vec![dir(), Member::file("x", b"12345").pax("path", "a/y").pax("size", "5")]),
        archive(vec![dir(), Member::file("a/x", b"").pax("mtime", "1600000000.5")]),
        archive(vec![
            Member::other(b'g', "g").with(|it| it.body = tar::record("comment", b"c")),
            dir(),
            Member::file("a/x", b"").pax("comment", "x"),
        ]),
        archive(vec![
            dir(),
            Member::other(b'L', "././@LongLink").gnu().with(|it| it.body = b"a/long\0".to_vec()),
            Member::file("a/short", b"z").gnu(),
        ]),
        archive(vec![dir(), Member::symlink("a/l", "/etc"), Member::file("a/l/x", b"")]),
        archive(vec![Member::file("../x", b"out")]),
        archive(vec![dir(), Member::file("a/x", b"1"), Member::file("a/x", b"2")]),
        archive(vec![Member::other(b'3', "null")]),
    ]
}

/// The members as this process may own them; it knows its user and group from `/proc`.
pub(crate) fn owned(members: Vec<Member>) -> Vec<Member> {
    let found = fs::metadata("/proc/self").unwrap();
    let own = |it: Member| it.with(|it| (it.uid, it.gid) = (found.uid(), found.gid()));
    members.into_iter().map(own).collect()
}

struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _total: u64) {}

    fn advance(&mut self, _bytes: u64) {}
}

struct Bench {
    policy: EffectivePolicy,
    place: tempfile::TempDir,
}

impl Bench {
    /// Asks nobody who signed, so that entries are all that can be refused.
    fn new() -> Self {
        let text = "[archive]\nauthentication = \"danger-none\"\n";
        let files = [PolicyFile::parse(Path::new("/etc/test.toml"), text).unwrap()];
        let policy = EffectivePolicy::new(Statements { files: &files, ..Statements::default() });
        Self { policy: policy.unwrap(), place: tempfile::tempdir_in("/dev/shm").unwrap() }
    }

    fn open(bytes: &[u8]) -> Result<veriroot::checksums::Received, Error> {
        let source = Source::open_stream(Cursor::new(bytes.to_vec()), "archive.tar")?;
        Ok(receive(source, &Demand::none())?)
    }

    fn demands(&self) -> ArchiveDemands<'_> {
        let trust = Trust::of_policy(self.policy.trust(), None, &[]);
        ArchiveDemands { policy: &self.policy, trust, pin: None }
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.place.path()).unwrap().next().is_none()
    }
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

fn check(input: &[u8]) -> Verdict {
    match judge_tar(input) {
        Some(_) => Verdict::Accepted,
        None => Verdict::Refused,
    }
}

/// The archive and the tree that it became, if it is accepted.
pub(crate) fn judge_tar(input: &[u8]) -> Option<(Vec<u8>, Tree)> {
    let (mend, archive) = input.split_first()?;
    // The first bytes of a compressed stream are another target's, and start a process each time.
    let first = archive.first().is_some_and(|it| *it == b'.' || it.is_ascii_lowercase());
    if !first || archive.len() < BLOCK {
        return None;
    }
    let mut archive = archive.to_vec();
    if mend & 1 == 0 {
        mend_sums(&mut archive);
    }
    BENCH.with_borrow(|bench| {
        let (mut unsigned, mut report) = (|| Ok(None), Report::default());
        let judged = Bench::open(&archive).and_then(|it| {
            audit_archive(it, &mut unsigned, (&bench.demands(), TreeKind::Any), &mut report)
        });
        assert!(bench.is_empty(), "something was written by what only looks");
        judged.ok()?;
        let kind = TreeKind::Any;
        let (place, name) = (bench.place.path().to_owned(), "tree".to_owned());
        let destination = Destination { place, name, kind };
        let demands = (&bench.demands(), &destination);
        let unpacked = Bench::open(&archive).and_then(|it| {
            unpack_archive(it, &mut unsigned, demands, &mut Report::default(), &mut Unwatched)
        });
        // The kernel may refuse what is sound: an owner that only root can give.
        let Ok(tree) = unpacked else {
            assert!(bench.is_empty(), "something is left of what was refused");
            return None;
        };
        assert_eq!(fs::read_dir(bench.place.path()).unwrap().count(), 1, "more than the tree");
        let found = listing(&tree);
        fs::remove_dir_all(&tree).unwrap();
        assert_eq!(found, second_reading(&archive));
        Some((archive, found))
    })
}

/// Kind, mode, owner, group, how many names it has, time, and content or target.
type Seen = (char, u32, u32, u32, u64, i64, Vec<u8>);

/// What is in a directory, by path; what is no printable ASCII is escaped.
pub(crate) type Tree = BTreeMap<String, Seen>;

pub(crate) fn listing(root: &Path) -> Tree {
    fn add(at: &Path, name: &str, all: &mut Tree) {
        let found = fs::symlink_metadata(at).unwrap();
        let (kind, content) = if found.is_dir() {
            ('d', Vec::new())
        } else if found.is_symlink() {
            ('l', fs::read_link(at).unwrap().into_os_string().into_encoded_bytes())
        } else {
            assert!(found.is_file(), "{name}");
            ('f', fs::read(at).unwrap())
        };
        // A symbolic link has no mode of its own, and a directory no other names. Not every reader
        // sets the time of a link, or of a directory that it came back to.
        let mode = if kind == 'l' { 0 } else { found.mode() & 0o7777 };
        let (names, time) = if kind == 'f' { (found.nlink(), found.mtime()) } else { (1, 0) };
        all.insert(name.to_owned(), (kind, mode, found.uid(), found.gid(), names, time, content));
        if kind == 'd' {
            for child in fs::read_dir(at).unwrap() {
                let child = child.unwrap().file_name();
                let shown = child.as_encoded_bytes().escape_ascii();
                add(&at.join(&child), &format!("{name}/{shown}"), all);
            }
        }
    }
    let mut all = BTreeMap::new();
    add(root, "", &mut all);
    // The root has an entry of its own in some archives only.
    all.remove("");
    all
}

/// Where the next header is, read in the plainest way.
fn size(header: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(&header[124..136]);
    usize::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}

/// Makes every checksum anew, header after header as far as sizes lead.
fn mend_sums(archive: &mut [u8]) {
    let mut at = 0;
    while at + BLOCK <= archive.len() {
        let header = &mut archive[at..at + BLOCK];
        if header.iter().all(|it| *it == 0) {
            return;
        }
        tar::sum(header);
        let Some(size) = size(header) else { return };
        at = at.saturating_add(BLOCK).saturating_add(size).next_multiple_of(BLOCK);
    }
}

/// A reader of sound archives: names of all three kinds, then what the header says.
fn second_reading(archive: &[u8]) -> Tree {
    let mut all = Tree::new();
    let mut named: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    // The first name of each file, by all of its names.
    let mut inodes: BTreeMap<String, String> = BTreeMap::new();
    let field = |bytes: &[u8]| bytes.split(|it| *it == 0).next().unwrap_or_default().to_vec();
    let text = |bytes: &[u8]| field(bytes).escape_ascii().to_string();
    let plain = |name: &str| {
        let parts: Vec<&str> = name.split('/').filter(|it| !it.is_empty() && *it != ".").collect();
        assert!(!name.starts_with('/') && !parts.contains(&".."), "{name:?} leads elsewhere");
        parts.iter().map(|it| format!("/{it}")).collect::<String>()
    };
    let mut rest = archive;
    while rest[..BLOCK].iter().any(|it| *it != 0) {
        let (header, behind) = rest.split_at(BLOCK);
        let octal = |at: usize, len: usize| {
            // GNU's binary numbers, where digits have no room.
            if header[at] & 0x80 != 0 {
                let bytes = header[at + 1..at + len].iter();
                return bytes
                    .fold(u64::from(header[at] & 0x7F), |all, it| all << 8 | u64::from(*it));
            }
            let digits = text(&header[at..at + len]);
            let digits = digits.trim_matches(' ');
            if digits.is_empty() { 0 } else { u64::from_str_radix(digits, 8).unwrap() }
        };
        let stated = named.get("size").map_or(octal(124, 12), |it| text(it).parse().unwrap());
        let kind = header[156];
        let len = if matches!(kind, b'1' | b'2' | b'5') { 0 } else { stated as usize };
        let body = &behind[..len];
        rest = &behind[len.next_multiple_of(BLOCK)..];
        match kind {
            b'x' => named.extend(records(body)),
            b'g' => {}
            b'L' => drop(named.insert("path".into(), field(body))),
            b'K' => drop(named.insert("linkpath".into(), field(body))),
            _ => {
                let number = |key: &str, at: usize| -> u32 {
                    let said = named.get(key).map(|it| text(it).parse().unwrap());
                    said.unwrap_or_else(|| octal(at, 8).try_into().unwrap())
                };
                let prefix = text(&header[345..500]);
                let posix = header[257..263] == *b"ustar\0" && !prefix.is_empty();
                let short = text(&header[..100]);
                let short = if posix { format!("{prefix}/{short}") } else { short };
                let path = plain(&named.get("path").map_or(short, |it| text(it)));
                let link = named.get("linkpath").cloned();
                let link = link.unwrap_or_else(|| field(&header[157..257]));
                let mode = u32::try_from(octal(100, 8)).unwrap() & 0o7777;
                let (uid, gid) = (number("uid", 108), number("gid", 116));
                let time = named
                    .get("mtime")
                    .map(|it| text(it).split('.').next().unwrap().parse().unwrap());
                let time = time.unwrap_or_else(|| octal(136, 12) as i64);
                let seen = match kind {
                    b'5' => ('d', mode, uid, gid, 1, 0, Vec::new()),
                    b'2' => ('l', 0, uid, gid, 1, 0, link.clone()),
                    b'0' | 0 => ('f', mode, uid, gid, 1, time, body.to_vec()),
                    b'1' => all[&plain(&text(&link))].clone(),
                    other => panic!("an entry of kind {other}"),
                };
                let target = if kind == b'1' { plain(&text(&link)) } else { path.clone() };
                let inode = inodes.get(&target).cloned().unwrap_or(target);
                inodes.insert(path.clone(), inode);
                assert!(all.insert(path, seen).is_none(), "an entry twice");
                named.clear();
            }
        }
    }
    all.remove("");
    for (path, seen) in &mut all {
        let names = inodes.values().filter(|it| **it == inodes[path]).count();
        seen.4 = if seen.0 == 'f' { names as u64 } else { 1 };
    }
    all
}

/// `LENGTH KEY=VALUE\n`, one after the other.
fn records(mut body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let blank = body.iter().position(|it| *it == b' ').unwrap();
        let len: usize = std::str::from_utf8(&body[..blank]).unwrap().parse().unwrap();
        let (record, rest) = body.split_at(len);
        let record = record[blank + 1..].strip_suffix(b"\n").unwrap();
        let equals = record.iter().position(|it| *it == b'=').unwrap();
        let key = String::from_utf8_lossy(&record[..equals]).into_owned();
        found.push((key, record[equals + 1..].to_vec()));
        body = rest;
    }
    found
}
