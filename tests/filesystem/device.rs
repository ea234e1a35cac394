// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Partitions of the fixtures as devices that tests can write on.
//!
//! **In:** `tests/fixtures`. **Out:** [`Device`]s, with checksums made right again on demand.
//! **Refuses:** nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

use veriroot::filesystem::{FileSystem, Windows};

/// A device as the prober sees it, and writable.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) len: u64,
    pub(crate) head: Vec<u8>,
    pub(crate) tail: Vec<u8>,
}

impl Device {
    /// A device of zeros.
    pub(crate) fn zeros(len: u64) -> Self {
        let window = |limit: u64| vec![0; len.min(limit) as usize];
        Self { len, head: window(Windows::HEAD), tail: window(Windows::TAIL) }
    }

    pub(crate) fn windows(&self) -> Windows {
        Windows::new(self.len, self.head.clone(), self.tail.clone()).unwrap()
    }

    /// The same with `bytes` written at `offset`, wherever a window shows them.
    pub(crate) fn with(&self, offset: u64, bytes: &[u8]) -> Self {
        let mut copy = self.clone();
        let tail_start = copy.len - copy.tail.len() as u64;
        for (at, byte) in (offset..).zip(bytes) {
            if let Some(place) = copy.head.get_mut(at as usize) {
                *place = *byte;
            }
            if at >= tail_start && at < copy.len {
                copy.tail[(at - tail_start) as usize] = *byte;
            }
        }
        copy
    }

    /// The same bytes on a device of another length, as far as its windows reach.
    pub(crate) fn resized(&self, len: u64) -> Self {
        Self::zeros(len).with(0, &self.head[..self.head.len().min(len as usize)])
    }

    /// The same with the superblock checksum made right again.
    pub(crate) fn resealed(&self, filesystem: FileSystem) -> Self {
        let zeroed = |from: usize, len: usize, at: usize| {
            let mut bytes = self.head[from..from + len].to_vec();
            bytes[at..at + 4].fill(0);
            crc32c(&bytes)
        };
        match filesystem {
            FileSystem::Btrfs => {
                self.with(65536, &(!crc32c(&self.head[65568..69632])).to_le_bytes())
            }
            FileSystem::Erofs => self.with(1028, &zeroed(1024, 3072, 4).to_le_bytes()),
            FileSystem::Ext4 => self.with(2044, &crc32c(&self.head[1024..2044]).to_le_bytes()),
            FileSystem::Xfs => {
                let sector = usize::from(u16::from_be_bytes([self.head[102], self.head[103]]));
                let sector = sector.clamp(512, 32768);
                self.with(224, &(!zeroed(0, sector, 224)).to_le_bytes())
            }
            FileSystem::F2fs | FileSystem::Squashfs | FileSystem::Vfat => self.clone(),
        }
    }
}

/// CRC-32C without the final inversion, bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 }
        })
    })
}

pub(crate) fn btrfs() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| partitions("root-btrfs-signed").remove(0));
    DEVICE.clone()
}

pub(crate) fn erofs() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| partitions("root-erofs-signed").remove(0));
    DEVICE.clone()
}

pub(crate) fn ext4() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| partitions("root-ext4-signed").remove(0));
    DEVICE.clone()
}

pub(crate) fn squashfs() -> Device {
    static DEVICE: LazyLock<Device> =
        LazyLock::new(|| partitions("root-squashfs-signed").remove(0));
    DEVICE.clone()
}

pub(crate) fn vfat() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| partitions("esp-only").remove(0));
    DEVICE.clone()
}

pub(crate) fn xfs() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| partitions("root-xfs-signed").remove(0));
    DEVICE.clone()
}

/// All partitions of a fixture in the order of their place.
pub(crate) fn partitions(fixture: &str) -> Vec<Device> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let file = File::open(path.join(format!("{fixture}.raw.zst"))).unwrap();
    let mut image = zstd::stream::read::Decoder::new(file).unwrap();
    let mut start = take(&mut image, 8192);
    let sector = if &start[512..520] == b"EFI PART" { 512 } else { 4096 };
    start.extend(take(&mut image, 2 * sector as u64 + 128 * 128 - 8192));
    let u64_at = |at: usize| u64::from_le_bytes(start[at..at + 8].try_into().unwrap());
    let mut ranges: Vec<_> = (0..128)
        .map(|entry| 2 * sector + entry * 128)
        .filter(|at| start[*at..*at + 16] != [0; 16])
        .map(|at| (u64_at(at + 32) * sector as u64, (u64_at(at + 40) + 1) * sector as u64))
        .collect();
    ranges.sort_unstable();
    let mut position = start.len() as u64;
    let read = |(from, to): (u64, u64)| {
        skip(&mut image, from - position);
        position = to;
        let (len, head_len) = (to - from, (to - from).min(Windows::HEAD));
        let head = take(&mut image, head_len);
        let rest = len - head_len;
        skip(&mut image, rest.saturating_sub(Windows::TAIL));
        let mut all = head.clone();
        all.extend(take(&mut image, rest.min(Windows::TAIL)));
        let tail = all.split_off(all.len() - len.min(Windows::TAIL) as usize);
        Device { len, head, tail }
    };
    ranges.into_iter().map(read).collect()
}

fn take(image: &mut impl Read, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; len as usize];
    image.read_exact(&mut bytes).unwrap();
    bytes
}

fn skip(image: &mut impl Read, len: u64) {
    assert_eq!(io::copy(&mut image.take(len), &mut io::sink()).unwrap(), len);
}
