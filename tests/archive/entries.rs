// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Entries: names, links, sizes, extended headers, kinds, attributes, counts, the end.

use veriroot::finding::Class;
use veriroot::unpack::Fault;
use veriroot_test_support::tar::{self, END, Member, record};

use crate::machine::{Machine, accepted, fault, tree_and};

/// One entry behind a sound tree.
#[track_caller]
fn with(member: Member) -> (Fault, Class) {
    fault(&Machine::careless(""), &tree_and(&[member]))
}

#[track_caller]
fn fine(member: Member) {
    accepted(&Machine::careless(""), &tree_and(&[member]));
}

#[test]
fn a_sound_tree_is_accepted_in_both_dialects() {
    accepted(&Machine::careless(""), &tree_and(&[]));
    let gnu: Vec<Member> = tar::tree().into_iter().map(Member::gnu).collect();
    accepted(&Machine::careless(""), &tar::archive(&gnu));
}

#[test]
fn refuses_names_that_lead_elsewhere() {
    fine(Member::file("x", b""));
    for name in ["../x", "etc/../../x", "/abs", "//x", "./../x", "", ".", "etc/..", "etc/./x"] {
        let (fault, class) = with(Member::file(name, b"x"));
        assert!(matches!(fault, Fault::Path(_)), "{name}: {fault}");
        assert_eq!(class, Class::Tar);
    }
    let hidden = with(Member::file("x", b"").over(0, b"x\0b"));
    assert_eq!(hidden.0, Fault::Hidden);
    for name in ["etc/a\0b", "/abs", "../x", "etc/"] {
        let refused = with(Member::file("x", b"").pax("path", name));
        assert!(matches!(refused.0, Fault::Pax(_) | Fault::Path(_)), "{name}: {refused:?}");
    }
    fine(Member::file("x", b"").pax("path", "y".repeat(255)));
    for name in ["y".repeat(256), "etc/".repeat(1024) + "x"] {
        let refused = with(Member::file("x", b"").pax("path", &name));
        assert!(matches!(refused.0, Fault::Path(_)), "{refused:?}");
    }
}

#[test]
fn refuses_to_go_through_a_link() {
    fine(Member::symlink("etc/d", "/outside"));
    fine(Member::symlink("etc/d", ".."));
    for target in ["/outside", "..", "."] {
        let members = [Member::symlink("d", target), Member::file("d/f", b"x")];
        let (fault, _) = fault(&Machine::careless(""), &tree_and(&members));
        assert_eq!(fault, Fault::Parent);
    }
    let twice = [Member::symlink("a", "etc"), Member::symlink("b", "a"), Member::dir("b/c")];
    assert_eq!(fault(&Machine::careless(""), &tree_and(&twice)).0, Fault::Parent);
}

#[test]
fn refuses_every_second_entry_of_a_name() {
    let kinds = [Member::file("d", b"x"), Member::dir("d"), Member::symlink("d", "etc")];
    for first in &kinds {
        fine(first.clone());
        for second in &kinds {
            let members = [first.clone(), second.clone()];
            let (fault, class) = fault(&Machine::careless(""), &tree_and(&members));
            assert_eq!((fault, class), (Fault::Duplicate, Class::Tar));
        }
    }
    // Names are bytes: these are two.
    for (a, b) in [("x", "X"), ("F\u{151}", "Fo\u{30b}")] {
        accepted(&Machine::careless(""), &tree_and(&[Member::file(a, b""), Member::file(b, b"")]));
    }
    assert_eq!(with(Member::dir("./")).0, Fault::Duplicate);
}

#[test]
fn a_directory_comes_before_what_lies_in_it() {
    assert_eq!(with(Member::file("new/x", b"")).0, Fault::Parent);
    assert_eq!(with(Member::file("etc/large/x", b"")).0, Fault::Parent);
    let members = [Member::dir("new"), Member::file("new/x", b"")];
    accepted(&Machine::careless(""), &tree_and(&members));
}

#[test]
fn hard_links_lead_to_regular_files_that_came_before() {
    fine(Member::hard_link("x", "etc/large"));
    let second = Member::hard_link("x", "./usr/bin/sudo").with(|it| it.mode = 0o4755);
    fine(second.clone());
    // Some readers give the file what its link says, others don't.
    for other in [
        second.clone().with(|it| it.mode = 0o755),
        second.clone().with(|it| it.mtime = 1),
        second.clone().pax("mtime", "1700000000.5"),
        second.pax("uid", "12345"),
    ] {
        let (fault, _) = with(other);
        assert!(matches!(fault, Fault::LinkDiffers), "{fault}");
    }
    for target in ["etc/none", "bin", "etc", "etc/os-release", "x"] {
        let (fault, _) = with(Member::hard_link("x", target));
        assert!(matches!(fault, Fault::HardLink { .. }), "{target}: {fault}");
    }
    for target in ["/etc/large", "../x", "", "etc/../etc/large"] {
        let (fault, _) = with(Member::hard_link("x", target));
        assert!(matches!(fault, Fault::Path(_)), "{target}: {fault}");
    }
    let payload = Member::hard_link("x", "etc/large").with(|it| it.body = b"smuggled".to_vec());
    assert_eq!(with(payload).0, Fault::Size);
}

