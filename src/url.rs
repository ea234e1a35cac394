// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! URLs that an image may come from.
//!
//! **In:** text from a kernel command line, a firmware variable, a policy file, a redirect.
//! **Out:** a [`SourceUrl`] that keeps the text byte for byte. **Refuses:** schemes other than
//! `http`, `https` (and `file` where the caller permits it), user names, fragments, everything
//! that is not printable ASCII, hosts and ports that a parser could read in two ways.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use zeroize::Zeroizing;

use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::limits;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A file of this machine.
    File,
    /// HTTP in the clear: fine for images that authenticate themselves.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A URL within the rules above. Shown without its query, which may hold a secret; for the same
/// reason the text is wiped from memory when the value goes.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl {
    text: Zeroizing<String>,
    scheme: Scheme,
}

impl SourceUrl {
    /// Takes an `http` or `https` URL.
    ///
    /// # Errors
    /// [`UrlError`] names the first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Self::parse_or_file(text)?;
        if url.scheme == Scheme::File {
            return Err(UrlError::Scheme);
        }
        Ok(url)
    }

    /// Takes an `http`, `https` or `file` URL. Only for text that the machine's owner wrote.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_or_file(text: &str) -> Result<Self, UrlError> {
        if text.len() > limits::URL {
            return Err(UrlError::Length { found: text.len() });
        }
        if let Some(found) =
            text.chars().find(|c| !c.is_ascii_graphic() || r#"\"<>^`{|}"#.contains(*c))
        {
            return Err(UrlError::Character { found });
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "file" => Scheme::File,
            _ => return Err(UrlError::Scheme),
        };
        match scheme {
            Scheme::File => file_path(rest)?,
            Scheme::Http | Scheme::Https => authority(rest)?,
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), scheme })
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The text as given, byte for byte. It may hold a secret: not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last path component that is not empty, without the query, as systemd 262 derives a
    /// name from a URL (import-util.c); `None` where the URL has no path.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        let (_, rest) = self.unqueried().split_once("://")?;
        let (_, path) = rest.split_once('/')?;
        path.rsplit('/').find(|it| !it.is_empty())
    }

    /// The URL with its last path component replaced and without query, as systemd 262 finds what
    /// stands beside an image (import-util.c). The query stays behind: it may be a secret for the
    /// image alone. `None` where the URL has no path or would become one that is refused.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Option<Self> {
        let before = self.unqueried().trim_end_matches('/').strip_suffix(self.file_name()?)?;
        Self::parse_or_file(&format!("{before}{name}")).ok()
    }

    /// The file of this name under a base URL, with or without `/` at its end: where a mirror has
    /// it. The base has no query.
    ///
    /// # Errors
    /// As [`Self::parse`]; [`UrlError::FilePath`] where there is no name or the base has a query.
    pub fn on_mirror(&self, base: &str) -> Result<Self, UrlError> {
        let base = Self::parse(base)?;
        let name = self.file_name().filter(|_| !base.text.contains('?'));
        let name = name.ok_or(UrlError::FilePath)?;
        Self::parse(&format!("{}/{name}", base.text.trim_end_matches('/')))
    }

    /// Scheme, host and port: who gets to see a secret that is meant for one server.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let (scheme, rest) = self.text.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?.to_ascii_lowercase();
        let port = match self.scheme {
            Scheme::File => return None,
            Scheme::Http => ":80",
            Scheme::Https => ":443",
        };
        let authority = authority.strip_suffix(port).unwrap_or(&authority);
        Some(format!("{}://{authority}", scheme.to_ascii_lowercase()))
    }

    /// The file that a `file` URL names.
    #[must_use]
    pub fn file_path(&self) -> Option<&Path> {
        let (_, path) = self.text.split_once("://")?;
        (self.scheme == Scheme::File).then(|| Path::new(path))
    }

    fn unqueried(&self) -> &str {
        self.text.split_once('?').map_or(&self.text, |(before, _)| before)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.unqueried()))?;
        if self.text.contains('?') { f.write_str("?[...]") } else { Ok(()) }
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({self})")
    }
}

