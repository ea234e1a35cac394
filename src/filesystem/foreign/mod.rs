// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Signatures of everything that is never mounted.
//!
//! **In:** [`Windows`]. **Out:** [`Sighting`]s: where a magic stands and whether the structure
//! behind it is sound. **Refuses:** nothing; what a sighting means depends on where it is, and
//! [`super::probe`] decides that.
//!
//! The list is libblkid's (util-linux 2.41, superblocks chain), in the order in which it is most
//! useful to report them. Not on it are formats for whole disks of one vendor's BIOS RAID other
//! than DDF and Intel's: no Linux program assembles those from a partition.

mod structure;

use std::ops::Range;

use super::Windows;
use structure::{
    bcache, bcachefs, cramfs, ddf, f2fs, gfs2, hfsplus, iso9660, isw, jfs, luks, lvm2, magic_only,
    md_0, md_1, minix, minix3, nilfs2, reiserfs, second_luks2, swap, udf, zfs,
};

/// A foreign magic that was found.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) name: &'static str,
    /// The bytes of the magic.
    pub(super) place: Range<u64>,
    /// The structure behind the magic is sound, so that this is no accident.
    pub(super) is_sound: bool,
}

impl Sighting {
    /// Four bytes or more say something about a device that holds nothing else.
    pub(super) fn is_telling(&self) -> bool {
        self.place.end.saturating_sub(self.place.start) >= 4
    }
}

/// Where a magic may stand.
#[derive(Clone, Copy)]
enum Place {
    Start(u64),
    /// This many bytes before the end, which is rounded down to a multiple first.
    End {
        multiple: u64,
        back: u64,
    },
}

use Place::Start;

struct Signature {
    name: &'static str,
    magic: &'static [u8],
    places: &'static [Place],
    /// Given the place of the magic.
    is_sound: fn(&Windows, u64) -> bool,
}

const fn signature(
    name: &'static str,
    magic: &'static [u8],
    places: &'static [Place],
) -> Signature {
    Signature { name, magic, places, is_sound: magic_only }
}

impl Signature {
    const fn sound_if(self, is_sound: fn(&Windows, u64) -> bool) -> Self {
        Self { is_sound, ..self }
    }
}

const SECOND_LUKS2: &[Place] = &[Start(0x4000), Start(0x8000), Start(0x10000)];
const LVM_LABELS: &[Place] = &[Start(0), Start(512), Start(1024), Start(1536)];
const MD: &[u8] = &[0xFC, 0x4E, 0x2B, 0xA9];
const MD_0: &[Place] = &[Place::End { multiple: 0x10000, back: 0x10000 }];
const MD_1: &[Place] = &[Start(0), Start(4096), Place::End { multiple: 0x1000, back: 0x2000 }];
/// The end of a page, for pages of 4 to 64 KiB.
const SWAP: &[Place] = &[Start(0xff6), Start(0x1ff6), Start(0x3ff6), Start(0x7ff6), Start(0xfff6)];
/// Volume descriptors after the first; UDF writes its own behind those of ISO 9660.
const NSR: &[Place] = &[
    Start(34817),
    Start(36865),
    Start(38913),
    Start(40961),
    Start(43009),
    Start(45057),
    Start(47105),
    Start(49153),
];
const UFS: &[Place] = &[Start(1372), Start(8192 + 1372), Start(65536 + 1372)];
const OCFS2: &[Place] = &[Start(1024), Start(2048), Start(4096), Start(8192)];
const BCACHE: &[u8] = &[
    0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81,
];
const BCACHEFS: &[u8] = &[
    0xC6, 0x85, 0x73, 0xF6, 0x66, 0xCE, 0x90, 0xA9, 0xD9, 0x6A, 0x60, 0xCF, 0x80, 0x3D, 0xF7, 0xEF,
];
const BITLOCKER_TO_GO: &[u8] = &[
    0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01,
];

