// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A small EROFS writer: uncompressed, flat, extended inodes, 4096-byte blocks.
//!
//! **In:** paths, modes and contents. **Out:** an image that the kernel mounts and `fsck.erofs`
//! finds sound, the same bytes each time, checksum included. **Refuses:** (panics) a path whose
//! parent is not a directory, or too many inodes for the 32-bit block numbers.
//!
//! Layout: superblock at 1024, all inodes from 1152 on (so node ID 36 is the root), then the
//! blocks of each inode in turn. Parents that were not named are made as directories of mode 0755.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::noise;

/// Bytes per block.
pub const BLOCK: usize = 4096;
/// Node ID (32-byte units) of the first inode.
const FIRST_NID: u64 = 36;
/// Bytes of an extended inode.
const INODE: usize = 64;

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `len` bytes of [`noise`], made piece by piece while writing.
    Noise {
        /// Distinguishes one payload from another.
        seed: u64,
        /// Bytes.
        len: u64,
    },
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

#[derive(Clone, Debug)]
enum Node {
    Directory(BTreeMap<String, usize>),
    File(Content),
    Symlink(String),
}

/// A tree to be written.
#[derive(Clone, Debug)]
pub struct Erofs {
    /// UUID in the superblock.
    pub uuid: [u8; 16],
    /// Volume name, NUL padded.
    pub volume: [u8; 16],
    /// Seconds since 1970 for every inode.
    pub mtime: u64,
    nodes: Vec<(u16, Node)>,
}

impl Default for Erofs {
    fn default() -> Self {
        Self {
            uuid: *b"veriroot fixture",
            volume: [0; 16],
            mtime: 1_700_000_000,
            nodes: vec![(0o755, Node::Directory(BTreeMap::new()))],
        }
    }
}

impl Erofs {
    /// An empty root directory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Directories and an os-release as every root has them, and `payload` bytes of noise.
    #[must_use]
    pub fn root_tree(payload: u64) -> Self {
        ["etc", "dev", "proc", "sys", "run", "tmp", "var", "usr/bin", "usr/sbin"]
            .into_iter()
            .fold(Self::new(), |tree, path| tree.directory(path, 0o755))
            .symlink("bin", "usr/bin")
            .symlink("sbin", "usr/sbin")
            .symlink("lib", "usr/lib")
            .symlink("etc/os-release", "../usr/lib/os-release")
            .file("usr/lib/os-release", 0o644, "ID=fixture\nNAME=Fixture\nVERSION_ID=1\n")
            .file("usr/lib/payload", 0o644, Content::Noise { seed: 1, len: payload })
    }

    /// What a usr partition holds: os-release and `payload` bytes of noise.
    #[must_use]
    pub fn usr_tree(payload: u64) -> Self {
        Self::new()
            .directory("bin", 0o755)
            .file("lib/os-release", 0o644, "ID=fixture\nNAME=Fixture\nVERSION_ID=1\n")
            .file("lib/payload", 0o644, Content::Noise { seed: 2, len: payload })
    }

    /// Adds a directory; one that exists gets the mode.
    #[must_use]
    pub fn directory(mut self, path: &str, mode: u16) -> Self {
        let index = self.directory_index(path);
        self.nodes[index].0 = mode;
        self
    }

    /// Adds or replaces a regular file.
    #[must_use]
    pub fn file(self, path: &str, mode: u16, content: impl Into<Content>) -> Self {
        self.insert(path, mode, Node::File(content.into()))
    }

