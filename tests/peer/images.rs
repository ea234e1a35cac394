// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The fixtures, and images that differ from what a builder writes in a few things each.

use std::path::Path;

use veriroot_test_support::ddi::type_guid;
use veriroot_test_support::ddi::{Arch, Builder, Ddi, GROW_FS, Image, NO_AUTO, READ_ONLY, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::fixture_path;

use crate::random::Random;
use crate::verdict::unpack;

/// Images that are made at random.
const MADE: usize = 40;

/// Writes all images into a directory; their names.
pub(crate) fn write_all(directory: &Path, random: &mut Random) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fixture_path("").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".zst").filter(|it| it.ends_with(".raw")) {
            unpack(name, &directory.join(name));
            names.push(name.to_owned());
        }
    }
    names.sort();
    let mut write = |name: String, bytes: &[u8]| {
        std::fs::write(directory.join(&name), bytes).unwrap();
        names.push(name);
    };
    for number in 0..MADE {
        write(format!("made-{number}.raw"), &made(random).bytes);
    }
    let mut bare = Erofs::root_tree(238 * 4096).build();
    bare.resize(4 << 20, 0);
    write("bare-erofs.raw".to_owned(), &bare);
    write("bare-luks.raw".to_owned(), &luks(1));
    names
}

/// The beginning of a LUKS device of a version; there is no key to it.
fn luks(version: u8) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    bytes[..8].copy_from_slice(&[b'L', b'U', b'K', b'S', 0xBA, 0xBE, 0, version]);
    if version == 2 {
        bytes[8..16].copy_from_slice(&16384_u64.to_be_bytes());
        let segments = br#"{"segments":{"0":{"type":"crypt","offset":"32768","size":"dynamic"}}}"#;
        bytes[4096..4096 + segments.len()].copy_from_slice(segments);
    }
    bytes
}

fn volume(random: &mut Random, builder: Builder, designator: &str) -> Builder {
    let tree = if designator == "root" { Erofs::root_tree(4096) } else { Erofs::usr_tree(4096) };
    let volume = Volume::new(tree.build());
    match random.below(6) {
        0 => builder,
        1 => builder.volume(designator, volume.plain()),
        2 => builder.volume(designator, volume.unsigned()),
        _ => builder.volume(designator, volume),
    }
}

fn made(random: &mut Random) -> Image {
    let arch = if random.chance(15) { Arch::Arm64 } else { Arch::X86_64 };
    let mut builder = Ddi::empty().arch(arch).sector(random.pick(&[512, 512, 4096]));
    builder = volume(random, builder, "root");
    if random.chance(40) {
        builder = volume(random, builder, "usr");
    }
    for name in ["home", "srv", "var", "tmp", "swap", "esp", "linux-generic"] {
        if random.chance(15) {
            let content = match random.below(3) {
                0 => luks(random.pick(&[1, 2])),
                1 => Erofs::usr_tree(4096).build(),
                _ => vec![0; 4096],
            };
            builder = builder.partition(name, content);
        }
    }
    let mut image = builder.build();
    for _ in 0..random.below(4) {
        image = change(random, image);
    }
    image
}

/// One change to one partition, which stays in the table or leaves it.
fn change(random: &mut Random, image: Image) -> Image {
    let used: Vec<String> = (1..=image.gpt.entries.len())
        .filter(|number| image.gpt.entries[number - 1].is_used())
        .map(|number| number.to_string())
        .collect();
    if used.is_empty() {
        return image;
    }
    let one = used[random.below(used.len())].as_str();
    let kinds = ["root", "usr", "root-verity", "root-verity-sig", "usr-verity", "home", "swap"];
    let kind = random.pick(&kinds);
    let arch = random.pick(&[Arch::X86_64, Arch::Arm64]);
    match random.below(8) {
        0 => image.remove(one),
        1 => image.relabel(one, "_empty"),
        2 => image.relabel(one, random.pick(&["root_1", "root_2", "root_10~rc", "a/b"])),
        3 => {
            let bits = [READ_ONLY, GROW_FS, NO_AUTO, READ_ONLY | GROW_FS, 0, 1 << 1];
            image.set_attributes(one, random.pick(&bits))
        }
        4 => image.retype(one, type_guid(kind, arch)),
        5 => image.add_partition(kind, arch, &luks(1)),
        6 => image.add_partition(kind, arch, &Erofs::root_tree(8192).build()),
        _ => image.swap(one, &used[0]),
    }
}
