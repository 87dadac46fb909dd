//! Queries that lock rows or stop for their functions: row by row.

use std::rc::Rc;

use transactions::{Step, StepContext, StepOutcome, WaitPolicy};

use super::machine::{Flow, Machine, Task};
use super::modify::replaced;
use super::query::{Wanted, candidates, limits, project, sort, sort_keys};
use super::scan::{SourceRow, holds, still_holds};
use super::stops::{returned, step_of};
use crate::error::{Result, not_modelled};
use crate::expr::Env;
use crate::plan::{QueryPlan, SelectPlan, StatementPlan};
use crate::state::Tuple;
use crate::value::Value;

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
        let Some(row) = self.row.clone() else { return Ok(false) };
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
        let Some(values) = values else {
            self.row = None;
            return Ok(false);
        };
        self.row = Some(SourceRow { values, origins: row.origins });
        Ok(true)
    }

    fn emit(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let plan = Rc::clone(&self.plan);
        let select = select_of(&plan)?;
        let Some(row) = self.row.as_ref() else { return Ok(()) };
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        let values = m.exec_with(cx, &self.step_results, |ex| project(ex, select, &Env::row(&row.values)))?;
        self.take = self.take.saturating_sub(1);
        self.step_results.clear();
        self.row = None;
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
                    match step_of(m, call.function, &args) {
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
                    let call = select.steps.get(n).map(|c| c.function);
                    self.step_results.push(returned(m, call, &outcome));
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
