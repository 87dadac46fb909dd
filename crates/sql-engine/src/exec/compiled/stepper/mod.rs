//! Compiled statements at work.

mod point;
mod pool;

use std::rc::Rc;

use lock_table::{LockTag, RowKey, Scope, SessionId};
use rustc_hash::FxHashMap;
use sim_clock::Nanos;
use transactions::{Outcome, Step, StepContext, StepOutcome, Stepper, WaitPolicy};

pub(crate) use pool::Pool;

use super::{Compiled, Form, Point};
use crate::error::SqlError;
use crate::exec::Rows;
use crate::exec::machine::{Machine, StatementStepper};
use crate::exec::planned::{Phase as Place, PlannedTask};
use crate::exec::reference::AfterCheck;
use crate::exec::stops::Stops;
use crate::job::{KeptPlan, Prepared};
use crate::state::{Shared, StatementResult, Tuple};
use crate::value::Value;

/// What is executed.
pub(crate) struct Execution<'e> {
    pub(crate) shared: &'e Rc<Shared>,
    pub(crate) session: SessionId,
    pub(crate) prepared: &'e Rc<Prepared>,
    pub(crate) kept: Rc<KeptPlan>,
    pub(crate) compiled: Rc<Compiled>,
    pub(crate) params: &'e [Value],
    /// How long it takes, if that is given; otherwise its cost says.
    pub(crate) work: Option<Nanos>,
    /// Whether its result is to be kept for whoever asks for it.
    pub(crate) keeps_result: bool,
}

enum Phase {
    /// What goes by before the statement begins.
    Overhead,
    /// The n-th of the plan's locks is to be taken.
    Lock(usize),
    Find,
    /// The row was to be locked.
    Locked,
    /// The row was to be changed.
    Changed,
    Work,
    Finish,
}

/// What comes next. Most often there is nothing to wait for but the work.
enum Next {
    Work(Nanos),
    Done,
    Step(Box<Step<Tuple>>),
}

impl Next {
    fn step(step: Step<Tuple>) -> Self {
        Self::Step(Box::new(step))
    }

    fn fail(failure: SqlError) -> Self {
        Self::step(Step::Fail(failure))
    }
}

/// A compiled statement under way.
pub(crate) struct CompiledStepper {
    /// Where it goes when it is done.
    pool: Option<Rc<Pool>>,
    shared: Rc<Shared>,
    session: SessionId,
    prepared: Rc<Prepared>,
    kept: Rc<KeptPlan>,
    compiled: Rc<Compiled>,
    params: Vec<Value>,
    work: Option<Nanos>,
    keeps_result: bool,
    phase: Phase,
    key: RowKey,
    rows: u64,
    rows_read: u64,
    rows_written: u64,
    /// The row that is inserted, or its new version if its keys matter.
    row: Vec<Value>,
    /// What subqueries have found.
    stored: FxHashMap<usize, Rows>,
    stops: Stops,
    /// The general tasks, if they had to take over.
    general: Option<Box<StatementStepper>>,
}

impl CompiledStepper {
    fn new(pool: Rc<Pool>, run: Execution<'_>) -> Self {
        Self {
            pool: Some(pool),
            shared: Rc::clone(run.shared),
            session: run.session,
            prepared: Rc::clone(run.prepared),
            kept: run.kept,
            compiled: run.compiled,
            params: run.params.to_vec(),
            work: run.work,
            keeps_result: run.keeps_result,
            phase: Phase::Overhead,
            key: 0,
            rows: 0,
            rows_read: 0,
            rows_written: 0,
            row: Vec::new(),
            stored: FxHashMap::default(),
            stops: Stops::default(),
            general: None,
        }
    }

    fn begin_again(&mut self, pool: Rc<Pool>, run: Execution<'_>) {
        self.pool = Some(pool);
        self.session = run.session;
        self.prepared = Rc::clone(run.prepared);
        (self.kept, self.compiled) = (run.kept, run.compiled);
        self.params.clear();
        self.params.extend_from_slice(run.params);
        (self.work, self.keeps_result) = (run.work, run.keeps_result);
        self.phase = Phase::Overhead;
        (self.rows, self.rows_read, self.rows_written) = (0, 0, 0);
        self.general = None;
    }

