// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is on a root whose every block was signed.

use veriroot_test_support::ddi::{Image, Volume};

use super::{Attack, Make, builder, root};
use crate::{Case, Demand};

pub(super) const ALL: &[Make] = &[polyglots, lookalikes, nonsense, foreign, sizes];

fn signed(content: Vec<u8>) -> Image {
    builder().volume("root", Volume::new(content)).build()
}

fn planted(at: usize, magic: &[u8]) -> Image {
    let mut content = root();
    content[at..at + magic.len()].copy_from_slice(magic);
    signed(content)
}

fn polyglots() -> Vec<Case> {
    let magics: [(usize, &[u8], &str); 8] = [
        (0, b"LUKS\xBA\xBE\0\x02", "LUKS2"),
        (0, b"verity\0\0", "verity"),
        (512, b"LABELONE", "LVM2"),
        (3, b"-FVE-FS-", "BitLocker"),
        (512, b"EFI PART", "GPT"),
        (0, b"hsqs", "squashfs"),
        (0, b"XFSB", "xfs"),
        (0, b"LUKS\xBA\xBE\0\x01", "LUKS1"),
    ];
    let attack = Attack::new("FS-01", "libblkid: ambivalent; util-linux issues 4031 and 361");
    magics
        .into_iter()
        .fold(attack, |it, (at, magic, name)| {
            it.push(&format!("erofs and {name}"), Demand::Refuse, &planted(at, magic))
        })
        .done()
}

fn lookalikes() -> Vec<Case> {
    Attack::new("FS-02", "util-linux issue 4031: a good disk that could not be mounted")
        .push("CD001 inside a file", Demand::Accept, &planted(0x8001, b"CD001"))
        .push("btrfs magic inside a file", Demand::Accept, &planted(0x10040, b"_BHRfS_M"))
        .push("swap magic inside a file", Demand::Accept, &planted(4096 * 9 + 4086, b"SWAPSPACE2"))
        .done()
}

fn nonsense() -> Vec<Case> {
    let fixed = |at: usize, bytes: &[u8]| {
        let mut content = root();
        content[at..at + bytes.len()].copy_from_slice(bytes);
        veriroot_test_support::erofs::fix_checksum(&mut content);
        signed(content)
    };
    Attack::new("FS-03", "EROFS CVE-2026-43166, squashfs CVE-2024-26982")
        .push("bad checksum", Demand::Refuse, &planted(1024 + 14, &[0xFF]))
        .push("block size 2^31", Demand::Refuse, &fixed(1024 + 12, &[31]))
        .push("block size 1", Demand::Refuse, &fixed(1024 + 12, &[0]))
        .push("2^32 blocks", Demand::Refuse, &fixed(1024 + 36, &[0xFF; 4]))
        .done()
}

fn foreign() -> Vec<Case> {
    let at = |at: usize, magic: &[u8]| {
        let mut content = vec![0; 32 * 4096];
        content[at..at + magic.len()].copy_from_slice(magic);
        signed(content)
    };
    Attack::new("FS-05", "systemd's list of types; never mount -t auto")
        .push("zeros", Demand::Refuse, &signed(vec![0; 16 * 4096]))
        .push("noise", Demand::Refuse, &signed(veriroot_test_support::noise(5, 16 * 4096)))
        .push("ntfs", Demand::Refuse, &at(3, b"NTFS    "))
        .push("iso9660", Demand::Refuse, &at(0x8001, b"CD001\x01"))
        .push("minix", Demand::Refuse, &at(1024 + 16, &[0x8F, 0x13]))
        .push("f2fs", Demand::Refuse, &at(1024, &0xF2F5_2010_u32.to_le_bytes()))
        .done()
}

fn sizes() -> Vec<Case> {
    let (whole, mut cut) = (root(), root());
    cut.truncate(whole.len() - 4096);
    Attack::new("FS-06", "superblock of more blocks than the device has")
        .push("tree one block short", Demand::Refuse, &signed(cut.clone()))
        .push("rest behind the tree", Demand::Refuse, &signed(cut).replace_content("root", &whole))
        .done()
}
