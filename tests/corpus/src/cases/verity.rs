// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Superblock, tree and data, none of which is signed.

use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::verity::Params;

use super::{Attack, Make, builder, root};
use crate::{Case, Demand};

pub(super) const ALL: &[Make] =
    &[fields, no_blocks, algorithms, words, sizes, corruption, shapes, depth, options, root_hashes];

const BLOCK: usize = 4096;

fn superblock(image: Image, at: usize, bytes: &[u8]) -> Image {
    image.change_content("root-verity", |it| it[at..at + bytes.len()].copy_from_slice(bytes))
}

fn data_blocks(image: &Image) -> u64 {
    u64::from_le_bytes(image.content("root-verity")[72..80].try_into().unwrap())
}

fn fields() -> Vec<Case> {
    let word = |at: usize| move |it: Image, found: u32| superblock(it, at, &found.to_le_bytes());
    let sizes = [0, 511, 1000, 8192, 1 << 31, u32::MAX];
    Attack::new("VER-02", "cryptsetup multiplies without looking; the kernel looks again")
        .refuse("magic", |it| superblock(it, 0, b"verify"))
        .refuse_each("version", [0, 2, u32::MAX], word(8))
        .refuse_each("hash type", [0, 2, u32::MAX], word(12))
        .refuse_each("data block size", sizes, word(64))
        .refuse_each("hash block size", sizes, word(68))
        .refuse_each("data blocks", [1 << 51, 1 << 52, 1 << 63, u64::MAX], |it, found: u64| {
            superblock(it, 72, &found.to_le_bytes())
        })
        .refuse_each("salt size", [0, 31, 33, 257, 65535], |it, found: u16| {
            superblock(it, 80, &found.to_le_bytes())
        })
        .refuse_each("reserved byte", [82, 87, 120, 343, 344, 511], |it, at: usize| {
            superblock(it, at, &[1])
        })
        .accept("another UUID", |it| superblock(it, 16, &[0xAB; 16]))
        .done()
}

fn no_blocks() -> Vec<Case> {
    Attack::new("VER-03", "veritysetup takes 0 for the whole device")
        .refuse("0 data blocks", |it| superblock(it, 72, &[0; 8]))
        .done()
}

fn name(image: Image, text: &[u8]) -> Image {
    let mut field = [0; 32];
    field[..text.len()].copy_from_slice(text);
    superblock(image, 32, &field)
}

fn algorithms() -> Vec<Case> {
    let made_with = |algorithm: &str| {
        let params = Params { algorithm: algorithm.into(), ..Params::default() };
        builder().volume("root", Volume::new(root()).verity(params)).build()
    };
    Attack::new("VER-04", "digest length alone picks no algorithm")
        .push("tree and signature with sha1", Demand::Refuse, &made_with("sha1"))
        .push("tree and signature with md5", Demand::Refuse, &made_with("md5"))
        .push("tree and signature with sha512", Demand::Accept, &made_with("sha512"))
        .refuse_each(
            "called",
            ["md5", "sha1", "blake2s-256", "SHA256", "", "sha512"],
            |it, text| name(it, text.as_bytes()),
        )
        .done()
}

fn words() -> Vec<Case> {
    let names = [
        "hmac(sha256)",
        "sha256\0junk",
        "sha256 0 ignore_corruption",
        "sha256 sha256 sha256 sha256 sha2",
    ];
    Attack::new("VER-05", "device-mapper tables are words between blanks")
        .refuse_each("called", names, |it, text| name(it, text.as_bytes()))
        .done()
}

fn sizes() -> Vec<Case> {
    let attack = Attack::new("VER-06", "what the tree covers and what the partition holds");
    let blocks = data_blocks(&attack.twin);
    attack
        .refuse_each("data blocks changed by", [-1, 1, 7, -7], |it, by: i64| {
            superblock(it, 72, &blocks.wrapping_add_signed(by).to_le_bytes())
        })
        .refuse("hash partition cut", |it| it.change_entry("root-verity", |it| it.last_lba -= 8))
        .accept("bytes behind the tree's data", |it| {
            let padded = [it.content("root"), &[7; BLOCK]].concat();
            it.replace_content("root", &padded)
        })
        .done()
}

