// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Runs the program, on fixtures that leave nothing behind.
//!
//! **In:** arguments. **Out:** what the program said. **Refuses:** (panics) a run that takes longer
//! than a minute, or ends by a signal.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use veriroot_test_support::fixture_path;

/// The demand under which most fixtures were made.
pub(crate) const SIGNED: &str = "--image-policy=root=signed:=ignore";

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one line of JSON on stdout, which has to agree with the exit code.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        let json: Value = serde_json::from_str(&self.stdout).unwrap();
        assert_eq!(json["exit-code"], self.code, "{self:?}");
        let verdict = if self.code == 0 { "accepted" } else { "refused" };
        assert_eq!(json["verdict"], verdict, "{self:?}");
        json
    }

    /// The finding that the refusal rests on: the last one.
    #[track_caller]
    pub(crate) fn refusal(&self) -> Value {
        let finding = self.json()["findings"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(finding["outcome"], "failed", "{self:?}");
        finding
    }
}

/// Runs the program.
#[track_caller]
pub(crate) fn veriroot(arguments: &[impl AsRef<OsStr>]) -> Ran {
    // timeout(1), so that a program that waits for a FIFO ends as a failure.
    let output = Command::new("timeout")
        .args(["120", env!("CARGO_BIN_EXE_veriroot")])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran {
        code: output.status.code().unwrap_or_else(|| panic!("killed: {}", output.status)),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!([0, 2, 10, 20, 21, 22, 30].contains(&ran.code), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// `audit --json=short` with the fixtures' signer.
#[track_caller]
pub(crate) fn audit(fixture: &str, arguments: &[&str]) -> Ran {
    let image = image(fixture);
    let standing = ["audit", "--json=short", &trusted(), image.to_str().unwrap()];
    veriroot(&[&standing, arguments].concat())
}

/// The option that trusts the fixtures' signer.
pub(crate) fn trusted() -> String {
    format!("--certificate={}", fixture_path("trusted.crt").display())
}

/// Where a fixture can be read: a file without a name, sparse, gone when this process ends.
pub(crate) fn image(fixture: &str) -> PathBuf {
    static FILES: OnceLock<Mutex<HashMap<String, File>>> = OnceLock::new();
    let mut files = FILES.get_or_init(Mutex::default).lock().unwrap();
    let file = files.entry(fixture.to_owned()).or_insert_with(|| unpack(fixture));
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

fn unpack(fixture: &str) -> File {
    const CHUNK: usize = 1 << 16;
    let packed = File::open(fixture_path(&format!("{fixture}.raw.zst"))).unwrap();
    let mut packed = zstd::Decoder::new(BufReader::new(packed)).unwrap();
    let (mut file, mut len, mut chunk) = (tempfile::tempfile().unwrap(), 0, vec![0; CHUNK]);
    let zeros = vec![0; CHUNK];
    loop {
        let got = packed.read(&mut chunk).unwrap();
        if got == 0 {
            file.set_len(len).unwrap();
            return file;
        }
        if chunk[..got] != zeros[..got] {
            file.seek(SeekFrom::Start(len)).unwrap();
            file.write_all(&chunk[..got]).unwrap();
        }
        len += u64::try_from(got).unwrap();
    }
}
