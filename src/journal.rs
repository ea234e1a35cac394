// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Records for the journal, in its native protocol.
//!
//! **In:** names that this program chose, values that an image, a server or a command line chose.
//! **Out:** one datagram for each record; where there is no journal, one line in the kernel's log.
//! **Refuses:** names that are no field names; more bytes than a boot may log. What is too long is
//! cut with a mark; a value can end neither its field nor its line.
//!
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::limits;

/// Which kind of record it is: the identifier of a catalog entry (`dist/veriroot.catalog`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId(&'static str);

impl MessageId {
    /// Everything that was asked for is in its place.
    pub const ACCEPTED: Self = Self("8a1f6d0c3f5e4b7f9a5f0c0e9f6f2b31");
    /// A boot was refused.
    pub const REFUSED: Self = Self("c2c9de6b1c0a4d2f8a0e4f5b7d1e6a94");
    /// One image was judged.
    pub const JUDGED: Self = Self("5e0bd8f4a6f14f0d8d4c1b9ad5c7e3f2");

    /// 32 hex digits, as journalctl takes them.
    #[must_use]
    pub fn hex(self) -> &'static str {
        self.0
    }
}

/// How much it matters, as syslog(3) counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// LOG_CRIT.
    Critical = 2,
    /// LOG_NOTICE.
    Notice = 5,
    /// LOG_INFO.
    Info = 6,
}

impl Priority {
    fn digit(self) -> &'static str {
        match self {
            Self::Critical => "2",
            Self::Notice => "5",
            Self::Info => "6",
        }
    }
}

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    bytes: Vec<u8>,
    priority: Priority,
    message: String,
}

impl Record {
    /// A record with its message, which is one line.
    #[must_use]
    pub fn new(id: MessageId, priority: Priority, message: &str) -> Self {
        let message = one_line(message);
        let mut record = Self { bytes: Vec::new(), priority, message: message.clone() };
        record.field("MESSAGE", &message);
        record.field("MESSAGE_ID", id.hex());
        record.field("PRIORITY", priority.digit());
        record.field("SYSLOG_IDENTIFIER", "veriroot");
        record
    }

    /// Adds a field of one line. A name that the journal would not take is a mistake in this
    /// program, and leaves the field out.
    pub fn field(&mut self, name: &'static str, value: &str) {
        self.lines(name, std::iter::once(value));
    }

