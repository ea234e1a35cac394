// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot doctor`: whether this initrd has what a boot needs.
//!
//! **In:** the running initrd, or the tree of an unpacked one. **Out:** one line for each thing that
//! a boot needs: there, missing, or worth knowing, and what to do; as text or JSON. **Refuses:** an
//! initrd that lacks something every boot needs: exit code 2.

mod kernel;
mod machine;
mod software;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use veriroot::finding::Class;
use veriroot::limits;
use veriroot::wire::read_file_bounded;

use super::console::line;
use super::{Json, unsaid};

#[derive(Args, Debug)]
pub(super) struct DoctorArguments {
    /// Unpacked initrd to look into, in place of the running one.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    json: Json,
}

/// The version of the JSON form: new keys may come, old ones stay.
const VERSION: u32 = 1;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it has to be.
    Ok,
    /// Some boots need it.
    Warning,
    /// Every boot needs it.
    Missing,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

/// One thing that a boot needs.
#[derive(Debug)]
struct Symptom {
    /// Stable, kebab case.
    id: &'static str,
    state: State,
    /// What is there; escaped.
    found: String,
    /// What to do; empty if nothing.
    advice: &'static str,
}

impl Symptom {
    fn ok(id: &'static str, found: impl Into<String>) -> Self {
        Self { id, state: State::Ok, found: found.into(), advice: "" }
    }

    fn warning(id: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { id, state: State::Warning, found: found.into(), advice }
    }

    fn missing(id: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { id, state: State::Missing, found: found.into(), advice }
    }
}

/// The initrd that is looked into.
#[derive(Clone, Copy, Debug)]
struct Patient<'a> {
    /// `None` for the running system.
    root: Option<&'a Path>,
}

impl Patient<'_> {
    /// Where a path of the initrd is from here.
    fn place(&self, path: &str) -> PathBuf {
        let root = self.root.unwrap_or(Path::new("/"));
        root.join(path.trim_start_matches('/'))
    }

    fn has(&self, path: &str) -> bool {
        self.place(path).symlink_metadata().is_ok()
    }

    /// Whether the running system is looked at, and so devices, network and memory are there to see.
    fn runs(&self) -> bool {
        self.root.is_none()
    }

    /// Whether systemd is the first program there.
    fn has_systemd(&self) -> bool {
        ["usr/lib/systemd/systemd", "lib/systemd/systemd"].iter().any(|it| self.has(it))
    }
}

/// A file as text; empty if it can't be read.
fn text_of(path: impl AsRef<Path>) -> String {
    let bytes = read_file_bounded(path.as_ref(), limits::DOCTOR_FILE).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Looks at everything, and says what is missing.
pub(super) fn run(arguments: &DoctorArguments) -> ExitCode {
    let patient = Patient { root: arguments.root.as_deref() };
    let symptoms = examine(&patient);
    let text = match arguments.json {
        Json::Off => as_text(&symptoms),
        Json::Pretty => format!("{:#}\n", as_json(&symptoms)),
        Json::Short => format!("{}\n", as_json(&symptoms)),
    };
    match stdout().write_all(text.as_bytes()) {
        Ok(()) if is_ready(&symptoms) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(Class::Config.exit_code()),
        Err(error) => unsaid(&error),
    }
}

fn examine(patient: &Patient<'_>) -> Vec<Symptom> {
    let mut symptoms = Vec::new();
    kernel::examine(patient, &mut symptoms);
    software::examine(patient, &mut symptoms);
    machine::examine(patient, &mut symptoms);
    symptoms
}

fn is_ready(symptoms: &[Symptom]) -> bool {
    symptoms.iter().all(|it| it.state != State::Missing)
}

fn as_text(symptoms: &[Symptom]) -> String {
    let mut out = String::new();
    for symptom in symptoms {
        line(&mut out, symptom.state.name(), &format!("{}: {}", symptom.id, symptom.found));
        if !symptom.advice.is_empty() {
            line(&mut out, "  to do", symptom.advice);
        }
    }
    let count = |state| symptoms.iter().filter(|it| it.state == state).count();
    let (missing, warnings) = (count(State::Missing), count(State::Warning));
    let verdict = if missing == 0 { "READY" } else { "NOT READY" };
    line(&mut out, verdict, &format!("{missing} missing, {warnings} worth a look"));
    out
}

fn as_json(symptoms: &[Symptom]) -> Value {
    let one = |it: &Symptom| json!({ "id": it.id, "state": it.state.name(), "found": it.found, "advice": it.advice });
    json!({
        "version": VERSION,
        "ready": is_ready(symptoms),
        "symptoms": symptoms.iter().map(one).collect::<Vec<_>>(),
    })
}
