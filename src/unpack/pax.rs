// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Extended headers (POSIX.1-2024, pax, "pax Header Block").
//!
//! **In:** the records of one extended header. **Out:** what they say of the next entry.
//! **Refuses:** records that are not exactly of their form, keys given twice, keys off the list. A
//! record is never left out: who does not know it would unpack another tree than was signed.
//!
//! | key | |
//! | --- | --- |
//! | `path`, `linkpath`, `size`, `uid`, `gid`, `mtime` | in place of the header's |
//! | `SCHILY.xattr.*` | an extended attribute |
//! | `LIBARCHIVE.xattr.*` | the same in another coding, beside it: not looked at |
//! | `atime`, `ctime`, `LIBARCHIVE.creationtime`, `uname`, `gname`, `comment`, `hdrcharset` | of no consequence |

use std::collections::BTreeMap;

use super::fault::Fault;
use crate::escape::escape;
use crate::limits;

/// What an extended header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// Seconds and nanoseconds.
    pub(super) mtime: Option<(u64, u32)>,
    /// Names and values.
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
}

const XATTR: &str = "SCHILY.xattr.";
const OTHER_XATTR: &str = "LIBARCHIVE.xattr.";

impl Pax {
    /// Reads the extended header of one entry.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut pax = Self::default();
        let mut others = Vec::new();
        for (key, value) in records(bytes)? {
            match key {
                "path" => pax.path = Some(value.to_vec()),
                "linkpath" => pax.link = Some(value.to_vec()),
                "size" => pax.size = Some(decimal("size", value)?),
                "uid" => pax.uid = Some(decimal("uid", value)?),
                "gid" => pax.gid = Some(decimal("gid", value)?),
                "mtime" => pax.mtime = Some(time(value)?),
                "atime" | "ctime" | "LIBARCHIVE.creationtime" => {}
                "uname" | "gname" | "comment" | "hdrcharset" => {}
                _ => match (key.strip_prefix(XATTR), key.strip_prefix(OTHER_XATTR)) {
                    (Some(name), _) => {
                        pax.xattrs.insert(name.to_owned(), value.to_vec());
                    }
                    (None, Some(name)) => others.push(name),
                    (None, None) => return Err(Fault::PaxKey { key: escape(key) }),
                },
            }
        }
        // Its names are percent-encoded where they have to be; none on our list has to be.
        match others.into_iter().find(|it| !pax.xattrs.contains_key(*it)) {
            Some(name) => Err(Fault::Xattr { name: escape(name) }),
            None => Ok(pax),
        }
    }

    /// Reads a header that is said to hold for all entries. Only a comment does no harm there.
    pub(super) fn parse_global(bytes: &[u8]) -> Result<(), Fault> {
        match records(bytes)?.keys().find(|key| **key != "comment") {
            Some(key) => Err(Fault::PaxKey { key: escape(&format!("{key} for all entries")) }),
            None => Ok(()),
        }
    }
}

/// All records, each key once.
fn records(mut rest: &[u8]) -> Result<BTreeMap<&str, &[u8]>, Fault> {
    let mut records = BTreeMap::new();
    while !rest.is_empty() {
        let (key, value, behind) = record(rest)?;
        if records.insert(key, value).is_some() {
            return Err(Fault::Pax("a key twice"));
        }
        rest = behind;
    }
    if records.is_empty() { Err(Fault::Pax("no record")) } else { Ok(records) }
}

/// One record, `LEN KEY=VALUE` and a newline, and what follows it.
fn record(bytes: &[u8]) -> Result<(&str, &[u8], &[u8]), Fault> {
    let space = bytes.iter().position(|byte| *byte == b' ').ok_or(Fault::Pax("no length"))?;
    let digits = bytes.get(..space).unwrap_or_default();
    let len = decimal("length", digits).map_err(|_number| Fault::Pax("no length"))?;
    let len = usize::try_from(len).map_err(|_large| Fault::Pax("no length"))?;
    let (record, behind) = bytes.split_at_checked(len).ok_or(Fault::Pax("too long"))?;
    let inner = record
        .get(space.saturating_add(1)..)
        .and_then(|it| it.strip_suffix(b"\n"))
        .ok_or(Fault::Pax("no newline at its end"))?;
    let equals = inner.iter().position(|byte| *byte == b'=').ok_or(Fault::Pax("no value"))?;
    let (key, value) = inner.split_at_checked(equals).ok_or(Fault::Pax("no value"))?;
    let value = value.get(1..).unwrap_or_default();
    let key = str::from_utf8(key).map_err(|_utf8| Fault::Pax("a key that is no text"))?;
    if key.is_empty() || key.contains(['\0', '\n']) {
        return Err(Fault::Pax("a key that is no text"));
    }
    // Only an extended attribute may hold any byte, or none.
    let binary = key.starts_with(XATTR) || key.starts_with(OTHER_XATTR);
    if !binary && (value.is_empty() || value.contains(&0)) {
        return Err(Fault::Pax("an empty value, or NUL in it"));
    }
    Ok((key, value, behind))
}

/// A decimal number without sign, blank or zero in front.
fn decimal(field: &'static str, digits: &[u8]) -> Result<u64, Fault> {
    let plain = match digits {
        [b'0'] => true,
        [b'0', ..] | [] => false,
        _ => digits.iter().all(u8::is_ascii_digit),
    };
    let text = str::from_utf8(digits).ok().filter(|_| plain);
    let value = text.and_then(|it| it.parse::<u64>().ok());
    value.filter(|it| i64::try_from(*it).is_ok()).ok_or(Fault::Number { field })
}

