// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The expression of `rd.systemd.pull=` (systemd-import-generator(8), systemd 262).
//!
//! **In:** `OPTIONS:NAME:REMOTE`, written by whoever controls the command line.
//! **Out:** a [`Pull`]. **Refuses:** everything systemd warns about and goes on without: unknown,
//! misspelt, repeated or contradicting options, names that are no file names.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::escape::escape;
use crate::finding::Excerpt;

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

impl ImageClass {
    /// The word of the expression.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Portable => "portable",
            Self::Sysext => "sysext",
            Self::Confext => "confext",
        }
    }

    /// The directory below `/run` and `/var/lib` where systemd looks for images of this class.
    #[must_use]
    pub fn directory(self) -> &'static str {
        match self {
            Self::Machine => "machines",
            Self::Portable => "portables",
            Self::Sysext => "extensions",
            Self::Confext => "confexts",
        }
    }
}

impl fmt::Display for ImageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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

impl TransportCheck {
    /// Reads what stands behind `verify=`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "signature" => Some(Self::Signature),
            "checksum" => Some(Self::Checksum),
            "no" => Some(Self::No),
            hex => {
                let sha256 = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
                Some(Self::Sha256(sha256.try_into().ok()?))
            }
        }
    }
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
    /// `ro` or `rw`, where one was given.
    pub writable: Option<bool>,
    /// Whether a block device was asked for.
    pub blockdev: bool,
    /// Below `/run` (`true`) or `/var/lib`, where it was said.
    pub runtime: Option<bool>,
    /// What `remote` is.
    pub base: Remote,
    /// The name without suffix: given, or derived from the URL.
    pub name: String,
    /// Everything behind the second colon.
    pub remote: String,
    /// Where `remote` begins, bytes from the start of the expression.
    pub remote_at: usize,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum PullFault {
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
    #[error("oci images prove nothing of themselves")]
    Oci,
    #[error("it is not of the form OPTIONS:NAME:URL")]
    Shape,
    #[error("unknown option \"{option}\"")]
    UnknownOption { option: String },
}

/// Why an expression is rejected, and which part of it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct PullError {
    /// What is wrong.
    pub fault: PullFault,
    /// The part of the expression, bytes.
    pub span: Range<usize>,
}

impl PullError {
    /// The expression, and the part of it that is to blame.
    #[must_use]
    pub fn excerpt(&self, expression: &str) -> Excerpt {
        Excerpt { text: expression.to_owned(), span: self.span.clone() }
    }
}

/// The group of an option, of which each may be given once.
fn group(option: &str) -> Option<&'static str> {
    match option {
        "raw" | "tar" => Some("format"),
        "machine" | "portable" | "sysext" | "confext" => Some("class"),
        "ro" | "rw" => Some("writable"),
        "blockdev" => Some("blockdev"),
        "bootorigin" => Some("bootorigin"),
        _ if transport_check(option).is_some() => Some("verify"),
        _ => option.strip_prefix("runtime=").and_then(parse_boolean).map(|_value| "runtime"),
    }
}

fn transport_check(option: &str) -> Option<TransportCheck> {
    option.strip_prefix("verify=").and_then(TransportCheck::from_word)
}

/// The options by group, each with its place in the expression.
type Options<'a> = BTreeMap<&'static str, (&'a str, Range<usize>)>;

fn read_options(field: &Field) -> Result<Options<'_>, PullError> {
    let mut options = BTreeMap::new();
    let mut at = 0_usize;
    for option in field.text.split(',') {
        let end = at.saturating_add(option.len());
        let span = field.span(at..end);
        at = end.saturating_add(1);
        let Some(group) = group(option) else {
            let fault = match option {
                "oci" => PullFault::Oci,
                _ => PullFault::UnknownOption { option: escape(option) },
            };
            return Err(PullError { fault, span });
        };
        if let Some((earlier, _)) = options.insert(group, (option, span.clone())) {
            let (earlier, option) = (escape(earlier), escape(option));
            return Err(PullError { fault: PullFault::Contradiction { earlier, option }, span });
        }
    }
    Ok(options)
}

/// A boolean as systemd spells them.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
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
        let (option_field, rest_at) = field(text, 0)?;
        let (name_field, remote_at) = field(text, rest_at)?;
        let remote = text.get(remote_at..).unwrap_or_default();
        if remote.is_empty() {
            return Err(PullError { fault: PullFault::Shape, span: text.len()..text.len() });
        }
        let options = read_options(&option_field)?;
        let given = |group| options.get(group).map(|(option, _)| *option);
        let lacks =
            |fault| PullError { fault, span: option_field.span(0..option_field.text.len()) };
        let format = match given("format") {
            Some("raw") => Format::Raw,
            Some(_tar) => Format::Tar,
            None => return Err(lacks(PullFault::NoFormat)),
        };
        let class = match given("class") {
            Some("machine") => ImageClass::Machine,
            Some("portable") => ImageClass::Portable,
            Some("sysext") => ImageClass::Sysext,
            Some(_confext) => ImageClass::Confext,
            None => return Err(lacks(PullFault::NoClass)),
        };
        let check = given("verify").and_then(transport_check).unwrap_or(TransportCheck::Signature);
        if let (Format::Tar, Some((option, span))) = (format, options.get("blockdev")) {
            let (earlier, option) = ("tar".to_owned(), (*option).to_owned());
            let fault = PullFault::Contradiction { earlier, option };
            return Err(PullError { fault, span: span.clone() });
        }
        let (name, name_span) = if name_field.text.is_empty() {
            (derive_name(remote, format), remote_at..text.len())
        } else {
            (name_field.text.clone(), name_field.span(0..name_field.text.len()))
        };
        if !is_image_name(&name) {
            return Err(PullError {
                fault: PullFault::Name { name: escape(&name) },
                span: name_span,
            });
        }
        Ok(Self {
            format,
            class,
            check,
            writable: given("writable").map(|it| it == "rw"),
            blockdev: given("blockdev").is_some(),
            runtime: given("runtime")
                .and_then(|it| it.strip_prefix("runtime="))
                .and_then(parse_boolean),
            base: if given("bootorigin").is_some() { Remote::BootOrigin } else { Remote::Url },
            name,
            remote: remote.to_owned(),
            remote_at,
        })
    }
}

