// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
#![expect(
    clippy::as_conversions,
    clippy::unwrap_used,
    reason = "a test that wraps or panics fails, which is what a test is for"
)]
//! The test support is itself held to published vectors and to real images.

use data_encoding::HEXLOWER;
use openssl::asn1::Asn1Time;
use openssl::pkcs7::{Pkcs7, Pkcs7Flags};
use openssl::sign::Verifier;
use openssl::stack::Stack;
use veriroot_test_support::ddi::{Arch, Ddi, Image, Volume, type_guid};
use veriroot_test_support::erofs::{self, Erofs};
use veriroot_test_support::gpt::{Gpt, Header};
use veriroot_test_support::keys::{self, Algorithm, Spec, Usage, Validity};
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
    let cms = Cms::detached(&ed25519, b"content").build();
    let value = cms.last_chunk::<64>().unwrap();
    let mut verifier = Verifier::new_without_digest(&ed25519.key).unwrap();
    assert!(verifier.verify_oneshot(value, b"content").unwrap(), "OpenSSL 3.0 has no CMS for it");
}

#[test]
fn wrong_signatures_are_wrong_in_the_way_they_say() {
    use sign::Attributes;
    let right = || Cms::detached(&keys::trusted(), b"content");
    let attributes = |which| right().with_signer(|it| it.attributes = which);
    // What OpenSSL 3.0 accepts of these is what makes them worth a test.
    let cases = [
        (attributes(Attributes::WithCapabilities), true),
        (attributes(Attributes::NoContentType), true),
        (attributes(Attributes::NoMessageDigest), false),
        (attributes(Attributes::OtherDigest), false),
        (right().with(|it| it.trailing = vec![0]), true),
        (right().with_signer(|it| it.digest = sign::Digest::Md5), true),
        (right().with_signer(|it| it.digest = sign::Digest::Sha1), true),
        (right().with_signer(|it| it.value = Some(vec![0; 256])), false),
        (right().with_signer(|it| it.signer = keys::stranger()), false),
        (right().with(|it| it.signers.clear()), false),
        (right().with_signer(|it| it.named = Some(keys::stranger())), false),
        (Cms::detached(&keys::impostor(), b"content"), false),
        (Cms::detached(&keys::trusted(), b"Content"), false),
    ];
    for (cms, accepted) in cases {
        let found = openssl_accepts(&cms.build(), &keys::trusted(), b"content");
        assert_eq!(found, accepted, "{cms:?}");
    }
    let embedded = right().with(|it| it.embedded = Some(b"content".into())).build();
    assert_eq!(embedded.windows(7).filter(|it| it == b"content").count(), 1);
    let both = right().with(|it| it.signers.push(sign::SignerInfo::new(&keys::stranger())));
    assert!(!openssl_accepts(&both.build(), &keys::trusted(), b"content"));
}

#[test]
fn certificates_are_what_their_spec_says() {
    let now = Asn1Time::days_from_now(0).unwrap();
    let spec = |name| Spec::new(name, Algorithm::P256);
    let expired = spec("expired").validity(Validity::Expired).signer();
    assert!(expired.certificate.not_after() < now);
    let future = spec("future").validity(Validity::Future).signer();
    assert!(future.certificate.not_before() > now);
    assert_eq!(spec("old").version_1().signer().certificate.version(), 0);
    let text =
        |spec: Spec| String::from_utf8(spec.signer().certificate.to_text().unwrap()).unwrap();
    assert!(text(spec("ca").ca()).contains("CA:TRUE"));
    assert!(text(spec("use").usage(Usage::DigitalSignature)).contains("Digital Signature"));
    assert!(text(spec("use").usage(Usage::CertSign)).contains("Certificate Sign"));
    assert!(text(spec("use").usage(Usage::ServerAuth)).contains("TLS Web Server"));
    assert!(text(spec("use").usage(Usage::UnknownCritical)).contains("2.999.1: critical"));
    let again = keys::trusted();
    assert_eq!(again.fingerprint(), keys::trusted().fingerprint(), "made once a process");
    let impostor = keys::impostor();
    let serial = |it: &keys::Signer| it.certificate.serial_number().to_bn().unwrap();
    assert_eq!(serial(&impostor), serial(&again));
    assert_ne!(impostor.spki_fingerprint(), again.spki_fingerprint());
    let directory = keys::anchors(&[&again, &keys::trusted_ec()]);
    assert_eq!(directory.path().read_dir().unwrap().count(), 2);
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
    let signed = ["boot-signed", "root-erofs-signed", "root-erofs-4k-sectors", "root-ext4-signed"];
    for name in signed {
        let image = Image::from_zst_fixture(name);
        let superblock = &image.content("root-verity")[..512];
        let params = verity::Params {
            salt: superblock[88..120].to_vec(),
            uuid: uuid::Uuid::from_slice(&superblock[16..32]).unwrap(),
            ..verity::Params::default()
        };
        let blocks = u32::from_le_bytes(superblock[72..76].try_into().unwrap()) as usize;
        let (data, slack) = image.content("root").split_at(blocks * 4096);
        let made = params.format(data);
        assert_eq!(made.root_hash, image.root_hash("root"), "{name}");
        assert!(image.content("root-verity").starts_with(&made.hash_area), "{name}");
        let rest = &image.content("root-verity")[made.hash_area.len()..];
        assert!(slack.iter().chain(rest).all(|byte| *byte == 0), "{name}");
        let json = String::from_utf8_lossy(image.content("root-verity-sig")).into_owned();
        assert!(json.contains(&image.root_hash_hex("root")), "{name}");
    }
    assert_eq!(Image::from_zst_fixture("boot-signed").number("root"), 2);
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
fn tables_can_be_broken_with_and_without_right_checksums() {
    let header_crc = |bytes: &[u8]| {
        let mut header = bytes[512..604].to_vec();
        header[16..20].fill(0);
        crc32fast::hash(&header).to_le_bytes() == bytes[528..532]
    };
    let widen = |gpt: &mut Gpt| gpt.each_header(|header| header.entry_size = 256);
    let fixed = Ddi::builder().build().edit_gpt(widen);
    assert_eq!(
        (fixed.bytes[512 + 84..][..4].to_vec(), header_crc(&fixed.bytes)),
        (vec![0, 1, 0, 0], true)
    );
    let array = crc32fast::hash(&fixed.bytes[1024..1024 + 128 * 256]);
    assert_eq!(fixed.gpt.primary.entries_crc, array, "over the bytes that the lie covers");
    let broken = Ddi::builder().build().broken_gpt(widen);
    assert!(!header_crc(&broken.bytes));
    let far = |header: &mut Header| (header.entries_lba, header.entry_count) = (u64::MAX, u32::MAX);
    let wild = Ddi::builder().build().edit_gpt(|gpt| gpt.each_header(far));
    assert!(header_crc(&wild.bytes));
    let cut = Ddi::builder().build().truncate(1000).edit_gpt(|gpt| gpt.primary.reserved = 1);
    assert_eq!((cut.bytes.len(), header_crc(&cut.bytes)), (1000, true));
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
