// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The system calls of a caged process (seccomp(2)).
//!
//! **In:** a role. **Out:** from here on, the kernel has only the calls of these lists for this
//! process, with only these arguments. **Refuses:** everything else with `ENOSYS`, which the C
//! library takes for an older kernel.
//!
//! What matters is what is missing: no execve, no fork, no ptrace or process_vm_readv, no kill but of
//! itself, no mount, no open for writing, no memory that is writable and then executable, and for a
//! decoder no socket and no open at all.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

use super::Role;

/// A call, and the conditions on its arguments, of which all hold.
type Row = (libc::c_long, &'static [Condition]);

/// Argument, mask, value: these bits of the argument's lower half are those of the value.
type Condition = (u8, u32, u32);

const ANY: &[Condition] = &[];
/// PROT_EXEC is not asked for.
const NOT_EXECUTABLE: &[Condition] = &[(2, 4, 0)];
/// Only of this process itself (0).
const OWN: &[Condition] = &[(0, !0, 0)];
/// O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND: none of them.
const READ_ONLY: &[Condition] = &[(2, 0o3 | 0o100 | 0o1000 | 0o2000, 0)];
/// CLONE_VM, CLONE_SIGHAND and CLONE_THREAD; no namespace.
const THREAD: &[Condition] = &[(0, 0x7E02_0000 | 0x0001_0900, 0x0001_0900)];

/// What the C library and any program that reads and writes take.
const COMMON: &[Row] = &[
    (libc::SYS_brk, ANY),
    (libc::SYS_clock_getres, ANY),
    (libc::SYS_clock_gettime, ANY),
    (libc::SYS_clock_nanosleep, ANY),
    (libc::SYS_close, ANY),
    (libc::SYS_dup, ANY),
    (libc::SYS_exit, ANY),
    (libc::SYS_exit_group, ANY),
    (libc::SYS_fcntl, ANY),
    (libc::SYS_fstat, ANY),
    (libc::SYS_futex, ANY),
    (libc::SYS_getpid, ANY),
    (libc::SYS_getrandom, ANY),
    (libc::SYS_getsockopt, ANY),
    (libc::SYS_gettid, ANY),
    (libc::SYS_gettimeofday, ANY),
    (libc::SYS_lseek, ANY),
    (libc::SYS_madvise, ANY),
    (libc::SYS_mmap, NOT_EXECUTABLE),
    (libc::SYS_mprotect, NOT_EXECUTABLE),
    (libc::SYS_mremap, ANY),
    (libc::SYS_munmap, ANY),
    (libc::SYS_nanosleep, ANY),
    (libc::SYS_ppoll, ANY),
    (libc::SYS_prlimit64, OWN),
    (libc::SYS_read, ANY),
    (libc::SYS_readv, ANY),
    (libc::SYS_recvfrom, ANY),
    (libc::SYS_recvmsg, ANY),
    (libc::SYS_restart_syscall, ANY),
    (libc::SYS_rt_sigaction, ANY),
    (libc::SYS_rt_sigprocmask, ANY),
    (libc::SYS_rt_sigreturn, ANY),
    (libc::SYS_sched_getaffinity, ANY),
    (libc::SYS_sched_yield, ANY),
    (libc::SYS_sendmsg, ANY),
    (libc::SYS_sendto, ANY),
    (libc::SYS_setsockopt, ANY),
    (libc::SYS_shutdown, ANY),
    (libc::SYS_sigaltstack, ANY),
    (libc::SYS_write, ANY),
    (libc::SYS_writev, ANY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, ANY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_time, ANY),
];

/// What the network takes beside that: sockets, threads, and files to read.
const NETWORK: &[Row] = &[
    // AF_INET, AF_INET6, and AF_NETLINK, by which addresses are asked for.
    (libc::SYS_socket, &[(0, !0, 2)]),
    (libc::SYS_socket, &[(0, !0, 10)]),
    (libc::SYS_socket, &[(0, !0, 16)]),
    (libc::SYS_bind, ANY),
    (libc::SYS_clone, THREAD),
    (libc::SYS_connect, ANY),
    (libc::SYS_dup3, ANY),
    (libc::SYS_epoll_create1, ANY),
    (libc::SYS_epoll_ctl, ANY),
    (libc::SYS_epoll_pwait, ANY),
    (libc::SYS_eventfd2, ANY),
    (libc::SYS_faccessat, ANY),
    (libc::SYS_fstatfs, ANY),
    (libc::SYS_getdents64, ANY),
    (libc::SYS_getegid, ANY),
    (libc::SYS_geteuid, ANY),
    (libc::SYS_getgid, ANY),
    (libc::SYS_getpeername, ANY),
    (libc::SYS_getsockname, ANY),
    (libc::SYS_getuid, ANY),
    (libc::SYS_ioctl, ANY),
    (libc::SYS_membarrier, ANY),
    (libc::SYS_newfstatat, ANY),
    (libc::SYS_openat, READ_ONLY),
    // PR_SET_NAME, of threads.
    (libc::SYS_prctl, &[(0, !0, 15)]),
    (libc::SYS_pread64, ANY),
    (libc::SYS_readlinkat, ANY),
    (libc::SYS_recvmmsg, ANY),
    (libc::SYS_rseq, ANY),
    (libc::SYS_sendmmsg, ANY),
    (libc::SYS_set_robust_list, ANY),
    (libc::SYS_socketpair, ANY),
    (libc::SYS_statx, ANY),
    (libc::SYS_uname, ANY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, ANY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, ANY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, ANY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, ANY),
];

/// Takes everything else away.
pub(super) fn restrict(role: Role) -> Result<(), seccompiler::Error> {
    apply_filter(&program(role)?)
}

fn program(role: Role) -> Result<BpfProgram, BackendError> {
    let more = if role == Role::Network { NETWORK } else { &[] };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, conditions) in COMMON.iter().chain(more) {
        // No rule at all stands for any argument.
        let all = rules.entry(*call).or_default();
        if !conditions.is_empty() {
            all.push(SeccompRule::new(
                conditions.iter().map(condition).collect::<Result<_, _>>()?,
            )?);
        }
    }
    let own = u64::from(std::process::id());
    let itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
    // abort(3) ends a process that way.
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![itself])?]);
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)?.try_into()
}

fn condition(&(argument, mask, value): &Condition) -> Result<SeccompCondition, BackendError> {
    let masked = SeccompCmpOp::MaskedEq(u64::from(mask));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, u64::from(value))
}
