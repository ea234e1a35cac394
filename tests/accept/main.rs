// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What must be accepted: refusing everything is no protection but an outage.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::as_conversions,
    dead_code,
    reason = "a test that panics fails, which is what a test is for; the refusals use the rest"
)]

#[path = "../judge/mod.rs"]
mod judge;

use judge::{Machine, Twin, graft};
use veriroot_test_support::ddi::{Arch, Ddi, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;
use veriroot_test_support::verity::Params;

#[test]
fn signed_root_and_nothing_else_of_the_image() {
    let neighbours =
        ["usr", "home", "srv", "var", "tmp", "swap", "esp", "xbootldr", "linux-generic"];
    let builder = neighbours
        .into_iter()
        .fold(Ddi::builder(), |it, name| it.partition(name, Erofs::usr_tree(4096).build()));
    let report = Machine::default().accepts(&builder.build());
    let used: Vec<_> = report.partitions.iter().map(|it| it.designator).collect();
    assert_eq!(used, ["root"]);
}

#[test]
fn report_tells_what_was_proven() {
    let image = Ddi::builder().build();
    let report = Machine::default().accepts(&image);
    let root = &report.partitions[0];
    assert_eq!(root.root_hash, Some(image.root_hash_hex("root")));
    assert_eq!(root.blocks_verified, image.range("root").len() as u64 / 4096);
    assert_eq!(root.filesystem, Some("erofs"));
    assert!(root.signer.as_ref().is_some_and(|it| it.contains("trusted signer")), "{root:?}");
    let ids: Vec<_> = report.findings.iter().map(|it| it.id).collect();
    let stages =
        ["dissect-gpt", "policy-layout", "authenticate-signature", "fetch-block", "identify-type"];
    assert_eq!(ids, stages);
}

#[test]
fn usr_alone_and_a_root_beside_a_usr_that_policy_ignores() {
    let usr = || Volume::new(Erofs::usr_tree(4096).build());
    let alone = Ddi::empty().volume("usr", usr()).build();
    Machine::demanding("usr=signed:=ignore").accepts(&alone);
    let both = Ddi::builder().volume("usr", usr()).build();
    let report = Machine::demanding("root=signed:=ignore").accepts(&both);
    assert_eq!(report.partitions.len(), 1);
}

#[test]
fn what_policy_ignores_may_be_there_twice_and_of_one_sector() {
    let sector = || vec![0x5a; 512];
    let once = Ddi::builder().partition("home", sector()).build();
    let once = once.change_entry("home", |it| it.last_lba = it.first_lba);
    Machine::default().accepts(&once);
    Machine::default().accepts(&once.add_partition("home", Arch::X86_64, &sector()));
}

#[test]
fn every_order_of_partitions() {
    let names = ["root", "root-verity", "root-verity-sig"];
    for (a, b, c) in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)] {
        let image = Ddi::builder().order(&[names[a], names[b], names[c]]).build();
        let report = Machine::default().accepts(&image);
        assert_eq!(report.partitions[0].number as usize, image.number("root"));
    }
}

#[test]
fn every_sector_and_block_size() {
    for sector in [512, 1024, 2048, 4096] {
        Machine::default().accepts(&Ddi::builder().sector(sector).build());
    }
    for block in [512, 1024, 2048, 4096] {
        for (data_block, hash_block) in [(block, 4096), (4096, block)] {
            let params = Params { data_block, hash_block, ..Params::default() };
            let image = Ddi::builder().change("root", |it| it.verity(params)).build();
            let report = Machine::default().accepts(&image);
            let blocks = image.range("root").len() / data_block;
            assert_eq!(report.partitions[0].blocks_verified, blocks as u64);
        }
    }
}

#[test]
fn every_salt_length_and_both_algorithms() {
    for len in [0, 1, 31, 32, 255, 256] {
        let params = Params { salt: vec![0xA5; len], ..Params::default() };
        Machine::default().accepts(&Ddi::builder().change("root", |it| it.verity(params)).build());
    }
    let params = Params { algorithm: "sha512".to_owned(), ..Params::default() };
    let image = Ddi::builder().change("root", |it| it.verity(params)).build();
    let report = Machine::default().accepts(&image);
    assert_eq!(report.partitions[0].root_hash.as_ref().unwrap().len(), 128);
}

/// VER-08: where a tree gets another block, and another level.
#[test]
fn trees_around_every_boundary() {
    for blocks in [1_usize, 2, 3, 127, 128, 129, 130, 256, 257] {
        let mut content = Erofs::new().build();
        content.resize(blocks.max(content.len() / 4096) * 4096, 0);
        let image = Ddi::empty().volume("root", Volume::new(content)).build();
        Machine::default().accepts(&image);
    }
    // 128 * 128 and its neighbours, with the smallest blocks.
    for blocks in [16383, 16384, 16385] {
        let mut content = Erofs::new().build();
        content.resize(blocks * 512, 0);
        let params = Params { data_block: 512, ..Params::default() };
        let volume = Volume::new(content).verity(params);
        let report = Machine::default().accepts(&Ddi::empty().volume("root", volume).build());
        assert_eq!(report.partitions[0].blocks_verified, blocks as u64);
    }
}

#[test]
fn partitions_larger_than_what_is_in_them() {
    let twin = Twin::b0();
    for name in ["root", "root-verity", "root-verity-sig"] {
        let larger = [twin.image.content(name), &[0; 65536]].concat();
        twin.accepted(|it| it.replace_content(name, &larger));
        if name != "root-verity-sig" {
            // Behind the tree, and behind the data it covers, stands nothing that counts.
            let junk = [twin.image.content(name), &[0xA5; 65536]].concat();
            twin.accepted(|it| it.replace_content(name, &junk));
        }
    }
}

#[test]
fn either_of_two_trusted_signers() {
    let machine =
        Machine { anchors: vec![keys::trusted(), keys::trusted_ec()], ..Machine::default() };
    for signer in [keys::trusted(), keys::trusted_ec()] {
        let report =
            machine.accepts(&Ddi::builder().change("root", |it| it.signed_by(&signer)).build());
        assert!(report.partitions[0].signer.is_some());
    }
}

#[test]
fn newest_root_with_its_own_tree_and_signature() {
    let newer = Ddi::builder().volume("root", Volume::new(Erofs::root_tree(4096).build())).build();
    let twin = Twin::b0();
    let report = twin.accepted(|it| {
        let it = graft(it, &newer, "root", "root-x86-64_2");
        let it = graft(it, &newer, "root-verity", "root-x86-64-verity_2");
        graft(it, &newer, "root-verity-sig", "root-x86-64-verity-sig_2")
    });
    assert_eq!(report.partitions[0].number, 4);
    assert_eq!(report.partitions[0].root_hash, Some(newer.root_hash_hex("root")));
}