/// A part of the expression, escapes resolved, each byte with the place it came from.
struct Field {
    text: String,
    from: Vec<usize>,
    end: usize,
}

impl Field {
    /// Where a part of the text stands in the expression.
    fn span(&self, part: Range<usize>) -> Range<usize> {
        let at = |index: usize| self.from.get(index).copied().unwrap_or(self.end);
        let end = match part.end.checked_sub(1).filter(|last| *last >= part.start) {
            Some(last) => at(last).saturating_add(1),
            None => at(part.start),
        };
        at(part.start)..end
    }
}

/// Everything from `start` up to the next colon, and where what stands behind it begins.
fn field(text: &str, start: usize) -> Result<(Field, usize), PullError> {
    let mut out = Field { text: String::new(), from: Vec::new(), end: start };
    let rest = text.get(start..).unwrap_or_default();
    let mut chars = rest.char_indices().map(|(at, c)| (start.saturating_add(at), c));
    while let Some((at, c)) = chars.next() {
        let (at, c) = match c {
            ':' => {
                out.end = at;
                return Ok((out, at.saturating_add(1)));
            }
            '\\' => {
                chars.next().ok_or(PullError { fault: PullFault::Escape, span: at..text.len() })?
            }
            _ => (at, c),
        };
        out.text.push(c);
        out.from.extend((0..c.len_utf8()).map(|offset| at.saturating_add(offset)));
    }
    Err(PullError { fault: PullFault::Shape, span: text.len()..text.len() })
}

/// The last component of a URL's path, less the suffixes systemd takes off.
fn derive_name(remote: &str, format: Format) -> String {
    let path = remote.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match format {
        Format::Raw => stem(last).to_owned(),
        Format::Tar => {
            let suffixes = [".tar", ".tar.xz", ".tar.gz", ".tar.bz2", ".tar.zst", ".tgz"];
            let name = suffixes.iter().find_map(|suffix| last.strip_suffix(suffix));
            name.unwrap_or(last).to_owned()
        }
    }
}

/// The name of an image file, less the suffixes systemd takes off.
#[must_use]
pub fn stem(name: &str) -> &str {
    const SUFFIXES: [&str; 10] = [
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
    ];
    let mut name = name;
    while let Some(shorter) = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        name = shorter;
    }
    name
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
        let unknown = |option: &str| PullFault::UnknownOption { option: option.to_owned() };
        let short = format!("verify={}", "ab".repeat(31));
        let against = |earlier: &str, option: &str| PullFault::Contradiction {
            earlier: earlier.to_owned(),
            option: option.to_owned(),
        };
        let name = |name: &str| PullFault::Name { name: name.to_owned() };
        let cases = [
            ("raw,machine,verfy=no:i:http://h/i", unknown("verfy=no"), "verfy=no"),
            ("raw,machine,verify=signatur:i:u", unknown("verify=signatur"), "verify=signatur"),
            (&format!("raw,machine,{short}:i:http://h/i"), unknown(&short), &short),
            ("raw,machine,Verify=no:i:http://h/i", unknown("Verify=no"), "Verify=no"),
            ("raw,machine,:i:http://h/i", unknown(""), ""),
            ("raw,machine,runtime=maybe:i:u", unknown("runtime=maybe"), "runtime=maybe"),
            ("raw,machine,verify\\=nein:i:u", unknown("verify=nein"), "verify\\=nein"),
            ("oci,machine:i:http://h/i", PullFault::Oci, "oci"),
            ("ro,raw,machine,rw:i:http://h/i", against("ro", "rw"), "rw"),
            ("raw,raw,machine:i:http://h/i", against("raw", "raw"), "raw"),
            ("raw,machine,sysext:i:http://h/i", against("machine", "sysext"), "sysext"),
            ("raw,machine,verify=no,verify=no:i:u", against("verify=no", "verify=no"), "verify=no"),
            ("tar,machine,blockdev:i:http://h/i", against("tar", "blockdev"), "blockdev"),
            ("machine:i:http://h/i", PullFault::NoFormat, "machine"),
            ("raw:i:http://h/i", PullFault::NoClass, "raw"),
            ("raw,machine:i", PullFault::Shape, ""),
            ("raw,machine:i:", PullFault::Shape, ""),
            ("", PullFault::Shape, ""),
            ("raw,machine\\", PullFault::Escape, "\\"),
            ("raw,machine:a/b:http://h/i", name("a/b"), "a/b"),
            ("raw,machine:..:http://h/i", name(".."), ".."),
            ("raw,machine:.#a:http://h/i", name(".#a"), ".#a"),
            ("raw,machine::http://h/.raw", name(""), "http://h/.raw"),
        ];
        for (text, fault, culprit) in cases {
            let error = Pull::parse(text).unwrap_err();
            assert_eq!(error.fault, fault, "{text}");
            assert_eq!(text.get(error.span.clone()), Some(culprit), "{text}");
        }
        assert!(Pull::parse(ANNOUNCED).is_ok());
    }
}