const SIGNATURES: &[Signature] = &[
    signature("crypto_LUKS", b"LUKS\xBA\xBE", &[Start(0)]).sound_if(luks),
    signature("crypto_LUKS", b"SKUL\xBA\xBE", SECOND_LUKS2).sound_if(second_luks2),
    signature("BitLocker", b"-FVE-FS-", &[Start(3)]),
    signature("BitLocker", BITLOCKER_TO_GO, &[Start(424)]),
    signature("DM_verity_hash", b"verity\0\0", &[Start(0)]),
    signature("DM_integrity", b"integrt\0", &[Start(0)]),
    signature("DM_snapshot_cow", b"SnAp", &[Start(0)]),
    signature("vdo", b"dmvdo001", &[Start(0)]),
    signature("stratis", b"!Stra0tis\x86\xff\x02^\x41rh", &[Start(516), Start(4612)]),
    signature("LVM2_member", b"LABELONE", LVM_LABELS).sound_if(lvm2),
    signature("LVM1_member", b"HM", &[Start(0)]),
    signature("linux_raid_member", MD, MD_1).sound_if(md_1),
    signature("linux_raid_member", MD, MD_0).sound_if(md_0),
    signature("ddf_raid_member", b"\xDE\x11\xDE\x11", &[Place::End { multiple: 512, back: 512 }])
        .sound_if(ddf),
    signature(
        "isw_raid_member",
        b"Intel Raid ISM Cfg Sig. ",
        &[Place::End { multiple: 512, back: 1024 }],
    )
    .sound_if(isw),
    signature("bcache", BCACHE, &[Start(4120)]).sound_if(bcache),
    signature("bcachefs", BCACHEFS, &[Start(4120)]).sound_if(bcachefs),
    signature("zfs_member", b"\0\0\0\x07version\0", &[Start(16404)]).sound_if(zfs),
    signature("swap", b"SWAPSPACE2", SWAP).sound_if(swap),
    signature("swap", b"SWAP-SPACE", SWAP),
    signature("swsuspend", b"S1SUSPEND", SWAP).sound_if(swap),
    signature("swsuspend", b"S2SUSPEND", SWAP).sound_if(swap),
    signature("swsuspend", b"ULSUSPEND", SWAP).sound_if(swap),
    signature("swsuspend", b"LINHIB0001", SWAP).sound_if(swap),
    signature("gpt", b"EFI PART", &[Start(512), Start(4096)]),
    signature("ntfs", b"NTFS    ", &[Start(3)]),
    signature("exfat", b"EXFAT   ", &[Start(3)]),
    signature("ReFS", b"\0\0\0ReFS\0", &[Start(0)]),
    signature("f2fs", b"\x10\x20\xF5\xF2", &[Start(1024), Start(5120)]).sound_if(f2fs),
    signature("udf", b"NSR02", NSR).sound_if(udf),
    signature("udf", b"NSR03", NSR).sound_if(udf),
    signature("iso9660", b"CD001", &[Start(32769)]).sound_if(iso9660),
    signature("iso9660", b"CDROM", &[Start(32777)]),
    signature("nilfs2", b"\x34\x34", &[Start(1030)]).sound_if(nilfs2),
    signature("jfs", b"JFS1", &[Start(32768)]).sound_if(jfs),
    signature("reiserfs", b"ReIsErFs", &[Start(8192 + 52)]).sound_if(reiserfs),
    signature("reiserfs", b"ReIsErFs", &[Start(65536 + 52)]).sound_if(reiserfs),
    signature("reiserfs", b"ReIsEr2Fs", &[Start(65536 + 52)]).sound_if(reiserfs),
    signature("reiserfs", b"ReIsEr3Fs", &[Start(65536 + 52)]).sound_if(reiserfs),
    signature("reiser4", b"ReIsEr4", &[Start(65536)]),
    signature("gfs2", b"\x01\x16\x19\x70", &[Start(65536)]).sound_if(gfs2),
    signature("ocfs2", b"OCFSV2", OCFS2),
    signature("oracleasm", b"ORCLDISK", &[Start(32)]),
    signature("hfsplus", b"H+\0\x04", &[Start(1024)]).sound_if(hfsplus),
    signature("hfsplus", b"HX\0\x05", &[Start(1024)]).sound_if(hfsplus),
    signature("hfs", b"BD", &[Start(1024)]),
    signature("apfs", b"NXSB", &[Start(32)]),
    signature("ufs", b"\x54\x19\x01\x00", UFS),
    signature("ufs", b"\x00\x01\x19\x54", UFS),
    signature("ufs", b"\x19\x01\x54\x19", UFS),
    signature("ufs", b"\x19\x54\x01\x19", UFS),
    signature("cramfs", b"\x45\x3D\xCD\x28", &[Start(0), Start(512)]).sound_if(cramfs),
    signature("cramfs", b"\x28\xCD\x3D\x45", &[Start(0), Start(512)]).sound_if(cramfs),
    signature("romfs", b"-rom1fs-", &[Start(0)]),
    signature("squashfs", b"sqsh", &[Start(0)]),
    signature("xfs_external_log", b"\xFE\xED\xBA\xBE", &[Start(0)]),
    signature("vxfs", b"\xF5\xFC\x01\xA5", &[Start(1024)]),
    signature("vxfs", b"\xA5\x01\xFC\xF5", &[Start(8192)]),
    signature("hpfs", b"\x49\xE8\x95\xF9", &[Start(8192)]),
    signature("bfs", b"\xCE\xFA\xAD\x1B", &[Start(0)]),
    signature("befs", b"BFS1", &[Start(32), Start(544)]),
    signature("befs", b"1SFB", &[Start(32), Start(544)]),
    signature("zonefs", b"SFOZ", &[Start(0)]),
    signature("ubifs", b"\x31\x18\x10\x06", &[Start(0)]),
    signature("ubi", b"UBI#", &[Start(0)]),
    signature("minix", b"\x7F\x13", &[Start(1040)]).sound_if(minix),
    signature("minix", b"\x8F\x13", &[Start(1040)]).sound_if(minix),
    signature("minix", b"\x68\x24", &[Start(1040)]).sound_if(minix),
    signature("minix", b"\x78\x24", &[Start(1040)]).sound_if(minix),
    signature("minix", b"\x5A\x4D", &[Start(1048)]).sound_if(minix3),
    signature("fvault2", b"CS", &[Start(88)]),
];

/// Every foreign magic on the device, in the order of the list.
pub(super) fn sightings(windows: &Windows) -> Vec<Sighting> {
    let mut found = Vec::new();
    for it in SIGNATURES {
        for start in it.places.iter().filter_map(|place| offset(windows, *place)) {
            if windows.has(start, it.magic) {
                let len = u64::try_from(it.magic.len()).unwrap_or(u64::MAX);
                let place = start..start.saturating_add(len);
                found.push(Sighting {
                    name: it.name,
                    place,
                    is_sound: (it.is_sound)(windows, start),
                });
            }
        }
    }
    found
}

fn offset(windows: &Windows, place: Place) -> Option<u64> {
    match place {
        Start(offset) => Some(offset),
        Place::End { multiple, back } => {
            let len = windows.device_len();
            len.checked_sub(len.checked_rem(multiple)?)?.checked_sub(back)
        }
    }
}
