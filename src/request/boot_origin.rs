// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `bootorigin`: an image beside what the firmware loaded.
//!
//! **In:** an EFI variable, whose text comes from DHCP or from whoever answered for it, and a name
//! from the command line. **Out:** a URL below the directory that the kernel image came from.
//! **Refuses:** variables that an operating system could have left behind, text that is not one
//! string, names that lead out of that directory.
//!
//! systemd-stub writes the URL to `StubDeviceURL`; some boot loaders write `LoaderDeviceURL`. The
//! first of the two that is there counts: one that can't be used does not make the other one count.
//!
//! How a name is joined: `docs/boot-origin.md`, whose table is the one of the test below.

use std::io;
use std::path::Path;

use super::error::Help;
use crate::escape::escape;
use crate::limits;
use crate::url::{Scheme, SourceUrl, UrlError, without_query, without_secrets};
use crate::wire::{Wire, read_file_bounded};

/// The vendor of systemd's variables (systemd-stub(7), Boot Loader Interface).
const VENDOR: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// The variables, in the order in which they count.
const VARIABLES: [&str; 2] = ["StubDeviceURL", "LoaderDeviceURL"];

/// `EFI_VARIABLE_NON_VOLATILE` (UEFI specification, 8.2): it was there before this boot.
const NON_VOLATILE: u32 = 1;

