// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checking 1 GiB of data blocks against a hash tree, side by side with the peers.
//!
//! ```text
//! cargo bench --bench merkle
//! ```
//!
//! Needs `veritysetup`, `openssl` and 2.2 GiB of memory, half of it in `/dev/shm`. The tree is the
//! one `veritysetup format` makes. Every way of hashing the same data gets its turn in each round,
//! and the best of all rounds counts, so that a busy machine harms none of them more. Speeds are
//! GB/s of data (1 GB = 1e9 bytes). `openssl speed` hashes messages as long as salt and block.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::as_conversions,
    reason = "a measurement that stops where something is missing"
)]

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use openssl::sha::Sha256;
use veriroot::digest::{HashAlgorithm, RootHashClaim};
use veriroot::merkle::{TreeShape, VerifiedTree};

const LEN: usize = 1 << 30;
const ROUNDS: usize = 5;
const SALT: [u8; 32] = [0x5a; 32];

fn main() {
    // `cargo test --all-targets` starts benches too, without this word.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let (data_path, tree_path) = (dir.path().join("data"), dir.path().join("tree"));
    let data = noise();
    fs::write(&data_path, &data).unwrap();
    let root = format(&data_path, &tree_path);
    let shape = TreeShape::new(HashAlgorithm::Sha256, 4096, 4096, LEN as u64 / 4096, &SALT);
    let tree = fs::read(&tree_path).unwrap().split_off(4096);
    let root_bytes = RootHashClaim::from_hex(&root).unwrap();
    let mut tree = VerifiedTree::check(shape.unwrap(), tree, root_bytes.as_bytes()).unwrap();

    let names = [
        "veriroot, 1 thread",
        "veriroot, 2 threads",
        "veriroot, 1 thread, read from the file",
        "veriroot, 2 threads, read from the file",
        "openssl crate, 1 thread, no comparison",
        "openssl speed, 1 process",
        "veritysetup verify",
    ];
    let mut best = [0.0_f64; 7];
    for _ in 0..ROUNDS {
        let mut turn = Vec::new();
        for threads in [1, 2] {
            tree = tree.with_threads(NonZeroUsize::new(threads).unwrap());
            turn.push(speed(|| tree.check_blocks(0, &data).unwrap()));
        }
        for threads in [1, 2] {
            tree = tree.with_threads(NonZeroUsize::new(threads).unwrap());
            turn.push(speed(|| check_file(&tree, &data_path)));
        }
        turn.push(speed(|| hash_with_crate(&data)));
        turn.push(openssl_speed());
        turn.push(speed(|| verify(&data_path, &tree_path, &root)));
        for (best, now) in best.iter_mut().zip(turn) {
            *best = best.max(now);
        }
    }
    println!("{}, best of {ROUNDS}", processor());
    println!("{:>6} {:>12} {:>14}", "GB/s", "x openssl", "x veritysetup");
    for (name, speed) in names.iter().zip(best) {
        println!("{speed:6.2} {:12.2} {:14.2}  {name}", speed / best[5], speed / best[6]);
    }
}

fn speed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    LEN as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn check_file(tree: &VerifiedTree, path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 8 << 20];
    for first in (0..LEN as u64).step_by(buffer.len()) {
        file.read_exact(&mut buffer).unwrap();
        tree.check_blocks(first / 4096, &buffer).unwrap();
    }
}

fn hash_with_crate(data: &[u8]) {
    for block in data.chunks(4096) {
        let mut state = Sha256::new();
        state.update(&SALT);
        state.update(block);
        std::hint::black_box(state.finish());
    }
}

/// Speed over the data alone, of messages of salt and block.
fn openssl_speed() -> f64 {
    let arguments = ["speed", "-mr", "-seconds", "1", "-bytes", "4128", "-evp", "sha256"];
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|it| it.starts_with("+F:")).unwrap();
    let bytes: f64 = line.rsplit(':').next().unwrap().parse().unwrap();
    bytes / 1e9 * 4096.0 / 4128.0
}

fn format(data: &Path, tree: &Path) -> String {
    let salt = format!("--salt={}", "5a".repeat(SALT.len()));
    let output =
        Command::new("veritysetup").arg("format").arg(salt).args([data, tree]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|it| it.starts_with("Root hash:")).unwrap();
    line.split_whitespace().next_back().unwrap().to_owned()
}

fn verify(data: &Path, tree: &Path, root: &str) {
    let mut command = Command::new("veritysetup");
    command.arg("verify").args([data, tree]).arg(root).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// Data that no file system or compressor could shorten.
fn noise() -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut data = vec![0; LEN];
    for word in data.as_chunks_mut::<8>().0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state.to_le_bytes();
    }
    data
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = text.lines().find_map(|it| it.strip_prefix("model name")).unwrap_or_default();
    model.trim_start_matches([' ', '\t', ':']).to_owned()
}
