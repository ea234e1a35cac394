// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
#![expect(
    clippy::as_conversions,
    clippy::unwrap_used,
    reason = "a test that wraps or panics fails, which is what a test is for"
)]
//! The test support is itself held to published vectors and to real images.

use data_encoding::HEXLOWER;
use openssl::pkcs7::{Pkcs7, Pkcs7Flags};
use openssl::pkey::Id;
use openssl::stack::Stack;
use veriroot_test_support::ddi::{Arch, Ddi, Image, Volume, type_guid};
use veriroot_test_support::erofs::{self, Erofs};
use veriroot_test_support::gpt::Gpt;
use veriroot_test_support::keys::{self, Algorithm, Spec};
use veriroot_test_support::sign::{self, Cms};
use veriroot_test_support::{fixture, noise, verity};

const IMAGES: [&str; 20] = [
    "boot-signed",
    "boot-stranger",
    "esp-only",
    "full-house",
    "generic-data",
    "root-ab-versions",
    "root-btrfs-signed",
    "root-erofs-4k-sectors",
    "root-erofs-arm64",
    "root-erofs-plain",
    "root-erofs-second-key",
    "root-erofs-signed",
    "root-erofs-signed-sigfirst",
    "root-erofs-stranger",
    "root-erofs-verity-unsigned",
    "root-ext4-signed",
    "root-squashfs-signed",
    "root-xfs-signed",
    "usr-erofs-signed",
    "usr-signed-root-plain",
];

#[test]
fn tables_of_real_images_are_written_back_byte_for_byte() {
    for name in IMAGES {
        let mut bytes = fixture(&format!("{name}.raw.zst"));
        let mut gpt = Gpt::read(&bytes);
        let front = gpt.primary.first_usable as usize * gpt.sector;
        let (head, tail) = (bytes[..front].to_vec(), bytes[gpt.backup_start()..].to_vec());
        let backup = gpt.backup_start();
        bytes[..front].fill(0);
        bytes[backup..].fill(0);
        gpt.resize((bytes.len() / gpt.sector) as u64);
        gpt.write(&mut bytes);
        assert!(bytes[..front] == head && bytes[backup..] == tail, "{name}");
    }
}

#[test]
fn hash_trees_match_veritysetup() {
    let vectors = String::from_utf8(fixture("verity-vectors.txt")).unwrap();
    let rows: Vec<Vec<&str>> = vectors
        .lines()
        .filter(|it| !it.starts_with('#'))
        .map(|it| it.split(' ').collect())
        .collect();
    assert_eq!(rows.len(), 19);
    for row in rows {
        let [hash_type, algorithm, data_block, hash_block, blocks, salt, root_hash, area] =
            row[..].try_into().unwrap();
        let params = verity::Params {
            hash_type: hash_type.parse().unwrap(),
            algorithm: algorithm.into(),
            data_block: data_block.parse().unwrap(),
            hash_block: hash_block.parse().unwrap(),
            salt: HEXLOWER.decode(salt.trim_matches('-').as_bytes()).unwrap(),
            ..verity::Params::default()
        };
        let blocks: usize = blocks.parse().unwrap();
        let made = params.format(&noise(0, blocks * params.data_block));
        assert_eq!(HEXLOWER.encode(&made.root_hash), root_hash, "{row:?}");
        assert_eq!(HEXLOWER.encode(&openssl::sha::sha256(&made.hash_area)), area, "{row:?}");
    }
}

#[test]
fn the_file_system_is_laid_out_as_specified() {
    let image = Erofs::new().file("a/b", 0o640, "text").symlink("c", "a/b").build();
    let at = |offset: usize, len: usize| {
        image[offset..offset + len].iter().rev().fold(0_u64, |sum, it| sum << 8 | u64::from(*it))
    };
    assert_eq!(at(1024, 4), 0xE0F5_E1E2);
    let mut zeroed = image[1024..4096].to_vec();
    zeroed[4..8].fill(0);
    assert_eq!(at(1028, 4), u64::from(erofs::crc32c(&zeroed)));
    assert_eq!(!erofs::crc32c(b"123456789"), 0xE306_9283, "the CRC catalogue's check value");
    assert_eq!((at(1036, 1), at(1038, 2), at(1060, 4)), (12, 36, image.len() as u64 / 4096));
    // Nodes in the order they were named: the root, a, a/b, c; one block of data each.
    let modes: Vec<_> = (0..4).map(|node| at(1152 + 64 * node + 4, 2)).collect();
    assert_eq!(modes, [0o040_755, 0o040_755, 0o100_640, 0o120_777]);
    let blocks: Vec<_> = (0..4).map(|node| at(1152 + 64 * node + 16, 4) as usize).collect();
    assert_eq!(blocks, [1, 2, 3, 4]);
    assert_eq!(&image[4096 * 3..4096 * 3 + 5], b"text\0");
    assert_eq!(&image[4096 + 48..4096 + 53], b"...ac", "names after four entries, sorted");
    let big = Erofs::root_tree(3 << 20);
    let mut streamed = Vec::new();
    assert_eq!(big.write_to(&mut streamed).unwrap(), streamed.len() as u64);
    assert!(streamed == big.build());
}

#[test]
fn signatures_are_those_that_openssl_makes() {
    let flags = Pkcs7Flags::DETACHED | Pkcs7Flags::BINARY | Pkcs7Flags::NOATTR;
    let signer = keys::trusted();
    let sign = |flags| {
        let none = Stack::new().unwrap();
        Pkcs7::sign(&signer.certificate, &signer.key, &none, b"content", flags).unwrap().to_der()
    };
    let bare = Cms::detached(&signer, b"content");
    assert_eq!(bare.build(), sign(flags | Pkcs7Flags::NOCERTS).unwrap());
    let carried = bare.with(|it| it.certificates.push(signer.clone()));
    assert_eq!(carried.build(), sign(flags).unwrap(), "as systemd-repart calls it");
}

