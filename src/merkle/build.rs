// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Building the tree of data one holds: for image builders, never on the way to a boot.
//!
//! **In:** a shape and all its data. **Out:** the hash blocks as they go to disk, and the root
//! hash. **Refuses:** data that is not exactly as long as the shape says.

use super::hash::BlockHasher;
use super::shape::TreeShape;

/// Hash blocks in disk order (without a superblock), and the root hash; `None` if `data` is not
/// all the data of `shape`.
#[must_use]
pub fn build(shape: &TreeShape, data: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if u64::try_from(data.len()) != Ok(shape.data_len()) {
        return None;
    }
    let hasher = BlockHasher::new(shape.algorithm(), shape.salt(), shape.hash_block_size());
    let leaves = BlockHasher::new(shape.algorithm(), shape.salt(), shape.data_block_size());
    let mut tree = vec![0; shape.tree_len()];
    let mut digests = concat(&leaves, data);
    for level in shape.levels().iter().rev() {
        let end = level.offset.checked_add(level.len)?;
        let blocks = tree.get_mut(level.offset..end)?;
        blocks.get_mut(..level.used)?.copy_from_slice(&digests);
        digests = concat(&hasher, blocks);
    }
    Some((tree, digests))
}

fn concat(hasher: &BlockHasher, blocks: &[u8]) -> Vec<u8> {
    let mut digests = Vec::new();
    for digest in hasher.digests(blocks) {
        digests.extend_from_slice(digest.as_bytes());
    }
    digests
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use openssl::sha::sha256;

    use super::*;
    use crate::digest::HashAlgorithm::{self, Sha256, Sha512};

    /// Little-endian words of splitmix64 with seed 0.
    fn splitmix(len: usize) -> Vec<u8> {
        let word = |k: u64| {
            let z = k.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)).to_le_bytes()
        };
        (1..=len as u64 / 8).flat_map(word).collect()
    }

    /// Digests of block number and index, four KiB a block.
    fn counted(blocks: u64) -> Vec<u8> {
        let slots = (0..blocks).flat_map(|i| (0..128_u32).map(move |j| (i, j)));
        slots
            .flat_map(|(i, j)| sha256(&[&i.to_le_bytes()[..], &j.to_le_bytes()].concat()))
            .collect()
    }

    /// The superblock that `veritysetup format` wrote before the tree.
    fn superblock(shape: &TreeShape) -> Vec<u8> {
        let mut bytes = b"verity\0\0\x01\0\0\0\x01\0\0\0".to_vec();
        bytes.extend(0x5df5_a1d2_6a1c_4b67_9f0e_2f6d_3c7b_8a90_u128.to_be_bytes());
        bytes.extend(shape.algorithm().name().as_bytes());
        bytes.resize(64, 0);
        bytes.extend(shape.data_block_size().to_le_bytes());
        bytes.extend(shape.hash_block_size().to_le_bytes());
        bytes.extend(shape.data_blocks().to_le_bytes());
        bytes.extend((shape.salt().len() as u64).to_le_bytes());
        bytes.extend(shape.salt());
        bytes.resize(shape.tree_offset() as usize, 0);
        bytes
    }

    type Vector = (HashAlgorithm, &'static [u8], u32, u32, u64, &'static str, &'static str);

    /// Algorithm, salt, data and hash block size, data blocks; root
    /// hash and SHA-256 of the whole hash file as veritysetup 2.6.1 made them.
    #[rustfmt::skip]
    const VECTORS: [Vector; 15] = [
        (Sha256, SALT, 4096, 4096, 1, "4a14fb8c2026ec6e773680d2d39412a18dbec72b14e531e4ee9189d661ec6eba", "eff6c155355a093c19a23a3da0c686359385b2603d9223c525680edd61feeac7"),
        (Sha256, SALT, 4096, 4096, 2, "64947a8f2b9def86faf22b96a5527b887f745225e20b03770d9b24613694d472", "29ce1d947eb9f460885e93fab727272fcbcae2d5a8fe0bc7a0bf713ca2aa003c"),
        (Sha256, SALT, 4096, 4096, 127, "630ee357fc45530a99f135a8ac411c6a0249b2f75090831658d679cdfbff4e2c", "d8f964ecf5fa5861bde043ba499866c058dec252621e232fe1888496ac820808"),
        (Sha256, SALT, 4096, 4096, 128, "0aa0940c30bb0b3a3a1db986e966c7bc3cf0aa307d996d77f6ff78595ab25aea", "bcec3d5667c15e90839ad1d29fd99965dd3eb8ab897938df6f259f15d8a821f3"),
        (Sha256, SALT, 4096, 4096, 129, "e566ade43a830aaaff5492a751c3706677966c61402a81a3671ebd50a2cf6371", "7cb769814fd210b59ebd4f7bb794cfbc91108fa00e576c5fb4891ec9540f8b27"),
        (Sha256, SALT, 4096, 4096, 16384, "b568c4d03f3360d451131519b30ee443a1deaa3b10eeaa83fdddd75d1330ff1b", "81f9abb2a77f4d1471f54368a259eb50a5dbf051a72c6eb38bb5f4b89e24017b"),
        (Sha256, SALT, 4096, 4096, 16385, "ae7722f8b2031ef03935a0b37b5dfe62db3f5e06bd58975ee05a8fc1e34bebf6", "3c0a969c51539ce6bba545d12cc6a4092f660588a23c9ce8e17d3288743c244e"),
        (Sha256, &[], 4096, 4096, 1, "609f24ecd546a75b3296a5aea0360ce83039fd435bbde109282fffe5d8f618d7", "dc8708b121a207ac84ab8f0bffa9df55e989e31397cad77a4e48f75779223dcf"),
        (Sha256, &[], 4096, 4096, 129, "aa913c219a27cefc5c1de56dac5784b05ac782b77cf91f19461bed7ee083ab6b", "6a8e6d91269b8f864b9e132f00b97d6df72a9a0a96f5ee7f0d21a59da1a8286d"),
        (Sha256, &[0xab], 4096, 4096, 129, "7994515107867be13538e82d88e889495bc11f08a61a17da1eea5893ae2be78b", "1a580f538481d5e1e3832bfe11d23ca9a5a48f81725ba402941b2c5bbfc3d014"),
        (Sha256, &COUNT, 4096, 4096, 129, "caded38b5a07b3bd95f9da7b4e0c8806cd16ad3cfeed2f6e78903c79b4088e70", "98f0b3ee2159afd44bf12fabf6491d247feeca8005e03fd4b6e44fbca46ca320"),
        (Sha512, SALT, 4096, 4096, 65, "6d2b7f0ef663b174780f83595edad3df3162efde262010dcd374d570e905ea00ac2fbb00e29aafe0f5b0a436f383ae7842cc37301e5321d75449bdfd305670ce", "19de4372dd2505952196efbfa88a56ac4a4459c8b0e8d492f0eeae8e6a6332e0"),
        (Sha256, SALT, 1024, 4096, 516, "87bc9aede5c549e65f2ca8430b4e3c5450a6e409a86a6e8b4e8f4122f118aa03", "59334616ea840c0cc46e1e5ca04d62c7aa26ce148b25e0212f3f962b5522a862"),
        (Sha256, SALT, 4096, 1024, 129, "ae2283aad1c9a18e0b6c591dc85419531cbc83d19d83a02a7007c18f882e0b19", "2c8ce18e2257166fdeb8b6d84175280b40ddeaff806172073180108961af5218"),
        (Sha256, SALT, 512, 512, 1032, "6f0d001e8f8c1316a2817e552e24a2607859e81c9a3e70eb730ff2bde2041389", "0db2e6a268fc8b316caa52dc08b950b65a1072da1ca8ae3ae534c392392afa8b"),
    ];

    const SALT: &[u8] = COUNT.split_at(32).0;
    const COUNT: [u8; 256] = {
        let mut bytes = [0; 256];
        let mut at = 1;
        while at < 256 {
            bytes[at] = bytes[at - 1] + 1;
            at += 1;
        }
        bytes
    };

    #[test]
    fn trees_and_root_hashes_are_those_of_veritysetup() {
        for vector in VECTORS {
            let (algorithm, salt, data_size, hash_size, blocks, root, file) = vector;
            let shape = TreeShape::new(algorithm, data_size, hash_size, blocks, salt).unwrap();
            let (tree, made) = build(&shape, &splitmix(shape.data_len() as usize)).unwrap();
            assert_eq!(HEXLOWER.encode(&made), root, "{vector:?}");
            let written = [superblock(&shape), tree].concat();
            assert_eq!(HEXLOWER.encode(&sha256(&written)), file, "{vector:?}");
        }
    }

    #[test]
    fn root_hashes_agree_on_a_second_pattern() {
        let vectors = [
            (1, "29d9f43bb7f56b1a3c27b54448ee6fcea1db0e6a91950f039988d23b96e7fdf2"),
            (2, "b16d55997907f3945efd3c444918b99331f6c2f4c60d08344fcddc7133cab5a9"),
            (128, "397cc1ae4f03a33b9afe24b5ecfbfe8d46ab622643bd10ce0b04ff3e6e4bc741"),
            (129, "faaea4b4b73f963c9b93bad3d8001c570f95085e3989d22e1f735f3985601080"),
            (16_384, "e80a550f682c6c1a6786984cc650fa49cea4fc8da566220a363003a83d027c52"),
            (16_385, "dad8ce0bfca75490b5383f277108dcb23742e26c91a5620236663149bf6843b2"),
        ];
        let data = counted(16_385);
        for (blocks, root) in vectors {
            let shape = TreeShape::new(Sha256, 4096, 4096, blocks, SALT).unwrap();
            let (_, made) = build(&shape, &data[..shape.data_len() as usize]).unwrap();
            assert_eq!(HEXLOWER.encode(&made), root, "{blocks}");
        }
    }

    #[test]
    fn refuses_data_of_another_length() {
        let shape = TreeShape::new(Sha256, 4096, 4096, 2, b"").unwrap();
        assert!(build(&shape, &[0; 8192]).is_some());
        for len in [0, 4096, 8191, 8193] {
            assert_eq!(build(&shape, &vec![0; len]), None);
        }
    }
}
