// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The verity superblock, and the tree under one root hash.
//!
//! **In:** superblocks; scripts of edits on superblock, tree and data. **Out:** a verdict.
//! **Refuses:** (panics) a second spelling of a superblock, and other bytes under the same hash.

use std::sync::OnceLock;

use veriroot::dissect::verity_superblock::VeritySuperblock;
use veriroot::merkle::VerifiedTree;
use veriroot_test_support::noise;
use veriroot_test_support::verity::{Formatted, Params};

use crate::edits::{self, Script};
use crate::{Target, Verdict};

/// 512 bytes.
pub(super) const SUPERBLOCK: Target = Target {
    name: "verity_superblock",
    invariant: "there is one way to write a superblock: what was read, written anew by another \
                program, gives the same 512 bytes, and its sizes fit what the kernel computes with",
    check: check_superblock,
    seeds: || {
        let sha512 = Params { algorithm: "sha512".into(), salt: vec![], ..Params::default() };
        let small =
            Params { data_block: 512, hash_block: 1024, salt: vec![9; 256], ..Params::default() };
        let odd = Params { hash_type: 0, algorithm: "sha1".into(), ..Params::default() };
        [
            Params::default().superblock(119),
            sha512.superblock(1),
            small.superblock(1 << 40),
            odd.superblock(119),
            Params::default().superblock(0),
        ]
        .map(|it| it.to_vec())
        .to_vec()
    },
    words: &[
        "sha256",
        "SHA256",
        "sha512",
        "sha1",
        "verity\0\0",
        "\u{1}\0\0\0",
        "\0\u{10}\0\0",
        "\0\u{2}\0\0",
    ],
    smoke: 6000,
};

fn check_superblock(input: &[u8]) -> Verdict {
    let parsed = VeritySuperblock::parse(input);
    if let Ok(found) = &parsed {
        let again = Params {
            hash_type: 1,
            algorithm: found.algorithm().name().to_owned(),
            data_block: found.data_block_size() as usize,
            hash_block: found.hash_block_size() as usize,
            salt: found.salt().to_vec(),
            uuid: found.uuid(),
        };
        assert_eq!(again.superblock(found.data_blocks())[..], *input);
        let len = u128::from(found.data_blocks()) * u128::from(found.data_block_size());
        assert_eq!(u128::from(found.data_len()), len);
        assert!(len > 0 && len <= i64::MAX as u128);
        assert!(["sha256", "sha512"].contains(&found.algorithm().name()));
    }
    (&parsed).into()
}

/// Superblock, tree and data.
pub(super) const TREE: Target = Target {
    name: "verity_tree",
    invariant: "under one root hash there is one content: whatever is changed in superblock, tree \
                and data, what passes is the data as it was, or (dm-verity does not hash the depth) \
                a whole level of its own tree",
    check: check_tree,
    seeds: || {
        let mut seeds = edits::seeds(&[0, 4, 8, 12, 16, 20, 24, 28], 3);
        for base in [0, 4, 8, 12] {
            // One data block less, one more, the depth's confusion, another salt length.
            for (offset, value) in
                [(72, 118), (72, 120), (72, 2), (72, 1), (80, 31), (80, 0), (64, 0)]
            {
                let record = edits::record(0, 2, offset, [value, 0, 0, 0]);
                seeds.push([vec![base], record].concat());
            }
        }
        seeds
    },
    words: &[],
    smoke: 3000,
};

struct Base {
    data: Vec<u8>,
    made: Formatted,
    hash_block: usize,
}

fn bases() -> &'static [Base] {
    static MADE: OnceLock<Vec<Base>> = OnceLock::new();
    MADE.get_or_init(|| {
        let base = |params: Params, blocks: usize| {
            let data = noise(blocks as u64, blocks * params.data_block);
            Base { made: params.format(&data), data, hash_block: params.hash_block }
        };
        let small =
            |blocks| base(Params { data_block: 512, hash_block: 512, ..Params::default() }, blocks);
        let sha512 = Params { algorithm: "sha512".into(), data_block: 512, ..Params::default() };
        vec![
            small(119),
            base(Params { data_block: 1024, ..Params::default() }, 129),
            base(Params { hash_block: 512, salt: vec![], ..sha512 }, 17),
            small(1),
        ]
    })
}

/// A tree that was accepted, as files for another program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Accepted {
    /// The bytes that a device would have.
    pub(crate) data: Vec<u8>,
    /// Superblock, gap, tree.
    pub(crate) hash_area: Vec<u8>,
    /// Under which they passed.
    pub(crate) root_hash: Vec<u8>,
}

fn check_tree(input: &[u8]) -> Verdict {
    match judge_tree(input) {
        Some(_) => Verdict::Accepted,
        None => Verdict::Refused,
    }
}

/// Bits 2 and 3: which tree; bit 4: the levels of the tree are offered as data.
pub(crate) fn judge_tree(input: &[u8]) -> Option<Accepted> {
    let script = Script::new(input);
    let base = usize::from(!script.mends(2)) + 2 * usize::from(!script.mends(3));
    let Base { data, made, hash_block } = &bases()[base];
    let area = &made.hash_area;
    let tree = area[512_usize.next_multiple_of(*hash_block)..].to_vec();
    let offered = if script.mends(4) { data.clone() } else { tree.clone() };
    let (superblock_len, tree_len) = (512, tree.len());
    let mut whole = [&area[..512], &tree, &offered].concat();
    let ends = [0, superblock_len, superblock_len + tree_len, whole.len()];
    script.apply(&mut whole, &[ends[0]..ends[1], ends[1]..ends[2], ends[2]..ends[3]]);
    let head = whole[..512].to_vec();
    let (superblock, rest) = whole.split_at(superblock_len);
    let (tree, offered) = rest.split_at(tree_len);
    let Ok(superblock) = VeritySuperblock::parse(superblock) else { return None };
    let Ok(shape) = superblock.shape() else { return None };
    // The partition may hold more than the tree, and the tree may be anywhere in it.
    if shape.tree_len() > tree.len() || shape.data_len() > offered.len() as u64 {
        return None;
    }
    let exposed = &offered[..shape.data_len() as usize];
    for tree in [&tree[..shape.tree_len()], &tree[tree.len() - shape.tree_len()..]] {
        let Ok(verified) = VerifiedTree::check(shape.clone(), tree.to_vec(), &made.root_hash)
        else {
            continue;
        };
        if verified.check_blocks(0, exposed).is_err() {
            continue;
        }
        let levels = made.hash_area[512_usize.next_multiple_of(*hash_block)..].chunks(*hash_block);
        let levels: Vec<u8> = levels.flatten().copied().collect();
        let of_tree = levels.windows(exposed.len()).step_by(*hash_block).any(|it| it == exposed);
        assert!(exposed == &data[..] || of_tree, "other bytes under the same root hash");
        assert!(
            exposed != &data[..]
                || shape.data_blocks() as usize * shape.data_block_size() as usize == data.len()
        );
        let first = usize::try_from(shape.tree_offset()).unwrap();
        let mut hash_area = head;
        hash_area.resize(first, 0);
        hash_area.extend(tree);
        let (data, root_hash) = (exposed.to_vec(), made.root_hash.clone());
        return Some(Accepted { data, hash_area, root_hash });
    }
    None
}