/// Text that holds or should hold a URL, without the parts that may be secret: the query, and a user
/// name with its password. What stands before `://` stays as it is, byte for byte.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = match rest.split_once(['?', '#']) {
        Some((rest, _secret)) => (rest, "?[...]"),
        None => (rest, ""),
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    match authority.rsplit_once('@') {
        Some((_secret, host)) => format!("{before}://[...]@{host}{path}{query}"),
        None => format!("{before}://{rest}{query}"),
    }
}

/// The same for text that names an image and may hold no scheme: nothing behind a `?` is shown.
#[must_use]
pub fn without_query(text: &str) -> String {
    let text = without_secrets(text);
    match text.split_once('?') {
        Some((before, _secret)) => format!("{before}?[...]"),
        None => text,
    }
}

/// An absolute path with nothing that would have to be decoded.
fn file_path(rest: &str) -> Result<(), UrlError> {
    let fine = rest.starts_with('/') && rest.len() > 1 && !rest.contains(['%', '?']);
    if fine { Ok(()) } else { Err(UrlError::FilePath) }
}

fn authority(rest: &str) -> Result<(), UrlError> {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_address| UrlError::Host)?;
            (None, port)
        }
        None => match authority.find(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(colon);
                (Some(host), port)
            }
            None => (Some(authority), ""),
        },
    };
    if host.is_some_and(|host| !is_host(host)) {
        return Err(UrlError::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if is_port(digits) => Ok(()),
        None | Some(_) => Err(UrlError::Port),
    }
}

/// A DNS name, or an IPv4 address in the one spelling that nobody reads as another.
fn is_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let labels_fine = name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !is_encoded(label)
                && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
        });
    // URL parsers take a host whose last label is a number for an address: "1", "0x7f.1".
    let numeric = name.rsplit('.').next().is_some_and(|last| {
        last.starts_with("0x")
            || last.starts_with("0X")
            || last.bytes().all(|it| it.is_ascii_digit())
    });
    labels_fine && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

/// Names in other scripts: a parser may refuse to decode one, and people can't tell some from the
/// names they look like.
fn is_encoded(label: &str) -> bool {
    label.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("xn--"))
}

fn is_port(digits: &str) -> bool {
    digits.len() <= 5
        && !digits.starts_with('0')
        && digits.bytes().all(|it| it.is_ascii_digit())
        && digits.parse::<u16>().is_ok()
}

/// Why a URL will not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Only printable ASCII without the characters that RFC 3986 leaves out.
    #[error("the URL contains the character {}", found.escape_unicode())]
    Character {
        /// The first one.
        found: char,
    },
    /// `file:` URLs name an absolute path, spelled without escapes.
    #[error("a file URL names an absolute path without \"%\" and \"?\"")]
    FilePath,
    /// A fragment never reaches a server.
    #[error("the URL has a fragment")]
    Fragment,
    /// No host, or one that parsers disagree about.
    #[error("the URL has no well-formed host")]
    Host,
    /// Longer than [`limits::URL`].
    #[error("the URL has {found} bytes, the limit is {}", limits::URL)]
    Length {
        /// Its length.
        found: usize,
    },
    /// Not 1 to 65535 in decimal digits.
    #[error("the URL has no well-formed port")]
    Port,
    /// Not a scheme that is permitted here.
    #[error("the URL does not start with http:// or https://")]
    Scheme,
    /// A user name or a password.
    #[error("the URL has a user name")]
    UserInfo,
}

impl Refusal for UrlError {
    fn class(&self) -> Class {
        Class::Url
    }