#[test]
fn symbolic_links_say_something() {
    fine(Member::symlink("x", "/absolute/../anywhere"));
    assert!(matches!(with(Member::symlink("x", "")).0, Fault::Path(_)));
    let long = Member::symlink("x", "y").pax("linkpath", "z/".repeat(2048));
    assert!(matches!(with(long).0, Fault::Path(_)));
    assert!(matches!(
        with(Member::file("x", b"").with(|it| it.link = b"y".to_vec())).0,
        Fault::Path(_)
    ));
}

#[test]
fn a_size_is_said_once_or_twice_the_same() {
    fine(Member::file("x", b"content").pax("size", "7"));
    for (member, size) in [
        (Member::file("x", b"content"), "0"),
        (Member::file("x", b"content"), "1024"),
        (Member::file("x", b""), "7"),
        (Member::dir("x"), "512"),
        (Member::symlink("x", "y"), "512"),
        (Member::hard_link("x", "etc/large"), "70001"),
    ] {
        let (fault, class) = with(member.pax("size", size));
        assert_eq!((fault, class), (Fault::Size, Class::Tar), "{size}");
    }
    for size in ["-1", "+7", " 7", "07", "7.0", "18446744073709551615"] {
        let (fault, _) = with(Member::file("x", b"content").pax("size", size));
        assert_eq!(fault, Fault::Number { field: "size" }, "{size}");
    }
    for kind in [b'5', b'2', b'3', b'6'] {
        let member = Member::other(kind, "x").with(|it| it.size = Some(512));
        assert_eq!(with(member).0, Fault::Size);
    }
    for size in [
        &b"\x80\0\0\0\0\0\0\0\0\0\0\x07"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf9",
        b"777777777777",
    ] {
        let member = Member::file("x", b"content").over(124, size);
        assert_eq!(with(member).0, Fault::Number { field: "size" });
    }
    // What octal has no room for is said by the extended header alone; these bytes are missing.
    let large = Member::file("x", b"").pax("size", "8589934592");
    assert_eq!(with(large).0, Fault::Truncated);
}

#[test]
fn an_extended_header_is_of_its_form_or_ends_it() {
    let raw = |records: &[u8]| Member::file("x", b"").with(|it| it.pax = records.to_vec());
    fine(raw(&record("comment", b"c")));
    for records in [
        &b"9 path=x"[..],
        b"11 path=x\n",
        b"8 path=x\n",
        b"path=x\n",
        b"8 pathx\n",
        b"8 path=\n",
        b"12 path=a\0b\n",
        b"9 path=x\n9 path=y\n",
        b"9 path=x\n\0\0\0",
    ] {
        let (fault, class) = with(raw(records));
        assert!(matches!(fault, Fault::Pax(_)), "{records:?}: {fault}");
        assert_eq!(class, Class::Tar);
    }
    for key in ["GNU.sparse.major", "GNU.sparse.map", "SCHILY.acl.access", "unknown"] {
        assert!(matches!(with(raw(&record(key, b"1"))).0, Fault::PaxKey { .. }), "{key}");
    }
    // A value that another reader could take for a record.
    let smuggling = Member::file("x", b"").pax("SCHILY.xattr.user.x", b"\n11 path=ab\n");
    assert!(matches!(with(smuggling).0, Fault::Differs { .. }));
    let of_v7 = raw(&record("path", b"y")).with(|it| it.magic = [0; 8]);
    assert_eq!(with(of_v7).0, Fault::Magic);
    let large =
        Member::other(b'x', "x").with(|it| it.body = record("comment", &vec![b'c'; 1 << 20]));
    assert_eq!(with(large).1, Class::Limit);
}

