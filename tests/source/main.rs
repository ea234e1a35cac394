// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Sources through the real network child, against a server that misbehaves on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "a test that panics fails, which is what a test is for"
)]

mod catalogue;
mod resume;
mod server;
mod tls;

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use server::{Reply, Request, Server, Then, ranged, status};
use veriroot::finding::{Class, Refusal};
use veriroot::source::{Error, Failure, Mode, Pace, Source, Transport, link};
use veriroot::units::ByteRange;
use veriroot::url::SourceUrl;

const ETAG: &str = "ETag: \"one\"\r\n";

/// 256 KiB in which no two 32-bit words are equal.
fn image() -> Vec<u8> {
    (0..65536_u32).flat_map(u32::to_le_bytes).collect()
}

fn transport() -> Transport {
    Transport {
        pace: Pace {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(10),
            rate_window: Duration::from_secs(1),
            minimum_rate: 1024,
            retries: 2,
            backoff: Duration::from_millis(10),
            backoff_max: Duration::from_millis(20),
        },
        child: PathBuf::from(env!("CARGO_BIN_EXE_veriroot")),
        ..Transport::default()
    }
}

/// With a server that stalls, a test should not wait for seconds.
fn hurried() -> Transport {
    let mut transport = transport();
    transport.pace.stall_timeout = Duration::from_secs(1);
    transport.pace.retries = 1;
    transport
}

fn open(url: &str, transport: &Transport) -> Result<Source, Error> {
    Source::open_url(&SourceUrl::parse(url).unwrap(), transport)
}

fn range(offset: u64, len: u64) -> ByteRange {
    ByteRange::new(offset, len).unwrap()
}

fn whole(source: &mut Source) -> Result<Vec<u8>, Error> {
    source.read(range(0, source.len()), 1 << 20)
}

