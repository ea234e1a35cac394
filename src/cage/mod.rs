// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The cage around the child processes.
//!
//! **In:** a process that is about to read hostile bytes, and its role. **Out:** the same process
//! with nothing left but what that role takes: no root, no capabilities, no new privileges,
//! namespaces of its own where the kernel gives them, Landlock where it has it, resource limits, and
//! a list of system calls. **Refuses:** to go on where user, limits or system calls can't be
//! restricted. There is no way back out, and none to do without: a child that is taken over can
//! lie about bytes, as any mirror can, and nothing else.
//!
//! | | network | decode |
//! | --- | --- | --- |
//! | user | nobody, no groups, no capabilities | the same |
//! | files | reads what name resolution needs, where Landlock is; nothing else of the system | none |
//! | network | its own purpose | none: no sockets, an empty namespace where root started it |
//! | processes | threads of its own | none |
//! | memory | no page that is executable and new | the same |

mod offer;
mod syscalls;

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use crate::limits;

pub use offer::Offer;

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes compression off.
    Decode,
    /// Talks to servers.
    Network,
}

/// Locks this process in, with all it has. To be called while it has one thread, before the first
/// hostile byte.
///
/// # Errors
/// What the kernel says; the process must not go on then.
pub fn enter(role: Role) -> io::Result<()> {
    if geteuid().is_root() {
        leave_namespaces(role);
        give_up_root()?;
    }
    prctl::set_no_new_privs()?;
    prctl::set_dumpable(false)?;
    // After the user has changed: the kernel forgets it then.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    limit(role)?;
    restrict_files(role).map_err(io::Error::other)?;
    syscalls::restrict(role).map_err(io::Error::other)
}

/// Namespaces of its own, as far as the kernel gives them: each is a second wall behind the list of
/// system calls, and no boot hangs on it.
fn leave_namespaces(role: Role) {
    let mut wanted = vec![
        CloneFlags::CLONE_NEWNS,
        CloneFlags::CLONE_NEWIPC,
        CloneFlags::CLONE_NEWUTS,
        CloneFlags::CLONE_NEWCGROUP,
    ];
    if role == Role::Decode {
        wanted.push(CloneFlags::CLONE_NEWNET);
    }
    for namespace in wanted {
        unshare(namespace).ok();
    }
}

/// The user and group that the kernel itself falls back to (`overflowuid`).
const NOBODY: u32 = 65534;

/// Becomes nobody. With user 0 go all capabilities, and every hold on the parent: its memory, its
/// descriptors, the files of the initrd.
fn give_up_root() -> io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    Ok(setresuid(user, user, user)?)
}

fn limit(role: Role) -> io::Result<()> {
    let mut rows = vec![
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, limits::CHILD_FILES),
    ];
    if role == Role::Decode {
        rows.push((Resource::RLIMIT_NPROC, 0));
        rows.push((Resource::RLIMIT_AS, limits::DECODE_MEMORY));
    }
    for (resource, most) in rows {
        // Where less was allowed already, that stays: nobody may raise it.
        let (_, hard) = getrlimit(resource)?;
        let limit = hard.min(most);
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}

/// What name resolution and TLS read: resolv.conf and what it may link to, and libraries that the C
/// library loads for it.
const READABLE: [&str; 7] =
    ["/etc", "/lib", "/lib64", "/run", "/usr/lib", "/usr/lib64", "/usr/share"];

/// Landlock, as much of it as the kernel has. One that has none goes without.
fn restrict_files(role: Role) -> Result<(), RulesetError> {
    const NEWEST: ABI = ABI::V6;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?;
    if role == Role::Decode {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut created = ruleset.create()?;
    if role == Role::Network {
        let paths = READABLE.into_iter().filter(|it| Path::new(it).exists());
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        created = created.add_rules(path_beneath_rules(paths, read))?;
    }
    created.restrict_self().map(|_status| ())
}
