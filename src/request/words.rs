// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Words that say something about security.
//!
//! **In:** all words of the command line. **Out:** nothing. **Refuses:** security words that this
//! version does not honour.

use super::RequestError;
use crate::cmdline::Word;

/// Beginnings of keys that say something about security, or about what is mounted over the root,
/// and that this version does not honour. Ignoring one would boot something weaker than what was
/// asked for; and what systemd would mount by it, nobody vouches for.
const UNSUPPORTED: [&str; 10] = [
    "mount.",
    "rd.systemd.mount-",
    "rd.systemd.swap-",
    "rd.systemd.verity",
    "rootflags",
    "rootfstype",
    "systemd.mount-",
    "systemd.swap-",
    "systemd.verity",
    "systemd.volatile",
];

/// Refuses the first word that would go unheeded.
pub(super) fn understood(words: &[Word]) -> Result<(), RequestError> {
    match words.iter().find(|word| is_unsupported(word)) {
        Some(word) => Err(RequestError::Unsupported { word: word.shown() }),
        None => Ok(()),
    }
}

fn is_unsupported(word: &Word) -> bool {
    UNSUPPORTED.iter().any(|beginning| word.key.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;

    #[test]
    fn security_words_it_cannot_honour_end_the_boot() {
        for word in [
            "systemd.verity=0",
            "rd.systemd.verity=0",
            "systemd.verity_root_options=ignore-corruption",
            "systemd.mount-extra=h:/x:/usr:nfs",
            "rd.systemd.mount-extra=h:/x:/usr:nfs",
            "systemd.swap-extra=/dev/sda1",
            "systemd.volatile=overlay",
            "mount.usr=/dev/sda1",
            "mount.usrflags=rw",
            "rootflags=rw",
            "rootfstype=ext4",
        ] {
            let refused = understood(&words(word).unwrap());
            assert!(matches!(refused, Err(RequestError::Unsupported { .. })), "{word}");
        }
    }
}
