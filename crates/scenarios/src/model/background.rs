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
    /// The statements that it sends. `all` are the tables that there are: what a dump reads if it names none, and how its
    /// time is divided. `vacuum` says how long a worker is busy with a table.
    #[must_use]
    pub fn script(
        &self,
        all: &[DumpedTable],
        vacuum: impl FnOnce(&str) -> Option<Span>,
    ) -> Vec<StatementSpec> {
        match &self.work {
            BackgroundWork::Session { statements } => statements.clone(),
            BackgroundWork::PgDump { tables, takes } => dump(tables, *takes, all),
            BackgroundWork::Autovacuum { table, takes, .. } => {
                vec![StatementSpec {
                    takes: takes.or_else(|| vacuum(table)).map(Takes::Span),
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

/// A table as a dump meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// How long it takes to be read, by the cost model.
    pub takes: Span,
}

/// Whether a name, with or without its schema, is a table's.
pub(crate) fn same_table(written: &str, schema: &str, table: &str) -> bool {
    match written.split_once('.') {
        Some((of, name)) => (of, name) == (schema, table),
        None => written == table,
    }
}

/// What `pg_dump` does to the tables: a look at the catalog, which takes the snapshot of the whole transaction, then all
/// locks, then table by table (src/bin/pg_dump/pg_dump.c, `setup_connection`, `getTables`, `dumpTableData_copy`).
fn dump(tables: &[String], takes: Option<Span>, all: &[DumpedTable]) -> Vec<StatementSpec> {
    let is_meant = |table: &&DumpedTable| {
        tables.is_empty() || tables.iter().any(|name| same_table(name, &table.schema, &table.name))
    };
    let dumped: Vec<&DumpedTable> = all.iter().filter(is_meant).collect();
    let weight: u128 = dumped.iter().map(|table| u128::from(table.rows) + 1).sum();
    let share = |span: Span, rows: u64| {
        let part = u128::from(span.0.0) * (u128::from(rows) + 1) / weight.max(1);
        Span(sim_clock::Nanos(u64::try_from(part).unwrap_or(u64::MAX)))
    };
    let mut script = vec![plain("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned())];
    script.push(StatementSpec {
        takes: Some(Takes::Span(Span::from_millis(1))),
        ..plain("SELECT 1".to_owned())
    });
    let name = |table: &DumpedTable| quoted(&format!("{}.{}", table.schema, table.name));
    script
        .extend(dumped.iter().map(|table| plain(format!("LOCK TABLE {} IN ACCESS SHARE MODE", name(table)))));
    script.extend(dumped.iter().map(|table| StatementSpec {
        takes: Some(Takes::Span(takes.map_or(table.takes, |span| share(span, table.rows)))),
        ..plain(format!("SELECT count(*) FROM {}", name(table)))
    }));
    script.push(plain("COMMIT".to_owned()));
    script
}

/// A table's name as SQL has it; a schema stays apart.
fn quoted(table: &str) -> String {
    table.split('.').map(sim_actors::coordinator::quote_ident).collect::<Vec<_>>().join(".")
}
