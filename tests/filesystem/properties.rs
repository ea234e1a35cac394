// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What holds for all bytes.
//!
//! **In:** random bytes, and real superblocks with one bit the other way. **Out:** never a panic,
//! never a second type. **Refuses:** nothing.

use proptest::prelude::*;
use veriroot::filesystem::{ProbeError, probe};

use crate::device::{Device, btrfs, erofs, ext4, squashfs, vfat, xfs};

/// First byte and length of each superblock, up to btrfs' chunk array and XFS' padding.
fn superblocks() -> Vec<(Device, u64, u64)> {
    vec![
        (btrfs(), 65536, 0x32B),
        (erofs(), 1024, 128),
        (ext4(), 1024, 1024),
        (squashfs(), 0, 96),
        (vfat(), 0, 512),
        (xfs(), 0, 288),
    ]
}

#[test]
fn one_flipped_bit_never_makes_another_type() {
    for (device, start, len) in superblocks() {
        let filesystem = probe(&device.windows()).unwrap().filesystem;
        for at in start..start + len {
            for bit in 0..8 {
                let flipped = device.with(at, &[device.head[at as usize] ^ (1 << bit)]);
                for device in [flipped.resealed(filesystem), flipped] {
                    match probe(&device.windows()) {
                        Ok(found) => assert_eq!(found.filesystem, filesystem, "{at} {bit}"),
                        Err(ProbeError::Foreign { name }) => {
                            assert!(["ext3", "jbd"].contains(&name), "{filesystem} {at} {bit}");
                        }
                        Err(_) => {}
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_devices_are_no_file_system(len in 0..300_000u64, seed: [u8; 32]) {
        let device = noise(len, seed);
        prop_assert!(probe(&device.windows()).is_err());
    }

    #[test]
    fn random_bytes_behind_a_magic_are_no_panic(
        which in 0..6usize,
        keep in 0..128u64,
        seed: [u8; 32],
        seal: bool,
    ) {
        let (base, start, len) = superblocks().swap_remove(which);
        let filesystem = probe(&base.windows()).unwrap().filesystem;
        let from = start + keep.min(len);
        let noise = noise(len, seed);
        let broken = base.with(from, &noise.head[..(len - keep.min(len)) as usize]);
        let broken = if seal { broken.resealed(filesystem) } else { broken };
        if let Ok(found) = probe(&broken.windows()) {
            prop_assert_eq!(found.filesystem, filesystem);
            prop_assert!(found.size <= base.len);
        }
    }
}

/// SHA-256 in counter mode: looks random, needs no generator.
fn noise(len: u64, seed: [u8; 32]) -> Device {
    let bytes: Vec<u8> = (0..len.div_ceil(32))
        .flat_map(|block| openssl::sha::sha256(&[&seed[..], &block.to_le_bytes()].concat()))
        .take(len as usize)
        .collect();
    Device::zeros(len).with(0, &bytes)
}
