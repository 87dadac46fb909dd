//! The trace format as types. `docs/trace-format.md` is its description for people.
//!
//! One header line, then one line per transaction (or single request), ordered by `at_us`. Times are whole
//! microseconds; `at_us` counts from the header's `start`. What is not known is left out, never guessed.

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The format's version; its presence is how a trace is recognised.
    pub rehearsal_trace: u32,
    /// Where the records come from.
    pub sources: Vec<Source>,
    /// The start of the window that the sources cover, RFC 3339.
    pub start: String,
    /// The length of that window.
    pub duration_us: u64,
    /// For each kind of figure, how it came about.
    pub basis: Bases,
    /// Whether the source holds everything that happened.
    pub sampling: Sampling,
    /// What is in the trace and what was left out of it.
    pub counts: Counts,
    /// The least lock wait that the source shows, which is the server's `deadlock_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadlock_timeout_us: Option<u64>,
    /// The rates that assumed arrivals were drawn from; empty when arrivals were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<StatementRate>,
    /// What a reader of the figures must know, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, without directories.
    pub file: String,
    /// Its format, by the name that `--format` takes.
    pub format: String,
    /// What else its form tells: the server versions that write it, the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a kind of figure came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Read from the source as it stands.
    Measured,
    /// Computed from what the source says.
    Derived,
    /// Drawn from a model that the header's notes name.
    Assumed,
    /// The source says nothing about it.
    Absent,
}

/// The basis of each kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bases {
    /// `at_us`.
    pub arrivals: Basis,
    /// `service_us`.
    pub service_times: Basis,
    /// `think_us`.
    pub think_times: Basis,
    /// `waits`.
    pub lock_waits: Basis,
    /// `rows`.
    pub rows: Basis,
    /// `text`.
    pub texts: Basis,
}

/// Whether the source holds everything that happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sampling {
    /// Every statement of the window is in the source.
    Complete,
    /// Only statements that took at least so long are.
    Threshold {
        /// The least duration in the source.
        min_duration_us: u64,
    },
    /// About this part of the transactions is, judged from gaps in the virtual transaction ids.
    Sampled {
        /// Between 0 and 1.
        fraction: f64,
    },
    /// The source does not allow to tell.
    Unknown,
}

/// What is in the trace and what was left out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines after the header.
    pub transactions: u64,
    /// Statements in them.
    pub statements: u64,
    /// Sessions they came from.
    pub sessions: u64,
    /// Statements and transactions that failed.
    pub failures: u64,
    /// Lock waits in them.
    pub lock_waits: u64,
    /// Lines of the sources, continuation lines included.
    pub source_lines: u64,
    /// Entries of the sources that could not be read.
    pub skipped: u64,
}

/// A statement's rate and service time as a snapshot or an aggregate gives them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatementRate {
    /// As in the statements of the records.
    pub fingerprint: String,
    /// The text, if the source has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Executions.
    pub calls: u64,
    /// Executions a second over the span that the statistics cover.
    pub rate_per_s: f64,
    /// Mean service time.
    pub mean_us: f64,
    /// Standard deviation of the service time.
    pub stddev_us: f64,
    /// Least service time.
    pub min_us: f64,
    /// Greatest service time.
    pub max_us: f64,
    /// Mean rows returned or changed, if the source has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<f64>,
}

/// One transaction, or a request that is not known to be more than one statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When its first statement arrived, from the header's `start`.
    pub at_us: u64,
    /// The session, unique within the trace.
    pub session: String,
    /// The role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `application_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// How it ended.
    pub end: End,
    /// From its first statement's arrival to its end, think times and waits included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// How long the session had been idle when the transaction ended without a statement.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub idle_at_end_us: u64,
    /// Times that the client tried again (pgbench's `--max-tries`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// What failed, when it was the transaction or the connection and not one of its statements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Statements that were left out because the transaction has too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted_statements: u64,
    /// Its statements in order.
    pub statements: Vec<Statement>,
}

impl Record {
    /// A request that is one statement, of a session of which nothing else is known.
    #[must_use]
    pub fn single(session: &str, end: End, statement: Statement) -> Self {
        Self {
            at_us: 0,
            session: session.to_owned(),
            user: None,
            database: None,
            application: None,
            end,
            duration_us: statement.latency_us(),
            idle_at_end_us: 0,
            retries: 0,
            error: None,
            omitted_statements: 0,
            statements: vec![statement],
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The statement was a transaction of its own.
    Autocommit,
    /// COMMIT, END or PREPARE TRANSACTION.
    Commit,
    /// ROLLBACK, or a failure outside a transaction block.
    Rollback,
    /// The connection ended.
    Disconnect,
    /// The source ended.
    Cut,
    /// It ended, but the source does not show how.
    Unlogged,
    /// The client did not even start it (pgbench's `--latency-limit`).
    Skipped,
}

/// One statement of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// How long the client took since the statement before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub think_us: u64,
    /// The text as it was sent, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What to call it where the text is not known (`pgbench script 0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What statements that differ in constants, case, spacing and comments have in common.
    pub fingerprint: String,
    /// The text behind an SQL-level EXECUTE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<String>,
    /// The parameters, `null` for NULL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Option<String>>,
    /// How long the server worked, without the lock waits that the source shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_us: Option<u64>,
    /// The lock waits that the source shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<LockWait>,
    /// Rows returned or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

impl Statement {
    /// A statement of which only the name is known.
    #[must_use]
    pub fn named(label: &str, service_us: Option<u64>) -> Self {
        Self {
            think_us: 0,
            text: None,
            label: Some(label.to_owned()),
            fingerprint: crate::sql::fingerprint_of_name(label),
            prepared: None,
            params: Vec::new(),
            service_us,
            waits: Vec::new(),
            rows: None,
            error: None,
        }
    }

    /// From the statement's start to its end: service and the waits that the source shows.
    #[must_use]
    pub fn latency_us(&self) -> Option<u64> {
        Some(self.service_us? + self.waits.iter().map(|wait| wait.us).sum::<u64>())
    }
}

/// A lock wait that the source shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWait {
    /// The lock's mode as the server names it: `AccessExclusiveLock`.
    pub mode: String,
    /// What is locked, in the server's words: `relation 16415 of database 5`.
    pub object: String,
    /// How long the wait lasted.
    pub us: u64,
    /// How it ended.
    pub outcome: WaitOutcome,
    /// The sessions that held the lock when the server looked (`pid N` if a session is not in the source).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<String>,
    /// How many were in the lock's queue then, this one included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queue: u64,
}

/// How a lock wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitOutcome {
    /// The lock was granted.
    Acquired,
    /// `lock_timeout` (55P03).
    LockTimeout,
    /// The statement was cancelled for another reason.
    Canceled,
    /// The server broke a deadlock here (40P01).
    Deadlock,
    /// The source does not show how.
    Unlogged,
}

/// An error that the server reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The SQLSTATE, if the source has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// The message.
    pub message: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
