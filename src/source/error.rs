// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Why there is no source, or none any more.
//!
//! **In:** typed facts. **Out:** findings with a stable id each. **Refuses:** nothing; text of a
//! server or of the child is escaped and cut here.

use std::io;
use std::time::Duration;

use super::decode::Format;
use super::decoder::Fault;
use super::link::{self, Failure};
use crate::escape::escape;
use crate::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use crate::units::ByteRange;

/// Why there is no source, or none any more. `name` is a path or URL, escaped, without query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network child could not be started.
    #[error("the network child can't be started")]
    Child {
        /// What the system says.
        source: io::Error,
    },
    /// A stream that ends before the image does.
    #[error("{name} ends after {found} bytes, before the image does")]
    Cut {
        /// Which source.
        name: String,
        /// Bytes that came.
        found: u64,
    },
    /// A compressed source that can't be decoded.
    #[error("{name} can't be decoded as {format}: {source}")]
    Decode {
        /// Which source.
        name: String,
        /// What its first bytes say it is.
        format: Format,
        /// What is wrong.
        #[source]
        source: Fault,
    },
    /// Another file than the one whose SHA-256 was given.
    #[error("{name} has SHA-256 {found}, and {expected} was demanded")]
    Digest {
        /// Which source.
        name: String,
        /// Hex, as demanded.
        expected: String,
        /// Hex, of what came.
        found: String,
    },
    /// Nothing in it.
    #[error("{name} is empty")]
    Empty {
        /// Which source.
        name: String,
    },
    /// Read after it failed.
    #[error("{name} failed before and is not read again")]
    Ended {
        /// Which source.
        name: String,
    },
    /// A file that can't be opened or read.
    #[error("{name} can't be read")]
    File {
        /// Which source.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Neither a regular file nor a block device.
    #[error("{name} is neither a regular file nor a block device")]
    FileKind {
        /// Which source.
        name: String,
    },
    /// A second read of bytes that were given up after the first.
    #[error("byte {offset} of {name} was let go")]
    Gone {
        /// Which source.
        name: String,
        /// Where.
        offset: u64,
    },
    /// More bytes at once than the reader has a use for.
    #[error("{range} of {name} are over the limit of {limit} bytes")]
    Limit {
        /// Which source.
        name: String,
        /// What was to be read.
        range: ByteRange,
        /// The limit of this read.
        limit: u64,
    },
    /// The network child does not keep to the protocol, or is gone.
    #[error("{name} can't be read")]
    Link {
        /// Which source.
        name: String,
        /// What the child did.
        source: link::Error,
    },
    /// A stream that memory has no room for.
    #[error("{name} takes more memory than the machine has")]
    Memory {
        /// Which source.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Compression inside compression.
    #[error("{name} is {outer} around {inner}")]
    Nested {
        /// Which source.
        name: String,
        /// What was taken off.
        outer: Format,
        /// What is below.
        inner: Format,
    },
    /// A read through a buffer of no bytes.
    #[error("the buffer to read into is empty")]
    NoBuffer,
    /// An `https` URL, and no roots to check its server against.
    #[error("{name} needs TLS, and no TLS roots are configured")]
    NoTlsRoots {
        /// Which source.
        name: String,
    },
    /// A read past the end.
    #[error("{range} reach past the end of {name} ({len} bytes)")]
    Range {
        /// Which source.
        name: String,
        /// What was to be read.
        range: ByteRange,
        /// Its length.
        len: u64,
    },
    /// A secret for the server that can't be used. `name` is where it is looked for.
    #[error("the credential {name} can't be used")]
    Secret {
        /// File or credential.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The server, as the network child reports it.
    #[error("{name}: {}: {text}", failure.meaning())]
    Server {
        /// Which source.
        name: String,
        /// What kind of failure.
        failure: Failure,
        /// More about it, escaped.
        text: String,
    },
    /// The time for this server, or for all of them, is over.
    #[error("{name} took all of its {} s", given.as_secs())]
    Time {
        /// Which source.
        name: String,
        /// How long it had.
        given: Duration,
    },
    /// The file of TLS roots can't be used.
    #[error("the TLS roots in {name} can't be used")]
    TlsRoots {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Over the size limit.
    #[error("{name} has {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Which source.
        name: String,
        /// Its length.
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// Bytes behind the image.
    #[error("{name} goes on behind its {len} bytes")]
    Trailing {
        /// Which source.
        name: String,
        /// Where its partition table says that it ends.
        len: u64,
    },
}

impl Error {
    pub(super) fn from_link(name: &str, error: link::Error) -> Self {
        let name = name.to_owned();
        if let link::Error::Failed { failure, text } = error {
            Self::Server { name, failure, text: escape(&text) }
        } else {
            Self::Link { name, source: error }
        }
    }

    /// Whether another server could do better; if not, it is this machine that something is wrong
    /// with. How much one sends is its own choice, and another one may send what fits.
    pub(crate) fn is_of_server(&self) -> bool {
        if let Self::Memory { source, .. } = self {
            use io::ErrorKind::{FileTooLarge, OutOfMemory, StorageFull};
            return matches!(source.kind(), FileTooLarge | OutOfMemory | StorageFull);
        }
        !matches!(self, Self::Child { .. } | Self::NoBuffer | Self::TlsRoots { .. })
    }

    fn subject(&self) -> &str {
        match self {
            Self::Child { .. } => "network child",
            Self::NoBuffer => "buffer",
            Self::Cut { name, .. }
            | Self::Decode { name, .. }
            | Self::Digest { name, .. }
            | Self::Empty { name }
            | Self::Ended { name }
            | Self::File { name, .. }
            | Self::FileKind { name }
            | Self::Gone { name, .. }
            | Self::Limit { name, .. }
            | Self::Link { name, .. }
            | Self::Memory { name, .. }
            | Self::Nested { name, .. }
            | Self::NoTlsRoots { name }
            | Self::Range { name, .. }
            | Self::Secret { name, .. }
            | Self::Server { name, .. }
            | Self::Time { name, .. }
            | Self::TlsRoots { name, .. }
            | Self::TooLarge { name, .. }
            | Self::Trailing { name, .. } => name,
        }
    }

    /// (id, what was demanded, what to do)
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Child { .. } => {
                ("source-child", "a network child", "check /proc and the limits on processes")
            }
            Self::Cut { .. } => {
                ("source-cut", "the whole image", "check that the whole image is served")
            }
            Self::Decode { source, .. } => source.words(),
            Self::Empty { .. } => ("source-empty", "at least one byte", "check the image"),
            Self::Ended { .. } => ("source-ended", "a source that did not fail", "start again"),
            Self::File { .. } => ("source-file", "a readable file", "check the file"),
            Self::FileKind { .. } => {
                ("source-file-kind", "a regular file or a block device", "name another file")
            }
            Self::Gone { .. } => ("source-gone", "bytes that were not read before", "report this"),
            Self::Limit { .. } => ("source-limit", "a size within the limit", "check the image"),
            Self::Link { .. } => {
                ("source-link", "answers of the network child", "try another mirror; report this")
            }
            Self::Memory { .. } => {
                ("source-memory", "memory for the whole file", "give the machine more memory")
            }
            Self::Digest { .. } => (
                "source-digest",
                "the file whose SHA-256 verify= names, or the checksum file beside it",
                "serve the file that was meant; image and checksum file may be of two versions",
            ),
            Self::Nested { .. } => {
                ("source-nested", "one layer of compression", "compress the image once")
            }
            Self::NoBuffer => ("source-buffer", "a buffer", "report this"),
            Self::NoTlsRoots { .. } => {
                ("source-no-tls-roots", "TLS roots for https", "set tls-roots in the policy file")
            }
            Self::Range { .. } => ("source-range", "a range inside the image", "check the image"),
            Self::Secret { .. } => (
                "source-credential",
                "the credential that the policy file names for this server",
                "pass it to the machine, or correct transport.credential",
            ),
            Self::Server { failure, .. } => failure.words(),
            Self::Time { .. } => (
                "source-time",
                "the whole image within the budget",
                "check the network, or give more time with budget in the policy file",
            ),
            Self::TlsRoots { .. } => {
                ("source-tls-roots", "a PEM bundle of certificates", "correct tls-roots")
            }
            Self::TooLarge { .. } => {
                ("source-too-large", "an image within size-max", "check the image, or size-max")
            }
            Self::Trailing { .. } => (
                "source-trailing",
                "nothing behind the image",
                "cut the file where its partition table says that it ends",
            ),
        }
    }
}

impl Fault {
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Limit(_) => (
                "source-decode-limit",
                "a window, and an image, within the limits",
                "compress the image with a window of at most 128 MiB; check size-max",
            ),
            Self::Damaged(_) => (
                "source-decode",
                "one whole compressed stream, and nothing behind it",
                "compress the image anew, in one go; check that all of it is served",
            ),
            Self::Closed | Self::Frame { .. } | Self::Io(_) | Self::Late | Self::Start(_) => (
                "source-decode-child",
                "answers of the decode child",
                "check /proc and the machine's memory; report this",
            ),
        }
    }
}

