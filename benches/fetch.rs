// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A 300 MiB signed image from nginx on loopback into memory, side by side with the peers.
//!
//! ```text
//! make bench-fetch            # PEER=DIR: a directory made by tests/peer/chroot.sh
//! ```
//!
//! Ours goes into a sealed memfd with every block verified; `curl` writes the same file into the
//! same tmpfs; `systemd-pull --verify=no` does too and verifies nothing. Each has its turn in every
//! round, process start included, and the median over the rounds counts. Then two figures of ours
//! alone: peak memory beyond the image, over all processes together, and what the server sent before
//! an image that a stranger signed was refused. Needs 1.5 GiB of memory.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a measurement that stops where something is missing"
)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use veriroot::authenticate::anchors::TrustAnchors;
use veriroot::authenticate::{Trust, authenticate};
use veriroot::designator::{Architecture, PartitionDesignator};
use veriroot::dissect::{Scope, dissect};
use veriroot::fetch::{Progress, Sealing, fetch};
use veriroot::identify::identify;
use veriroot::policy::{Expectation, admit};
use veriroot::policy_file::{EffectivePolicy, Statements};
use veriroot::source::{Source, Transport};
use veriroot::url::SourceUrl;
use veriroot_test_support::ddi::{Ddi, Volume};
use veriroot_test_support::erofs::{Content, Erofs};
use veriroot_test_support::keys;

const PAYLOAD: u64 = 300 << 20;
const ROUNDS: usize = 9;

/// The program that the peer brings.
const PULL: &str = "usr/lib/systemd/systemd-pull";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [word, url, anchors] if word == "ours" => ours(url, Path::new(anchors), None),
        [word, url, anchors] if word == "ours-watched" => {
            ours(url, Path::new(anchors), Some(Watch::start()));
        }
        // `cargo test --all-targets` starts benches too, without this word.
        words if words.iter().any(|it| it == "--bench") => measure(),
        _ => (),
    }
}

fn measure() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = dir.path();
    let anchors = keys::anchors(&[&keys::trusted()]);
    let size = images(dir);
    let server = Nginx::start(dir);
    let peer = std::env::var_os("PEER").map(PathBuf::from).filter(|it| it.join(PULL).exists());
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let turn = [
            Some(timed(&mut this("ours", &server.url("image.raw"), anchors.path()))),
            Some(timed(&mut curl(&server.url("image.raw"), &dir.join("curl.raw")))),
            peer.as_deref().map(|peer| pull(peer, &server.url("image.raw"))),
        ];
        // The first one warms up.
        if round > 0 {
            times.iter_mut().zip(turn).for_each(|(all, now)| all.extend(now));
        }
    }
    println!(
        "{} MiB, median of {ROUNDS} rounds (best), seconds, and as a part of each",
        size >> 20
    );
    let medians = times.each_mut().map(|it| median(it));
    for (name, (all, median)) in
        ["veriroot", "curl", "systemd-pull"].iter().zip(times.iter().zip(medians))
    {
        let Some(median) = median else {
            println!(
                "{name:13} not there: make it with tests/peer/chroot.sh, and name it in PEER="
            );
            continue;
        };
        let ratio = medians[0].unwrap() / median;
        println!("{name:13} {median:.3} ({:.3})   ours is {ratio:.2} x", all[0]);
    }
    let watched = run(&mut this("ours-watched", &server.url("image.raw"), anchors.path()));
    println!("memory beyond the image, all processes: {watched}");
    server.forget();
    let refused = run(&mut this("ours", &server.url("stranger.raw"), anchors.path()));
    println!("a stranger's image ({refused}): {} KiB sent", server.sent().div_ceil(1024));
}

/// Puts both images there; the length of the first.
fn images(dir: &Path) -> usize {
    let tree = Erofs::root_tree(0)
        .file("usr/lib/payload", 0o644, Content::Noise { seed: 1, len: PAYLOAD })
        .build();
    let image = |volume| Ddi::builder().volume("root", volume).build().bytes;
    fs::write(
        dir.join("stranger.raw"),
        image(Volume::new(tree.clone()).signed_by(&keys::stranger())),
    )
    .unwrap();
    let bytes = image(Volume::new(tree));
    fs::write(dir.join("image.raw"), &bytes).unwrap();
    bytes.len()
}

