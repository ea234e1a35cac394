// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Archives: who signed them, and entries that readers read differently. Every one but those of
//! TAR-00 has a good signature of K1 over the whole file, beside it as `.p7s`: what is refused is
//! refused for its entries.

use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar::{self, END, Member, record};

use super::Make;
use crate::{Case, Demand, SIGNED, anchors};

pub(super) const ALL: &[Make] =
    &[signatures, paths, links, hard_links, sizes, extended, ends, specials, attributes, twice];

/// A signed archive.
fn case(
    id: &'static str,
    name: &str,
    origin: &'static str,
    demand: Demand,
    bytes: Vec<u8>,
) -> Case {
    Case {
        id,
        name: name.to_owned(),
        origin,
        demand,
        signature: Some(Cms::detached(&keys::trusted(), &bytes).build()),
        image: bytes,
        anchors: anchors(&[&keys::trusted()]),
        policy: SIGNED.to_owned(),
        tree: None,
    }
}

/// A sound tree, and these members behind it.
fn tree_and(members: &[Member]) -> Vec<u8> {
    tar::archive(&[tar::tree(), members.to_vec()].concat())
}

/// A twin that is the tree with one sound member more, and attacks of some members each.
fn attack(
    id: &'static str,
    origin: &'static str,
    twin: Member,
    attacks: Vec<(String, Vec<Member>)>,
) -> Vec<Case> {
    let refused = attacks
        .into_iter()
        .map(|(name, members)| case(id, &name, origin, Demand::Refuse, tree_and(&members)));
    let accepted = case(id, "twin", origin, Demand::Accept, tree_and(&[twin]));
    [accepted].into_iter().chain(refused).collect()
}

fn file(name: &str) -> Member {
    Member::file(name, b"x")
}

fn signatures() -> Vec<Case> {
    const ORIGIN: &str = "systemd unpacks an archive while it comes in, and verifies it afterwards";
    let bytes = tree_and(&[]);
    let whole = case("TAR-00", "twin", ORIGIN, Demand::Accept, bytes.clone());
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut cases = vec![];
    let mut refuse = |name: &str, image: Vec<u8>, signature: Option<Vec<u8>>| {
        let (name, demand) = (name.to_owned(), Demand::Refuse);
        cases.push(Case {
            name,
            demand,
            image,
            signature,
            ..case("TAR-00", "", ORIGIN, Demand::Refuse, vec![])
        });
    };
    let good = || whole.signature.clone();
    refuse("no signature", bytes.clone(), None);
    refuse("empty signature", bytes.clone(), Some(Vec::new()));
    refuse("stranger", bytes.clone(), Some(Cms::detached(&keys::stranger(), &bytes).build()));
    refuse(
        "of another archive",
        bytes.clone(),
        Some(Cms::detached(&keys::trusted(), b"x").build()),
    );
    refuse("first bit", flipped(0), good());
    refuse("content bit", flipped(tar::BLOCK * 5), good());
    refuse("last bit", flipped(bytes.len() - 1), good());
    refuse("block of zeros behind", [&bytes[..], &[0; 512]].concat(), good());
    refuse("cut", bytes[..bytes.len() - 512].to_vec(), good());
    cases.push(whole);
    cases
}

fn paths() -> Vec<Case> {
    let names = ["../x", "etc/../../x", "/abs", "//x", "./../x", "", ".", "etc/..", "etc/./x"];
    let mut attacks: Vec<_> =
        names.iter().map(|it| (format!("name {it:?}"), vec![file(it)])).collect();
    for name in ["etc/a\0b", "/abs", "../x"] {
        attacks.push((format!("pax path {name:?}"), vec![file("x").pax("path", name)]));
    }
    for (what, name) in
        [("long component", "y".repeat(256)), ("long path", "etc/".repeat(1024) + "x")]
    {
        attacks.push((what.to_owned(), vec![file("x").pax("path", name)]));
    }
    attack("TAR-01", "zip slip", file("x"), attacks)
}

fn links() -> Vec<Case> {
    let through = |target: &str| vec![Member::symlink("d", target), file("d/f")];
    let mut attacks: Vec<_> = ["/outside", "..", ".", "etc"]
        .iter()
        .map(|it| (format!("through a link to {it}"), through(it)))
        .collect();
    attacks.push((
        "in two steps".to_owned(),
        vec![Member::symlink("a", "etc"), Member::symlink("b", "a"), Member::dir("b/c")],
    ));
    attacks.push((
        "directory over a link".to_owned(),
        vec![Member::symlink("d", "/outside"), Member::dir("d")],
    ));
    attack("TAR-02", "tar-rs CVE-2026-33056", Member::symlink("d", "/outside"), attacks)
}

fn hard_links() -> Vec<Case> {
    let mut attacks: Vec<_> = ["/etc/large", "../x", "", "etc/none", "bin", "etc", "x"]
        .iter()
        .map(|it| (format!("to {it:?}"), vec![Member::hard_link("x", it)]))
        .collect();
    let payload = Member::hard_link("x", "etc/large").with(|it| it.body = b"smuggled".to_vec());
    attacks.push(("with a payload".to_owned(), vec![payload]));
    attack("TAR-04", "Archive::Tar CVE-2026-42497", Member::hard_link("x", "etc/large"), attacks)
}

