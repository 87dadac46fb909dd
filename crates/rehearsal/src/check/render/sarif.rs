//! SARIF 2.1.0 (OASIS "Static Analysis Results Interchange Format").

use std::io::Write;

use schema_rules::findings::{Finding, RULES, Severity};
use serde_json::{Value, json};

use super::Lines;
use crate::check::FileReport;

pub(super) fn write(out: &mut dyn Write, reports: &[FileReport]) -> std::io::Result<()> {
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|file| {
            let lines = Lines::new(&file.text);
            let results: Vec<Value> =
                file.report.all().into_iter().map(|f| result(file, &lines, f)).collect();
            results
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rehearsal",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn rules() -> Vec<Value> {
    RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": { "text": rule.summary },
                "help": { "text": rule.page, "markdown": rule.page },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect()
}

fn result(file: &FileReport, lines: &Lines<'_>, finding: &Finding) -> Value {
    let place = lines.place(finding.range);
    let index = RULES.iter().position(|r| r == finding.rule).unwrap_or_default();
    let mut text = finding.message.clone();
    for note in &finding.notes {
        text.push('\n');
        text.push_str(note);
    }
    if let Some(safe) = &finding.safe {
        text.push_str("\ninstead:\n");
        text.push_str(safe);
    }
    json!({
        "ruleId": finding.rule.name,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&file.path) },
                "region": {
                    "startLine": place.line,
                    "startColumn": place.column,
                    "endLine": place.end_line,
                    "endColumn": place.end_column,
                },
            },
        }],
    })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(byte.into())
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
