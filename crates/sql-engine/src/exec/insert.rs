//! INSERT, with ON CONFLICT.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RowKey, Scope};
use transactions::{RowLockStrength, Step, StepContext, StepOutcome, WaitPolicy};

use super::machine::{Flow, Machine, Task};
use super::reference::AfterCheck;
use super::scan::{contents, mapped};
use super::serializable;
use super::trigger::{self, Change};
use super::unique::{Conflict, UniqueTask, conflict, enter, key_of, violation};
use super::{query, rows};
use crate::error::{Result, error};
use crate::expr::Env;
use crate::plan::{ConflictPlan, InsertPlan, InsertSource, Plan, Planner, StatementPlan, Table};
use crate::state::{CatalogStamp, Tuple};
use crate::value::{Value, assign};

/// Where the task stands with its row.
enum Phase {
    NextRow,
    /// The locks of the partitions that the row goes to.
    LockParts(usize),
    Probe,
    /// The row in the way is to be updated.
    LockConflicting(RowKey),
    Updated(RowKey),
    Insert,
    Inserted,
    Checked,
}

/// Inserts the rows of a plan.
pub(super) struct InsertTask {
    plan: Rc<Plan>,
    statement: Rc<StatementPlan>,
    source: Option<Vec<Vec<Value>>>,
    at: usize,
    phase: Phase,
    row: Option<Pending>,
    /// Rows that this statement has inserted or updated: it may not touch one twice.
    touched: Vec<RowKey>,
}

/// The row that is being inserted.
struct Pending {
    table: Rc<Table>,
    way: Vec<Rc<Table>>,
    /// In the target's columns, for RETURNING.
    root: Rc<[Value]>,
    values: Rc<[Value]>,
    key: RowKey,
    old: Option<Rc<[Value]>>,
    /// Where the version stands that is updated instead.
    place: u64,
    /// The catalog by which it was routed.
    routed: CatalogStamp,
}

impl InsertTask {
    pub(super) fn new(plan: Rc<Plan>, statement: Rc<StatementPlan>) -> Self {
        Self { plan, statement, source: None, at: 0, phase: Phase::NextRow, row: None, touched: Vec::new() }
    }

    fn insert(&self) -> Result<&InsertPlan> {
        let _ = &self.plan;
        match &*self.statement {
            StatementPlan::Insert(insert) => Ok(insert),
            _ => Err(error("XX000", "an insert's task without an insert")),
        }
    }

