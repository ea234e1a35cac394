// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which partitions belong together, and which one is meant.

use uuid::Uuid;
use veriroot_test_support::ddi::{Arch, Image, NO_AUTO, Volume, type_guid};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use super::{Attack, Make, builder};
use crate::{Case, Demand};

pub(super) const ALL: &[Make] =
    &[doubles, neighbours, stripped_signature, stripped_tree, guessed, encrypted, roles];

/// Another root, signed by a stranger.
fn evil() -> Image {
    let volume = Volume::new(Erofs::root_tree(4096).build()).signed_by(&keys::stranger());
    builder().volume("root", volume).build()
}

/// Takes a partition over from another image, with its GUID.
fn graft(image: Image, from: &Image, name: &str, label: &str) -> Image {
    let number = image.gpt.entries.iter().position(|it| !it.is_used()).unwrap() + 1;
    let number = number.to_string();
    let image = image.add_partition(name, Arch::X86_64, from.content(name));
    let own = image.entry(&number).guid;
    let guid = if name.ends_with("-sig") { own } else { from.entry(name).guid };
    image.set_guid(&number, guid).relabel(&number, label)
}

fn doubles() -> Vec<Case> {
    let newer = |it| graft(it, &evil(), "root", "root-x86-64_2");
    let other = builder().volume("root", Volume::new(Erofs::root_tree(4096).build())).build();
    Attack::new("SEL-01", "first wins: dissectors that pick three partitions one by one")
        .refuse("two roots", |it| graft(it, &evil(), "root", "root-x86-64"))
        .refuse("newer root of a stranger", newer)
        .refuse("newer root of a stranger, first", |it| newer(it).swap("1", "4"))
        .refuse("newer triple of a stranger", |it| {
            let it = graft(newer(it), &evil(), "root-verity", "root-x86-64-verity_2");
            graft(it, &evil(), "root-verity-sig", "root-x86-64-verity-sig_2")
        })
        .refuse("two signatures", |it| {
            let signature = it.content("root-verity-sig").to_vec();
            it.add_partition("root-verity-sig", Arch::X86_64, &signature)
        })
        .refuse("tree of another root", |it| {
            it.replace_content("root-verity", other.content("root-verity"))
                .set_guid("root-verity", other.entry("root-verity").guid)
        })
        .refuse("signature of another root", |it| {
            it.replace_content("root-verity-sig", other.content("root-verity-sig"))
        })
        .refuse_each("GUID is no end of the root hash", ["root", "root-verity"], |it, name| {
            let guid = Uuid::from_u128(it.entry(name).guid.as_u128() ^ 1);
            it.set_guid(name, guid)
        })
        .accept("older root of a stranger", |it| graft(it, &evil(), "root", "root-x8"))
        .accept("trees and signatures of others", |it| {
            let it = graft(it, &evil(), "root-verity", "root-x86-64-verity_9");
            graft(it, &evil(), "root-verity-sig", "root-x86-64-verity-sig_9").swap("1", "5")
        })
        .done()
}

fn neighbours() -> Vec<Case> {
    let absent = |mut attack: Attack| {
        for case in &mut attack.cases {
            case.policy = "root=signed:=absent".to_owned();
        }
        attack.done()
    };
    let names = ["usr", "home", "srv", "var", "tmp", "swap", "esp", "xbootldr"];
    absent(Attack::new("SEL-02", "systemd mounts neighbours where the policy is *").refuse_each(
        "unsigned",
        names,
        |it, name| it.add_partition(name, Arch::X86_64, &[1]),
    ))
}

fn stripped_signature() -> Vec<Case> {
    let generic = type_guid("linux-generic", Arch::X86_64);
    Attack::new("SEL-03", "strip attack; partitions present and not used")
        .refuse("removed", |it| it.remove("root-verity-sig"))
        .refuse("retyped", |it| it.retype("root-verity-sig", generic))
        .refuse("called _empty", |it| it.relabel("root-verity-sig", "_empty"))
        .refuse("no-auto", |it| it.set_attributes("root-verity-sig", NO_AUTO))
        .refuse("zeroed", |it| it.change_content("root-verity-sig", |it| it.fill(0)))
        .done()
}

fn stripped_tree() -> Vec<Case> {
    let generic = type_guid("linux-generic", Arch::X86_64);
    Attack::new("SEL-04", "strip attack")
        .refuse("tree removed", |it| it.remove("root-verity"))
        .refuse("both removed", |it| it.strip_verity("root"))
        .refuse("tree retyped", |it| it.retype("root-verity", generic))
        .done()
}

fn guessed() -> Vec<Case> {
    let unsigned = builder().change("root", Volume::unsigned).build();
    let mut cases = Attack::new("SEL-05", "systemd guess_verity_roothash")
        .push("unsigned, UUIDs spell the hash", Demand::Refuse, &unsigned)
        .done();
    let mut verity = Case::of(
        "SEL-05",
        "the same where verity would do",
        "systemd guess_verity_roothash",
        Demand::Refuse,
        &unsigned,
    );
    verity.policy = "root=verity:=ignore".to_owned();
    cases.push(verity);
    cases
}

fn encrypted() -> Vec<Case> {
    let attack = Attack::new("SEL-06", "CVE-2025-59054, CVE-2025-58356: LUKS2 with a null cipher");
    let luks = |version: u8| {
        let mut content = super::root();
        content[..8].copy_from_slice(&[b'L', b'U', b'K', b'S', 0xBA, 0xBE, 0, version]);
        content
    };
    let signed = |content| builder().volume("root", Volume::new(content)).build();
    attack
        .push("signed, LUKS1 header before erofs", Demand::Refuse, &signed(luks(1)))
        .push("signed, LUKS2 header before erofs", Demand::Refuse, &signed(luks(2)))
        .refuse("plain LUKS2 beside its tree", |it| {
            it.change_content("root", |it| it[..8].copy_from_slice(b"LUKS\xBA\xBE\0\x02"))
        })
        .done()
}

fn roles() -> Vec<Case> {
    let arm64 = builder().arch(Arch::Arm64).build();
    Attack::new("SEL-07", "the table is not signed: types are the attacker's")
        .push("root of another architecture", Demand::Refuse, &arm64)
        .done()
}
