// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policy files: what the owner of a machine demands, in TOML.
//!
//! **In:** files of the initrd, kernel words, program options.
//! **Out:** an [`EffectivePolicy`] in which every demand knows the line that makes it.
//! **Refuses:** files that others can write or that state nothing, keys and values off the list,
//! demands that no image can meet together.
//!
//! All files hold together. Nothing a file, a kernel word or a credential says makes the whole
//! weaker than any other file; only the program options of `audit` and `dissect`, which decide
//! about no boot, replace the image policy.

mod effective;
mod error;
mod load;
mod merge;
mod nothing;
mod raw;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

pub use effective::{EffectivePolicy, Statements};
pub use error::{EffectiveError, FileFault, PolicyFileError};
pub use load::load_directories;
pub use merge::{Archive, Boot, Transport, Trust};
use raw::{RawCredential, RawExtensions, RawFile, RawSigner};
use values::is_url;
pub use values::{
    ArchiveAuthentication, CommandLine, Credential, KernelKeyring, OnCorruption, OnRefusal, Secret,
    Signer, SignerScope, Stated, parse_duration, parse_size,
};

use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::filesystem::FileSystem;
use crate::finding::Origin;
use crate::image_policy::{FileSystemSet, ImagePolicy};
use crate::limits;
use crate::purpose::Purpose;
use crate::revocation::Revoked;
use crate::url::{Scheme, SourceUrl};
use crate::version::is_plain;

/// One policy file, read and found to be well formed.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    path: PathBuf,
    image_policy: Option<Stated<ImagePolicy>>,
    image_policy_text: Option<String>,
    filesystems: BTreeMap<PartitionDesignator, Stated<FileSystemSet>>,
    certificates: Option<Stated<Vec<PathBuf>>>,
    kernel_keyring: Option<Stated<KernelKeyring>>,
    command_line: Option<Stated<CommandLine>>,
    revoked: Vec<Stated<Revoked>>,
    minimum_version: Option<Stated<String>>,
    signers: Vec<Stated<Signer>>,
    mirrors: Option<Stated<Vec<String>>>,
    plain_http: Option<Stated<bool>>,
    tls_roots: Option<Stated<PathBuf>>,
    proxy: Option<Stated<Option<String>>>,
    size_max: Option<Stated<u64>>,
    memory_reserve: Option<Stated<u64>>,
    openpgp_keyring: Option<Stated<Vec<PathBuf>>>,
    budget: Option<Stated<Duration>>,
    credentials: Vec<Stated<Credential>>,
    archive: Option<Stated<ArchiveAuthentication>>,
    archive_devices: Option<Stated<bool>>,
    archive_set_id: Option<Stated<bool>>,
    on_corruption: Option<Stated<OnCorruption>>,
    on_refusal: Option<Stated<OnRefusal>>,
    hold: Option<Stated<Duration>>,
    overlay: Option<Stated<bool>>,
    required: Option<Stated<bool>>,
    extensions: Vec<(Purpose, Stated<ImagePolicy>)>,
    deadline: Option<Stated<Duration>>,
}

impl PolicyFile {
    /// Reads the text of a policy file; `path` is what findings will call it.
    ///
    /// # Errors
    /// [`PolicyFileError`] with the line to blame.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PolicyFileError> {
        let reader = Reader { path, text };
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            reader.error(&span, FileFault::Toml(escape(error.message())))
        })?;
        let file = reader.file(raw)?;
        if file.states_nothing() {
            return Err(reader.error(&(0..0), FileFault::Empty));
        }
        Ok(file)
    }

    /// Whether it says that this machine boots in no other way.
    #[must_use]
    pub fn requires_boot(&self) -> bool {
        self.required.as_ref().is_some_and(|it| it.value)
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The image policy it states.
    #[must_use]
    pub fn image_policy(&self) -> Option<&Stated<ImagePolicy>> {
        self.image_policy.as_ref()
    }

    /// The image policy as it is written.
    #[must_use]
    pub fn image_policy_text(&self) -> Option<&str> {
        self.image_policy_text.as_deref()
    }
}