impl Failure {
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Absent => "the server does not have it",
            Self::BadAnswer => "the server answers another question",
            Self::Changed => "the image changed while it was read",
            Self::Denied => "the server does not let us have it",
            Self::Redirect => "a redirect that is not followed",
            Self::Stalled => "the server is too slow",
            Self::Tls => "the server does not prove who it is",
            Self::TooLarge => "the image is too large",
            Self::Unavailable => "the server can't be reached or breaks off",
        }
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Absent => ("source-absent", "an image under this URL", "check the URL"),
            Self::BadAnswer => {
                ("source-bad-answer", "exactly the bytes asked for", "check the server")
            }
            Self::Changed => ("source-changed", "one and the same image", "start again"),
            Self::Denied => {
                ("source-denied", "an image that everybody may read", "check URL and server")
            }
            Self::Redirect => {
                ("source-redirect", "few redirects, none back into the clear", "check the server")
            }
            Self::Stalled => ("source-stalled", "bytes in time", "check the network"),
            Self::Tls => {
                ("source-tls", "a server certified by tls-roots", "check it and tls-roots")
            }
            Self::TooLarge => {
                ("source-too-large", "an image within size-max", "check the image, or size-max")
            }
            Self::Unavailable => ("source-unavailable", "a server", "check network and server"),
        }
    }
}

