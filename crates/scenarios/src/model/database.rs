//! The simulated server and what its tables hold.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Size, Span};

/// The simulated server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSpec {
    /// PostgreSQL's major version, 12 to 18.
    #[schemars(range(min = 12, max = 18))]
    pub version: u16,
    /// As in `postgresql.conf`; default 100.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// Connections out of those that only a superuser gets; default 3, as in `postgresql.conf`.
    #[serde(default = "default_superuser_reserved_connections")]
    pub superuser_reserved_connections: u32,
    /// As in `postgresql.conf`; default 1 s.
    #[serde(default = "default_deadlock_timeout")]
    pub deadlock_timeout: Span,
    /// What sessions have that set none of their own; default none. A migration takes it over too.
    pub lock_timeout: Option<Span>,
    /// What sessions have that set none of their own; default none.
    pub statement_timeout: Option<Span>,
    /// What sessions have that set none of their own; default none.
    pub idle_in_transaction_session_timeout: Option<Span>,
    /// What sessions have that set none of their own (PostgreSQL 17 and later); default none.
    pub transaction_timeout: Option<Span>,
    /// SQL that sets up what is there before the first migration; default empty.
    #[serde(default)]
    pub schema: String,
    /// A file with that SQL instead (`pg_dump --schema-only`, or any script), relative to this file.
    pub schema_file: Option<String>,
    /// Work rates that differ from the measured defaults, by name, per row: `update_row = "4 us"`.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::rates")]
    pub rates: BTreeMap<String, Span>,
    /// What each statement takes on top of its work: parsing, planning, the network; default 0 s.
    #[serde(default)]
    pub statement_overhead: Span,
}

impl DatabaseSpec {
    /// What its sessions have that set nothing of their own.
    #[must_use]
    pub fn settings(&self) -> SettingsSpec {
        SettingsSpec {
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            idle_in_transaction_session_timeout: self.idle_in_transaction_session_timeout,
            transaction_timeout: self.transaction_timeout,
            deadlock_timeout: Some(self.deadlock_timeout),
        }
    }
}

fn default_max_connections() -> u32 {
    100
}

fn default_superuser_reserved_connections() -> u32 {
    3
}

fn default_deadlock_timeout() -> Span {
    Span::from_secs(1)
}

/// Settings of sessions, by their names in PostgreSQL. What is left out is as the database has it; `"0 s"` is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsSpec {
    /// How long a statement waits for a lock.
    pub lock_timeout: Option<Span>,
    /// How long a statement may run, lock waits included.
    pub statement_timeout: Option<Span>,
    /// How long a session may sit in an open transaction.
    pub idle_in_transaction_session_timeout: Option<Span>,
    /// How long a transaction may last (PostgreSQL 17 and later).
    pub transaction_timeout: Option<Span>,
    /// After which wait the session looks for a deadlock.
    pub deadlock_timeout: Option<Span>,
}

impl SettingsSpec {
    /// Its names with what is given for them.
    #[must_use]
    pub fn given(&self) -> Vec<(&'static str, Span)> {
        let all = [
            ("lock_timeout", self.lock_timeout),
            ("statement_timeout", self.statement_timeout),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction_session_timeout),
            ("transaction_timeout", self.transaction_timeout),
            ("deadlock_timeout", self.deadlock_timeout),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// What a table holds in production.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// How big it is, indexes apart; default: from its columns and `rows`.
    pub bytes: Option<Size>,
    /// Rows that VACUUM has still to remove; default 0.
    #[serde(default)]
    pub dead_rows: u64,
    /// The SQL that fills it; `$1` is the number of rows. Without it rows are locked by their keys, from 1 on,
    /// and nothing is known of what else is in them.
    pub data: Option<String>,
}

impl TableSpec {
    /// Whether it is about that table.
    pub(crate) fn is_called(&self, schema: &str, table: &str) -> bool {
        super::same_table(&self.name, schema, table)
    }
}
