// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! All demands together, each with the one who makes it.
//!
//! **In:** policy files, kernel words, program options. **Out:** an [`EffectivePolicy`].
//! **Refuses:** demands that exclude each other, naming who makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::merge::{self, Archive, Boot, Transport, Trust};
use super::values::{OnCorruption, Stated};
use super::{EffectiveError, PolicyFile, mountable};
use crate::designator::PartitionDesignator;
use crate::escape::escape;
use crate::finding::Origin;
use crate::image_policy::{FileSystemSet, ImagePolicy, Rule, UseSet};
use crate::purpose::Purpose;

/// The options that replace what the files say.
const CERTIFICATE_OPTION: &str = "--certificate=";
const IMAGE_POLICY_OPTION: &str = "--image-policy=";

/// Everything a machine was told about policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statements<'a> {
    /// The policy files, in the order of their names.
    pub files: &'a [PolicyFile],
    /// Values of `systemd.image_policy=` on the kernel command line: they only tighten.
    pub kernel_words: &'a [&'a str],
    /// File systems that kernel words hold root or usr to: they only tighten.
    pub filesystem_words: &'a [(PartitionDesignator, Stated<FileSystemSet>)],
    /// What kernel words want done about bad blocks, at least.
    pub on_corruption_words: &'a [Stated<OnCorruption>],
    /// Value of `--image-policy=`. Replaces the image policy of files and built-in.
    pub image_policy_option: Option<&'a str>,
    /// Values of `--certificate=`. Replace the certificates of files and built-in.
    pub certificates_option: Option<&'a [PathBuf]>,
}

/// All demands together.
#[derive(Clone, Debug)]
pub struct EffectivePolicy {
    sources: Vec<Stated<ImagePolicy>>,
    image_policy: ImagePolicy,
    filesystems: BTreeMap<PartitionDesignator, Stated<FileSystemSet>>,
    trust: Trust,
    transport: Transport,
    archive: Archive,
    boot: Boot,
    extensions: Vec<(Purpose, Stated<ImagePolicy>)>,
}

impl EffectivePolicy {
    /// Combines everything that was stated.
    ///
    /// # Errors
    /// [`EffectiveError`] naming those whose demands exclude each other.
    pub fn new(statements: Statements<'_>) -> Result<Self, EffectiveError> {
        let files = statements.files;
        let sources = image_policies(statements)?;
        let image_policy = intersection(&sources)?;
        let mut trust = merge::trust(files)?;
        if let Some(certificates) = statements.certificates_option {
            let origin = Origin::ProgramOption(CERTIFICATE_OPTION);
            trust.certificates = Some(Stated { value: certificates.to_vec(), origin });
        }
        let mut policy = Self {
            sources,
            image_policy,
            filesystems: merge::filesystems(files)?,
            trust,
            transport: merge::transport(files)?,
            archive: merge::archive(files),
            boot: merge::boot(files),
            extensions: files.iter().flat_map(|it| it.extensions.clone()).collect(),
        };
        policy.tighten(statements);
        for purpose in Purpose::EXTENSIONS {
            policy.for_purpose(purpose)?;
        }
        policy.with_filesystems()
    }

    /// What is demanded of an image that is to become this: the same trust, transport and reactions,
    /// and the image policy of its class. Neither the machine's own image policy nor kernel words
    /// speak of it, and version floors are those of the root.
    ///
    /// # Errors
    /// [`EffectiveError`] if the policies of that class exclude each other.
    pub fn for_purpose(&self, purpose: Purpose) -> Result<Self, EffectiveError> {
        let mut policy = self.clone();
        if purpose == Purpose::System {
            return Ok(policy);
        }
        let stated = self.extensions.iter().filter(|(it, _)| *it == purpose);
        policy.sources = stated.map(|(_, it)| it.clone()).collect();
        if policy.sources.is_empty() {
            policy.sources.push(parse(BUILT_IN_EXTENSION, Origin::BuiltIn)?);
        }
        policy.image_policy = intersection(&policy.sources)?;
        policy.trust.minimum_versions.clear();
        policy.with_filesystems()
    }

    /// Checks that every designator has a use that some file system admits.
    fn with_filesystems(self) -> Result<Self, EffectiveError> {
        let none = |it: &PartitionDesignator| self.rule(*it).0.uses.is_empty();
        match PartitionDesignator::ALL.into_iter().find(none) {
            Some(designator) => Err(self.no_filesystem(designator)),
            None => Ok(self),
        }
    }

    /// Holds kernel words on top of what the files say.
    fn tighten(&mut self, statements: Statements<'_>) {
        for (designator, word) in statements.filesystem_words {
            let Some(held) = self.mountable(*designator) else { continue };
            let value = held.value.intersection(word.value);
            let origin = if value == held.value { held.origin } else { word.origin.clone() };
            self.filesystems.insert(*designator, Stated { value, origin });
        }
        for word in statements.on_corruption_words {
            if word.value > self.boot.on_corruption.value {
                self.boot.on_corruption = word.clone();
            }
        }
    }

