// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The kernel command line, and the request it makes.
//!
//! **In:** text that the boot loader, and so maybe the network, wrote. **Out:** a verdict.
//! **Refuses:** (panics) words that another reading of the same text would not give, and a request
//! that repeats itself in two ways.

use veriroot::cmdline::words;
use veriroot::request::pull::Pull;
use veriroot::request::{Request, Side, Told};

use crate::{Target, Verdict, text};

/// `/proc/cmdline` to words to a request.
pub(super) const COMMAND_LINE: Target = Target {
    name: "command_line",
    invariant: "the words are those of an independent reading (lib/cmdline.c), nothing behind -- \
                is among them, and a request pins and polices exactly what the words say",
    check: check_command_line,
    seeds: command_line_seeds,
    words: &[
        "rd.systemd.pull=",
        "raw,machine,",
        "verify=no",
        "verify=signature",
        "verify=checksum",
        "bootorigin",
        "root=dissect",
        "root=/dev/disk/by-loop-ref/x.raw-part2",
        "roothash=",
        "usrhash=",
        "systemd.image_policy=",
        "rd.systemd.image_policy=root=signed",
        "systemd.image_filter=root=*",
        "rootflags=",
        "http://boot.example/x.raw",
        " -- ",
        "\"",
    ],
    smoke: 4000,
};

const PULLED: &str = "rd.systemd.pull=raw,machine,verify=no:x:http://boot.example/x.raw";

fn command_line_seeds() -> Vec<Vec<u8>> {
    let hash = "1f62482e4aa83fd7a6a8b886b51554ec32b428bc3317c111433948d58e4f5875";
    [
        format!("quiet {PULLED} root=/dev/disk/by-loop-ref/x.raw-part2 ro\n"),
        format!("{PULLED} root=dissect roothash={hash} systemd.image_policy=root=signed"),
        format!("{PULLED} rd.systemd.image_policy=root=verity systemd.image_filter=root=a*"),
        format!("a=\"b c\" \"{PULLED}\" -- single"),
        format!("{PULLED} usrhash={hash}{hash} -- roothash={hash}"),
        format!("{PULLED} rootflags=ro {PULLED}"),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn check_command_line(input: &[u8]) -> Verdict {
    let text = text(input);
    let Ok(found) = words(&text) else { return Verdict::Refused };
    assert!(text.trim_end_matches('\n').bytes().all(|it| it == b'\t' || (32..127).contains(&it)));
    let expected = second_reading(text.strip_suffix('\n').unwrap_or(&text));
    let pairs: Vec<_> = found.iter().map(|it| (it.key.clone(), it.value.clone())).collect();
    assert_eq!(pairs, expected, "{text:?}");
    let boot_url = &Ok("http://boot.example/d/uki.efi".to_owned());
    let told = Told { side: Side::Initrd, words: &found, credential: None, boot_url };
    let request = Request::read(&told);
    if let Ok(request) = &request {
        let values = |key: &str| {
            let mut all: Vec<_> =
                expected.iter().filter(|it| it.0 == key).map(|it| it.1.clone()).collect();
            all.dedup();
            all
        };
        for (key, name) in [("roothash", "root"), ("usrhash", "usr")] {
            let pins: Vec<_> =
                request.pins().iter().filter(|it| it.designator.name() == name).collect();
            let hex = pins.first().map(|it| it.root_hash.to_string());
            let said = values(key);
            assert!(pins.len() <= 1 && said.len() <= 1, "{text:?}");
            let said = said.into_iter().next().flatten().map(|it| it.to_ascii_lowercase());
            assert_eq!(hex, said, "{text:?}");
        }
        let policies: Vec<_> = expected
            .iter()
            .filter(|it| ["systemd.image-policy", "rd.systemd.image-policy"].contains(&&*it.0))
            .map(|it| it.1.clone().unwrap_or_default())
            .collect();
        assert_eq!(request.image_policies(), policies, "{text:?}");
        let asked = expected.iter().filter(|it| it.0.ends_with("systemd.pull")).count();
        assert!(request.transfers().len() <= asked, "{text:?}");
    }
    (&request).into()
}

/// Character by character, as the kernel does it: a quote is a state, a blank outside it ends a
/// word, the first `=` splits.
fn second_reading(text: &str) -> Vec<(String, Option<String>)> {
    let (mut words, mut quoted) = (Vec::new(), false);
    let (mut raw, mut word) = (String::new(), String::new());
    for c in text.chars().chain([' ']) {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                if raw == "--" {
                    return words;
                }
                if !raw.is_empty() {
                    let (key, value) = match word.find('=') {
                        Some(at) => (word[..at].to_owned(), Some(word[at + 1..].to_owned())),
                        None => (word.clone(), None),
                    };
                    words.push((key.replace('_', "-"), value));
                }
                (raw, word) = (String::new(), String::new());
                continue;
            }
            _ => word.push(c),
        }
        raw.push(c);
    }
    words
}

/// `rd.systemd.pull=`.
pub(super) const PULL: Target = Target {
    name: "pull",
    invariant: "an accepted expression names each option once and from the list, its name is one \
                safe path component, and the rest of the text is the remote, byte for byte",
    check: check_pull,
    seeds: || {
        [
            "raw,machine,verify=no:x:http://boot.example/x.raw",
            "raw,verify=no::https://boot.example/dir/image.raw.xz?token=a:b",
            "tar,sysext,verify=signature,ro:name:http://[::1]:8080/a.tar.gz",
            "raw,bootorigin,blockdev:a\\:b:x.raw",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "raw,",
        "tar,",
        "machine",
        "portable",
        "sysext",
        "confext",
        "verify=",
        "no",
        "signature",
        "checksum",
        "ro",
        "rw",
        "blockdev",
        "bootorigin",
        "runtime=",
        "yes",
        ":",
        "::",
        "\\",
        ".raw",
        ".xz",
        "../",
    ],
    smoke: 4000,
};

fn check_pull(input: &[u8]) -> Verdict {
    let text = text(input);
    let pulled = Pull::parse(&text);
    if let Ok(pull) = &pulled {
        assert!(text.ends_with(&format!(":{}", pull.remote)), "{text:?}");
        let name = &pull.name;
        assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..", "{name:?}");
        assert!(!name.contains('/') && !name.chars().any(char::is_control), "{name:?}");
        let options: Vec<&str> = text.split(':').next().unwrap().split(',').collect();
        let mut keys: Vec<_> = options.iter().map(|it| it.split('=').next().unwrap()).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|it| it[0] != it[1]), "{text:?}: an option twice");
    }
    (&pulled).into()
}
