// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A fault at every system call of a verdict.
//!
//! **In:** one image that is accepted and five that are refused, as files, and one of each served over
//! loopback. **Out:** how many calls were made to fail, and in how many ways. **Refuses:** (panics) an
//! acceptance of what is refused without faults, one that says something else than without, a hang, a
//! crash, and anything left behind.
//!
//! `make faults`: strace fails each call in turn, with each error. `VERIROOT_FAULTS=N` takes every
//! N-th only. Memory, descriptors, /proc and /sys are taken away from the whole program.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that panics has failed; it runs the program, and says what it did"
)]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::http::Server;
use veriroot_test_support::keys;

/// What a call fails with.
const ERRORS: [&str; 6] = ["EIO", "ENOMEM", "EINTR", "EBUSY", "ENOSPC", "EACCES"];

/// Calls that transfer bytes: they may also do less than was asked, or nothing.
const TRANSFERS: [&str; 8] =
    ["read", "pread64", "readv", "write", "pwrite64", "writev", "recvfrom", "sendto"];

/// Calls that can't fail, or whose failure is the end of the program before it began.
const LEFT_OUT: [&str; 5] = ["execve", "exit", "exit_group", "arch_prctl", "rt_sigreturn"];

/// Where the kernel gives no randomness the standard library ends the program, before it read a byte
/// of the image; a boot is refused by the process that waits for it then.
const ENDS: &str = "inject=getrandom:";

/// A byte that is said to be written and is not.
const LIES: &str = "inject=write:retval=1:";

/// What the C library and the standard library need before they hand over to the program, or can't
/// do without: they end it by a signal. Some of these never fail so on a real kernel (futex, brk).
const VITAL: [&str; 6] = ["brk", "futex", "mmap", "mprotect", "poll", "rt_sigaction"];

/// Longest run; an honest one takes a fraction of a second, strace and a busy machine included.
const PATIENCE: Duration = Duration::from_secs(60);

struct Scenario {
    name: &'static str,
    image: Image,
    accepted: bool,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A file, audited.
    File,
    /// Over HTTP, by the child in its cage, and kept where it is accepted.
    Http,
}

fn scenarios() -> Vec<Scenario> {
    let builder =
        || Ddi::empty().total(0).volume("root", Volume::new(Erofs::root_tree(40_000).build()));
    let good = builder().build();
    let strange = builder().change("root", |it| it.signed_by(&keys::stranger())).build();
    let accepted = |name, image, way| Scenario { name, image, accepted: true, way };
    let refused = |name, image| Scenario { name, image, accepted: false, way: Way::File };
    vec![
        accepted("accepted", good.clone(), Way::File),
        accepted("accepted, by HTTP", good.clone(), Way::Http),
        Scenario { way: Way::Http, ..refused("a stranger's, by HTTP", strange.clone()) },
        refused("signed by a stranger", strange),
        refused("flipped bit in the data", good.clone().flip_bit("root", 30_000, 1)),
        refused("flipped bit in the tree", good.clone().flip_bit("root-verity", 4100, 1)),
        refused("no signature", good.clone().remove("root-verity-sig")),
        refused("broken table", good.broken_gpt(|gpt| gpt.primary.crc ^= 1)),
    ]
}

/// Where a fault has the program wait for an answer that never comes: less than [`PATIENCE`].
const POLICY: &str = "[transport]\nbudget = \"20s\"\n";

/// A place with an image and the anchors, and what else lies there.
struct Bench {
    place: tempfile::TempDir,
    anchors: tempfile::TempDir,
    policy: tempfile::NamedTempFile,
    served: Option<Served>,
}

struct Served {
    server: Server,
    /// What is fetched where nothing fails.
    kept: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Exit(i32),
    Signal(String),
    Hang,
}

struct Outcome {
    end: End,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new(scenario: &Scenario) -> Self {
        let served = || Served { server: Server::start(), kept: Vec::new() };
        let mut bench = Self {
            place: tempfile::tempdir().unwrap(),
            anchors: keys::anchors(&[&keys::trusted()]),
            policy: tempfile::NamedTempFile::new().unwrap(),
            served: (scenario.way == Way::Http).then(served),
        };
        std::fs::write(bench.policy.path(), POLICY).unwrap();
        match &bench.served {
            Some(it) => it.server.serve("/image.raw", scenario.image.bytes.clone()),
            None => scenario.image.write_to(&bench.image()),
        }
        if bench.served.is_some() && scenario.accepted {
            bench.run(&[]);
            let kept = std::fs::read(bench.image()).unwrap();
            bench.served = bench.served.map(|it| Served { kept, ..it });
        }
        bench
    }

    fn image(&self) -> PathBuf {
        self.place.path().join("image.raw")
    }

