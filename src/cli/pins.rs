// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `--root-hash=` and `--usr-hash=`: root hashes to demand, spelled as systemd-dissect(1) has it.
//!
//! **In:** hex. **Out:** pins, as the kernel command line gives them to a boot.
//! **Refuses:** what is not a whole digest: a shortened one pins nothing.

use clap::Args;
use veriroot::designator::PartitionDesignator;
use veriroot::digest::RootHashClaim;
use veriroot::finding::Origin;
use veriroot::request::Pin;

#[derive(Debug, Args)]
pub(super) struct PinArguments {
    // It replaces a signature only where a policy file says command-line = "authenticated", as
    // roothash= does in a boot.
    /// Root hash that root must have besides.
    #[arg(long, value_name = "HEX", value_parser = root_hash)]
    root_hash: Option<RootHashClaim>,
    /// Root hash that usr must have besides.
    #[arg(long, value_name = "HEX", value_parser = root_hash)]
    usr_hash: Option<RootHashClaim>,
}

impl PinArguments {
    pub(super) fn all(&self) -> Vec<Pin> {
        let given = [
            (PartitionDesignator::Root, &self.root_hash, "--root-hash="),
            (PartitionDesignator::Usr, &self.usr_hash, "--usr-hash="),
        ];
        let pin = |(designator, hash, option): (_, &Option<RootHashClaim>, &'static str)| {
            let root_hash = hash.clone()?;
            let word = format!("{option}{root_hash}");
            Some(Pin { designator, root_hash, word, origin: Origin::ProgramOption(option) })
        };
        given.into_iter().filter_map(pin).collect()
    }
}

fn root_hash(hex: &str) -> Result<RootHashClaim, String> {
    RootHashClaim::from_hex(hex).ok_or_else(|| "not a whole root hash in hex".to_owned())
}
