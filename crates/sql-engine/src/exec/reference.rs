//! Foreign keys: what is checked when all rows of a statement are changed, or at commit.
//!
//! Source: `RI_FKey_check` and its relatives in `src/backend/utils/adt/ri_triggers.c`: each check is a query
//! of its own with a snapshot of its own, which locks the row that it relies on FOR KEY SHARE.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, Scope};
use schema_rules::PgVersion;
use schema_rules::catalog::ReferentialAction;
use transactions::{RowLockStrength, Step, StepContext, StepOutcome, WaitPolicy};

use super::machine::{Flow, Machine, Task};
use super::modify::{ModifyTask, Work, matching};
use super::scan::{SourceRow, widened};
use crate::error::{Result, SqlError, error};
use crate::plan::{ForeignKey, Planner, Table};
use crate::state::Tuple;
use crate::value::Value;

/// A check that waits for the statement's end.
#[derive(Clone, Debug)]
pub(crate) enum AfterCheck {
    /// A row refers to this key.
    Referencing { fk: Rc<ForeignKey>, key: Vec<Value> },
    /// A key that others may refer to is gone, or is now another.
    Referenced { fk: Rc<ForeignKey>, key: Vec<Value>, new: Option<Vec<Value>> },
}

/// A check that waits for the commit.
#[derive(Clone, Debug)]
pub(crate) struct Deferred(pub(crate) AfterCheck);

impl AfterCheck {
    pub(super) fn referencing(fk: &Rc<ForeignKey>, row: &[Value]) -> Self {
        Self::Referencing { fk: Rc::clone(fk), key: fk.slots.iter().map(|s| row[*s].clone()).collect() }
    }

    /// What the deletion or update of a row means for those who refer to it.
    pub(super) fn push_referenced(
        after: &mut Vec<Self>,
        table: &Table,
        old: &[Value],
        new: Option<&[Value]>,
    ) {
        for fk in &table.incoming {
            let of = |row: &[Value]| -> Vec<Value> {
                fk.own_slots.iter().map(|s| row.get(*s).cloned().unwrap_or_default()).collect()
            };
            let key = of(old);
            let new = new.map(of);
            // A key with NULL in it is referred to by nobody; one that stays is nobody's concern.
            if !key.iter().any(Value::is_null) && new.as_ref() != Some(&key) {
                after.push(Self::Referenced { fk: Rc::clone(fk), key, new });
            }
        }
    }

    fn is_deferred(&self) -> bool {
        match self {
            Self::Referencing { fk, .. } => fk.initially_deferred,
            Self::Referenced { fk, .. } => {
                fk.initially_deferred && fk.on_delete == ReferentialAction::NoAction
            }
        }
    }
}

/// Works off what was left for the end of the statement.
#[derive(Default)]
pub(super) struct AfterTask;

impl Task for AfterTask {
    fn run(
        &mut self,
        m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        while !m.after.is_empty() {
            let check = m.after.remove(0);
            let session = m.session;
            // Without a block around it the end of the statement is the commit.
            if check.is_deferred() && m.shared.get().session(session).in_transaction {
                m.shared.edit().session_mut(session).deferred.push(Deferred(check));
                continue;
            }
            return Ok(Flow::First(Box::new(CheckTask::new(check))));
        }
        Ok(Flow::Done)
    }
}

/// Works off what was left for the commit.
pub(crate) struct DeferredTask;

impl Task for DeferredTask {
    fn run(
        &mut self,
        m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let session = m.session;
        let next = {
            let mut state = m.shared.edit();
            let deferred = &mut state.session_mut(session).deferred;
            if deferred.is_empty() { None } else { Some(deferred.remove(0)) }
        };
        Ok(match next {
            Some(Deferred(check)) => Flow::First(Box::new(CheckTask::new(check))),
            None => Flow::Done,
        })
    }
}

enum Phase {
    Lock(usize),
    Snapshot,
    Find,
    Locking,
    Acting,
}

