//! The SARIF report validates against the format's own schema (OASIS, SARIF 2.1.0, descriptions left out).

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const SCHEMA: &str = include_str!("data/sarif-2.1.0.json");

/// As much of JSON Schema (draft 7) as SARIF's schema uses, but for `pattern` and `format`.
struct Validator<'s> {
    root: &'s Value,
    errors: Vec<String>,
}

impl Validator<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.root.pointer(reference.trim_start_matches('#')).cloned();
            let target = target.unwrap_or_else(|| panic!("{reference} leads nowhere"));
            return self.check(&target, value, at);
        }
        if let Some(kind) = schema["type"].as_str()
            && !is_of(kind, value)
        {
            self.errors.push(format!("{at} is no {kind}"));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            self.errors.push(format!("{at} is none of {allowed:?}"));
        }
        if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
            && number < minimum
        {
            self.errors.push(format!("{at} is less than {minimum}"));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[key].as_array() {
                self.one_of(choices, value, at);
            }
        }
        self.object(schema, value, at);
        self.array(schema, value, at);
    }

    fn one_of(&mut self, choices: &[Value], value: &Value, at: &str) {
        let fits = choices.iter().any(|choice| {
            let mut attempt = Validator { root: self.root, errors: Vec::new() };
            attempt.check(choice, value, at);
            attempt.errors.is_empty()
        });
        if !fits {
            self.errors.push(format!("{at} fits no choice"));
        }
    }

    fn object(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(object) = value.as_object() else { return };
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(required) {
                self.errors.push(format!("{at} lacks {required}"));
            }
        }
        for (key, member) in object {
            let place = format!("{at}/{key}");
            match &schema["properties"][key] {
                Value::Null if schema["additionalProperties"] == Value::Bool(false) => {
                    self.errors.push(format!("{place} is not allowed"));
                }
                Value::Null if schema["additionalProperties"].is_object() => {
                    self.check(&schema["additionalProperties"], member, &place);
                }
                Value::Null => {}
                own => self.check(own, member, &place),
            }
        }
    }

    fn array(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(items) = value.as_array() else { return };
        let least = schema["minItems"].as_u64().unwrap_or(0);
        if (items.len() as u64) < least {
            self.errors.push(format!("{at} has fewer than {least} items"));
        }
        for (index, item) in items.iter().enumerate() {
            if schema["items"].is_object() {
                self.check(&schema["items"], item, &format!("{at}/{index}"));
            }
            if schema["uniqueItems"] == Value::Bool(true) && items[..index].contains(item) {
                self.errors.push(format!("{at}/{index} is there twice"));
            }
        }
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

#[test]
fn the_sarif_report_validates_against_its_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check"))
        .args(["check", "bad", "--schema", "schema.sql", "--runner", "plain", "--format", "sarif"])
        .output()
        .expect("the binary is built");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(report["runs"][0]["results"].as_array().is_some_and(|r| r.len() > 30));
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let mut validator = Validator { root: &schema, errors: Vec::new() };
    validator.check(&schema, &report, "");
    assert!(validator.errors.is_empty(), "{:#?}", validator.errors);
    let mut broken = report.clone();
    broken["runs"][0]["results"][0]["level"] = "terrible".into();
    let mut validator = Validator { root: &schema, errors: Vec::new() };
    validator.check(&schema, &broken, "");
    assert_eq!(validator.errors.len(), 1, "the validator finds what is wrong");
}