/// Turns raw values into typed ones, each with its line.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn file(&self, raw: RawFile) -> Result<PolicyFile, PolicyFileError> {
        let RawFile { image_policy, filesystems, trust, transport, archive, boot, extensions } =
            raw;
        let size = |text: &str| parse_size(text).filter(|it| *it <= limits::IMAGE);
        Ok(PolicyFile {
            path: self.path.to_owned(),
            image_policy_text: image_policy.as_ref().map(|it| it.get_ref().clone()),
            image_policy: self.typed(image_policy, parse_policy)?,
            extensions: self.extensions(extensions)?,
            overlay: self.typed(boot.overlay, Ok)?,
            required: self.typed(boot.required, Ok)?,
            filesystems: self.filesystems(filesystems)?,
            certificates: self.typed(trust.certificates, absolute_paths)?,
            kernel_keyring: self.typed(trust.kernel_keyring, Ok)?,
            command_line: self.typed(trust.command_line, Ok)?,
            revoked: self
                .each(trust.revoked, |text| Revoked::parse(&text).map_err(FileFault::Revocation))?,
            minimum_version: self.typed(trust.minimum_version, version)?,
            signers: self.signers(trust.signer)?,
            mirrors: self.typed(transport.mirrors, |urls| {
                urls.iter().try_for_each(|url| is_url("transport.mirrors", url))?;
                Ok(urls)
            })?,
            plain_http: self.typed(transport.plain_http, Ok)?,
            tls_roots: self.typed(transport.tls_roots, |path| absolute(&path))?,
            proxy: self.typed(transport.proxy, |url| {
                if url.is_empty() {
                    return Ok(None);
                }
                is_url("transport.proxy", &url)?;
                Ok(Some(url))
            })?,
            size_max: self.typed(transport.size_max, |text| {
                size(&text).ok_or_else(|| value("transport.size-max", &text))
            })?,
            memory_reserve: self.typed(transport.memory_reserve, |text| {
                // Of any size: the more has to stay free, the less is taken.
                parse_size(&text).ok_or_else(|| value("transport.memory-reserve", &text))
            })?,
            openpgp_keyring: self.typed(transport.openpgp_keyring, absolute_paths)?,
            budget: self.typed(transport.budget, |text| {
                let budget = parse_duration(&text).filter(|it| *it <= limits::BUDGET_MAX);
                budget.ok_or_else(|| value("transport.budget", &text))
            })?,
            credentials: self.credentials(transport.credential)?,
            archive: self.typed(archive.authentication, Ok)?,
            archive_devices: self.typed(archive.devices, Ok)?,
            archive_set_id: self.typed(archive.set_id, Ok)?,
            on_corruption: self.typed(boot.on_corruption, Ok)?,
            on_refusal: self.typed(boot.on_refusal, Ok)?,
            hold: self.typed(boot.hold, |text| {
                let held = parse_duration(&text).filter(|it| *it <= limits::HOLD);
                held.ok_or_else(|| value("boot.hold", &text))
            })?,
            deadline: self.typed(boot.deadline, |text| {
                let limit = parse_duration(&text).filter(|it| *it <= limits::DEADLINE);
                limit.ok_or_else(|| value("boot.deadline", &text))
            })?,
        })
    }

    fn filesystems(
        &self,
        raw: BTreeMap<String, Spanned<Vec<String>>>,
    ) -> Result<BTreeMap<PartitionDesignator, Stated<FileSystemSet>>, PolicyFileError> {
        let mut all = BTreeMap::new();
        for (name, list) in raw {
            let span = list.span();
            let mountable = PartitionDesignator::from_name(&name)
                .and_then(|it| Some((it, mountable(it)?)))
                .ok_or_else(|| self.error(&span, value("filesystems", &name)));
            let (designator, mountable) = mountable?;
            let stated = self.stated(list, |list| {
                let mut set = FileSystemSet::EMPTY;
                for name in &list {
                    let one = FileSystem::from_name(name).map(|it| FileSystemSet::from_iter([it]));
                    let one = one.filter(|it| it.is_subset(mountable) && !it.is_subset(set));
                    set = set.union(one.ok_or_else(|| value("filesystems", name))?);
                }
                if set.is_empty() { Err(FileFault::EmptyList) } else { Ok(set) }
            })?;
            all.insert(designator, stated);
        }
        Ok(all)
    }

    /// One policy for each class: its own, and the one for all of them.
    fn extensions(
        &self,
        raw: RawExtensions,
    ) -> Result<Vec<(Purpose, Stated<ImagePolicy>)>, PolicyFileError> {
        let RawExtensions { image_policy, sysext, confext, portable, machine } = raw;
        let mut all = Vec::new();
        if let Some(stated) = self.typed(image_policy, parse_policy)? {
            all.extend(Purpose::EXTENSIONS.map(|it| (it, stated.clone())));
        }
        for (purpose, text) in
            Purpose::EXTENSIONS.into_iter().zip([sysext, confext, portable, machine])
        {
            all.extend(self.typed(text, parse_policy)?.map(|it| (purpose, it)));
        }
        Ok(all)
    }

    fn signers(
        &self,
        raw: Vec<Spanned<RawSigner>>,
    ) -> Result<Vec<Stated<Signer>>, PolicyFileError> {
        let mut signers: Vec<Stated<Signer>> = Vec::new();
        for signer in raw {
            let span = signer.span();
            let stated = self.stated(signer, |RawSigner { certificate, designators }| {
                let certificate = absolute(&certificate)?;
                let mut scope = Vec::new();
                for name in &designators {
                    let known = SignerScope::from_name(name).filter(|it| !scope.contains(it));
                    scope.push(known.ok_or_else(|| value("trust.signer.designators", name))?);
                }
                if scope.is_empty() {
                    return Err(FileFault::EmptyList);
                }
                Ok(Signer { certificate, scopes: scope })
            })?;
            let certificate = &stated.value.certificate;
            if signers.iter().any(|it| it.value.certificate == *certificate) {
                let text = certificate.display().to_string();
                return Err(self.error(&span, value("trust.signer.certificate", &text)));
            }
            signers.push(stated);
        }
        Ok(signers)
    }

    fn credentials(
        &self,
        raw: Vec<Spanned<RawCredential>>,
    ) -> Result<Vec<Stated<Credential>>, PolicyFileError> {
        let mut all: Vec<Stated<Credential>> = Vec::new();
        for raw in raw {
            let span = raw.span();
            let stated = self.stated(raw, credential)?;
            if all.iter().any(|it| it.value.origin == stated.value.origin) {
                let origin = &stated.value.origin;
                return Err(self.error(&span, value("transport.credential.origin", origin)));
            }
            all.push(stated);
        }
        Ok(all)
    }

    fn typed<R, T>(
        &self,
        raw: Option<Spanned<R>>,
        convert: impl FnOnce(R) -> Result<T, FileFault>,
    ) -> Result<Option<Stated<T>>, PolicyFileError> {
        raw.map(|raw| self.stated(raw, convert)).transpose()
    }

    fn each<T>(
        &self,
        raw: Option<Spanned<Vec<String>>>,
        convert: impl Fn(String) -> Result<T, FileFault>,
    ) -> Result<Vec<Stated<T>>, PolicyFileError> {
        let Some(raw) = raw else { return Ok(Vec::new()) };
        let span = raw.span();
        let convert = |text| self.stated(Spanned::new(span.clone(), text), &convert);
        raw.into_inner().into_iter().map(convert).collect()
    }

    fn stated<R, T>(
        &self,
        raw: Spanned<R>,
        convert: impl FnOnce(R) -> Result<T, FileFault>,
    ) -> Result<Stated<T>, PolicyFileError> {
        let span = raw.span();
        let value = convert(raw.into_inner()).map_err(|fault| self.error(&span, fault))?;
        Ok(Stated {
            value,
            origin: Origin::File { path: self.path.to_owned(), line: self.line(&span) },
        })
    }

    fn error(&self, span: &Range<usize>, fault: FileFault) -> PolicyFileError {
        PolicyFileError { path: self.path.to_owned(), line: Some(self.line(span)), fault }
    }

    /// Line of the first byte, counted from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
    }
}