#[test]
fn extension_headers_go_together_with_one_entry() {
    let global = |key: &str| Member::other(b'g', "g").with(|it| it.body = record(key, b"1"));
    let machine = Machine::careless("");
    accepted(&machine, &tree_and(&[global("comment"), Member::file("x", b"")]));
    for key in ["size", "path", "uid", "mtime"] {
        let members = [global(key), Member::file("x", b"")];
        assert!(matches!(fault(&machine, &tree_and(&members)).0, Fault::PaxKey { .. }));
    }
    let extended = || Member::other(b'x', "x").with(|it| it.body = record("path", b"y"));
    for members in [
        [extended(), extended()],
        [extended(), global("comment")],
        [extended(), Member::file("x", b"").gnu()],
        [long(b'L', b"y\0"), Member::file("x", b"")],
        [long(b'L', b"y\0").with(|it| it.magic = *b"ustar\x0000"), Member::file("x", b"")],
        [long(b'L', b"y"), Member::file("x", b"").gnu()],
    ] {
        let (fault, _) = fault(&machine, &tree_and(&members));
        assert!(matches!(fault, Fault::Extension(_)), "{fault}");
    }
    let gnu = [long(b'L', b"long-name\0"), long(b'K', b"etc\0"), Member::symlink("x", "y").gnu()];
    accepted(&machine, &tree_and(&gnu));
    let twice = [long(b'L', b"a\0"), long(b'L', b"b\0"), Member::file("x", b"").gnu()];
    assert!(matches!(fault(&machine, &tree_and(&twice)).0, Fault::Extension(_)));
    for dangling in [extended(), global("comment"), long(b'L', b"y\0"), long(b'K', b"y\0")] {
        assert_eq!(with(dangling).0, Fault::Dangling);
    }
}

fn long(kind: u8, name: &[u8]) -> Member {
    Member::other(kind, "././@LongLink").gnu().with(|it| it.body = name.to_vec())
}

#[test]
fn an_archive_ends_with_two_blocks_of_zeros_and_nothing_else() {
    let machine = Machine::careless("");
    let whole = tree_and(&[]);
    let body = whole.len() - END.len();
    for padding in [512, 10_240] {
        accepted(&machine, &[&whole[..], &vec![0; padding]].concat());
    }
    let cases = [
        (whole[..body].to_vec(), Fault::NoEnd),
        (whole[..body + 512].to_vec(), Fault::NoEnd),
        (whole[..body + 700].to_vec(), Fault::Truncated),
        (whole[..body - 512].to_vec(), Fault::NoEnd),
        (whole[..body - 100].to_vec(), Fault::Truncated),
        ([&whole[..], b"x"].concat(), Fault::Trailing),
        ([&whole[..], b"\0"].concat(), Fault::Truncated),
        ([&whole[..], &whole[..]].concat(), Fault::Trailing),
        ([&whole[..body], &[0; 512][..], &whole[..]].concat(), Fault::Trailing),
    ];
    for (number, (bytes, expected)) in cases.into_iter().enumerate() {
        assert_eq!(fault(&machine, &bytes), (expected, Class::Tar), "{number}");
    }
    let truncated = [&whole[..body], &Member::file("x", &[7; 5000]).bytes()[..2048]].concat();
    assert_eq!(fault(&machine, &truncated).0, Fault::Truncated);
    assert_eq!(fault(&machine, &END), (Fault::Empty, Class::Tar));
}

#[test]
fn nothing_is_hidden_in_the_padding() {
    fine(Member::file("x", b"content"));
    assert_eq!(with(Member::file("x", b"content").with(|it| it.filler = 1)).0, Fault::Padding);
    assert_eq!(
        with(Member::file("x", b"").with(|it| it.over_sum = vec![(0, b"y".to_vec())])).0,
        Fault::Checksum
    );
}

#[test]
fn kinds_off_the_list_are_refused() {
    fine(Member::other(b'0', "x"));
    for kind in [b'\0', b'7', b'S', b'M', b'V', b'D', b'N', b'A', b'8', b'z'] {
        let (fault, class) = with(Member::other(kind, "x"));
        assert!(matches!(fault, Fault::Type { .. }), "{kind}: {fault}");
        assert_eq!(class, Class::Tar);
    }
}

#[test]
fn devices_need_a_word_of_policy() {
    let kinds = [(b'3', (0, 0)), (b'3', (1, 1)), (b'4', (8, 0)), (b'6', (0, 0))];
    let allowing = Machine::careless("devices = true");
    for (kind, device) in kinds {
        let member = Member::other(kind, "x").with(|it| it.device = device);
        let (fault, class) = with(member.clone());
        assert!(matches!(fault, Fault::Device { .. }), "{fault}");
        assert_eq!(class, Class::Policy);
        accepted(&allowing, &tree_and(&[member]));
    }
    let beyond = Member::other(b'3', "x").with(|it| it.device = (1 << 12, 0));
    let (fault, _) = fault(&allowing, &tree_and(&[beyond]));
    assert_eq!(fault, Fault::Range { field: "devmajor" });
}