fn corruption() -> Vec<Case> {
    let attack = Attack::new("VER-07", "verity-compat-test corrupts two places");
    let blocks = attack.twin.range("root").len() / BLOCK;
    let tree = attack.twin.range("root-verity").len() / BLOCK;
    attack
        .refuse_each("data block", 0..blocks, |it, number| {
            it.flip_bit("root", number * BLOCK + number * 509 % BLOCK, (number % 8) as u8)
        })
        .refuse_each("hash block", 1..tree, |it, number| {
            it.flip_bit("root-verity", number * BLOCK + 40, 0)
        })
        .refuse("two data blocks exchanged", |it| {
            it.change_content("root", |it| {
                let (a, b) = it.split_at_mut(2 * BLOCK);
                a[BLOCK..].swap_with_slice(&mut b[..BLOCK]);
            })
        })
        .done()
}

fn shapes() -> Vec<Case> {
    let of = |blocks: u64| {
        let tree = Erofs::root_tree(0).build().len() as u64 / 4096;
        let content = Erofs::root_tree((blocks - tree) * 4096).build();
        assert_eq!(content.len() as u64, blocks * 4096);
        Ddi::empty().total(0).volume("root", Volume::new(content)).build()
    };
    let mut cases = Vec::new();
    for blocks in [127, 128, 129] {
        let mut attack = Attack::on("VER-08", "cryptsetup once counted levels wrong", of(blocks));
        attack = attack.refuse("last block", |it| {
            let last = it.range("root").len() - 1;
            it.flip_bit("root", last, 7)
        });
        let named = |it: Case| Case { name: format!("{blocks} blocks: {}", it.name), ..it };
        cases.extend(attack.done().into_iter().map(named));
    }
    cases
}

/// The root hash says nothing of the depth: the leaves of a tree pass as the data of a lower one.
fn depth() -> Vec<Case> {
    let tree = Erofs::root_tree(0).build().len() as u64 / 4096;
    let content = Erofs::root_tree((129 - tree) * 4096).build();
    let whole = Ddi::empty().total(0).volume("root", Volume::new(content)).build();
    Attack::on("VER-08", "dm-verity hashes blocks, and not at which height they stand", whole)
        .refuse("leaves of the tree as data", |it| {
            let area = it.content("root-verity");
            let leaves = area[2 * BLOCK..4 * BLOCK].to_vec();
            let mut lower = area[..2 * BLOCK].to_vec();
            lower[72..80].copy_from_slice(&2_u64.to_le_bytes());
            it.replace_content("root", &leaves).replace_content("root-verity", &lower)
        })
        .refuse("top block as data", |it| {
            let area = it.content("root-verity");
            let top = area[BLOCK..2 * BLOCK].to_vec();
            let mut lower = area[..BLOCK].to_vec();
            lower[72..80].copy_from_slice(&1_u64.to_le_bytes());
            it.replace_content("root", &top).replace_content("root-verity", &lower)
        })
        .done()
        .into_iter()
        .map(|it| Case { name: format!("depth: {}", it.name), ..it })
        .collect()
}

fn options() -> Vec<Case> {
    Attack::new("VER-09", "CVE-2026-46130: forward error correction reads out of bounds")
        .accept("FEC-like bytes behind the tree", |it| {
            let more = [it.content("root-verity"), &[0x46; BLOCK]].concat();
            it.replace_content("root-verity", &more)
        })
        .done()
}

fn root_hashes() -> Vec<Case> {
    Attack::new("VER-10", "hashes compared only in part")
        .refuse("last byte of the root hash in the JSON", |it| {
            let hex = it.root_hash_hex("root");
            let text = String::from_utf8_lossy(it.content("root-verity-sig")).into_owned();
            let last = if hex.ends_with('0') { "1" } else { "0" };
            let changed = text.replace(&hex, &format!("{}{last}", &hex[..63]));
            it.replace_content("root-verity-sig", changed.as_bytes())
        })
        .done()
}
