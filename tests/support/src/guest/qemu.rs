// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Runs a guest, bounded in time, and keeps every line of its serial console.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::initrd::Initrd;
use super::kernel::Kernel;
use super::state;
use super::verdict::Verdict;

/// A machine, switched off.
#[derive(Debug)]
pub struct Guest<'a> {
    kernel: &'a Kernel,
    initrd: &'a Initrd,
    memory_mib: u32,
    limit: Duration,
}

/// One line of the console and when it was complete, counted from the start of the emulator.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: Duration,
    /// Without the line's end.
    pub text: String,
}

/// What became of a guest.
#[derive(Debug)]
pub struct Run {
    /// The whole console, and what the emulator had to say.
    pub lines: Vec<Line>,
    /// Whether the guest went off by itself: power-off or reboot. Else it was killed.
    pub went_off: bool,
    /// From start to end of the emulator.
    pub wall: Duration,
}

impl<'a> Guest<'a> {
    /// A machine with two processors and 1 GiB, given 90 seconds.
    #[must_use]
    pub fn new(kernel: &'a Kernel, initrd: &'a Initrd) -> Self {
        Self { kernel, initrd, memory_mib: 1024, limit: Duration::from_secs(90) }
    }

    /// Another amount of memory.
    #[must_use]
    pub fn memory_mib(self, memory_mib: u32) -> Self {
        Self { memory_mib, ..self }
    }

    /// Another time after which it is killed.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Boots it with exactly this kernel command line and waits for its end.
    ///
    /// # Panics
    /// If the emulator can't be started.
    #[must_use]
    pub fn boot(&self, cmdline: &str) -> Run {
        self.boot_watched(cmdline, |_| ())
    }

    /// The same, showing each line to `watch` as it comes.
    ///
    /// # Panics
    /// If the emulator can't be started.
    #[must_use]
    pub fn boot_watched(&self, cmdline: &str, mut watch: impl FnMut(&Line)) -> Run {
        self.boot_while(cmdline, |line| {
            watch(line);
            true
        })
    }

    /// The same, for a machine that stays on: it is switched off at the line that `goes_on` refuses.
    ///
    /// # Panics
    /// If the emulator can't be started.
    #[must_use]
    pub fn boot_while(&self, cmdline: &str, goes_on: impl FnMut(&Line) -> bool) -> Run {
        let mut command = emulator("q35", self.memory_mib);
        command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        command.arg("-kernel").arg(self.kernel.image());
        command.arg("-initrd").arg(self.initrd.path());
        command.args(["-append", cmdline]);
        run(command, self.limit, goes_on)
    }
}

/// A machine whose firmware loads what it boots, from the network if its variables say so.
#[derive(Debug)]
pub struct Firmware<'a> {
    /// Its code, with Secure Boot.
    pub code: &'a Path,
    /// Its variables; they are written to.
    pub variables: &'a Path,
    /// Memory.
    pub memory_mib: u32,
    /// The time after which it is killed.
    pub limit: Duration,
}

impl Firmware<'_> {
    /// Switches it on and waits for its end, or for the first line that `goes_on` says no to.
    ///
    /// # Panics
    /// If the emulator can't be started.
    #[must_use]
    pub fn boot_while(&self, goes_on: impl FnMut(&Line) -> bool) -> Run {
        let mut command = emulator("q35,smm=on", self.memory_mib);
        command.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
        let flash = |unit: u8, readonly: &str, file: &Path| {
            let file = file.display();
            format!("if=pflash,format=raw,unit={unit},readonly={readonly},file={file}")
        };
        command.args(["-drive", &flash(0, "on", self.code)]);
        command.args(["-drive", &flash(1, "off", self.variables)]);
        // With the firmware's own driver for the card.
        command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        run(command, self.limit, goes_on)
    }
}

