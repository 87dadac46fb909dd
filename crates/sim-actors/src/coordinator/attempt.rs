//! Attempts: statements under a lock timeout, rolled back as a whole and tried again by a policy.

use sim_clock::Nanos;

use super::Failure;
use super::database::{Database, DatabaseError, Executed, Timeouts};

/// SQLSTATEs after which the same statements may succeed: `lock_not_available`,
/// `deadlock_detected`, `serialization_failure` (PostgreSQL manual, appendix A).
const WORTH_ANOTHER_TRY: [&str; 3] = ["55P03", "40P01", "40001"];

/// Whether the same statements may succeed after this SQLSTATE.
#[must_use]
pub fn is_worth_another_try(sqlstate: &str) -> bool {
    WORTH_ANOTHER_TRY.contains(&sqlstate)
}

/// `duplicate_table`, also said of indexes.
const DUPLICATE_TABLE: &str = "42P07";

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backoff {
    /// Always the same pause.
    Fixed(Nanos),
    /// `base`, multiplied after every failure, at most `cap`.
    Exponential {
        /// The first pause.
        base: Nanos,
        /// What it is multiplied by: 2 as a rule.
        factor: f64,
        /// The longest pause.
        cap: Nanos,
        /// The part of the pause that is random, 0 to 1: with 1, anything from 0 to the pause.
        jitter: f64,
    },
}

impl Backoff {
    /// Doubles from `base` to `cap`, without jitter.
    #[must_use]
    pub fn doubling(base: Nanos, cap: Nanos) -> Self {
        Self::Exponential { base, factor: 2.0, cap, jitter: 0.0 }
    }

    /// The pause after that many failures (one or more); `chance` gives numbers in (0, 1].
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn pause(self, failures: u32, chance: impl FnOnce() -> f64) -> Nanos {
        match self {
            Self::Fixed(pause) => pause,
            Self::Exponential { base, factor, cap, jitter } => {
                let grown = base.0 as f64 * libm::pow(factor, f64::from(failures.saturating_sub(1)));
                let pause = cap.min(Nanos(grown as u64));
                if jitter == 0.0 {
                    return pause;
                }
                Nanos((pause.0 as f64 * (1.0 - jitter * chance())) as u64)
            }
        }
    }
}

/// How a migration step goes about its locks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// The limits of every statement.
    pub timeouts: Timeouts,
    /// How often the step is tried in all.
    pub attempts: u32,
    /// How long to wait between tries.
    pub backoff: Backoff,
}

impl Default for Policy {
    /// One attempt without limits: what a plain `psql -f` does.
    fn default() -> Self {
        Self { timeouts: Timeouts::default(), attempts: 1, backoff: Backoff::Fixed(Nanos::ZERO) }
    }
}

/// Runs statements in one transaction, again and again as the policy allows.
///
/// # Errors
/// The last attempt's error, with the index of the statement that failed. The transaction is
/// rolled back before the error is returned.
pub async fn in_transaction(
    db: &mut impl Database,
    statements: &[&str],
    policy: Policy,
) -> Result<Vec<Executed>, (usize, Failure)> {
    let mut failures = 0;
    loop {
        let (at, error) = match once(db, statements, policy.timeouts).await {
            Ok(done) => return Ok(done),
            Err(failed) => failed,
        };
        failures += 1;
        if failures >= policy.attempts || !WORTH_ANOTHER_TRY.contains(&error.sqlstate.as_str()) {
            return Err((at, Failure::of_database(error, true)));
        }
        let pause = policy.backoff.pause(failures, || db.chance());
        db.sleep(pause).await;
    }
}

async fn once(
    db: &mut impl Database,
    statements: &[&str],
    timeouts: Timeouts,
) -> Result<Vec<Executed>, (usize, DatabaseError)> {
    let none = Timeouts::default();
    db.execute("BEGIN", none).await.map_err(|error| (0, error))?;
    let mut done = Vec::with_capacity(statements.len());
    for (at, sql) in statements.iter().enumerate() {
        match db.execute(sql, timeouts).await {
            Ok(executed) => done.push(executed),
            Err(error) => {
                // The failed transaction has released its locks already; this only ends it. Should
                // the connection be gone, the server rolls back by itself.
                let _ = db.execute("ROLLBACK", none).await;
                return Err((at, error));
            }
        }
    }
    match db.execute("COMMIT", none).await {
        Ok(_) => Ok(done),
        Err(error) => Err((statements.len().saturating_sub(1), error)),
    }
}

/// Runs a statement outside of any transaction block, as the CONCURRENTLY commands demand. After a
/// failure `undo` removes what the command left behind: an INVALID index, say. What was there before
/// the command is not its to remove.
///
/// # Errors
/// The last attempt's error, after `undo` has run.
pub async fn outside_transaction(
    db: &mut impl Database,
    sql: &str,
    undo: &str,
    policy: Policy,
) -> Result<Executed, Failure> {
    let mut failures = 0;
    loop {
        let error = match db.execute(sql, policy.timeouts).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        failures += 1;
        let undone = error.sqlstate == DUPLICATE_TABLE || db.execute(undo, Timeouts::default()).await.is_ok();
        if failures >= policy.attempts || !WORTH_ANOTHER_TRY.contains(&error.sqlstate.as_str()) {
            return Err(Failure::of_database(error, undone));
        }
        let pause = policy.backoff.pause(failures, || db.chance());
        db.sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_backoff_doubles_up_to_its_cap() {
        let backoff = Backoff::doubling(Nanos(100), Nanos(500));
        let pauses: Vec<u64> = (1..=5).map(|failures| backoff.pause(failures, || 1.0).0).collect();
        assert_eq!(pauses, [100, 200, 400, 500, 500]);
        assert_eq!(backoff.pause(200, || 1.0), Nanos(500));
    }
}
