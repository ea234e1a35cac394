// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The whole path.
//!
//! **In:** a source that came as it was demanded, and what is demanded of the image. **Out:** a
//! [`Report`], and for a boot the exposed root. **Refuses:** what any stage refuses; the first refusal is the verdict.

use std::path::{Path, PathBuf};

use crate::authenticate::anchors::{AnchorError, TrustAnchors};
use crate::authenticate::archive::{Archive, SIGNATURE_SUFFIX, authenticate_archive};
use crate::authenticate::{Trust, authenticate};
use crate::checksums::Received;
use crate::designator::{Architecture, PartitionDesignator};
use crate::dissect::{Scope, dissect};
use crate::error::Error;
use crate::escape::escape;
use crate::expose::{
    ExposeError, Exposed, ExposedTree, Placement, expose, expose_tree, judge_tree,
};
use crate::fetch::{LetGo, Progress, Saving, Sealing, Store, fetch};
use crate::finding::{Origin, Refusal};
use crate::identify::{Identified, identify};
use crate::image_policy::{Use, UseSet};
use crate::limits;
use crate::policy::{ArchiveDemand, ArchivePin, Expectation, admit, admit_archive};
use crate::policy_file::{ArchiveAuthentication, CommandLine, EffectivePolicy};
use crate::report::Report;
use crate::request::{MountFlag, Pin, RequestError};
use crate::source::{self, Beside, Mirrors, Source, Terms, Transport};
use crate::sys::memfd::SealedMemfd;
use crate::unpack::{self, Destination, TreeKind, Unpacked, unpack};
use crate::url::{Scheme, SourceUrl};
use crate::verity::{Making, map};

/// Everything that is demanded of an image.
#[derive(Debug)]
pub struct Demands<'a> {
    /// The architecture that root and usr are for.
    pub architecture: Architecture,
    /// The image policy and what goes with it.
    pub policy: &'a EffectivePolicy,
    /// Keys and pins.
    pub trust: Trust<'a>,
    /// What the command line says of the layout.
    pub expectation: Expectation,
}

impl Demands<'_> {
    /// What has to be read before the layout can be judged: hash trees and signatures where the
    /// policy could want them, claims where it could do without.
    fn scope(&self) -> Scope {
        let claims = UseSet::present().difference(protected()).difference(UseSet::ignore());
        Scope {
            architecture: self.architecture,
            verity: wanted(self.policy, protected()),
            claims: wanted(self.policy, claims),
            filter: self.expectation.image_filter.clone(),
        }
    }
}

/// The uses that need somebody who vouches.
fn protected() -> UseSet {
    UseSet::from_iter([Use::Verity, Use::Signed])
}

/// The data partitions of which the policy could want one of these uses.
fn wanted<C: FromIterator<PartitionDesignator>>(policy: &EffectivePolicy, uses: UseSet) -> C {
    let wants = |it: &PartitionDesignator| !policy.rule(*it).0.uses.intersection(uses).is_empty();
    PartitionDesignator::ALL.into_iter().filter(|it| it.data().is_none()).filter(wants).collect()
}

/// The trust anchors to go on with; none where the policy wants nothing protected.
///
/// Having no anchor at all is no error where pins can stand for every signature: the command line
/// is authenticated, and whatever the policy could want protected is pinned and may do with a hash
/// tree alone. It still is one where the policy names certificates or signers, and so is every
/// anchor that can't be used. A signature that then turns up is refused: nobody can check it.
///
/// # Errors
/// See [`AnchorError`].
pub fn trust_anchors(
    policy: &EffectivePolicy,
    pins: &[Pin],
    built_in: &[PathBuf],
) -> Result<Option<TrustAnchors>, AnchorError> {
    let wanted: Vec<_> = wanted(policy, protected());
    if wanted.is_empty() {
        return Ok(None);
    }
    let trust = policy.trust();
    let pinned = |designator: &PartitionDesignator| {
        policy.rule(*designator).0.uses.contains(Use::Verity)
            && pins.iter().any(|it| it.designator == *designator)
    };
    let replaceable = trust.command_line.value == CommandLine::Authenticated
        && trust.certificates.is_none()
        && trust.signers.is_empty()
        && wanted.iter().all(pinned);
    match TrustAnchors::of_policy(trust, built_in) {
        Err(AnchorError::NoAnchors { .. }) if replaceable => Ok(None),
        loaded => loaded.map(Some),
    }
}

