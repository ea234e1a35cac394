// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Tries loaders on cases.
//!
//! **In:** a command template: words, in which `{image}`, `{anchors}`, `{policy}`, `{data}`,
//! `{hash}`, `{roothash}` and `{dir}` stand for what the case has. **Out:** what the loader did.
//! **Refuses:** nothing; exit code 0 is acceptance, any other a refusal, a signal or a timeout is
//! neither.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Case, Demand, Files};

/// Longest time for one case.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that can be tried: `NAME[:PREFIX,PREFIX]=COMMAND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    /// Head of its column.
    pub name: String,
    /// Beginnings of the identifiers of the cases it is tried on; none for all.
    pub groups: Vec<String>,
    /// The template, one word each.
    pub command: Vec<String>,
}

/// What a loader did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// Exit code 0.
    Accepted,
    /// Another exit code.
    Refused,
    /// It was ended by a signal, or never came to an end.
    Crashed(String),
    /// It has no say in this.
    NotAsked,
}

impl Got {
    /// In one word.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Accepted => "accept",
            Self::Refused => "refuse",
            Self::Crashed(how) => how,
            Self::NotAsked => "-",
        }
    }

    /// Whether that is what the case demands; `None` where nobody was asked.
    #[must_use]
    pub fn meets(&self, demand: Demand) -> Option<bool> {
        match self {
            Self::Accepted => Some(demand == Demand::Accept),
            Self::Refused => Some(demand == Demand::Refuse),
            Self::Crashed(_) => Some(false),
            Self::NotAsked => None,
        }
    }
}

impl Loader {
    /// Reads `NAME[:GROUPS]=COMMAND`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, command) = text.split_once('=')?;
        let (name, groups) = head.split_once(':').unwrap_or((head, ""));
        let split = |text: &str, by: char| -> Vec<String> {
            text.split(by).filter(|it| !it.is_empty()).map(str::to_owned).collect()
        };
        let command = split(command, ' ');
        let sound = !name.is_empty() && !command.is_empty();
        sound.then(|| Self { name: name.to_owned(), groups: split(groups, ','), command })
    }

    /// Tries it on one case.
    ///
    /// # Panics
    /// If the command can't be started at all.
    #[must_use]
    pub fn run(&self, case: &Case, files: &Files) -> Got {
        let named = |it: &String| case.id.starts_with(it.as_str());
        if !self.groups.is_empty() && !self.groups.iter().any(named) {
            return Got::NotAsked;
        }
        let wants_tree =
            self.command.iter().any(|it| ["{data}", "{hash}", "{roothash}"].contains(&it.as_str()));
        if wants_tree && case.tree.is_none() {
            return Got::NotAsked;
        }
        let place = |name: &str| files.directory.join(name).display().to_string();
        let root_hash = case.tree.as_ref().map(|it| it.2.clone()).unwrap_or_default();
        let values = [
            ("{image}", place(case.file_name())),
            ("{anchors}", place("anchors")),
            ("{data}", place("root.data")),
            ("{hash}", place("root.verity")),
            ("{roothash}", root_hash),
            ("{dir}", files.directory.display().to_string()),
            ("{policy}", case.policy.clone()),
        ];
        let words = self.command.iter().map(|word| {
            // The policy last: whatever it holds is no placeholder.
            values.iter().fold(word.clone(), |word, (key, value)| word.replace(key, value))
        });
        let words: Vec<String> = words.collect();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", words[0]));
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return match status.code() {
                    Some(0) => Got::Accepted,
                    // 128 and more is how shells and chroot tell of a signal; 101 is a panic.
                    Some(code @ (101 | 126..)) => Got::Crashed(format!("exit {code}")),
                    Some(_) => Got::Refused,
                    None => Got::Crashed("signal".to_owned()),
                };
            }
            if start.elapsed() > PATIENCE {
                let _killed = child.kill();
                let _status = child.wait();
                return Got::Crashed("timeout".to_owned());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_has_a_name_perhaps_groups_and_a_command() {
        let loader = Loader::parse("veritysetup:VER,SEL=veritysetup verify {data}").unwrap();
        assert_eq!((loader.name.as_str(), loader.groups.len()), ("veritysetup", 2));
        assert_eq!(loader.command, ["veritysetup", "verify", "{data}"]);
        assert!(Loader::parse("a=b --x={y}").unwrap().groups.is_empty());
        assert_eq!(
            (Loader::parse("x"), Loader::parse("=b"), Loader::parse("a=")),
            (None, None, None)
        );
    }
}