    /// Adds a field of several lines, as many of them as there is room for.
    pub fn lines<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a str>) {
        let room = limits::JOURNAL_RECORD.saturating_sub(self.bytes.len());
        let mut text = String::new();
        for (index, value) in values.enumerate() {
            let line = one_line(value);
            let needed = text.len().saturating_add(line.len()).saturating_add(name.len());
            if needed.saturating_add(OVERHEAD) > room {
                break;
            }
            if index > 0 {
                text.push('\n');
            }
            text.push_str(&line);
        }
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let named = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(plain);
        if text.is_empty() || !named {
            return;
        }
        self.bytes.extend(name.as_bytes());
        if text.contains('\n') {
            // A value with newlines goes with its length before it, so that none ends the field.
            let len = u64::try_from(text.len()).unwrap_or_default();
            self.bytes.push(b'\n');
            self.bytes.extend(len.to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend(text.as_bytes());
        self.bytes.push(b'\n');
    }

    /// What goes over the socket.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sends it to the journal, or where there is none, its message to the kernel's log.
    ///
    /// # Errors
    /// Neither takes it.
    pub fn send(&self, socket: &Path, kernel_log: &Path) -> io::Result<()> {
        let sent = UnixDatagram::unbound().and_then(|it| {
            it.set_nonblocking(true)?;
            it.send_to(&self.bytes, socket)
        });
        if sent.is_ok() {
            return Ok(());
        }
        let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
        let mut log = OpenOptions::new().write(true).custom_flags(flags).open(kernel_log)?;
        let line = format!("<{}>veriroot: {}\n", self.priority.digit(), self.message);
        log.write_all(line.as_bytes())
    }
}

/// Bytes of a field beside its name and value: two line ends and a length.
const OVERHEAD: usize = 10;

/// Printable ASCII as it is (texts of reports are escaped before), everything else escaped; cut
/// where it is too long.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= limits::PRINTED_TEXT {
            out.push_str("[...]");
            break;
        }
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read_file_bounded;

    /// Reads what the journal would read.
    fn fields(mut bytes: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|it| *it == b'\n').unwrap();
            let line = std::str::from_utf8(&bytes[..end]).unwrap();
            bytes = &bytes[end + 1..];
            if let Some((name, value)) = line.split_once('=') {
                fields.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let (len, rest) = bytes.split_first_chunk::<8>().unwrap();
            let (value, rest) = rest.split_at(u64::from_le_bytes(*len) as usize);
            fields.push((line.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
            bytes = rest.strip_prefix(b"\n").unwrap();
        }
        fields
    }

    fn record(message: &str) -> Record {
        Record::new(MessageId::REFUSED, Priority::Critical, message)
    }

    #[test]
    fn a_value_ends_neither_its_field_nor_its_line() {
        let evil = "a\nVERIROOT_VERDICT=accepted\n\x1b[2J\0\u{9b}\u{202e}";
        let mut record = record(evil);
        record.field("VERIROOT_FOUND", evil);
        record.lines("VERIROOT_FINDINGS", [evil, "b"].into_iter());
        let fields = fields(record.bytes());
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "MESSAGE",
            "MESSAGE_ID",
            "PRIORITY",
            "SYSLOG_IDENTIFIER",
            "VERIROOT_FOUND",
            "VERIROOT_FINDINGS",
        ];
        assert_eq!(names, expected);
        let shown = "a\\u{a}VERIROOT_VERDICT=accepted\\u{a}\\u{1b}[2J\\u{0}\\u{9b}\\u{202e}";
        assert_eq!(fields[0].1, shown);
        assert_eq!(fields[4].1, shown);
        assert_eq!(fields[5].1, format!("{shown}\nb"));
    }

    #[test]
    fn long_values_are_cut_and_many_left_out() {
        let long = "x".repeat(1 << 20);
        let mut record = record(&long);
        let many = vec![long.as_str(); 100_000];
        record.lines("VERIROOT_FINDINGS", many.into_iter());
        record.field("VERIROOT_VERDICT", "refused");
        assert!(record.bytes().len() <= limits::JOURNAL_RECORD);
        let fields = fields(record.bytes());
        let message = fields.first().unwrap();
        assert_eq!(message.1.len(), limits::PRINTED_TEXT + "[...]".len());
        assert!(fields.len() >= 5);
    }

    #[test]
    fn names_are_field_names() {
        let mut record = record("x");
        let before = record.bytes().len();
        for name in ["_TRUSTED", "lower", "A B", "A=B", "", "1A"] {
            record.field(name, "x");
        }
        record.field("VERIROOT_EMPTY", "");
        assert_eq!(record.bytes().len(), before);
    }

    #[test]
    fn without_a_journal_the_kernel_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (socket, log) = (dir.path().join("socket"), dir.path().join("kmsg"));
        assert!(record("a\nb").send(&socket, &log).is_err());
        std::fs::write(&log, "").unwrap();
        record("a\nb").send(&socket, &log).unwrap();
        assert_eq!(read_file_bounded(&log, 100).unwrap(), b"<2>veriroot: a\\u{a}b\n");
        let journal = UnixDatagram::bind(&socket).unwrap();
        record("c").send(&socket, &log).unwrap();
        let mut buffer = [0; 1024];
        let len = journal.recv(&mut buffer).unwrap();
        assert!(buffer[..len].starts_with(b"MESSAGE=c\nMESSAGE_ID="));
    }
}
