// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Decode children that were taken over: they can lie about bytes and nothing else.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veriroot::finding::{Class, Refusal};
use veriroot::source::{Error, Fault, Layer, Mode, Pace, Source, Terms, Transport};
use veriroot::units::ByteRange;
use veriroot::url::SourceUrl;
use veriroot_test_support::http::Server;

use crate::program::compressed;

fn terms(child: &str) -> Terms {
    let second = Duration::from_secs(1);
    Terms {
        child: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stream").join(child),
        size_max: 1 << 20,
        pace: Pace {
            stall_timeout: second / 5,
            rate_window: second / 5,
            backoff_max: second / 5,
            retries: 0,
            minimum_rate: 1 << 20,
            ..Pace::default()
        },
        silence: second / 5,
        ..Terms::default()
    }
}

fn packed(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), compressed("zstd", bytes)).unwrap();
    file
}

fn decoded(child: &str, bytes: &[u8]) -> Result<Source, Error> {
    Source::open_file(packed(bytes).path())?.decoded(&terms(child))
}

#[test]
fn the_real_child_is_believed_about_bytes() {
    let bytes: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
    let real = Terms { child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")), ..terms("") };
    let file = packed(&bytes);
    let mut source = Source::open_file(file.path()).unwrap().decoded(&real).unwrap();
    // Without a partition table the end of the stream says how long it is.
    assert_eq!((source.len(), source.mode()), (200_000, Mode::Spooled));
    assert!(matches!(source.layer(), Layer::Taken(it) if it.name() == "zstd"));
    let whole = ByteRange::new(0, 200_000).unwrap();
    assert_eq!(source.read(whole, 200_000).unwrap(), bytes);
    let small = Terms { size_max: 199_999, ..real };
    let error = Source::open_file(file.path()).unwrap().decoded(&small).unwrap_err();
    assert_eq!(error.class(), Class::Limit, "{error:?}");
}

#[test]
fn a_hostile_decode_child_gets_nowhere() {
    let began = Instant::now();
    // Enough that the feeder is still writing when a child is given up.
    let bytes = veriroot_test_support::noise(3, 4 << 20);
    for (child, expected, class) in [
        ("child-dead.sh", "Closed", Class::Decomp),
        ("child-silent.sh", "Late", Class::Decomp),
        ("child-drip.sh", "Late", Class::Decomp),
        ("child-garbage.sh", "Frame { kind: 46, len: 168626701 }", Class::Decomp),
        ("child-huge.sh", "Frame { kind: 130, len: 4294967295 }", Class::Decomp),
        ("child-flood.sh", "Limit(\"more than 1048576 bytes when decoded\")", Class::Limit),
        ("child-text.sh", "Damaged(\"\\\\u{1b}[2Jaccepted\")", Class::Decomp),
        ("child-missing.sh", "Start(", Class::Dev),
    ] {
        let error = decoded(child, &bytes).unwrap_err();
        let Error::Decode { source: fault, .. } = &error else { panic!("{child}: {error:?}") };
        let fault: &Fault = fault;
        assert!(format!("{fault:?}").starts_with(expected), "{child}: {fault:?}");
        assert_eq!(error.class(), class, "{child}");
    }
    // An empty answer is an empty image.
    assert!(matches!(decoded("child-empty.sh", &bytes), Err(Error::Empty { .. })));
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_source_that_fails_is_the_reason_and_not_the_cut_stream_it_leaves() {
    let file = packed(&veriroot_test_support::noise(3, 2 << 20));
    let source = Source::open_file(file.path()).unwrap();
    let real = Terms { child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")), ..Terms::default() };
    std::fs::File::options().write(true).open(file.path()).unwrap().set_len(1 << 20).unwrap();
    let error = source.decoded(&real).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
}

#[test]
fn a_decode_child_has_the_time_of_its_server_and_no_more() {
    let real = PathBuf::from(env!("CARGO_BIN_EXE_veriroot"));
    let file = packed(&veriroot_test_support::noise(3, 4 << 20));
    let server = Server::of("/image.raw", std::fs::read(file.path()).unwrap());
    let url = SourceUrl::parse(&server.url("/image.raw")).unwrap();
    let open = |budget| {
        let budget = Duration::from_secs(budget);
        let transport = Transport { child: real.clone(), budget, ..Transport::default() };
        Source::open_url(&url, &transport).unwrap()
    };
    let steady = || Terms { size_max: 16 << 20, pace: Pace::default(), ..terms("child-steady.sh") };
    let sealed = |source: Source| source.sealed(0, |_| Ok::<_, Error>(())).unwrap();
    // Also where all of it is here already.
    for source in [open(2), sealed(open(2))] {
        let error = source.decoded(&steady()).unwrap_err();
        assert!(matches!(error, Error::Time { .. }), "{error:?}");
        assert_eq!((error.class(), error.finding().id), (Class::Net, "source-time"));
    }
    let honest = Terms { child: real.clone(), ..steady() };
    assert_eq!(open(300).decoded(&honest).unwrap().len(), 4 << 20);
}