    /// The program's own words.
    fn program(&self) -> Vec<String> {
        let path = self.image().display().to_string();
        let what = match &self.served {
            Some(Served { server, .. }) => {
                let url = format!("http://127.0.0.1:{}/image.raw", server.address().port());
                vec!["fetch".to_owned(), url, path]
            }
            None => vec!["audit".to_owned(), path],
        };
        let how = [
            "--json=short".to_owned(),
            format!("--certificate={}", self.anchors.path().display()),
            format!("--policy-file={}", self.policy.path().display()),
            "--image-policy=root=signed:=ignore".to_owned(),
        ];
        [vec![env!("CARGO_BIN_EXE_veriroot").to_owned()], what, how.to_vec()].concat()
    }

    fn run(&self, before: &[&str]) -> Outcome {
        let words: Vec<String> =
            before.iter().map(|it| (*it).to_owned()).chain(self.program()).collect();
        run(&words, self.place.path())
    }

    /// What is there and should not be; fetched files are taken away. What a later fetch goes on with
    /// stays by intent. What was accepted has its name before anybody is told, so the name may be
    /// there after a failure: but under it, nothing else.
    fn left_behind(&self, end: &End) -> Vec<String> {
        let names = std::fs::read_dir(self.place.path()).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<_> = names.map(|it| it.into_string().unwrap()).collect();
        let Some(Served { kept, .. }) = &self.served else {
            names.retain(|it| it != "image.raw");
            return names;
        };
        let found = std::fs::read(self.image()).ok();
        assert!(found.is_some() || *end != End::Exit(0), "accepted, and no file");
        names.retain(|it| {
            it != "image.raw.part" && (it != "image.raw" || found.as_ref() != Some(kept))
        });
        std::fs::remove_file(self.image()).ok();
        std::fs::remove_file(self.place.path().join("image.raw.part")).ok();
        names
    }
}

fn run(words: &[String], place: &Path) -> Outcome {
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .current_dir(place)
        .env("TMPDIR", place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own children end with it, or they would hold the pipes.
        .process_group(0)
        .spawn()
        .unwrap();
    let start = Instant::now();
    let mut hung = false;
    // What is said fits a pipe's buffer: nobody has to read while the program runs.
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            hung = true;
            let group = Pid::from_raw(child.id().try_into().unwrap());
            killpg(group, Signal::SIGKILL).unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let end = match output.status.code() {
        _ if hung => End::Hang,
        Some(code) => End::Exit(code),
        None => End::Signal(output.status.to_string()),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome { end, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// How often each call is made, by name: `strace` of a run without faults.
fn calls(bench: &Bench) -> BTreeMap<String, u32> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().display().to_string();
    let outcome = bench.run(&["strace", "-f", "-qq", "-o", &path]);
    assert!(matches!(outcome.end, End::Exit(_)), "{}", outcome.stderr);
    let mut calls = BTreeMap::new();
    let mut threads = BTreeMap::<(String, String), u32>::new();
    for line in std::fs::read_to_string(log.path()).unwrap().lines() {
        // "1234  openat(AT_FDCWD, ..."; what resumes was counted when it began.
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, _)) = call.trim_start().split_once('(') else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.chars().all(plain) && !LEFT_OUT.contains(&name) {
            *threads.entry((thread.to_owned(), name.to_owned())).or_default() += 1;
        }
    }
    // strace counts for each thread by itself.
    for ((_, name), count) in threads {
        let most = calls.entry(name).or_default();
        *most = count.max(*most);
    }
    calls
}

#[test]
fn no_fault_makes_a_verdict_better_or_leaves_anything() {
    let step = std::env::var("VERIROOT_FAULTS").map_or(1, |it| it.parse::<usize>().unwrap());
    let scenarios = scenarios();
    let bad: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = scenarios.iter().map(|it| scope.spawn(|| fail(it, step))).collect();
        running.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Every `step`-th fault at every call: what came of it that should not have.
fn fail(scenario: &Scenario, step: usize) -> Vec<String> {
    let (bench, name) = (Bench::new(scenario), scenario.name);
    let without = bench.run(&[]);
    assert_eq!(without.end == End::Exit(0), scenario.accepted, "{}", without.stderr);
    let calls = calls(&bench);
    let sites: u32 = calls.values().sum();
    let (mut bad, mut tried, mut ends) = (Vec::new(), 0, BTreeMap::<String, u32>::new());
    for fault in faults(&calls).iter().step_by(step) {
        let outcome = bench.run(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault]);
        let call = fault.split(['=', ':']).nth(1).unwrap_or_default();
        let judged = match &outcome.end {
            End::Exit(101) if fault.starts_with(ENDS) => Ok(()),
            End::Signal(_) if !VITAL.contains(&call) => Err("crashed"),
            // The kernel never took that byte: what is printed lacks it.
            End::Exit(0) if fault.starts_with(LIES) && scenario.accepted => Ok(()),
            End::Exit(_) | End::Signal(_) | End::Hang => judge(scenario, &without, &outcome),
        };
        let left = bench.left_behind(&outcome.end);
        let judged = if left.is_empty() { judged } else { Err("left something behind") };
        if let Err(why) = judged {
            let Outcome { end, stdout, stderr } = &outcome;
            bad.push(format!("{name}: {fault}: {why}: {end:?}\n{stdout}{stderr}"));
        }
        tried += 1;
        *ends.entry(format!("{:?}", outcome.end)).or_default() += 1;
    }
    println!("{name:<26} {sites:>5} sites {tried:>6} faults {ends:?}");
    bad
}

/// Each call in turn, with each error, and with less than was asked.
fn faults(calls: &BTreeMap<String, u32>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, count) in calls {
        for number in 1..=*count {
            let each = ERRORS.iter().map(|error| format!("error={error}"));
            let less = TRANSFERS.contains(&name.as_str()).then_some(["retval=0", "retval=1"]);
            let less = less.into_iter().flatten().map(str::to_owned);
            faults.extend(each.chain(less).map(|how| format!("inject={name}:{how}:when={number}")));
        }
    }
    faults
}

