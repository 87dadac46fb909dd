//! Queries that lock rows or stop for their functions: row by row.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, Scope};
use sim_clock::Nanos;
use transactions::{Step, StepContext, StepOutcome, WaitPolicy};

use super::machine::{Flow, Machine, Task};
use super::modify::replaced;
use super::query::{Wanted, candidates, limits, project, sort, sort_keys};
use super::scan::{SourceRow, holds, still_holds};
use crate::error::{Result, not_modelled};
use crate::expr::{Env, StepCall, StepFunction};
use crate::plan::{QueryPlan, SelectPlan, StatementPlan};
use crate::state::Tuple;
use crate::value::{Value, seconds_to_micros};

/// How many rows of a virtual table are locked at most, if no limit says.
const LOCKED: usize = 10_000;

enum Phase {
    Collect,
    NextRow,
    /// The n-th of the row's tables is to be locked.
    Lock(usize),
    /// The outcome of that is to be looked at.
    Locked(usize),
    /// The n-th step function is to be called.
    Call(usize),
    Called(usize),
    Emit,
}

/// Runs such a query; its rows go to the machine's result, or to the store under an id.
pub(super) struct SelectTask {
    plan: Rc<StatementPlan>,
    store: Option<usize>,
    stored: Vec<Rc<[Value]>>,
    phase: Phase,
    found: std::vec::IntoIter<SourceRow>,
    row: Option<SourceRow>,
    step_results: Vec<Value>,
    skip: usize,
    take: usize,
}

impl SelectTask {
    pub(super) fn new(plan: Rc<StatementPlan>, store: Option<usize>) -> Self {
        Self {
            plan,
            store,
            stored: Vec::new(),
            phase: Phase::Collect,
            found: Vec::new().into_iter(),
            row: None,
            step_results: Vec::new(),
            skip: 0,
            take: usize::MAX,
        }
    }

    fn collect(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let plan = Rc::clone(&self.plan);
        let select = select_of(&plan)?;
        if select.grouping.is_some() || select.is_distinct || select.distinct.is_some() {
            return Err(not_modelled("such a function beside aggregates or DISTINCT"));
        }
        let (skip, take, found) = m.exec(cx, |ex| {
            let (skip, take) = limits(ex, select.offset.as_ref(), select.limit.as_ref(), None)?;
            let mut keyed = Vec::new();
            let most = if take == usize::MAX { LOCKED } else { skip.saturating_add(take) };
            let skips = select.locking.iter().find(|l| l.policy == WaitPolicy::Skip);
            let passes = skips.map(|l| l.strength);
            let wanted = Wanted { enough: None, needed: usize::MAX, most: Some(most), passes };
            for row in candidates(ex, select, None, wanted)? {
                keyed.push((sort_keys(ex, select, &Env::row(&row.values))?, row));
            }
            sort(&mut keyed, &select.order_by, 0);
            Ok((skip, take, keyed.into_iter().map(|(_, row)| row).collect::<Vec<_>>()))
        })?;
        (self.skip, self.take, self.found) = (skip, take, found.into_iter());
        Ok(())
    }

    /// The outcome of locking: the row stays, perhaps in a newer version, or is left out.
    fn keep(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        item: usize,
        outcome: StepOutcome<Tuple>,
    ) -> Result<bool> {
        let (current, moved) = match outcome {
            StepOutcome::Locked { row, moved } => (row, moved),
            StepOutcome::Recheck(row) => (row, true),
            StepOutcome::Gone | StepOutcome::Unavailable => return Ok(false),
            StepOutcome::Done | StepOutcome::Range { .. } | StepOutcome::Start => return Ok(true),
        };
        if !moved {
            return Ok(true);
        }
        let plan = Rc::clone(&self.plan);
        let select = select_of(&plan)?;
        let Some(row) = self.row.take() else { return Ok(false) };
        let Some(origin) = row.origins.iter().find(|o| o.item == item).cloned() else { return Ok(true) };
        let values = m.exec(cx, |ex| {
            if ex.virtual_table(origin.relation).is_some() {
                return Ok(Some(Rc::clone(&row.values)));
            }
            let values = replaced(ex, &select.source, &row, &origin, &current)?;
            let env = Env::row(&values);
            let stays = still_holds(ex, &select.source, &env)? && holds(ex, &select.filter, &env)?;
            Ok(stays.then_some(values))
        })?;
        let Some(values) = values else { return Ok(false) };
        self.row = Some(SourceRow { values, origins: row.origins });
        Ok(true)
    }

