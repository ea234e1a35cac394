// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Builds what the tests feed to veriroot: images, keys, signatures and a server for them.
//!
//! **In:** a few words from a test. **Out:** well-formed bytes, made in Rust at test time, and
//! mutators that change one thing and fix every checksum they do not mean to break, so that an
//! attack is a one-line change. **Refuses:** nothing; a set-up that went wrong panics.
//!
//! ```no_run
//! use veriroot_test_support::ddi::{Arch, Ddi, Image, Volume};
//! use veriroot_test_support::http::{Misbehaviour, Server};
//! use veriroot_test_support::{erofs::Erofs, keys, sign};
//!
//! let good = Ddi::builder().build(); // the accepted twin: B0, signed by keys::trusted()
//! let anchors = keys::anchors(&[&keys::trusted()]); // a directory for --certificate=
//! let stranger = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build();
//! let upper = |hash: &[u8]| {
//!     sign::Cms::detached(&keys::trusted(), data_encoding::HEXUPPER.encode(hash).as_bytes())
//! };
//! let odd_text = Ddi::builder().change("root", |it| it.cms(upper)).build();
//! let two = Ddi::builder().volume("usr", Volume::new(Erofs::usr_tree(4096).build())).build();
//! let flipped = Image::from_zst_fixture("boot-signed").flip_bit("root", 5000, 3);
//! let other_second = good.clone().add_partition("home", Arch::X86_64, &[1]).swap("home", "root");
//! let server = Server::of("/image.raw", flipped.bytes);
//! server.misbehave_at("/image.raw", 0..2, Misbehaviour::Status(503));
//! ```
//!
//! Nothing here uses the main crate: hash trees, tables and signatures are written a second time,
//! straight from the specifications, so that they can stand as oracles for the code under test.

mod answer;
pub mod ddi;
mod derive;
pub mod erofs;
pub mod fat;
pub mod gpt;
pub mod gpg;
pub mod guest;
pub mod http;
mod image;
pub mod keys;
pub mod matrix;
pub mod sign;
pub mod tar;
pub mod verity;

/// The content of a file below `tests/fixtures`, decompressed if its name ends in `.zst`.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn fixture(name: &str) -> Vec<u8> {
    let path = fixture_path(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if !name.ends_with(".zst") {
        return bytes;
    }
    zstd::decode_all(&bytes[..]).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where the fixture of that name lies.
#[must_use]
pub fn fixture_path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// `len` bytes that look random and are the same each time: splitmix64, little-endian words.
#[must_use]
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut state = seed;
    while bytes.len() < len {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
