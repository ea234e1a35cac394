// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Holds a value against the part of JSON Schema 2020-12 that `docs/audit.schema.json` uses.
//!
//! **In:** a schema of ours, any value. **Out:** the first thing wrong, with its place.
//! **Refuses:** (panics) keywords it does not know, so that none goes unheeded; and, stricter than
//! the schema, keys that no `properties` name, so that none goes undocumented.

use serde_json::Value;

pub(crate) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    Checker { root: schema, closed: true }.check(schema, value, "$")
}

struct Checker<'a> {
    root: &'a Value,
    /// Keys that are not named are wrong.
    closed: bool,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Some(schema) = schema.as_object() else {
            assert_eq!(schema, &Value::Bool(false), "no schema at {at}");
            return Err(format!("{at}: must not be there"));
        };
        for (keyword, operand) in schema {
            self.keyword((keyword, operand), value, at)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        (keyword, operand): (&str, &Value),
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let wrong = || format!("{at}: {value} against {keyword} {operand}");
        let holds = |holds: bool| if holds { Ok(()) } else { Err(wrong()) };
        match keyword {
            "$schema" | "$defs" | "title" | "description" => Ok(()),
            "$ref" => {
                let pointer = operand.as_str().unwrap().strip_prefix('#').unwrap();
                self.check(self.root.pointer(pointer).unwrap(), value, at)
            }
            "const" => holds(value == operand),
            "enum" => holds(operand.as_array().unwrap().contains(value)),
            "type" => holds(match operand.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                other => panic!("unknown type {other}"),
            }),
            "minimum" => holds(value.as_u64() >= operand.as_u64()),
            "pattern" => holds(matches(operand.as_str().unwrap(), value.as_str().unwrap())),
            "required" => {
                let mut keys = operand.as_array().unwrap().iter();
                holds(keys.all(|key| value.get(key.as_str().unwrap()).is_some()))
            }
            "items" => {
                let mut items = value.as_array().unwrap().iter().enumerate();
                items.try_for_each(|(index, it)| self.check(operand, it, &format!("{at}[{index}]")))
            }
            "properties" => self.properties(operand, value, at),
            "oneOf" => {
                let schemas = operand.as_array().unwrap().iter();
                let open = Self { closed: false, ..*self };
                holds(schemas.filter(|it| open.check(it, value, at).is_ok()).count() == 1)
            }
            other => panic!("unknown keyword {other} at {at}"),
        }
    }

    fn properties(&self, schemas: &Value, value: &Value, at: &str) -> Result<(), String> {
        for (key, it) in value.as_object().unwrap() {
            let at = format!("{at}.{key}");
            match schemas.get(key) {
                Some(schema) => self.check(schema, it, &at)?,
                None if self.closed => return Err(format!("{at}: not documented")),
                None => {}
            }
        }
        Ok(())
    }
}

/// The two patterns there are.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^([0-9a-f]{64}|[0-9a-f]{128})$" => {
            let digits = text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            digits && [64, 128].contains(&text.len())
        }
        "^[a-z]+(-[a-z]+)+$" => {
            let word = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase());
            text.contains('-') && text.split('-').all(word)
        }
        other => panic!("unknown pattern {other}"),
    }
}
