// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the worst stream of each format that is accepted costs the decode child, and what the first
//! one that is not.
//!
//! ```text
//! make bench-decoders
//! ```
//!
//! Each stream is made here (by zstd, xz, gzip, bzip2 and lz4, or by hand where no tool writes such),
//! and decoded by a process of its own, whose one child is the decode child: what the kernel counted
//! of that is printed. The stream's end is reached, or the limit. Needs 1.5 GiB of memory.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a measurement that stops where something is missing"
)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use veriroot::source::{DECODE_SUBCOMMAND, Source, Terms, run_decode_child};

const MIB: u64 = 1 << 20;

/// Bytes of each stream when decoded, unless its row says otherwise.
const LEN: u64 = 160 * MIB;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [word] if word == DECODE_SUBCOMMAND => return run_decode_child(),
        [word, path, limit] if word == "decode" => decode(Path::new(path), limit.parse().unwrap()),
        // `cargo test --all-targets` starts benches too, without this word.
        words if words.iter().any(|it| it == "--bench") => measure(),
        _ => {}
    }
    ExitCode::SUCCESS
}

/// How one stream is made.
enum Made {
    /// By a tool, out of this.
    Tool(Content, &'static str),
    /// By hand.
    Hand(fn(&mut dyn Write) -> io::Result<()>),
}

#[derive(Clone, Copy)]
enum Content {
    Zeros,
    /// Bytes of 7 bits that mean nothing: literals as far as the eye can see.
    Literals,
    /// Short pieces of what came before, from all over the window.
    Matches,
}

struct Row {
    format: &'static str,
    what: &'static str,
    made: Made,
    len: u64,
    limit: u64,
}

fn rows() -> Vec<Row> {
    use Content::{Literals, Matches, Zeros};
    let row = |format, what, made| Row { format, what, made, len: LEN, limit: 64 << 30 };
    let tool = |content, command| Made::Tool(content, command);
    let bomb =
        |format, command| Row { len: 1 << 30, ..row(format, "zeros, 1 GiB", tool(Zeros, command)) };
    let over = |format, command| Row {
        len: 1 << 30,
        limit: 32 * MIB,
        ..row(format, "zeros, over a limit of 32 MiB", tool(Zeros, command))
    };
    vec![
        bomb("zstd", "zstd -19 --long=27"),
        row("zstd", "short matches, window of 128 MiB", tool(Matches, "zstd -9 --long=27")),
        row("zstd", "literals", tool(Literals, "zstd -9")),
        row("zstd", "blocks of one byte", Made::Hand(zstd_blocks)),
        over("zstd", "zstd -19 --long=27"),
        row("zstd", "window of 256 MiB", tool(Zeros, "zstd --ultra --long=28 -1")),
        bomb("xz", "xz --lzma2=preset=0,dict=128MiB"),
        row(
            "xz",
            "short matches, dictionary of 128 MiB",
            tool(Matches, "xz --lzma2=preset=3,dict=128MiB"),
        ),
        row("xz", "literals", tool(Literals, "xz -3")),
        row("xz", "blocks of 4 KiB", tool(Literals, "xz -0 --block-size=4096")),
        over("xz", "xz --lzma2=preset=0,dict=128MiB"),
        row("xz", "dictionary of 192 MiB", tool(Zeros, "xz --lzma2=preset=0,dict=192MiB")),
        bomb("gzip", "gzip -9"),
        row("gzip", "short matches", tool(Matches, "gzip -9")),
        row("gzip", "literals", tool(Literals, "gzip -9")),
        row("gzip", "blocks of one byte", Made::Hand(gzip_blocks)),
        over("gzip", "gzip -9"),
        bomb("bzip2", "bzip2 -9"),
        row("bzip2", "short matches", tool(Matches, "bzip2 -9")),
        row("bzip2", "literals", tool(Literals, "bzip2 -9")),
        over("bzip2", "bzip2 -9"),
        bomb("lz4", "lz4 -9 -B7"),
        row("lz4", "short matches", tool(Matches, "lz4 -9 -B7 -BD")),
        row("lz4", "blocks of one byte", Made::Hand(lz4_blocks)),
        over("lz4", "lz4 -9 -B7"),
    ]
}

fn measure() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a tmpfs");
    let path = directory.path().join("stream");
    println!("| format | stream | compressed to | child's memory | child's s/GiB | |");
    println!("| --- | --- | --- | --- | --- | --- |");
    // ROWS=xz for those of one format.
    let only = std::env::var("ROWS").unwrap_or_default();
    for row in rows().iter().filter(|it| it.format.contains(&only)) {
        make(row, &path);
        let packed = fs::metadata(&path).unwrap().len();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["decode", path.to_str().unwrap(), &row.limit.to_string()])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (figures, outcome) = text.split_once('\t').expect("figures");
        println!(
            "| {} | {} | {} | {figures} | {} |",
            row.format,
            row.what,
            size(packed),
            outcome.trim()
        );
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// Decodes one stream, and prints what its child took.
fn decode(path: &Path, limit: u64) {
    let terms = Terms { size_max: limit, reserve: 0, ..Terms::default() };
    let began = Instant::now();
    let decoded = Source::open_file(path).and_then(|it| it.decoded(&terms));
    let elapsed = began.elapsed();
    let (len, outcome) = match &decoded {
        Ok(source) => (source.len(), "accepted".to_owned()),
        Err(error) => (
            0,
            format!("refused after {elapsed:.2?}: {error}")
                .replace(&path.display().to_string(), ""),
        ),
    };
    // Reaps it.
    drop(decoded);
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = (used.user_time() + used.system_time()).num_milliseconds() as f64 / 1000.0;
    let memory = used.max_rss() / 1024;
    match len {
        0 => print!("{memory} MiB | \t{outcome}"),
        _ => {
            let per_gib = seconds * (1 << 30) as f64 / len as f64;
            print!("{memory} MiB | {per_gib:.1}\t{outcome}");
        }
    }
}

fn make(row: &Row, path: &Path) {
    let out = File::create(path).unwrap();
    match row.made {
        Made::Hand(by_hand) => {
            let mut out = BufWriter::new(out);
            by_hand(&mut out).and_then(|()| out.flush()).unwrap();
        }
        Made::Tool(content, command) => {
            let mut words = command.split(' ');
            let mut tool = Command::new(words.next().unwrap())
                .args(words)
                .arg("-c")
                .stdin(Stdio::piped())
                .stdout(out)
                .stderr(Stdio::null())
                .spawn()
                .expect("a tool of that name");
            let mut into = tool.stdin.take().unwrap();
            write(content, row.len, &mut into).unwrap();
            drop(into);
            assert!(tool.wait().unwrap().success(), "{command}");
        }
    }
}

fn write(content: Content, len: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random(1);
    let mut left = len;
    let mut chunk = vec![0; MIB as usize];
    // What pieces are taken from.
    let mut past: Vec<u8> = (0..16 << 20).map(|_| random.next() as u8).collect();
    while left > 0 {
        match content {
            Content::Zeros => {}
            Content::Literals => chunk.iter_mut().for_each(|it| *it = random.next() as u8 & 0x7f),
            Content::Matches => {
                for piece in chunk.chunks_mut(7) {
                    let at = random.next() as usize % (past.len() - 8);
                    piece.copy_from_slice(&past[at..at + piece.len()]);
                }
                let at = random.next() as usize % (past.len() - chunk.len());
                past[at..at + chunk.len()].copy_from_slice(&chunk);
            }
        }
        let now = left.min(MIB) as usize;
        out.write_all(&chunk[..now])?;
        left -= now as u64;
    }
    Ok(())
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }
}

/// Bytes of a stream that is made by hand.
const SMALL: u64 = 16 * MIB;

/// A frame with a window of 128 MiB, in blocks of one byte (RFC 8878, section 3.1.1).
fn zstd_blocks(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3])?;
    for number in 1..=SMALL {
        let last = u8::from(number == SMALL);
        // A run of one byte.
        out.write_all(&[last | 0b010 | 1 << 3, 0, 0, 7])?;
    }
    Ok(())
}

/// A member of stored blocks of one byte (RFC 1951, section 3.2.4).
fn gzip_blocks(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])?;
    let mut crc = !0_u32;
    for number in 1..=SMALL {
        out.write_all(&[u8::from(number == SMALL), 1, 0, 0xfe, 0xff, 7])?;
        crc ^= 7;
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    out.write_all(&(!crc).to_le_bytes())?;
    out.write_all(&(SMALL as u32).to_le_bytes())
}

/// A frame of independent stored blocks of one byte, none of them with a checksum.
fn lz4_blocks(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])?;
    for _ in 0..SMALL {
        out.write_all(&[1, 0, 0, 0x80, 7])?;
    }
    out.write_all(&[0; 4])
}
