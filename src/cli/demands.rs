// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is demanded of an image, as options of every command that judges one.
//!
//! **In:** options. **Out:** a [`Machine`]: policy, trust anchors and pins, read once.
//! **Refuses:** demands it can't read.

use std::path::{Path, PathBuf};

use clap::Args;
use veriroot::authenticate::Trust;
use veriroot::authenticate::anchors::TrustAnchors;
use veriroot::designator::Architecture;
use veriroot::error::Error;
use veriroot::escape::escape;
use veriroot::image_filter::ImageFilter;
use veriroot::loader::{Demands, trust_anchors};
use veriroot::policy::Expectation;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};
use veriroot::purpose::Purpose;
use veriroot::request::pull::TransportCheck;
use veriroot::request::{Pin, RequestError};
use veriroot::url::{SourceUrl, without_secrets};

use super::pins::PinArguments;

/// Where trust anchors are looked for outside a boot, strongest first (systemd's list).
pub(super) const VERITY_D: [&str; 4] =
    ["/etc/verity.d", "/run/verity.d", "/usr/local/lib/verity.d", "/usr/lib/verity.d"];

#[derive(Debug, Args)]
pub(super) struct DemandArguments {
    /// Image policy to demand (systemd.image-policy(7)).
    #[arg(long, value_name = "POLICY")]
    image_policy: Option<String>,
    /// Candidate partitions, such as root=fixture_2*.
    #[arg(long, value_name = "FILTER", value_parser = ImageFilter::parse)]
    image_filter: Option<ImageFilter>,
    /// Trusted certificate or directory; repeatable.
    #[arg(long, value_name = "FILE|DIR")]
    certificate: Vec<PathBuf>,
    /// Policy file to demand; repeatable, all hold.
    #[arg(long, value_name = "FILE")]
    policy_file: Vec<PathBuf>,
    // What a command line says of policy, filter and pins is said of the system's image: a boot
    // judges no other image by it, and a pin must not stand for an extension's signature here.
    /// Judge it as machine, portable, sysext or confext.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    #[arg(conflicts_with_all = ["image_policy", "image_filter", "root_hash", "usr_hash"])]
    pub(super) class: Option<Purpose>,
    #[command(flatten)]
    pins: PinArguments,
    /// Machine the image is for, such as arm64.
    #[arg(long, value_name = "NAME", value_parser = architecture)]
    architecture: Option<Architecture>,
    /// Base URL to try after a URL's own; repeatable.
    #[arg(long, value_name = "URL")]
    pub(super) mirror: Vec<String>,
}

impl DemandArguments {
    /// The policy that these state.
    fn policy(&self) -> Result<EffectivePolicy, Error> {
        let files = self.policy_file.iter().map(|it| PolicyFile::load(it));
        let files: Vec<PolicyFile> = files.collect::<Result<_, _>>()?;
        let certificates = (!self.certificate.is_empty()).then_some(self.certificate.as_slice());
        Ok(EffectivePolicy::new(Statements {
            files: &files,
            image_policy_option: self.image_policy.as_deref(),
            certificates_option: certificates,
            ..Statements::default()
        })?
        .for_purpose(self.purpose())?)
    }

    /// What the image is to become.
    pub(super) fn purpose(&self) -> Purpose {
        self.class.unwrap_or(Purpose::System)
    }

    /// The machine that images are for: this one, if none is named.
    fn machine(&self) -> Result<Architecture, RequestError> {
        self.architecture.or_else(Architecture::native).ok_or(RequestError::Architecture)
    }
}

pub(super) fn architecture(name: &str) -> Result<Architecture, String> {
    Architecture::from_name(name).ok_or_else(|| format!("unknown architecture {}", escape(name)))
}

fn class(name: &str) -> Result<Purpose, String> {
    let found = Purpose::EXTENSIONS.into_iter().find(|it| it.name() == name);
    found.ok_or_else(|| "none of machine, portable, sysext and confext".to_owned())
}

/// What `--verify=` says.
pub(super) fn transport_check(word: &str) -> Result<TransportCheck, String> {
    TransportCheck::from_word(word)
        .ok_or_else(|| "none of signature, checksum, no and 64 hex digits".to_owned())
}

/// The URL that an image was named by; `None` for a path.
pub(super) fn url(image: &Path) -> Result<Option<SourceUrl>, RequestError> {
    let Some(text) = image.to_str().filter(|it| it.contains("://")) else { return Ok(None) };
    let url = SourceUrl::parse_or_file(text);
    url.map(Some).map_err(|error| RequestError::Url { url: escape(&without_secrets(text)), error })
}

/// What is demanded of every image, read once.
pub(super) struct Machine {
    architecture: Architecture,
    purpose: Purpose,
    pub(super) policy: EffectivePolicy,
    pub(super) pins: Vec<Pin>,
    anchors: Option<TrustAnchors>,
    image_filter: ImageFilter,
}

impl Machine {
    pub(super) fn new(arguments: &DemandArguments) -> Result<Self, Error> {
        let mut machine = Self::without_anchors(arguments)?;
        let built_in = VERITY_D.map(PathBuf::from);
        machine.anchors = trust_anchors(&machine.policy, &machine.pins, &built_in)?;
        Ok(machine)
    }

    /// One that trusts nobody, for what is no image.
    pub(super) fn without_anchors(arguments: &DemandArguments) -> Result<Self, Error> {
        Ok(Self {
            architecture: arguments.machine()?,
            purpose: arguments.purpose(),
            policy: arguments.policy()?,
            pins: arguments.pins.all(),
            anchors: None,
            image_filter: arguments.image_filter.clone().unwrap_or_default(),
        })
    }

    pub(super) fn demands(&self) -> Demands<'_> {
        let trust = Trust::of_policy(self.policy.trust(), self.anchors.as_ref(), &self.pins);
        Demands {
            architecture: self.architecture,
            policy: &self.policy,
            trust: trust.for_purpose(self.purpose),
            expectation: Expectation {
                image_filter: self.image_filter.clone(),
                ..Expectation::default()
            },
        }
    }
}
