// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! An empty FAT12 volume of 1 MiB, as boot partitions are made, only smaller.
//!
//! **In:** nothing. **Out:** bytes that the kernel mounts. **Refuses:** nothing.
//!
//! Layout (Microsoft FAT specification 1.03): boot sector, two tables of two sectors, root directory
//! of 512 entries, clusters of four sectors.

const SECTOR: usize = 512;
const SECTORS: u16 = 2048;

/// The volume.
#[must_use]
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; usize::from(SECTORS) * SECTOR];
    let mut put =
        |at: usize, content: &[u8]| bytes[at..at + content.len()].copy_from_slice(content);
    put(0, &[0xEB, 0x3C, 0x90]);
    put(3, b"mkfs.fat");
    put(11, &512_u16.to_le_bytes()); // bytes per sector
    put(13, &[4]); // sectors per cluster
    put(14, &1_u16.to_le_bytes()); // reserved sectors
    put(16, &[2]); // tables
    put(17, &512_u16.to_le_bytes()); // entries of the root directory
    put(19, &SECTORS.to_le_bytes());
    put(21, &[0xF8]); // medium
    put(22, &2_u16.to_le_bytes()); // sectors per table
    put(24, &32_u16.to_le_bytes()); // sectors per track
    put(26, &2_u16.to_le_bytes()); // heads
    put(36, &[0x80, 0, 0x29]); // drive, and the mark of what follows
    put(39, &0x1234_5678_u32.to_le_bytes());
    put(43, b"NO NAME    FAT12   ");
    put(510, &[0x55, 0xAA]);
    for table in [1, 3] {
        put(table * SECTOR, &[0xF8, 0xFF, 0xFF]);
    }
    bytes
}
