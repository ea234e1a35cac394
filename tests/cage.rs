// SPDX-License-Identifier: MIT OR Apache-2.0
//! A child that is taken over: it does whatever it likes, and gains nothing.
//!
//! The test runs itself once more as the child. The child enters the cage of its role as the real
//! one does, and then tries everything that whoever took it over would try.

#![expect(
    unsafe_code,
    clippy::fn_params_excessive_bools,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "whoever takes a child over keeps to no rules; a test that panics fails"
)]

use std::process::Command;
use std::time::Instant;

use nix::libc::{self, c_long};
use veriroot::cage::{Role, enter};

/// Which role the child has; empty outside of every cage.
const ROLE: &str = "VERIROOT_TEST_ROLE";

/// One attempt: what it would give, and what the kernel says to it.
struct Attempt {
    name: &'static str,
    /// Whether anybody may do that outside of a cage, so that its failure inside says something.
    free: bool,
    result: c_long,
}

/// A system call by its number.
fn call(number: c_long, arguments: [usize; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the pointers among the arguments are to live, NUL-terminated or sized constants, and
    // each call is one that does not touch the memory of this process beyond them.
    unsafe { libc::syscall(number, a, b, c, d, e, f) }
}

fn at(text: &'static [u8]) -> usize {
    assert_eq!(text.last(), Some(&0));
    text.as_ptr() as usize
}

const HERE: usize = libc::AT_FDCWD as usize;

/// Everything that a child of any role must not be able to do; outside of a cage only what does no
/// harm there.
fn attempts(parent: usize, role: &str) -> Vec<Attempt> {
    let rwx = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as usize;
    let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    let create = (libc::O_CREAT | libc::O_RDWR) as usize;
    let new_user = libc::CLONE_NEWUSER as usize;
    let rows: [(&'static str, bool, c_long, [usize; 6]); 30] = [
        ("signal the parent", true, libc::SYS_kill, [parent, 0, 0, 0, 0, 0]),
        ("signal everybody", true, libc::SYS_kill, [usize::MAX, 0, 0, 0, 0, 0]),
        ("signal a thread of the parent", true, libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0]),
        ("trace the parent", false, libc::SYS_ptrace, [0x4206, parent, 0, 0, 0, 0]),
        ("read the parent's memory", false, libc::SYS_process_vm_readv, [parent, 0, 0, 0, 0, 0]),
        ("hold on to the parent", true, libc::SYS_pidfd_open, [parent, 0, 0, 0, 0, 0]),
        ("start a program", false, libc::SYS_execve, [at(b"/bin/true\0"), 0, 0, 0, 0, 0]),
        (
            "write a file",
            true,
            libc::SYS_openat,
            [HERE, at(b"/dev/shm/veriroot-cage\0"), create, 0o600, 0, 0],
        ),
        (
            "make a directory",
            true,
            libc::SYS_mkdirat,
            [HERE, at(b"/dev/shm/veriroot-cage.d\0"), 0o700, 0, 0, 0],
        ),
        (
            "remove a directory",
            true,
            libc::SYS_unlinkat,
            [HERE, at(b"/dev/shm/veriroot-cage.d\0"), 0x200, 0, 0, 0],
        ),
        (
            "remove a file",
            true,
            libc::SYS_unlinkat,
            [HERE, at(b"/dev/shm/veriroot-cage\0"), 0, 0, 0, 0],
        ),
        (
            "memory that is written and run",
            true,
            libc::SYS_mmap,
            [0, 4096, rwx, private, usize::MAX, 0],
        ),
        ("a file in memory to run", true, libc::SYS_memfd_create, [at(b"x\0"), 0, 0, 0, 0, 0]),
        ("a socket of this machine", true, libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
        ("a raw socket", false, libc::SYS_socket, [17, 3, 0, 0, 0, 0]),
        ("a user namespace", false, libc::SYS_unshare, [new_user, 0, 0, 0, 0, 0]),
        ("another user", false, libc::SYS_setuid, [0, 0, 0, 0, 0, 0]),
        ("mount", false, libc::SYS_mount, [at(b"x\0"), at(b"/mnt\0"), at(b"tmpfs\0"), 0, 0, 0]),
        ("another root", false, libc::SYS_chroot, [at(b"/\0"), 0, 0, 0, 0, 0]),
        ("a device", false, libc::SYS_mknodat, [HERE, at(b"/dev/shm/x\0"), 0o20_600, 0x0101, 0, 0]),
        ("a BPF program", false, libc::SYS_bpf, [0, 0, 0, 0, 0, 0]),
        ("a ring of calls", false, libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
        (
            "a key",
            false,
            libc::SYS_add_key,
            [at(b"user\0"), at(b"x\0"), at(b"x\0"), 1, usize::MAX, 0],
        ),
        ("page faults", false, libc::SYS_userfaultfd, [1, 0, 0, 0, 0, 0]),
        ("performance counters", false, libc::SYS_perf_event_open, [0, 0, 0, 0, 0, 0]),
        ("a kernel module", false, libc::SYS_init_module, [0, 0, at(b"\0"), 0, 0, 0]),
        ("another kernel", false, libc::SYS_kexec_load, [0, 0, 0, 0, 0, 0]),
        ("to be read by others", true, libc::SYS_prctl, [4, 1, 0, 0, 0, 0]),
        ("to outlive the parent", true, libc::SYS_prctl, [1, 0, 0, 0, 0, 0]),
        ("a process", true, libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0]),
    ];
    let tried = rows.into_iter().filter(|(_, free, ..)| *free || !role.is_empty());
    tried.map(|(name, free, number, arguments)| attempt(name, free, number, arguments)).collect()
}

fn attempt(name: &'static str, free: bool, number: c_long, arguments: [usize; 6]) -> Attempt {
    let result = call(number, arguments);
    if number == libc::SYS_clone && result == 0 {
        // The process that was not to be: it must not run the rest of the test.
        call(libc::SYS_exit_group, [0; 6]);
    }
    Attempt { name, free, result }
}

/// What only the network child may do.
fn attempts_of_decoder() -> Vec<Attempt> {
    vec![
        attempt("a socket", true, libc::SYS_socket, [2, 1, 0, 0, 0, 0]),
        attempt("a file", true, libc::SYS_openat, [HERE, at(b"/etc/passwd\0"), 0, 0, 0, 0]),
        attempt("a directory", true, libc::SYS_openat, [HERE, at(b"/\0"), 0, 0, 0, 0]),
    ]
}

/// Not a test by itself: the child, where another test asks for it.
#[test]
fn child_that_is_taken_over() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let parent = nix::unistd::getppid().as_raw() as usize;
    let begun = Instant::now();
    match role.as_str() {
        "decode" => enter(Role::Decode).unwrap(),
        "network" => enter(Role::Network).unwrap(),
        _ => {}
    }
    let took = begun.elapsed();
    let mut all = attempts(parent, &role);
    if role != "network" {
        all.extend(attempts_of_decoder());
    }
    for Attempt { name, free, result } in all {
        let outcome = if result < 0 { "refused" } else { "gained" };
        println!("\n{outcome}: {name}{}", if free { " (free)" } else { "" });
    }
    println!("\nentered in {} us", took.as_micros());
    println!("\nall tried");
}

/// What the child says of its attempts.
fn tried(role: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_taken_over", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("all tried"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_child_that_is_taken_over_gains_nothing() {
    // Outside of the cage these are real: what anybody may do succeeds.
    let outside = tried("");
    let refused: Vec<_> =
        outside.iter().filter(|it| it.starts_with("refused") && it.ends_with("(free)")).collect();
    assert!(refused.is_empty(), "outside of the cage: {refused:?}");
    for role in ["decode", "network"] {
        let inside = tried(role);
        let gained: Vec<_> = inside.iter().filter(|it| it.starts_with("gained")).collect();
        assert!(gained.is_empty(), "{role}: {gained:?}");
        assert!(inside.iter().filter(|it| it.starts_with("refused")).count() >= 30);
        println!("{role}: {}", inside.iter().find(|it| it.starts_with("entered")).unwrap());
    }
}
