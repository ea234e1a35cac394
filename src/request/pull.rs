// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The expression of `rd.systemd.pull=` (systemd-import-generator(8), systemd 262).
//!
//! **In:** `OPTIONS:NAME:REMOTE`, written by whoever controls the command line.
//! **Out:** a [`Pull`]. **Refuses:** everything systemd warns about and goes on without: unknown,
//! misspelt, repeated or contradicting options, names that are no file names.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::escape::escape;

/// What is downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A disk image.
    Raw,
    /// A tarball.
    Tar,
}

/// What it is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageClass {
    /// A machine: the root of this one, or a container.
    Machine,
    /// A portable service.
    Portable,
    /// A system extension.
    Sysext,
    /// A configuration extension.
    Confext,
}

/// Checks of the transport. They say nothing about what the image itself has to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportCheck {
    /// SHA256SUMS with a detached OpenPGP signature.
    Signature,
    /// SHA256SUMS.
    Checksum,
    /// None.
    No,
    /// The SHA-256 of the whole file, as `systemd-pull --verify=` takes it: a pin of its own.
    Sha256([u8; 32]),
}

/// What `remote` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A URL.
    Url,
    /// A name beside what the firmware loaded.
    BootOrigin,
}

/// One transfer as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Disk image or tarball.
    pub format: Format,
    /// What becomes of it.
    pub class: ImageClass,
    /// Checks of the transport.
    pub check: TransportCheck,
    /// Whether a block device was asked for.
    pub blockdev: bool,
    /// What `remote` is.
    pub base: Remote,
    /// The name without suffix: given, or derived from the URL.
    pub name: String,
    /// Everything behind the second colon.
    pub remote: String,
}

/// Why an expression is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum PullError {
    #[error("\"{option}\" contradicts \"{earlier}\"")]
    Contradiction { earlier: String, option: String },
    #[error("a backslash stands at the end")]
    Escape,
    #[error("\"{name}\" can't be the name of an image")]
    Name { name: String },
    #[error("neither raw nor tar is given")]
    NoFormat,
    #[error("none of machine, portable, sysext and confext is given")]
    NoClass,
    #[error("it is not of the form OPTIONS:NAME:URL")]
    Shape,
    #[error("unknown option \"{option}\"")]
    UnknownOption { option: String },
}

/// The group of an option, of which each may be given once.
fn group(option: &str) -> Option<&'static str> {
    match option {
        "raw" | "tar" => Some("format"),
        "machine" | "portable" | "sysext" | "confext" => Some("class"),
        "verify=signature" | "verify=checksum" | "verify=no" => Some("verify"),
        "ro" | "rw" => Some("writable"),
        "blockdev" => Some("blockdev"),
        "bootorigin" => Some("bootorigin"),
        _ if parse_sha256(option).is_some() => Some("verify"),
        _ => option.strip_prefix("runtime=").and_then(parse_boolean).map(|_value| "runtime"),
    }
}

/// `verify=` with 64 hex digits.
fn parse_sha256(option: &str) -> Option<[u8; 32]> {
    let hex = option.strip_prefix("verify=")?;
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// The options by group.
fn read_options(text: &str) -> Result<BTreeMap<&'static str, &str>, PullError> {
    let mut options = BTreeMap::new();
    for option in text.split(',') {
        let unknown = || PullError::UnknownOption { option: escape(option) };
        let group = group(option).ok_or_else(unknown)?;
        if let Some(earlier) = options.insert(group, option) {
            return Err(PullError::Contradiction {
                earlier: escape(earlier),
                option: escape(option),
            });
        }
    }
    Ok(options)
}

/// A boolean as systemd spells them.
fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

impl Pull {
    /// Reads one expression.
    ///
    /// # Errors
    /// A [`PullError`]. Where systemd warns and keeps a default, this is an error: the boot that
    /// was asked for is not the one that would happen.
    pub fn parse(text: &str) -> Result<Self, PullError> {
        let (options, rest) = field(text)?;
        let (name, remote) = field(rest)?;
        if remote.is_empty() {
            return Err(PullError::Shape);
        }
        let options = read_options(&options)?;
        let given = |group| options.get(group).copied();
        let format = match given("format") {
            Some("raw") => Format::Raw,
            Some(_tar) => Format::Tar,
            None => return Err(PullError::NoFormat),
        };
        let class = match given("class") {
            Some("machine") => ImageClass::Machine,
            Some("portable") => ImageClass::Portable,
            Some("sysext") => ImageClass::Sysext,
            Some(_confext) => ImageClass::Confext,
            None => return Err(PullError::NoClass),
        };
        let check = match given("verify") {
            Some("verify=no") => TransportCheck::No,
            Some("verify=checksum") => TransportCheck::Checksum,
            given => given
                .and_then(parse_sha256)
                .map_or(TransportCheck::Signature, TransportCheck::Sha256),
        };
        if format == Format::Tar && given("blockdev").is_some() {
            return Err(PullError::Contradiction {
                earlier: "tar".to_owned(),
                option: "blockdev".to_owned(),
            });
        }
        let name = if name.is_empty() { derive_name(remote, format) } else { name };
        if !is_image_name(&name) {
            return Err(PullError::Name { name: escape(&name) });
        }
        Ok(Self {
            format,
            class,
            check,
            blockdev: given("blockdev").is_some(),
            base: if given("bootorigin").is_some() { Remote::BootOrigin } else { Remote::Url },
            name,
            remote: remote.to_owned(),
        })
    }
}