    /// What holds for a partition, and everyone who has a part in it.
    #[must_use]
    pub fn rule(&self, designator: PartitionDesignator) -> (Rule, Vec<Origin>) {
        let mut rule = self.image_policy.rule(designator);
        let allow = ImagePolicy::allow().rule(designator);
        let restricting = |it: &&Stated<ImagePolicy>| !allow.is_within(&it.value.rule(designator));
        let mut origins: Vec<_> =
            self.sources.iter().filter(restricting).map(|it| it.origin.clone()).collect();
        if let Some(list) = self.mountable(designator)
            && rule.uses.may_be_used()
        {
            rule.filesystems = rule.filesystems.intersection(list.value);
            if list.origin != COMPILED_IN {
                origins.push(list.origin);
            }
            if rule.filesystems.is_empty() {
                rule.uses = rule.uses.intersection(UseSet::ignore());
            }
        }
        (rule, origins)
    }

    /// Who refuses a partition that may be used as any of `found`. Where each alone would admit
    /// it, everyone who has a part in the rule.
    #[must_use]
    pub fn refused_by(&self, designator: PartitionDesignator, found: UseSet) -> Vec<Origin> {
        let refusing: Vec<_> = self
            .sources
            .iter()
            .filter(|it| it.value.rule(designator).admitted(found).is_empty())
            .map(|it| it.origin.clone())
            .collect();
        if refusing.is_empty() { self.rule(designator).1 } else { refusing }
    }

    /// The image policies of all, combined. File systems are narrower still: see [`Self::rule`].
    #[must_use]
    pub fn image_policy(&self) -> &ImagePolicy {
        &self.image_policy
    }

    /// Who is trusted, with what.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How images may travel.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What an archive must show before it is unpacked, and what may be in it.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What the machine does when something is wrong.
    #[must_use]
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Checks that a machine could boot under this policy: that root or usr may be used.
    ///
    /// # Errors
    /// [`EffectiveError::NothingToBoot`] naming who has a part in it.
    pub fn bootable(&self) -> Result<(), EffectiveError> {
        let (root, mut origins) = self.rule(PartitionDesignator::Root);
        let (usr, more) = self.rule(PartitionDesignator::Usr);
        let live = |designator, rule: Rule| {
            self.image_policy.reachable(designator).intersection(rule.uses).may_be_used()
        };
        if live(PartitionDesignator::Root, root) || live(PartitionDesignator::Usr, usr) {
            return Ok(());
        }
        origins.extend(more.into_iter().filter(|it| !origins.contains(it)).collect::<Vec<_>>());
        Err(EffectiveError::NothingToBoot { origins })
    }

    /// The list of file systems that holds for a partition: a file's, else the compiled-in one.
    fn mountable(&self, designator: PartitionDesignator) -> Option<Stated<FileSystemSet>> {
        let value = mountable(designator)?;
        let built_in = Stated { value, origin: COMPILED_IN };
        Some(self.filesystems.get(&designator).cloned().unwrap_or(built_in))
    }

    fn no_filesystem(&self, designator: PartitionDesignator) -> EffectiveError {
        let (_, mut origins) = self.rule(designator);
        if !self.filesystems.contains_key(&designator) {
            origins.push(COMPILED_IN);
        }
        EffectiveError::NoFileSystem { designator, origins }
    }
}

/// The list that files can only narrow.
const COMPILED_IN: Origin = Origin::Rule("the compiled-in list of file systems");

fn image_policies(statements: Statements<'_>) -> Result<Vec<Stated<ImagePolicy>>, EffectiveError> {
    let mut sources: Vec<_> = match statements.image_policy_option {
        Some(text) => vec![parse(text, Origin::ProgramOption(IMAGE_POLICY_OPTION))?],
        None => statements.files.iter().filter_map(|it| it.image_policy.clone()).collect(),
    };
    if sources.is_empty() {
        sources.push(parse(BUILT_IN, Origin::BuiltIn)?);
    }
    for word in statements.kernel_words {
        let shown = escape(&format!("systemd.image_policy={word}"));
        sources.push(parse(word, Origin::KernelWord(shown))?);
    }
    Ok(sources)
}

fn parse(text: &str, origin: Origin) -> Result<Stated<ImagePolicy>, EffectiveError> {
    match ImagePolicy::parse(text) {
        Ok(value) => Ok(Stated { value, origin }),
        Err(error) => Err(EffectiveError::ImagePolicy { text: text.to_owned(), origin, error }),
    }
}

/// What holds where no file states an image policy.
const BUILT_IN: &str = "root=signed:=ignore";

/// What holds for extensions where no file states one for their class.
const BUILT_IN_EXTENSION: &str = "root=signed+absent:usr=signed+absent:=ignore";

/// All policies together; if they exclude each other, the first two that do so alone are named,
/// else all.
fn intersection(sources: &[Stated<ImagePolicy>]) -> Result<ImagePolicy, EffectiveError> {
    let mut together = ImagePolicy::allow();
    for (index, source) in sources.iter().enumerate() {
        together = together.intersect(&source.value).map_err(|empty| {
            let earlier = || sources.iter().take(index);
            let alone = earlier().find(|it| it.value.intersect(&source.value).is_err());
            let involved: Vec<_> = match alone {
                Some(one) => vec![one, source],
                None => earlier().chain([source]).collect(),
            };
            let origins = involved.into_iter().map(|it| it.origin.clone()).collect();
            EffectiveError::Exclusive { origins, what: empty.to_string() }
        })?;
    }
    Ok(together)
}
