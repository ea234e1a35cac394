// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Compressed images and streams, through the real program and its decode child.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that panics fails, which is what a test is for; what a refusal cost is for people"
)]

mod child;
mod mutants;
mod program;

use std::io::Read;

use program::{Program, compressed, judge_file, judge_pipe, tool};
use veriroot_test_support::ddi::{Builder, Ddi, Image, Volume};
use veriroot_test_support::{keys, noise};

const SIG_FIRST: [&str; 3] = ["root-verity-sig", "root-verity", "root"];
const DATA_FIRST: [&str; 3] = ["root", "root-verity", "root-verity-sig"];

/// Commands that people compress images with, each a filter.
const TOOLS: [&str; 20] = [
    "zstd -1",
    "zstd -19",
    "zstd -T2 -3",
    "zstd --long",
    "zstd --long=27 -9",
    "zstd --no-check",
    "xz -0",
    "xz -9",
    "xz -T2 --block-size=65536",
    "xz --check=crc32",
    "xz --check=sha256",
    "xz --check=none",
    "gzip -1",
    "gzip -9 -n",
    "bzip2 -1",
    "bzip2 -9",
    "lz4 -1",
    "lz4 -9 -BD",
    "lz4 -BX --content-size",
    "lz4 --no-frame-crc",
];

fn ddi(order: [&str; 3]) -> Builder {
    Ddi::builder().order(&order)
}

/// A root of noise, which nothing compresses: 12 MiB of it.
fn noisy(signer: &std::sync::Arc<keys::Signer>) -> Image {
    let volume = Volume::new(noise(7, 12 << 20)).signed_by(signer);
    Ddi::empty().volume("root", volume).order(&SIG_FIRST).build()
}

#[test]
fn what_the_tools_write_is_accepted_in_both_modes() {
    for (order, mode) in [(SIG_FIRST, "linear"), (DATA_FIRST, "spooled")] {
        let image = ddi(order).build();
        for tool in TOOLS {
            let packed = compressed(tool, &image.bytes);
            let judged = judge_file("image.raw", &packed);
            assert_eq!((judged.code, judged.mode()), (0, mode.to_owned()), "{tool}: {judged:?}");
            let decode = judged.finding("source-decode").unwrap();
            let name = tool.split(' ').next().unwrap();
            assert!(decode["found"].as_str().unwrap().starts_with(name), "{decode}");
        }
        let packed = compressed("zstd", &image.bytes);
        let judged = judge_pipe(&packed);
        assert_eq!((judged.code, judged.mode()), (0, mode.to_owned()), "{judged:?}");
        let judged = judge_pipe(&image.bytes);
        assert_eq!((judged.code, judged.mode()), (0, mode.to_owned()), "{judged:?}");
    }
}

#[test]
fn every_order_of_partitions_says_its_mode() {
    let names = SIG_FIRST;
    for (a, b, c) in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)] {
        let order = [names[a], names[b], names[c]];
        let judged = judge_pipe(&ddi(order).build().bytes);
        // The data stand behind both of the others.
        let mode = if c == 2 { "linear" } else { "spooled" };
        assert_eq!((judged.code, judged.mode()), (0, mode.to_owned()), "{order:?}");
    }
}

#[test]
fn a_changed_block_ends_a_linear_run_where_it_stands() {
    let image = noisy(&keys::trusted());
    let inside = 1 << 20;
    let at = image.range("root").start + inside;
    let image = image.flip_bit("root", inside, 3);
    for (tool, packed) in
        [("", image.bytes.clone()), ("gzip -1", compressed("gzip -1", &image.bytes))]
    {
        let judged = judge_pipe(&packed);
        assert_eq!((judged.code, judged.mode().as_str()), (22, "linear"), "{tool}: {judged:?}");
        let found = judged.finding("fetch-block").unwrap()["found"].as_str().unwrap().to_owned();
        assert!(found.contains(&format!("at byte {at} ")), "{found}");
        // Of 12 MiB: what stands before, and what was on its way.
        assert!(judged.taken < 5 << 20, "{tool}: {} bytes", judged.taken);
        println!("refused at byte {at} of {} after {} bytes {tool}", packed.len(), judged.taken);
    }
}