    /// Adds or replaces a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.insert(path, 0o777, Node::Symlink(target.into()))
    }

    /// The whole image.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes).unwrap();
        bytes
    }

    /// Writes the image front to back and returns its length.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<u64> {
        let parents = self.parents();
        let sizes: Vec<u64> = (0..self.nodes.len()).map(|it| self.size(it, &parents)).collect();
        let meta_end = (FIRST_NID as usize * 32 + INODE * self.nodes.len()).next_multiple_of(BLOCK);
        let mut next = (meta_end / BLOCK) as u64;
        let mut meta = vec![0; FIRST_NID as usize * 32];
        for (index, size) in sizes.iter().enumerate() {
            meta.extend(self.inode(index, *size, next));
            next += size.div_ceil(BLOCK as u64);
        }
        meta.resize(meta_end, 0);
        meta[1024..1152].copy_from_slice(&self.superblock(u32::try_from(next).unwrap()));
        fix_checksum(&mut meta);
        out.write_all(&meta)?;
        for (index, size) in sizes.iter().enumerate() {
            self.write_content(index, &parents, out)?;
            let padding = size.next_multiple_of(BLOCK as u64) - size;
            out.write_all(&vec![0; padding as usize])?;
        }
        Ok(next * BLOCK as u64)
    }

    fn insert(mut self, path: &str, mode: u16, node: Node) -> Self {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory_index(parent);
        let index = self.nodes.len();
        let Node::Directory(children) = &mut self.nodes[parent].1 else {
            unreachable!("directory_index returns directories")
        };
        match children.get(name) {
            Some(old) => {
                let old = *old;
                self.nodes[old] = (mode, node);
            }
            None => {
                children.insert(name.into(), index);
                self.nodes.push((mode, node));
            }
        }
        self
    }

    fn directory_index(&mut self, path: &str) -> usize {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let next = self.nodes.len();
            let Node::Directory(children) = &mut self.nodes[at].1 else {
                panic!("{path}: a parent is not a directory")
            };
            at = *children.entry(name.into()).or_insert(next);
            if at == next {
                self.nodes.push((0o755, Node::Directory(BTreeMap::new())));
            }
        }
        assert!(matches!(self.nodes[at].1, Node::Directory(_)), "{path}: not a directory");
        at
    }

    fn parents(&self) -> Vec<usize> {
        let mut parents = vec![0; self.nodes.len()];
        for (index, (_, node)) in self.nodes.iter().enumerate() {
            if let Node::Directory(children) = node {
                children.values().for_each(|child| parents[*child] = index);
            }
        }
        parents
    }

    fn size(&self, index: usize, parents: &[usize]) -> u64 {
        match &self.nodes[index].1 {
            Node::Directory(_) => self.directory_blocks(index, parents).len() as u64,
            Node::File(Content::Bytes(bytes)) => bytes.len() as u64,
            Node::File(Content::Noise { len, .. }) => *len,
            Node::Symlink(target) => target.len() as u64,
        }
    }

    fn write_content(&self, at: usize, parents: &[usize], out: &mut impl Write) -> io::Result<()> {
        match &self.nodes[at].1 {
            Node::Directory(_) => out.write_all(&self.directory_blocks(at, parents)),
            Node::File(Content::Bytes(bytes)) => out.write_all(bytes),
            Node::File(Content::Noise { seed, len }) => write_noise(*seed, *len, out),
            Node::Symlink(target) => out.write_all(target.as_bytes()),
        }
    }

    fn inode(&self, index: usize, size: u64, first_block: u64) -> [u8; INODE] {
        let (mode, node) = &self.nodes[index];
        let (kind, links) = match node {
            Node::Directory(children) => {
                let below = |it: &&usize| matches!(self.nodes[**it].1, Node::Directory(_));
                (0o040_000, 2 + children.values().filter(below).count())
            }
            Node::File(_) => (0o100_000, 1),
            Node::Symlink(_) => (0o120_000, 1),
        };
        let mut bytes = [0; INODE];
        bytes[0] = 1; // extended inode, flat plain data
        bytes[4..6].copy_from_slice(&(kind | mode).to_le_bytes());
        bytes[8..16].copy_from_slice(&size.to_le_bytes());
        bytes[16..20].copy_from_slice(&u32::try_from(first_block).unwrap().to_le_bytes());
        bytes[20..24].copy_from_slice(&(index as u32 + 1).to_le_bytes());
        bytes[32..40].copy_from_slice(&self.mtime.to_le_bytes());
        bytes[44..48].copy_from_slice(&(links as u32).to_le_bytes());
        bytes
    }

    fn superblock(&self, blocks: u32) -> [u8; 128] {
        let mut bytes = [0; 128];
        bytes[..4].copy_from_slice(&0xE0F5_E1E2_u32.to_le_bytes());
        bytes[8] = 3; // compatible features: checksum, mtime
        bytes[12] = 12; // log2 of the block size
        bytes[14] = FIRST_NID as u8;
        bytes[16..24].copy_from_slice(&(self.nodes.len() as u64).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.mtime.to_le_bytes());
        bytes[36..40].copy_from_slice(&blocks.to_le_bytes());
        bytes[48..64].copy_from_slice(&self.uuid);
        bytes[64..80].copy_from_slice(&self.volume);
        bytes
    }

    /// Each block: its entries, then their names; names sorted over all blocks.
    fn directory_blocks(&self, index: usize, parents: &[usize]) -> Vec<u8> {
        let Node::Directory(children) = &self.nodes[index].1 else {
            unreachable!("called for directories")
        };
        let dots = [(".", index), ("..", parents[index])];
        let named = children.iter().map(|(name, child)| (name.as_str(), *child));
        let entries: BTreeMap<&str, usize> = dots.into_iter().chain(named).collect();
        let mut blocks = Vec::new();
        let mut block: Vec<(&str, usize)> = Vec::new();
        let mut used = 0;
        for (name, child) in entries {
            if used + 12 + name.len() > BLOCK {
                self.flush_directory_block(&mut block, &mut blocks);
                blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
                used = 0;
            }
            used += 12 + name.len();
            block.push((name, child));
        }
        self.flush_directory_block(&mut block, &mut blocks);
        blocks
    }

    fn flush_directory_block(&self, block: &mut Vec<(&str, usize)>, out: &mut Vec<u8>) {
        let mut name_offset = 12 * block.len();
        for (name, child) in block.iter() {
            let kind = match self.nodes[*child].1 {
                Node::File(_) => 1,
                Node::Directory(_) => 2,
                Node::Symlink(_) => 7,
            };
            out.extend((FIRST_NID + 2 * *child as u64).to_le_bytes());
            out.extend(u16::try_from(name_offset).unwrap().to_le_bytes());
            out.extend([kind, 0]);
            name_offset += name.len();
        }
        block.drain(..).for_each(|(name, _)| out.extend(name.as_bytes()));
    }
}

/// Computes the superblock checksum of an image anew, after a change in its first block.
pub fn fix_checksum(image: &mut [u8]) {
    image[1028..1032].fill(0);
    let crc = crc32c(&image[1024..BLOCK]);
    image[1028..1032].copy_from_slice(&crc.to_le_bytes());
}

/// CRC-32C without the final inversion, as EROFS stores it.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 }
        })
    })
}

/// The same bytes as [`noise`] gives in pieces of one MiB, each with its own seed.
fn write_noise(seed: u64, len: u64, out: &mut impl Write) -> io::Result<()> {
    let piece = 1_u64 << 20;
    for index in 0..len.div_ceil(piece) {
        let now = (len - index * piece).min(piece);
        out.write_all(&noise(seed.wrapping_add(index << 32), now as usize))?;
    }
    Ok(())
}
