//! The migration: what is run, when, and how it goes about its locks.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RetrySpec;
use crate::units::Span;

/// The migration and when it comes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationSpec {
    /// The folder of the migration files, relative to this file.
    pub directory: Option<String>,
    /// Migration files, in order, relative to this file; in place of `directory`.
    #[serde(default)]
    pub files: Vec<String>,
    /// The first file that is rehearsed, by the start of its name. Those before it have been applied: they are run before
    /// the traffic if the database has no `schema` and no `schema_file`, and taken to be in it otherwise. Default: the
    /// first file.
    pub from: Option<String>,
    /// The tool that runs them; default: found out from the files.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::runner")]
    pub runner: Option<String>,
    /// The lock against a second runner; default as the runner has it.
    pub runner_lock: Option<RunnerLockKind>,
    /// When the migration comes into the traffic; default 0 s.
    #[serde(default)]
    pub start: Span,
    /// `lock_timeout` of every statement; default none, or what `retry` has.
    pub lock_timeout: Option<Span>,
    /// `statement_timeout` of every statement; default none, or what `retry` has.
    pub statement_timeout: Option<Span>,
    /// How a step that failed for a lock is tried again; default not at all.
    pub retry: Option<RetrySpec>,
    /// After that much time no further attempt is begun and the migration has failed; default never.
    pub give_up_after: Option<Span>,
    /// Rows that an UPDATE or DELETE of a data step changes at a time, each batch in a transaction of its own; default
    /// all at once, as the statement stands.
    #[schemars(range(min = 1))]
    pub batch_size: Option<u32>,
    /// The rest between two batches of a data step; default 0 s.
    #[serde(default)]
    pub batch_pause: Span,
    /// What holds for single steps. The first entry that fits a step counts.
    #[serde(default)]
    pub steps: Vec<MigrationStepSpec>,
}

/// A runner's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum RunnerLockKind {
    /// None: two runners get in each other's way.
    #[serde(rename = "none")]
    None,
    /// A session's advisory lock: a second runner waits inside `pg_advisory_lock`.
    #[serde(rename = "advisory")]
    Advisory,
    /// A session's advisory lock: a second runner asks once a second.
    #[serde(rename = "polled advisory")]
    PolledAdvisory,
    /// A lock on the runner's table, held by a transaction that sits idle on a connection of its own.
    #[serde(rename = "table")]
    Table,
}

/// What holds for single steps. A step is a transaction of the migration: a file or, outside of transactions, a
/// statement.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationStepSpec {
    /// What deployments call the step; default the name of its file.
    pub name: Option<String>,
    /// The file that it is in, by the start of its name; default any.
    pub file: Option<String>,
    /// What its SQL contains, upper and lower case alike; default anything.
    #[serde(rename = "match")]
    pub matches: Option<String>,
    /// In place of the migration's.
    pub lock_timeout: Option<Span>,
    /// In place of the migration's.
    pub statement_timeout: Option<Span>,
    /// In place of the migration's.
    pub retry: Option<RetrySpec>,
    /// In place of the migration's.
    #[schemars(range(min = 1))]
    pub batch_size: Option<u32>,
    /// In place of the migration's.
    pub batch_pause: Option<Span>,
    /// How long the migration rests after it; default 0 s.
    #[serde(default)]
    pub pause_after: Span,
}

impl MigrationSpec {
    /// What holds for a step, by the name of its file and its SQL.
    #[must_use]
    pub fn step(&self, file: &str, sql: &str) -> Option<&MigrationStepSpec> {
        self.steps.iter().find(|step| step.fits(file, sql))
    }
}

impl MigrationStepSpec {
    /// Whether it speaks of that step.
    #[must_use]
    pub fn fits(&self, file: &str, sql: &str) -> bool {
        let file_fits = self.file.as_ref().is_none_or(|start| file.starts_with(start.as_str()));
        let contains = |wanted: &String| sql.to_lowercase().contains(&wanted.to_lowercase());
        file_fits && self.matches.as_ref().is_none_or(contains)
    }
}
