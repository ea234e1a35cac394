// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The decoders against the formats' own tools: what is taken here has to be taken there, and be the
//! same bytes. Changed streams, a few thousand by default; `VERIROOT_MUTANTS=N` for N of each format.

use std::path::Path;
use std::process::{Command, Stdio};

use veriroot::source::decode::{Format, decode};

use crate::program::compressed;

/// xorshift64*: the same streams in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

fn ours(format: Format, stream: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let taken = decode(format, stream, 1 << 20, &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    });
    taken.ok().map(|_| bytes)
}

fn theirs(tool: &str, stream: &Path) -> Option<Vec<u8>> {
    let file = std::fs::File::open(stream).unwrap();
    let output = Command::new(tool).arg("-dc").stdin(file).stderr(Stdio::null()).output().unwrap();
    output.status.success().then_some(output.stdout)
}

/// Text that compresses, and noise that does not.
fn plain(random: &mut Random) -> Vec<u8> {
    let words = 40 + random.below(400);
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..words {
        if random.below(4) == 0 {
            bytes.extend((0..random.below(30)).map(|_| random.below(256) as u8));
        } else {
            let word = random.below(50);
            bytes.extend(format!("word {word} ").bytes());
        }
    }
    bytes
}

fn change(stream: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(stream.len());
        match random.below(8) {
            0..3 => stream[at] ^= 1 << random.below(8),
            3 => stream[at] = random.below(256) as u8,
            4 => stream[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random.below(6)],
            5 => drop(stream.remove(at)),
            6 => stream.insert(at, random.below(256) as u8),
            _ => {
                let len = random.below(16).min(stream.len() - at);
                let from = random.below(stream.len() - len + 1);
                stream.copy_within(from..from + len, at);
            }
        }
    }
}

/// CRCs are no secret: an .xz header that is changed gets the right one.
fn repair(format: Format, stream: &mut [u8], random: &mut Random) {
    if format != Format::Xz || stream.len() < 32 || random.below(2) == 0 {
        return;
    }
    let crc = |stream: &mut [u8], from: usize, to: usize| {
        let crc = crc32(&stream[from..to]);
        stream[to..to + 4].copy_from_slice(&crc.to_le_bytes());
    };
    crc(stream, 6, 8);
    let header = (usize::from(stream[12]) + 1) * 4;
    if header >= 8 && 12 + header <= stream.len() {
        crc(stream, 12, 12 + header - 4);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn nothing_is_taken_that_the_tool_refuses() {
    let count: usize = std::env::var("VERIROOT_MUTANTS").map_or(1500, |it| it.parse().unwrap());
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("stream");
    for (tool, options) in [
        ("zstd", ["-1", "-19", "--no-check", "--long"]),
        ("xz", ["-0", "--check=sha256", "--block-size=256", "--check=none"]),
        ("gzip", ["-1", "-9", "-n", "-6"]),
        ("bzip2", ["-1", "-9", "-5", "-2"]),
        ("lz4", ["-1", "-9", "-BX", "--content-size"]),
    ] {
        let mut random = Random(0x5eed);
        let (mut taken, mut tried, mut base) = (0, 0, Vec::new());
        for turn in 0..count {
            if turn % 500 == 0 {
                let option = options[turn / 500 % options.len()];
                base = compressed(&format!("{tool} {option}"), &plain(&mut random));
            }
            let mut stream = base.clone();
            change(&mut stream, &mut random);
            let Some(format) = Format::detect(&stream) else { continue };
            repair(format, &mut stream, &mut random);
            tried += 1;
            let Some(bytes) = ours(format, &stream) else { continue };
            if stream == base {
                continue;
            }
            taken += 1;
            std::fs::write(&file, &stream).unwrap();
            let theirs = theirs(tool, &file);
            assert!(theirs.is_some_and(|it| it == bytes), "{tool}, turn {turn}: {stream:02x?}");
        }
        println!("{tool}: {tried} changed streams, {taken} taken, as {tool} takes them");
        assert!(tried > count / 2);
    }
}
