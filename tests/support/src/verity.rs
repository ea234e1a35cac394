// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! dm-verity superblock and hash tree, in one straight line.
//!
//! **In:** data and parameters. **Out:** superblock, tree and root hash as veritysetup makes them.
//! **Refuses:** nothing; odd parameters give what they ask for, where that can be built at all.
//!
//! Layout as cryptsetup writes it: levels from the top to the leaves, after the superblock's
//! hash block. Kept apart from the main crate's tree on purpose: it is the oracle for it.

use openssl::hash::{Hasher, MessageDigest};
use uuid::Uuid;

/// Parameters of a tree; [`Default`] is what systemd-repart uses, with the salt 00 to 1f.
#[derive(Clone, Debug)]
pub struct Params {
    /// 1 is the normal layout: salt first, slots padded to a power of two; 0 is Chrome OS's.
    pub hash_type: u32,
    /// Name as OpenSSL and the superblock spell it.
    pub algorithm: String,
    /// Bytes per data block.
    pub data_block: usize,
    /// Bytes per hash block.
    pub hash_block: usize,
    /// 0 to 256 bytes.
    pub salt: Vec<u8>,
    /// UUID in the superblock.
    pub uuid: Uuid,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            hash_type: 1,
            algorithm: "sha256".into(),
            data_block: 4096,
            hash_block: 4096,
            salt: (0..32).collect(),
            uuid: Uuid::from_u128(0x5df5_a1d2_6a1c_4b67_9f0e_2f6d_3c7b_8a90),
        }
    }
}

/// What [`Params::format`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatted {
    /// Superblock, zeros up to the first hash block, tree.
    pub hash_area: Vec<u8>,
    /// Digest of the top block.
    pub root_hash: Vec<u8>,
}

impl Params {
    /// Hashes `data`, whose length must be whole data blocks and not zero.
    ///
    /// # Panics
    /// If the length is something else, or OpenSSL does not know the algorithm.
    #[must_use]
    pub fn format(&self, data: &[u8]) -> Formatted {
        assert!(!data.is_empty() && data.len().is_multiple_of(self.data_block));
        let blocks = data.len() / self.data_block;
        let mut digests: Vec<_> = data.chunks(self.data_block).map(|it| self.digest(it)).collect();
        let mut levels = Vec::new();
        while digests.len() > 1 {
            let level = self.pack(&digests);
            digests = level.chunks(self.hash_block).map(|it| self.digest(it)).collect();
            levels.push(level);
        }
        let mut hash_area = self.superblock(blocks as u64).to_vec();
        hash_area.resize(512_usize.next_multiple_of(self.hash_block), 0);
        for level in levels.into_iter().rev() {
            hash_area.extend(level);
        }
        Formatted { hash_area, root_hash: digests.remove(0) }
    }

    /// The 512 bytes before the tree.
    #[must_use]
    pub fn superblock(&self, data_blocks: u64) -> [u8; 512] {
        let mut bytes = [0; 512];
        bytes[..8].copy_from_slice(b"verity\0\0");
        bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.hash_type.to_le_bytes());
        bytes[16..32].copy_from_slice(self.uuid.as_bytes());
        bytes[32..32 + self.algorithm.len()].copy_from_slice(self.algorithm.as_bytes());
        bytes[64..68].copy_from_slice(&u32::try_from(self.data_block).unwrap().to_le_bytes());
        bytes[68..72].copy_from_slice(&u32::try_from(self.hash_block).unwrap().to_le_bytes());
        bytes[72..80].copy_from_slice(&data_blocks.to_le_bytes());
        bytes[80..82].copy_from_slice(&u16::try_from(self.salt.len()).unwrap().to_le_bytes());
        bytes[88..88 + self.salt.len()].copy_from_slice(&self.salt);
        bytes
    }

    /// Salted digest of one block.
    #[must_use]
    pub fn digest(&self, block: &[u8]) -> Vec<u8> {
        let algorithm = MessageDigest::from_name(&self.algorithm).expect("unknown algorithm");
        let mut hasher = Hasher::new(algorithm).unwrap();
        let parts = match self.hash_type {
            0 => [block, &self.salt],
            _ => [&self.salt, block],
        };
        parts.iter().for_each(|part| hasher.update(part).unwrap());
        hasher.finish().unwrap().to_vec()
    }

    /// Hash blocks of one level.
    fn pack(&self, digests: &[Vec<u8>]) -> Vec<u8> {
        let len = digests[0].len();
        let per_block = 1 << (self.hash_block / len).ilog2();
        let slot = if self.hash_type == 0 { len } else { len.next_power_of_two() };
        let mut level = Vec::new();
        for chunk in digests.chunks(per_block) {
            let mut block = vec![0; self.hash_block];
            for (to, digest) in block.chunks_mut(slot).zip(chunk) {
                to[..len].copy_from_slice(digest);
            }
            level.extend(block);
        }
        level
    }
}