fn sizes() -> Vec<Case> {
    let sized = |size: &str| Member::file("x", b"content").pax("size", size);
    let mut attacks: Vec<_> = ["0", "1024", "-1", "+7", " 7", "07", "7.0", "18446744073709551615"]
        .iter()
        .map(|it| (format!("pax size {it:?}"), vec![sized(it)]))
        .collect();
    attacks.push((
        "pax size, none in the header".into(),
        vec![Member::file("x", b"").pax("size", "7")],
    ));
    attacks.push(("of a directory".into(), vec![Member::dir("x").pax("size", "512")]));
    for (name, field) in [
        ("binary", &b"\x80\0\0\0\0\0\0\0\0\0\0\x07"[..]),
        ("negative", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf9"),
        ("without its end", b"777777777777"),
    ] {
        attacks.push((name.to_owned(), vec![Member::file("x", b"content").over(124, field)]));
    }
    let global = Member::other(b'g', "g").with(|it| it.body = record("size", b"1"));
    attacks.push(("in a global header".to_owned(), vec![global, file("x")]));
    attack("TAR-05", "TARmageddon, CVE-2025-62518", sized("7"), attacks)
}

fn extended() -> Vec<Case> {
    let raw = |records: &[u8]| vec![Member::file("x", b"").with(|it| it.pax = records.to_vec())];
    let mut attacks: Vec<_> = [
        &b"9 path=x"[..],
        b"11 path=x\n",
        b"path=x\n",
        b"8 pathx\n",
        b"8 path=\n",
        b"12 path=a\0b\n",
        b"9 path=x\n9 path=y\n",
        b"9 path=x\n\0\0\0",
    ]
    .iter()
    .map(|it| (format!("{:?}", String::from_utf8_lossy(it)), raw(it)))
    .collect();
    for key in ["GNU.sparse.major", "SCHILY.acl.access", "unknown"] {
        attacks.push((key.to_owned(), raw(&record(key, b"1"))));
    }
    let of_v7 = raw(&record("path", b"y"))[0].clone().with(|it| it.magic = [0; 8]);
    attacks.push(("of an entry of v7".to_owned(), vec![of_v7]));
    let value = Member::file("x", b"").pax("SCHILY.xattr.user.x", b"\n11 path=ab\n");
    attacks.push(("a record in a value".to_owned(), vec![value]));
    let twin = Member::file("x", b"").pax("comment", "c");
    attack("TAR-06", "differentials of astral-tokio-tar", twin, attacks)
}

fn ends() -> Vec<Case> {
    const ORIGIN: &str = "archives that go on behind their end";
    let whole = tree_and(&[]);
    let body = whole.len() - END.len();
    let dangling = Member::other(b'x', "x").with(|it| it.body = record("path", b"y"));
    let refuse = |name: &str, bytes: Vec<u8>| case("TAR-07", name, ORIGIN, Demand::Refuse, bytes);
    vec![
        case("TAR-07", "twin", ORIGIN, Demand::Accept, whole.clone()),
        case("TAR-07", "padded", ORIGIN, Demand::Accept, [&whole[..], &[0; 10_240]].concat()),
        refuse("no end", whole[..body].to_vec()),
        refuse("half an end", whole[..body + 512].to_vec()),
        refuse("cut in a block", whole[..body - 100].to_vec()),
        refuse("a byte behind", [&whole[..], b"x"].concat()),
        refuse("an archive behind", [&whole[..], &whole[..]].concat()),
        refuse("zeros in the middle", [&whole[..body], &[0; 512][..], &whole[..]].concat()),
        refuse("an extension of nothing", tree_and(&[dangling])),
        refuse("nothing but an end", END.to_vec()),
    ]
}

fn specials() -> Vec<Case> {
    let mut attacks = Vec::new();
    for (name, kind, device) in [
        ("whiteout", b'3', (0, 0)),
        ("mem", b'3', (1, 1)),
        ("disk", b'4', (8, 0)),
        ("FIFO", b'6', (0, 0)),
    ] {
        let member = Member::other(kind, "x").with(|it| it.device = device);
        attacks.push((name.to_owned(), vec![member]));
    }
    for kind in [b'7', b'S', b'M', b'V', b'D', b'z'] {
        let name = format!("kind {}", char::from(kind));
        attacks.push((name, vec![Member::other(kind, "x")]));
    }
    let mode = |mode: u32| Member::file("x", b"").with(|it| it.mode = mode);
    attacks.push(("a file type in the mode".to_owned(), vec![mode(0o100_644)]));
    attacks.push(("owner 4294967295".to_owned(), vec![mode(0o644).pax("uid", "4294967295")]));
    attack("TAR-08", "device nodes in archives", mode(0o7777), attacks)
}

fn attributes() -> Vec<Case> {
    let with = |name: &str| Member::file("x", b"").pax(&format!("SCHILY.xattr.{name}"), b"v");
    let attacks = [
        "security.ima",
        "security.evm",
        "trusted.overlay.opaque",
        "user.overlay.redirect",
        "system.posix_acl_access",
        "user.",
    ];
    let mut attacks: Vec<_> = attacks.iter().map(|it| ((*it).to_owned(), vec![with(it)])).collect();
    let link = Member::symlink("x", "y").pax("SCHILY.xattr.user.note", b"v");
    attacks.push(("of a link".to_owned(), vec![link]));
    attack("TAR-09", "libarchive CVE-2021-23177", with("user.note"), attacks)
}

fn twice() -> Vec<Case> {
    let kinds = [
        ("file", file("d")),
        ("directory", Member::dir("d")),
        ("link", Member::symlink("d", "etc")),
    ];
    let mut attacks = Vec::new();
    for (first, one) in &kinds {
        for (second, two) in &kinds {
            attacks.push((format!("{first}, then {second}"), vec![one.clone(), two.clone()]));
        }
    }
    attack("TAR-12", "which of two entries a reader takes", file("D"), attacks)
}
