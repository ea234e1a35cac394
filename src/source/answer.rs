// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a server's response head must say before its body is read.
//!
//! **In:** status and headers that a server chose. **Out:** total length and validator of the
//! source, for exactly the range asked. **Refuses:** every response that is not a 206 for that
//! range of that same source. RFC 9110, sections 13 to 15.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, TRANSFER_ENCODING,
};

use super::link::Failure;
use crate::limits;
use crate::units::ByteRange;

/// What went wrong with one try, and whether another may go better.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub failure: Failure,
    /// More about it, chosen by us and not by the server.
    pub text: String,
    /// Whether another try may go better.
    pub passing: bool,
    /// The pause the server wishes.
    pub pause: Option<Duration>,
}

impl Trouble {
    /// A failure that no repetition mends.
    pub(super) fn lasting(failure: Failure, text: impl Into<String>) -> Self {
        Self { failure, text: text.into(), passing: false, pause: None }
    }

    /// A failure that may pass.
    pub(super) fn passing(failure: Failure, text: impl Into<String>) -> Self {
        Self { failure, text: text.into(), passing: true, pause: None }
    }
}

/// What is served under a URL, learnt from the first response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Length of the whole, bytes.
    pub len: u64,
    /// A strong validator (RFC 9110, 8.8.1).
    pub validator: Option<HeaderValue>,
}

/// Judges the head of a response to a request for `asked`; `known` are the facts of the first
/// response, `None` for that one itself, which may be shorter than asked.
///
/// # Errors
/// A [`Trouble`] for every head that does not answer exactly that question.
pub fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    asked: ByteRange,
    known: Option<&Facts>,
) -> Result<(ByteRange, Facts), Trouble> {
    judge_size(headers)?;
    judge_status(status, headers, known)?;
    if single(headers, &CONTENT_ENCODING)?.is_some_and(|it| it != "identity") {
        return Err(bad("the body is encoded"));
    }
    let (range, len) = single(headers, &CONTENT_RANGE)?
        .and_then(|it| content_range(it.to_str().ok()?))
        .ok_or_else(|| bad("no well-formed Content-Range"))?;
    let facts = Facts { len, validator: validator(headers)? };
    let due = match known {
        Some(known) if *known != facts => {
            return Err(changed("length or ETag differ from those of the first response"));
        }
        Some(_) => asked,
        None => ByteRange::new(asked.offset(), asked.len().min(len))
            .ok_or_else(|| bad("the source is empty"))?,
    };
    if range != due {
        return Err(bad("the Content-Range is not the range asked for"));
    }
    judge_length(headers, due)?;
    Ok((due, facts))
}

/// What is served whole under a URL, learnt from the first response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamFacts {
    /// Where the server says.
    pub(super) len: Option<u64>,
    /// A strong validator.
    pub(super) validator: Option<HeaderValue>,
}

/// Judges the head of a response to a request for everything, or, to take up a cut body, for what
/// is left from an offset on. Gives the offset of the body's first byte: that one, or 0 where a
/// server that knows no ranges answers with the very same thing from its beginning. That it is the
/// same is certain only with a validator.
pub(super) fn judge_stream(
    status: StatusCode,
    headers: &HeaderMap,
    known: Option<(u64, &StreamFacts)>,
) -> Result<(u64, StreamFacts), Trouble> {
    judge_size(headers)?;
    if single(headers, &CONTENT_ENCODING)?.is_some_and(|it| it != "identity") {
        return Err(bad("the body is encoded"));
    }
    let validator = validator(headers)?;
    match (status, known) {
        (StatusCode::OK, _) => {
            let len = match single(headers, &CONTENT_LENGTH)? {
                Some(_) if headers.contains_key(TRANSFER_ENCODING) => {
                    return Err(bad("both Content-Length and Transfer-Encoding"));
                }
                Some(found) => Some(
                    digits(found.to_str().unwrap_or_default())
                        .ok_or_else(|| bad("the Content-Length is no number"))?,
                ),
                None => None,
            };
            let facts = StreamFacts { len, validator };
            let same = known.is_none_or(|(_, it)| *it == facts);
            if same { Ok((0, facts)) } else { Err(changed("the body began anew, as another one")) }
        }
        (StatusCode::PARTIAL_CONTENT, Some((from, known))) => {
            let (range, total) = single(headers, &CONTENT_RANGE)?
                .and_then(|it| content_range(it.to_str().ok()?))
                .ok_or_else(|| bad("no well-formed Content-Range"))?;
            if known.len.is_some_and(|it| it != total) || validator != known.validator {
                return Err(changed("length or ETag differ from those of the first response"));
            }
            if (range.offset(), range.end()) != (from, total) {
                return Err(bad("the Content-Range is not the range asked for"));
            }
            judge_length(headers, range)?;
            Ok((from, StreamFacts { len: Some(total), validator }))
        }
        (StatusCode::PARTIAL_CONTENT, None) => Err(bad("a part, where the whole was asked for")),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => Err(changed("status 416")),
        _ => Err(judge_status(status, headers, None).err().unwrap_or_else(|| bad("status"))),
    }
}

