//! Sessions beside the applications.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SettingsSpec, StatementSpec, Takes};
use crate::units::Span;

/// A session beside the applications.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct BackgroundSpec {
    /// Its `application_name`.
    pub name: String,
    /// When it begins; default 0 s.
    #[serde(default)]
    pub start: Span,
    /// Begins again after that span, counted from start to start; default never.
    pub every: Option<Span>,
    /// Each start is late by up to that much, evenly; default 0 s.
    #[serde(default)]
    pub jitter: Span,
    /// Its settings; default: as the database has them.
    #[serde(default)]
    pub settings: SettingsSpec,
    /// What it does.
    #[serde(flatten)]
    pub work: BackgroundWork,
}

/// What a background session does.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[schemars(transform = super::schema::first_kind_is_default)]
pub enum BackgroundWork {
    /// Statements of its own; the default.
    #[serde(rename = "session")]
    Session {
        /// Its statements, in order.
        #[schemars(length(min = 1))]
        statements: Vec<StatementSpec>,
    },
    /// A dump: one REPEATABLE READ transaction that locks all of its tables first (ACCESS SHARE) and then reads one
    /// after the other.
    #[serde(rename = "pg_dump")]
    PgDump {
        /// The tables; default all.
        #[serde(default)]
        tables: Vec<String>,
        /// How long it reads in all; default: as the cost model has it.
        takes: Option<Span>,
    },
    /// An autovacuum worker on one table. It yields to whoever waits for its lock, unless it prevents wraparound.
    #[serde(rename = "autovacuum")]
    Autovacuum {
        /// The table.
        table: String,
        /// Whether it prevents wraparound and does not yield; default no.
        #[serde(default)]
        anti_wraparound: bool,
        /// How long it works; default: as the cost model has it.
        takes: Option<Span>,
    },
    /// A session that has run a statement in a transaction and then forgotten it.
    #[serde(rename = "idle in transaction")]
    IdleInTransaction {
        /// The statement.
        statement: String,
        /// How long it then sits there; it commits at the end.
        #[serde(rename = "for")]
        lasts: Span,
    },
}

impl BackgroundSpec {
    /// The statements that it sends. `all` are the tables that there are, with their rows: what a dump reads if it names
    /// none, and how its time is divided.
    #[must_use]
    pub fn script(&self, all: &[(String, u64)]) -> Vec<StatementSpec> {
        match &self.work {
            BackgroundWork::Session { statements } => statements.clone(),
            BackgroundWork::PgDump { tables, takes } => dump(tables, *takes, all),
            BackgroundWork::Autovacuum { table, takes, .. } => {
                vec![StatementSpec {
                    takes: takes.map(Takes::Span),
                    ..plain(format!("VACUUM {}", quoted(table)))
                }]
            }
            BackgroundWork::IdleInTransaction { statement, lasts } => vec![
                plain("BEGIN".to_owned()),
                StatementSpec { think: *lasts, ..plain(statement.clone()) },
                plain("COMMIT".to_owned()),
            ],
        }
    }
}

fn plain(sql: String) -> StatementSpec {
    StatementSpec { sql, ..StatementSpec::default() }
}

/// What `pg_dump` does to the tables: one snapshot, all locks first, then table by table (src/bin/pg_dump/pg_dump.c,
/// `setup_connection`, `getTables`, `dumpTableData_copy`).
fn dump(tables: &[String], takes: Option<Span>, all: &[(String, u64)]) -> Vec<StatementSpec> {
    let dumped: Vec<&(String, u64)> =
        all.iter().filter(|table| tables.is_empty() || tables.contains(&table.0)).collect();
    let weight: u128 = dumped.iter().map(|table| u128::from(table.1) + 1).sum();
    let share = |span: Span, rows: u64| {
        let part = u128::from(span.0.0) * (u128::from(rows) + 1) / weight.max(1);
        Takes::Span(Span(sim_clock::Nanos(u64::try_from(part).unwrap_or(u64::MAX))))
    };
    let mut script = vec![plain("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned())];
    script.extend(
        dumped.iter().map(|table| plain(format!("LOCK TABLE {} IN ACCESS SHARE MODE", quoted(&table.0)))),
    );
    script.extend(dumped.iter().map(|table| StatementSpec {
        takes: takes.map(|span| share(span, table.1)),
        ..plain(format!("SELECT count(*) FROM {}", quoted(&table.0)))
    }));
    script.push(plain("COMMIT".to_owned()));
    script
}

/// A table's name as SQL has it; a schema stays apart.
fn quoted(table: &str) -> String {
    table.split('.').map(sim_actors::coordinator::quote_ident).collect::<Vec<_>>().join(".")
}
