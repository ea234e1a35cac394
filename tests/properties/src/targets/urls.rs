// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! URLs.
//!
//! **In:** text from a command line or a policy. **Out:** a verdict. **Refuses:** (panics) a URL
//! that another parser understands in another way: the one we show would not be the one we open.

use std::net::Ipv6Addr;

use veriroot::url::SourceUrl;

use crate::{Target, Verdict, text};

/// `http` and `https`.
pub(super) const URL: Target = Target {
    name: "url",
    invariant: "an accepted URL is kept byte for byte, has no user, no fragment and nothing but \
                graphic ASCII, and the WHATWG parser reads the same scheme, host, port and query",
    check,
    seeds: || {
        [
            "http://boot.example/image.raw",
            "https://boot.example:8443/a/b/c.raw?token=x&y=z",
            "http://[2001:db8::1]:80/x",
            "http://192.0.2.1",
            "http://user@boot.example/x",
            "HTTP://boot.example/%2e%2e/x;p",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "http://", "https://", "file:///", "@", ":", "//", "/", "?", "#", "%2f", "%00", "..",
        "[::1]", "0x7f.1", "65536", "\\", "xn--", ".", "1.2.3",
    ],
    smoke: 4000,
};

fn check(input: &[u8]) -> Verdict {
    let text = text(input);
    let parsed = SourceUrl::parse(&text);
    if let Ok(ours) = &parsed {
        assert_eq!(ours.as_str(), text);
        assert!(text.bytes().all(|it| it.is_ascii_graphic()), "{text:?}");
        let theirs = url::Url::parse(&text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert!(["http", "https"].contains(&theirs.scheme()), "{text:?}");
        assert_eq!(format!("{:?}", ours.scheme()).to_lowercase(), theirs.scheme());
        assert!(theirs.username().is_empty() && theirs.password().is_none(), "{text:?}");
        assert!(theirs.fragment().is_none(), "{text:?}");
        let rest = text.split_once("://").unwrap().1;
        let authority = rest.split(['/', '?']).next().unwrap();
        let host = theirs.host_str().unwrap();
        let port = theirs.port().map(|it| format!(":{it}")).unwrap_or_default();
        let default = if theirs.scheme() == "http" { ":80" } else { ":443" };
        // An IPv6 address has more than one spelling, all of them of that one address.
        let (spelt, colon_port) = match authority.split_once(']') {
            Some((address, port)) => (format!("[{}]", ipv6(address)), port),
            None => (authority.to_owned(), ""),
        };
        let host =
            if host.starts_with('[') { format!("[{}]", ipv6(host)) } else { host.to_owned() };
        let authority = format!("{spelt}{colon_port}");
        let same = |port: &str| authority.eq_ignore_ascii_case(&format!("{host}{port}"));
        assert!(same(&port) || port.is_empty() && same(default), "{text:?}: {host}{port}");
        // An apostrophe in a query is the one thing that travels in another spelling.
        let query = text.split_once('?').map(|it| it.1.replace('\'', "%27"));
        assert_eq!(theirs.query(), query.as_deref(), "{text:?}");
        let shown = ours.to_string();
        let query = shown.split_once('?').map(|it| it.1);
        assert!(query.is_none_or(|it| it == "[...]"), "a query may be a secret: {shown}");
    }
    (&parsed).into()
}

fn ipv6(text: &str) -> Ipv6Addr {
    text.trim_matches(['[', ']']).parse().unwrap()
}
