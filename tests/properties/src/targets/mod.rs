// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! One module per property.
//!
//! **In:** bytes. **Out:** a verdict. **Refuses:** (panics) a broken property.

mod anchors;
mod boot_origin;
mod cms;
mod command_line;
mod decode;
mod filesystem;
pub(crate) mod gpt;
mod image;
mod network;
mod policies;
mod signature_json;
pub(crate) mod tar;
mod urls;
pub(crate) mod verity;
mod words;

use crate::Target;

/// Every property.
pub const ALL: &[Target] = &[
    command_line::COMMAND_LINE,
    command_line::PULL,
    urls::URL,
    boot_origin::EFI_VARIABLE,
    boot_origin::URL_JOIN,
    network::HTTP_HEAD,
    network::CHILD_LINK,
    decode::DECODE,
    tar::TAR,
    gpt::GPT,
    policies::IMAGE_POLICY,
    policies::IMAGE_FILTER,
    policies::POLICY_FILE,
    filesystem::FILESYSTEM,
    verity::SUPERBLOCK,
    verity::TREE,
    signature_json::SIGNATURE_JSON,
    cms::CMS,
    anchors::ANCHORS,
    words::OS_RELEASE,
    words::REVOCATION,
    words::VERSION,
    words::ESCAPE,
    image::IMAGE,
];
