// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One root hash means one image: superblock, tree and data, none of which is signed.

use std::sync::Arc;

use veriroot::authenticate::AuthenticateError;
use veriroot::dissect::group::GroupError;
use veriroot::dissect::verity_superblock::SuperblockError;
use veriroot::error::Error;
use veriroot::fetch::FetchError;
use veriroot::filesystem::ProbeError;
use veriroot::identify::IdentifyError;
use veriroot::merkle::{BlockError, TreeError};
use veriroot::policy::PolicyError;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;
use veriroot_test_support::sign;
use veriroot_test_support::verity::Params;

use crate::judge::{Machine, Twin, small};

const BLOCK: usize = 4096;

/// Writes into the superblock of the root's hash tree.
fn superblock(image: Image, at: usize, bytes: &[u8]) -> Image {
    image.change_content("root-verity", |it| it[at..at + bytes.len()].copy_from_slice(bytes))
}

fn data_blocks(image: &Image) -> u64 {
    u64::from_le_bytes(image.content("root-verity")[72..80].try_into().unwrap())
}

fn superblock_fault(error: Error) -> SuperblockError {
    match error {
        Error::Policy(PolicyError::Group {
            error: GroupError::Superblock { error, .. }, ..
        }) => error,
        other => panic!("{other:?}"),
    }
}

