// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every single-character mistake in policies that people use.
//!
//! A mistake is refused or changes nothing. It never makes a policy looser.

use veriroot::image_policy::ImagePolicy;

/// From systemd's manual and tests, image builders, operating systems and our own profiles.
const REAL: [&str; 20] = [
    "root=signed",
    "root=verity+signed",
    "root=signed:=ignore",
    "root=signed:=absent",
    "usr=signed:=ignore",
    "root=verity:=ignore",
    "root=unprotected:usr=signed:=ignore",
    "root=signed:esp=unprotected:=ignore",
    "root=signed+absent:usr=signed+absent:=ignore",
    "root=verity+signed+absent:usr=verity+signed+absent:=ignore",
    "root=signed+erofs:=ignore",
    "root=signed+read-only-on:=ignore",
    "esp=unprotected+vfat:root=signed+squashfs:=absent",
    "root=encrypted+unprotected:swap=encrypted:=absent",
    "root=verity+read-only-on:swap=absent",
    "root=verity:root-verity-sig=unused+absent",
    "usr=verity+signed+encrypted+unprotected+absent:home=encrypted+absent",
    "root=signed:usr=signed:home=encryptedwithintegrity:var=encrypted+growfs-on:=ignore",
    "root=unprotected+growfs-on:usr=signed:srv=absent:tmp=absent:=ignore",
    "usr=signed:root=encrypted:swap=unused+absent:xbootldr=unprotected+absent:=absent",
];

/// Printable ASCII, and what might be pasted by accident.
fn alphabet() -> impl Iterator<Item = char> + Clone {
    (' '..='~').chain(['\t', '\n', '\0', '\u{a0}', '\u{455}', '\u{ff1a}'])
}

/// Every text that is one deletion, substitution, insertion or exchange of neighbours away.
fn typos(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let made = |head: &[char], middle: &[char], tail: &[char]| -> String {
        head.iter().chain(middle).chain(tail).collect()
    };
    let mut typos = Vec::new();
    for at in 0..=characters.len() {
        let (head, tail) = characters.split_at(at);
        typos.extend(alphabet().map(|c| made(head, &[c], tail)));
        if let [first, rest @ ..] = tail {
            typos.push(made(head, &[], rest));
            typos.extend(alphabet().map(|c| made(head, &[c], rest)));
            if let [second, rest @ ..] = rest {
                typos.push(made(head, &[*second, *first], rest));
            }
        }
    }
    typos
}

#[test]
fn no_single_mistake_makes_a_policy_looser() {
    let (mut tried, mut same) = (0_u32, 0_u32);
    let mut others = Vec::new();
    for text in REAL {
        let meant = ImagePolicy::parse(text).unwrap();
        for typo in typos(text) {
            tried += 1;
            let Ok(policy) = ImagePolicy::parse(&typo) else { continue };
            if !policy.is_within(&meant) {
                others.push(format!("looser: {text} -> {typo}"));
            } else if meant.is_within(&policy) {
                same += 1;
            } else {
                others.push(format!("stricter: {text} -> {typo}"));
            }
        }
    }
    // Only blanks and exchanged equal neighbours leave a policy, and then the same one.
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert!(tried > 150_000 && same > 1_000, "{tried} tried, {same} the same");
}
