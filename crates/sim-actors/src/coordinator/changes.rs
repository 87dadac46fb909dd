//! Single schema changes under live traffic: indexes, columns, expand and contract.

use sim_clock::Nanos;

use super::attempt::{Policy, in_transaction, outside_transaction};
use super::database::{Database, Fleet, Timeouts};
use super::migrations::UNDEFINED_TABLE;
use super::rollout::roll_out;
use super::{Failure, FailureKind, quote_ident, quote_literal};

/// An index to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPlan {
    /// On which table.
    pub table: String,
    /// On which column.
    pub column: String,
    /// Its name.
    pub index: String,
    /// Without blocking writers.
    pub concurrently: bool,
}

/// Builds an index and gives the time that it took.
///
/// A concurrent build that fails leaves an INVALID index behind (PostgreSQL manual, CREATE INDEX,
/// "Building Indexes Concurrently"); it is dropped again.
///
/// # Errors
/// What the database says, after the policy's attempts.
pub async fn create_index(
    db: &mut impl Database,
    plan: &IndexPlan,
    policy: Policy,
) -> Result<Nanos, Failure> {
    let (index, table, column) =
        (quote_ident(&plan.index), quote_ident(&plan.table), quote_ident(&plan.column));
    let started = db.now();
    if plan.concurrently {
        let create = format!("CREATE INDEX CONCURRENTLY {index} ON {table} ({column})");
        let undo = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        outside_transaction(db, &create, &undo, policy).await?;
    } else {
        let create = format!("CREATE INDEX {index} ON {table} ({column})");
        in_transaction(db, &[&create], policy).await.map_err(|(_, failure)| failure)?;
    }
    Ok(db.now() - started)
}

/// What adding a column did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnAdded {
    /// How long it took.
    pub took: Nanos,
    /// Whether the table got a new file: every row was written anew.
    pub rewritten: bool,
}

/// Adds a column. `definition` is what follows its name.
///
/// # Errors
/// What the database says, after the policy's attempts.
pub async fn add_column(
    db: &mut impl Database,
    table: &str,
    column: &str,
    definition: &str,
    policy: Policy,
) -> Result<ColumnAdded, Failure> {
    let alter = format!("ALTER TABLE {} ADD COLUMN {} {definition}", quote_ident(table), quote_ident(column));
    let before = file_of(db, table).await?;
    let started = db.now();
    in_transaction(db, &[&alter], policy).await.map_err(|(_, failure)| failure)?;
    let took = db.now() - started;
    Ok(ColumnAdded { took, rewritten: file_of(db, table).await? != before })
}

/// The table's file, which a rewrite replaces. A missing table has none; the change itself will say so.
async fn file_of(db: &mut impl Database, table: &str) -> Result<Option<i64>, Failure> {
    let probe = format!("SELECT pg_relation_filenode({})", quote_literal(&quote_ident(table)));
    match db.execute(&probe, Timeouts::default()).await {
        Ok(done) => Ok(done.number()),
        Err(error) if error.sqlstate == UNDEFINED_TABLE => Ok(None),
        Err(error) => Err(Failure::of_database(error, true)),
    }
}

/// A column to be dropped once no instance uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractPlan {
    /// The table.
    pub table: String,
    /// The old column.
    pub column: String,
    /// The column that took over from it, if it is known: it must hold what the old one holds.
    pub successor: Option<String>,
    /// The version that does not use the old column.
    pub version: String,
}

/// Drops a column, after every instance has been moved to the version that does not use it.
///
/// # Errors
/// When rows would lose their value, an instance cannot be moved, or the database refuses.
pub async fn contract<D: Database + Fleet>(
    db: &mut D,
    plan: &ContractPlan,
    policy: Policy,
) -> Result<(), Failure> {
    let (table, column) = (quote_ident(&plan.table), quote_ident(&plan.column));
    if let Some(successor) = &plan.successor {
        let lost = format!(
            "SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND {} IS NULL",
            quote_ident(successor)
        );
        let lost = db.execute(&lost, Timeouts::default()).await;
        let lost = lost.map_err(|error| Failure::of_database(error, true))?.number().unwrap_or(0);
        if lost > 0 {
            let text = format!(
                "{lost} rows of {} have {} but no {successor}; migrate the data first",
                plan.table, plan.column
            );
            return Err(Failure::new(FailureKind::Precondition, text));
        }
    }
    roll_out(db, &plan.version).await?;
    let drop = format!("ALTER TABLE {table} DROP COLUMN {column}");
    in_transaction(db, &[&drop], policy).await.map_err(|(_, failure)| failure)?;
    Ok(())
}

/// Runs a data statement and gives the rows that it changed.
///
/// # Errors
/// What the database says, after the policy's attempts.
pub async fn run_data_statement(
    db: &mut impl Database,
    statement: &str,
    policy: Policy,
) -> Result<u64, Failure> {
    let done = in_transaction(db, &[statement], policy).await.map_err(|(_, failure)| failure)?;
    Ok(done.iter().map(|executed| executed.rows_affected).sum())
}