/// Whether the policy lets images travel so.
///
/// # Errors
/// [`RequestError::PlainHttp`].
pub fn permits(url: &SourceUrl, policy: &EffectivePolicy) -> Result<(), RequestError> {
    let plain_http = &policy.transport().plain_http;
    if url.scheme() == Scheme::Http && !plain_http.value {
        return Err(RequestError::PlainHttp { origin: plain_http.origin.clone() });
    }
    Ok(())
}

/// Judges an image offline: every stage up to the file system, every block hashed, nothing kept.
pub fn audit(
    received: Received,
    demands: &Demands<'_>,
    report: &mut Report,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let _identified = judge(received, demands, LetGo, report, progress)?;
    report.left_to_boot(demands.policy.trust());
    Ok(())
}

/// Judges an image and keeps what was verified of it, in memory that nobody can change.
///
/// # Errors
/// The first refusal.
pub fn load(
    received: Received,
    demands: &Demands<'_>,
    report: &mut Report,
    progress: &mut dyn Progress,
) -> Result<Identified<SealedMemfd>, Error> {
    let store = Sealing::with_reserve(demands.policy.transport().memory_reserve.value);
    judge(received, demands, store, report, progress)
}

/// Judges an image and writes what was verified of it to a file, with the table and the signatures
/// that a later run needs to judge it again.
///
/// # Errors
/// The first refusal. The file has to be judged again before anything rests on it.
pub fn save(
    received: Received,
    demands: &Demands<'_>,
    store: Saving,
    report: &mut Report,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    judge(received, demands, store, report, progress).map(drop)
}

/// Maps what was verified and puts it into its place. Dropping the result takes everything back,
/// until it is kept.
///
/// # Errors
/// The first refusal. Nothing is mapped, mounted or linked then.
pub fn hand_over(
    identified: Identified<SealedMemfd>,
    policy: &EffectivePolicy,
    placement: &Placement,
    report: &mut Report,
) -> Result<Exposed, Error> {
    let name = || escape(&placement.name);
    let names =
        placement.device_names().map_err(|error| ExposeError::Name { name: name(), error })?;
    let making = Making { names: &names, copies: placement.takes_writes() };
    let mapped = map(identified, policy, making)?;
    let floors = &policy.trust().minimum_versions;
    let exposed = expose(mapped, floors, placement)?;
    report.exposed(&exposed, floors);
    Ok(exposed)
}

/// What taking off compression may cost under this policy.
#[must_use]
pub fn terms(policy: &EffectivePolicy) -> Terms {
    let transport = policy.transport();
    Terms {
        size_max: transport.size_max.value,
        reserve: transport.memory_reserve.value,
        ..Terms::default()
    }
}

/// How bytes travel under a policy.
#[must_use]
pub fn transport(policy: &EffectivePolicy) -> Transport {
    let configured = policy.transport();
    // An initrd that loads over plain HTTP needs no roots; a file that a policy names has to be
    // there.
    let roots = &configured.tls_roots;
    let wanted = roots.origin != Origin::BuiltIn || roots.value.exists();
    Transport {
        tls_roots: wanted.then(|| roots.value.clone()),
        size_max: configured.size_max.value,
        memory_reserve: configured.memory_reserve.value,
        budget: configured.budget.value,
        proxy: configured.proxy.value.clone(),
        credentials: configured.credentials.iter().map(|it| it.value.clone()).collect(),
        ..Transport::default()
    }
}

