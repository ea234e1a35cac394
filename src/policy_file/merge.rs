// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! How the values of several files combine.
//!
//! **In:** policy files. **Out:** one value per key, with the line that states it.
//! **Refuses:** values that exclude each other. Never the laxer of two.
//!
//! How values of several files combine:
//!
//! | key | together |
//! | --- | --- |
//! | `image-policy` | intersection; the built-in `root=signed:=ignore` if no file states one |
//! | `filesystems`, `trust.certificates` | what every list has; an empty result is an error |
//! | `trust.signer` | a certificate may sign what every file with signers lets it sign |
//! | `transport.mirrors` | what every list has, in the order of the first; may be empty |
//! | `trust.revoked`, `trust.minimum-version` | all of them |
//! | `trust.kernel-keyring` | `off` < `require` |
//! | `trust.command-line` | `authenticated` < `untrusted` |
//! | `transport.plain-http`, `boot.overlay` | `true` < `false` |
//! | `extensions.*` | intersection for each class; built in if no file states one |
//! | `transport.size-max`, `transport.budget`, `boot.deadline` | the smaller |
//! | `transport.credential` | all of them; two for one origin must be the same |
//! | `transport.memory-reserve`, `boot.hold` | the larger |
//! | `archive.authentication` | `danger-none` < `checksum-pin` < `signed-list` < `signature` |
//! | `archive.devices`, `archive.set-id` | `true` < `false` |
//! | `boot.required` | `false` < `true` |
//! | `boot.on-corruption` | `eio` < `restart` < `panic` |
//! | `boot.on-refusal` | `danger-shell` < `reboot` < `halt` |
//! | `transport.tls-roots`, `transport.proxy` | must be the same; else an error |

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::values::{
    ArchiveAuthentication, CommandLine, Credential, KernelKeyring, OnCorruption, OnRefusal, Signer,
    Stated,
};
use super::{EffectiveError, PolicyFile};
use crate::designator::PartitionDesignator;
use crate::finding::Origin;
use crate::image_policy::FileSystemSet;
use crate::limits;
use crate::revocation::Revoked;

/// Who is trusted, with what.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Files and directories of trust anchors; `None` is the built-in list.
    pub certificates: Option<Stated<Vec<PathBuf>>>,
    /// Whether the kernel judges the signature too.
    pub kernel_keyring: Stated<KernelKeyring>,
    /// Whether pins on the command line count.
    pub command_line: Stated<CommandLine>,
    /// What is trusted no more.
    pub revoked: Vec<Stated<Revoked>>,
    /// Version floors, all of which hold.
    pub minimum_versions: Vec<Stated<String>>,
    /// Who may sign what; without any, every anchor may sign root, usr and archives.
    pub signers: Vec<Stated<Signer>>,
}

/// How images may travel.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Further places to look for the same image, in this order.
    pub mirrors: Stated<Vec<String>>,
    /// Whether http without TLS may carry images that authenticate themselves.
    pub plain_http: Stated<bool>,
    /// Certificates of the authorities that vouch for servers.
    pub tls_roots: Stated<PathBuf>,
    /// The proxy.
    pub proxy: Stated<Option<String>>,
    /// The largest image, bytes.
    pub size_max: Stated<u64>,
    /// For a whole download, over all retries and mirrors.
    pub budget: Stated<Duration>,
    /// Secrets, each for one server.
    pub credentials: Vec<Stated<Credential>>,
    /// Memory that stays free whatever is downloaded, bytes.
    pub memory_reserve: Stated<u64>,
    /// Keys whose signatures on checksum files count, in place of those that systemd knows.
    pub openpgp_keyring: Option<Stated<Vec<PathBuf>>>,
}

/// What a tar archive has to show, and what may be in it.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Who has to vouch for the file as a whole.
    pub authentication: Stated<ArchiveAuthentication>,
    /// Whether devices and FIFOs may be in it.
    pub devices: Stated<bool>,
    /// Whether programs that run as their owner or group may be in it.
    pub set_id: Stated<bool>,
}

