//! Functions that a statement has to stop for: locks, sleeps, signals.
//!
//! An expression is evaluated at once or not at all. One that calls such a function gives up; the statement takes
//! the step, notes what came of it, and the task is run again as if nothing had happened. This time the
//! expression finds the function's result among the notes:
//!
//! ```text
//!   Typed::eval ──► Exec::stop_for ──► Err, wanted ──► StatementStepper: Step ──► outcome noted
//!        ▲                                                                            │
//!        └──────────────────────────── Task::run, once more ◄─────────────────────────┘
//! ```
//!
//! Invariant: a task that evaluates something changes itself only when that has succeeded.

use lock_table::{LockMode, LockTag, Scope};
use sim_clock::Nanos;
use transactions::{Step, StepOutcome, WaitPolicy};

use super::Exec;
use super::machine::Machine;
use crate::error::{Result, error};
use crate::expr::StepFunction;
use crate::state::Tuple;
use crate::value::{Value, seconds_to_micros};

/// A call that an expression stopped at.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(super) function: StepFunction,
    pub(super) args: Vec<Value>,
}

/// The calls of what is being evaluated: those that were made, and the one that is to be made.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    /// What the calls returned, in the order in which they come.
    pub(super) returned: Vec<Value>,
    /// How many of them the evaluation has come by.
    passed: usize,
    pub(super) wanted: Option<Stop>,
    /// Subqueries that were stored since the evaluation began: they would not come by their calls again.
    pub(super) stored: Vec<usize>,
}

impl Stops {
    /// The evaluation begins, or begins once more.
    pub(super) fn rewind(&mut self) {
        self.passed = 0;
        self.stored.clear();
    }

    /// It has come to its end. Results that it had no use for are the next one's, of the same run of the task.
    pub(super) fn finish(&mut self) {
        if self.passed > 0 {
            self.returned.clear();
        }
        self.stored.clear();
    }
}

impl Exec<'_, '_> {
    /// The result of a function that the statement has to stop for.
    pub(crate) fn stop_for(&mut self, function: StepFunction, args: Vec<Value>) -> Result<Value> {
        if args.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        if let Some(value) = self.stops.returned.get(self.stops.passed) {
            self.stops.passed += 1;
            return Ok(value.clone());
        }
        self.stops.wanted = Some(Stop { function, args });
        Err(error("XX000", "the expression waits for a function"))
    }
}

/// What the function returns.
pub(super) fn returned(m: &Machine, call: Option<StepFunction>, outcome: &StepOutcome<Tuple>) -> Value {
    let done = !matches!(outcome, StepOutcome::Unavailable);
    match call {
        Some(StepFunction::AdvisoryLock { attempt: true, .. } | StepFunction::Signal { .. }) => {
            Value::Bool(done)
        }
        Some(StepFunction::AdvisoryUnlock { shared }) => {
            if !done {
                let mode = if shared { "ShareLock" } else { "ExclusiveLock" };
                let message = format!("you don't own a lock of type {mode}");
                m.shared.edit().notice(m.session, "WARNING", message);
            }
            Value::Bool(done)
        }
        _ => Value::Void,
    }
}

/// An advisory key: one bigint, or two integers. The two kinds never meet (manual, section 9.28.10), and so
/// they are kept apart here, too.
fn advisory_key(args: &[Value]) -> Option<i64> {
    match args {
        [Value::Int(key)] => Some(*key),
        [Value::Int(a), Value::Int(b)] => {
            let (a, b) = (i32::try_from(*a).ok()?, i32::try_from(*b).ok()?);
            let mixed = (u64::from(a.cast_unsigned()) << 32 | u64::from(b.cast_unsigned())).rotate_left(17);
            Some((mixed ^ 0x7077_6f2d_6b65_7973).cast_signed())
        }
        _ => None,
    }
}

/// The step that a function stops for; nothing if its argument is NULL.
pub(super) fn step_of(m: &Machine, function: StepFunction, args: &[Value]) -> Option<Step<Tuple>> {
    if args.iter().any(Value::is_null) {
        return None;
    }
    let mode = |shared| if shared { LockMode::Share } else { LockMode::Exclusive };
    let tag = || advisory_key(args).map(LockTag::Advisory);
    match function {
        // The statement's duration is given, its sleep included.
        StepFunction::Sleep if m.work.is_some() => None,
        StepFunction::Sleep => {
            let seconds = args.first().and_then(Value::as_f64).unwrap_or(0.0);
            let micros = u64::try_from(seconds_to_micros(seconds).max(0)).unwrap_or(0);
            Some(Step::Work(Nanos::from_micros(micros)))
        }
        StepFunction::AdvisoryLock { shared, in_transaction, attempt } => tag().map(|tag| Step::Lock {
            tag,
            mode: mode(shared),
            scope: if in_transaction { Scope::Transaction } else { Scope::Session },
            policy: if attempt { WaitPolicy::Skip } else { WaitPolicy::Block },
        }),
        StepFunction::AdvisoryUnlock { shared } => {
            tag().map(|tag| Step::Unlock { tag, mode: mode(shared), scope: Scope::Session })
        }
        StepFunction::AdvisoryUnlockAll => Some(Step::UnlockAllAdvisory),
        StepFunction::Signal { terminate } => {
            if let Some(session) = args.first().and_then(Value::as_int).and_then(crate::command::session_of) {
                m.shared.edit().signals.push((session, terminate));
            }
            Some(Step::Work(Nanos::ZERO))
        }
    }
}
