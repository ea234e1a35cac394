// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policies: the machine's own words, which a typing mistake must never make looser.
//!
//! **In:** texts of policies, filters and policy files. **Out:** a verdict. **Refuses:** (panics)
//! a policy that printing changes, and an intersection that grants what one side refuses.

use std::path::Path;

use veriroot::designator::PartitionDesignator;
use veriroot::image_filter::ImageFilter;
use veriroot::image_policy::ImagePolicy;
use veriroot::image_policy::lint::lint;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements};

use crate::{Target, Verdict, text};

const POLICY_WORDS: &[&str] = &[
    "root=",
    "usr=",
    "home=",
    "esp=",
    "root-verity=",
    "root-verity-sig=",
    "usr-verity-sig=",
    "swap=",
    "signed",
    "verity",
    "encrypted",
    "encryptedwithintegrity",
    "unprotected",
    "unused",
    "absent",
    "read-only-on",
    "read-only-off",
    "growfs-on",
    "growfs-off",
    "erofs",
    "squashfs",
    "ext4",
    "open",
    "ignore",
    "+",
    ":",
    "=",
    "-",
    "*",
    "~",
];

/// Two image policies, one behind the other, a newline between them.
pub(super) const IMAGE_POLICY: Target = Target {
    name: "image_policy",
    invariant: "parse, print, parse gives the same policy in the long form and one of the same meaning \
                in the short one; the intersection is within \
                each side, in both orders the same; the union holds both; and what systemd would \
                read of the same text is never stricter",
    check: check_policy,
    seeds: || {
        [
            "root=verity+signed+encrypted+unprotected+absent:=unused+absent\nroot=signed",
            "root=signed:=ignore\nroot=signed+verity:usr=absent:=absent",
            "root=erofs+squashfs+signed+read-only-on:=absent\n*",
            "usr=signed+growfs-off:root-verity-sig=unused:=ignore\n-",
            "=absent\n=unused+absent",
            "root=grbl\n*",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: POLICY_WORDS,
    smoke: 4000,
};

fn check_policy(input: &[u8]) -> Verdict {
    let text = text(input);
    let (one, other) = text.split_once('\n').unwrap_or((&text, "*"));
    let _lints = lint(one);
    let one = ImagePolicy::parse(one);
    let (Ok(a), Ok(b)) = (&one, ImagePolicy::parse(other)) else { return (&one).into() };
    for printed in [a.long(), a.short()] {
        let again = ImagePolicy::parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e}"));
        assert!(again.is_equivalent(a), "{text:?} is printed as {printed}");
        assert_eq!(again.short(), a.short());
    }
    // The short form leaves out clauses that say what the default says; the long form none.
    assert_eq!(ImagePolicy::parse(&a.long()).map(|it| it.long()).ok(), Some(a.long()));
    for designator in PartitionDesignator::ALL {
        assert!(!a.rule(designator).uses.is_empty(), "{text:?} leaves {designator} unsaid");
    }
    assert!(a.is_within(a) && a.is_within(&a.union(&b)) && b.is_within(&a.union(&b)), "{text:?}");
    let (both, swapped) = (a.intersect(&b), b.intersect(a));
    assert_eq!(both.is_ok(), swapped.is_ok(), "{text:?}");
    if let (Ok(both), Ok(swapped)) = (both, swapped) {
        assert!(both.is_within(a) && both.is_within(&b), "{text:?}: {}", both.long());
        assert!(both.is_equivalent(&swapped), "{text:?}");
        assert!(!a.is_within(&b) || both.is_equivalent(a), "{text:?}: {}", both.long());
    }
    Verdict::Accepted
}

/// A filter and a label.
pub(super) const IMAGE_FILTER: Target = Target {
    name: "image_filter",
    invariant: "an accepted filter admits exactly the labels that a backtracking reading of its \
                globs admits, and every label of a designator it does not name",
    check: check_filter,
    seeds: || {
        [
            "root=my-os_*:usr=my-os_*\nmy-os_1.2",
            "root=[a-c]?x*\nbzx1",
            "root=[!a-c]*:home=*\nx",
            "usr=?*?\nab",
            "root=[\nx",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &["root=", "usr=", "home=", "*", "?", "[", "]", "!", "-", "[a-z]", "[!", ":", "=", "**"],
    smoke: 4000,
};

fn check_filter(input: &[u8]) -> Verdict {
    let text = text(input);
    let (filter, label) = text.split_once('\n').unwrap_or((&text, "root-x86-64"));
    let label: String = label.chars().take(36).collect();
    let parsed = ImageFilter::parse(filter);
    if let Ok(parsed) = &parsed {
        for designator in PartitionDesignator::ALL {
            let glob = filter.split(':').find_map(|clause| {
                let (name, glob) = clause.split_once('=')?;
                (name == designator.name()).then(|| glob.chars().collect::<Vec<_>>())
            });
            // Without a bound, backtracking over many stars would not come to an end.
            let stars = glob.as_ref().map_or(0, |it| it.iter().filter(|c| **c == '*').count());
            if stars > 6 {
                continue;
            }
            let label: Vec<char> = label.chars().collect();
            let expected = glob.is_none_or(|glob| second_reading(&glob, &label));
            let found = parsed.admits(designator, &label.iter().collect::<String>());
            assert_eq!(found, expected, "{text:?}");
        }
    }
    (&parsed).into()
}

/// fnmatch(3), by trying everything.
fn second_reading(glob: &[char], label: &[char]) -> bool {
    match (glob.first(), label.first()) {
        (None, _) => label.is_empty(),
        (Some('*'), _) => (0..=label.len()).any(|it| second_reading(&glob[1..], &label[it..])),
        (Some(_), None) => false,
        (Some('?'), Some(_)) => second_reading(&glob[1..], &label[1..]),
        (Some('['), Some(c)) => {
            let negated = glob.get(1) == Some(&'!') || glob.get(1) == Some(&'^');
            let start = 1 + usize::from(negated);
            // A bracket that comes first is a member, not the end.
            let end = start + 1 + glob[start + 1..].iter().position(|it| *it == ']').unwrap();
            let (mut inside, mut at) = (false, start);
            while at < end {
                if at + 2 < end && glob[at + 1] == '-' {
                    inside |= (glob[at]..=glob[at + 2]).contains(c);
                    at += 3;
                } else {
                    inside |= glob[at] == *c;
                    at += 1;
                }
            }
            inside != negated && second_reading(&glob[end + 1..], &label[1..])
        }
        (Some(literal), Some(c)) => literal == c && second_reading(&glob[1..], &label[1..]),
    }
}

/// The text of a policy file, beside a second one.
pub(super) const POLICY_FILE: Target = Target {
    name: "policy_file",
    invariant: "what two files and the command line demand together is within the image policy of \
                each, in whatever order they come, and no error message has a control character",
    check: check_file,
    seeds: || {
        let whole = "image-policy = \"root=signed:=ignore\"\n\
            [trust]\ncertificates = [\"/etc/verity.d\"]\ncommand-line = \"untrusted\"\n\
            minimum-version = \"1.2\"\n\
            [transport]\nmirrors = [\"https://a.example/\"]\nsize-max = \"1G\"\n\
            [boot]\non-corruption = \"panic\"\non-refusal = \"reboot\"\nhold = \"10s\"\n";
        [
            "image-policy = \"root=signed+verity:=ignore\"\n",
            "image-policy = \"root=signed:usr=absent:=absent\"\n[filesystems]\nroot = [\"erofs\"]\n",
            "[trust]\nrevoked = [\"root-hash:1f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875\"]\n",
            whole,
            "image-policy = \"root=sgned\"\n",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "image-policy = ",
        "\"root=signed\"",
        "[trust]\n",
        "[transport]\n",
        "[boot]\n",
        "[filesystems]\n",
        "certificates",
        "revoked",
        "kernel-keyring",
        "minimum-version",
        "[[signer]]\n",
        "\"\"\"",
        "'",
        "=",
        "[",
        "]",
        "{",
        "}",
        "true",
        "1979-05-27",
        "inf",
        "\\u0000",
        "#",
    ],
    smoke: 3000,
};

fn check_file(input: &[u8]) -> Verdict {
    let text = text(input);
    let parsed = PolicyFile::parse(Path::new("/etc/veriroot/a.toml"), &text);
    let file = match parsed {
        Ok(file) => file,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
            return Verdict::Refused;
        }
    };
    let second = "image-policy = \"root=signed+verity:usr=signed+absent:=unused+absent\"\n";
    let second = PolicyFile::parse(Path::new("/etc/veriroot/b.toml"), second).unwrap();
    let word = "root=signed+verity+encrypted:=ignore";
    let together = |files: &[PolicyFile]| {
        EffectivePolicy::new(Statements { files, kernel_words: &[word], ..Statements::default() })
    };
    let one = together(&[file.clone(), second.clone()]);
    let other = together(&[second.clone(), file.clone()]);
    assert_eq!(one.is_ok(), other.is_ok(), "{text:?}");
    let (Ok(one), Ok(other)) = (one, other) else { return Verdict::Refused };
    let policy = one.image_policy();
    assert!(policy.is_equivalent(other.image_policy()), "{text:?}");
    let word = ImagePolicy::parse(word).unwrap();
    let stated = [file.image_policy(), second.image_policy()].into_iter().flatten();
    for side in stated.map(|it| &it.value).chain([&word]) {
        assert!(policy.is_within(side), "{text:?}: {}", policy.long());
    }
    Verdict::Accepted
}
