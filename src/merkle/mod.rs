// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The dm-verity hash tree: its shape, its hashing, its check against a root hash.
//!
//! **In:** numbers and a salt from an unsigned superblock, tree bytes from a mirror, a root hash.
//! **Out:** a [`VerifiedTree`], which answers whether data blocks are the ones the root hash means.
//! **Refuses:** every tree that is not, bit for bit, the one of that root hash and shape.
//!
//! The superblock is not signed, so the shape is the attacker's. The check leaves no room in it:
//! block sizes and salt are forced by the digests, and the number of data blocks within a number
//! of levels by the slots, since used ones must be set and unused ones zero. What remains is a
//! tree with its lowest levels cut off, where real hash blocks stand in for data: those bytes are
//! not chosen by the attacker, and no file system, which `identify` looks for.
//!
//! Layout: hash type 1 of <https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity>.

pub mod build;
mod hash;
mod lanes;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod tree;

pub use shape::{Level, ShapeError, TreeShape};
pub use tree::{BlockError, TreeError, VerifiedTree};
