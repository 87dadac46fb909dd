//! Versioned migrations: up, down, and the table that records what is applied.

use super::attempt::{Policy, in_transaction};
use super::database::{Database, Timeouts};
use super::{Failure, FailureKind, quote_literal};

/// A statement of a migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptStatement {
    /// Its text.
    pub sql: String,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
}

/// One direction of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file that it comes from, for messages.
    pub file: String,
    /// Its statements, in order.
    pub statements: Vec<ScriptStatement>,
}

/// A migration as its files describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order.
    pub version: i64,
    /// Its name, without version and ending.
    pub name: String,
    /// What applies it.
    pub up: Script,
    /// What undoes it, if it can be undone.
    pub down: Option<Script>,
}

const CREATE_RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint PRIMARY KEY, \
                             name text NOT NULL)";
const APPLIED: &str = "SELECT version FROM schema_migrations ORDER BY version";
/// `undefined_table`: nothing has ever been applied.
pub(super) const UNDEFINED_TABLE: &str = "42P01";

/// The versions that are recorded as applied, ascending.
///
/// # Errors
/// What the database says, but for a missing record: then nothing is applied.
pub async fn applied_versions(db: &mut impl Database) -> Result<Vec<i64>, Failure> {
    match db.execute(APPLIED, Timeouts::default()).await {
        Ok(done) => Ok(done.rows.iter().filter_map(|row| row.first()?.as_ref()?.parse().ok()).collect()),
        Err(error) if error.sqlstate == UNDEFINED_TABLE => Ok(Vec::new()),
        Err(error) => Err(Failure::of_database(error, false)),
    }
}

/// How far a run of pending migrations got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The indexes of those that were applied; they stay so, whatever came after them.
    pub migrations: Vec<usize>,
    /// What ended the run early, if anything did.
    pub failure: Option<Failure>,
}

/// Applies every pending migration in order of version, each in a transaction of its own, together
/// with its record. The first failure ends the run: that migration is rolled back and not recorded,
/// later ones are not attempted, earlier ones stay.
///
/// # Errors
/// When the record of migrations cannot be read.
pub async fn apply_pending(
    db: &mut impl Database,
    migrations: &[Migration],
    policy: Policy,
) -> Result<Applied, Failure> {
    let done = applied_versions(db).await?;
    let mut applied = Applied::default();
    let pending = migrations.iter().enumerate().filter(|(_, one)| !done.contains(&one.version));
    for (index, migration) in pending {
        let record = format!(
            "INSERT INTO schema_migrations (version, name) VALUES ({}, {})",
            migration.version,
            quote_literal(&migration.name)
        );
        match run_script(db, &migration.up, &[CREATE_RECORD], &[&record], policy).await {
            Ok(()) => applied.migrations.push(index),
            Err(failure) => {
                applied.failure = Some(failure);
                break;
            }
        }
    }
    Ok(applied)
}

/// Undoes the migration that was applied last. Gives its index.
///
/// # Errors
/// When nothing is applied, the last one's files are missing or it has no down, and what the
/// database says; then the migration stays applied.
pub async fn roll_back_last(
    db: &mut impl Database,
    migrations: &[Migration],
    policy: Policy,
) -> Result<usize, Failure> {
    let refuse = |text: String| Failure::new(FailureKind::Precondition, text);
    let Some(version) = applied_versions(db).await?.pop() else {
        return Err(refuse("no migration is applied, so there is none to roll back".to_owned()));
    };
    let Some(index) = migrations.iter().position(|one| one.version == version) else {
        return Err(refuse(format!("migration {version} is applied, but its files are missing")));
    };
    let migration = &migrations[index];
    let Some(down) = &migration.down else {
        return Err(refuse(format!("migration {version} ({}) has no down script", migration.name)));
    };
    let forget = format!("DELETE FROM schema_migrations WHERE version = {version}");
    run_script(db, down, &[], &[&forget], policy).await?;
    Ok(index)
}

/// Runs a script and its book-keeping in one transaction.
async fn run_script(
    db: &mut impl Database,
    script: &Script,
    before: &[&str],
    after: &[&str],
    policy: Policy,
) -> Result<(), Failure> {
    let own = script.statements.iter().map(|statement| statement.sql.as_str());
    let all: Vec<&str> = before.iter().copied().chain(own).chain(after.iter().copied()).collect();
    let Err((at, mut failure)) = in_transaction(db, &all, policy).await else { return Ok(()) };
    let own_index = at.wrapping_sub(before.len());
    let place = match script.statements.get(own_index) {
        Some(statement) => {
            format!("statement {} of {} (line {})", own_index + 1, script.file, statement.line)
        }
        None => format!("the record of {}", script.file),
    };
    failure.text = format!("{place} failed: {}", failure.text);
    Err(failure)
}