fn emulator(machine: &str, memory_mib: u32) -> Command {
    // Even a harness that is killed leaves no emulator behind.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    command.args(["-machine", machine, "-accel", "tcg,thread=multi", "-cpu", "max"]);
    command.args(["-smp", "2", "-m", &memory_mib.to_string()]);
    command.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    command.args(["-netdev", "user,id=net"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command, limit: Duration, mut goes_on: impl FnMut(&Line) -> bool) -> Run {
    let start = Instant::now();
    let mut emulator = Emulator(command.spawn().unwrap_or_else(|e| {
        panic!("qemu-system-x86_64: {e}: run `make guest-kernel` first");
    }));
    let (sender, receiver) = mpsc::channel();
    let errors = emulator.0.stderr.take().unwrap();
    forward(emulator.0.stdout.take().unwrap(), "", start, sender.clone());
    forward(errors, "qemu: ", start, sender);

    let mut lines = Vec::new();
    let went_off = loop {
        match receiver.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(line) => {
                let last = !goes_on(&line);
                lines.push(line);
                if last {
                    break false;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    drop(emulator);
    Run { lines, went_off, wall: start.elapsed() }
}

impl Run {
    /// The whole console as one text.
    #[must_use]
    pub fn console(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// What was there after a refusal and not before; `None` if it was not listed.
    #[must_use]
    pub fn exposed(&self) -> Option<Vec<String>> {
        state::exposed(&self.lines)
    }

    /// What the program said about its decision.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        Verdict::find(self.lines.iter().map(|line| line.text.as_str()))
    }

    /// Asserts that the boot was refused for this: no root came up, and the machine is off.
    ///
    /// # Panics
    /// With the end of the console if it is not so.
    pub fn assert_refused(&self, expected: &Verdict) {
        assert_eq!(self.verdict().as_ref(), Some(expected), "{}", self.tail());
        assert!(self.went_off && self.find("ROOT-UP").is_none(), "{}", self.tail());
    }

    /// The last 60 lines of the console: what to show when something went wrong.
    #[must_use]
    pub fn tail(&self) -> String {
        let from = self.lines.len().saturating_sub(60);
        let text = |line: &Line| format!("{:>7.2}s  {}\n", line.at.as_secs_f64(), line.text);
        self.lines[from..].iter().map(text).collect()
    }

    /// The first line that starts so.
    #[must_use]
    pub fn find(&self, start: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.text.starts_with(start))
    }

    /// The first line that starts so.
    ///
    /// # Panics
    /// With the end of the console if there is no such line.
    pub fn require(&self, start: &str) -> &Line {
        self.find(start).unwrap_or_else(|| panic!("no line `{start}…` in:\n{}", self.tail()))
    }
}

/// Ends and reaps the emulator however the run is left.
#[derive(Debug)]
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        // Fails only for a process that has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn forward(
    stream: impl Read + Send + 'static,
    prefix: &'static str,
    start: Instant,
    lines: Sender<Line>,
) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&bytes);
            let text = format!("{prefix}{}", plain(text.trim_end_matches(['\r', '\n'])));
            if lines.send(Line { at: start.elapsed(), text }).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// A line less what is said to a terminal: systemd resets the console before others write to it.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match rest.next() {
            // A control sequence ends with a letter or the like.
            Some('[') => {
                rest.find(|c| ('@'..='~').contains(c));
            }
            // A string ends with another escape and a backslash.
            Some(']' | 'P') => {
                rest.find(|c| *c == '\u{1b}');
                rest.next();
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_is_said_to_a_terminal_is_no_text() {
        let reset = "\u{1b}P+q6E616D65\u{1b}\\\u{1b}[18t\u{1b}7\u{1b}[32766;32766H\u{1b}[0J\u{1b}]104\u{1b}\\";
        assert_eq!(plain(&format!("{reset}ROOT-UP 1\u{1b}[0m")), "ROOT-UP 1");
        assert_eq!(plain("plain [text]"), "plain [text]");
        assert_eq!(plain("\u{1b}"), "");
        assert_eq!(plain("a\u{1b}[1"), "a");
    }
}
