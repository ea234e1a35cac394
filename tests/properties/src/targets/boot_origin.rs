// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the firmware says of where the kernel image came from, and names joined to URLs.
//!
//! **In:** the bytes of an EFI variable; a URL and a name. **Out:** a verdict. **Refuses:** (panics)
//! text that the variable does not hold, and a URL that leads elsewhere than below its base.

use veriroot::request::boot_origin::{beside, decode};
use veriroot::url::SourceUrl;

use crate::{Target, Verdict, text};

/// `StubDeviceURL` as efivarfs shows it.
pub(super) const EFI_VARIABLE: Target = Target {
    name: "efi_variable",
    invariant: "an accepted variable is of this boot, and is its four bytes of attributes, the \
                text in UTF-16LE and NULs, and nothing else: written anew it gives the same bytes",
    check: check_variable,
    seeds: || {
        let variable = |attributes: u8, text: &str| {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            [attributes, 0, 0, 0].into_iter().chain(units).collect()
        };
        vec![
            variable(6, "http://boot.example/d/uki.efi\0"),
            variable(6, "http://h/a\0\0\0"),
            variable(6, "\u{1F980}\0"),
            variable(7, "http://h/a\0"),
            variable(6, "http://h/a"),
            variable(6, "http://h/a\0evil\0"),
            vec![6, 0, 0, 0, 0, 0xD8, 0, 0],
        ]
    },
    words: &["\u{6}\0\0\0", "\0\0", "h\0t\0t\0p\0", "\u{7}\0\0\0"],
    smoke: 6000,
};

fn check_variable(input: &[u8]) -> Verdict {
    let decoded = decode("StubDeviceURL", input);
    if let Ok(found) = &decoded {
        assert_eq!(input[0] & 1, 0, "kept over reboots");
        assert!(!found.contains('\0'));
        let mut again = input[..4].to_vec();
        again.extend(found.encode_utf16().flat_map(u16::to_le_bytes));
        let (same, nuls) = input.split_at(again.len());
        assert_eq!(again, same, "{found:?}");
        assert!(nuls.len() >= 2 && nuls.iter().all(|it| *it == 0), "{nuls:?}");
    }
    (&decoded).into()
}

/// `bootorigin`, sidecars and mirrors.
pub(super) const URL_JOIN: Target = Target {
    name: "url_join",
    invariant: "a name joined to a URL keeps scheme, host and port, stays below the directory it is \
                joined to for whoever opens the URL, ends in the name, and takes no query along",
    check: check_join,
    seeds: || {
        [
            "http://boot.example/img/uki.efi\nimage.raw",
            "https://boot.example:8443/a/b/\nimages/x.raw",
            "http://[2001:db8::1]:80/a//b?token=x\nr",
            "http://h?q\nr",
            "http://h/a/../b/c\nr",
            "http://h/%2E%2e/c\nr",
            "http://good@evil/a\nr",
            "http://h/a\n../x",
            "http://h/a\n//evil/x",
            "http://h/a\nhttp://evil/x",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "http://", "https://", "file:///", "@", ":", "//", "/", "?", "#", "%2f", "%2e", "%00",
        "..", ".", "[::1]", "\\", "\n", "a/b",
    ],
    smoke: 6000,
};

fn check_join(input: &[u8]) -> Verdict {
    let text = text(input);
    let (base, name) = text.split_once('\n').unwrap_or((&text, "r"));
    let joined = beside(base, name);
    if let Ok(url) = &joined {
        assert!(url.as_str().ends_with(&format!("/{name}")), "{text:?}: {url:?}");
        below(base, url, name, &text);
    }
    // A name that nobody chose but this program, so it is a plain one.
    let ours = SourceUrl::parse(base);
    if let Ok(ours) = &ours {
        if let Some(sibling) = ours.sibling("SHA256SUMS") {
            assert_eq!(sibling.origin(), ours.origin(), "{text:?}");
            assert!(sibling.as_str().ends_with("/SHA256SUMS"), "{text:?}");
            assert!(!sibling.as_str().contains('?'), "{text:?}");
        }
        if let Ok(mirrored) = ours.on_mirror("https://mirror.example/pub") {
            let name = ours.file_name().unwrap();
            assert_eq!(mirrored.as_str(), format!("https://mirror.example/pub/{name}"));
        }
    }
    (&joined).into()
}

/// The WHATWG parser, which opens the URL in the end, sees the same place.
fn below(base: &str, url: &SourceUrl, name: &str, text: &str) {
    let opened = url::Url::parse(url.as_str()).unwrap_or_else(|e| panic!("{text:?}: {e}"));
    assert!(opened.query().is_none() && opened.fragment().is_none(), "{text:?}");
    assert!(opened.username().is_empty() && opened.password().is_none(), "{text:?}");
    let (scheme, rest) = base.split_once("://").unwrap();
    let authority = rest.split(['/', '?', '#']).next().unwrap();
    assert!(url.as_str().starts_with(&format!("{scheme}://{authority}/")), "{text:?}: {url:?}");
    // What the base alone would have opened, where that parser takes it at all.
    if let Ok(first) = url::Url::parse(&format!("{scheme}://{authority}/")) {
        assert_eq!(opened.origin(), first.origin(), "{text:?}");
    }
    let directory =
        opened.path().strip_suffix(name).unwrap_or_else(|| panic!("{text:?}: {opened}"));
    assert!(rest[authority.len()..].starts_with(directory) || directory == "/", "{text:?}");
    assert!(opened.path().split('/').all(|it| it != "." && it != ".."), "{text:?}");
}