/// Opens and reads everything from a server with that handler.
fn fetch(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Result<Vec<u8>, Error> {
    let server = Server::start(handler);
    whole(&mut open(&server.url("/image.raw"), &transport())?)
}

fn failure(result: Result<impl std::fmt::Debug, Error>) -> Failure {
    let error = result.unwrap_err();
    let Error::Server { failure, .. } = error else { panic!("{error:?}") };
    failure
}

#[test]
fn reads_ranges_and_asks_for_no_byte_twice() {
    let image = image();
    let served = image.clone();
    let server = Server::start(move |request| ranged(&served, request, ETAG));
    let mut source = open(&server.url("/a/image.raw?token=secret"), &transport()).unwrap();
    assert_eq!((source.len(), source.mode()), (image.len() as u64, Mode::Ranged));
    assert!(source.has_validator());
    assert_eq!(source.name(), server.url("/a/image.raw?[...]"));

    assert_eq!(source.read(range(512, 1024), 1024).unwrap(), image[512..1536]);
    assert_eq!(source.read(range(200_000, 7), 7).unwrap(), image[200_000..200_007]);
    let (mut chunk, mut seen) = (vec![0; 30_000], Vec::new());
    source
        .read_into(range(30_000, 100_000), &mut chunk, |offset, bytes| {
            assert_eq!(offset, 30_000 + seen.len() as u64);
            seen.extend_from_slice(bytes);
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(seen, image[30_000..130_000]);

    let requests = server.requests();
    let asked: Vec<_> = requests.iter().map(|it| it.range.unwrap()).collect();
    assert_eq!(asked, [(0, 32767), (200_000, 200_006), (32768, 129_999)]);
    assert_eq!(requests[0].header("if-range"), None);
    for later in &requests[1..] {
        assert_eq!(later.header("if-range"), Some("\"one\""));
        assert_eq!(later.path, "/a/image.raw?token=secret");
        assert_eq!(later.header("accept-encoding"), Some("identity"));
    }
}

#[test]
fn images_shorter_than_the_first_request_are_whole() {
    assert_eq!(fetch(|request| ranged(b"short", request, "")).unwrap(), b"short");
}

#[test]
fn a_cut_body_goes_on_where_it_was_cut() {
    let image = image();
    let served = image.clone();
    let server = Server::start(move |request| {
        let mut reply = ranged(&served, request, ETAG);
        if request.number == 1 {
            reply.body.truncate(1000);
        }
        reply
    });
    let mut source = open(&server.url("/i"), &transport()).unwrap();
    assert_eq!(whole(&mut source).unwrap(), image);
    let asked: Vec<_> = server.requests().iter().map(|it| it.range.unwrap()).collect();
    assert_eq!(asked, [(0, 32767), (32768, 262_143), (33768, 262_143)]);
}

#[test]
fn passing_failures_are_retried_and_lasting_ones_are_not() {
    let image = image();
    for code in [500, 503, 408, 429] {
        let served = image.clone();
        let found = fetch(move |request| match request.number % 2 {
            0 => status(code, "Retry-After: 0\r\n"),
            _ => ranged(&served, request, ETAG),
        });
        assert_eq!(found.unwrap(), image, "{code}");

        let server = Server::start(move |_| status(code, "Retry-After: 100000\r\n"));
        assert_eq!(failure(open(&server.url("/i"), &transport())), Failure::Unavailable);
        assert_eq!(server.requests().len(), 3, "{code}");
    }
    for (code, expected) in [
        (404, Failure::Absent),
        (403, Failure::Denied),
        (410, Failure::Absent),
        (204, Failure::BadAnswer),
        (304, Failure::BadAnswer),
        (416, Failure::BadAnswer),
    ] {
        let server = Server::start(move |_| status(code, ""));
        assert_eq!(failure(open(&server.url("/i"), &transport())), expected, "{code}");
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

#[test]
fn refuses_a_server_that_answers_another_question() {
    let image = image();
    for (from, to) in [
        ("bytes 32768-", "bytes 32769-"),
        ("-262143/", "-262142/"),
        ("Content-Range", "X-Content-Range"),
        ("Content-Length: 229376", "Content-Length: 229376\r\nContent-Encoding: gzip"),
        ("Content-Length: 229376", "Content-Length: 229376\r\nContent-Length: 229377"),
        ("Content-Length: 229376", "Content-Length: 229376\r\nTransfer-Encoding: chunked"),
    ] {
        let served = image.clone();
        let result = fetch(move |request| {
            let mut reply = ranged(&served, request, ETAG);
            reply.head = reply.head.replace(from, to);
            reply
        });
        // A head that is no HTTP at all is a broken connection, and was tried again.
        let found = failure(result);
        let conflict = to.ends_with("229377");
        let expected = if conflict { Failure::Unavailable } else { Failure::BadAnswer };
        assert_eq!(found, expected, "{to}");
    }
}

#[test]
fn refuses_an_image_that_changes_in_the_middle() {
    let image = image();
    for what in ["etag", "no etag", "length", "status"] {
        let served = image.clone();
        let result = fetch(move |request| match (request.number, what) {
            (0, _) => ranged(&served, request, ETAG),
            (_, "etag") => ranged(&served, request, "ETag: \"two\"\r\n"),
            (_, "no etag") => ranged(&served, request, ""),
            (_, "length") => {
                let mut reply = ranged(&served, request, ETAG);
                reply.head = reply.head.replace("/262144", "/262145");
                reply
            }
            _ => Reply { body: served.clone(), ..status(200, "Content-Length: 262144\r\n") },
        });
        assert_eq!(failure(result), Failure::Changed, "{what}");
    }
}

#[test]
fn refuses_bodies_without_an_end() {
    let image = image();
    let result = fetch(move |request| {
        let mut reply = ranged(&image, request, ETAG);
        if request.number > 0 {
            // Without a length the body ends with the connection, which never ends.
            reply.head = reply.head.replace("Content-Length: 229376\r\n", "");
            reply.then = Then::Flood;
        }
        reply
    });
    assert_eq!(failure(result), Failure::BadAnswer);
}

#[test]
fn stalls_and_drips_end_in_time() {
    let image = image();
    for then in [Then::Hold, Then::Drip(Duration::from_millis(50))] {
        let served = image.clone();
        let server = Server::start(move |request| {
            let mut reply = ranged(&served, request, ETAG);
            if request.number > 0 {
                reply.body.truncate(100);
                reply.then = then;
            }
            reply
        });
        let mut source = open(&server.url("/i"), &hurried()).unwrap();
        let began = Instant::now();
        assert_eq!(failure(whole(&mut source)), Failure::Stalled, "{then:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert!(requests[2].range.unwrap().0 >= 32768 + 100, "what arrived is not asked for again");
        assert!(matches!(whole(&mut source), Err(Error::Ended { .. })));
    }
    let (address, _listener) = server::silent();
    let result = open(&format!("http://{address}/i"), &hurried());
    assert_eq!(failure(result), Failure::Stalled);
}

#[test]
fn a_closed_port_is_unavailable() {
    let result = open(&format!("http://127.0.0.1:{}/i", server::closed_port()), &transport());
    assert_eq!(failure(result), Failure::Unavailable);
}

#[test]
fn redirects_are_few_and_stay_among_urls_we_would_use() {
    let image = image();
    let hops = |count: usize| {
        let served = image.clone();
        fetch(move |request| match request.path.len() {
            // "/image.raw", then one "x" more with each hop.
            len if len < 10 + count => status(302, &format!("Location: {}x\r\n", request.path)),
            _ => ranged(&served, request, ETAG),
        })
    };
    assert_eq!(hops(5).unwrap(), image);
    assert_eq!(failure(hops(6)), Failure::Redirect);
    for to in [
        "file:///etc/passwd",
        "ftp://h/i",
        "http://user@127.0.0.1/i",
        "http://[::1]/i",
        "http://localhost/i",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/i",
        "/i#fragment",
    ] {
        let result = fetch(move |_| status(302, &format!("Location: {to}\r\n")));
        assert_eq!(failure(result), Failure::Redirect, "{to}");
    }
    let result = fetch(|_| status(302, ""));
    assert_eq!(failure(result), Failure::Redirect);
}

#[test]
fn images_over_the_limit_are_refused_before_their_body() {
    let mut transport = transport();
    transport.size_max = 262_143;
    let image = image();
    let server = Server::start(move |request| ranged(&image, request, ETAG));
    let error = open(&server.url("/i"), &transport).unwrap_err();
    assert_eq!(error.class(), Class::Limit);
    assert_eq!(failure(Err::<(), _>(error)), Failure::TooLarge);
    transport.size_max += 1;
    assert!(open(&server.url("/i"), &transport).is_ok());
}

#[test]
fn tls_needs_roots_and_never_falls_back_into_the_clear() {
    let image = image();
    let served = image.clone();
    let plain = Server::start(move |request| ranged(&served, request, ETAG));
    let (acceptor, roots) = tls::acceptor();
    let location = format!("Location: {}\r\n", plain.url("/i"));
    let served = image.clone();
    let server = Server::start_tls(Some(acceptor), move |request| match request.path.as_str() {
        "/away" => status(302, &location),
        _ => ranged(&served, request, ETAG),
    });
    let url = |path: &str| format!("https://localhost:{}{path}", server.address.port());

    let error = open(&url("/i"), &transport()).unwrap_err();
    assert!(matches!(error, Error::NoTlsRoots { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Config);

    let trusting = |pem: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        let transport = Transport { tls_roots: Some(file.path().to_owned()), ..transport() };
        (transport, file)
    };
    let (trusted, _file) = trusting(&roots);
    assert_eq!(whole(&mut open(&url("/i"), &trusted).unwrap()).unwrap(), image);
    assert_eq!(failure(open(&url("/away"), &trusted)), Failure::Redirect);
    assert!(plain.requests().is_empty());
    let by_address = format!("https://127.0.0.1:{}/i", server.address.port());
    assert_eq!(failure(open(&by_address, &trusted)), Failure::Tls);

    let (other, _file) = trusting(&tls::acceptor().1);
    let error = open(&url("/i"), &other).unwrap_err();
    assert_eq!(error.class(), Class::Tls);
    assert_eq!(failure(Err::<(), _>(error)), Failure::Tls);

    for bundle in [&b""[..], b"no certificate", b"-----BEGIN CERTIFICATE-----\n"] {
        let (nothing, _file) = trusting(bundle);
        let error = open(&url("/i"), &nothing).unwrap_err();
        assert!(matches!(error, Error::TlsRoots { .. }), "{error:?}");
    }
}

#[test]
fn a_hostile_child_gets_nowhere() {
    let child = |name: &str| {
        let mut transport = hurried();
        transport.pace.rate_window = Duration::from_millis(200);
        transport.child = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/source").join(name);
        open("http://127.0.0.1/i", &transport).unwrap_err()
    };
    let began = Instant::now();
    for (name, expected) in [
        ("child-dead.sh", "Closed"),
        ("child-silent.sh", "Late"),
        ("child-garbage.sh", "Id { expected: 1, found: 1347703880 }"),
    ] {
        let error = child(name);
        let Error::Link { source, .. } = error else { panic!("{name}: {error:?}") };
        assert_eq!(format!("{source:?}"), expected, "{name}");
    }
    assert!(matches!(child("child-huge.sh"), Error::TooLarge { len, .. } if len == 1 << 63));
    assert!(matches!(child("child-missing.sh"), Error::Child { .. }));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_read_outside_harms_nothing_and_a_failed_sink_ends_the_source() {
    let image = image();
    let server = Server::start(move |request| ranged(&image, request, ETAG));
    let mut source = open(&server.url("/i"), &transport()).unwrap();
    let over = source.len() + 1;
    assert!(matches!(source.read(range(0, over), over), Err(Error::Range { .. })));
    assert!(matches!(source.read(range(0, 11), 10), Err(Error::Limit { .. })));
    assert!(source.read(range(0, 10), 10).is_ok());

    #[derive(Debug)]
    struct Full;
    impl From<Error> for Full {
        fn from(error: Error) -> Self {
            panic!("{error:?}")
        }
    }
    let mut chunk = vec![0; 4096];
    let result = source.read_into(range(0, 8192), &mut chunk, |_, _| Err(Full));
    assert!(matches!(result, Err(Full)));
    assert!(matches!(source.read(range(0, 10), 10), Err(Error::Ended { .. })));
    assert_eq!(source.mode(), Mode::Ranged);
}

#[test]
fn the_child_ends_with_its_source() {
    let children = || {
        let of_this = format!("/proc/self/task/{}/children", nix::unistd::gettid());
        std::fs::read_to_string(of_this).unwrap()
    };
    let (inheritable, _other_end) = nix::unistd::pipe().unwrap();
    let pipe = format!("/proc/self/fd/{}", inheritable.as_raw_fd());
    let pipe = std::fs::read_link(pipe).unwrap();
    let image = image();
    let server = Server::start(move |request| ranged(&image, request, ETAG));
    let source = open(&server.url("/i"), &transport()).unwrap();
    let child = children().trim().to_owned();
    for fd in std::fs::read_dir(format!("/proc/{child}/fd")).unwrap() {
        assert_ne!(std::fs::read_link(fd.unwrap().path()).unwrap(), pipe);
    }
    let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
    assert!(environment.is_empty(), "{environment:?}");
    drop(source);
    assert_eq!(children(), "");
    assert!(!Path::new("/proc").join(child).exists());
}

#[test]
fn the_child_dies_with_the_thread_that_opened_it() {
    let image = image();
    let server = Server::start(move |request| ranged(&image, request, ETAG));
    let url = server.url("/i");
    let opened = std::thread::spawn(move || open(&url, &transport()).unwrap());
    let mut source = opened.join().unwrap();
    let result = whole(&mut source);
    assert!(matches!(result, Err(Error::Link { source: link::Error::Closed, .. })), "{result:?}");
}

#[test]
fn files_are_regular_or_block_devices() {
    let dir = tempfile::tempdir().unwrap();
    let (file, empty, fifo) = (dir.path().join("f"), dir.path().join("e"), dir.path().join("p"));
    std::fs::write(&file, image()).unwrap();
    std::fs::write(&empty, b"").unwrap();
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let mut source = Source::open_file(&file).unwrap();
    assert_eq!(source.mode(), Mode::File);
    assert_eq!(whole(&mut source).unwrap(), image());
    let url = SourceUrl::parse_or_file(&format!("file://{}", file.display())).unwrap();
    assert_eq!(whole(&mut Source::open_url(&url, &transport()).unwrap()).unwrap(), image());

    assert!(matches!(Source::open_file(&empty), Err(Error::Empty { .. })));
    assert!(matches!(Source::open_file(&dir.path().join("none")), Err(Error::File { .. })));
    for path in [dir.path(), &fifo, Path::new("/dev/zero")] {
        assert!(matches!(Source::open_file(path), Err(Error::FileKind { .. })), "{path:?}");
    }
    std::fs::write(&file, b"shrunk").unwrap();
    assert!(matches!(whole(&mut source), Err(Error::File { .. })));
}

#[test]
fn errors_show_no_query() {
    let result =
        open(&format!("http://127.0.0.1:{}/i?token=secret", server::closed_port()), &transport());
    let error = result.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", error.finding());
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!((error.class(), error.finding().id), (Class::Net, "source-unavailable"));
}