    fn finding(&self) -> Finding {
        Finding {
            id: "source-url",
            stage: Stage::Source,
            outcome: Outcome::Failed,
            subject: "URL".to_owned(),
            expected: "http:// or https://, a host, printable ASCII, no user name, no fragment"
                .to_owned(),
            found: self.to_string(),
            required_by: Origin::Rule("URLs that are read the same way everywhere"),
            advice: "correct the URL".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_have_the_file_under_their_base() {
        let url = SourceUrl::parse("https://h/a/image.raw?token=1").unwrap();
        for (base, expected) in [
            ("http://m", "http://m/image.raw"),
            ("http://m/", "http://m/image.raw"),
            ("https://m:8443/pub/x/", "https://m:8443/pub/x/image.raw"),
        ] {
            assert_eq!(url.on_mirror(base).unwrap().as_str(), expected);
        }
        for base in ["file:///x", "http://m/?q", "http://u@m/", "http://m/#x", "m", "http:///x"] {
            assert!(url.on_mirror(base).is_err(), "{base}");
        }
        assert!(SourceUrl::parse("http://h/").unwrap().on_mirror("http://m").is_err());
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |text: &str| SourceUrl::parse(text).unwrap().origin().unwrap();
        assert_eq!(origin("HTTPS://Images.Example:443/a?b"), "https://images.example");
        assert_eq!(origin("https://images.example"), "https://images.example");
        for other in
            ["http://images.example", "https://images.example:8443", "https://x.images.example"]
        {
            assert_ne!(origin(other), origin("https://images.example"));
        }
    }

    #[test]
    fn takes_what_is_read_the_same_way_everywhere() {
        let cases = [
            ("http://h", Scheme::Http, None),
            ("http://h/", Scheme::Http, None),
            ("HTTPS://Example.org:443/a/image.raw", Scheme::Https, Some("image.raw")),
            ("http://h/a//b//", Scheme::Http, Some("b")),
            ("http://h/a?x=/y", Scheme::Http, Some("a")),
            ("http://h?x=/y", Scheme::Http, None),
            ("http://h/a%2fb", Scheme::Http, Some("a%2fb")),
            ("http://127.0.0.1:65535/i", Scheme::Http, Some("i")),
            ("http://[::1]/i", Scheme::Http, Some("i")),
            ("http://[fe80::1]:8080/i", Scheme::Http, Some("i")),
            ("http://h./a@b", Scheme::Http, Some("a@b")),
        ];
        for (text, scheme, name) in cases {
            let url = SourceUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.as_str(), url.scheme(), url.file_name()), (text, scheme, name));
        }
    }

