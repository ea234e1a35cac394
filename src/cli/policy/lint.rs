// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot policy lint`: the same lints as text, JSON and SARIF 2.1.0.
//!
//! **In:** policy strings, or policy files. **Out:** one entry a lint. Exit 0 if there is nothing
//! worse than a note. **Refuses:** files that are no policy files.

use std::io::Write;

use serde_json::{Map, Value, json};
use veriroot::escape::escape;
use veriroot::finding::Class;
use veriroot::image_policy::ImagePolicy;
use veriroot::image_policy::lint::{KINDS, Level, Lint, lint, underlined};

use super::super::sarif;
use super::{Given, Json, LintArguments, PolicyError, VERSION, print_json};

pub(super) fn run(arguments: &LintArguments, out: &mut dyn Write) -> Result<u8, PolicyError> {
    let mut linted = Vec::new();
    for argument in &arguments.policies {
        let given = Given::read(argument)?;
        let lints = lint(&given.text);
        linted.push((given, lints));
    }
    if arguments.sarif {
        print_json(out, Json::Pretty, &sarif_log(&linted))?;
    } else if matches!(arguments.output.json, Json::Off) {
        out.write_all(text(&linted).as_bytes())?;
    } else {
        let all: Vec<_> = linted.iter().map(|(given, lints)| json(given, lints)).collect();
        let value = json!({ "version": VERSION, "policies": all });
        print_json(out, arguments.output.json, &value)?;
    }
    let bad = linted.iter().flat_map(|(_, lints)| lints).any(|it| it.level > Level::Note);
    Ok(if bad { Class::Config.exit_code() } else { 0 })
}

fn text(linted: &[(Given, Vec<Lint>)]) -> String {
    let mut text = String::new();
    for (given, lints) in linted {
        for lint in lints {
            let place =
                place(given).map_or(String::new(), |(path, line)| format!("{path}:{line}: "));
            let Lint { kind, level, span, message } = lint;
            text.push_str(&format!("{place}{}: {message} [{}]\n", level.name(), kind.id));
            for line in underlined(&given.text, span).lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
    }
    text
}

fn json(given: &Given, lints: &[Lint]) -> Value {
    let findings: Vec<_> = lints
        .iter()
        .map(|it| {
            json!({
                "id": it.kind.id,
                "level": it.level.name(),
                "start": it.span.start,
                "end": it.span.end,
                "culprit": given.text.get(it.span.clone()),
                "message": it.message,
            })
        })
        .collect();
    let place = place(given);
    json!({
        "policy": given.text,
        "file": place.as_ref().map(|(path, _)| path),
        "line": place.as_ref().map(|(_, line)| line),
        "accepted": ImagePolicy::parse(&given.text).is_ok(),
        "findings": findings,
    })
}

/// SARIF 2.1.0. A policy that stands in no file gets the address of its argument.
fn sarif_log(linted: &[(Given, Vec<Lint>)]) -> Value {
    let rules = KINDS.iter().map(|it| sarif::rule(it.id, it.about)).collect();
    let results: Vec<_> = linted
        .iter()
        .enumerate()
        .flat_map(|(index, (given, lints))| lints.iter().map(move |it| result(index, given, it)))
        .collect();
    sarif::log(rules, Map::from_iter([("results".to_owned(), results.into())]))
}

fn result(index: usize, given: &Given, lint: &Lint) -> Value {
    let culprit = given.text.get(lint.span.clone()).unwrap_or_default();
    let (uri, region) = match &given.place {
        Some((path, line)) => {
            (sarif::uri(path), json!({ "startLine": line, "snippet": { "text": culprit } }))
        }
        None => {
            let column = |at: usize| {
                let before = given.text.get(..at).unwrap_or_default();
                before.chars().count().saturating_add(1)
            };
            let region = json!({
                "startLine": 1,
                "startColumn": column(lint.span.start),
                "endColumn": column(lint.span.end),
                "snippet": { "text": culprit },
            });
            (format!("argument-{}", index.saturating_add(1)), region)
        }
    };
    json!({
        "ruleId": lint.kind.id,
        "level": lint.level.name(),
        "message": { "text": lint.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri },
            "region": region,
        } }],
    })
}

fn place(given: &Given) -> Option<(String, usize)> {
    let (path, line) = given.place.as_ref()?;
    Some((escape(&path.display().to_string()), *line))
}
