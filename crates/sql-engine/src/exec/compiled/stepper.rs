//! Compiled statements at work.

use std::cell::RefCell;
use std::rc::Rc;

use lock_table::{LockTag, RowKey, Scope, SessionId};
use rustc_hash::FxHashMap;
use sim_clock::Nanos;
use smallvec::SmallVec;
use transactions::{AtOnce, Outcome, Step, StepContext, StepOutcome, Stepper, WaitPolicy};

use super::{Compiled, Deed, Find, Form, Given, Point};
use crate::error::{Result, SqlError};
use crate::exec::machine::{Machine, StatementStepper};
use crate::exec::planned::{Phase as Place, PlannedTask};
use crate::exec::reference::AfterCheck;
use crate::exec::selection::FEW;
use crate::exec::stops::Stops;
use crate::exec::{Exec, Rows, query, rows};
use crate::expr::{Env, Node, Typed};
use crate::job::{KeptPlan, Prepared};
use crate::plan::{StatementPlan, Table};
use crate::state::{Shared, StatementResult, Tuple};
use crate::value::{Type, Value};

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

/// Steppers that are done, to be used again: as many as ever were at work at the same time.
#[derive(Default)]
pub(crate) struct Pool {
    #[allow(clippy::vec_box, reason = "the layer below takes them in their boxes")]
    steppers: RefCell<Vec<Box<CompiledStepper>>>,
}

impl Pool {
    /// A stepper that begins.
    pub(crate) fn begin(self: &Rc<Self>, run: Execution<'_>) -> Box<CompiledStepper> {
        let spare = self.steppers.borrow_mut().pop();
        let Some(mut stepper) = spare else { return Box::new(CompiledStepper::new(Rc::clone(self), run)) };
        stepper.begin_again(Rc::clone(self), run);
        stepper
    }
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

    /// Finds the row and deals with it: nothing if that was done at once.
    fn begin(&mut self, cx: &mut StepContext<'_, Tuple>) -> Result<Option<Next>> {
        let compiled = Rc::clone(&self.compiled);
        let Form::Point(point) = &compiled.form else { return self.query(cx).map(|()| None) };
        let relation = point.table;
        match &point.deed {
            Deed::Insert { table, values } => return self.insert(cx, point, table, values),
            Deed::Read { most, shows } => {
                let (found, first) = self.find(cx, point)?;
                self.rows_read = found.min(*most);
                self.rows = self.rows_read;
                if let Some(key) = first {
                    self.key = key;
                    self.evaluate(cx, point, shows)?;
                }
                return Ok(None);
            }
            Deed::Lock { .. } | Deed::Update { .. } | Deed::Delete { .. } => {}
        }
        let Some(key) = self.key(cx, point)? else { return Ok(None) };
        self.key = key;
        let done = match &point.deed {
            Deed::Lock { strength, .. } => cx.lock_row_at_once(relation, key, *strength),
            Deed::Delete { .. } => cx.delete_at_once(relation, key),
            Deed::Update { evaluated, sets_keys: false, .. } if evaluated.is_empty() => {
                cx.update_at_once(relation, key, false)
            }
            _ => AtOnce::TakeStep,
        };
        match done {
            AtOnce::Missing => return Ok(None),
            AtOnce::TakeStep if !cx.has_row(relation, key) => return Ok(None),
            AtOnce::Done | AtOnce::TakeStep => self.rows_read = 1,
        }
        match &point.deed {
            Deed::Lock { .. } if done == AtOnce::Done => self.locked(cx).map(|()| None),
            Deed::Lock { strength, policy, .. } => {
                let (strength, policy) = (*strength, *policy);
                if policy == WaitPolicy::Skip && cx.is_row_busy(relation, key, strength) {
                    self.rows_read = 0;
                    return Ok(None);
                }
                self.phase = Phase::Locked;
                Ok(Some(Next::step(Step::LockRow { relation, key, strength, policy })))
            }
            _ if done == AtOnce::Done => Ok(self.changed(cx)),
            _ => self.change(cx, false),
        }
    }

