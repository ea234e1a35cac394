// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our hash trees beside those that veritysetup made, as kept in `fixtures/verity-vectors.txt`.
//! `make interop` compares with the veritysetup of this machine.

#![forbid(unsafe_code)]

use data_encoding::HEXLOWER;
use veriroot::digest::HashAlgorithm;
use veriroot::merkle::{TreeShape, VerifiedTree, build::build};
use veriroot_test_support::{fixture, noise};

// VER-08
#[test]
fn trees_are_those_of_veritysetup() {
    let vectors = String::from_utf8(fixture("verity-vectors.txt")).unwrap();
    let mut compared = Vec::new();
    for line in vectors.lines().filter(|it| !it.starts_with('#')) {
        let columns: Vec<&str> = line.split(' ').collect();
        let [kind, algorithm, data, hash, blocks, salt, root_hash, area] =
            columns[..].try_into().unwrap();
        // Chrome OS's layout, SHA-1 and SHA-384 are on no list of ours: there is no such shape.
        let Some(algorithm) = HashAlgorithm::from_name(algorithm.as_bytes()) else { continue };
        if kind != "1" {
            continue;
        }
        let (data, hash) = (data.parse().unwrap(), hash.parse().unwrap());
        let blocks: u64 = blocks.parse().unwrap();
        let salt = HEXLOWER.decode(salt.trim_matches('-').as_bytes()).unwrap();
        let shape = TreeShape::new(algorithm, data, hash, blocks, &salt).unwrap();
        let content = noise(0, usize::try_from(shape.data_len()).unwrap());
        let (tree, root) = build(&shape, &content).unwrap();
        assert_eq!(HEXLOWER.encode(&root), root_hash, "{line}");
        // The hash area is the superblock, zeros up to the first hash block, and the tree.
        let superblock = veriroot_test_support::verity::Params {
            algorithm: algorithm.name().into(),
            data_block: usize::try_from(data).unwrap(),
            hash_block: usize::try_from(hash).unwrap(),
            salt,
            ..veriroot_test_support::verity::Params::default()
        }
        .superblock(blocks);
        let mut whole = superblock.to_vec();
        whole.resize(usize::try_from(shape.tree_offset()).unwrap(), 0);
        whole.extend_from_slice(&tree);
        assert_eq!(HEXLOWER.encode(&openssl::sha::sha256(&whole)), area, "{line}");
        let checked = VerifiedTree::check(shape, tree, &root).unwrap();
        assert_eq!(checked.check_blocks(0, &content), Ok(()), "{line}");
        compared.push(blocks);
    }
    assert_eq!(compared.len(), 15);
    for blocks in [1, 2, 127, 128, 129, 16384, 16385] {
        assert!(compared.contains(&blocks), "{blocks}");
    }
}
