// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Small streams of the formats' own tools, and everything that can be wrong with them.

use super::*;
use crate::limits;

/// 40 bytes that repeat and 24 that do not, or none.
fn plain() -> Vec<u8> {
    let mut bytes = b"veriroot".repeat(5);
    bytes.extend((0_u8..24).map(|it| it.wrapping_mul(73)));
    bytes
}

/// One stream of each kind that the tools write, made once by `tests/fixtures/streams/streams.sh`.
const STREAMS: [(&str, &[u8]); 12] = [
    ("bzip2", include_bytes!("../../../tests/fixtures/streams/plain.bz2")),
    ("gzip", include_bytes!("../../../tests/fixtures/streams/plain.gz")),
    ("gzip -n", include_bytes!("../../../tests/fixtures/streams/noname.gz")),
    ("lz4", include_bytes!("../../../tests/fixtures/streams/plain.lz4")),
    ("lz4 -BX --content-size", include_bytes!("../../../tests/fixtures/streams/checked.lz4")),
    ("xz", include_bytes!("../../../tests/fixtures/streams/plain.xz")),
    ("xz --check=crc32", include_bytes!("../../../tests/fixtures/streams/crc32.xz")),
    ("xz --check=sha256", include_bytes!("../../../tests/fixtures/streams/sha256.xz")),
    ("xz --check=none", include_bytes!("../../../tests/fixtures/streams/none.xz")),
    ("xz --block-size=16 -T2", include_bytes!("../../../tests/fixtures/streams/blocks.xz")),
    ("zstd", include_bytes!("../../../tests/fixtures/streams/plain.zst")),
    ("zstd --no-check from a pipe", include_bytes!("../../../tests/fixtures/streams/piped.zst")),
];

fn decoded(stream: &[u8]) -> Result<Vec<u8>, Error> {
    within(stream, 1 << 20)
}

