// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The vocabulary of decisions: stage, class, outcome, and who asked for it.
//!
//! **In:** typed facts from the stages. **Out:** [`Finding`]s, which every rendering (console,
//! JSON, SARIF, audit record) is made from. **Refuses:** nothing.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Where on the path a decision fell, in the order of the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Command line, policy files, trust anchors: what the machine was told.
    Request,
    /// The byte source: URL, network, length.
    Source,
    /// Partition table, signature partition, verity superblock.
    Dissect,
    /// Image policy against the layout.
    Policy,
    /// Signatures and pins.
    Authenticate,
    /// Hash tree and data blocks.
    Fetch,
    /// Which file system.
    Identify,
    /// Loop devices and device-mapper.
    Verity,
    /// Entries of an archive.
    Unpack,
    /// Links and mounts.
    Expose,
    /// The boot as a whole.
    Boot,
}

impl Stage {
    /// Lower-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Source => "source",
            Self::Dissect => "dissect",
            Self::Policy => "policy",
            Self::Authenticate => "authenticate",
            Self::Fetch => "fetch",
            Self::Identify => "identify",
            Self::Verity => "verity",
            Self::Unpack => "unpack",
            Self::Expose => "expose",
            Self::Boot => "boot",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What kind of refusal: stable, lower case in JSON, one exit code each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The machine's own configuration: words, policy files, trust anchors.
    Config,
    /// A URL that will not be used.
    Url,
    /// The network or the server.
    Net,
    /// Transport security.
    Tls,
    /// A size, count or depth over its ceiling.
    Limit,
    /// Decompression.
    Decomp,
    /// Partition table.
    Gpt,
    /// Signature partition or CMS structure.
    Sigfmt,
    /// Archive structure.
    Tar,
    /// Root, hash tree and signature that do not belong together.
    Pair,
    /// File system.
    Fs,
    /// Image policy.
    Policy,
    /// A version below the floor.
    Rollback,
    /// Superblock, tree or data against the root hash.
    Verity,
    /// No trusted key signed it.
    Sig,
    /// A trusted key signed it, and was revoked.
    Revoked,
    /// Kernel devices and mounts.
    Dev,
    /// The cache.
    Cache,
}

impl Class {
    /// Lower-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Url => "url",
            Self::Net => "net",
            Self::Tls => "tls",
            Self::Limit => "limit",
            Self::Decomp => "decomp",
            Self::Gpt => "gpt",
            Self::Sigfmt => "sigfmt",
            Self::Tar => "tar",
            Self::Pair => "pair",
            Self::Fs => "fs",
            Self::Policy => "policy",
            Self::Rollback => "rollback",
            Self::Verity => "verity",
            Self::Sig => "sig",
            Self::Revoked => "revoked",
            Self::Dev => "dev",
            Self::Cache => "cache",
        }
    }

    /// Exit code of a command that ends with this class.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Config | Self::Url => 2,
            Self::Net | Self::Tls => 10,
            Self::Limit | Self::Decomp | Self::Gpt | Self::Sigfmt | Self::Tar => 20,
            Self::Pair | Self::Fs | Self::Policy | Self::Rollback => 21,
            Self::Verity | Self::Sig | Self::Revoked => 22,
            Self::Dev | Self::Cache => 30,
        }
    }

    /// The verdict in words, as the console says it.
    #[must_use]
    pub fn verdict(self) -> &'static str {
        match self.exit_code() {
            2 => "wrong configuration",
            10 => "unavailable",
            20 => "malformed image",
            21 => "refused by policy",
            22 => "not authentic",
            _ => "system error",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who demands something: the answer to "by which line of which file".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A rule of the program that no configuration changes, with its specification.
    Rule(&'static str),
    /// The policy that holds where no policy file exists.
    BuiltIn,
    /// A line of a policy file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// A word of the kernel command line, escaped.
    KernelWord(String),
    /// A line of a credential.
    Credential {
        /// Its name.
        name: &'static str,
        /// Line, counted from 1.
        line: usize,
    },
    /// An option of the program, such as `--image-policy=`.
    ProgramOption(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => f.write_str(rule),
            Self::BuiltIn => f.write_str("the built-in policy"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::KernelWord(word) => write!(f, "kernel command line: {word}"),
            Self::Credential { name, line } => write!(f, "credential {name}, line {line}"),
            Self::ProgramOption(option) => write!(f, "option {option}"),
        }
    }
}

/// What became of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The demand is met.
    Passed,
    /// The demand is not met; the image is refused.
    Failed,
    /// Something worth knowing that no demand hangs on.
    Noted,
}

impl Outcome {
    /// Lower-case name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Noted => "noted",
        }
    }
}

/// One decision, with everything a person needs to act on it. Texts are already escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable identifier, `stage-what` in kebab case.
    pub id: &'static str,
    /// Where it fell.
    pub stage: Stage,
    /// How it fell.
    pub outcome: Outcome,
    /// What it is about: a partition, a file, a word.
    pub subject: String,
    /// What was demanded.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// Who demanded it.
    pub required_by: Origin,
    /// What to do about it; empty unless it failed.
    pub advice: String,
}

/// Text somebody wrote, and the part of it that is to blame. It is not escaped: whoever prints it
/// does that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The text, without secrets.
    pub text: String,
    /// The culprit, bytes.
    pub span: Range<usize>,
}

impl Excerpt {
    /// The part that is to blame.
    #[must_use]
    pub fn culprit(&self) -> &str {
        self.text.get(self.span.clone()).unwrap_or_default()
    }
}

/// A stage's error: one cause that someone can act on.
pub trait Refusal: std::error::Error {
    /// The kind of refusal, which decides the exit code.
    fn class(&self) -> Class;

    /// The same facts as a finding; its outcome is [`Outcome::Failed`].
    fn finding(&self) -> Finding;

    /// The words to blame, where single ones are.
    fn excerpt(&self) -> Option<Excerpt> {
        None
    }
}