/// The file systems that may ever be mounted from a partition; `None` where none is.
#[must_use]
pub fn mountable(designator: PartitionDesignator) -> Option<FileSystemSet> {
    use PartitionDesignator as P;
    let vfat = FileSystemSet::from_iter([FileSystem::Vfat]);
    match designator {
        P::Esp | P::Xbootldr => Some(vfat),
        P::Root | P::Usr | P::Home | P::Srv | P::Tmp | P::Var => {
            Some(FileSystemSet::from_iter(FileSystem::MOUNTABLE).difference(vfat))
        }
        P::Swap | P::RootVerity | P::UsrVerity | P::RootVeritySig | P::UsrVeritySig => None,
    }
}

fn parse_policy(text: String) -> Result<ImagePolicy, FileFault> {
    ImagePolicy::parse(&text).map_err(|error| FileFault::ImagePolicy { text, error })
}

fn value(key: &'static str, text: &str) -> FileFault {
    FileFault::Value { key, text: escape(text) }
}

fn absolute(text: &str) -> Result<PathBuf, FileFault> {
    let path = PathBuf::from(text);
    let plain = path.is_absolute() && !text.chars().any(char::is_control);
    if plain { Ok(path) } else { Err(FileFault::NotAbsolute(escape(text))) }
}

fn absolute_paths(texts: Vec<String>) -> Result<Vec<PathBuf>, FileFault> {
    if texts.is_empty() {
        return Err(FileFault::EmptyList);
    }
    texts.iter().map(|text| absolute(text)).collect()
}

fn version(text: String) -> Result<String, FileFault> {
    if is_plain(&text) { Ok(text) } else { Err(value("trust.minimum-version", &text)) }
}

/// Secrets for one server: at least one, and none that would travel in the clear.
fn credential(raw: RawCredential) -> Result<Credential, FileFault> {
    let RawCredential { origin, bearer, client_certificate, client_key } = raw;
    let url = SourceUrl::parse(&origin).ok().filter(|it| it.scheme() == Scheme::Https);
    let named = url.and_then(|it| it.origin()).filter(|it| *it == origin);
    let origin = named.ok_or_else(|| value("transport.credential.origin", &origin))?;
    let secret = |key: &'static str, text: Option<String>| {
        let name = text.map(|text| {
            let path = text.starts_with('/') && absolute(&text).is_ok();
            let plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
            let name = !text.starts_with('.') && !text.is_empty() && text.chars().all(plain);
            if path || name { Ok(Secret(text)) } else { Err(value(key, &text)) }
        });
        name.transpose()
    };
    let bearer = secret("transport.credential.bearer", bearer)?;
    let certificate = secret("transport.credential.client-certificate", client_certificate)?;
    let key = secret("transport.credential.client-key", client_key)?;
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) if bearer.is_some() => None,
        _ => return Err(value("transport.credential", "a bearer, or client certificate and key")),
    };
    Ok(Credential { origin, bearer, client })
}