#[test]
fn a_stranger_s_image_costs_what_is_on_its_way() {
    let image = noisy(&keys::stranger());
    // Signature and superblock stand in the first MiB, each at a MiB; the rest is buffers on the way.
    for (tool, limit) in
        [("", 3 << 20), ("zstd -1", 6 << 20), ("xz -0", 6 << 20), ("lz4 -1", 6 << 20)]
    {
        let packed =
            if tool.is_empty() { image.bytes.clone() } else { compressed(tool, &image.bytes) };
        let judged = judge_pipe(&packed);
        assert_eq!((judged.code, judged.mode().as_str()), (22, "linear"), "{tool}: {judged:?}");
        assert!(judged.finding("authenticate-signature").is_some(), "{judged:?}");
        assert!(judged.taken < limit, "{tool}: {} bytes", judged.taken);
        println!("stranger refused after {} of {} bytes {tool}", judged.taken, packed.len());
    }
    assert_eq!(judge_pipe(&noisy(&keys::trusted()).bytes).taken, image.bytes.len());
}

#[test]
fn the_end_has_to_be_where_the_table_says_it_is() {
    for order in [SIG_FIRST, DATA_FIRST] {
        let image = ddi(order).build();
        let ends = |bytes: &[u8], id: &str| {
            for packed in [bytes.to_vec(), compressed("zstd", bytes)] {
                let judged = judge_pipe(&packed);
                assert_eq!(judged.code, 20, "{judged:?}");
                assert!(judged.finding(id).is_some(), "{id}: {judged:?}");
            }
        };
        ends(&[&image.bytes[..], b"\0"].concat(), "source-trailing");
        ends(&[&image.bytes[..], &noise(1, 1 << 20)].concat(), "source-trailing");
        for cut in [1, 512, 16 * 1024, image.bytes.len() / 2] {
            ends(&image.bytes[..image.bytes.len() - cut], "source-cut");
        }
        let mut changed = image.bytes.clone();
        let last = changed.len() - 512;
        changed[last + 56] ^= 1;
        ends(&changed, "dissect-gpt");
    }
}

#[test]
fn streams_that_are_not_one_whole_stream_are_refused() {
    let image = ddi(SIG_FIRST).build();
    for tool in ["zstd", "xz", "gzip", "bzip2", "lz4"] {
        let packed = compressed(tool, &image.bytes);
        assert_eq!(judge_file("image.raw.x", &packed).code, 0, "{tool}");
        let other = compressed("gzip", b"more");
        let last = packed.len() - 1;
        let mut changed = packed.clone();
        changed[last / 2] ^= 0x10;
        for (what, bytes) in [
            ("cut", packed[..last].to_vec()),
            ("followed by a NUL", [&packed[..], b"\0"].concat()),
            ("followed by another", [&packed[..], &other].concat()),
            ("twice", [&packed[..], &packed].concat()),
        ] {
            let judged = judge_file("image.raw.x", &bytes);
            assert_eq!(judged.code, 20, "{tool}, {what}: {judged:?}");
            assert!(judged.finding("source-decode").is_some(), "{tool}, {what}: {judged:?}");
        }
        // Either the decoder or the tree sees it.
        let judged = judge_file("image.raw.x", &changed);
        assert!([20, 22].contains(&judged.code), "{tool}: {judged:?}");
        let nested = judge_file("image.raw.x", &compressed("gzip", &packed));
        assert_eq!((nested.code, nested.class().as_str()), (20, "decomp"), "{tool}: {nested:?}");
        assert!(nested.finding("source-nested").is_some(), "{nested:?}");
    }
}