#[test]
fn every_kind_of_signature_verifies() {
    use Algorithm::{P256, P384, P521, Rsa};
    let algorithms = [Rsa(2048), Rsa(3072), Rsa(4096), P256, P384, P521];
    for algorithm in algorithms {
        let signer = Spec::new("kind", algorithm).signer();
        for attributes in [sign::Attributes::Absent, sign::Attributes::Usual] {
            let cms =
                Cms::detached(&signer, b"content").with_signer(|it| it.attributes = attributes);
            for (content, accepted) in [(b"content", true), (b"CONTENT", false)] {
                let found = openssl_accepts(&cms.build(), &signer, content);
                assert_eq!(found, accepted, "{algorithm:?} {cms:?}");
            }
        }
    }
    let ed25519 = Spec::new("kind", Algorithm::Ed25519).signer();
    assert_eq!(ed25519.key.id(), Id::ED25519);
    assert!(Cms::detached(&ed25519, b"content").build().len() > 64);
}

fn openssl_accepts(der: &[u8], signer: &keys::Signer, content: &[u8]) -> bool {
    let mut certificates = Stack::new().unwrap();
    certificates.push(signer.certificate.clone()).unwrap();
    let store = openssl::x509::store::X509StoreBuilder::new().unwrap().build();
    let flags = Pkcs7Flags::NOVERIFY | Pkcs7Flags::NOINTERN | Pkcs7Flags::BINARY;
    let pkcs7 = Pkcs7::from_der(der).unwrap();
    pkcs7.verify(&certificates, &store, Some(content), None, flags).is_ok()
}

#[test]
fn b0_is_what_its_description_says() {
    for sector in [512, 4096] {
        let image = Ddi::builder().sector(sector).build();
        assert_eq!(image.bytes.len(), 8 << 20);
        assert_eq!(Gpt::read(&image.bytes), image.gpt);
        assert_eq!(image.content("root").len(), 1 << 20);
        let made = verity::Params::default().format(image.content("root"));
        assert_eq!(made.root_hash, image.root_hash("root"));
        assert!(image.content("root-verity").starts_with(&made.hash_area));
        let guids = [image.entry("root").guid, image.entry("root-verity").guid];
        assert_eq!(guids.map(|it| it.into_bytes()).concat(), made.root_hash);
        let signature = image.content("root-verity-sig");
        assert_eq!(signature, sign::root_hash_partition(&keys::trusted(), &made.root_hash));
        assert_eq!(signature.len(), sign::PARTITION);
    }
}

#[test]
fn root_hashes_of_real_images_are_found_again() {
    let image = Image::from_zst_fixture("boot-signed");
    let superblock = image.content("root-verity")[..512].to_vec();
    let params = verity::Params {
        salt: superblock[88..120].to_vec(),
        uuid: uuid::Uuid::from_slice(&superblock[16..32]).unwrap(),
        ..verity::Params::default()
    };
    let made = params.format(image.content("root"));
    assert_eq!(made.root_hash, image.root_hash("root"));
    assert!(image.content("root-verity").starts_with(&made.hash_area));
    assert_eq!(image.number("root"), 2);
}

#[test]
fn mutators_change_one_thing_and_keep_the_table_sound() {
    let image = Ddi::builder().root_second().build();
    assert_eq!(image.number("root"), 2);
    let flipped = image.clone().flip_bit("root", 5000, 3);
    let differing = flipped.bytes.iter().zip(&image.bytes).filter(|(a, b)| a != b).count();
    assert_eq!((differing, flipped.content("root")[5000] ^ image.content("root")[5000]), (1, 8));
    let other = noise(9, 10_000);
    let mutants = [
        image.clone().remove("root-verity-sig"),
        image.clone().strip_verity("root"),
        image.clone().swap("root", "root-verity"),
        image.clone().retype("root", type_guid("usr", Arch::X86_64)),
        image.clone().relabel("root", "other"),
        image.clone().set_attributes("root", 0),
        image.clone().replace_content("root-verity-sig", &noise(9, 20_000)),
        image.clone().add_partition("home", Arch::X86_64, &other).swap("home", "root"),
    ];
    for mutant in &mutants {
        let read = Gpt::read(&mutant.bytes);
        assert_eq!(read, mutant.gpt);
        assert_ne!(read.entries, image.gpt.entries);
    }
    assert_eq!(mutants[2].number("root"), 3);
    assert_eq!(mutants[6].content("root-verity-sig")[..20_000], noise(9, 20_000));
    assert_eq!(mutants[7].number("home"), 2);
    assert_eq!(mutants[7].content("home")[..10_000], other);
    assert_eq!(mutants[7].content("root"), image.content("root"));
}

#[test]
fn volumes_can_be_protected_in_every_wrong_way() {
    let usr = Volume::new(Erofs::usr_tree(4096).build());
    let image = Ddi::builder().volume("usr", usr.signed_by(&keys::stranger())).build();
    assert_ne!(image.root_hash("usr"), image.root_hash("root"));
    let image = Ddi::builder().change("root", Volume::unsigned).build();
    assert_eq!(image.gpt.entries.iter().filter(|it| it.is_used()).count(), 2);
    let upper = |hash: &[u8]| {
        let text = data_encoding::HEXUPPER.encode(hash);
        Cms::detached(&keys::trusted(), text.as_bytes())
    };
    let image = Ddi::builder().change("root", |root| root.cms(upper)).build();
    let text = String::from_utf8_lossy(image.content("root-verity-sig")).into_owned();
    assert!(text.contains(&image.root_hash_hex("root")) && text.contains("MII"));
}