#[test]
fn set_id_is_taken_unless_policy_says_no() {
    let forbidding = Machine::careless("set-id = false");
    let plain: Vec<Member> =
        tar::tree().into_iter().filter(|it| it.mode & 0o6000 == 0 && it.kind != b'1').collect();
    accepted(&forbidding, &tar::archive(&plain));
    for mode in [0o4755, 0o2755, 0o6711] {
        let member = Member::file("x", b"").with(|it| it.mode = mode);
        fine(member.clone());
        let bytes = tar::archive(&[plain.clone(), vec![member]].concat());
        assert_eq!(fault(&forbidding, &bytes), (Fault::SetId, Class::Policy));
    }
    // Of a directory it says whose group new files have.
    let directory = Member::dir("x").with(|it| it.mode = 0o3777);
    accepted(&forbidding, &tar::archive(&[plain, vec![directory]].concat()));
    let device = Member::other(b'3', "x").with(|it| it.mode = 0o4666);
    let (fault, _) = fault(&Machine::careless("devices = true"), &tree_and(&[device]));
    assert_eq!(fault, Fault::SetId);
}

#[test]
fn modes_and_owners_are_within_bounds() {
    fine(Member::file("x", b"").with(|it| it.mode = 0o7777));
    assert_eq!(
        with(Member::file("x", b"").with(|it| it.mode = 0o100_644)).0,
        Fault::Mode { found: 0o100_644 }
    );
    let owner = |key: &str, id: &str| Member::file("x", b"").with(|it| it.uid = 1).pax(key, id);
    for key in ["uid", "gid"] {
        accepted(
            &Machine::careless(""),
            &tar::archive(&[Member::dir("usr"), owner(key, "2147483648")]),
        );
        for id in ["4294967295", "4294967296"] {
            let bytes = tar::archive(&[Member::dir("usr"), owner(key, id)]);
            let (fault, _) = fault(&Machine::careless(""), &bytes);
            assert!(matches!(fault, Fault::Owner { .. }), "{key}={id}: {fault}");
        }
    }
}

#[test]
fn attributes_are_on_a_list() {
    let file = |name: &str| Member::file("x", b"").pax(&format!("SCHILY.xattr.{name}"), b"v");
    for name in ["security.capability", "security.selinux", "user.note"] {
        fine(file(name));
        fine(Member::dir("x").pax(&format!("SCHILY.xattr.{name}"), b"v"));
        for member in [Member::symlink("x", "y"), Member::hard_link("x", "etc/large")] {
            let (fault, _) = with(member.pax(&format!("SCHILY.xattr.{name}"), b"v"));
            assert!(matches!(fault, Fault::Xattr { .. }));
        }
    }
    for name in [
        "security.ima",
        "security.evm",
        "trusted.overlay.opaque",
        "user.overlay.redirect",
        "system.posix_acl_access",
        "user.",
        "",
    ] {
        let (fault, class) = with(file(name));
        assert!(matches!(fault, Fault::Xattr { .. }), "{name}: {fault}");
        assert_eq!(class, Class::Tar);
    }
    let many = (0..10_000)
        .fold(Member::file("x", b""), |it, n| it.pax(&format!("SCHILY.xattr.user.{n}"), b"v"));
    assert_eq!(with(many).1, Class::Limit);
    let large = Member::file("x", b"").pax("SCHILY.xattr.user.x", vec![b'v'; 65_537]);
    assert_eq!(with(large), (Fault::XattrSize, Class::Limit));
}

#[test]
fn counts_and_depths_have_limits() {
    let deep = |depth: usize| {
        let mut members = vec![Member::dir("usr")];
        for depth in 1..=depth {
            members.push(Member::dir("x").pax("path", vec!["d"; depth].join("/")));
        }
        tar::archive(&members)
    };
    accepted(&Machine::careless(""), &deep(128));
    assert_eq!(fault(&Machine::careless(""), &deep(129)), (Fault::Depth, Class::Limit));
    let small = Machine::careless("[transport]\nsize-max = \"64K\"");
    let (fault, class) = fault(&small, &tree_and(&[]));
    assert_eq!((fault, class), (Fault::TooLarge { limit: 64 << 10 }, Class::Limit));
}

#[test]
fn text_of_an_archive_can_not_forge_a_report() {
    let odd = Member::file("\u{1b}[2J\n<0>accepted\u{202e}", b"");
    fine(odd.clone());
    let members = [odd.clone(), odd];
    let error = crate::machine::refused(&Machine::careless(""), &tree_and(&members));
    assert!(error.to_string().contains("\\u{1b}[2J\\u{a}<0>accepted\\u{202e}"), "{error}");
}