/// What the machine does when something is wrong.
#[derive(Clone, Debug)]
pub struct Boot {
    /// A block that does not match, after boot.
    pub on_corruption: Stated<OnCorruption>,
    /// An image that was refused.
    pub on_refusal: Stated<OnRefusal>,
    /// How long the summary of a refusal stays before `on_refusal` acts.
    pub hold: Stated<Duration>,
    /// Whether the root takes writes, into memory above what was authenticated.
    pub overlay: Stated<bool>,
    /// Whether this machine boots in no other way: a command line that asks for no transfer is
    /// refused.
    pub required: Stated<bool>,
    /// How long a boot may take before it is refused; `None` is for ever.
    pub deadline: Option<Stated<Duration>>,
}

/// What every list of a designator has.
pub(super) fn filesystems(
    files: &[PolicyFile],
) -> Result<BTreeMap<PartitionDesignator, Stated<FileSystemSet>>, EffectiveError> {
    let mut together: BTreeMap<_, Stated<FileSystemSet>> = BTreeMap::new();
    for (designator, list) in files.iter().flat_map(|it| &it.filesystems) {
        let Some(earlier) = together.get_mut(designator) else {
            together.insert(*designator, list.clone());
            continue;
        };
        let value = earlier.value.intersection(list.value);
        if value.is_empty() {
            return Err(conflict("filesystems", Some(earlier.origin.clone()), &list.origin));
        }
        if value != earlier.value {
            *earlier = Stated { value, origin: list.origin.clone() };
        }
    }
    Ok(together)
}

/// Everything under `[archive]`.
pub(super) fn archive(files: &[PolicyFile]) -> Archive {
    Archive {
        authentication: strictest(files, |it| &it.archive, ArchiveAuthentication::Signature),
        devices: extreme(files, |it| &it.archive_devices, false, |it| Reverse(*it)),
        set_id: extreme(files, |it| &it.archive_set_id, true, |it| Reverse(*it)),
    }
}

/// Everything under `[boot]`.
pub(super) fn boot(files: &[PolicyFile]) -> Boot {
    Boot {
        on_corruption: strictest(files, |it| &it.on_corruption, OnCorruption::Restart),
        on_refusal: strictest(files, |it| &it.on_refusal, OnRefusal::Reboot),
        hold: strictest(files, |it| &it.hold, Duration::from_secs(60)),
        overlay: extreme(files, |it| &it.overlay, false, |it| Reverse(*it)),
        required: strictest(files, |it| &it.required, false),
        deadline: files.iter().filter_map(|it| it.deadline.clone()).min_by_key(|it| it.value),
    }
}

/// Everything under `[trust]`.
pub(super) fn trust(files: &[PolicyFile]) -> Result<Trust, EffectiveError> {
    let certificates = common(files, |it| &it.certificates);
    if let Some(Stated { value, origin }) = &certificates
        && value.is_empty()
    {
        let first = files.iter().find_map(|it| it.certificates.as_ref());
        let first = first.map(|it| it.origin.clone());
        return Err(conflict("trust.certificates", first, origin));
    }
    Ok(Trust {
        certificates,
        kernel_keyring: strictest(files, |it| &it.kernel_keyring, KernelKeyring::Off),
        command_line: strictest(files, |it| &it.command_line, CommandLine::Untrusted),
        revoked: files.iter().flat_map(|it| it.revoked.clone()).collect(),
        minimum_versions: files.iter().filter_map(|it| it.minimum_version.clone()).collect(),
        signers: signers(files)?,
    })
}

/// What every file with signers lets a certificate sign.
fn signers(files: &[PolicyFile]) -> Result<Vec<Stated<Signer>>, EffectiveError> {
    let mut lists = files.iter().map(|it| &it.signers).filter(|it| !it.is_empty());
    let Some(first) = lists.next() else { return Ok(Vec::new()) };
    let mut together = first.clone();
    for list in lists {
        let earlier = together.first().map(|it| it.origin.clone());
        together.retain_mut(|signer| {
            let same = list.iter().find(|it| it.value.certificate == signer.value.certificate);
            let allowed = same.map_or(&[][..], |it| &it.value.scopes);
            signer.value.scopes.retain(|it| allowed.contains(it));
            !signer.value.scopes.is_empty()
        });
        if let (true, Some(last)) = (together.is_empty(), list.first()) {
            return Err(conflict("trust.signer", earlier, &last.origin));
        }
    }
    Ok(together)
}