    /// Goes on until there is something to wait for.
    fn advance(&mut self, cx: &mut StepContext<'_, Tuple>, last: &StepOutcome<Tuple>) -> Next {
        loop {
            match self.phase {
                Phase::Overhead => {
                    let overhead = self.shared.get().statement_overhead;
                    if overhead > Nanos::ZERO {
                        self.phase = Phase::Lock(0);
                        return Next::Work(overhead);
                    }
                    // The catalog was looked at when the statement was sent.
                    if let Some(step) = self.lock(cx, 0) {
                        return Next::Step(step);
                    }
                    self.phase = Phase::Find;
                }
                Phase::Lock(n) => {
                    if !self.shared.get().is_at(self.session, &self.kept.stamp) {
                        return self.hand_over(cx, n, Place::Lock(n), Vec::new());
                    }
                    if let Some(step) = self.lock(cx, n) {
                        return Next::Step(step);
                    }
                    self.phase = Phase::Find;
                }
                Phase::Find => {
                    cx.take_snapshot();
                    if !self.is_as_compiled() {
                        self.kept.forget_compiled();
                        let locks = self.kept.plan.locks.len();
                        return self.hand_over(cx, locks, Place::Prerequisite(0), Vec::new());
                    }
                    self.phase = Phase::Work;
                    match self.begin(cx) {
                        Ok(None) => {}
                        Ok(Some(next)) => return next,
                        Err(failure) => return Next::fail(failure),
                    }
                }
                Phase::Locked => {
                    self.phase = Phase::Work;
                    if !matches!(last, StepOutcome::Gone | StepOutcome::Unavailable)
                        && let Err(failure) = self.locked(cx)
                    {
                        return Next::fail(failure);
                    }
                }
                Phase::Changed => {
                    self.phase = Phase::Work;
                    let next = match last {
                        // A row of which nothing is known meets all conditions still.
                        StepOutcome::Recheck(_) => self.change(cx, true),
                        StepOutcome::Gone | StepOutcome::Unavailable => Ok(None),
                        _ => Ok(self.changed(cx)),
                    };
                    match next {
                        Ok(None) => {}
                        Ok(Some(next)) => return next,
                        Err(failure) => return Next::fail(failure),
                    }
                }
                Phase::Work => {
                    self.phase = Phase::Finish;
                    let of_rows = || self.shared.get().durations.of_rows(self.rows_read, self.rows_written);
                    let work = self.work.unwrap_or_else(of_rows);
                    if work > Nanos::ZERO {
                        return Next::Work(work);
                    }
                }
                Phase::Finish => {
                    self.finish();
                    return Next::Done;
                }
            }
        }
    }

    /// Takes the plan's locks from the n-th on; the step that takes the first of them that is not free.
    fn lock(&mut self, cx: &mut StepContext<'_, Tuple>, n: usize) -> Option<Box<Step<Tuple>>> {
        for (at, &(relation, mode)) in self.kept.plan.locks.iter().enumerate().skip(n) {
            let tag = LockTag::Relation(relation);
            if !cx.lock_at_once(tag, mode) {
                self.phase = Phase::Lock(at + 1);
                let (scope, policy) = (Scope::Transaction, WaitPolicy::Block);
                return Some(Box::new(Step::Lock { tag, mode, scope, policy }));
            }
        }
        None
    }

    /// Whether the table is still known to be what it was.
    fn is_as_compiled(&self) -> bool {
        let Form::Point(Point { table, known, .. }) = &self.compiled.form else { return true };
        self.shared.get().virtual_tables.get(table).is_some_and(|now| Rc::ptr_eq(now, known))
    }

    /// The general tasks go on from here, holding so many of the plan's locks.
    fn hand_over(
        &mut self,
        cx: &mut StepContext<'_, Tuple>,
        locks: usize,
        place: Place,
        after: Vec<AfterCheck>,
    ) -> Next {
        let params = Rc::from(&self.params[..]);
        let tag = self.compiled.tag;
        let mut machine = Machine::new(Rc::clone(&self.shared), self.session, params, tag, self.work);
        (machine.rows, machine.rows_read, machine.rows_written) =
            (self.rows, self.rows_read, self.rows_written);
        machine.after = after;
        let task = PlannedTask::resumed(Rc::clone(&self.prepared), &self.kept, locks, place);
        let general = self.general.insert(Box::new(StatementStepper::new(machine, Box::new(task))));
        Next::step(general.step(cx, StepOutcome::Done))
    }

    fn finish(&mut self) {
        if self.keeps_result {
            let outcome = Outcome { tag: self.compiled.tag, rows: self.rows };
            let result = StatementResult { outcome, count: self.rows, rows: None };
            self.shared.edit().session_mut(self.session).results.push(result);
        }
    }
}

impl Stepper<Tuple> for CompiledStepper {
    fn step(&mut self, cx: &mut StepContext<'_, Tuple>, last: StepOutcome<Tuple>) -> Step<Tuple> {
        if let Some(general) = &mut self.general {
            return general.step(cx, last);
        }
        match self.advance(cx, &last) {
            Next::Work(span) => Step::Work(span),
            Next::Done => Step::Done { tag: self.compiled.tag, rows: self.rows },
            Next::Step(step) => *step,
        }
    }

    fn retire(mut self: Box<Self>) {
        if let Some(pool) = self.pool.take() {
            pool.put(self);
        }
    }
}
