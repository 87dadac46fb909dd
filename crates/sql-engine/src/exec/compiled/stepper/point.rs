//! What a compiled statement does to its row: it finds it, and reads, locks, changes, deletes or inserts it.

use std::rc::Rc;

use lock_table::RowKey;
use smallvec::SmallVec;
use transactions::{AtOnce, Step, StepContext, WaitPolicy};

use super::super::{Deed, Find, Form, Given, Point};
use super::{CompiledStepper, Next, Phase, Place};
use crate::error::Result;
use crate::exec::reference::AfterCheck;
use crate::exec::selection::FEW;
use crate::exec::{Exec, query, rows};
use crate::expr::{Env, Node, Typed};
use crate::plan::{StatementPlan, Table};
use crate::state::Tuple;
use crate::value::{Type, Value};

impl CompiledStepper {
    /// Finds the row and deals with it: nothing if that was done at once.
    pub(super) fn begin(&mut self, cx: &mut StepContext<'_, Tuple>) -> Result<Option<Next>> {
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
    pub(super) fn locked(&mut self, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
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
    pub(super) fn change(&mut self, cx: &mut StepContext<'_, Tuple>, is_again: bool) -> Result<Option<Next>> {
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
    pub(super) fn changed(&mut self, cx: &mut StepContext<'_, Tuple>) -> Option<Next> {
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
}
