//! Annotations in the pages of GitHub and GitLab.

use std::io::Write;

use schema_rules::findings::{Finding, Severity};
use serde_json::{Value, json};

use super::Lines;
use crate::check::FileReport;

/// Workflow commands (GitHub, "Workflow commands for GitHub Actions").
pub(super) fn github(out: &mut dyn Write, reports: &[FileReport]) -> std::io::Result<()> {
    for file in reports {
        let lines = Lines::new(&file.text);
        for finding in file.report.all() {
            let place = lines.place(finding.range);
            let command = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            writeln!(
                out,
                "::{command} file={},line={},col={},endLine={},title={}::{}",
                escape(&file.path, true),
                place.line,
                place.column,
                place.end_line,
                finding.rule.name,
                escape(&message(finding), false)
            )?;
        }
    }
    Ok(())
}

fn message(finding: &Finding) -> String {
    let mut text = finding.message.clone();
    for note in &finding.notes {
        text = format!("{text}\n{note}");
    }
    match &finding.safe {
        Some(safe) => format!("{text}\ninstead:\n{safe}"),
        None => text,
    }
}

fn escape(text: &str, property: bool) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

/// GitLab's code quality report (GitLab, "Code Quality report format").
pub(super) fn gitlab(out: &mut dyn Write, reports: &[FileReport]) -> std::io::Result<()> {
    let mut issues: Vec<Value> = Vec::new();
    for file in reports {
        let lines = Lines::new(&file.text);
        for finding in file.report.all() {
            let place = lines.place(finding.range);
            let severity = match finding.severity {
                Severity::Error => "critical",
                Severity::Warning => "major",
                Severity::Note => "info",
            };
            issues.push(json!({
                "description": finding.message,
                "check_name": finding.rule.name,
                "fingerprint": fingerprint(&file.path, finding, finding.range.of(&file.text)),
                "severity": severity,
                "location": { "path": file.path, "lines": { "begin": place.line } },
            }));
        }
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}

/// The same for the same finding in the same text, wherever it stands in the file (FNV-1a, 64 bits).
fn fingerprint(path: &str, finding: &Finding, text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in [path, finding.rule.name, &finding.message, text].join("\0").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}
