//! A recorded migration's plan as a story over the coordinator's database interface.

use std::cell::RefCell;
use std::rc::Rc;

use sim_actors::coordinator::attempt::Backoff;
use sim_actors::coordinator::database::{Database, DatabaseError, Timeouts};
use sim_clock::Nanos;

use super::recording::{PlanStep, Retry, span};

/// What a plan did, as it goes.
#[derive(Debug, Default)]
pub(super) struct Diary {
    pub(super) attempts: usize,
    pub(super) began: Nanos,
    /// When it ended, and whether well.
    pub(super) ended: Option<(Nanos, bool)>,
    /// Statements that succeeded: step, place, start and end.
    pub(super) statements: Vec<(usize, usize, Nanos, Nanos)>,
}

/// A diary that story and stage share.
pub(super) type SharedDiary = Rc<RefCell<Diary>>;

/// Carries the plan out, step by step, each as often as its retry policy says.
pub(super) async fn carry_out(
    mut db: impl Database,
    plan: Rc<[PlanStep]>,
    round_trip: Nanos,
    diary: SharedDiary,
) {
    diary.borrow_mut().began = db.now();
    let mut lock_timeout = None;
    let mut ok = true;
    for (at, step) in plan.iter().enumerate() {
        lock_timeout = step.lock_timeout_ms.map(span).or(lock_timeout);
        let limits = Timeouts { lock_timeout, statement_timeout: None };
        if !attempts(&mut db, at, step, limits, round_trip, &diary).await {
            ok = false;
            break;
        }
        db.sleep(span(step.sleep_after_ms)).await;
    }
    diary.borrow_mut().ended = Some((db.now(), ok));
}

/// Tries one step until it succeeds or there are no attempts left.
async fn attempts(
    db: &mut impl Database,
    at: usize,
    step: &PlanStep,
    limits: Timeouts,
    round_trip: Nanos,
    diary: &SharedDiary,
) -> bool {
    let mut failures = 0;
    loop {
        diary.borrow_mut().attempts += 1;
        if once(db, at, step, limits, round_trip, diary).await.is_ok() {
            return true;
        }
        failures += 1;
        for sql in &step.on_fail {
            // What it comes to is not asked: the attempt has failed either way.
            let _ = db.execute(sql, limits).await;
            db.sleep(round_trip).await;
        }
        let Some(retry) = step.retry.as_ref().filter(|retry| failures < retry.max) else { return false };
        db.sleep(backoff(retry).pause(failures, || 1.0)).await;
    }
}

fn backoff(retry: &Retry) -> Backoff {
    let base = span(retry.base_ms);
    match retry.kind.as_str() {
        "exp" => Backoff::doubling(base, retry.cap_ms.map_or(Nanos::MAX, span)),
        _ => Backoff::Fixed(base),
    }
}

async fn once(
    db: &mut impl Database,
    at: usize,
    step: &PlanStep,
    limits: Timeouts,
    round_trip: Nanos,
    diary: &SharedDiary,
) -> Result<(), DatabaseError> {
    if step.tx {
        db.execute("BEGIN", limits).await?;
        db.sleep(round_trip).await;
    }
    for (place, statement) in step.stmts.iter().enumerate() {
        let start = db.now();
        let outcome = db.execute(&statement.sql, limits).await;
        let end = db.now();
        db.sleep(round_trip).await;
        if let Err(error) = outcome {
            if step.tx {
                // The failed transaction has released its locks already; this only ends it.
                let _ = db.execute("ROLLBACK", limits).await;
            }
            return Err(error);
        }
        diary.borrow_mut().statements.push((at, place, start, end));
        db.sleep(span(statement.think_ms)).await;
    }
    if step.tx {
        db.execute("COMMIT", limits).await?;
        db.sleep(round_trip).await;
    }
    Ok(())
}
