// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that wraps or is out of bounds fails, which is what a test is for"
)]
//! The file-system prober against real file systems, each broken in one place at a time.
//!
//! **In:** partitions of the fixtures. **Out:** the type, or the exact refusal.
//! **Refuses:** nothing.

mod device;
mod field_tables;
mod polyglots;
mod properties;

use device::{Device, btrfs, erofs, ext4, partitions, squashfs, vfat, xfs};
use veriroot::filesystem::{FileSystem, ProbeError, probe};

#[test]
fn every_partition_of_a_real_image_has_one_answer() {
    for (fixture, expected) in [
        ("root-erofs-signed", vec!["erofs", "DM_verity_hash", "-"]),
        ("root-erofs-4k-sectors", vec!["erofs", "DM_verity_hash", "-"]),
        ("root-squashfs-signed", vec!["squashfs", "DM_verity_hash", "-"]),
        ("root-ext4-signed", vec!["ext4", "DM_verity_hash", "-"]),
        ("root-btrfs-signed", vec!["btrfs", "DM_verity_hash", "-"]),
        ("root-xfs-signed", vec!["xfs", "DM_verity_hash", "-"]),
        ("esp-only", vec!["vfat"]),
    ] {
        let found: Vec<_> = partitions(fixture).iter().map(name).collect();
        assert_eq!(found, expected, "{fixture}");
    }
}

fn name(device: &Device) -> String {
    match probe(&device.windows()) {
        Ok(found) => found.filesystem.name().to_owned(),
        Err(ProbeError::Foreign { name }) => name.to_owned(),
        Err(ProbeError::Unrecognised) => "-".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn superblocks_say_size_label_and_uuid() {
    use FileSystem::{Btrfs, Erofs, Ext4, Squashfs, Vfat, Xfs};
    // Labels and UUIDs as blkid of util-linux prints them.
    for (device, filesystem, size, label, uuid) in [
        (btrfs(), Btrfs, 105_906_176, "root-x86-64", "d9bddccf-b0a4-42c3-bc71-3ffde28fb614"),
        (erofs(), Erofs, 204_800, "", "47019add-5b6a-4b8d-821f-d8177eb7aca2"),
        (ext4(), Ext4, 33_554_432, "root-x86-64", "fdcb6f0a-dc3a-45f8-8e8e-d8bf13c8f655"),
        (squashfs(), Squashfs, 6408, "", ""),
        (vfat(), Vfat, 272_629_760, "ESP", ""),
        (xfs(), Xfs, 314_572_800, "root-x86-64", "6e017144-1839-48c9-bbdd-ddf676eae5ba"),
    ] {
        let found = probe(&device.windows()).unwrap();
        let uuid_found = found.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
        assert_eq!((found.filesystem, found.size), (filesystem, size));
        assert_eq!((found.label.unwrap_or_default().as_str(), uuid_found.as_str()), (label, uuid));
    }
}