/// Seconds since 1970, perhaps with a fraction, of which nanoseconds are kept.
fn time(value: &[u8]) -> Result<(u64, u32), Fault> {
    let wrong = Fault::Number { field: "mtime" };
    let dot = value.iter().position(|byte| *byte == b'.');
    let Some(dot) = dot else { return Ok((decimal("mtime", value)?, 0)) };
    let (whole, fraction) = value.split_at_checked(dot).ok_or(wrong.clone())?;
    let fraction = fraction.get(1..).unwrap_or_default();
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return Err(wrong);
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0_u32, |value, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
    });
    Ok((decimal("mtime", whole)?, nanoseconds))
}

impl Pax {
    /// Whether the extended attributes are within their limits.
    pub(super) fn bounded(&self) -> Result<(), Fault> {
        let large = self.xattrs.values().any(|it| it.len() > limits::ARCHIVE_XATTR);
        if large || self.xattrs.len() > limits::ARCHIVE_XATTRS {
            return Err(Fault::XattrSize);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_of(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let len = (1..).find(|digits| (rest.len() + digits).to_string().len() == *digits).unwrap();
        [(rest.len() + len).to_string().as_bytes(), &rest].concat()
    }

    #[test]
    fn reads_records_of_their_form() {
        let bytes = [
            record_of("path", "F\u{151}".as_bytes()),
            record_of("size", b"8589934592"),
            record_of("mtime", b"1700000000.25"),
            record_of("SCHILY.xattr.user.x", b"a\n=\0b"),
            record_of("LIBARCHIVE.xattr.user.x", b"YQo9AGI"),
            record_of("comment", b"anything\n12 path=x\n"),
        ]
        .concat();
        let pax = Pax::parse(&bytes).unwrap();
        assert_eq!(pax.path.unwrap(), "F\u{151}".as_bytes());
        assert_eq!((pax.size, pax.mtime), (Some(8 << 30), Some((1_700_000_000, 250_000_000))));
        assert_eq!(pax.xattrs["user.x"], b"a\n=\0b");
        assert_eq!(Pax::parse_global(&record_of("comment", b"c")), Ok(()));
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [
            &b""[..],
            b"path=x\n",
            b"9 path=x",
            b"11 path=x\n",
            b"8 path=x\n",
            b"-9 path=x\n",
            b"+9 path=x\n",
            b"09 path=x\n",
            b" 9 path=x\n",
            b"9\tpath=x\n",
            b"8 pathx\n",
            b"5 =x\n",
            b"8 path=\n",
            b"12 path=a\0b\n",
            b"12 a\nth=abc\n",
            b"9 path=x\n9 path=x\n",
            b"99999999999999999999 path=x\n",
            b"9 path=x\n\0",
            b"2 \n",
        ] {
            let refused = Pax::parse(bytes);
            assert!(matches!(refused, Err(Fault::Pax(_))), "{bytes:?}: {refused:?}");
        }
        for (key, value) in [
            ("size", "-1"),
            ("size", "+1"),
            ("size", "01"),
            ("size", "1 "),
            ("size", "0x1"),
            ("size", "9223372036854775808"),
            ("uid", "1.0"),
            ("mtime", "-1"),
            ("mtime", "1."),
            ("mtime", "1.x"),
            ("mtime", ".5"),
        ] {
            let refused = Pax::parse(&record_of(key, value.as_bytes()));
            assert!(matches!(refused, Err(Fault::Number { .. })), "{key}={value}: {refused:?}");
        }
    }

    #[test]
    fn keys_off_the_list_are_refused() {
        for key in [
            "GNU.sparse.major",
            "GNU.sparse.realsize",
            "SCHILY.acl.access",
            "SCHILY.fflags",
            "RHT.security.selinux",
            "SCHILY.realsize",
            "Path",
            "vendor.key",
        ] {
            let refused = Pax::parse(&record_of(key, b"1"));
            assert!(matches!(refused, Err(Fault::PaxKey { .. })), "{key}: {refused:?}");
        }
        let alone = Pax::parse(&record_of("LIBARCHIVE.xattr.user.x", b"YQ"));
        assert!(matches!(alone, Err(Fault::Xattr { .. })));
        for key in ["size", "path", "uid", "mtime"] {
            let refused = Pax::parse_global(&record_of(key, b"1"));
            assert!(matches!(refused, Err(Fault::PaxKey { .. })), "{key}");
        }
    }

    #[test]
    fn attributes_are_counted_and_measured() {
        let one =
            |len: usize| Pax::parse(&record_of("SCHILY.xattr.user.x", &vec![0; len])).unwrap();
        assert_eq!(one(limits::ARCHIVE_XATTR).bounded(), Ok(()));
        assert_eq!(one(limits::ARCHIVE_XATTR + 1).bounded(), Err(Fault::XattrSize));
        let many = |count: usize| {
            let record = |it| record_of(&format!("SCHILY.xattr.user.{it}"), b"");
            Pax::parse(&(0..count).flat_map(record).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(many(limits::ARCHIVE_XATTRS).bounded(), Ok(()));
        assert_eq!(many(limits::ARCHIVE_XATTRS + 1).bounded(), Err(Fault::XattrSize));
    }
}
