// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a server and a network child may say.
//!
//! **In:** response heads and frames, chosen by whoever took the server or the child over.
//! **Out:** a verdict. **Refuses:** (panics) an answer to another question taken for one to ours.

use std::io::Read;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use veriroot::source::answer::{Facts, judge};
use veriroot::source::link::{Body, Flow, Opened, read_opened};
use veriroot::units::ByteRange;

use crate::{Target, Verdict, text};

/// Status line and headers of one response.
pub(super) const HTTP_HEAD: Target = Target {
    name: "http_head",
    invariant: "an accepted head is a 206 with exactly one Content-Range that is the range asked, a \
                Content-Length that agrees or none, no encoding, and facts that never change",
    check: check_head,
    seeds: || {
        [
            "0 206\ncontent-range: bytes 0-99/1000\ncontent-length: 100\netag: \"a-1\"\n",
            "0 206\ncontent-range: bytes 0-6/7\ncontent-encoding: identity\netag: W/\"x\"\n",
            "1 206\ncontent-range: bytes 500-999/1000\netag: \"a\"\n",
            "0 200\ncontent-length: 100\n",
            "0 503\nretry-after: 3\n",
            "1 416\ncontent-range: bytes */1000\n",
        ]
        .map(|it| it.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "content-range: ",
        "content-length: ",
        "content-encoding: ",
        "transfer-encoding: chunked\n",
        "etag: ",
        "\"",
        "W/",
        "bytes ",
        "-",
        "/",
        "*",
        "+",
        "206",
        "18446744073709551615",
        "100, 100",
        "0x10",
        "identity",
        "gzip",
        "\n",
    ],
    smoke: 6000,
};

fn check_head(input: &[u8]) -> Verdict {
    let text = text(input);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (known, status) = first.split_once(' ').unwrap_or(("0", first));
    let Some(status) = status.parse().ok().and_then(|it| StatusCode::from_u16(it).ok()) else {
        return Verdict::Refused;
    };
    let mut headers = HeaderMap::new();
    for line in rest.lines() {
        if let Some((name, value)) = line.split_once(':')
            && let Ok(name) = HeaderName::try_from(name)
            && let Ok(value) = HeaderValue::try_from(value.trim_start())
        {
            headers.append(name, value);
        }
    }
    let known = (known == "1")
        .then(|| Facts { len: 1000, validator: Some(HeaderValue::from_static("\"a\"")) });
    let asked = if known.is_some() { (500, 500) } else { (0, 100) };
    let asked = ByteRange::new(asked.0, asked.1).unwrap();
    let judged = judge(status, &headers, asked, known.as_ref());
    if let Ok((range, facts)) = &judged {
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        let all = |name: &str| -> Vec<String> {
            headers.get_all(name).iter().map(|it| it.to_str().unwrap_or("?").to_owned()).collect()
        };
        let total = facts.len;
        let spelt = all("content-range");
        assert_eq!(spelt.len(), 1);
        let numbers: Vec<u64> =
            spelt[0]["bytes ".len()..].split(['-', '/']).map(|it| it.parse().unwrap()).collect();
        assert_eq!(numbers, [range.offset(), range.end() - 1, total], "{text:?}");
        assert!(range.offset() == asked.offset() && range.end() <= total, "{text:?}");
        assert_eq!(range.len(), asked.len().min(total - asked.offset()), "{text:?}");
        let lengths = all("content-length");
        assert!(lengths.is_empty() || lengths.len() == 1, "{text:?}");
        assert!(lengths.iter().all(|it| it.parse() == Ok(range.len())), "{text:?}");
        assert!(lengths.is_empty() || all("transfer-encoding").is_empty(), "{text:?}");
        assert!(all("content-encoding").iter().all(|it| it == "identity"), "{text:?}");
        assert!(known.as_ref().is_none_or(|it| it == facts), "{text:?}");
        let weak = facts.validator.as_ref().is_some_and(|it| it.as_bytes().starts_with(b"W/"));
        assert!(!weak, "a weak ETag notices no change: {text:?}");
    }
    (&judged).into()
}

/// Frames of the network child.
pub(super) const CHILD_LINK: Target = Target {
    name: "child_link",
    invariant: "a child that lies gives exactly as many bytes as were asked (no more than that, where \
                it gives all it has), those it sent, in their order, or an error; a body is whole \
                only with an end mark of its own request",
    check: check_link,
    seeds: link_seeds,
    words: &["\u{1}\0\0\0", "\0\0\0\0", "\u{7}\0\0\0"],
    smoke: 6000,
};

const ID: u32 = 7;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    [&ID.to_le_bytes()[..], &[kind], &len.to_le_bytes(), payload].concat()
}

