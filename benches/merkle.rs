// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Checking 1 GiB of data blocks against a hash tree, side by side with the peers.
//!
//! ```text
//! cargo bench --bench merkle
//! ```
//!
//! Needs `veritysetup`, `openssl` and 2.2 GiB of memory, half of it in `/dev/shm`. The tree is the
//! one `veritysetup format` makes. Every way of hashing the same data gets its turn in each round,
//! and the best of all rounds counts. Speeds are GB of data (1 GB = 1e9 bytes) a second of the clock,
//! which only an idle machine shows fairly, and a second of processor time, over all threads.
//! `openssl speed` hashes messages as long as salt and block, and knows processor time alone.
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
    let mut best = [Speed::default(); 7];
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
            best.clock = best.clock.max(now.clock);
            best.processor = best.processor.max(now.processor);
        }
    }
    println!("{}, best of {ROUNDS}; GB/s, x openssl, x veritysetup", processor());
    println!("{:^22} {:^22}", "clock", "processor time");
    let [.., openssl, veritysetup] = best;
    for (name, it) in names.iter().zip(best) {
        let ratios = [
            [it.clock, it.clock / openssl.clock, it.clock / veritysetup.clock],
            [it.processor, it.processor / openssl.processor, it.processor / veritysetup.processor],
        ];
        for [speed, to_openssl, to_veritysetup] in ratios {
            print!("{speed:6.2} {to_openssl:7.2} {to_veritysetup:7.2} ");
        }
        println!(" {name}");
    }
}

/// GB a second.
#[derive(Clone, Copy, Default)]
struct Speed {
    clock: f64,
    processor: f64,
}

fn speed(work: impl FnOnce()) -> Speed {
    let (start, used) = (Instant::now(), processor_time());
    work();
    let (clock, used) = (start.elapsed().as_secs_f64(), processor_time() - used);
    Speed { clock: LEN as f64 / clock / 1e9, processor: LEN as f64 / used / 1e9 }
}

/// Seconds of all threads and of children that ended (proc_pid_stat(5), fields 14 to 17).
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(4).map(|it| it.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

fn check_file(tree: &VerifiedTree, path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 2 << 20];
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
fn openssl_speed() -> Speed {
    let arguments = ["speed", "-mr", "-seconds", "1", "-bytes", "4128", "-evp", "sha256"];
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|it| it.starts_with("+F:")).unwrap();
    let bytes: f64 = line.rsplit(':').next().unwrap().parse().unwrap();
    let speed = bytes / 1e9 * 4096.0 / 4128.0;
    Speed { clock: speed, processor: speed }
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