#[test]
fn names_say_nothing_and_content_decides() {
    let image = ddi(SIG_FIRST).build();
    let packed = compressed("zstd", &image.bytes);
    for name in ["image.raw", "image.raw.xz", "image.bin.gz", "image"] {
        assert_eq!(judge_file(name, &packed).code, 0, "{name}");
        assert_eq!(judge_file(name, &image.bytes).code, 0, "{name}");
    }
    // Shorter than any magic, or nothing.
    for bytes in [&b""[..], b"\x28", b"\x28\xb5\x2f", b"\x1f\x8b", b"\xfd7zXZ", b"BZh91"] {
        assert_eq!(judge_file("image.raw.zst", bytes).code, 20, "{bytes:x?}");
        assert_eq!(judge_pipe(bytes).code, 20, "{bytes:x?}");
    }
}

#[test]
fn an_image_whose_boot_code_looks_compressed_is_no_stream() {
    for magic in [
        &b"\x1f\x8b\x08\0"[..],
        b"\x28\xb5\x2f\xfd",
        b"\xfd7zXZ\0",
        b"BZh91AY&SY",
        b"\x04\x22\x4d\x18",
    ] {
        let mut image = ddi(SIG_FIRST).build();
        image.bytes[..magic.len()].copy_from_slice(magic);
        for judged in [judge_file("image.raw", &image.bytes), judge_pipe(&image.bytes)] {
            assert_eq!(judged.code, 0, "{judged:?}");
            assert!(judged.finding("source-feigned").is_some(), "{judged:?}");
            assert!(judged.finding("source-decode").is_none(), "{judged:?}");
        }
    }
}

#[test]
fn declared_memory_is_refused_unseen() {
    let mut xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x28\0\0\0".to_vec();
    xz.extend(b"\xe6\xa0\x11\xb3\0\0\0\0");
    for bomb in [xz, b"\x28\xb5\x2f\xfd\x00\xf8\0\0\0\0\0\0\0\0".to_vec()] {
        let judged = judge_file("image.raw", &bomb);
        assert_eq!((judged.code, judged.class().as_str()), (20, "limit"), "{judged:?}");
    }
    // The largest window that is taken fits the child.
    let image = ddi(SIG_FIRST).build();
    let packed = compressed("zstd --long=27 -1", &image.bytes);
    assert_eq!(packed[5] >> 3, 17, "a window of 128 MiB: {:x?}", &packed[..8]);
    assert_eq!(judge_file("image.raw", &packed).code, 0);
    let packed = compressed("xz --lzma2=preset=0,dict=128MiB", &image.bytes);
    assert_eq!(judge_file("image.raw", &packed).code, 0);
    let packed = compressed("xz --lzma2=preset=0,dict=192MiB", &image.bytes);
    let judged = judge_file("image.raw", &packed);
    assert_eq!((judged.code, judged.class().as_str()), (20, "limit"), "{judged:?}");
    let packed = compressed("zstd --ultra --long=28 -1", &image.bytes);
    let judged = judge_file("image.raw", &packed);
    assert_eq!((judged.code, judged.class().as_str()), (20, "limit"), "{judged:?}");
}

#[test]
fn endless_zeros_end_at_the_cap() {
    // A tool makes as much as is taken from it; only bzip2 makes nothing for a long time.
    for (tool, len) in [
        ("zstd -1", "64G"),
        ("xz -0", "64G"),
        ("gzip -1", "64G"),
        ("bzip2 -1", "64M"),
        ("lz4 -1", "64G"),
    ] {
        let mut zeros = tool_of_zeros(tool, len);
        let program = Program::new().policy("[transport]\nsize-max = \"32M\"\n");
        let judged = program.judge_stream(&mut zeros);
        assert_eq!((judged.code, judged.class().as_str()), (20, "limit"), "{tool}: {judged:?}");
        println!("zeros in {tool} refused after {} bytes of it", judged.taken);
    }
}

fn tool_of_zeros(filter: &str, len: &str) -> impl Read {
    tool(&format!("head -c {len} /dev/zero | {filter} -c"))
}
