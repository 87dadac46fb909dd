//! Data steps in batches: by key range, each batch its own transaction, with pauses between them.

use sim_clock::Nanos;

use super::attempt::{Policy, in_transaction};
use super::database::{Database, Timeouts};
use super::{Failure, quote_ident};

/// A data step over a table.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan {
    /// The table.
    pub table: String,
    /// Its key column: unique, not null, ordered.
    pub key: String,
    /// The SET list of the batch's UPDATE.
    pub assignments: String,
    /// Which rows of a batch need it; the others are processed, not updated.
    pub needed: Option<String>,
    /// Rows a batch.
    pub batch_size: u64,
    /// How many rows to process at most.
    pub total_rows: Option<u64>,
    /// The rest between two batches.
    pub pause: Nanos,
    /// Limits and retries of each batch.
    pub policy: Policy,
}

/// What a data step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// Rows looked at.
    pub processed: u64,
    /// Rows changed.
    pub updated: u64,
    /// Batches run.
    pub batches: u64,
}

/// Runs the plan: `WHERE key > last ORDER BY key LIMIT batch_size`, batch by batch.
///
/// Only the rows that exist at the start are meant: rows added meanwhile come from the application,
/// which writes the new form already. So an insert load that outruns the batches cannot keep the
/// step from ending. It is safe to run again, since `needed` leaves out what is done.
///
/// # Errors
/// What the database says of a batch, after its attempts; earlier batches stay committed.
pub async fn run_batches(db: &mut impl Database, plan: &BatchPlan) -> Result<BatchReport, Failure> {
    let (table, key) = (quote_ident(&plan.table), quote_ident(&plan.key));
    let plain = |error| Failure::of_database(error, true);
    let newest = format!("SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1");
    let newest = db.execute(&newest, Timeouts::default()).await.map_err(plain)?.number();
    let mut report = BatchReport::default();
    let Some(newest) = newest else { return Ok(report) };

    let needed = plan.needed.as_ref().map(|needed| format!(" AND ({needed})")).unwrap_or_default();
    let mut after: Option<i64> = None;
    loop {
        let left = plan
            .total_rows
            .map_or(plan.batch_size, |total| plan.batch_size.min(total.saturating_sub(report.processed)));
        let lower = after.map(|last| format!("{key} > {last} AND ")).unwrap_or_default();
        let keys =
            format!("SELECT {key} FROM {table} WHERE {lower}{key} <= {newest} ORDER BY {key} LIMIT {left}");
        let keys = db.execute(&keys, Timeouts::default()).await.map_err(plain)?.rows;
        let Some(last) = keys.last().and_then(|row| row.first()?.as_ref()?.parse().ok()) else { break };
        if report.batches > 0 {
            db.sleep(plan.pause).await;
        }
        let update = format!("UPDATE {table} SET {} WHERE {lower}{key} <= {last}{needed}", plan.assignments);
        let done = in_transaction(db, &[&update], plan.policy).await.map_err(|(_, failure)| failure)?;
        report.processed += keys.len() as u64;
        report.updated += done.first().map_or(0, |executed| executed.rows_affected);
        report.batches += 1;
        after = Some(last);
    }
    Ok(report)
}
