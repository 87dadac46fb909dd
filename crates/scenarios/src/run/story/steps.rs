//! The steps of a migration: what stands or falls together, and by which names deployments call it.

use schema_rules::migrations::{Grouping, Version};

use crate::load::{MigrationFile, MigrationPlan};
use crate::model::MigrationSpec;

/// Statements that stand or fall together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The file that they are in.
    pub(crate) file: String,
    /// The statements.
    pub(crate) statements: Vec<String>,
    /// Whether they share a transaction.
    pub(crate) transaction: bool,
    /// Whether this is a data step that is run in batches.
    pub(crate) batched: bool,
    /// The names of what has been done once this step has succeeded.
    pub(crate) ends: Vec<String>,
}

/// A file with what its runner writes down about it.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// The version, as the runner records it.
    pub(crate) version: String,
    /// Its name without version and ending.
    pub(crate) name: String,
    /// Its steps, in order.
    pub(crate) steps: Vec<Step>,
}

/// Every file that is rehearsed, in order, with its steps.
pub(crate) fn files(plan: &MigrationPlan, spec: &MigrationSpec) -> Vec<File> {
    let first = plan.earlier.len() + 1;
    let mut files: Vec<File> = (first..)
        .zip(&plan.files)
        .map(|(place, file)| File {
            version: version(file, place),
            name: file.meaning.description.clone(),
            steps: steps(file, plan.runner.grouping, spec),
        })
        .collect();
    name_ends(&mut files, spec);
    files
}

/// A version as a runner writes it; a file without a number has its place.
fn version(file: &MigrationFile, place: usize) -> String {
    match &file.meaning.version {
        Version::Numbers(parts) => parts.iter().map(u64::to_string).collect::<Vec<_>>().join("."),
        Version::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.clone(),
        Version::Text(_) => place.to_string(),
    }
}

fn steps(file: &MigrationFile, grouping: Grouping, spec: &MigrationSpec) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in &file.parts {
        let step = |statements: &[&str], transaction: bool, batched: bool| Step {
            file: file.name.clone(),
            statements: statements.iter().map(|sql| (*sql).to_owned()).collect(),
            transaction,
            batched,
            ends: Vec::new(),
        };
        let texts: Vec<&str> = part.statements.iter().map(|statement| statement.sql.as_str()).collect();
        // A query string of one statement is no transaction block (manual, section 55.2.2.1).
        let transaction = part.transaction && !(grouping == Grouping::QueryString && texts.len() == 1);
        // A data step in batches leaves the transaction of what is around it.
        let mut together: Vec<&str> = Vec::new();
        for sql in texts {
            let batched = is_data_step(sql) && batch_size(spec, &file.name, sql).is_some();
            if transaction && !batched {
                together.push(sql);
                continue;
            }
            if !together.is_empty() {
                steps.push(step(&std::mem::take(&mut together), true, false));
            }
            steps.push(step(&[sql], false, batched));
        }
        if !together.is_empty() {
            steps.push(step(&together, true, false));
        }
    }
    steps
}

/// Whether a statement changes rows that are there.
fn is_data_step(sql: &str) -> bool {
    let parsed = sql_syntax::parse(sql);
    matches!(
        parsed.statements.first().map(|one| &one.value),
        Some(sql_syntax::ast::Statement::Update(_) | sql_syntax::ast::Statement::Delete(_))
    )
}

/// The rows that a batch of a data step has, if it is run in batches.
pub(super) fn batch_size(spec: &MigrationSpec, file: &str, sql: &str) -> Option<u32> {
    spec.step(file, sql).and_then(|own| own.batch_size).or(spec.batch_size)
}

/// Names the ends: of each file, and of each step that the scenario names.
fn name_ends(files: &mut [File], spec: &MigrationSpec) {
    for file in files.iter_mut() {
        if let Some(last) = file.steps.last_mut() {
            last.ends.push(last.file.clone());
            let stem = last.file.trim_end_matches(".sql").trim_end_matches(".up").to_owned();
            last.ends.push(stem);
        }
    }
    for named in &spec.steps {
        let Some(name) = &named.name else { continue };
        let mut all: Vec<&mut Step> = files.iter_mut().flat_map(|file| &mut file.steps).collect();
        let last = all.iter_mut().rev().find(|step| named.fits(&step.file, &step.statements.join(";\n")));
        if let Some(step) = last {
            step.ends.push(name.clone());
        }
    }
}
