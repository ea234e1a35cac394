// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The file-system prober, checksums of superblocks mended after every change.
//!
//! **In:** a script of edits on the first bytes of a real file system. **Out:** a verdict.
//! **Refuses:** (panics) an answer that a kernel driver could not mount, or a second answer.

use std::ops::Range;
use std::sync::OnceLock;

use veriroot::filesystem::{FileSystem, Windows, probe};
use veriroot_test_support::ddi::Image;
use veriroot_test_support::erofs::{self, Erofs, crc32c};

use crate::edits::{self, Script};
use crate::{Target, Verdict};

/// Exactly one file system, or none.
pub(super) const FILESYSTEM: Target = Target {
    name: "filesystem",
    invariant: "what is found is on the list, no larger than its device, has its magic where its \
                kernel driver looks, and is found again: one answer, whatever stands elsewhere",
    check,
    seeds: || {
        // The five high bits choose the file system.
        let all = (0..BASES as u8).map(|base| [base << 3, (base << 3) | 1]);
        let mut seeds: Vec<Vec<u8>> = all.flatten().map(|it| vec![it]).collect();
        for base in 0..BASES as u8 {
            for (region, offset) in [(0, 0), (1, 0), (1, 12), (2, 56), (3, 64), (4, 0), (5, 9)] {
                let record = edits::record(region, 2, offset, [0xFF, 0, 0, 0]);
                seeds.push([vec![base << 3], record].concat());
            }
            // The magic of every other type, where that one has it.
            for (at, magic) in MAGICS {
                let region = REGIONS.iter().position(|it| it.contains(&at)).unwrap();
                let offset = (at - REGIONS[region].start) as u16;
                let mut script = vec![base << 3];
                for (index, byte) in (0..).zip(magic.bytes()) {
                    script.extend(edits::record(region as u8, 2, offset + index, [byte, 0, 0, 0]));
                }
                seeds.push(script);
            }
        }
        seeds
    },
    words: &[],
    smoke: 1500,
};

const BASES: usize = 6;

/// Where superblocks stand.
const REGIONS: [Range<usize>; 7] =
    [0..512, 1024..2048, 4086..4096, 0x8000..0x8010, 0x1_0000..0x1_1000, 512..1024, 2048..4086];

const MAGICS: [(usize, &str); 6] =
    [(0, "hsqs"), (0, "XFSB"), (0, "LUKS"), (1080, "S"), (0x8001, "CD001"), (0x1_0040, "_BHRfS_M")];

fn bases() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let of =
            |fixture: &str, name: &str| Image::from_zst_fixture(fixture).content(name).to_vec();
        vec![
            Erofs::root_tree(64 * 4096).build(),
            of("root-squashfs-signed", "root"),
            of("root-ext4-signed", "root"),
            of("root-xfs-signed", "root"),
            of("root-btrfs-signed", "root"),
            of("esp-only", "esp"),
        ]
    })
}

/// Bit 0: checksums as they are; the high bits choose the file system.
fn check(input: &[u8]) -> Verdict {
    let script = Script::new(input);
    let base = (3..8).filter(|bit| !script.mends(*bit)).map(|bit| 1 << (bit - 3)).sum::<usize>();
    let base = &bases()[base % BASES];
    let head_len = base.len().min(Windows::HEAD as usize);
    let mut head = base[..head_len].to_vec();
    let regions: Vec<_> =
        REGIONS.into_iter().map(|it| it.start.min(head_len)..it.end.min(head_len)).collect();
    script.apply(&mut head, &regions);
    if script.mends(0) {
        mend(&mut head);
    }
    let tail_start = base.len() - base.len().min(Windows::TAIL as usize);
    let mut tail = base[tail_start..].to_vec();
    if let Some(both) = head_len.checked_sub(tail_start) {
        tail[..both].copy_from_slice(&head[tail_start..]);
    }
    let windows = Windows::new(base.len() as u64, head.clone(), tail).unwrap();
    let probed = probe(&windows);
    assert_eq!(probed, probe(&windows));
    if let Ok(found) = &probed {
        assert!(found.size > 0 && found.size <= base.len() as u64, "{found:?}");
        assert!(FileSystem::MOUNTABLE.contains(&found.filesystem));
        let has = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
        let magics = [
            (FileSystem::Btrfs, has(0x1_0040, b"_BHRfS_M")),
            (FileSystem::Erofs, has(1024, &0xE0F5_E1E2_u32.to_le_bytes())),
            (FileSystem::Ext4, has(1080, &0xEF53_u16.to_le_bytes())),
            (FileSystem::Squashfs, has(0, b"hsqs")),
            (FileSystem::Vfat, has(510, &[0x55, 0xAA])),
            (FileSystem::Xfs, has(0, b"XFSB")),
        ];
        let its = magics.iter().find(|it| it.0 == found.filesystem).unwrap();
        assert!(its.1, "{found:?} without its magic");
        assert!(!has(0, b"LUKS\xBA\xBE"), "{found:?} behind a LUKS header");
    }
    (&probed).into()
}

/// The checksum of every superblock that may be there.
fn mend(head: &mut [u8]) {
    let is = |head: &[u8], at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    if is(head, 1024, &0xE0F5_E1E2_u32.to_le_bytes()) {
        erofs::fix_checksum(head);
    }
    if is(head, 1080, &[0x53, 0xEF]) {
        let crc = crc32c(&head[1024..2044]);
        head[2044..2048].copy_from_slice(&crc.to_le_bytes());
    }
    if is(head, 0, b"XFSB") {
        let sector = usize::from(u16::from_be_bytes([head[102], head[103]])).clamp(228, 4096);
        head[224..228].fill(0);
        let crc = !crc32c(&head[..sector]);
        head[224..228].copy_from_slice(&crc.to_le_bytes());
    }
    if is(head, 0x1_0040, b"_BHRfS_M") {
        let crc = !crc32c(&head[0x1_0020..0x1_1000]);
        head[0x1_0000..0x1_0004].copy_from_slice(&crc.to_le_bytes());
    }
}
