// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `systemd.verity_root_options=` and its kin (veritytab(5)).
//!
//! **In:** a list of options. **Out:** what is to be done about a bad block, at least: it only
//! tightens what policy files say. **Refuses:** options that leave blocks unchecked, options that
//! would choose what the signed root hash has to be checked by, and options that it does not know.

use super::words::WordError;
use crate::cmdline::Word;
use crate::finding::Excerpt;
use crate::policy_file::OnCorruption;

/// What comes of one option.
enum Ruling {
    Demand(OnCorruption),
    Fine,
    Refused(&'static str),
}

/// Reads the options of one word.
pub(super) fn read(word: &Word) -> Result<Option<OnCorruption>, WordError> {
    let mut demanded = None;
    for (option, span) in options(word) {
        match ruling(&option) {
            Ruling::Demand(mode) => demanded = demanded.max(Some(mode)),
            Ruling::Fine => (),
            Ruling::Refused(reason) => {
                let excerpt = Excerpt { text: word.plain(), span };
                return Err(WordError::Refused { reason, excerpt });
            }
        }
    }
    Ok(demanded)
}

/// The options of a word with a comma between them, each with its place in the plain word.
pub(super) fn options(word: &Word) -> Vec<(String, std::ops::Range<usize>)> {
    let mut at = word.key.len().saturating_add(1);
    let mut options = Vec::new();
    for option in word.value.as_deref().unwrap_or_default().split(',') {
        let end = at.saturating_add(option.len());
        options.push((option.to_owned(), at..end));
        at = end.saturating_add(1);
    }
    options
}

fn ruling(option: &str) -> Ruling {
    let (key, value) = match option.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (option, None),
    };
    match (key, value) {
        ("restart-on-corruption", None) => Ruling::Demand(OnCorruption::Restart),
        ("panic-on-corruption", None) => Ruling::Demand(OnCorruption::Panic),
        ("_netdev" | "x-initrd.attach", None) => Ruling::Fine,
        ("superblock", Some("yes" | "1" | "true" | "on")) => Ruling::Fine,
        ("format", Some("1")) | ("root-hash-signature", Some("auto")) => Ruling::Fine,
        ("superblock", _) => Ruling::Refused("the superblock says what the tree is checked as"),
        ("format", _) => Ruling::Refused("hash trees are of format 1"),
        ("root-hash-signature", _) => {
            Ruling::Refused("signatures are those of the image, judged here")
        }
        ("ignore-corruption", _) => Ruling::Refused("bad blocks would be handed on"),
        ("ignore-zero-blocks", _) => Ruling::Refused("blocks of zeros would go unchecked"),
        ("check-at-most-once", _) => {
            Ruling::Refused("blocks that are read again would go unchecked")
        }
        ("nofail" | "noauto", _) => Ruling::Refused("a boot without its root is refused"),
        ("tpm2-measure-nvpcr", _) => Ruling::Refused("nothing is measured here"),
        (
            "data-block-size" | "hash-block-size" | "data-blocks" | "hash-offset" | "salt" | "uuid"
            | "hash",
            _,
        ) => Ruling::Refused("the superblock says so, and the root hash holds it to that"),
        ("fec-device" | "fec-offset" | "fec-roots", _) => {
            Ruling::Refused("there is no error correction here")
        }
        _ => Ruling::Refused("no option of veritytab(5) that is heeded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;

    fn read_options(options: &str) -> Result<Option<OnCorruption>, WordError> {
        read(words(&format!("systemd.verity-root-options={options}")).unwrap().first().unwrap())
    }

    #[test]
    fn options_can_only_tighten() {
        let cases = [
            ("superblock=yes", None),
            ("_netdev,x-initrd.attach,format=1,root-hash-signature=auto", None),
            ("restart-on-corruption", Some(OnCorruption::Restart)),
            ("panic-on-corruption,restart-on-corruption", Some(OnCorruption::Panic)),
        ];
        for (options, demanded) in cases {
            assert_eq!(read_options(options), Ok(demanded), "{options}");
        }
    }

    #[test]
    fn what_would_leave_blocks_unchecked_is_underlined() {
        for option in [
            "ignore-corruption",
            "ignore-zero-blocks",
            "check-at-most-once",
            "superblock=no",
            "format=0",
            "salt=00",
            "hash-offset=4096",
            "fec-device=/dev/sda1",
            "root-hash-signature=/evil.p7s",
            "tpm2-measure-nvpcr=yes",
            "nofail",
            "panic-on-corruptoin",
            "panic-on-corruption=no",
            "",
        ] {
            let error = read_options(&format!("superblock=yes,{option}")).unwrap_err();
            assert_eq!(error.excerpt().culprit(), option);
        }
    }
}
