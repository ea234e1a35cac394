// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The keys of a policy file, as TOML has them.
//!
//! **In:** TOML text. **Out:** its values with their places. **Refuses:** keys off the list.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::values::{ArchiveAuthentication, CommandLine, KernelKeyring, OnCorruption, OnRefusal};

type Text = Option<Spanned<String>>;
type Texts = Option<Spanned<Vec<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawFile {
    pub(super) image_policy: Text,
    #[serde(default)]
    pub(super) filesystems: BTreeMap<String, Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) trust: RawTrust,
    #[serde(default)]
    pub(super) transport: RawTransport,
    #[serde(default)]
    pub(super) archive: RawArchive,
    #[serde(default)]
    pub(super) boot: RawBoot,
    #[serde(default)]
    pub(super) extensions: RawExtensions,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawTrust {
    pub(super) certificates: Texts,
    pub(super) kernel_keyring: Option<Spanned<KernelKeyring>>,
    pub(super) command_line: Option<Spanned<CommandLine>>,
    pub(super) revoked: Texts,
    pub(super) minimum_version: Text,
    pub(super) signer: Vec<Spanned<RawSigner>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSigner {
    pub(super) certificate: String,
    pub(super) designators: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawCredential {
    pub(super) origin: String,
    pub(super) bearer: Option<String>,
    pub(super) client_certificate: Option<String>,
    pub(super) client_key: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawTransport {
    pub(super) mirrors: Texts,
    pub(super) plain_http: Option<Spanned<bool>>,
    pub(super) tls_roots: Text,
    pub(super) proxy: Text,
    pub(super) budget: Text,
    pub(super) credential: Vec<Spanned<RawCredential>>,
    pub(super) size_max: Text,
    pub(super) memory_reserve: Text,
    pub(super) openpgp_keyring: Texts,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawArchive {
    pub(super) authentication: Option<Spanned<ArchiveAuthentication>>,
    pub(super) devices: Option<Spanned<bool>>,
    pub(super) set_id: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawBoot {
    pub(super) on_corruption: Option<Spanned<OnCorruption>>,
    pub(super) on_refusal: Option<Spanned<OnRefusal>>,
    pub(super) hold: Text,
    pub(super) deadline: Text,
    pub(super) overlay: Option<Spanned<bool>>,
    pub(super) required: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawExtensions {
    pub(super) image_policy: Text,
    pub(super) sysext: Text,
    pub(super) confext: Text,
    pub(super) portable: Text,
    pub(super) machine: Text,
}