/// What a boot does before it needs privileges.
fn ours(url: &str, anchors: &Path, watch: Option<Watch>) {
    let policy = EffectivePolicy::new(Statements::default()).unwrap();
    let anchors = TrustAnchors::of_policy(policy.trust(), &[anchors.to_owned()]).unwrap();
    let trust = Trust::of_policy(policy.trust(), Some(&anchors), &[]);
    let transport =
        Transport { child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")), ..Transport::default() };
    let source = Source::open_url(&SourceUrl::parse(url).unwrap(), &transport).unwrap();
    let scope = Scope {
        architecture: Architecture::native().unwrap(),
        verity: [PartitionDesignator::Root].into_iter().collect(),
        claims: std::iter::empty().collect(),
        filter: veriroot::image_filter::ImageFilter::default(),
    };
    let admitted = admit(dissect(source, &scope).unwrap(), &policy, &Expectation::default());
    let authenticated = match authenticate(admitted.unwrap(), &trust) {
        Ok(authenticated) => authenticated,
        Err(refusal) => return print!("{}", refusal.to_string().lines().next().unwrap()),
    };
    let fetched = fetch(authenticated, Sealing::with_reserve(0), &mut Unwatched).unwrap();
    let identified = identify(fetched).unwrap();
    if let Some(watch) = watch {
        print!("{} KiB", watch.stop());
    }
    drop(identified);
}

struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _total: u64) {}
    fn advance(&mut self, _bytes: u64) {}
}

/// The sum of the peaks of this process and its children. A memfd that is not mapped counts for
/// none of them.
struct Watch(thread::JoinHandle<u64>);

static STOP: AtomicBool = AtomicBool::new(false);
static CHILDREN: AtomicU64 = AtomicU64::new(0);

impl Watch {
    fn start() -> Self {
        let own = std::process::id();
        Self(thread::spawn(move || {
            while !STOP.load(Ordering::SeqCst) {
                let children = processes().filter(|pid| field(*pid, "PPid:") == Some(own.into()));
                let peak = children.filter_map(|pid| field(pid, "VmHWM:")).sum();
                CHILDREN.fetch_max(peak, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(10));
            }
            field(own, "VmHWM:").unwrap() + CHILDREN.load(Ordering::SeqCst)
        }))
    }

    fn stop(self) -> u64 {
        STOP.store(true, Ordering::SeqCst);
        self.0.join().unwrap()
    }
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok())
}

/// A number of /proc/PID/status.
fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn this(word: &str, url: &str, anchors: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([word, url]).arg(anchors);
    command
}

fn curl(url: &str, to: &Path) -> Command {
    let _not_there = fs::remove_file(to);
    let mut command = Command::new("curl");
    command.args(["-sf", "-o"]).arg(to).arg(url);
    command
}

/// Into the tmpfs that stands at /tmp of the peer's directory.
fn pull(peer: &Path, url: &str) -> f64 {
    let place = peer.join("tmp/bench-fetch");
    let _not_there = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    let mut command = Command::new("chroot");
    command.arg(peer).arg(Path::new("/").join(PULL));
    command.args(["--verify=no", "--image-root=/tmp/bench-fetch", "raw", url, "image"]);
    let time = timed(&mut command);
    fs::remove_dir_all(&place).unwrap();
    time
}

fn timed(command: &mut Command) -> f64 {
    let start = Instant::now();
    run(command);
    start.elapsed().as_secs_f64()
}

/// What it says on stdout.
fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn median(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// Serves a directory on a free port.
struct Nginx {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Nginx {
    fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (log, path) = (dir.join("access.log"), dir.display());
        let user = if Path::new("/root").metadata().is_ok() && nix::unistd::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let config = format!(
            "{user} daemon off; worker_processes 1; pid {path}/pid; error_log {path}/error.log;\n\
             events {{}}\n\
             http {{ sendfile on; log_format sent '$bytes_sent'; access_log {path}/access.log sent;\n\
             client_body_temp_path {path}/t1; proxy_temp_path {path}/t2; fastcgi_temp_path {path}/t3;\n\
             uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;\n\
             server {{ listen 127.0.0.1:{port}; root {path}; }} }}\n"
        );
        let config_path = dir.join("nginx.conf");
        fs::write(&config_path, config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir).arg("-c").arg(config_path).stderr(Stdio::null());
        let process = command.spawn().expect("nginx: tests/guest/packages.sh fetch installs it");
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "nginx does not come up");
            thread::sleep(Duration::from_millis(20));
        }
        Self { process, port, log }
    }

    fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    fn forget(&self) {
        fs::File::create(&self.log).unwrap();
    }

    /// Bytes sent since, heads included.
    fn sent(&self) -> u64 {
        thread::sleep(Duration::from_millis(500));
        fs::read_to_string(&self.log).unwrap().lines().map(|it| it.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master tells its worker on SIGTERM, and not on SIGKILL.
        let pid = nix::unistd::Pid::from_raw(self.process.id().try_into().unwrap());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _gone = self.process.wait();
    }
}