impl Refusal for Error {
    fn class(&self) -> Class {
        match self {
            Self::Child { .. } | Self::Memory { .. } => Class::Dev,
            Self::Cut { .. } | Self::Trailing { .. } => Class::Gpt,
            Self::Decode { source: Fault::Limit(_), .. } => Class::Limit,
            Self::Decode { source: Fault::Start(_), .. } => Class::Dev,
            Self::Decode { .. } | Self::Nested { .. } => Class::Decomp,
            Self::Digest { .. } => Class::Pair,
            Self::Empty { .. }
            | Self::Limit { .. }
            | Self::Range { .. }
            | Self::TooLarge { .. } => Class::Limit,
            Self::File { .. }
            | Self::FileKind { .. }
            | Self::NoBuffer
            | Self::NoTlsRoots { .. }
            | Self::Secret { .. }
            | Self::TlsRoots { .. } => Class::Config,
            Self::Ended { .. } | Self::Gone { .. } | Self::Link { .. } | Self::Time { .. } => {
                Class::Net
            }
            Self::Server { failure, .. } => failure.class(),
        }
    }

    fn finding(&self) -> Finding {
        let (id, expected, advice) = self.words();
        let cause = std::error::Error::source(self);
        // A decoder's words stand in the message already.
        let cause = cause.filter(|_| !matches!(self, Self::Decode { .. }));
        let cause = cause.map(|it| format!(": {it}")).unwrap_or_default();
        Finding {
            id,
            stage: Stage::Source,
            outcome: Outcome::Failed,
            subject: self.subject().to_owned(),
            expected: expected.to_owned(),
            found: format!("{self}{cause}"),
            required_by: Origin::Rule("bytes come whole, in bounds and in time, or not at all"),
            advice: advice.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_child_is_escaped_and_cut() {
        let report = |text: String| {
            let error = link::Error::Failed { failure: Failure::Absent, text };
            Error::from_link("http://h/i", error).to_string()
        };
        let shown = report("\x1b[2J\n<0>accepted".to_owned());
        assert_eq!(shown, "http://h/i: the server does not have it: \\u{1b}[2J\\u{a}<0>accepted");
        assert!(report("x".repeat(1023)).len() < 400);
    }

    #[test]
    fn the_class_follows_the_cause() {
        let name = || "i".to_owned();
        let server = |failure| Error::Server { name: name(), failure, text: String::new() };
        for (error, class, id) in [
            (server(Failure::Tls), Class::Tls, "source-tls"),
            (server(Failure::TooLarge), Class::Limit, "source-too-large"),
            (server(Failure::Changed), Class::Net, "source-changed"),
            (Error::NoTlsRoots { name: name() }, Class::Config, "source-no-tls-roots"),
            (Error::Link { name: name(), source: link::Error::Late }, Class::Net, "source-link"),
        ] {
            assert_eq!((error.class(), error.finding().id), (class, id));
        }
    }
}