/// Where `url` may be had: there, then under the base URLs of `options`, then under those of the
/// policy.
///
/// # Errors
/// A mirror whose URL can't be used, or one in the clear where the policy forbids that.
pub fn mirrors(
    url: &SourceUrl,
    policy: &EffectivePolicy,
    options: &[String],
) -> Result<Mirrors, Error> {
    let mut urls = vec![url.clone()];
    let bases = options.iter().chain(&policy.transport().mirrors.value);
    // A file of this machine has no mirrors.
    for base in bases.take_while(|_| url.scheme() != Scheme::File) {
        let mirror = url.on_mirror(base);
        urls.push(mirror.map_err(|error| RequestError::Mirror { base: escape(base), error })?);
    }
    urls.iter().try_for_each(|it| permits(it, policy))?;
    Ok(Mirrors::new(urls, transport(policy)))
}

/// Asks one mirror after the other, each from scratch and under exactly the same demands, until one
/// gives what `attempt` accepts.
///
/// # Errors
/// What is wrong with this machine, at once. Else, when there is no mirror any more: of all refusals
/// the one with the highest exit code, and of equals the first.
pub fn over_mirrors<T>(
    mirrors: &Mirrors,
    report: &mut Report,
    mut attempt: impl FnMut(Source, &mut Report) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut verdict: Option<(Error, Report)> = None;
    let ended = loop {
        let Some(opened) = mirrors.open_next() else { break verdict };
        let mut tried = report.anew();
        let done = opened.map_err(Error::from).and_then(|source| attempt(source, &mut tried));
        let error = match done {
            Ok(done) => {
                *report = tried.with_dropped(mirrors.dropped());
                return Ok(done);
            }
            Err(error) => error,
        };
        mirrors.drop_current(&error);
        if !error.is_of_mirror() {
            break Some((error, tried));
        }
        verdict = match verdict {
            Some(earlier) if earlier.0.class().exit_code() >= error.class().exit_code() => {
                Some(earlier)
            }
            _ => Some((error, tried)),
        };
    };
    let (error, tried) = ended.ok_or(RequestError::NoMirror)?;
    *report = tried.with_dropped(mirrors.dropped());
    Err(error)
}

/// The stages that need no privileges.
fn judge<S: Store>(
    received: Received,
    demands: &Demands<'_>,
    store: S,
    report: &mut Report,
    progress: &mut dyn Progress,
) -> Result<Identified<S::Kept>, Error> {
    report.demanded(demands.policy);
    report.received(&received);
    let mut source = received.into_source().decoded(&terms(demands.policy))?;
    if S::REMEMBERS {
        source = source.remembering();
    }
    report.opened(&source);
    let dissected = dissect(source, &demands.scope())?;
    report.dissected(&dissected);
    let admitted = admit(dissected, demands.policy, &demands.expectation)?;
    report.admitted(&admitted);
    let authenticated = authenticate(admitted, &demands.trust)?;
    report.authenticated(&authenticated);
    let fetched = fetch(authenticated, store, &mut report.watching(progress))?;
    report.fetched(&fetched);
    let identified = identify(fetched)?;
    report.identified(&identified);
    Ok(identified)
}

/// Everything that is demanded of an archive.
#[derive(Debug)]
pub struct ArchiveDemands<'a> {
    /// What archives have to show, and what may be in them.
    pub policy: &'a EffectivePolicy,
    /// Keys.
    pub trust: Trust<'a>,
    /// The SHA-256 that the machine was told it has.
    pub pin: Option<ArchivePin>,
}

/// What stands beside an archive as its signature; asked for only where one is demanded.
pub type ArchiveSignature<'a> = &'a mut dyn FnMut() -> Result<Option<Vec<u8>>, source::Error>;

/// The trust anchors for archives; `None` where the policy asks for no signature, or where there are
/// none and something else can stand for it. A signature that is asked for after all is refused then.
///
/// # Errors
/// See [`AnchorError`].
pub fn archive_anchors(
    policy: &EffectivePolicy,
    pin: Option<&ArchivePin>,
    built_in: &[PathBuf],
) -> Result<Option<TrustAnchors>, AnchorError> {
    let authentication = policy.archive().authentication.value;
    let pinned = pin.is_some() && policy.trust().command_line.value == CommandLine::Authenticated;
    let needless = pinned || authentication <= ArchiveAuthentication::SignedList;
    match TrustAnchors::of_policy(policy.trust(), built_in) {
        Err(AnchorError::NoAnchors { .. })
            if needless
                && policy.trust().certificates.is_none()
                && policy.trust().signers.is_empty() =>
        {
            Ok(None)
        }
        loaded => loaded.map(Some),
    }
}