/// One check.
struct CheckTask {
    check: AfterCheck,
    phase: Phase,
    tables: Vec<Rc<Table>>,
    /// The tables and their indexes, as planning the check's query locks them.
    to_lock: Vec<RelationId>,
    found: std::vec::IntoIter<(Rc<Table>, SourceRow)>,
    /// The default was put in place of the key: if it is that key, rows refer to it still
    /// (`RI_FKey_setdefault_del`).
    is_second_look: bool,
}

impl CheckTask {
    fn new(check: AfterCheck) -> Self {
        Self {
            check,
            phase: Phase::Lock(0),
            tables: Vec::new(),
            to_lock: Vec::new(),
            found: Vec::new().into_iter(),
            is_second_look: false,
        }
    }

    /// The table that is looked into, and the columns that must have the key.
    fn looks_into(&self) -> (RelationId, &[usize], &[Value]) {
        match &self.check {
            AfterCheck::Referencing { fk, key } => (fk.referenced, &fk.referenced_slots, key),
            AfterCheck::Referenced { fk, key, .. } => (fk.table, &fk.slots, key),
        }
    }

    /// What the action is about: to lock and refuse, or to change.
    fn action(&self) -> Option<ReferentialAction> {
        match &self.check {
            AfterCheck::Referencing { .. } => None,
            AfterCheck::Referenced { .. } if self.is_second_look => Some(ReferentialAction::NoAction),
            AfterCheck::Referenced { fk, new: None, .. } => Some(fk.on_delete),
            AfterCheck::Referenced { fk, new: Some(_), .. } => Some(fk.on_update),
        }
    }

    fn mode(&self) -> LockMode {
        match self.action() {
            None | Some(ReferentialAction::NoAction | ReferentialAction::Restrict) => LockMode::RowShare,
            Some(_) => LockMode::RowExclusive,
        }
    }

    fn load(&mut self, m: &Machine) -> Result<()> {
        let (relation, ..) = self.looks_into();
        self.tables = tables_below(m, relation)?;
        let indexes = |table: &Rc<Table>| table.indexes.iter().map(|i| i.id).collect::<Vec<_>>();
        self.to_lock = self.tables.iter().flat_map(|t| std::iter::once(t.id).chain(indexes(t))).collect();
        Ok(())
    }

