// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The table of a dm-verity device.
//!
//! **In:** typed values that were authenticated or computed. **Out:** the parameters of its one
//! target. **Refuses:** nothing.

use data_encoding::HEXLOWER;

use crate::fetch::VerityContent;
use crate::policy_file::OnCorruption;
use crate::sys::loopdev::LoopDevice;

/// Parameters of the one target, every word made from a typed value.
pub(super) struct Table<'a> {
    pub(super) data: &'a LoopDevice,
    pub(super) hash: &'a LoopDevice,
    pub(super) content: &'a VerityContent,
    pub(super) on_corruption: OnCorruption,
    pub(super) key: Option<&'a str>,
}

impl std::fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = &self.content.shape;
        let salt = match shape.salt() {
            [] => "-".to_owned(),
            salt => HEXLOWER.encode(salt),
        };
        write!(
            f,
            "1 {} {} {} {} {} {} {} {} {salt}",
            self.data.major_minor(),
            self.hash.major_minor(),
            shape.data_block_size(),
            shape.hash_block_size(),
            shape.data_blocks(),
            shape.first_hash_block(),
            shape.algorithm(),
            self.content.root_hash,
        )?;
        f.write_str(&optional(self.on_corruption, self.key))
    }
}

/// The optional arguments after their count, in the order in which the kernel repeats them; empty
/// where there are none. None of them makes dm-verity laxer than it is without.
fn optional(on_corruption: OnCorruption, key: Option<&str>) -> String {
    let on_corruption = match on_corruption {
        OnCorruption::Eio => None,
        OnCorruption::Restart => Some("restart_on_corruption"),
        OnCorruption::Panic => Some("panic_on_corruption"),
    };
    let key = key.map(|description| ["root_hash_sig_key_desc", description]);
    let words: Vec<&str> = on_corruption.into_iter().chain(key.into_iter().flatten()).collect();
    if words.is_empty() {
        return String::new();
    }
    format!(" {} {}", words.len(), words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_arguments_are_counted_by_the_word() {
        let key = Some("veriroot:root");
        for (mode, key, text) in [
            (OnCorruption::Eio, None, ""),
            (OnCorruption::Restart, None, " 1 restart_on_corruption"),
            (OnCorruption::Panic, None, " 1 panic_on_corruption"),
            (OnCorruption::Eio, key, " 2 root_hash_sig_key_desc veriroot:root"),
            (
                OnCorruption::Restart,
                key,
                " 3 restart_on_corruption root_hash_sig_key_desc veriroot:root",
            ),
        ] {
            assert_eq!(optional(mode, key), text);
        }
    }
}