fn judge_size(headers: &HeaderMap) -> Result<(), Trouble> {
    let bytes = headers.iter().fold(0_usize, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len()).saturating_add(value.len())
    });
    if bytes > limits::HTTP_HEADERS { Err(bad("too many header bytes")) } else { Ok(()) }
}

fn judge_status(
    status: StatusCode,
    headers: &HeaderMap,
    known: Option<&Facts>,
) -> Result<(), Trouble> {
    let text = format!("status {}", status.as_u16());
    Err(match status {
        StatusCode::PARTIAL_CONTENT => return Ok(()),
        StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE if known.is_some() => changed(text),
        StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE => bad(text),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Trouble { pause: pause(headers), ..Trouble::passing(Failure::Unavailable, text) }
        }
        _ if status.is_server_error() => {
            Trouble { pause: pause(headers), ..Trouble::passing(Failure::Unavailable, text) }
        }
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => Trouble::lasting(Failure::Redirect, text),
        StatusCode::NOT_FOUND | StatusCode::GONE => Trouble::lasting(Failure::Absent, text),
        _ if status.is_client_error() => Trouble::lasting(Failure::Denied, text),
        _ => bad(text),
    })
}

/// A Content-Length is not needed, but where there is one it must be right and alone.
fn judge_length(headers: &HeaderMap, due: ByteRange) -> Result<(), Trouble> {
    match single(headers, &CONTENT_LENGTH)? {
        Some(_) if headers.contains_key(TRANSFER_ENCODING) => {
            Err(bad("both Content-Length and Transfer-Encoding"))
        }
        Some(found) if digits(found.to_str().unwrap_or_default()) != Some(due.len()) => {
            Err(bad("the Content-Length is not that of the range"))
        }
        Some(_) | None => Ok(()),
    }
}

/// `bytes FIRST-LAST/TOTAL`, all of them given, as (range, total).
fn content_range(text: &str) -> Option<(ByteRange, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (digits(first)?, digits(last)?, digits(total)?);
    let len = last.checked_sub(first)?.checked_add(1)?;
    (last < total).then_some((ByteRange::new(first, len)?, total))
}

/// The ETag, if it is a strong one. A malformed or repeated one is refused: it came from a server
/// that can't be relied on to notice a change.
fn validator(headers: &HeaderMap) -> Result<Option<HeaderValue>, Trouble> {
    let Some(tag) = single(headers, &ETAG)? else { return Ok(None) };
    let bytes = tag.as_bytes();
    if bytes.len() > limits::ETAG {
        return Err(bad("the ETag is too long"));
    }
    let opaque = bytes.strip_prefix(b"W/").unwrap_or(bytes);
    match opaque {
        [b'"', inner @ .., b'"'] if inner.iter().all(|it| it.is_ascii_graphic() && *it != b'"') => {
            Ok((opaque.len() == bytes.len()).then(|| tag.clone()))
        }
        _ => Err(bad("the ETag is malformed")),
    }
}

fn pause(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok().and_then(digits).map(Duration::from_secs)
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Trouble> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(bad(format!("more than one {name} header")));
    }
    Ok(first)
}

/// Decimal digits and nothing else; `FromStr` would take a sign.
fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())).then(|| text.parse().ok())?
}

fn bad(text: impl Into<String>) -> Trouble {
    Trouble::lasting(Failure::BadAnswer, text)
}