fn judge(scenario: &Scenario, without: &Outcome, outcome: &Outcome) -> Result<(), &'static str> {
    match &outcome.end {
        End::Exit(0) if !scenario.accepted => Err("accepted what is refused without the fault"),
        End::Exit(0) if outcome.stdout != without.stdout => {
            Err("accepted, but said something else")
        }
        End::Exit(0) => Ok(()),
        End::Exit(101) => Err("panicked"),
        End::Exit(_) if outcome.stdout.is_empty() && outcome.stderr.is_empty() => {
            Err("said nothing")
        }
        End::Exit(_) => Ok(()),
        // Out of memory, also for a thread's stack or the loader: an abort exposes nothing.
        End::Signal(_) => Ok(()),
        End::Hang => Err("hung"),
    }
}

#[test]
fn little_memory_ends_in_a_verdict_or_in_nothing() {
    for scenario in scenarios() {
        let bench = Bench::new(&scenario);
        let without = bench.run(&[]);
        let (mut line, mut verdicts) = (String::new(), 0);
        for mib in [4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 256, 512, 1024] {
            let limit = format!("--as={}", mib << 20);
            let outcome = bench.run(&["prlimit", &limit]);
            judge(&scenario, &without, &outcome).unwrap_or_else(|why| {
                panic!("{} in {mib} MiB: {why}\n{}", scenario.name, outcome.stderr)
            });
            let same = outcome.end == without.end;
            verdicts += usize::from(same);
            if same && verdicts == 1 {
                line = format!("{mib} MiB");
            }
            assert!(bench.left_behind(&outcome.end).is_empty(), "{} in {mib} MiB", scenario.name);
        }
        println!("{:<26} its verdict from {line} of address space on", scenario.name);
        assert!(verdicts > 0, "{}: no verdict even in 1 GiB", scenario.name);
    }
}

#[test]
fn few_descriptors_end_in_a_verdict_or_a_clear_error() {
    for scenario in scenarios() {
        let bench = Bench::new(&scenario);
        let without = bench.run(&[]);
        let mut enough = None;
        for files in 3..=64 {
            let outcome = bench.run(&["prlimit", &format!("--nofile={files}")]);
            judge(&scenario, &without, &outcome).unwrap_or_else(|why| {
                panic!("{} with {files}: {why}\n{}", scenario.name, outcome.stderr)
            });
            if outcome.end == without.end && enough.is_none() {
                enough = Some(files);
            }
        }
        println!("{:<26} its verdict with {enough:?} descriptors", scenario.name);
        assert!(enough.is_some(), "{}: 64 descriptors are not enough", scenario.name);
    }
}

/// Where mounts can be hidden: as root.
#[test]
fn without_proc_and_sys_the_verdict_is_the_same_or_none() {
    for hidden in ["/proc", "/sys", "/dev/shm"] {
        for scenario in scenarios() {
            let bench = Bench::new(&scenario);
            let without = bench.run(&[]);
            let hide = format!("mount -t tmpfs none {hidden} && exec \"$@\"");
            let outcome = bench.run(&["unshare", "--mount", "sh", "-c", &hide, "sh"]);
            judge(&scenario, &without, &outcome).unwrap_or_else(|why| {
                panic!("{} without {hidden}: {why}\n{}", scenario.name, outcome.stderr)
            });
            println!("{:<26} without {hidden}: {:?}", scenario.name, outcome.end);
        }
    }
}