    fn emit(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let plan = Rc::clone(&self.plan);
        let select = select_of(&plan)?;
        let Some(row) = self.row.take() else { return Ok(()) };
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.take = self.take.saturating_sub(1);
        let results = std::mem::take(&mut self.step_results);
        let values = m.exec_with(cx, &results, |ex| project(ex, select, &Env::row(&row.values)))?;
        if self.store.is_some() {
            self.stored.push(values);
        } else {
            m.push_row(values);
            m.rows += 1;
        }
        Ok(())
    }

    fn finish(&mut self, m: &mut Machine) -> Flow {
        if let Some(id) = self.store {
            m.stored.insert(id, Rc::new(std::mem::take(&mut self.stored)));
        }
        Flow::Done
    }
}

fn select_of(plan: &StatementPlan) -> Result<&SelectPlan> {
    match plan {
        StatementPlan::Query(QueryPlan::Select(select)) => Ok(select),
        _ => Err(not_modelled("row locks in a combined query")),
    }
}

impl Task for SelectTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let mut last = last;
        let plan = Rc::clone(&self.plan);
        let select = select_of(&plan)?;
        loop {
            match self.phase {
                Phase::Collect => {
                    self.collect(m, cx)?;
                    self.phase = Phase::NextRow;
                }
                Phase::NextRow => {
                    if self.take == 0 {
                        return Ok(self.finish(m));
                    }
                    self.row = self.found.next();
                    if self.row.is_none() {
                        return Ok(self.finish(m));
                    }
                    self.phase = Phase::Lock(0);
                }
                Phase::Lock(n) => {
                    let Some(locking) = select.locking.get(n) else {
                        self.phase = Phase::Call(0);
                        continue;
                    };
                    let origin = self.row.iter().flat_map(|r| &r.origins).find(|o| o.item == locking.item);
                    let Some(origin) = origin else {
                        self.phase = Phase::Lock(n + 1);
                        continue;
                    };
                    let (relation, key) = (origin.relation, origin.key);
                    let (strength, policy) = (locking.strength, locking.policy);
                    self.phase = Phase::Locked(n);
                    return Ok(Flow::Yield(Step::LockRow { relation, key, strength, policy }));
                }
                Phase::Locked(n) => {
                    let outcome = std::mem::replace(&mut last, StepOutcome::Done);
                    let item = select.locking.get(n).map_or(0, |l| l.item);
                    let stays = self.keep(m, cx, item, outcome)?;
                    self.phase = if stays { Phase::Lock(n + 1) } else { Phase::NextRow };
                }
                Phase::Call(n) => {
                    let Some(call) = select.steps.get(n) else {
                        self.phase = Phase::Emit;
                        continue;
                    };
                    let row = self.row.as_ref().map(|r| Rc::clone(&r.values)).unwrap_or_default();
                    let results = self.step_results.clone();
                    let args = m.exec_with(cx, &results, |ex| {
                        call.args.iter().map(|a| a.eval(ex, &Env::row(&row))).collect::<Result<Vec<_>>>()
                    })?;
                    match step_of(m, call, &args)? {
                        Some(step) => {
                            self.phase = Phase::Called(n);
                            return Ok(Flow::Yield(step));
                        }
                        None => {
                            self.step_results.push(Value::Null);
                            self.phase = Phase::Call(n + 1);
                        }
                    }
                }
                Phase::Called(n) => {
                    let outcome = std::mem::replace(&mut last, StepOutcome::Done);
                    let done = !matches!(outcome, StepOutcome::Unavailable);
                    let call = select.steps.get(n).map(|c| c.function);
                    self.step_results.push(returned(m, call, done));
                    self.phase = Phase::Call(n + 1);
                }
                Phase::Emit => {
                    self.emit(m, cx)?;
                    self.phase = Phase::NextRow;
                }
            }
        }
    }
}

/// What the function returns.
fn returned(m: &Machine, call: Option<StepFunction>, done: bool) -> Value {
    match call {
        Some(StepFunction::AdvisoryLock { attempt: true, .. } | StepFunction::Signal { .. }) => {
            Value::Bool(done)
        }
        Some(StepFunction::AdvisoryUnlock { .. }) => {
            if !done {
                let message = "you don't own a lock of type ExclusiveLock".to_owned();
                let message = match call {
                    Some(StepFunction::AdvisoryUnlock { shared: true }) => {
                        message.replace("Exclusive", "Share")
                    }
                    _ => message,
                };
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
fn step_of(m: &Machine, call: &StepCall, args: &[Value]) -> Result<Option<Step<Tuple>>> {
    if args.iter().any(Value::is_null) {
        return Ok(None);
    }
    let mode = |shared| if shared { LockMode::Share } else { LockMode::Exclusive };
    let tag = || advisory_key(args).map(LockTag::Advisory);
    Ok(match call.function {
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
    })
}
