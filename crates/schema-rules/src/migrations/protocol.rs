//! What each tool sends to the server around the migrations, as data: its lock, its table, its records.
//!
//! Sources: the tools' own code (sqlx 0.9, `sqlx-postgres/src/migrate.rs`; golang-migrate 4.19, `database/postgres`;
//! dbmate 2.35, `pkg/driver/postgres`; refinery 0.9, `refinery_core/src/traits`; goose, `internal/dialect`; Flyway's and
//! Atlas's documentation), not compared with the running tools. Where a tool hashes a name into a lock's key, any number
//! stands for it here.

/// What a runner sends.
#[derive(Debug)]
pub struct Protocol {
    /// The runner's name.
    pub runner: &'static str,
    /// The lock against a second runner.
    pub lock: Option<RunnerLock>,
    /// What has been applied, once the table is there ([`super::Runner::bookkeeping_ddl`]): versions in the first column. Empty: the runner keeps no record.
    pub applied: &'static str,
    /// Whether the record has the last version only, and all before it count as applied.
    pub keeps_last_only: bool,
    /// A transaction of its own before each migration. `{version}`, `{name}` and `{rank}` are filled in.
    pub before: &'static [&'static str],
    /// The record: in the migration's own transaction, if it has one.
    pub record: &'static [&'static str],
    /// A transaction of its own after each migration.
    pub after: &'static [&'static str],
}

/// A runner's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunnerLock {
    /// Begins what holds it, if that is a transaction.
    pub begin: &'static str,
    /// Takes it. Of a lock that is polled for, the answer says whether it was had.
    pub take: &'static str,
    /// Gives it back.
    pub give: &'static str,
    /// Whether the server lets the runner wait, or it asks again after so many milliseconds, so often.
    pub polls: Option<(u64, Option<u32>)>,
    /// Whether a connection of its own holds it, beside the one that migrates.
    pub own_connection: bool,
}

/// A session's advisory lock that the server lets the runner wait for: inside a statement, with a snapshot.
pub const ADVISORY: RunnerLock = RunnerLock {
    begin: "",
    take: "SELECT pg_advisory_lock(1026731422)",
    give: "SELECT pg_advisory_unlock(1026731422)",
    polls: None,
    own_connection: false,
};

/// A session's advisory lock that is asked for once a second.
pub const POLLED_ADVISORY: RunnerLock =
    RunnerLock { take: "SELECT pg_try_advisory_lock(1026731422)", polls: Some((1_000, None)), ..ADVISORY };

/// Flyway since 9.1: `flyway.postgresql.transactional.lock` is on by default; the lock belongs to a transaction that
/// sits idle on a second connection. It is asked for 50 times, once a second.
const FLYWAY: RunnerLock = RunnerLock {
    begin: "BEGIN",
    take: "SELECT pg_try_advisory_xact_lock(77431708279161)",
    give: "COMMIT",
    polls: Some((1_000, Some(50))),
    own_connection: true,
};

/// A lock on a table, held by a transaction that sits idle on a second connection. The mode conflicts with itself and
/// not with the rows that the runner writes there. `{table}` is filled in.
pub const TABLE: RunnerLock = RunnerLock {
    begin: "BEGIN",
    take: "LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE",
    give: "COMMIT",
    polls: None,
    own_connection: true,
};

const NONE: Protocol = Protocol {
    runner: "plain",
    lock: None,
    applied: "",
    keeps_last_only: false,
    before: &[],
    record: &[],
    after: &[],
};

static PROTOCOLS: &[Protocol] = &[
    Protocol {
        runner: "sqlx",
        lock: Some(ADVISORY),
        applied: "SELECT version FROM _sqlx_migrations ORDER BY version",
        record: &["INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ('{version}', '{name}', true, '\\x00', -1)"],
        after: &["UPDATE _sqlx_migrations SET execution_time = 0 WHERE version = '{version}'"],
        ..NONE
    },
    Protocol {
        runner: "golang-migrate",
        lock: Some(ADVISORY),
        applied: "SELECT version FROM schema_migrations LIMIT 1",
        keeps_last_only: true,
        before: &[
            "TRUNCATE schema_migrations",
            "INSERT INTO schema_migrations (version, dirty) VALUES ('{version}', true)",
        ],
        after: &[
            "TRUNCATE schema_migrations",
            "INSERT INTO schema_migrations (version, dirty) VALUES ('{version}', false)",
        ],
        ..NONE
    },
    Protocol {
        runner: "dbmate",
        applied: "SELECT version FROM schema_migrations ORDER BY version",
        record: &["INSERT INTO schema_migrations (version) VALUES ('{version}')"],
        ..NONE
    },
    Protocol {
        runner: "refinery",
        applied: "SELECT version FROM refinery_schema_history ORDER BY version",
        record: &["INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
             VALUES ('{version}', '{name}', '', '')"],
        ..NONE
    },
    Protocol {
        runner: "flyway",
        lock: Some(FLYWAY),
        applied: "SELECT version FROM flyway_schema_history ORDER BY installed_rank",
        record: &[
            "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, \
             installed_by, execution_time, success) \
             VALUES ({rank}, '{version}', '{name}', 'SQL', '{name}', 0, 'flyway', 0, true)",
        ],
        ..NONE
    },
    Protocol {
        runner: "goose",
        applied: "SELECT version_id FROM goose_db_version ORDER BY id",
        record: &["INSERT INTO goose_db_version (version_id, is_applied) VALUES ('{version}', true)"],
        ..NONE
    },
    Protocol {
        runner: "atlas",
        lock: Some(POLLED_ADVISORY),
        applied: "SELECT version FROM atlas_schema_revisions ORDER BY version",
        record: &[
            "INSERT INTO atlas_schema_revisions (version, description, applied, total, executed_at, hash) \
             VALUES ('{version}', '{name}', 1, 1, now(), '')",
        ],
        ..NONE
    },
];

/// What a runner of that name sends.
#[must_use]
pub fn protocol(runner: &str) -> &'static Protocol {
    static PLAIN: Protocol = NONE;
    PROTOCOLS.iter().find(|one| one.runner == runner).unwrap_or(&PLAIN)
}
