//! What each tool does, as data.
//!
//! Sources: the tools' own documentation and code (sqlx 0.9, refinery 0.9.1, dbmate 2.35, golang-migrate 4.19,
//! Flyway, goose, Atlas), as far as it concerns what a database sees.

/// A migration tool.
#[derive(Debug)]
pub struct Runner {
    /// What `--runner` calls it.
    pub name: &'static str,
    /// How it names its files.
    pub naming: Naming,
    /// Which statements share a transaction.
    pub grouping: Grouping,
    /// Markers in a file that take it (or one of its sections) out of the transaction.
    pub opt_out: &'static [&'static str],
    /// What stands before a statement that must not be in a transaction.
    pub alone: &'static str,
    /// The lock against a second runner.
    pub lock: Option<AdvisoryLock>,
    /// The table in which it notes what has run.
    pub bookkeeping: &'static str,
    /// The statement that creates that table.
    pub bookkeeping_ddl: &'static str,
    /// That the note of a migration is written in the migration's own transaction.
    pub bookkeeping_inside: bool,
}

/// How a tool names its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `20240101_name.sql`, or with `.up.sql` and `.down.sql`; the part before the first `_` is a number.
    NumberUnderscore,
    /// `20240101name.sql`: leading digits; up and down are sections of one file.
    LeadingDigits,
    /// `1_name.up.sql` and `1_name.down.sql`.
    UpDownFiles,
    /// `V1__name.sql`, `U1__name.sql`, `R__name.sql`.
    Prefixed,
    /// `V1__name.sql` and nothing else.
    PrefixedForwardOnly,
    /// Any `.sql` file, in alphabetical order.
    AnySql,
}

/// Which statements share a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Each file (or section) in one.
    PerFile,
    /// The file is sent as one query string: the server makes one transaction of it unless the file has its own.
    QueryString,
    /// Each statement by itself, as `psql` does.
    PerStatement,
}

/// A lock that a runner holds while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvisoryLock {
    /// How the key is made.
    pub key: &'static str,
    /// What it does when another runner has it.
    pub wait: LockWait,
}

/// What a runner does when another one is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// It waits inside a statement, with a snapshot: a CONCURRENTLY command of the first runner waits for it in turn.
    Blocking,
    /// It asks again and again, or gives up.
    Polling,
}

const fn blocking(key: &'static str) -> Option<AdvisoryLock> {
    Some(AdvisoryLock { key, wait: LockWait::Blocking })
}

const fn polling(key: &'static str) -> Option<AdvisoryLock> {
    Some(AdvisoryLock { key, wait: LockWait::Polling })
}

/// The tools that are known, the plainest last.
pub static RUNNERS: &[Runner] = &[
    Runner {
        name: "sqlx",
        naming: Naming::NumberUnderscore,
        grouping: Grouping::PerFile,
        opt_out: &["-- no-transaction"],
        alone: "-- no-transaction",
        lock: blocking("pg_advisory_lock(0x3d32ad9e * crc32(database name))"),
        bookkeeping: "_sqlx_migrations",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
            installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
            execution_time bigint NOT NULL)",
        bookkeeping_inside: true,
    },
    Runner {
        name: "dbmate",
        naming: Naming::LeadingDigits,
        grouping: Grouping::PerFile,
        opt_out: &["transaction:false"],
        alone: "-- migrate:up transaction:false",
        lock: None,
        bookkeeping: "schema_migrations",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)",
        bookkeeping_inside: true,
    },
    Runner {
        name: "golang-migrate",
        naming: Naming::UpDownFiles,
        grouping: Grouping::QueryString,
        opt_out: &[],
        alone: "-- in a file of its own, with no other statement:",
        lock: blocking("pg_advisory_lock(crc32(database, schema, table) * 1486364155)"),
        bookkeeping: "schema_migrations",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)",
        bookkeeping_inside: false,
    },
    Runner {
        name: "refinery",
        naming: Naming::PrefixedForwardOnly,
        grouping: Grouping::PerFile,
        opt_out: &[],
        alone: "-- refinery has no way out of its transaction: run this by itself before the migration,\n-- and let the migration have it IF NOT EXISTS",
        lock: None,
        bookkeeping: "refinery_schema_history",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), \
            applied_on varchar(255), checksum varchar(255))",
        bookkeeping_inside: true,
    },
    Runner {
        name: "flyway",
        naming: Naming::Prefixed,
        grouping: Grouping::PerFile,
        opt_out: &["executeInTransaction=false"],
        alone: "-- in a file of its own, with executeInTransaction=false in the .conf file beside it:",
        lock: polling("pg_try_advisory_lock(hash of the history table)"),
        bookkeeping: "flyway_schema_history",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), \
            description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int, \
            installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), \
            execution_time int NOT NULL, success boolean NOT NULL)",
        bookkeeping_inside: true,
    },
    Runner {
        name: "goose",
        naming: Naming::NumberUnderscore,
        grouping: Grouping::PerFile,
        opt_out: &["-- +goose NO TRANSACTION"],
        alone: "-- +goose NO TRANSACTION\n-- +goose Up",
        lock: None,
        bookkeeping: "goose_db_version",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS goose_db_version (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, \
            version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())",
        bookkeeping_inside: true,
    },
    Runner {
        name: "atlas",
        naming: Naming::AnySql,
        grouping: Grouping::PerFile,
        opt_out: &["-- atlas:txmode none"],
        alone: "-- atlas:txmode none\n",
        lock: polling("pg_try_advisory_lock(hash of the lock's name)"),
        bookkeeping: "atlas_schema_revisions",
        bookkeeping_ddl: "CREATE TABLE IF NOT EXISTS atlas_schema_revisions (version varchar PRIMARY KEY, description varchar NOT NULL, \
            applied bigint NOT NULL, total bigint NOT NULL, executed_at timestamptz NOT NULL, hash varchar NOT NULL)",
        bookkeeping_inside: true,
    },
    Runner {
        name: "plain",
        naming: Naming::AnySql,
        grouping: Grouping::PerStatement,
        opt_out: &[],
        alone: "-- after COMMIT, or before BEGIN:",
        lock: None,
        bookkeeping: "",
        bookkeeping_ddl: "",
        bookkeeping_inside: false,
    },
];

/// The runner of this name.
pub fn runner(name: &str) -> Option<&'static Runner> {
    RUNNERS.iter().find(|r| r.name == name)
}