    #[test]
    fn refuses_each_broken_rule_by_name() {
        let character = |found| UrlError::Character { found };
        let cases = [
            ("", UrlError::Scheme),
            ("http:/h", UrlError::Scheme),
            ("http:h", UrlError::Scheme),
            ("//h/a", UrlError::Scheme),
            ("ftp://h/a", UrlError::Scheme),
            ("data:,x", UrlError::Scheme),
            ("unix:///run/x", UrlError::Scheme),
            ("file:///run/x", UrlError::Scheme),
            ("http:///h", UrlError::Host),
            ("http://", UrlError::Host),
            ("http://?q", UrlError::Host),
            ("http://:80/", UrlError::Host),
            ("http://a..b/", UrlError::Host),
            ("http://-a/", UrlError::Host),
            ("http://xn--example/", UrlError::Host),
            ("http://boot.XN--80ak6aa92e.example/", UrlError::Host),
            ("http://a%41/", UrlError::Host),
            ("http://1/", UrlError::Host),
            ("http://0x7f.1/", UrlError::Host),
            ("http://127.1/", UrlError::Host),
            ("http://010.0.0.1/", UrlError::Host),
            ("http://127.0.0.1./", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[fe80::1%25eth0]/", UrlError::Host),
            ("http://h:0/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://h:/", UrlError::Port),
            ("https://h:0443/", UrlError::Port),
            ("http://h:+80/", UrlError::Port),
            ("http://h:8:0/", UrlError::Port),
            ("http://[::1]80/", UrlError::Port),
            ("http://good@evil/a", UrlError::UserInfo),
            ("http://a:b@evil/a", UrlError::UserInfo),
            ("http://h/#x", UrlError::Fragment),
            ("http://h/a b", character(' ')),
            ("http://h\\evil/a", character('\\')),
            ("http://h/a\tb", character('\t')),
            ("http://h/a\r\nHost: evil", character('\r')),
            ("http://h/a\0", character('\0')),
            ("http://h/\x7f", character('\x7f')),
            ("http://h/\"", character('"')),
            ("http://\u{430}pple.com/", character('\u{430}')),
        ];
        for (text, error) in cases {
            assert_eq!(SourceUrl::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn length_is_limited() {
        let at_limit = format!("http://h/{}", "a".repeat(limits::URL - 9));
        assert!(SourceUrl::parse(&at_limit).is_ok());
        let over = at_limit + "a";
        assert_eq!(SourceUrl::parse(&over), Err(UrlError::Length { found: limits::URL + 1 }));
    }

    #[test]
    fn file_urls_only_where_permitted() {
        let url = SourceUrl::parse_or_file("file:///run/image.raw").unwrap();
        assert_eq!(url.file_path(), Some(Path::new("/run/image.raw")));
        assert_eq!(url.file_name(), Some("image.raw"));
        for text in ["file://host/x", "file://", "file:///", "file:///a%20b", "file:///a?b"] {
            assert_eq!(SourceUrl::parse_or_file(text), Err(UrlError::FilePath), "{text}");
        }
        assert_eq!(SourceUrl::parse_or_file("http://h/a").unwrap().file_path(), None);
    }

    #[test]
    fn secrets_are_taken_out_of_what_is_no_url_too() {
        let cases = [
            ("", ""),
            ("raw?,machine", "raw?,machine"),
            ("raw:i:http://h/a?token=x?y", "raw:i:http://h/a?[...]"),
            ("http://user:word@h/a@b?q", "http://[...]@h/a@b?[...]"),
            ("http://h/a#token", "http://h/a?[...]"),
            ("ftp://a@b@h", "ftp://[...]@h"),
            ("http://h/a", "http://h/a"),
        ];
        for (text, shown) in cases {
            assert_eq!(without_secrets(text), shown);
        }
        assert_eq!(without_query("raw,bootorigin:i:a?token"), "raw,bootorigin:i:a?[...]");
        assert_eq!(without_query("http://u@h/a?token"), "http://[...]@h/a?[...]");
    }

    #[test]
    fn siblings_stand_beside_the_file_and_without_query() {
        for (text, sibling) in [
            ("http://h/image.raw", Some("http://h/SHA256SUMS")),
            ("https://h:8/a/b%2fc?token=secret", Some("https://h:8/a/SHA256SUMS")),
            ("http://h/a//b//", Some("http://h/a//SHA256SUMS")),
            ("file:///run/image.raw", Some("file:///run/SHA256SUMS")),
            ("http://h/h", Some("http://h/SHA256SUMS")),
            ("http://h/", None),
            ("http://h?x=/y", None),
        ] {
            let found = SourceUrl::parse_or_file(text).unwrap().sibling("SHA256SUMS");
            assert_eq!(found.as_ref().map(SourceUrl::as_str), sibling, "{text}");
        }
        let long = SourceUrl::parse(&format!("http://h/{}", "a".repeat(limits::URL - 9))).unwrap();
        assert_eq!(long.sibling(&format!("{}.sha256", long.file_name().unwrap())), None);
    }

    #[test]
    fn queries_are_never_shown() {
        let url = SourceUrl::parse("https://h/image.raw?token=secret").unwrap();
        assert_eq!(url.to_string(), "https://h/image.raw?[...]");
        assert!(!format!("{url:?}").contains("secret"));
    }
}