    /// Evaluates a query as a whole; nobody wants its rows.
    fn query(&mut self, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let kept = Rc::clone(&self.kept);
        let StatementPlan::Query(query) = &*kept.plan.statement else { return Ok(()) };
        self.stored.clear();
        let mut ex = self.exec(cx);
        let rows = query::run(&mut ex, query, None)?;
        let read = ex.rows_read;
        (self.rows, self.rows_read) = (rows.len() as u64, read);
        Ok(())
    }

    /// How many of the rows that are meant are there, and the first of them.
    fn find(&mut self, cx: &mut StepContext<'_, Tuple>, point: &Point) -> Result<(u64, Option<RowKey>)> {
        let Find::Few(value) = &point.find else {
            let key = self.key(cx, point)?.filter(|key| cx.has_row(point.table, *key));
            return Ok((u64::from(key.is_some()), key));
        };
        let value = [self.value(cx, value)?];
        if value[0].is_null() {
            return Ok((0, None));
        }
        let mut keys: SmallVec<[RowKey; FEW as usize]> =
            (0..FEW).map(|nth| point.known.hashed(&value, nth)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| cx.has_row(point.table, *key));
        Ok((keys.len() as u64, keys.first().copied()))
    }

    /// The row that is meant, whether it is there or not; nothing if a NULL is.
    fn key(&mut self, cx: &mut StepContext<'_, Tuple>, point: &Point) -> Result<Option<RowKey>> {
        let known = &point.known;
        if let Find::Number(n, _) = point.find {
            let number = self.params.get(n).and_then(Value::as_int);
            return Ok(number.map(|number| RowKey::try_from(number).unwrap_or(0)));
        }
        let mut key: SmallVec<[Value; 4]> = SmallVec::new();
        match &point.find {
            Find::Key(values) if values.len() == 1 => {
                let value = self.value(cx, &values[0].1)?;
                return Ok((!value.is_null()).then(|| known.row_of(std::slice::from_ref(&value))));
            }
            Find::Key(values) => {
                key.resize(values.len(), Value::Null);
                for (nth, value) in values {
                    key[*nth] = self.value(cx, value)?;
                }
            }
            Find::Unique(values) => {
                for value in values {
                    key.push(self.value(cx, value)?);
                }
                return Ok((!key.iter().any(Value::is_null)).then(|| known.hashed(&key, 0)));
            }
            Find::Number(..) | Find::Few(_) | Find::New => return Ok(None),
        }
        Ok((!key.iter().any(Value::is_null)).then(|| known.row_of(&key)))
    }

    /// A value that depends on no row. Most are parameters of the very type that is wanted.
    fn value(&mut self, cx: &mut StepContext<'_, Tuple>, e: &Typed) -> Result<Value> {
        let inner = match &e.node {
            Node::Cast(inner) if e.ty == Type::Int8 => inner,
            _ => e,
        };
        if let Node::Param(n) = inner.node
            && let Some(Value::Int(value)) = self.params.get(n)
        {
            return Ok(Value::Int(*value));
        }
        e.eval(&mut self.exec(cx), &Env::row(&[]))
    }

    fn exec<'a, 'c>(&'a mut self, cx: &'a mut StepContext<'c, Tuple>) -> Exec<'a, 'c> {
        Exec {
            cx,
            shared: &self.shared,
            params: &self.params,
            step_results: Vec::new(),
            stored: &mut self.stored,
            rows_read: 0,
            stops: &mut self.stops,
            unseen: 0,
            marks: Vec::new(),
        }
    }

    /// The row is locked.
    fn locked(&mut self, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        self.rows = 1;
        let compiled = Rc::clone(&self.compiled);
        let Form::Point(point) = &compiled.form else { return Ok(()) };
        let Deed::Lock { shows, .. } = &point.deed else { return Ok(()) };
        self.evaluate(cx, point, shows)
    }

    /// Evaluates over the row as it is known.
    fn evaluate(
        &mut self,
        cx: &mut StepContext<'_, Tuple>,
        point: &Point,
        expressions: &[Typed],
    ) -> Result<()> {
        if expressions.is_empty() {
            return Ok(());
        }
        let row = point.known.values(self.key, point.width);
        let mut ex = self.exec(cx);
        expressions.iter().try_for_each(|e| e.eval(&mut ex, &Env::row(&row)).map(drop))
    }

