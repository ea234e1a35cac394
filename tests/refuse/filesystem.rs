// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is on a partition whose every block was signed.

use veriroot::designator::PartitionDesignator;
use veriroot::error::Error;
use veriroot::filesystem::{FileSystem, ProbeError};
use veriroot::identify::IdentifyError;
use veriroot::policy::PolicyError;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;

use crate::judge::{Machine, Twin};

/// A root of these bytes, signed by the trusted signer.
fn signed(content: Vec<u8>) -> Image {
    Ddi::empty().volume("root", Volume::new(content)).build()
}

fn root() -> Vec<u8> {
    Erofs::root_tree(64 * 4096).build()
}

fn twin() -> Twin {
    Twin::new(Machine::default(), signed(root()))
}

fn planted(at: usize, magic: &[u8]) -> Image {
    let mut content = root();
    content[at..at + magic.len()].copy_from_slice(magic);
    signed(content)
}

fn fault(error: Error) -> ProbeError {
    match error {
        Error::Identify(IdentifyError::Probe { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

// FS-01, SEL-06
#[test]
fn refuses_signed_root_with_another_magic_where_erofs_keeps_nothing() {
    let twin = twin();
    for (at, magic, name) in [
        (0, &b"LUKS\xBA\xBE\0\x01"[..], "crypto_LUKS"),
        (0, b"LUKS\xBA\xBE\0\x02", "crypto_LUKS"),
        (0, b"verity\0\0", "DM_verity_hash"),
        (512, b"LABELONE", "LVM2_member"),
        (3, b"-FVE-FS-", "BitLocker"),
        (512, b"EFI PART", "gpt"),
    ] {
        assert_eq!(fault(twin.refused(|_| planted(at, magic))), ProbeError::Foreign { name });
    }
    for (at, magic, first, second) in [
        (0, &b"hsqs"[..], FileSystem::Erofs, FileSystem::Squashfs),
        (0, b"XFSB", FileSystem::Erofs, FileSystem::Xfs),
    ] {
        let fault = fault(twin.refused(|_| planted(at, magic)));
        assert_eq!(fault, ProbeError::Ambiguous { first, second });
    }
}

// FS-02
#[test]
fn takes_content_that_only_looks_like_something_else() {
    let twin = twin();
    for (at, magic) in
        [(0x8001, &b"CD001"[..]), (0x10040, b"_BHRfS_M"), (4096 * 9 + 4086, b"SWAPSPACE2")]
    {
        let report = twin.accepted(|_| planted(at, magic));
        assert_eq!(report.partitions[0].filesystem, Some("erofs"));
    }
}

// FS-03
#[test]
fn refuses_signed_root_with_a_broken_superblock() {
    let filesystem = FileSystem::Erofs;
    let fault = fault(twin().refused(|_| planted(1024 + 14, &[0xFF])));
    assert_eq!(fault, ProbeError::Checksum { filesystem });
}

// FS-05
#[test]
fn refuses_signed_content_that_is_no_file_system() {
    let twin = twin();
    for content in [vec![0; 1 << 20], vec![0xA5; 1 << 20], vec![0; 4096]] {
        assert_eq!(fault(twin.refused(|_| signed(content))), ProbeError::Unrecognised);
    }
    let luks = [&b"LUKS\xBA\xBE\0\x02"[..], &[0; 4088]].concat();
    let name = "crypto_LUKS";
    assert_eq!(fault(twin.refused(|_| signed(luks))), ProbeError::Foreign { name });
}

// FS-06
#[test]
fn refuses_signed_root_whose_file_system_is_larger_than_its_device() {
    let twin = twin();
    let mut cut = root();
    let claimed = cut.len() as u64;
    cut.truncate(cut.len() - 4096);
    let (filesystem, device) = (FileSystem::Erofs, claimed - 4096);
    let fault = fault(twin.refused(|_| signed(cut)));
    assert_eq!(fault, ProbeError::LargerThanDevice { filesystem, claimed, device });
}

/// Blocks behind what the tree covers are no part of the device, whatever the partition holds.
#[test]
fn refuses_root_that_reaches_over_the_end_of_its_tree() {
    let (whole, mut covered) = (root(), root());
    covered.truncate(whole.len() - 4096);
    let twin = twin();
    let error = twin.refused(|_| signed(covered).replace_content("root", &whole));
    assert!(matches!(fault(error), ProbeError::LargerThanDevice { .. }));
}

#[test]
fn refuses_boot_loader_file_system_as_root_and_root_file_system_as_esp() {
    let esp = Ddi::builder().partition("esp", root()).build();
    let machine = Machine::demanding("root=signed:=ignore");
    let twin = Twin::new(machine, esp);
    let error = twin.refused_by(&Machine::demanding("root=signed:esp=unprotected:=ignore"));
    assert_refused!(
        error,
        Error::Policy(PolicyError::FileSystem { designator: PartitionDesignator::Esp, .. })
    );
}