fn within(stream: &[u8], size_max: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let format = Format::detect(stream).ok_or(Error::Unsupported("no magic"))?;
    let len = decode(format, stream, size_max, &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    assert_eq!(len, bytes.len() as u64);
    Ok(bytes)
}

#[test]
fn takes_what_the_tools_write() {
    for (name, stream) in STREAMS {
        assert_eq!(decoded(stream).unwrap(), plain(), "{name}");
        assert!(within(stream, 64).is_ok(), "{name}");
        assert!(matches!(within(stream, 63), Err(Error::Limit(_))), "{name}");
    }
}

#[test]
fn refuses_every_truncation() {
    for (name, stream) in STREAMS {
        for cut in Format::MAGIC..stream.len() {
            let found = decoded(&stream[..cut]);
            assert!(matches!(found, Err(Error::Truncated)), "{name} at {cut}: {found:?}");
        }
    }
}

#[test]
fn refuses_whatever_follows_the_end() {
    let noise: Vec<u8> =
        (0..4096_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, stream) in STREAMS {
        let skippable = [&b"\x50\x2a\x4d\x18\x04\0\0\0"[..], b"skip"].concat();
        for tail in [&b"\0"[..], &[0; 4], &[0; 512], b"\x7fELF", &noise, &skippable, stream] {
            let found = decoded(&[stream, tail].concat());
            assert!(matches!(found, Err(Error::Trailing)), "{name} + {tail:x?}: {found:?}");
        }
        for (other, second) in STREAMS {
            let found = decoded(&[stream, second].concat());
            assert!(matches!(found, Err(Error::Trailing)), "{name} + {other}: {found:?}");
        }
    }
}

/// Bits that no reader of the format looks at, as (first bit, last bit) of the file; everything else
/// has to be refused, or the bytes have to be the same.
fn ignored(name: &str) -> std::ops::RangeInclusive<usize> {
    match name {
        // MTIME, XFL, OS and the name: nothing checks them.
        "gzip" => 4 * 8..=15 * 8 - 1,
        "gzip -n" => 4 * 8..=10 * 8 - 1,
        _ => 0..=0,
    }
}

#[test]
fn refuses_every_flipped_bit_or_decodes_the_same() {
    let plain = plain();
    for (name, stream) in STREAMS {
        let mut same = Vec::new();
        for bit in 0..stream.len() * 8 {
            let mut changed = stream.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(bytes) = decoded(&changed) else { continue };
            // Without a check nothing tells; verity will.
            let unchecked = matches!(name, "xz --check=none" | "zstd --no-check from a pipe");
            assert!(bytes == plain || unchecked, "{name}, bit {bit}: other bytes");
            if bytes == plain && !ignored(name).contains(&bit) {
                same.push(bit);
            }
        }
        // What is left over: unused bits of entropy coding, window sizes.
        assert!(same.len() <= 24, "{name}: {same:?}");
    }
}

#[test]
fn refuses_declared_memory_before_it_is_taken() {
    // 28 bytes: a dictionary of 4 GiB - 1. 14 bytes: a window of 2 TiB, and one of 512 MiB.
    let mut xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x28\0\0\0".to_vec();
    let crc = crc32fast::hash(&xz[12..]);
    xz.extend(crc.to_le_bytes());
    xz.extend([0; 4]);
    let zstd = |window: u8| [b"\x28\xb5\x2f\xfd\x00", &[window][..], &[0; 8]].concat();
    for bomb in [xz.clone(), zstd(0xf8), zstd(19 << 3), zstd((17 << 3) + 1)] {
        let found = decoded(&bomb);
        assert!(matches!(found, Err(Error::Limit(_))), "{bomb:x?}: {found:?}");
    }
    // What fits is not refused for that.
    assert!(matches!(
        decoded(&zstd(17 << 3)),
        Err(Error::Damaged(_) | Error::Truncated | Error::Trailing)
    ));
}

#[test]
fn refuses_what_is_not_supported() {
    let rewritten = |stream: &[u8], at: usize, byte: u8| {
        let mut changed = stream.to_vec();
        changed[at] = byte;
        changed
    };
    let gzip = include_bytes!("../../../tests/fixtures/streams/noname.gz");
    let unsupported = |stream: &[u8]| matches!(decoded(stream), Err(Error::Unsupported(_)));
    // Another method, reserved flags.
    assert!(unsupported(&rewritten(gzip, 2, 7)));
    for flag in [0x20, 0x40, 0x80] {
        assert!(unsupported(&rewritten(gzip, 3, flag)));
    }
    // An unknown check, with a right CRC.
    let xz = include_bytes!("../../../tests/fixtures/streams/plain.xz");
    let mut unknown = rewritten(xz, 7, 2);
    unknown.splice(8..12, crc32fast::hash(&unknown[6..8]).to_le_bytes());
    assert!(unsupported(&unknown));
    assert!(unsupported(include_bytes!("../../../tests/fixtures/streams/x86.xz")));
    // A dictionary that nobody has.
    let found = decoded(include_bytes!("../../../tests/fixtures/streams/dictionary.zst"));
    assert!(matches!(found, Err(Error::Damaged(_))), "{found:?}");
}

#[test]
fn a_gzip_header_may_have_a_crc_which_is_checked_then() {
    let gzip = include_bytes!("../../../tests/fixtures/streams/noname.gz");
    let mut header = gzip[..10].to_vec();
    header[3] = 2;
    let crc = crc32fast::hash(&header).to_le_bytes();
    let with = |low: u8| [&header, &[low, crc[1]][..], &gzip[10..]].concat();
    assert_eq!(decoded(&with(crc[0])).unwrap(), plain());
    assert!(matches!(decoded(&with(!crc[0])), Err(Error::Damaged(_))));
    // An endless name.
    header[3] = 8;
    let endless = [&header, &vec![b'a'; limits::DECODE_NAME][..]].concat();
    assert!(matches!(decoded(&endless), Err(Error::Limit(_))));
}

#[test]
fn failures_of_either_side_are_told_apart() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    for (name, stream) in STREAMS {
        let format = Format::detect(stream).unwrap();
        let half = (&stream[..stream.len() / 2]).chain(Broken);
        let found = decode(format, half, 1 << 20, &mut |_| Ok(()));
        assert!(matches!(found, Err(Error::Input(_))), "{name}: {found:?}");
        let found = decode(format, stream, 1 << 20, &mut |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(matches!(found, Err(Error::Output(_))), "{name}: {found:?}");
    }
}