/// Everything up to the next colon, escapes resolved, and what stands behind it.
fn field(text: &str) -> Result<(String, &str), PullError> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => return Ok((out, chars.as_str())),
            '\\' => out.push(chars.next().ok_or(PullError::Escape)?),
            _ => out.push(c),
        }
    }
    Err(PullError::Shape)
}

/// The last component of a URL's path, less the suffixes systemd takes off.
fn derive_name(remote: &str, format: Format) -> String {
    let path = remote.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let (suffixes, again): (&[&str], bool) = match format {
        Format::Raw => (
            &[
                ".xz",
                ".gz",
                ".bz2",
                ".zst",
                ".sysext.raw",
                ".confext.raw",
                ".raw",
                ".qcow2",
                ".img",
                ".bin",
            ],
            true,
        ),
        Format::Tar => (&[".tar", ".tar.xz", ".tar.gz", ".tar.bz2", ".tar.zst", ".tgz"], false),
    };
    let mut name = last;
    while let Some(shorter) = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        name = shorter;
        if !again {
            break;
        }
    }
    name.to_owned()
}

/// Whether `name` can be a file name for an image (systemd: `image_name_is_valid`).
fn is_image_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.contains('/')
        && !name.chars().any(char::is_control)
        && name != "."
        && name != ".."
        && !name.starts_with(".#")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCED: &str = "raw,machine,verify=no,blockdev:image:http://h/image.raw";

    #[test]
    fn reads_the_announced_expression() {
        let pull = Pull::parse(ANNOUNCED).unwrap();
        assert_eq!(pull.format, Format::Raw);
        assert_eq!(pull.class, ImageClass::Machine);
        assert_eq!(pull.check, TransportCheck::No);
        assert!(pull.blockdev);
        assert_eq!(pull.base, Remote::Url);
        assert_eq!((pull.name.as_str(), pull.remote.as_str()), ("image", "http://h/image.raw"));
    }

    #[test]
    fn transport_checks_default_to_the_strictest() {
        let pull = Pull::parse("raw,machine:image:http://h/i").unwrap();
        assert_eq!(pull.check, TransportCheck::Signature);
    }

    #[test]
    fn a_checksum_is_a_transport_check() {
        let text = format!("raw,machine,verify={}:image:http://h/i", "aB".repeat(32));
        assert_eq!(Pull::parse(&text).unwrap().check, TransportCheck::Sha256([0xab; 32]));
    }

    #[test]
    fn names_come_from_the_url_where_none_is_given() {
        let cases = [
            ("raw,machine::http://h/d/rootdisk.raw.xz", "rootdisk"),
            ("raw,machine::http://h/a.sysext.raw?x=/y", "a"),
            ("tar,machine::http://h/a.tar.gz", "a"),
            ("tar,machine::http://h/a.tgz", "a"),
            ("raw,machine:a\\:b:http://h/", "a:b"),
        ];
        for (text, name) in cases {
            assert_eq!(Pull::parse(text).unwrap().name, name, "{text}");
        }
    }

    #[test]
    fn refuses_what_systemd_guesses() {
        let unknown = |option: &str| PullError::UnknownOption { option: option.to_owned() };
        let short = format!("verify={}", "ab".repeat(31));
        let against = |earlier: &str, option: &str| PullError::Contradiction {
            earlier: earlier.to_owned(),
            option: option.to_owned(),
        };
        let cases = [
            ("raw,machine,verfy=no:i:http://h/i", unknown("verfy=no")),
            ("raw,machine,verify=signatur:i:http://h/i", unknown("verify=signatur")),
            (&format!("raw,machine,{short}:i:http://h/i"), unknown(&short)),
            ("raw,machine,Verify=no:i:http://h/i", unknown("Verify=no")),
            ("raw,machine,:i:http://h/i", unknown("")),
            ("raw,machine,runtime=maybe:i:http://h/i", unknown("runtime=maybe")),
            ("oci,machine:i:http://h/i", unknown("oci")),
            ("ro,raw,machine,rw:i:http://h/i", against("ro", "rw")),
            ("raw,raw,machine:i:http://h/i", against("raw", "raw")),
            ("raw,machine,verify=no,verify=no:i:u", against("verify=no", "verify=no")),
            ("tar,machine,blockdev:i:http://h/i", against("tar", "blockdev")),
            ("machine:i:http://h/i", PullError::NoFormat),
            ("raw:i:http://h/i", PullError::NoClass),
            ("raw,machine:i", PullError::Shape),
            ("raw,machine:i:", PullError::Shape),
            ("", PullError::Shape),
            ("raw,machine\\", PullError::Escape),
            ("raw,machine:a/b:http://h/i", PullError::Name { name: "a/b".to_owned() }),
            ("raw,machine:..:http://h/i", PullError::Name { name: "..".to_owned() }),
            ("raw,machine::http://h/.raw", PullError::Name { name: String::new() }),
        ];
        for (text, error) in cases {
            assert_eq!(Pull::parse(text), Err(error), "{text}");
        }
        assert!(Pull::parse(ANNOUNCED).is_ok());
    }
}
