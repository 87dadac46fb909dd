//! The whole report as JSON.

use std::io::Write;

use schema_rules::cost::Estimate;
use schema_rules::findings::{Finding, StatementReport, blocks};
use serde::Serialize;

use super::Lines;
use crate::check::FileReport;

#[derive(Serialize)]
struct Document<'r> {
    files: Vec<File<'r>>,
}

#[derive(Serialize)]
struct File<'r> {
    path: &'r str,
    runner: &'r str,
    statements: Vec<Statement<'r>>,
    findings: Vec<Found<'r>>,
}

#[derive(Serialize)]
struct Statement<'r> {
    line: usize,
    column: usize,
    sql: &'r str,
    in_transaction: bool,
    locks: Vec<Lock<'r>>,
    work: Vec<Work<'r>>,
    waits: &'r [String],
    error: Option<Failure<'r>>,
    demands: Vec<Failure<'r>>,
    findings: Vec<Found<'r>>,
}

#[derive(Serialize)]
struct Lock<'r> {
    relation: &'r str,
    index: bool,
    new: bool,
    mode: String,
    blocks: &'static str,
    held: Duration,
}

#[derive(Serialize)]
struct Work<'r> {
    what: &'r str,
    takes: Duration,
}

#[derive(Serialize)]
struct Duration {
    likely_ns: u64,
    low_ns: u64,
    high_ns: u64,
    basis: &'static str,
}

#[derive(Serialize)]
struct Failure<'r> {
    sqlstate: &'r str,
    message: &'r str,
}

#[derive(Serialize)]
struct Found<'r> {
    rule: &'r str,
    severity: String,
    message: &'r str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    notes: &'r [String],
    safe: Option<&'r str>,
}

pub(super) fn write(out: &mut dyn Write, reports: &[FileReport]) -> std::io::Result<()> {
    let document = Document { files: reports.iter().map(file).collect() };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn file(report: &FileReport) -> File<'_> {
    let lines = Lines::new(&report.text);
    File {
        path: &report.path,
        runner: report.runner.name,
        statements: report.report.statements.iter().map(|s| statement(&lines, &report.text, s)).collect(),
        findings: report.report.findings.iter().map(|f| found(&lines, f)).collect(),
    }
}

fn statement<'r>(lines: &Lines<'_>, text: &'r str, report: &'r StatementReport) -> Statement<'r> {
    let place = lines.place(report.range);
    let failure = |e: &'r schema_rules::SqlError| Failure { sqlstate: e.sqlstate, message: &e.message };
    Statement {
        line: place.line,
        column: place.column,
        sql: report.range.of(text),
        in_transaction: report.in_transaction,
        locks: report
            .locks
            .iter()
            .map(|l| Lock {
                relation: &l.relation,
                index: l.index,
                new: l.new,
                mode: l.mode.to_string(),
                blocks: blocks(l.mode),
                held: time(&l.held),
            })
            .collect(),
        work: report.work.iter().map(|w| Work { what: &w.what, takes: time(&w.takes) }).collect(),
        waits: &report.waits,
        error: report.error.as_ref().map(failure),
        demands: report.demands.iter().map(failure).collect(),
        findings: report.findings.iter().map(|f| found(lines, f)).collect(),
    }
}

fn time(estimate: &Estimate) -> Duration {
    Duration {
        likely_ns: estimate.likely_ns,
        low_ns: estimate.low_ns,
        high_ns: estimate.high_ns,
        basis: estimate.basis.as_str(),
    }
}

fn found<'r>(lines: &Lines<'_>, finding: &'r Finding) -> Found<'r> {
    let place = lines.place(finding.range);
    Found {
        rule: finding.rule.name,
        severity: finding.severity.to_string(),
        message: &finding.message,
        line: place.line,
        column: place.column,
        end_line: place.end_line,
        end_column: place.end_column,
        notes: &finding.notes,
        safe: finding.safe.as_deref(),
    }
}
