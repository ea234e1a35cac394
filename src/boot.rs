// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A boot: from the command line to a root that is ready for switch-root.
//!
//! **In:** the kernel command line, policy files and trust anchors of the initrd.
//! **Out:** the exposed root, or a refusal and what the policy wants done about it.
//! **Refuses:** what any stage refuses; a policy file or a trust anchor that can't be used ends the
//! boot before the network is touched.

use std::path::{Path, PathBuf};

use crate::authenticate::Trust;
use crate::cmdline;
use crate::designator::{Architecture, PartitionDesignator};
use crate::error::Error;
use crate::expose::{Exposed, Places};
use crate::fetch::Progress;
use crate::finding::Origin;
use crate::limits;
use crate::loader::{self, Demands};
use crate::policy::Expectation;
use crate::policy_file::{EffectivePolicy, OnRefusal, PolicyFile, Statements, load_directories};
use crate::report::Report;
use crate::request::{Request, RequestError, RootDevice};
use crate::source::{Source, Transport};
use crate::url::Scheme;
use crate::wire;

/// Where a boot finds what it was told. The default is the running system.
#[derive(Clone, Debug)]
pub struct System {
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Directories of policy files, strongest first. /run is not among them: credentials can
    /// write to it.
    pub policy: Vec<PathBuf>,
    /// Directories of trust anchors, strongest first.
    pub anchors: Vec<PathBuf>,
    /// Where the root and the links go.
    pub places: Places,
}

impl Default for System {
    fn default() -> Self {
        let paths = |texts: [&str; 2]| texts.map(PathBuf::from).to_vec();
        Self {
            cmdline: PathBuf::from("/proc/cmdline"),
            policy: paths(["/etc/veriroot/policy.d", "/usr/lib/veriroot/policy.d"]),
            anchors: paths(["/etc/verity.d", "/usr/lib/verity.d"]),
            places: Places { root: PathBuf::from("/sysroot"), dev: PathBuf::from("/dev") },
        }
    }
}

/// What to do about a refusal.
#[derive(Clone, Debug)]
pub struct AfterRefusal {
    /// The last act.
    pub action: OnRefusal,
    /// How long the summary stays before it.
    pub hold: std::time::Duration,
}

/// How a boot ended.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    /// Every decision.
    pub report: Report,
    /// The root, or why there is none.
    pub result: Result<Exposed, Error>,
    /// What the policy wants done if there is none.
    pub after_refusal: AfterRefusal,
}

/// Boots.
pub fn boot(system: &System, progress: &mut dyn Progress) -> Ended {
    let mut report = Report::default();
    // Until a policy was read, the strictest one holds.
    let mut after_refusal =
        AfterRefusal { action: OnRefusal::Reboot, hold: std::time::Duration::from_secs(60) };
    let result = run(system, &mut report, &mut after_refusal, progress);
    if let Err(error) = &result {
        report.refuse(error);
    }
    Ended { report, result, after_refusal }
}

fn run(
    system: &System,
    report: &mut Report,
    after_refusal: &mut AfterRefusal,
    progress: &mut dyn Progress,
) -> Result<Exposed, Error> {
    let directories: Vec<&Path> = system.policy.iter().map(PathBuf::as_path).collect();
    let files = load_directories(&directories)?;
    // What the files say about refusals holds whatever the command line is.
    let stated = effective(&files, &[])?;
    after_refusal.action = stated.boot().on_refusal.value;
    after_refusal.hold = stated.boot().hold.value;
    let text = read_cmdline(&system.cmdline)?;
    let request = Request::from_words(&cmdline::words(&text)?)?;
    let policy = effective(&files, request.image_policies())?;
    policy.bootable()?;
    report.image = request.url().to_string();
    honour(&policy, &request)?;
    let anchors = loader::trust_anchors(&policy, request.pins(), &system.anchors)?;
    let demands = Demands {
        architecture: native()?,
        policy: &policy,
        trust: Trust::of_policy(policy.trust(), anchors.as_ref(), request.pins()),
        expectation: expectation(&request),
    };
    let mut source = Source::open_url(request.url(), &transport(&policy))?;
    if let Some(sha256) = request.sha256() {
        source = source.whole(sha256, policy.transport().memory_reserve.value)?;
    }
    let destination = (request.name(), &system.places);
    loader::boot(source, &demands, destination, report, progress)
}

fn read_cmdline(path: &Path) -> Result<String, Error> {
    let unreadable = |error: std::io::Error| RequestError::CommandLine {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    // One byte more than the ceiling, so that a longer line is seen to be one.
    let bytes = wire::read_file_bounded(path, limits::COMMAND_LINE.saturating_add(1))
        .map_err(unreadable)?;
    let text =
        String::from_utf8(bytes).map_err(|error| unreadable(std::io::Error::other(error)))?;
    Ok(text)
}

fn effective(files: &[PolicyFile], kernel_words: &[String]) -> Result<EffectivePolicy, Error> {
    let kernel_words: Vec<&str> = kernel_words.iter().map(String::as_str).collect();
    let statements = Statements { files, kernel_words: &kernel_words, ..Statements::default() };
    Ok(EffectivePolicy::new(statements)?)
}

/// Refuses what the policy asks for and this boot would not do.
fn honour(policy: &EffectivePolicy, request: &Request) -> Result<(), RequestError> {
    if let Some((key, origin)) = policy.unsupported() {
        return Err(RequestError::PolicyKey { key, origin });
    }
    let (root, origins) = policy.rule(PartitionDesignator::Root);
    if !root.uses.may_be_used() {
        let origin = origins.into_iter().next().unwrap_or(Origin::BuiltIn);
        return Err(RequestError::PolicyKey { key: "a system without a root partition", origin });
    }
    let plain_http = &policy.transport().plain_http;
    if request.url().scheme() == Scheme::Http && !plain_http.value {
        return Err(RequestError::PlainHttp { origin: plain_http.origin.clone() });
    }
    Ok(())
}

fn native() -> Result<Architecture, RequestError> {
    Architecture::native().ok_or(RequestError::Architecture)
}

fn expectation(request: &Request) -> Expectation {
    let (root, word) = request.root();
    let root_slot = match root {
        RootDevice::Designated => None,
        RootDevice::Partition(number) => Some((*number, word.to_owned())),
    };
    Expectation { root_slot, image_filter: request.image_filter().clone() }
}

fn transport(policy: &EffectivePolicy) -> Transport {
    let configured = policy.transport();
    // An initrd that loads over plain HTTP needs no roots; a file that a policy names has to be
    // there.
    let roots = &configured.tls_roots;
    let wanted = roots.origin != Origin::BuiltIn || roots.value.exists();
    Transport {
        tls_roots: wanted.then(|| roots.value.clone()),
        size_max: configured.size_max.value,
        ..Transport::default()
    }
}