    fn violation(&self, m: &Machine) -> SqlError {
        // Tables may have been renamed since the statement was planned.
        let catalog = m.shared.edit().catalog_of(m.session);
        let name = |id: RelationId, known: &Rc<str>| {
            catalog.relation(id).map_or_else(|| Rc::clone(known), |relation| Rc::clone(&relation.name))
        };
        let message = match &self.check {
            AfterCheck::Referencing { fk, .. } => format!(
                "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                name(fk.table, &fk.table_name),
                fk.name
            ),
            AfterCheck::Referenced { fk, .. } => format!(
                "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                match fk.partition_names {
                    Some(_) => Rc::clone(&fk.referenced_name),
                    None => name(fk.referenced, &fk.referenced_name),
                },
                match &fk.partition_names {
                    Some((_, newer)) if m.shared.get().version >= PgVersion::V18 => newer,
                    Some((older, _)) => older,
                    None => &fk.name,
                },
                name(fk.table, &fk.table_name)
            ),
        };
        error("23503", message)
    }

    /// Whether another row has taken the key over: then nobody refers to nothing.
    fn is_replaced(&self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<bool> {
        let AfterCheck::Referenced { fk, key, .. } = &self.check else { return Ok(false) };
        if self.action() != Some(ReferentialAction::NoAction) {
            return Ok(false);
        }
        for table in tables_below(m, fk.referenced)? {
            cx.look_at_latest(true);
            let found = m.exec(cx, |ex| matching(ex, &table, &fk.referenced_slots, key));
            cx.look_at_latest(false);
            if !found?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn find(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let (root, slots, key) = self.looks_into();
        let root_table = self.tables.iter().find(|t| t.id == root).cloned();
        let mut all = Vec::new();
        for table in &self.tables {
            let places = match &root_table {
                Some(root) if root.id != table.id => by_name(root, table, slots),
                _ => slots.to_vec(),
            };
            cx.look_at_latest(self.looks_at_latest());
            let found = m.exec(cx, |ex| matching(ex, table, &places, key));
            cx.look_at_latest(false);
            let found = found?;
            all.extend(found.into_iter().map(|row| (Rc::clone(table), row)));
        }
        self.found = all.into_iter();
        Ok(())
    }

    /// A repeatable-read transaction looks for those who refer to what goes, and into partitioned tables, with a
    /// snapshot that is newer than its own (`ri_PerformCheck` with `detectNewRows`).
    fn looks_at_latest(&self) -> bool {
        match &self.check {
            AfterCheck::Referencing { .. } => self.tables.iter().any(|t| t.routing.is_some()),
            AfterCheck::Referenced { .. } => true,
        }
    }

    /// Whether there are rows that the action should change and the transaction's snapshot does not show.
    fn meets_unseen(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<bool> {
        self.find(m, cx)?;
        let found = std::mem::take(&mut self.found);
        Ok(found
            .flat_map(|(table, row)| row.origins.into_iter().map(move |o| (table.id, o.key)))
            .any(|(table, key)| cx.row(table, key).is_none()))
    }

    /// The changes that the action makes.
    fn act(&mut self) -> Option<Box<dyn Task>> {
        let AfterCheck::Referenced { fk, key, new } = &self.check else { return None };
        let table = self.tables.pop()?;
        let set = match self.action()? {
            ReferentialAction::Cascade => new.clone(),
            ReferentialAction::SetNull => Some(vec![Value::Null; key.len()]),
            ReferentialAction::SetDefault => {
                let defaults = fk.slots.iter().map(|s| {
                    let default = table.columns.get(*s).and_then(|c| c.default.as_ref());
                    default.and_then(|d| d.as_constant().cloned()).unwrap_or_default()
                });
                Some(defaults.collect())
            }
            ReferentialAction::NoAction | ReferentialAction::Restrict => return None,
        };
        let work = Work::Action { table, fk: Rc::clone(fk), key: key.clone(), set };
        Some(Box::new(ModifyTask::new(work)))
    }
}

/// A table with everything that a write has to know, and the tables below it that have rows.
fn tables_below(m: &Machine, relation: RelationId) -> Result<Vec<Rc<Table>>> {
    let (catalog, lookup) = {
        let mut state = m.shared.edit();
        (state.catalog_of(m.session), state.session(m.session).lookup.clone())
    };
    let mut tables = Vec::new();
    for id in catalog.with_descendants(relation) {
        let Some(found) = catalog.relation(id).cloned() else { continue };
        // What is being detached is not part of it any more, for whom ever (`RI_FKey_check` looks at a
        // partitioned table with the latest snapshot).
        if found.detach_pending && id != relation {
            continue;
        }
        if found.has_heap() || id == relation {
            tables.push(Rc::new(Planner::new(&catalog, &lookup, &[]).table(&found)?));
        }
    }
    Ok(tables)
}

fn by_name(root: &Table, table: &Table, slots: &[usize]) -> Vec<usize> {
    let place = |slot: &usize| {
        let name = root.column_name(*slot);
        table.columns.iter().position(|c| !c.dropped && &*c.name == name).unwrap_or(*slot)
    };
    slots.iter().map(place).collect()
}

impl Task for CheckTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let mut last = last;
        loop {
            match self.phase {
                Phase::Lock(0)
                    if matches!(&self.check, AfterCheck::Referencing { key, .. }
                    if key.iter().any(Value::is_null)) =>
                {
                    return Ok(Flow::Done);
                }
                Phase::Lock(n) => {
                    if self.tables.is_empty() {
                        self.load(m)?;
                    }
                    let Some(relation) = self.to_lock.get(n).copied() else {
                        self.phase = Phase::Snapshot;
                        continue;
                    };
                    self.phase = Phase::Lock(n + 1);
                    return Ok(Flow::Yield(Step::Lock {
                        tag: LockTag::Relation(relation),
                        mode: self.mode(),
                        scope: Scope::Transaction,
                        policy: WaitPolicy::Block,
                    }));
                }
                Phase::Snapshot => {
                    self.phase = Phase::Find;
                    return Ok(Flow::Yield(Step::TakeSnapshot));
                }
                Phase::Find => {
                    if self.mode() == LockMode::RowExclusive {
                        let keeps_snapshot = m.shared.get().session(m.session).repeatable.is_some();
                        if keeps_snapshot && self.meets_unseen(m, cx)? {
                            let message = "could not serialize access due to concurrent update";
                            return Err(error("40001", message));
                        }
                        self.phase = Phase::Acting;
                        continue;
                    }
                    if self.is_replaced(m, cx)? {
                        return Ok(Flow::Done);
                    }
                    self.find(m, cx)?;
                    self.phase = Phase::Locking;
                    last = StepOutcome::Start;
                }
                Phase::Locking => {
                    let decided = match std::mem::replace(&mut last, StepOutcome::Done) {
                        StepOutcome::Locked { row, .. } | StepOutcome::Recheck(row) => {
                            self.still_there(m, cx, &row)?
                        }
                        StepOutcome::Gone | StepOutcome::Unavailable => {
                            // That row does not count any more; perhaps another one does.
                            self.found.next();
                            false
                        }
                        StepOutcome::Start | StepOutcome::Done | StepOutcome::Range { .. } => false,
                    };
                    let referencing = matches!(self.check, AfterCheck::Referencing { .. });
                    if decided {
                        return if referencing { Ok(Flow::Done) } else { Err(self.violation(m)) };
                    }
                    match self.found.as_slice().first() {
                        Some((table, row)) => {
                            let Some(origin) = row.origins.first() else { return Ok(Flow::Done) };
                            let (relation, key) = (table.id, origin.key);
                            if cx.row(relation, key).is_none() {
                                // There by the newest snapshot only: nobody can lock it by the transaction's.
                                return if referencing { Ok(Flow::Done) } else { Err(self.violation(m)) };
                            }
                            self.phase = Phase::Locking;
                            return Ok(Flow::Yield(Step::LockRow {
                                relation,
                                key,
                                strength: RowLockStrength::KeyShare,
                                policy: WaitPolicy::Block,
                            }));
                        }
                        None if referencing => return Err(self.violation(m)),
                        None => return Ok(Flow::Done),
                    }
                }
                Phase::Acting => {
                    if let Some(task) = self.act() {
                        return Ok(Flow::First(task));
                    }
                    if self.action() != Some(ReferentialAction::SetDefault) {
                        return Ok(Flow::Done);
                    }
                    (self.is_second_look, self.phase) = (true, Phase::Lock(0));
                    self.tables.clear();
                }
            }
        }
    }
}

impl CheckTask {
    /// Whether the row that was locked still has the key, in its latest version.
    fn still_there(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        current: &Tuple,
    ) -> Result<bool> {
        let Some((table, row)) = self.found.next() else { return Ok(false) };
        let (root, slots, key) = self.looks_into();
        let places = match self.tables.iter().find(|t| t.id == root) {
            Some(root) if root.id != table.id => by_name(root, &table, slots),
            _ => slots.to_vec(),
        };
        let is_virtual = m.exec(cx, |ex| Ok(ex.virtual_table(table.id).is_some()))?;
        if is_virtual {
            return Ok(!row.origins.is_empty());
        }
        let values = m.exec(cx, |ex| Ok(widened(ex, table.id, current, table.columns.len())))?;
        Ok(places.iter().zip(key).all(|(s, v)| values[*s] == *v))
    }
}
