// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Very many mirrors, and very many interruptions: the loader itself, with limits that are short.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use veriroot::authenticate::Trust;
use veriroot::checksums::{self, receive};
use veriroot::designator::Architecture;
use veriroot::error::Error;
use veriroot::fetch::{Progress, Saving};
use veriroot::loader::{self, Demands, over_mirrors, trust_anchors};
use veriroot::policy::Expectation;
use veriroot::policy_file::{EffectivePolicy, Statements};
use veriroot::report::Report;
use veriroot::source::{Mirrors, Pace, Source, Transport};
use veriroot::url::SourceUrl;
use veriroot_test_support::ddi::{Ddi, Image};
use veriroot_test_support::http::{Body, Misbehaviour, Server};
use veriroot_test_support::keys;

const MIRRORS: usize = 1000;

/// One in so many costs time instead of a process alone.
const SLOW: usize = 100;

fn small() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| Ddi::builder().build())
}

struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _total: u64) {}
    fn advance(&mut self, _bytes: u64) {}
}

fn transport() -> Transport {
    Transport {
        pace: Pace {
            stall_timeout: Duration::from_millis(400),
            rate_window: Duration::from_secs(1),
            retries: 1,
            backoff: Duration::from_millis(5),
            backoff_max: Duration::from_millis(5),
            ..Pace::default()
        },
        child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")),
        ..Transport::default()
    }
}

