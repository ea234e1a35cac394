// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Words that say something about security, each heeded or refused by name.
//!
//! **In:** all words of the command line. **Out:** [`Heeded`]: what they demand beside what other
//! files of this module read. **Refuses:** words that would make a boot weaker, words that nothing
//! here does what they say, and words that are all but one of ours: a policy that is misspelt must
//! not turn into no policy.

use super::Side;
use super::error::Help;
use super::pull::parse_boolean;
use super::verity_options;
use crate::cmdline::Word;
use crate::escape::escape;
use crate::finding::{Excerpt, Origin};
use crate::policy_file::{OnCorruption, Stated};

/// Why a word ends the boot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum WordError {
    #[error("\"{}\" is all but \"{meant}\"", escape(excerpt.culprit()))]
    Misspelt { meant: &'static str, excerpt: Excerpt },
    #[error("\"{}\": {reason}", escape(excerpt.culprit()))]
    Refused { reason: &'static str, excerpt: Excerpt },
}

impl WordError {
    /// The word as a whole, for this reason.
    pub(super) fn refused(word: &Word, reason: &'static str) -> Self {
        let text = word.plain();
        let span = 0..text.len();
        Self::Refused { reason, excerpt: Excerpt { text, span } }
    }

    pub(super) fn excerpt(&self) -> &Excerpt {
        let (Self::Misspelt { excerpt, .. } | Self::Refused { excerpt, .. }) = self;
        excerpt
    }

    pub(super) fn help(&self) -> Help {
        match self {
            Self::Misspelt { .. } => (
                "request-word",
                "security words as they are spelled",
                "correct the word, or take it off",
            ),
            Self::Refused { .. } => (
                "request-word",
                "words that are heeded, and weaken nothing",
                "take it off: leaving it unheeded would not be safe",
            ),
        }
    }
}

/// What the words demand.
#[derive(Debug, Default)]
pub(super) struct Heeded {
    /// What to do about a bad block, at least.
    pub(super) on_corruption: Vec<Stated<OnCorruption>>,
    /// The word that asks for a root that can be written to and forgets.
    pub(super) overlay: Option<String>,
}

/// The keys that are heeded, here or elsewhere in this module; those of systemd with `rd.` too.
const HEEDED: [&str; 19] = [
    "mount.usr",
    "mount.usrflags",
    "mount.usrfstype",
    "rd.systemd.image-filter",
    "rd.systemd.image-policy",
    "rd.systemd.pull",
    "rd.systemd.verity",
    "rd.systemd.verity-root-options",
    "rd.systemd.verity-usr-options",
    "rootflags",
    "rootfstype",
    "roothash",
    "systemd.allow-userspace-verity",
    "systemd.image-filter",
    "systemd.image-policy",
    "systemd.pull",
    "systemd.volatile",
    "usrhash",
    "systemd.verity",
];

/// Reads all words.
pub(super) fn heed(words: &[Word], side: Side) -> Result<Heeded, WordError> {
    let mut heeded = Heeded::default();
    for word in words {
        one(word, side, &mut heeded)?;
    }
    Ok(heeded)
}

fn one(word: &Word, side: Side, heeded: &mut Heeded) -> Result<(), WordError> {
    let (for_initrd, bare) = match word.key.strip_prefix("rd.") {
        Some(bare) => (true, bare),
        None => (false, word.key.as_str()),
    };
    let refused = |reason| Err(WordError::refused(word, reason));
    match bare {
        "systemd.verity" => match boolean(word) {
            Some(true) => Ok(()),
            Some(false) => refused("nothing is exposed without dm-verity because a word says so"),
            None => refused("neither yes nor no"),
        },
        "systemd.allow-userspace-verity" => match boolean(word) {
            Some(true) => Ok(()),
            Some(false) => refused(
                "signatures are judged here; trust.kernel-keyring = \"require\" in a policy file \
                 has the kernel judge them too",
            ),
            None => refused("neither yes nor no"),
        },
        "systemd.verity-root-options" | "systemd.verity-usr-options" => {
            if let Some(value) = verity_options::read(word)? {
                let origin = Origin::KernelWord(word.shown());
                heeded.on_corruption.push(Stated { value, origin });
            }
            Ok(())
        }
        "systemd.volatile" => match word.value.as_deref() {
            Some("overlay") => {
                heeded.overlay = Some(word.shown());
                Ok(())
            }
            Some("no" | "0" | "false" | "off") => Ok(()),
            _ => refused("of the volatile modes there are no and overlay"),
        },
        "systemd.pull.success-action" | "systemd.pull.failure-action"
            if for_initrd == (side == Side::Initrd) =>
        {
            refused("boot.on-refusal in a policy file says what a boot ends in")
        }
        _ => other(word, bare),
    }
}

fn other(word: &Word, bare: &str) -> Result<(), WordError> {
    let key = word.key.as_str();
    if HEEDED.contains(&key) {
        return Ok(());
    }
    let refused = |reason| Err(WordError::refused(word, reason));
    if bare.starts_with("systemd.verity") {
        return refused(
            "data and hash tree are those of the signed root hash, wherever they stand",
        );
    }
    if bare.starts_with("systemd.mount-") || bare.starts_with("systemd.swap-") {
        return refused("nobody vouches for what it would mount");
    }
    if key.starts_with("mount.") || bare.starts_with("veriroot") {
        return refused("there is no such word");
    }
    match HEEDED.into_iter().find(|known| is_near(key, known)) {
        Some(meant) => {
            let text = word.plain();
            Err(WordError::Misspelt { meant, excerpt: Excerpt { span: 0..key.len(), text } })
        }
        None => Ok(()),
    }
}

/// A switch; alone it is on.
fn boolean(word: &Word) -> Option<bool> {
    match &word.value {
        None => Some(true),
        Some(value) => parse_boolean(value),
    }
}

/// Whether two keys differ by one slip of a finger, or by two where they are long.
fn is_near(key: &str, known: &str) -> bool {
    let allowed = if known.len() < 12 { 1 } else { 2 };
    // A host's word is no slip for the initrd's.
    key.len().abs_diff(known.len()) <= allowed
        && distance(&key.to_ascii_lowercase(), known) <= allowed
}

/// Letters inserted, left out, replaced, or changed with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.bytes().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let replaced = at(&row, j).saturating_add(usize::from(x != *y));
            let left_out = at(&row, j.saturating_add(1)).saturating_add(1);
            let inserted = at(&next, j).saturating_add(1);
            let swapped = match j.checked_sub(1).and_then(|it| b.get(it)) {
                Some(z) if *z == x && previous == Some(*y) => {
                    at(&before, j.saturating_sub(1)).saturating_add(1)
                }
                _ => usize::MAX,
            };
            next.push(replaced.min(left_out).min(inserted).min(swapped));
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(x);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;

    fn heeded(text: &str) -> Result<Heeded, WordError> {
        heed(&words(text).unwrap(), Side::Initrd)
    }

    #[test]
    fn security_words_it_cannot_honour_end_the_boot() {
        for word in [
            "systemd.verity=0",
            "rd.systemd.verity=no",
            "systemd.verity=maybe",
            "systemd.verity-root-data=/dev/sda1",
            "systemd.verity-usr-hash=/dev/sda1",
            "systemd.allow-userspace-verity=no",
            "systemd.mount-extra=h:/x:/usr:nfs",
            "rd.systemd.mount-extra=h:/x:/usr:nfs",
            "systemd.swap-extra=/dev/sda1",
            "systemd.volatile=yes",
            "systemd.volatile=state",
            "systemd.volatile",
            "mount.usroptions=rw",
            "rd.systemd.pull.success-action=reboot",
            "rd.systemd.pull.failure-action=none",
            "veriroot.verify=no",
            "rd.veriroot=no",
        ] {
            let refused = heeded(word);
            let Err(WordError::Refused { excerpt, .. }) = refused else {
                panic!("{word}: {refused:?}")
            };
            assert_eq!(excerpt.culprit(), word);
        }
    }

    #[test]
    fn words_that_weaken_nothing_are_heeded() {
        for word in [
            "systemd.verity=yes",
            "rd.systemd.verity",
            "systemd.allow-userspace-verity=1",
            "systemd.volatile=no",
            "systemd.pull=raw",
            "systemd.pull.failure-action=reboot",
        ] {
            assert!(heeded(word).unwrap().on_corruption.is_empty(), "{word}");
        }
        assert!(heeded("systemd.volatile=overlay").unwrap().overlay.is_some());
        let heeded = heeded("rd.systemd.verity_root_options=panic-on-corruption").unwrap();
        assert_eq!(heeded.on_corruption.first().map(|it| it.value), Some(OnCorruption::Panic));
    }

    #[test]
    fn misspelt_security_words_are_found_and_underlined() {
        for (word, meant) in [
            ("rd.systemd.pul=x", "rd.systemd.pull"),
            ("rd.sytsemd.pull=x", "rd.systemd.pull"),
            ("rdsystemd.pull=x", "rd.systemd.pull"),
            ("Systemd.Image_Policy=x", "systemd.image-policy"),
            ("systemd.imagepolicy=x", "systemd.image-policy"),
            ("systemd.image_polcy=x", "systemd.image-policy"),
            ("rd.systemd.image_filtr=x", "rd.systemd.image-filter"),
            ("roothsh=x", "roothash"),
            ("root-hash=x", "roothash"),
            ("usrhsah=x", "usrhash"),
            ("rootflag=x", "rootflags"),
            ("systemd.verty", "systemd.verity"),
        ] {
            let Err(WordError::Misspelt { meant: found, excerpt }) = heeded(word) else {
                panic!("{word}")
            };
            assert_eq!(found, meant, "{word}");
            assert_eq!(excerpt.culprit(), word.split('=').next().unwrap().replace('_', "-"));
        }
    }

    /// Words that people use, none of which is a slip.
    #[test]
    fn other_words_are_nobodys_business() {
        let usual = "BOOT_IMAGE=/vmlinuz quiet debug ro rw root=x rootwait rootdelay=3 single rescue \
            emergency init=/bin/sh ip=dhcp rd.neednet=1 rd.shell rd.break rd.udev.log_level=3 \
            systemd.unit=a rd.systemd.unit=b systemd.mask=a systemd.wants=b systemd.log_level=info \
            systemd.log_target=kmsg systemd.show_status=1 rd.systemd.show_status systemd.setenv=A=b \
            systemd.machine_id=0 systemd.set_credential=a:b systemd.import_credentials=no \
            systemd.firstboot=no systemd.first_boot=0 systemd.hostname=h systemd.clock_usec=1 \
            systemd.random_seed=x systemd.restore_state=0 systemd.factory_reset=0 \
            systemd.gpt_auto=0 rd.systemd.gpt_auto=0 systemd.getty_auto=0 systemd.debug_shell \
            systemd.dump_core systemd.crash_shell systemd.confirm_spawn systemd.default_timeout \
            rd.luks=0 luks.uuid=x veritytab=0 rd.veritytab=0 fstab=0 rd.fstab=0 net.ifnames=0 \
            selinux=0 lockdown=integrity dm_verity.require_signatures=1 dm-mod.create=x \
            console=ttyS0 panic=1 loglevel=3 rootfs=x module.sig_enforce=1 udev.log_level=3";
        heeded(usual).unwrap();
    }
}