/// Why nothing can be loaded from beside the kernel image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each field says what it is")]
pub enum BootOriginError {
    #[error("the URL \"{url}\" has \".\" or \"..\" in its path, or a backslash")]
    Base { url: String },
    #[error("{variable} is no UTF-16 text: {fault}")]
    Encoding { variable: &'static str, fault: EncodingFault },
    #[error("neither StubDeviceURL nor LoaderDeviceURL is set by the firmware or its boot loader")]
    Missing,
    #[error("\"{name}\" is no path below a directory")]
    Name { name: String },
    #[error("{variable} is kept over reboots, so this boot need not have written it")]
    NonVolatile { variable: &'static str },
    #[error("{variable} can't be read: {reason}")]
    Read { variable: &'static str, reason: String },
    #[error("{error}: {url}")]
    Url { url: String, error: UrlError },
}

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingFault {
    /// No attributes, or half of a character.
    #[error("it is cut off")]
    Length,
    /// Text goes on behind its end.
    #[error("there is more behind its end")]
    Behind,
    /// Nothing ends it.
    #[error("nothing ends it")]
    Open,
    /// A surrogate without the other one.
    #[error("half of a surrogate pair")]
    Surrogate,
}

impl BootOriginError {
    pub(super) fn help(&self) -> Help {
        match self {
            Self::Missing => (
                "request-boot-origin",
                "a machine that was booted over HTTP, by systemd-stub 258 or later",
                "boot the kernel image over HTTP, or give the whole URL without bootorigin",
            ),
            Self::Name { .. } => (
                "request-boot-origin",
                "a name such as image.raw or images/image.raw",
                "correct the name: it says where below the directory of the kernel image it stands",
            ),
            Self::Base { .. }
            | Self::Encoding { .. }
            | Self::NonVolatile { .. }
            | Self::Read { .. }
            | Self::Url { .. } => (
                "request-boot-origin",
                "an http or https URL in a volatile EFI variable",
                "give the whole URL without bootorigin",
            ),
        }
    }

    /// Whether a URL is to blame, and not the machine.
    pub(super) fn is_url(&self) -> bool {
        matches!(self, Self::Base { .. } | Self::Name { .. } | Self::Url { .. })
    }
}

/// The URL that the kernel image came from, with whatever the firmware put behind it.
///
/// # Errors
/// [`BootOriginError::Missing`] where no variable is there; else what is wrong with the first one.
pub fn boot_url(efivars: &Path) -> Result<String, BootOriginError> {
    for variable in VARIABLES {
        match read_file_bounded(&efivars.join(format!("{variable}-{VENDOR}")), limits::EFI_VARIABLE)
        {
            Ok(bytes) => return decode(variable, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => {
                return Err(BootOriginError::Read { variable, reason: error.to_string() });
            }
        }
    }
    Err(BootOriginError::Missing)
}

/// The text of a variable as efivarfs shows it: four bytes of attributes, UTF-16LE, one NUL or more.
///
/// # Errors
/// [`BootOriginError::NonVolatile`] and [`BootOriginError::Encoding`].
pub fn decode(variable: &'static str, bytes: &[u8]) -> Result<String, BootOriginError> {
    let encoding = |fault| BootOriginError::Encoding { variable, fault };
    let attributes = Wire::new(bytes).u32_le(0).ok_or(encoding(EncodingFault::Length))?;
    if attributes & NON_VOLATILE != 0 {
        return Err(BootOriginError::NonVolatile { variable });
    }
    let (pairs, half) = bytes.get(4..).unwrap_or_default().as_chunks::<2>();
    if !half.is_empty() {
        return Err(encoding(EncodingFault::Length));
    }
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let end = units.iter().position(|unit| *unit == 0).ok_or(encoding(EncodingFault::Open))?;
    let (text, rest) = units.split_at(end);
    if rest.iter().any(|unit| *unit != 0) {
        return Err(encoding(EncodingFault::Behind));
    }
    String::from_utf16(text).map_err(|_surrogate| encoding(EncodingFault::Surrogate))
}

/// The URL of `name` beside what stands at `base`.
///
/// # Errors
/// [`BootOriginError::Name`], [`BootOriginError::Base`] or [`BootOriginError::Url`].
pub fn beside(base: &str, name: &str) -> Result<SourceUrl, BootOriginError> {
    if !is_path_below(name) {
        return Err(BootOriginError::Name { name: escape(&without_query(name)) });
    }
    let directory = directory(base)?;
    let text = format!("{directory}/{name}");
    let wrong = |error| BootOriginError::Url { url: escape(&without_secrets(&text)), error };
    let url = SourceUrl::parse(&text).map_err(wrong)?;
    match url.scheme() {
        Scheme::Http | Scheme::Https => Ok(url),
        Scheme::File => Err(wrong(UrlError::Scheme)),
    }
}

/// What stands before the last component of a URL's path, as systemd 262 finds it
/// (import-util.c): the query goes, then slashes at the end, then the component. What stands in
/// that component is not looked at: firmware leaves bytes of other things behind it.
fn directory(base: &str) -> Result<&str, BootOriginError> {
    let shown = || escape(&without_secrets(base));
    let path = base.split(['?', '#']).next().unwrap_or_default();
    let wrong = |error| BootOriginError::Url { url: shown(), error };
    let start = path.find("://").ok_or(wrong(UrlError::Scheme))?.saturating_add("://".len());
    let rest = path.get(start..).unwrap_or_default();
    let Some(root) = rest.find('/') else { return Ok(path) };
    let rest = rest.trim_end_matches('/');
    let end = rest.rfind('/').filter(|last| *last >= root).unwrap_or(root);
    let directories = rest.get(root..end).unwrap_or_default();
    if directories.split('/').any(is_dots) || base.contains('\\') {
        return Err(BootOriginError::Base { url: shown() });
    }
    Ok(path.get(..start.saturating_add(end)).unwrap_or_default())
}

/// One safe component or several: no way up, no query, nothing that is another character in disguise.
fn is_path_below(name: &str) -> bool {
    let fine = |component: &str| {
        !component.is_empty()
            && !is_dots(component)
            && component.chars().all(|c| c.is_ascii_graphic() && !"?#\\".contains(c))
    };
    let disguised = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["%2e", "%2f", "%5c", "%00"].into_iter().any(|it| name.contains(it))
    };
    !name.contains("://") && !disguised(name) && name.split('/').all(fine)
}

/// `.` or `..`, however they are written.
fn is_dots(component: &str) -> bool {
    let plain = component.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table in docs/boot-origin.md: base, name, result.
    fn documented() -> Vec<(String, String, String)> {
        let page = include_str!("../../docs/boot-origin.md");
        let cell = |text: &str| text.trim().trim_matches('`').to_owned();
        page.lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<_> = line.trim_matches('|').split(" | ").map(cell).collect();
                (cells[0].clone(), cells[1].clone(), cells[2].clone())
            })
            .collect()
    }

    #[test]
    fn names_are_joined_as_documented() {
        let rows = documented();
        assert!(rows.len() > 30, "{}", rows.len());
        for (base, name, result) in rows {
            let found = match beside(&base, &name) {
                Ok(url) => url.as_str().to_owned(),
                Err(BootOriginError::Name { .. }) => "refused: the name".to_owned(),
                Err(BootOriginError::Base { .. } | BootOriginError::Url { .. }) => {
                    "refused: the URL".to_owned()
                }
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, result, "{base} and {name}");
        }
    }

    #[test]
    fn what_can_not_stand_in_a_table_is_refused_too() {
        for name in ["", "a\r\nHost: evil", "a b", "\t", "a\u{e9}", "a\0", "a|b", &"a".repeat(2048)]
        {
            assert!(beside("http://h/a", name).is_err(), "{name:?}");
        }
        // Bytes of the next node of the device path, as systemd-stub 262 leaves them behind.
        let url = beside("http://h/d/uki.efi\u{ff7f}\u{4}", "image.raw").unwrap();
        assert_eq!(url.as_str(), "http://h/d/image.raw");
        for base in ["http://h/d\u{7f}/uki.efi", "http://h\r\n/a", "http://\u{430}pple.com/a"] {
            assert!(beside(base, "image.raw").is_err(), "{base:?}");
        }
    }

    fn variable(attributes: u32, text: &str) -> Vec<u8> {
        let mut bytes = attributes.to_le_bytes().to_vec();
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        bytes
    }

    #[test]
    fn variables_are_one_string_of_this_boot() {
        let read = |bytes: &[u8]| decode("StubDeviceURL", bytes);
        for text in ["http://h/a\0", "http://h/a\0\0\0"] {
            assert_eq!(read(&variable(6, text)).unwrap(), "http://h/a");
        }
        // A byte order mark is a character like others, and no URL begins with it.
        let marked = read(&variable(6, "\u{feff}http://h/a\0")).unwrap();
        assert!(beside(&marked, "image.raw").is_err());
        let fault = |bytes: &[u8]| match read(bytes) {
            Err(BootOriginError::Encoding { fault, .. }) => fault,
            other => panic!("{other:?}"),
        };
        for length in 0..4 {
            assert_eq!(fault(&[6, 0, 0, 0][..length]), EncodingFault::Length);
        }
        assert_eq!(fault(&[6, 0, 0, 0]), EncodingFault::Open);
        assert_eq!(fault(&[6, 0, 0, 0, 0]), EncodingFault::Length);
        assert_eq!(fault(&variable(6, "http://h/a")), EncodingFault::Open);
        assert_eq!(fault(&variable(6, "http://h/a\0evil")), EncodingFault::Behind);
        let mut lone = variable(6, "http://h/");
        lone.extend([0x00, 0xd8, 0, 0]);
        assert_eq!(fault(&lone), EncodingFault::Surrogate);
        for attributes in [7, 1, 0xffff_ffff] {
            let kept = read(&variable(attributes, "http://h/a\0"));
            assert!(matches!(kept, Err(BootOriginError::NonVolatile { .. })), "{kept:?}");
        }
    }

    #[test]
    fn the_stubs_variable_counts_before_the_loaders() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(dir.path().join(format!("{name}-{VENDOR}")), bytes).unwrap();
        };
        assert_eq!(boot_url(dir.path()), Err(BootOriginError::Missing));
        assert_eq!(boot_url(&dir.path().join("none")), Err(BootOriginError::Missing));
        write("LoaderDeviceURL", &variable(6, "http://loader/a\0"));
        assert_eq!(boot_url(dir.path()).unwrap(), "http://loader/a");
        write("StubDeviceURL", &variable(6, "http://stub/a\0"));
        assert_eq!(boot_url(dir.path()).unwrap(), "http://stub/a");
        for wrong in [&variable(7, "http://stub/a\0"), &vec![6; 1 << 20], &Vec::new()] {
            write("StubDeviceURL", wrong);
            assert!(boot_url(dir.path()).is_err());
        }
    }
}