/// Demands a signed root, and does `act` with that.
fn demanding<T>(act: impl FnOnce(&Demands<'_>) -> T) -> T {
    let directory = keys::anchors(&[&keys::trusted()]);
    let certificates = [directory.path().to_owned()];
    let policy = EffectivePolicy::new(Statements {
        image_policy_option: Some("root=signed:=ignore"),
        certificates_option: Some(&certificates),
        ..Statements::default()
    });
    let policy = policy.unwrap();
    let anchors = trust_anchors(&policy, &[], &[]).unwrap();
    act(&Demands {
        architecture: Architecture::X86_64,
        policy: &policy,
        trust: Trust::of_policy(policy.trust(), anchors.as_ref(), &[]),
        expectation: Expectation::default(),
    })
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Images that no mirror should serve. The first block of each is wrong too: what a mirror left open
/// is judged by a tree that is known by then, and a good block is good wherever it comes from.
fn forgeries(random: &mut u64) -> Vec<Body> {
    let image = small();
    let (root, tree) = (image.range("root"), image.range("root-verity"));
    let signature = image.range("root-verity-sig").start;
    let stranger = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build();
    let unsigned = Ddi::builder().change("root", |it| it.unsigned()).build();
    let mut any = |bytes: &[u8], from: usize, len: u64| {
        let mut bytes = bytes.to_vec();
        for (from, len) in [(from, len), (root.start, 4096)] {
            bytes[from + (next(random) % len) as usize] ^= 1 << (next(random) % 8);
        }
        Body::Memory(Arc::new(bytes))
    };
    let mut forgeries = vec![Body::Memory(Arc::new(vec![7; 100_000]))];
    for _ in 0..4 {
        forgeries.push(any(&image.bytes, 512, 92));
        forgeries.push(any(&image.bytes, tree.start, 8));
        forgeries.push(any(&image.bytes, tree.start + 4096, 4096));
        forgeries.push(any(&image.bytes, signature, 300));
        // Twice in one place may be none at all.
        forgeries.push(any(&image.bytes, root.start + 4096, 4096));
        forgeries.push(any(&stranger.bytes, root.start + 4096, 4096));
        forgeries.push(any(&unsigned.bytes, root.start + 4096, 4096));
    }
    forgeries
}

/// Every way to be of no use that shows at once.
fn useless(random: &mut u64, forgeries: &[Body]) -> Vec<Misbehaviour> {
    let forgery = forgeries[(next(random) % forgeries.len() as u64) as usize].clone();
    let forged = Misbehaviour::Replaced(forgery);
    match next(random) % 22 {
        0 => vec![Misbehaviour::Status(404)],
        1 => vec![Misbehaviour::Status(403)],
        2 => vec![Misbehaviour::Status(503)],
        3 => vec![Misbehaviour::Status(204)],
        4 => vec![Misbehaviour::Status(200)],
        5 => vec![Misbehaviour::Redirect("file:///etc/passwd".into())],
        6 => vec![Misbehaviour::Redirect("image.raw".into())],
        7 => vec![Misbehaviour::NoContentRange],
        8 => vec![Misbehaviour::WrongContentRange(1 + next(random) % 9)],
        9 => vec![Misbehaviour::ConflictingLength],
        10 => vec![Misbehaviour::Length("-1".into())],
        11 => vec![Misbehaviour::Length("7".into())],
        12 => vec![Misbehaviour::HeaderFlood(2000)],
        13 => vec![Misbehaviour::Raw(Vec::new())],
        14 => vec![Misbehaviour::Raw(b"SSH-2.0-x\r\n".to_vec())],
        15 => vec![Misbehaviour::TruncateAfter(0)],
        16 => vec![Misbehaviour::EndlessBody],
        17 => vec![
            Misbehaviour::IgnoreRange,
            Misbehaviour::Chunked,
            Misbehaviour::TruncateAfter(9000),
        ],
        18 => vec![Misbehaviour::IgnoreRange, forged],
        _ => vec![forged],
    }
}

/// Every way that shows when time is up.
fn slow(random: &mut u64) -> Misbehaviour {
    match next(random) % 3 {
        0 => Misbehaviour::StallAfter(0),
        1 => Misbehaviour::StallAfter(next(random) % 30_000),
        _ => Misbehaviour::Drip(1, Duration::from_millis(50)),
    }
}

#[test]
fn the_good_one_behind_a_thousand_still_counts() {
    let (server, mut random) = (Server::start(), 42);
    let body = Body::Memory(Arc::new(small().bytes.clone()));
    let forgeries = forgeries(&mut random);
    let mut urls = Vec::new();
    for number in 0..=MIRRORS {
        let path = format!("/{number}/image.raw");
        server.serve(&path, body.clone());
        let misbehaviours = match number {
            MIRRORS => Vec::new(),
            _ if number % SLOW == 0 => vec![slow(&mut random)],
            _ => useless(&mut random, &forgeries),
        };
        misbehaviours.into_iter().for_each(|it| server.misbehave(&path, it));
        urls.push(SourceUrl::parse(&server.url(&path)).unwrap());
    }
    let began = Instant::now();
    let mirrors = Mirrors::new(urls, transport());
    let mut report = Report::default();
    let audited: Result<(), Error> = demanding(|demands| {
        over_mirrors(&mirrors, &mut report, |source, report| {
            let received = receive(source, &checksums::Demand::none())?;
            loader::audit(received, demands, report, &mut Unwatched)
        })
    });
    assert!(audited.is_ok(), "{:?}", audited.err());
    let dropped = mirrors.dropped();
    assert_eq!(dropped.len(), MIRRORS, "{:?}", mirrors.current());
    println!("{MIRRORS} mirrors in vain: {:?}", began.elapsed());
    let mut kinds: Vec<_> = dropped.iter().map(|it| (it.reason.name(), it.finding.id)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for reason in ["permanent", "tampered", "transient"] {
        assert!(kinds.iter().any(|(it, _)| *it == reason), "{kinds:?}");
    }
    assert!(kinds.len() >= 10, "{kinds:?}");
}

/// Saves what a server gives as the file that an interrupted run left.
fn save(url: &str, file: File, demands: &Demands<'_>) -> Result<(), Error> {
    let source = Source::open_url(&SourceUrl::parse(url).unwrap(), &transport())?;
    let received = receive(source, &checksums::Demand::none())?;
    loader::save(received, demands, Saving::into(file), &mut Report::default(), &mut Unwatched)
}

#[test]
fn a_file_that_was_cut_two_hundred_times_becomes_the_same() {
    let image = small();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("image.raw.part");
    let options =
        || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
    let (ranged, plain) = (Server::of("/i", &image.bytes[..]), Server::of("/i", &image.bytes[..]));
    plain.misbehave("/i", Misbehaviour::IgnoreRange);
    let mut random = 7;
    demanding(|demands| {
        save(&ranged.url("/i"), options(), demands).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..200 {
            // Where it was cut: a shorter file, or one with a hole, or with what was never there.
            let at = (next(&mut random) % whole.len() as u64) as usize;
            let end = at + (next(&mut random) % (whole.len() - at) as u64) as usize;
            let mut left = whole.clone();
            match cut % 4 {
                0 => left.truncate(at),
                1 => left[at..].fill(0),
                2 => left[at..end].fill(0),
                _ => left[at..end].iter_mut().for_each(|it| *it = next(&mut random) as u8),
            }
            // Where nothing is judged nothing is written, so what was there stays.
            fs::write(&path, &left).unwrap();
            let server = if cut % 8 < 4 { &ranged } else { &plain };
            save(&server.url("/i"), options(), demands).unwrap();
            let now = fs::read(&path).unwrap();
            let tree = image.range("root-verity");
            for judged in [
                0..512 + 92,
                image.range("root"),
                image.range("root-verity-sig"),
                // Between these nothing is read.
                tree.start..tree.start + 512,
                tree.start + 4096..tree.end,
            ] {
                assert!(now[judged.clone()] == whole[judged.clone()], "{cut}: {judged:?}");
            }
            assert_eq!(now.len(), whole.len());
        }
    });
}