/// Everything under `[transport]`.
pub(super) fn transport(files: &[PolicyFile]) -> Result<Transport, EffectiveError> {
    let openpgp_keyring = common(files, |it| &it.openpgp_keyring);
    if let Some(Stated { value, origin }) = &openpgp_keyring
        && value.is_empty()
    {
        let first = files.iter().find_map(|it| it.openpgp_keyring.as_ref());
        let first = first.map(|it| it.origin.clone());
        return Err(conflict("transport.openpgp-keyring", first, origin));
    }
    let roots = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
    let none = || Stated::built_in(Vec::new());
    Ok(Transport {
        mirrors: common(files, |it| &it.mirrors).unwrap_or_else(none),
        plain_http: extreme(files, |it| &it.plain_http, true, |it| Reverse(*it)),
        tls_roots: agreed(files, "transport.tls-roots", |it| &it.tls_roots, roots)?,
        proxy: agreed(files, "transport.proxy", |it| &it.proxy, None)?,
        size_max: extreme(files, |it| &it.size_max, 16 << 30, |it| Reverse(*it)),
        budget: extreme(files, |it| &it.budget, limits::BUDGET, |it| Reverse(*it)),
        credentials: credentials(files)?,
        memory_reserve: strictest(files, |it| &it.memory_reserve, 256 << 20),
        openpgp_keyring,
    })
}

/// The secrets of all files.
fn credentials(files: &[PolicyFile]) -> Result<Vec<Stated<Credential>>, EffectiveError> {
    let mut together: Vec<Stated<Credential>> = Vec::new();
    for credential in files.iter().flat_map(|it| &it.credentials) {
        match together.iter().find(|it| it.value.origin == credential.value.origin) {
            None => together.push(credential.clone()),
            Some(earlier) if earlier.value == credential.value => {}
            Some(earlier) => {
                let first = Some(earlier.origin.clone());
                return Err(conflict("transport.credential", first, &credential.origin));
            }
        }
    }
    Ok(together)
}

/// The greatest value any file states; what is built in where none does.
fn strictest<T: Ord + Clone>(
    files: &[PolicyFile],
    key: impl Fn(&PolicyFile) -> &Option<Stated<T>>,
    built_in: T,
) -> Stated<T> {
    extreme(files, key, built_in, T::clone)
}

fn extreme<T: Clone, K: Ord>(
    files: &[PolicyFile],
    key: impl Fn(&PolicyFile) -> &Option<Stated<T>>,
    built_in: T,
    strictness: impl Fn(&T) -> K,
) -> Stated<T> {
    let stated = files.iter().filter_map(|it| key(it).as_ref());
    let strictest =
        stated.reduce(|a, b| if strictness(&b.value) > strictness(&a.value) { b } else { a });
    strictest.cloned().unwrap_or_else(|| Stated::built_in(built_in))
}

/// The value all files agree on; what is built in where none states one.
fn agreed<T: PartialEq + Clone>(
    files: &[PolicyFile],
    name: &'static str,
    key: impl Fn(&PolicyFile) -> &Option<Stated<T>>,
    built_in: T,
) -> Result<Stated<T>, EffectiveError> {
    let mut stated = files.iter().filter_map(|it| key(it).as_ref());
    let Some(first) = stated.next() else { return Ok(Stated::built_in(built_in)) };
    match stated.find(|it| it.value != first.value) {
        Some(other) => Err(conflict(name, Some(first.origin.clone()), &other.origin)),
        None => Ok(first.clone()),
    }
}

/// What every stated list has, in the order of the first; `None` where no file states one.
fn common<T: PartialEq + Clone>(
    files: &[PolicyFile],
    key: impl Fn(&PolicyFile) -> &Option<Stated<Vec<T>>>,
) -> Option<Stated<Vec<T>>> {
    let stated = files.iter().filter_map(|it| key(it).as_ref()).cloned();
    stated.reduce(|mut together, list| {
        let before = together.value.len();
        together.value.retain(|it| list.value.contains(it));
        if together.value.len() < before {
            together.origin = list.origin;
        }
        together
    })
}

fn conflict(key: &'static str, first: Option<Origin>, second: &Origin) -> EffectiveError {
    let first = first.unwrap_or(Origin::BuiltIn);
    EffectiveError::Conflict { key, first, second: second.clone() }
}