    /// The next row of the source, completed and routed.
    fn next_row(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<Option<Pending>> {
        let statement = Rc::clone(&self.statement);
        let StatementPlan::Insert(insert) = &*statement else { return Ok(None) };
        if let (None, InsertSource::Query(plan, casts)) = (&self.source, &insert.source) {
            let found = m.exec(cx, |ex| query::run(ex, plan, None))?;
            let mut all = Vec::with_capacity(found.len());
            for row in found.iter() {
                let values = row.iter().zip(plan.columns()).zip(casts);
                let values = values.map(|((v, c), to)| assign(v.clone(), &c.ty, to));
                all.push(values.collect::<Result<Vec<_>>>()?);
            }
            self.source = Some(all);
        }
        let at = self.at;
        let given: Vec<Option<Value>> = match (&insert.source, &self.source) {
            (InsertSource::Values(rows), _) => {
                let Some(row) = rows.get(at) else { return Ok(None) };
                m.exec(cx, |ex| {
                    let eval = |e: &Option<crate::expr::Typed>| {
                        e.as_ref().map(|e| e.eval(ex, &Env::row(&[]))).transpose()
                    };
                    row.iter().map(eval).collect()
                })?
            }
            (InsertSource::Query(..), Some(rows)) => match rows.get(at) {
                Some(row) => row.iter().cloned().map(Some).collect(),
                None => return Ok(None),
            },
            (InsertSource::Query(..), None) => return Ok(None),
        };
        let target = &insert.target;
        let pending = m.exec(cx, |ex| {
            let row = rows::complete(ex, &target.table, insert.slots.iter().copied().zip(given))?;
            let root: Rc<[Value]> = row.clone().into();
            let (table, values, way) = rows::route(ex, target, row)?;
            if ex.virtual_table(table.id).is_none() {
                trigger::refuse_unknown(&table, Change::Insert)?;
            }
            rows::check(ex, &table, &values)?;
            rows::check_within(ex, target, &root)?;
            let key = if let Some(known) = ex.virtual_table(table.id) {
                match known.integer_slot().and_then(|slot| values.get(slot)) {
                    Some(value) => known.row_of(std::slice::from_ref(value)),
                    None => ex.cx.fresh_key(table.id),
                }
            } else {
                let mut state = ex.shared.edit();
                let data = state.table(table.id);
                data.next_row += 1;
                data.next_row
            };
            let routed = ex.shared.get().stamp(ex.session());
            Ok(Some(Pending { table, way, root, values: values.into(), key, old: None, place: 0, routed }))
        })?;
        self.at += 1;
        Ok(pending)
    }

    /// A default partition may have lost a part of its rows while its lock was waited for (`ExecFindPartition`
    /// in execPartition.c).
    fn check_way(&self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let Some(row) = &self.row else { return Ok(()) };
        if m.shared.get().stamp(m.session) == row.routed {
            return Ok(());
        }
        let (catalog, lookup) = {
            let mut state = m.shared.edit();
            (state.catalog_of(m.session), state.session(m.session).lookup.clone())
        };
        let mut planner = Planner::new(&catalog, &lookup, &[]);
        for table in &row.way {
            let Some(relation) = catalog.relation(table.id).cloned() else { continue };
            let within = planner.within(&relation)?;
            let Some(own) = within.first().filter(|own| own.is_default()) else { continue };
            let target = &self.insert()?.target;
            let holds = m.exec(cx, |ex| {
                let values = match rows::part(target, table.id) {
                    Some(part) => rows::place_in(&part.table, &target.table, &row.root, &target.table, part),
                    None => row.root.to_vec(),
                };
                own.holds(ex, &values)
            })?;
            if !holds {
                return Err(rows::outside(table));
            }
        }
        Ok(())
    }

    /// Whether a row stands in the way of the proposed one in an index that decides.
    fn probe(
        &self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        plan: &ConflictPlan,
        row: &Pending,
    ) -> Result<Option<Conflict>> {
        let root = self.insert()?.target.table.id;
        m.exec(cx, |ex| {
            for index in row.table.indexes.iter().filter(|i| i.unique && i.ready) {
                let decides =
                    plan.arbiters.is_empty() || row.table.id != root || plan.arbiters.contains(&index.id);
                if !decides {
                    continue;
                }
                let Some(key) = key_of(ex, index, &row.values)? else { continue };
                if let Some(found) = conflict(ex, row.table.id, index, &key, None)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    /// The row in the way is locked: what DO UPDATE makes of it.
    fn updated(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        key: RowKey,
        current: &Tuple,
    ) -> Result<Option<(Rc<[Value]>, Rc<[Value]>)>> {
        let statement = Rc::clone(&self.statement);
        let StatementPlan::Insert(insert) = &*statement else { return Ok(None) };
        let (Some(conflict), Some(row)) = (&insert.conflict, &self.row) else { return Ok(None) };
        let Some((set, filter)) = &conflict.update else { return Ok(None) };
        let table = Rc::clone(&row.table);
        let proposed = Rc::clone(&row.root);
        let target = &insert.target;
        m.exec(cx, |ex| {
            let width = table.columns.len();
            let old = contents(ex, table.id, key, current, width);
            // The expressions are over the columns of the table that was named.
            let map = rows::part(target, table.id).map(|part| &part.map);
            let in_root = map.map_or_else(|| old.to_vec(), |map| mapped(&old, map));
            let both: Vec<Value> = in_root.iter().chain(proposed.iter()).cloned().collect();
            let env = Env::row(&both);
            if !filter.as_ref().map_or(Ok(true), |f| f.holds(ex, &env))? {
                return Ok(None);
            }
            let mut changed = in_root;
            for (slot, value) in set {
                changed[*slot] = value.eval(ex, &env)?;
            }
            let (leaf, mut new, _) = rows::route(ex, target, changed)?;
            if leaf.id != table.id {
                return Err(error("0A000", "invalid ON UPDATE specification"));
            }
            rows::generate(ex, &table, &mut new)?;
            if ex.virtual_table(table.id).is_none() {
                rows::check(ex, &table, &new)?;
            }
            Ok(Some((old, new.into())))
        })
    }

    /// The row is in: what is to be checked at the end, and what is returned.
    fn done(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let Some(row) = &self.row else { return Ok(()) };
        let statement = Rc::clone(&self.statement);
        let StatementPlan::Insert(insert) = &*statement else { return Ok(()) };
        if !insert.target.returning.is_empty() {
            let shown = if row.old.is_some() { &row.values } else { &row.root };
            let values = m.exec(cx, |ex| {
                let env = Env::row(shown);
                insert.target.returning.iter().map(|e| e.eval(ex, &env)).collect::<Result<Rc<[Value]>>>()
            })?;
            m.push_row(values);
        }
        for fk in &row.table.outgoing {
            if row.old.as_ref().is_none_or(|old| fk.slots.iter().any(|s| old[*s] != row.values[*s])) {
                m.after.push(AfterCheck::referencing(fk, &row.values));
            }
        }
        if let Some(old) = &row.old {
            AfterCheck::push_referenced(&mut m.after, &row.table, old, Some(&row.values));
        }
        m.rows += 1;
        m.rows_written += 1;
        self.touched.push(row.key);
        self.row = None;
        Ok(())
    }
}

impl Task for InsertTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let mut last = last;
        loop {
            match self.phase {
                Phase::NextRow => {
                    self.row = self.next_row(m, cx)?;
                    if self.row.is_none() {
                        return Ok(Flow::Done);
                    }
                    self.phase = Phase::LockParts(0);
                }
                Phase::LockParts(n) => {
                    let part = self.row.as_ref().and_then(|r| r.way.get(n)).map(|t| t.id);
                    let Some(relation) = part else {
                        self.check_way(m, cx)?;
                        let probes = self.insert()?.conflict.is_some();
                        self.phase = if probes { Phase::Probe } else { Phase::Insert };
                        continue;
                    };
                    self.phase = Phase::LockParts(n + 1);
                    return Ok(Flow::Yield(Step::Lock {
                        tag: LockTag::Relation(relation),
                        mode: LockMode::RowExclusive,
                        scope: Scope::Transaction,
                        policy: WaitPolicy::Block,
                    }));
                }
                Phase::Probe => {
                    let statement = Rc::clone(&self.statement);
                    let StatementPlan::Insert(insert) = &*statement else { return Ok(Flow::Done) };
                    let (Some(plan), Some(row)) = (&insert.conflict, &self.row) else {
                        return Ok(Flow::Done);
                    };
                    match self.probe(m, cx, plan, row)? {
                        None => self.phase = Phase::Insert,
                        Some(Conflict::Busy(xid)) => return Ok(Flow::Yield(Step::WaitForTransaction(xid))),
                        // What the transaction's snapshot does not show it cannot pass over, nor change
                        // (`ExecCheckTupleVisible` in nodeModifyTable.c).
                        Some(Conflict::Row(key))
                            if m.shared.get().session(m.session).repeatable.is_some()
                                && !self.touched.contains(&key)
                                && cx.row(row.table.id, key).is_none() =>
                        {
                            let message = "could not serialize access due to concurrent update";
                            return Err(error("40001", message));
                        }
                        Some(Conflict::Row(_)) if plan.update.is_none() => {
                            self.phase = Phase::NextRow;
                            self.row = None;
                        }
                        Some(Conflict::Row(key)) => {
                            if self.touched.contains(&key) {
                                let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
                                return Err(error("21000", message));
                            }
                            self.phase = Phase::LockConflicting(key);
                            let relation = row.table.id;
                            cx.follow_newest(relation, key);
                            // The key columns that are set decide; the weaker lock is right for most.
                            let keyed = plan.update.iter().flat_map(|(set, _)| set);
                            let map = rows::part(&insert.target, row.table.id).map(|part| &part.map);
                            let place = |s: usize| map.map_or(Some(s), |map| map.get(s).copied().flatten());
                            let is_key =
                                |s: usize| place(s).is_some_and(|s| row.table.key_slots.contains(&s));
                            let keyed = keyed.filter(|(s, _)| is_key(*s)).count() > 0;
                            let strength =
                                if keyed { RowLockStrength::Update } else { RowLockStrength::NoKeyUpdate };
                            return Ok(Flow::Yield(Step::LockRow {
                                relation,
                                key,
                                strength,
                                policy: WaitPolicy::Block,
                            }));
                        }
                    }
                }
                Phase::LockConflicting(key) => match std::mem::replace(&mut last, StepOutcome::Done) {
                    // Changed while it was waited for: its key may be another one now (`ExecOnConflictUpdate`).
                    StepOutcome::Locked { moved: true, .. } => self.phase = Phase::Probe,
                    StepOutcome::Locked { row: current, .. } | StepOutcome::Recheck(current) => {
                        let Some((old, new)) = self.updated(m, cx, key, &current)? else {
                            self.phase = Phase::NextRow;
                            continue;
                        };
                        let Some(row) = &mut self.row else { return Ok(Flow::Done) };
                        let table = Rc::clone(&row.table);
                        (row.key, row.values, row.old) = (key, Rc::clone(&new), Some(old.clone()));
                        row.place = current.place;
                        let changed = table.key_slots.iter().any(|s| old[*s] != new[*s]);
                        let version = m.exec(cx, |ex| Ok(rows::version(ex, &table, new)))?;
                        self.phase = Phase::Updated(key);
                        return Ok(Flow::Yield(Step::Update {
                            relation: table.id,
                            key,
                            new: version,
                            key_columns_changed: changed,
                        }));
                    }
                    // Gone while we waited: look again from the start.
                    _ => self.phase = Phase::Probe,
                },
                Phase::Updated(key) => match std::mem::replace(&mut last, StepOutcome::Done) {
                    StepOutcome::Recheck(_) | StepOutcome::Gone => self.phase = Phase::Probe,
                    _ => {
                        self.phase = Phase::Checked;
                        let Some(row) = &self.row else { return Ok(Flow::Done) };
                        m.exec(cx, |ex| serializable::replaces(ex, row.table.id, row.place))?;
                        let task = UniqueTask::new(
                            Rc::clone(&row.table),
                            key,
                            Rc::clone(&row.values),
                            row.old.clone(),
                        );
                        return Ok(Flow::First(Box::new(task)));
                    }
                },
                Phase::Insert => {
                    let Some(row) = &self.row else { return Ok(Flow::Done) };
                    let (table, values) = (Rc::clone(&row.table), Rc::clone(&row.values));
                    let key = row.key;
                    let version = m.exec(cx, |ex| {
                        serializable::inserts(ex, table.id)?;
                        Ok(rows::version(ex, &table, values))
                    })?;
                    self.phase = Phase::Inserted;
                    return Ok(Flow::Yield(Step::Insert { relation: table.id, key, row: version }));
                }
                Phase::Inserted => {
                    self.phase = Phase::Checked;
                    let Some(row) = &self.row else { return Ok(Flow::Done) };
                    let (table, values) = (Rc::clone(&row.table), Rc::clone(&row.values));
                    return Ok(Flow::First(Box::new(UniqueTask::new(table, row.key, values, None))));
                }
                Phase::Checked => {
                    self.done(m, cx)?;
                    self.phase = Phase::NextRow;
                }
            }
        }
    }
}

/// Enters rows that are written without a plan, and finds keys that are there twice.
pub(super) fn enter_checked(
    ex: &mut super::Exec<'_, '_>,
    table: &Table,
    row: RowKey,
    values: &[Value],
) -> Result<()> {
    enter(ex, table, row, values, None)?;
    for index in table.indexes.iter().filter(|i| i.unique && i.ready) {
        if let Some(key) = key_of(ex, index, values)?
            && matches!(conflict(ex, table.id, index, &key, Some(row))?, Some(Conflict::Row(_)))
        {
            return Err(violation(index));
        }
    }
    Ok(())
}
