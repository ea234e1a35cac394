// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Compressed streams.
//!
//! **In:** bytes that a mirror may have written. **Out:** a verdict. **Refuses:** (panics) a stream
//! that is taken whole and is not, more bytes than are allowed, and bytes that depend on how the
//! network cut them.

use std::io::Read;
use std::path::Path;

use veriroot::source::decode::{Format, decode};

use crate::{Target, Verdict};

/// All formats, by their first bytes.
pub(super) const DECODE: Target = Target {
    name: "decode",
    invariant: "an accepted stream is whole: without its last byte, or with one more, it is refused; \
                its output is within the bound, the same however the input is cut, and for zstd that \
                of the reference decoder",
    check,
    seeds: || {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/streams");
        let mut paths: Vec<_> =
            std::fs::read_dir(fixtures).unwrap().map(|it| it.unwrap().path()).collect();
        paths.sort();
        let read = |path: &std::path::PathBuf| std::fs::read(path).unwrap();
        let mut seeds: Vec<Vec<u8>> = paths.iter().map(read).filter(|it| it.len() < 8192).collect();
        seeds.push(zstd::encode_all(&veriroot_test_support::noise(3, 3000)[..], 3).unwrap());
        seeds
    },
    words: &["\u{1f}", "BZh9", "7zXZ", "YZ", "\0\0\0\0"],
    smoke: 1500,
};

/// Largest output: a bomb has to stop here.
const MOST: u64 = 256 * 1024;

/// Gives one byte at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = into.len().min(1);
        self.0.read(&mut into[..len])
    }
}

fn decoded(format: Format, input: impl Read) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    let result = decode(format, input, MOST, &mut |bytes| {
        output.extend_from_slice(bytes);
        Ok(())
    });
    assert!(output.len() as u64 <= MOST, "more than is allowed");
    let len = result.ok()?;
    assert_eq!(len, output.len() as u64);
    Some(output)
}

fn check(input: &[u8]) -> Verdict {
    let Some(format) = Format::detect(&input[..input.len().min(Format::MAGIC)]) else {
        return Verdict::Refused;
    };
    let Some(output) = decoded(format, input) else { return Verdict::Refused };
    assert_eq!(decoded(format, Drip(input)).as_ref(), Some(&output), "{format}: cut otherwise");
    let shorter = &input[..input.len() - 1];
    assert_eq!(decoded(format, shorter), None, "{format}: without its last byte");
    for more in [0, 1, input[0]] {
        let longer = [input, &[more]].concat();
        assert_eq!(decoded(format, &longer[..]), None, "{format}: with a byte more");
    }
    if format == Format::Zstd {
        let theirs = zstd::decode_all(input).unwrap_or_else(|e| panic!("zstd refuses it: {e}"));
        assert_eq!(theirs, output);
    }
    Verdict::Accepted
}
