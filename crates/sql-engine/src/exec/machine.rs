//! A statement as a stack of tasks, of which the topmost says the next step.
//!
//! ```text
//!   PlannedTask ─► InsertTask ─► UniqueTask            Step, its outcome
//!                 (row by row)   (waits for others)  ◄───────────────────► transactions::Backends
//! ```

use std::rc::Rc;

use lock_table::SessionId;
use rustc_hash::FxHashMap;
use sim_clock::Nanos;
use smallvec::SmallVec;
use transactions::{CommandTag, Step, StepContext, StepOutcome, Stepper};

use super::reference::AfterCheck;
use super::stops::{Stop, Stops, returned, step_of};
use super::{Exec, Rows};
use crate::error::Result;
use crate::state::{QueryResult, Shared, StatementResult, Tuple};
use crate::value::Value;
use crate::virtual_table::Mark;

/// What a task wants next.
pub(crate) enum Flow {
    /// A step; the task is asked again with its outcome.
    Yield(Step<Tuple>),
    /// Another task first; then this one is asked again.
    First(Box<dyn Task>),
    /// It is done.
    Done,
}

/// A part of a statement that may have to wait.
pub(crate) trait Task {
    /// The next thing to do, given what came of the last one.
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow>;
}

/// What the tasks of a statement share.
pub(crate) struct Machine {
    pub(crate) shared: Rc<Shared>,
    pub(crate) session: SessionId,
    pub(crate) params: Rc<[Value]>,
    pub(crate) stored: FxHashMap<usize, Rows>,
    /// The rows to be returned, if the statement returns any.
    pub(crate) result: Option<QueryResult>,
    pub(crate) rows: u64,
    pub(crate) tag: CommandTag,
    /// How long the statement takes, if that is given; otherwise its cost says.
    pub(crate) work: Option<Nanos>,
    /// What goes by before the statement begins.
    pub(crate) overhead: Nanos,
    /// What of that has gone by.
    pub(crate) worked: Nanos,
    pub(crate) rows_read: u64,
    pub(crate) rows_written: u64,
    /// What is to be checked when all rows are changed: foreign keys.
    pub(crate) after: Vec<AfterCheck>,
    pub(crate) stops: Stops,
    /// Where backfills of virtual tables have come to, if this statement changes their rows.
    pub(crate) marks: Vec<Mark>,
}

impl Machine {
    pub(crate) fn new(
        shared: Rc<Shared>,
        session: SessionId,
        params: Rc<[Value]>,
        tag: CommandTag,
        work: Option<Nanos>,
    ) -> Self {
        Self {
            shared,
            session,
            params,
            stored: FxHashMap::default(),
            result: None,
            rows: 0,
            tag,
            work,
            overhead: Nanos::ZERO,
            worked: Nanos::ZERO,
            rows_read: 0,
            rows_written: 0,
            after: Vec::new(),
            stops: Stops::default(),
            marks: Vec::new(),
        }
    }

    /// Evaluates something now.
    pub(crate) fn exec<T>(
        &mut self,
        cx: &mut StepContext<'_, Tuple>,
        what: impl FnOnce(&mut Exec<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        self.exec_with(cx, &[], what)
    }

    /// Evaluates something now, with what the step functions of a row returned.
    pub(crate) fn exec_with<T>(
        &mut self,
        cx: &mut StepContext<'_, Tuple>,
        step_results: &[Value],
        what: impl FnOnce(&mut Exec<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let shared = Rc::clone(&self.shared);
        let params = Rc::clone(&self.params);
        let mut ex = Exec {
            cx,
            shared: &shared,
            params: &params,
            step_results: step_results.to_vec(),
            stored: &mut self.stored,
            rows_read: 0,
            stops: &mut self.stops,
            unseen: 0,
            marks: Vec::new(),
        };
        ex.stops.rewind();
        let result = what(&mut ex);
        self.rows_read += ex.rows_read;
        let mut marks = std::mem::take(&mut ex.marks);
        if result.is_ok() {
            self.stops.finish();
            self.marks.append(&mut marks);
        } else {
            for id in &self.stops.stored {
                self.stored.remove(id);
            }
        }
        result
    }

    pub(crate) fn push_row(&mut self, row: Rc<[Value]>) {
        if let Some(result) = &mut self.result {
            result.rows.push(row);
        }
    }
}

/// A statement of ours as the layer below wants it.
pub(crate) struct StatementStepper {
    machine: Machine,
    stack: SmallVec<[Box<dyn Task>; 4]>,
    takes_snapshot: bool,
    is_vacuum: bool,
    /// The call that the topmost task's expression stopped at, and what the task is to be told again.
    stopped: Option<(Stop, StepOutcome<Tuple>)>,
}

impl StatementStepper {
    pub(crate) fn new(machine: Machine, task: Box<dyn Task>) -> Self {
        let mut stack = SmallVec::new();
        stack.push(task);
        Self { machine, stack, takes_snapshot: true, is_vacuum: false, stopped: None }
    }

    /// It takes no snapshot (LOCK TABLE).
    pub(crate) fn without_snapshot(mut self) -> Self {
        self.takes_snapshot = false;
        self
    }

    pub(crate) fn vacuum(mut self) -> Self {
        self.is_vacuum = true;
        self
    }

    fn finish(&mut self) -> Step<Tuple> {
        let m = &mut self.machine;
        let rows = m.result.take();
        let outcome = transactions::Outcome { tag: m.tag, rows: m.rows };
        let result = StatementResult { outcome, count: m.rows, rows };
        m.shared.edit().session_mut(m.session).results.push(result);
        Step::Done { tag: m.tag, rows: m.rows }
    }
}

impl Stepper<Tuple> for StatementStepper {
    fn step(&mut self, cx: &mut StepContext<'_, Tuple>, last: StepOutcome<Tuple>) -> Step<Tuple> {
        let overhead = std::mem::replace(&mut self.machine.overhead, Nanos::ZERO);
        if overhead > Nanos::ZERO {
            return Step::Work(overhead);
        }
        let mut last = last;
        if let Some((stop, told)) = self.stopped.take() {
            let value = returned(&self.machine, Some(stop.function), &last);
            self.machine.stops.returned.push(value);
            last = told;
        }
        while let Some(mut task) = self.stack.pop() {
            let told = last.clone();
            let flow = task.run(&mut self.machine, cx, std::mem::replace(&mut last, StepOutcome::Done));
            match flow {
                Ok(Flow::Yield(step)) => {
                    self.stack.push(task);
                    return step;
                }
                Ok(Flow::First(first)) => {
                    self.stack.push(task);
                    self.stack.push(first);
                    last = StepOutcome::Start;
                }
                Ok(Flow::Done) => {}
                Err(error) => {
                    let Some(stop) = self.machine.stops.wanted.take() else { return Step::Fail(error) };
                    self.stack.push(task);
                    match step_of(&self.machine, stop.function, &stop.args) {
                        Some(step) => {
                            self.stopped = Some((stop, told));
                            return step;
                        }
                        None => {
                            self.machine.stops.returned.push(Value::Null);
                            last = told;
                        }
                    }
                }
            }
        }
        self.finish()
    }

    fn takes_snapshot(&self) -> bool {
        self.takes_snapshot
    }

    fn is_vacuum(&self) -> bool {
        self.is_vacuum
    }
}
