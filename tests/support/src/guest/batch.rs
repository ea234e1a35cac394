// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Many command lines in one guest: each runs in a PID namespace of its own, so that the reboot a
//! refusal ends with ends only that scenario, and the next one follows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::initrd::{ANCHORS, Initrd, InitrdBuilder, POLICY};
use super::kernel::Kernel;
use super::qemu::{Guest, Line, Run};
use super::state;
use super::verdict::Verdict;

/// One command line to try.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    cmdline: String,
    script: String,
    limit: Duration,
    files: Vec<(String, Vec<u8>)>,
}

impl Scenario {
    /// `veriroot boot` with that kernel command line, the initrd's policy and anchors, and 20
    /// seconds. The name is a word of letters, digits, `-` and `_`.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn new(name: &str, cmdline: &str) -> Self {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(!name.is_empty() && name.chars().all(is_word), "not a scenario name: {name:?}");
        Self {
            name: name.to_owned(),
            cmdline: format!("{cmdline}\n"),
            script: "veriroot boot\n".to_owned(),
            limit: Duration::from_secs(20),
            files: Vec::new(),
        }
    }

    /// Runs this instead of `veriroot boot`.
    #[must_use]
    pub fn script(self, script: &str) -> Self {
        Self { script: script.to_owned(), ..self }
    }

    /// Another time after which it is killed.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// A policy file; with one, none of the initrd's own are there.
    #[must_use]
    pub fn policy(mut self, name: &str, text: &str) -> Self {
        self.files.push((format!("{POLICY}/{name}"), text.into()));
        self
    }

    /// A trust anchor, PEM; with one, none of the initrd's own are there.
    #[must_use]
    pub fn certificate(mut self, name: &str, pem: impl AsRef<[u8]>) -> Self {
        self.files.push((format!("{ANCHORS}/{name}"), pem.as_ref().to_vec()));
        self
    }
}

/// Scenarios, in the order they run.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    scenarios: Vec<Scenario>,
    words: String,
}

/// What became of one scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the program printed.
    pub console: String,
    /// What the kernel logged meanwhile.
    pub kernel: String,
    /// The exit status as a shell tells it: 128 and the signal's number for what a signal ended,
    /// so 129 for a reboot, 130 for a halt or power-off, 137 for the time limit.
    pub exit: i32,
    /// What the program said about its decision.
    pub verdict: Option<Verdict>,
    /// What was there afterwards and not before; empty for a refusal.
    pub exposed: Vec<String>,
    /// How long it took.
    pub wall: Duration,
}

/// What became of each scenario, by name.
#[derive(Clone, Debug)]
pub struct Outcomes(BTreeMap<String, Outcome>);

impl Outcome {
    /// Asserts that it was refused, and that nothing stays of it; the console.
    ///
    /// # Panics
    /// With the console if it was not, or not for this.
    pub fn assert_refused(&self, expected: &Verdict) -> &str {
        assert_eq!(self.verdict.as_ref(), Some(expected), "{}", self.console);
        assert_eq!(self.exposed, [""; 0], "{}", self.console);
        &self.console
    }
}

impl Batch {
    /// Words for the guest's own kernel command line, which no scenario sees.
    #[must_use]
    pub fn words(self, words: &str) -> Self {
        Self { words: words.to_owned(), ..self }
    }

    /// Adds a scenario.
    ///
    /// # Panics
    /// If one of that name is there.
    pub fn add(&mut self, scenario: Scenario) {
        assert!(
            self.scenarios.iter().all(|other| other.name != scenario.name),
            "{} twice",
            scenario.name
        );
        self.scenarios.push(scenario);
    }

    /// Boots one guest and runs them all.
    ///
    /// # Panics
    /// With the end of the console if a scenario has no complete outcome.
    #[must_use]
    pub fn run(&self, kernel: &Kernel, initrd: InitrdBuilder) -> Outcomes {
        let initrd = self.initrd(initrd);
        let limit: Duration = self.scenarios.iter().map(|scenario| scenario.limit).sum();
        let run = Guest::new(kernel, &initrd)
            .limit(limit + Duration::from_secs(60))
            .boot(&format!("console=ttyS0 panic=-1 quiet {}", self.words));
        self.outcomes(&run)
    }

    /// What became of them in a guest that was booted with [`Self::initrd`].
    ///
    /// # Panics
    /// With the end of the console if a scenario has no complete outcome.
    #[must_use]
    pub fn outcomes(&self, run: &Run) -> Outcomes {
        let outcome = |scenario: &Scenario| {
            let outcome = outcome(run, &scenario.name);
            let complain = || panic!("no outcome of {}:\n{}", scenario.name, run.tail());
            (scenario.name.clone(), outcome.unwrap_or_else(complain))
        };
        Outcomes(self.scenarios.iter().map(outcome).collect())
    }

    /// The initrd that runs them.
    #[must_use]
    pub fn initrd(&self, mut initrd: InitrdBuilder) -> Initrd {
        for (number, scenario) in self.scenarios.iter().enumerate() {
            let directory = format!("scenarios/{number:03}-{}", scenario.name);
            let own = [
                ("cmdline", scenario.cmdline.as_bytes().to_vec()),
                ("run", scenario.script.as_bytes().to_vec()),
                ("limit", scenario.limit.as_secs().to_string().into_bytes()),
            ];
            for (path, content) in &own {
                initrd = initrd.file(&format!("{directory}/{path}"), content);
            }
            for (path, content) in &scenario.files {
                initrd = initrd.file(&format!("{directory}/{path}"), content);
            }
        }
        initrd.build()
    }
}

impl Outcomes {
    /// The outcome of the scenario of that name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn of(&self, name: &str) -> &Outcome {
        self.0.get(name).unwrap_or_else(|| panic!("no scenario {name}"))
    }
}

fn outcome(run: &Run, name: &str) -> Option<Outcome> {
    let marked = |line: &Line| {
        let (number_and_name, mark) = line.text.strip_prefix("SCENARIO ")?.split_once(' ')?;
        let (_, its_name) = number_and_name.split_once('-')?;
        (its_name == name).then(|| mark.to_owned())
    };
    let begin = run.lines.iter().position(|line| marked(line).is_some())?;
    let lines = run.lines.get(begin..)?;
    let end = lines.iter().skip(1).position(|line| marked(line).is_some())?;
    let (first, last) = (lines.first()?, lines.get(end + 1)?);
    let lines = lines.get(1..=end)?;

    let (mut console, mut kernel) = (String::new(), String::new());
    for Line { text, .. } in lines.iter().filter(|line| !line.text.starts_with("STATE ")) {
        match text.strip_prefix("KERNEL ") {
            Some(text) => writeln!(kernel, "{text}"),
            None => writeln!(console, "{text}"),
        }
        .ok()?;
    }
    let mark = marked(last)?;
    let exit = mark.strip_prefix("END exit=")?.split(' ').next()?.parse().ok()?;
    let exposed = state::exposed(lines)?;
    let verdict = Verdict::find(console.lines());
    Some(Outcome {
        console,
        kernel,
        exit,
        verdict,
        exposed,
        wall: last.at.saturating_sub(first.at),
    })
}
