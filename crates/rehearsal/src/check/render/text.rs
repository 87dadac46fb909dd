//! The report for people.

use std::io::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use schema_rules::cost::Estimate;
use schema_rules::findings::{Finding, Severity, StatementReport, blocks, duration};

use super::Lines;
use crate::check::FileReport;

/// Lines of a statement that are shown at most.
const EXCERPT_LINES: usize = 12;

pub(super) fn write(out: &mut dyn Write, reports: &[FileReport], color: bool) -> std::io::Result<()> {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    for file in reports {
        let lines = Lines::new(&file.text);
        let silent = file.report.findings.is_empty()
            && file.report.statements.iter().all(|s| !worth_a_word(s) && s.findings.is_empty());
        if silent {
            continue;
        }
        writeln!(out, "{}, as {} runs it", file.path, file.runner.name)?;
        // What concerns the file as a whole comes before its statements.
        for finding in &file.report.findings {
            finding_report(out, &renderer, file, &lines, finding)?;
        }
        for statement in &file.report.statements {
            if worth_a_word(statement) || !statement.findings.is_empty() {
                statement_report(out, file, &lines, statement)?;
            }
            for finding in &statement.findings {
                finding_report(out, &renderer, file, &lines, finding)?;
            }
        }
    }
    summary(out, reports)
}

/// Whether the statement does anything to a table that others may use.
fn worth_a_word(statement: &StatementReport) -> bool {
    statement.locks.iter().any(|l| !l.new && !l.index)
        || !statement.waits.is_empty()
        || !statement.work.is_empty()
}

fn statement_report(
    out: &mut dyn Write,
    file: &FileReport,
    lines: &Lines<'_>,
    statement: &StatementReport,
) -> std::io::Result<()> {
    let place = lines.place(statement.range);
    let first_line = statement.range.of(lines.text).lines().next().unwrap_or("");
    writeln!(out, "{}:{}: {}", file.path, place.line, shorten(first_line))?;
    for lock in statement.locks.iter().filter(|l| !l.new && !l.index) {
        let held = match lock.held.likely_ns {
            0 => "for a moment".to_owned(),
            ns => format!("for {} ({})", duration(ns), range(&lock.held)),
        };
        writeln!(out, "    locks {} {} {held}: blocks {}", lock.relation, lock.mode, blocks(lock.mode))?;
    }
    for work in &statement.work {
        writeln!(out, "    {}: {} ({})", work.what, duration(work.takes.likely_ns), range(&work.takes))?;
    }
    for wait in &statement.waits {
        writeln!(out, "    waits {wait}")?;
    }
    for demand in &statement.demands {
        writeln!(out, "    fails if the data says so: {} ({})", demand.message, demand.sqlstate)?;
    }
    Ok(())
}

/// How far off the estimate may be, and what it rests on.
fn range(estimate: &Estimate) -> String {
    let (low, high) = (duration(estimate.low_ns), duration(estimate.high_ns));
    format!("{low} to {high}, {}", estimate.basis.as_str())
}

fn shorten(line: &str) -> String {
    const MOST: usize = 90;
    if line.chars().count() <= MOST {
        line.to_owned()
    } else {
        line.chars().take(MOST).chain("…".chars()).collect()
    }
}

fn finding_report(
    out: &mut dyn Write,
    renderer: &Renderer,
    file: &FileReport,
    lines: &Lines<'_>,
    finding: &Finding,
) -> std::io::Result<()> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let (excerpt, from, line) = lines.excerpt(finding.range, EXCERPT_LINES);
    let clamp = |offset: u32| (offset as usize).saturating_sub(from).min(excerpt.len());
    let (start, end) = (clamp(finding.range.start), clamp(finding.range.end));
    let snippet = Snippet::source(excerpt)
        .path(file.path.as_str())
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(start..end.max(start)));
    let mut group = Group::with_title(level.primary_title(finding.message.as_str()).id(finding.rule.name))
        .element(snippet);
    for note in &finding.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    let safe = finding.safe.as_ref().map(|safe| format!("instead:\n{safe}"));
    if let Some(safe) = &safe {
        group = group.element(Level::HELP.message(safe.as_str()));
    }
    writeln!(out, "{}\n", renderer.render(&[group]))
}

fn summary(out: &mut dyn Write, reports: &[FileReport]) -> std::io::Result<()> {
    let statements: usize = reports.iter().map(|r| r.report.statements.len()).sum();
    let count = |severity: Severity| {
        reports.iter().flat_map(|r| r.report.all()).filter(|f| f.severity == severity).count()
    };
    writeln!(
        out,
        "{} in {}: {}, {}, {}",
        plural(statements, "statement"),
        plural(reports.len(), "file"),
        plural(count(Severity::Error), "error"),
        plural(count(Severity::Warning), "warning"),
        plural(count(Severity::Note), "note")
    )
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
