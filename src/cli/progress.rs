// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far long work has come.
//!
//! **In:** counts. **Out:** a bar on a terminal, a line for each tenth elsewhere, both on stderr.
//! **Refuses:** nothing.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use veriroot::fetch::Progress;

/// Work that is over sooner than this is not worth a line, bytes.
const WORTH_A_LINE: u64 = 64 << 20;

/// Columns of the bar itself.
const COLUMNS: u64 = 40;

/// Lines where there is no terminal.
const LINES: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Silent,
    Lines,
    Terminal,
}

/// Writes to stderr.
pub(super) struct Bar {
    verb: &'static str,
    form: Form,
    total: u64,
    done: u64,
    shown: u64,
    began: Instant,
}

impl Bar {
    /// For work called `verb`, in the form that suits stderr.
    pub(super) fn new(verb: &'static str) -> Self {
        let form = if io::stderr().is_terminal() { Form::Terminal } else { Form::Lines };
        Self { verb, form, total: 0, done: 0, shown: 0, began: Instant::now() }
    }

    /// For work that nobody wants to hear of.
    pub(super) fn silent() -> Self {
        Self { verb: "", form: Form::Silent, total: 0, done: 0, shown: 0, began: Instant::now() }
    }

    /// MiB a second since the beginning, all of them judged.
    fn rate(&self) -> u64 {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = self.done.saturating_mul(1000).checked_div(millis);
        rate.unwrap_or_default() >> 20
    }

    /// Shows a step, unless it was shown before.
    fn show(&mut self) {
        let steps = if self.form == Form::Terminal { COLUMNS } else { LINES };
        let share = |of: u64| self.done.saturating_mul(of).checked_div(self.total).unwrap_or(of);
        let (step, percent, mib) = (share(steps), share(100), self.total >> 20);
        if step == self.shown {
            return;
        }
        self.shown = step;
        let text = if self.form == Form::Terminal {
            let columns = |count: u64| usize::try_from(count).unwrap_or_default();
            let full = "#".repeat(columns(step));
            let rest = ".".repeat(columns(steps.saturating_sub(step)));
            let end = if self.done >= self.total { "\r\x1b[K" } else { "" };
            let rate = self.rate();
            format!("\r{} [{full}{rest}] {percent:3} % of {mib} MiB, {rate} MiB/s {end}", self.verb)
        } else {
            format!("veriroot: {} {percent} % of {mib} MiB, {} MiB/s\n", self.verb, self.rate())
        };
        // A console that can't be written to must not stop a boot.
        io::stderr().write_all(text.as_bytes()).ok();
    }
}

/// Work that ended early leaves a bar behind, where the verdict is about to stand.
impl Drop for Bar {
    fn drop(&mut self) {
        if self.form == Form::Terminal && self.shown > 0 && self.done < self.total {
            io::stderr().write_all(b"\r\x1b[K").ok();
        }
    }
}

impl Progress for Bar {
    fn begin(&mut self, total: u64) {
        (self.total, self.done, self.shown) = (total, 0, 0);
        self.began = Instant::now();
        if total < WORTH_A_LINE {
            self.form = Form::Silent;
        }
    }

    fn mirror(&mut self, name: &str) {
        if self.form == Form::Silent {
            return;
        }
        let clear = if self.form == Form::Terminal { "\r\x1b[K" } else { "" };
        let text = format!("{clear}veriroot: {} goes on from {name}\n", self.verb);
        io::stderr().write_all(text.as_bytes()).ok();
    }

    fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.form != Form::Silent {
            self.show();
        }
    }
}
