//! Checking migration files: find them, read them as their runner would, report.

pub(crate) mod config;
mod files;
pub(crate) mod render;

use std::path::{Path, PathBuf};

use anyhow::Context;
use schema_rules::cost::CostModel;
use schema_rules::findings::{Checker, Finding, ScriptReport, Severity};
use schema_rules::migrations::{Direction, Runner, sections};
use schema_rules::{Catalog, PgVersion};

use config::Allowed;
use files::MigrationFile;

/// What is checked, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) schema: Option<PathBuf>,
    pub(crate) version: PgVersion,
    pub(crate) runner: Option<&'static Runner>,
    pub(crate) rows: Vec<(String, u64)>,
    pub(crate) model: CostModel,
    pub(crate) tolerate_ms: u64,
    pub(crate) down: bool,
    pub(crate) allowed: Vec<Allowed>,
}

/// A file with what there is to say about it.
#[derive(Debug)]
pub(crate) struct FileReport {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) runner: &'static Runner,
    pub(crate) report: ScriptReport,
}

impl FileReport {
    /// The worst of its findings.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.report.worst()
    }
}

/// Checks everything, in the order in which the runners would run it.
/// The tables whose rows were given and that occur nowhere come along.
pub(crate) fn check(options: &Options) -> anyhow::Result<(Vec<FileReport>, Vec<String>)> {
    let mut checker = Checker::new(Catalog::new(), options.version, options.model.clone())
        .tolerating(options.tolerate_ms.saturating_mul(1_000_000));
    if let Some(path) = &options.schema {
        checker.build(&read(path)?);
    }
    let mut reports = Vec::new();
    set_rows(&mut checker, &options.rows);
    let mut unknown = unknown_tables(&checker, &options.rows);
    for file in files::collect(&options.paths, options.runner)? {
        set_rows(&mut checker, &options.rows);
        reports.extend(check_file(&mut checker, file, options)?);
        // A table that a file drops was known before.
        let still = unknown_tables(&checker, &options.rows);
        unknown.retain(|name| still.contains(name));
    }
    Ok((reports, unknown))
}

fn check_file(
    checker: &mut Checker,
    file: MigrationFile,
    options: &Options,
) -> anyhow::Result<Option<FileReport>> {
    let text = read(&file.path)?;
    let mut report = ScriptReport::default();
    let mut seen = false;
    for section in sections(file.runner, &file.name, &text) {
        if section.direction == Direction::Down {
            if !options.down {
                continue;
            }
            // A way back starts from where its way forward has led, and leaves that for the next file.
            let after_up = checker.catalog.clone();
            merge(&mut report, checker.section(&text, &section, file.runner));
            checker.catalog = after_up;
        } else {
            merge(&mut report, checker.section(&text, &section, file.runner));
        }
        seen = true;
    }
    if !seen {
        return Ok(None);
    }
    let path = file.path.display().to_string();
    allow(&mut report, &path, &options.allowed);
    Ok(Some(FileReport { path, text, runner: file.runner, report }))
}

fn merge(into: &mut ScriptReport, section: ScriptReport) {
    into.statements.extend(section.statements);
    into.findings.extend(section.findings);
}

/// Takes away what the configuration allows.
fn allow(report: &mut ScriptReport, path: &str, allowed: &[Allowed]) {
    let keep = |finding: &Finding| !allowed.iter().any(|a| a.covers(path, finding.rule));
    report.statements.iter_mut().for_each(|s| s.findings.retain(keep));
    report.findings.retain(keep);
}

/// The names among `rows` that neither the schema nor any statement has.
fn unknown_tables(checker: &Checker, rows: &[(String, u64)]) -> Vec<String> {
    let unknown = |name: &&String| {
        let (schema, table) = name.split_once('.').unwrap_or(("public", name));
        checker.catalog.find_in(schema, table).is_none()
    };
    rows.iter().map(|(name, _)| name).filter(unknown).cloned().collect()
}

/// Sizes that were given by name.
fn set_rows(checker: &mut Checker, rows: &[(String, u64)]) {
    for (name, rows) in rows {
        let (schema, table) = name.split_once('.').unwrap_or(("public", name));
        checker.expect_rows(schema, table, *rows);
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        // What is no UTF-8 is shown as it can be; places after it may be off.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