fn link_seeds() -> Vec<Vec<u8>> {
    let opened = frame(0x81, &[&1000_u64.to_le_bytes()[..], &[1]].concat());
    let end = frame(0x83, &[]);
    let whole = [&[64][..], &opened, &frame(0x82, &[9; 40]), &frame(0x82, &[8; 24]), &end].concat();
    let bare = [&[0][..], &opened, &end].concat();
    let failed = [&[64][..], &opened, &frame(0x84, b"\x00no such thing")].concat();
    let lies = [&[64][..], &opened, &frame(0x82, &[1; 65]), &end].concat();
    let flowing = frame(0x85, &65_u64.to_le_bytes());
    let flows = [&[64][..], &flowing, &frame(0x82, &[9; 64]), &end].concat();
    vec![whole, bare, failed, lies, flows, frame(0x84, b"\x04x")]
}

/// The first byte is how much is asked, the rest what the child sends.
fn check_link(input: &[u8]) -> Verdict {
    let Some((asked, mut link)) = input.split_first() else { return Verdict::Refused };
    let stream = link;
    let Ok(opened) = read_opened(&mut link, ID) else { return Verdict::Refused };
    assert_eq!(stream[..4], ID.to_le_bytes());
    let sent = link;
    let (taken, filled) = match opened {
        Opened::Ranged { len, .. } => {
            assert!(len > 0);
            assert_eq!(stream[9..17], len.to_le_bytes());
            let mut body = Body::new(&mut link, ID, u64::from(*asked));
            let mut taken = vec![0; usize::from(*asked)];
            let (first, second) = taken.split_at_mut(usize::from(*asked) / 3);
            let filled = body.fill(first).and_then(|()| body.fill(second));
            (taken, filled.and_then(|()| body.finish()))
        }
        Opened::Flowing { len } => {
            assert_eq!(stream[9..17], len.map_or(0, |it| it + 1).to_le_bytes());
            let mut flow = Flow::new(ID, u64::from(*asked));
            let (mut taken, mut part) = (Vec::new(), [0; 7]);
            let filled = loop {
                match flow.read(&mut link, &mut part) {
                    Ok(0) => break Ok(()),
                    Ok(read) => taken.extend_from_slice(&part[..read]),
                    Err(error) => break Err(error),
                }
            };
            assert!(taken.len() <= usize::from(*asked));
            (taken, filled)
        }
    };
    if filled.is_ok() {
        // The same frames, read in the plainest way.
        let (mut payload, mut rest) = (Vec::<u8>::new(), sent);
        loop {
            let mut head = [0; 9];
            rest.read_exact(&mut head).unwrap();
            assert_eq!(head[..4], ID.to_le_bytes());
            let len = u32::from_le_bytes(head[5..].try_into().unwrap()) as usize;
            if head[4] == 0x83 {
                assert_eq!(len, 0);
                break;
            }
            assert_eq!(head[4], 0x82);
            let (data, behind) = rest.split_at(len);
            payload.extend(data);
            rest = behind;
        }
        assert_eq!(payload, taken);
    }
    (&filled).into()
}