/// Judges an archive offline: who vouches for it, and every entry, and whether it is laid out as
/// what it is to be; nothing is written.
///
/// # Errors
/// The first refusal.
pub fn audit_archive(
    received: Received,
    signature: ArchiveSignature<'_>,
    (demands, kind): (&ArchiveDemands<'_>, TreeKind),
    report: &mut Report,
) -> Result<(), Error> {
    let mut archive = vouched(received, signature, demands, report)?;
    let totals = unpack::judge(&mut archive, kind)?;
    report.archive_judged(totals, demands.policy.trust());
    Ok(())
}

/// Unpacks an archive. The tree is complete then, and has no name yet.
///
/// # Errors
/// The first refusal. Nothing of the archive is left then.
pub fn load_archive(
    received: Received,
    signature: ArchiveSignature<'_>,
    (demands, destination): (&ArchiveDemands<'_>, &Destination),
    report: &mut Report,
    progress: &mut dyn Progress,
) -> Result<Unpacked, Error> {
    let archive = vouched(received, signature, demands, report)?;
    let unpacked = unpack(archive, destination, progress)?;
    let floors = &demands.policy.trust().minimum_versions;
    let version = match destination.kind {
        TreeKind::Of(purpose) => {
            judge_tree(unpacked.directory(), (purpose, &destination.name), floors)?
        }
        TreeKind::Any => None,
    };
    report.archive_unpacked(unpacked.totals(), version.as_ref(), floors);
    Ok(unpacked)
}

/// Gives a tree its name and mounts it there, read-only, where a boot wants that. Dropping the result takes
/// everything back, until it is kept.
///
/// # Errors
/// A name that is taken, or what the kernel says. Nothing of the archive is left then.
pub fn place_archive(
    unpacked: Unpacked,
    mount: Option<(&Path, &[MountFlag])>,
    report: &mut Report,
) -> Result<ExposedTree, Error> {
    let exposed = expose_tree(unpacked.place()?, mount)?;
    report.archive_placed(&exposed);
    Ok(exposed)
}

/// Both, one after the other, for a tree that stays.
///
/// # Errors
/// As [`load_archive`] and [`place_archive`].
pub fn unpack_archive(
    received: Received,
    signature: ArchiveSignature<'_>,
    archive: (&ArchiveDemands<'_>, &Destination),
    report: &mut Report,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Error> {
    let unpacked = load_archive(received, signature, archive, report, progress)?;
    let exposed = place_archive(unpacked, None, report)?;
    let path = exposed.path().to_owned();
    exposed.keep();
    Ok(path)
}

/// The stages up to the one where somebody vouches for the whole file.
fn vouched(
    received: Received,
    signature: ArchiveSignature<'_>,
    demands: &ArchiveDemands<'_>,
    report: &mut Report,
) -> Result<Archive, Error> {
    report.received(&received);
    let admitted = admit_archive(received, demands.policy, demands.pin.clone());
    report.opened(admitted.source());
    let signature = match admitted.demand() {
        ArchiveDemand::Signature(_) => signature()?,
        ArchiveDemand::Pin(_) | ArchiveDemand::DangerNone(_) | ArchiveDemand::Listed { .. } => None,
    };
    let archive = authenticate_archive(admitted, signature.as_deref(), &demands.trust)?;
    report.archive_authenticated(&archive);
    // No decoder is started before somebody vouched for what it is given.
    let archive = archive.decoded(&terms(demands.policy))?;
    report.archive_decoded(&archive);
    Ok(archive)
}

/// The signature that stands beside an archive, of the same server; `None` if there is none. Only a
/// server that says so, or a directory without the file, says that there is none.
///
/// # Errors
/// As [`Source::open_url`] and [`Source::open_file`].
pub fn signature_beside(archive: &Beside) -> Result<Option<Vec<u8>>, source::Error> {
    let limit = u64::try_from(limits::CMS).unwrap_or(u64::MAX);
    archive.read(&archive.suffixed(SIGNATURE_SUFFIX), limit)
}