fn tree_fault(error: Error) -> TreeError {
    match error {
        Error::Fetch(FetchError::Tree { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

// VER-01
#[test]
fn refuses_every_changed_byte_of_the_superblock_but_its_uuid() {
    let twin = Twin::new(Machine::default(), small().build());
    let (disk, start) = (twin.on_disk(), twin.image.range("root-verity").start);
    let expected = twin.image.root_hash_hex("root");
    for offset in 0..512 {
        let result = disk.with_flipped(start + offset, offset % 8);
        if (16..32).contains(&offset) {
            let report = result.unwrap();
            assert_eq!(report.partitions[0].root_hash.as_ref(), Some(&expected));
            continue;
        }
        let error = result.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Policy(PolicyError::Group { error: GroupError::Superblock { .. }, .. })
                    | Error::Fetch(_)
            ),
            "byte {offset}: {error:?}"
        );
    }
}

// VER-07
#[test]
fn refuses_one_flipped_bit_in_any_data_block() {
    let twin = Twin::new(Machine::default(), small().build());
    let (disk, range) = (twin.on_disk(), twin.image.range("root"));
    assert!(range.len() / BLOCK > 128, "a tree of two levels");
    for (number, start) in range.step_by(BLOCK).enumerate() {
        // Another place in each block: first, last and those between.
        let at = start + (number * 509) % BLOCK;
        let error = disk.with_flipped(at, number % 8).unwrap_err();
        assert_refused!(&error, Error::Fetch(FetchError::Block {
            error: BlockError::Mismatch { block, .. }, offset, ..
        }) if *block == number as u64 && *offset == start as u64);
    }
}

// VER-07
#[test]
fn refuses_one_flipped_bit_in_any_hash_block() {
    let twin = Twin::new(Machine::default(), small().build());
    let (disk, range) = (twin.on_disk(), twin.image.range("root-verity"));
    assert_eq!(range.len() / BLOCK, 4, "superblock, top block, two leaf blocks");
    for block in 1..4 {
        for at in [0, 31, 32 * 7, BLOCK / 2, BLOCK - 1] {
            let error = disk.with_flipped(range.start + block * BLOCK + at, at % 8);
            let fault = tree_fault(error.unwrap_err());
            assert!(matches!(fault, TreeError::BlockMismatch { .. }), "{fault:?}");
        }
    }
}

#[test]
fn refuses_two_data_blocks_exchanged() {
    let twin = Twin::b0();
    let error = twin.refused(|it| {
        it.change_content("root", |it| {
            let (a, b) = it.split_at_mut(200 * BLOCK);
            a[100 * BLOCK..101 * BLOCK].swap_with_slice(&mut b[..BLOCK]);
        })
    });
    assert_refused!(
        error,
        Error::Fetch(FetchError::Block { error: BlockError::Mismatch { block: 100, .. }, .. })
    );
}

// VER-02, VER-03
#[test]
fn refuses_superblock_fields_outside_their_limits() {
    let twin = Twin::b0();
    let fault = |at, bytes: &[u8]| superblock_fault(twin.refused(|it| superblock(it, at, bytes)));
    assert_eq!(fault(0, b"verify"), SuperblockError::Magic);
    for found in [0, 2, u32::MAX] {
        assert_eq!(fault(8, &found.to_le_bytes()), SuperblockError::Version { found });
    }
    for found in [0, 2, u32::MAX] {
        assert_eq!(fault(12, &found.to_le_bytes()), SuperblockError::HashType { found });
    }
    for found in [0, 1, 256, 511, 1000, 4095, 8192, 1 << 31, u32::MAX] {
        for at in [64, 68] {
            assert_eq!(fault(at, &found.to_le_bytes()), SuperblockError::BlockSize { found });
        }
    }
    for found in [0, 1 << 51, 1 << 52, 1 << 63, u64::MAX] {
        assert_eq!(fault(72, &found.to_le_bytes()), SuperblockError::DataBlocks { found });
    }
    for found in [257_u16, 65535] {
        let expected = SuperblockError::SaltLength { found: usize::from(found) };
        assert_eq!(fault(80, &found.to_le_bytes()), expected);
    }
    for at in [82, 87, 88 + 32, 88 + 255, 88 + 256, 511] {
        assert_eq!(fault(at, &[1]), SuperblockError::Reserved);
    }
}

// VER-04, VER-05
#[test]
fn refuses_algorithms_off_the_list_and_table_words_in_their_name() {
    let twin = Twin::b0();
    let names: [&[u8]; 11] = [
        b"md5",
        b"sha1",
        b"crc32c",
        b"sm3",
        b"blake2s-256",
        b"hmac(sha256)",
        b"SHA256",
        b"sha256\0junk",
        b"sha256 0 ignore_corruption",
        b"sha256 sha256 sha256 sha256 sha2",
        b"",
    ];
    for name in names {
        let mut field = [0; 32];
        field[..name.len()].copy_from_slice(name);
        let fault = superblock_fault(twin.refused(|it| superblock(it, 32, &field)));
        assert!(matches!(fault, SuperblockError::Algorithm { .. }), "{fault:?}");
    }
}

// VER-04
#[test]
fn refuses_algorithm_that_does_not_make_root_hashes_of_that_length() {
    let error = Twin::b0().refused(|it| superblock(it, 32, b"sha512"));
    assert_refused!(error, Error::Authenticate(AuthenticateError::Algorithm { found: 32, .. }));
}

// VER-06
#[test]
fn refuses_one_data_block_more_than_the_partition_has() {
    let twin = Twin::b0();
    let more = data_blocks(&twin.image) + 1;
    let error = twin.refused(|it| superblock(it, 72, &more.to_le_bytes()));
    assert_refused!(error, Error::Fetch(FetchError::DataSize { .. }));
}

// VER-06
#[test]
fn refuses_one_data_block_more_than_the_tree_has() {
    let image = small().build();
    let padded = [image.content("root"), &[0; BLOCK]].concat();
    let twin = Twin::new(Machine::default(), image.replace_content("root", &padded));
    let more = data_blocks(&twin.image) + 1;
    let fault = tree_fault(twin.refused(|it| superblock(it, 72, &more.to_le_bytes())));
    assert!(matches!(fault, TreeError::EmptySlot { height: 0, .. }), "{fault:?}");
}

// VER-06
#[test]
fn refuses_one_data_block_less_than_the_tree_has() {
    let twin = Twin::b0();
    let less = data_blocks(&twin.image) - 1;
    let fault = tree_fault(twin.refused(|it| superblock(it, 72, &less.to_le_bytes())));
    assert!(matches!(fault, TreeError::UnusedSlot { height: 0, .. }), "{fault:?}");
}

// VER-06
#[test]
fn refuses_every_number_of_data_blocks_but_the_right_one() {
    let twin = Twin::new(Machine::default(), small().build());
    let (disk, start) = (twin.on_disk(), twin.image.range("root-verity").start);
    let right = data_blocks(&twin.image);
    for blocks in (1..right + 200).filter(|it| *it != right) {
        let error = disk.with(start + 72, &blocks.to_le_bytes()).unwrap_err();
        assert!(matches!(error, Error::Fetch(_)), "{blocks}: {error:?}");
    }
}

// VER-06
#[test]
fn refuses_tree_that_its_partition_cuts_short() {
    let twin = Twin::b0();
    for blocks in [1, 2, 3] {
        let error = twin.refused(|it| {
            it.change_entry("root-verity", |it| it.last_lba -= blocks * BLOCK as u64 / 512)
        });
        assert_refused!(error, Error::Fetch(FetchError::TreeSize { .. }));
    }
    let error = twin.refused(|it| it.change_entry("root", |it| it.last_lba -= 1));
    assert_refused!(error, Error::Fetch(FetchError::DataSize { .. }));
}

/// The tree of an image from its top block to the leaves, without superblock.
fn levels(image: &Image) -> &[u8] {
    &image.content("root-verity")[BLOCK..]
}

/// The top hash block is what the root hash is the digest of, just as a single data block is.
#[test]
fn refuses_top_hash_block_in_place_of_a_single_data_block() {
    let twin = Twin::b0();
    let top = levels(&twin.image)[..BLOCK].to_vec();
    let error =
        twin.refused(|it| superblock(it, 72, &1_u64.to_le_bytes()).replace_content("root", &top));
    assert_refused!(
        error,
        Error::Identify(IdentifyError::Probe { error: ProbeError::Unrecognised, .. })
    );
}

#[test]
fn refuses_leaf_hash_blocks_in_place_of_data() {
    let twin = Twin::new(Machine::default(), small().build());
    let leaves = levels(&twin.image)[BLOCK..].to_vec();
    let blocks = leaves.len() / BLOCK;
    assert_eq!(blocks, 2);
    let error = twin.refused(|it| {
        superblock(it, 72, &(blocks as u64).to_le_bytes()).replace_content("root", &leaves)
    });
    assert_refused!(
        error,
        Error::Identify(IdentifyError::Probe { error: ProbeError::Unrecognised, .. })
    );
}

#[test]
fn refuses_other_salts() {
    let twin = Twin::b0();
    let salts: [&[u8]; 3] = [&[0xFF], &[0; 32], &[1; 256]];
    for salt in salts {
        let error = twin.refused(|it| {
            let it = superblock(it, 80, &u16::try_from(salt.len()).unwrap().to_le_bytes());
            superblock(superblock(it, 88, &[0; 256]), 88, salt)
        });
        assert!(matches!(tree_fault(error), TreeError::BlockMismatch { .. }));
    }
    // The same bytes hashed, one of them moved from the salt into the block.
    let error = twin.refused(|it| {
        let it = superblock(it, 80, &31_u16.to_le_bytes());
        superblock(it, 88 + 31, &[0])
    });
    assert!(matches!(tree_fault(error), TreeError::BlockMismatch { .. }));
}

#[test]
fn refuses_other_block_sizes() {
    let twin = Twin::b0();
    for size in [512_u32, 1024, 2048] {
        let error = twin.refused(|it| superblock(it, 68, &size.to_le_bytes()));
        assert_refused!(error, Error::Fetch(FetchError::Tree { .. } | FetchError::TreeSize { .. }));
        let blocks = data_blocks(&twin.image) * (BLOCK as u64 / u64::from(size));
        let error = twin.refused(|it| {
            superblock(superblock(it, 64, &size.to_le_bytes()), 72, &blocks.to_le_bytes())
        });
        assert_refused!(error, Error::Fetch(FetchError::Tree { .. } | FetchError::TreeSize { .. }));
    }
}

/// An image of one leaf block whose unused slots hold `spare`, with a root hash that says so,
/// signed by the trusted signer.
fn with_spare(spare: &[u8]) -> Image {
    let params = Params::default();
    let content = Erofs::root_tree(60 * BLOCK as u64).build();
    let (used, mut made) = (content.len() / BLOCK * 32, params.format(&content));
    assert_eq!(made.hash_area.len(), 2 * BLOCK);
    made.hash_area[BLOCK + used..BLOCK + used + spare.len()].copy_from_slice(spare);
    let root_hash: Arc<[u8]> = params.digest(&made.hash_area[BLOCK..]).into();
    let signed = root_hash.clone();
    let volume = Volume::new(content)
        .signature(move |_| sign::root_hash_partition(&keys::trusted(), &signed));
    let guid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).unwrap();
    Ddi::empty()
        .volume("root", volume)
        .build()
        .replace_content("root-verity", &made.hash_area)
        .set_guid("root", guid(&root_hash[..16]))
        .set_guid("root-verity", guid(&root_hash[16..]))
}

/// What stands in a spare slot would be a data block more to a superblock that counts one more.
#[test]
fn refuses_spare_slots_in_use_even_if_signed() {
    let twin = Twin::new(Machine::default(), with_spare(&[0; 32]));
    for spare in [&[1; 32][..], &[0, 0, 0, 1]] {
        let fault = tree_fault(twin.refused(|_| with_spare(spare)));
        assert!(matches!(fault, TreeError::UnusedSlot { height: 0, .. }), "{fault:?}");
    }
}

// VER-10
#[test]
fn refuses_root_hash_that_differs_in_one_bit_even_if_signed() {
    let twin = Twin::b0();
    for at in [0, 15, 16, 31] {
        let mut root_hash = twin.image.root_hash("root").to_vec();
        root_hash[at] ^= 1;
        let guid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).unwrap();
        let error = twin.refused(|it| {
            it.replace_content(
                "root-verity-sig",
                &sign::root_hash_partition(&keys::trusted(), &root_hash),
            )
            .set_guid("root", guid(&root_hash[..16]))
            .set_guid("root-verity", guid(&root_hash[16..]))
        });
        assert!(matches!(tree_fault(error), TreeError::BlockMismatch { .. }));
    }
}
