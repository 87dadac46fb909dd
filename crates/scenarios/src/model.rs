//! A scenario file as it stands in TOML. Unknown keys are errors; what is left out has the default
//! that its comment names.

use std::collections::BTreeMap;

use serde::Deserialize;
use sim_clock::Nanos;

use crate::units::Span;

/// Everything that a rehearsal needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// From which every random stream derives.
    pub seed: u64,
    /// The simulated server.
    pub database: DatabaseSpec,
    /// The migration and when it comes.
    pub migration: MigrationSpec,
    /// What the tables hold in production.
    #[serde(default)]
    pub tables: Vec<TableSpec>,
    /// The application whose instances use the database.
    pub application: ApplicationSpec,
    /// How often each request arrives.
    #[serde(default)]
    pub traffic: Vec<TrafficSpec>,
    /// What the parameters of statements stand for.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySpec>,
    /// Sessions beside the application: reports, statistics, dumps.
    #[serde(default)]
    pub background: Vec<BackgroundSpec>,
    /// Columns that take over from others.
    #[serde(default)]
    pub expansions: Vec<ExpansionSpec>,
    /// What a data migration in batches does to a table.
    #[serde(default)]
    pub data_migrations: Vec<DataMigrationSpec>,
    /// Data migrations that may be run again and again.
    #[serde(default)]
    pub idempotent_migrations: Vec<IdempotentSpec>,
}

/// The simulated server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSpec {
    /// PostgreSQL's major version, 12 to 18.
    pub version: u16,
    /// As in `postgresql.conf`; default 100.
    #[serde(default = "default_max_connections")]
    pub max_connections: u32,
    /// As in `postgresql.conf`; default 1 s.
    #[serde(default = "default_deadlock_timeout")]
    pub deadlock_timeout: Span,
    /// SQL that sets up what is there before the first migration; default empty.
    #[serde(default)]
    pub schema: String,
    /// Work rates that differ from the measured defaults, by name.
    #[serde(default)]
    pub rates: BTreeMap<String, Span>,
}

fn default_max_connections() -> u32 {
    100
}

fn default_deadlock_timeout() -> Span {
    Span(Nanos::from_secs(1))
}

/// The migration and when it comes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrationSpec {
    /// The folder of the migration files, relative to the scenario file.
    pub directory: String,
    /// When the migration comes into the traffic; default 0 s.
    #[serde(default)]
    pub start: Span,
    /// The rest between two batches of a data step; default 0 s.
    #[serde(default)]
    pub batch_pause: Span,
    /// `lock_timeout` of every statement; default none.
    pub lock_timeout: Option<Span>,
    /// `statement_timeout` of every statement; default none.
    pub statement_timeout: Option<Span>,
}

/// What a table holds in production.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// The SQL that fills it; `$1` is the number of rows.
    pub data: String,
}

/// The application whose instances use the database.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationSpec {
    /// Its name; instances are `name-1`, `name-2`…
    pub name: String,
    /// How many instances.
    pub instances: u32,
    /// Connections an instance.
    pub pool_size: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Span,
    /// How long a deployment waits for requests in flight.
    pub drain_timeout: Span,
    /// How long an instance takes to start.
    pub restart_time: Span,
    /// The version that runs at first.
    pub version: String,
    /// Every version, oldest first.
    pub versions: Vec<VersionSpec>,
    /// Instances that never pass a health check on a version: `{ "web-2" = ["v3"] }`.
    #[serde(default)]
    pub fails_health_check: BTreeMap<String, Vec<String>>,
}

/// A version of the application.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionSpec {
    /// Its name.
    pub name: String,
    /// What it does for each kind of request.
    pub requests: Vec<RequestSpec>,
}

/// What a version does for a request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// The request's name, the same in every version.
    pub name: String,
    /// Its statements, in order.
    pub statements: Vec<StatementSpec>,
    /// Whether they are one transaction; default no: each commits by itself.
    #[serde(default)]
    pub transaction: bool,
}

/// A statement of the application or of a background session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementSpec {
    /// Its text, with `$1`, `$2`… for parameters.
    pub sql: String,
    /// The keys that the parameters stand for.
    #[serde(default)]
    pub params: Vec<String>,
    /// How long it works, lock waits apart; default: as the cost model has it.
    pub takes: Option<Span>,
    /// How `takes` varies; default not at all.
    #[serde(default)]
    pub varies: Variation,
    /// How long the client then waits before its next statement; default not at all.
    #[serde(default)]
    pub think: Span,
}

/// How a span varies from one time to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variation {
    /// Always the same.
    #[default]
    Fixed,
    /// Exponential, with the span as its mean.
    Exponential,
}

/// How often a request arrives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrafficSpec {
    /// The request's name.
    pub request: String,
    /// Requests a second, arriving as a Poisson process.
    pub rate: f64,
}

/// What a parameter stands for: a row's key, chosen anew for each request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// The least key.
    pub first: i64,
    /// The greatest key; default none, for sequences.
    pub last: Option<i64>,
    /// How it is chosen.
    #[serde(default)]
    pub choice: KeyChoice,
}

/// How a key is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyChoice {
    /// Each as likely as the others.
    #[default]
    Uniform,
    /// One after the other, never twice.
    Sequence,
}

/// A session beside the application.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackgroundSpec {
    /// Its `application_name`.
    pub name: String,
    /// When it begins; default 0 s.
    #[serde(default)]
    pub start: Span,
    /// Begins again after that span, counted from start to start; default never.
    pub every: Option<Span>,
    /// Its statements, in order.
    pub statements: Vec<StatementSpec>,
}

/// A column that takes over from another one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpansionSpec {
    /// The table.
    pub table: String,
    /// The new column.
    pub column: String,
    /// Its type.
    pub data_type: String,
    /// The column that it takes over from.
    pub replaces: Option<String>,
    /// How its value derives from the others: an SQL expression.
    pub fill: Option<String>,
    /// The table's key column; default `id`.
    #[serde(default = "default_key")]
    pub key: String,
    /// How long the version that writes the column has been running before a backfill; default 0 s.
    #[serde(default)]
    pub soak: Span,
}

fn default_key() -> String {
    "id".to_owned()
}

/// What a data migration in batches does to a table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataMigrationSpec {
    /// The table.
    pub table: String,
    /// Its key column; default `id`.
    #[serde(default = "default_key")]
    pub key: String,
    /// The SET list of each batch's UPDATE.
    pub assignments: String,
    /// Which rows need it; default all.
    pub needed: Option<String>,
}

/// A data migration that may be run again and again.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdempotentSpec {
    /// The table.
    pub table: String,
    /// The statement.
    pub statement: String,
}