fn changed(text: impl Into<String>) -> Trouble {
    Trouble::lasting(Failure::Changed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
            })
            .collect::<Vec<_>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    /// As headers spell it, the last byte included.
    fn range(first: u64, last: u64) -> ByteRange {
        ByteRange::new(first, last - first + 1).unwrap()
    }

    fn first(status: u16, lines: &[(&str, &str)]) -> Result<(ByteRange, Facts), Failure> {
        judge(StatusCode::from_u16(status).unwrap(), &heads(lines), range(0, 99), None)
            .map_err(|trouble| trouble.failure)
    }

    const GOOD: (&str, &str) = ("content-range", "bytes 0-99/1000");

    #[test]
    fn the_first_response_gives_the_facts() {
        let facts = |len, tag: Option<&'static str>| Facts {
            len,
            validator: tag.map(HeaderValue::from_static),
        };
        assert_eq!(first(206, &[GOOD]), Ok((range(0, 99), facts(1000, None))));
        let lines = [
            GOOD,
            ("content-length", "100"),
            ("etag", "\"a-1\""),
            ("content-encoding", "identity"),
        ];
        assert_eq!(first(206, &lines), Ok((range(0, 99), facts(1000, Some("\"a-1\"")))));
        let short = [("content-range", "bytes 0-6/7"), ("etag", "W/\"a\"")];
        assert_eq!(first(206, &short), Ok((range(0, 6), facts(7, None))));
    }

    #[test]
    fn refuses_heads_that_do_not_answer_the_question() {
        for value in [
            "",
            "bytes",
            "bytes 0-99",
            "bytes 0-99/*",
            "bytes */1000",
            "bytes 1-99/1000",
            "bytes 0-98/1000",
            "bytes 0-100/1000",
            "bytes 0-99/99",
            "bytes 99-0/1000",
            "bytes +0-99/1000",
            "bytes 0-99/0x3e8",
            "bytes 0-99/1000 ",
            "bytes 0-99/18446744073709551616",
            "bytes 0-18446744073709551615/18446744073709551615",
            "octets 0-99/1000",
            "bytes=0-99/1000",
        ] {
            assert_eq!(first(206, &[("content-range", value)]), Err(Failure::BadAnswer), "{value}");
        }
        for extra in [
            ("content-range", "bytes 0-99/1000"),
            ("content-length", "99"),
            ("content-length", "101"),
            ("content-length", "+100"),
            ("content-length", "100, 100"),
            ("content-encoding", "gzip"),
            ("etag", "\"a"),
            ("etag", "a"),
            ("etag", "\"a\"b\""),
            ("etag", "\"a b\""),
        ] {
            assert_eq!(first(206, &[GOOD, extra]), Err(Failure::BadAnswer), "{extra:?}");
        }
        let length = ("content-length", "100");
        for extra in [length, ("transfer-encoding", "chunked")] {
            assert_eq!(first(206, &[GOOD, length, extra]), Err(Failure::BadAnswer), "{extra:?}");
        }
        let tag = format!("\"{}\"", "a".repeat(limits::ETAG));
        assert_eq!(first(206, &[GOOD, ("etag", &tag)]), Err(Failure::BadAnswer));
        let flood = "x".repeat(limits::HTTP_HEADERS);
        assert_eq!(first(206, &[GOOD, ("x", &flood)]), Err(Failure::BadAnswer));
        assert_eq!(first(206, &[]), Err(Failure::BadAnswer));
    }

    #[test]
    fn streams_go_on_only_as_what_they_were() {
        let tagged = |len, tag: Option<&'static str>| StreamFacts {
            len,
            validator: tag.map(HeaderValue::from_static),
        };
        let judge = |status: u16, lines: &[(&str, &str)], known: Option<&StreamFacts>| {
            let status = StatusCode::from_u16(status).unwrap();
            judge_stream(status, &heads(lines), known.map(|it| (10, it)))
                .map_err(|trouble| trouble.failure)
        };
        let (length, tag) = (("content-length", "100"), ("etag", "\"a\""));
        let rest = ("content-range", "bytes 10-99/100");
        let known = tagged(Some(100), Some("\"a\""));
        let blind = tagged(None, None);
        for (status, lines, before, expected) in [
            (200, &[length, tag][..], None, Ok((0, known.clone()))),
            (200, &[], None, Ok((0, blind.clone()))),
            (200, &[length, ("transfer-encoding", "chunked")], None, Err(Failure::BadAnswer)),
            (200, &[("content-length", "+1")], None, Err(Failure::BadAnswer)),
            (200, &[("content-encoding", "gzip")], None, Err(Failure::BadAnswer)),
            (206, &[rest, tag], None, Err(Failure::BadAnswer)),
            (404, &[], None, Err(Failure::Absent)),
            (503, &[], None, Err(Failure::Unavailable)),
            (206, &[rest, tag], Some(&known), Ok((10, known.clone()))),
            (206, &[rest], Some(&blind), Ok((10, tagged(Some(100), None)))),
            (200, &[length, tag], Some(&known), Ok((0, known.clone()))),
            (200, &[], Some(&blind), Ok((0, blind.clone()))),
            (200, &[length], Some(&blind), Err(Failure::Changed)),
            (200, &[length, ("etag", "\"b\"")], Some(&known), Err(Failure::Changed)),
            (206, &[rest, ("etag", "\"b\"")], Some(&known), Err(Failure::Changed)),
            (206, &[("content-range", "bytes 10-98/99"), tag], Some(&known), Err(Failure::Changed)),
            (
                206,
                &[("content-range", "bytes 9-99/100"), tag],
                Some(&known),
                Err(Failure::BadAnswer),
            ),
            (
                206,
                &[("content-range", "bytes 10-98/100"), tag],
                Some(&known),
                Err(Failure::BadAnswer),
            ),
            (416, &[], Some(&known), Err(Failure::Changed)),
        ] {
            assert_eq!(judge(status, lines, before), expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn each_status_has_one_meaning() {
        let cases = [
            (200, Failure::BadAnswer, false),
            (203, Failure::BadAnswer, false),
            (204, Failure::BadAnswer, false),
            (226, Failure::BadAnswer, false),
            (300, Failure::BadAnswer, false),
            (302, Failure::Redirect, false),
            (304, Failure::BadAnswer, false),
            (308, Failure::Redirect, false),
            (400, Failure::Denied, false),
            (401, Failure::Denied, false),
            (403, Failure::Denied, false),
            (404, Failure::Absent, false),
            (408, Failure::Unavailable, true),
            (410, Failure::Absent, false),
            (416, Failure::BadAnswer, false),
            (429, Failure::Unavailable, true),
            (500, Failure::Unavailable, true),
            (503, Failure::Unavailable, true),
        ];
        let headers = heads(&[GOOD, ("retry-after", "3")]);
        for (status, failure, passing) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let trouble = judge(status, &headers, range(0, 99), None).unwrap_err();
            assert_eq!((trouble.failure, trouble.passing), (failure, passing), "{status}");
            assert_eq!(trouble.pause, passing.then_some(Duration::from_secs(3)), "{status}");
        }
    }

    #[test]
    fn later_responses_are_about_the_same_source() {
        let known = Facts { len: 1000, validator: Some(HeaderValue::from_static("\"a\"")) };
        let later = |status: u16, content_range: &str, tag: Option<&str>| {
            let mut headers = heads(&[("content-range", content_range)]);
            if let Some(tag) = tag {
                headers.insert(ETAG, HeaderValue::try_from(tag).unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            judge(status, &headers, range(500, 999), Some(&known)).map_err(|it| it.failure)
        };
        let good = "bytes 500-999/1000";
        assert_eq!(later(206, good, Some("\"a\"")), Ok((range(500, 999), known.clone())));
        for (status, content_range, tag, failure) in [
            (206, good, Some("\"b\""), Failure::Changed),
            (206, good, Some("W/\"a\""), Failure::Changed),
            (206, good, None, Failure::Changed),
            (206, "bytes 500-999/1001", Some("\"a\""), Failure::Changed),
            (200, good, Some("\"a\""), Failure::Changed),
            (416, "bytes */1000", Some("\"a\""), Failure::Changed),
            (206, "bytes 500-998/1000", Some("\"a\""), Failure::BadAnswer),
            (206, "bytes 0-499/1000", Some("\"a\""), Failure::BadAnswer),
        ] {
            assert_eq!(later(status, content_range, tag), Err(failure), "{status} {content_range}");
        }
    }
}