    /// Changes or deletes the row that was found; once more, if a newer version was met.
    fn change(&mut self, cx: &mut StepContext<'_, Tuple>, is_again: bool) -> Result<Option<Next>> {
        let compiled = Rc::clone(&self.compiled);
        let Form::Point(point) = &compiled.form else { return Ok(None) };
        let (relation, key) = (point.table, self.key);
        let Deed::Update { table, set, evaluated, sets_keys } = &point.deed else {
            self.phase = Phase::Changed;
            return Ok(Some(Next::step(Step::Delete { relation, key })));
        };
        let mut key_columns_changed = false;
        if *sets_keys {
            let old = point.known.values(key, point.width);
            let mut new = old.clone();
            let mut ex = self.exec(cx);
            for (slot, value) in set {
                new[*slot] = value.eval(&mut ex, &Env::row(&old))?;
            }
            key_columns_changed = table.key_slots.iter().any(|slot| old[*slot] != new[*slot]);
            self.row = new;
        } else {
            self.evaluate(cx, point, evaluated)?;
        }
        if !is_again && cx.update_at_once(relation, key, key_columns_changed) == AtOnce::Done {
            return Ok(self.changed(cx));
        }
        self.phase = Phase::Changed;
        // What is in its new version is not known.
        let new = Tuple::default();
        Ok(Some(Next::step(Step::Update { relation, key, new, key_columns_changed })))
    }

    fn insert(
        &mut self,
        cx: &mut StepContext<'_, Tuple>,
        point: &Point,
        table: &Table,
        values: &[(usize, Given)],
    ) -> Result<Option<Next>> {
        let relation = point.table;
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        row.resize(point.width, Value::Null);
        for (slot, value) in values {
            row[*slot] = match value {
                Given::Value(value) => self.value(cx, value)?,
                Given::Next(sequence, definition) => self.exec(cx).next_of(*sequence, definition)?,
            };
        }
        rows::check(&mut self.exec(cx), table, &row)?;
        let number = point.known.integer_slot().and_then(|slot| row.get(slot));
        let key = match number {
            Some(number) => point.known.row_of(std::slice::from_ref(number)),
            None => cx.fresh_key(relation),
        };
        (self.key, self.row) = (key, row);
        if cx.insert_at_once(relation, key) == AtOnce::Done {
            return Ok(self.changed(cx));
        }
        self.phase = Phase::Changed;
        Ok(Some(Next::step(Step::Insert { relation, key, row: Tuple::default() })))
    }

    /// The row is changed; if foreign keys are to be checked now, the general tasks do it.
    fn changed(&mut self, cx: &mut StepContext<'_, Tuple>) -> Option<Next> {
        (self.rows, self.rows_written) = (1, 1);
        let after = self.checks();
        if after.is_empty() {
            return None;
        }
        let locks = self.kept.plan.locks.len();
        Some(self.hand_over(cx, locks, Place::After, after))
    }

    /// The foreign keys that are to be checked, now that the row is changed.
    fn checks(&self) -> Vec<AfterCheck> {
        let mut after = Vec::new();
        let Form::Point(point) = &self.compiled.form else { return after };
        match &point.deed {
            Deed::Insert { table, .. } => {
                after.extend(table.outgoing.iter().map(|fk| AfterCheck::referencing(fk, &self.row)));
            }
            Deed::Update { table, sets_keys: true, .. } => {
                let old = point.known.values(self.key, point.width);
                for fk in &table.outgoing {
                    if fk.slots.iter().any(|slot| old[*slot] != self.row[*slot]) {
                        after.push(AfterCheck::referencing(fk, &self.row));
                    }
                }
                AfterCheck::push_referenced(&mut after, table, &old, Some(&self.row));
            }
            Deed::Delete { table } if !table.incoming.is_empty() => {
                let old = point.known.values(self.key, point.width);
                AfterCheck::push_referenced(&mut after, table, &old, None);
            }
            _ => {}
        }
        after
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
            pool.steppers.borrow_mut().push(self);
        }
    }
}
