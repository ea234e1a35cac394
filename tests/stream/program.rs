// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The program under test, and the tools that compress.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use veriroot_test_support::keys;

/// What the program said.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) code: i32,
    pub(crate) verdict: Value,
    /// Bytes of standard input that it took, or a pipe did for it.
    pub(crate) taken: usize,
}

impl Judged {
    pub(crate) fn mode(&self) -> String {
        self.verdict["mode"].as_str().unwrap().to_owned()
    }

    pub(crate) fn class(&self) -> String {
        self.verdict["class"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn finding(&self, id: &str) -> Option<&Value> {
        self.verdict["findings"].as_array().unwrap().iter().find(|it| it["id"] == id)
    }
}

/// `veriroot audit` for one signer and a signed root.
pub(crate) struct Program {
    directory: TempDir,
    anchors: TempDir,
    policy: Option<PathBuf>,
}

impl Program {
    pub(crate) fn new() -> Self {
        let anchors = keys::anchors(&[&keys::trusted()]);
        Self { directory: tempfile::tempdir().unwrap(), anchors, policy: None }
    }

    /// With the text of a policy file.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        let path = self.directory.path().join("policy.toml");
        fs::write(&path, text).unwrap();
        self.policy = Some(path);
        self
    }

    fn start(&self, image: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veriroot"));
        command
            .args(["audit", "--json=short", "--architecture=x86-64"])
            .arg("--image-policy=root=signed:=ignore")
            .arg("--certificate")
            .arg(self.anchors.path())
            .args(self.policy.iter().flat_map(|it| [Path::new("--policy-file"), it]))
            .arg(image);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn end(&self, child: Child, taken: usize) -> Judged {
        let output = child.wait_with_output().unwrap();
        let verdict = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let code = output.status.code().unwrap_or_else(|| panic!("killed: {output:?}"));
        Judged { code, verdict, taken }
    }

    pub(crate) fn judge_file(&self, name: &str, bytes: &[u8]) -> Judged {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        self.end(self.start(&path), 0)
    }

    /// Standard input as it comes, until the program wants no more.
    pub(crate) fn judge_stream(&self, stream: &mut (impl Read + Send)) -> Judged {
        let mut child = self.start(Path::new("-"));
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            let pouring = scope.spawn(move || {
                let (mut chunk, mut taken) = (vec![0; 4096], 0);
                loop {
                    let read = stream.read(&mut chunk).unwrap();
                    if read == 0 || stdin.write_all(&chunk[..read]).is_err() {
                        return taken;
                    }
                    taken += read;
                }
            });
            let mut judged = self.end(child, 0);
            judged.taken = pouring.join().unwrap();
            judged
        })
    }
}

pub(crate) fn judge_file(name: &str, bytes: &[u8]) -> Judged {
    Program::new().judge_file(name, bytes)
}

pub(crate) fn judge_pipe(mut bytes: &[u8]) -> Judged {
    Program::new().judge_stream(&mut bytes)
}

/// What a shell pipeline writes; it is killed when nobody reads on.
pub(crate) struct Tool(Child, ChildStdout);

impl Read for Tool {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.1.read(buf)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

pub(crate) fn tool(pipeline: &str) -> Tool {
    let mut command = Command::new("sh");
    command.args(["-c", pipeline]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    Tool(child, stdout)
}

/// `bytes` through a filter.
pub(crate) fn compressed(filter: &str, bytes: &[u8]) -> Vec<u8> {
    let mut words = filter.split(' ');
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{filter}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{filter}");
        output.stdout
    })
}
