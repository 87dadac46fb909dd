//! Statements that define, maintain and lock: `schema_rules` says what they do, step by step, and this task
//! does it to the rows.

use std::collections::VecDeque;
use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, RowKey, Scope, SessionId};
use schema_rules::Catalog;
use schema_rules::catalog::{Change, Relation};
use schema_rules::effects::{
    Effects, NoFacts, Step as Effect, TransactionRule, Wait, Work, WorkKind, advance,
};
use sim_clock::Nanos;
use sql_syntax::ast::{self, AlterTableAction, ColumnChange, SequenceOption, Statement};
use transactions::{Step, StepContext, StepOutcome, TransactionHook, WaitPolicy};

use super::claim;
use super::insert::enter_checked;
use super::machine::{Flow, Machine, Task};
use super::scan::widened;
use super::{Exec, query, verify};
use crate::cost::with_rows;
use crate::error::{Result, error, from_rules, not_modelled};
use crate::expr::{Binder, Env, Scope as Names, Typed};
use crate::plan::{Planner, Table, table_item};
use crate::state::{CatalogStamp, SequenceData, Shared, Tuple};
use crate::value::{Value, cast};

/// Puts a statement's changes of the catalog in force when its transaction commits, or forgets them.
struct CatalogHook {
    shared: Rc<Shared>,
    session: SessionId,
    number: u64,
}

impl TransactionHook for CatalogHook {
    fn end(self: Box<Self>, committed: bool) {
        let mut state = self.shared.edit();
        let session = state.session_mut(self.session);
        let Some(at) = session.changes.iter().position(|(n, _)| *n == self.number) else { return };
        let (_, changes) = session.changes.remove(at);
        session.own_catalog = None;
        if committed {
            state.catalog.apply_changes(&changes);
            let generation = state.catalog.generation();
            let pending = |change: &Change| match change {
                Change::Relation(id, Some(relation)) if relation.detach_pending => Some(*id),
                _ => None,
            };
            let detaching = changes.iter().filter_map(pending);
            state.detaching.extend(detaching.map(|id| (id, generation)));
        }
    }
}

/// Forgets the entries of a table's indexes when a truncation or rewrite is undone.
struct ForgetIndexes {
    shared: Rc<Shared>,
    table: RelationId,
    old_file: u64,
}

impl TransactionHook for ForgetIndexes {
    fn end(self: Box<Self>, committed: bool) {
        let mut state = self.shared.edit();
        state.forget_indexes(self.table);
        if !committed {
            state.table(self.table).file = self.old_file;
        }
    }
}

/// Puts a sequence back that was restarted by a transaction that fails.
struct RestoreSequence {
    shared: Rc<Shared>,
    sequence: RelationId,
    before: Option<SequenceData>,
}

impl TransactionHook for RestoreSequence {
    fn end(self: Box<Self>, committed: bool) {
        if committed {
            return;
        }
        let sequences = &mut self.shared.edit().sequences;
        match self.before {
            Some(before) => sequences.insert(self.sequence, before),
            None => sequences.remove(&self.sequence),
        };
    }
}

/// A sequence's value changes with the transaction (`AlterSequence`, `ResetSequence`).
fn remember_sequence(m: &Machine, cx: &mut StepContext<'_, Tuple>, sequence: RelationId) {
    let before = m.shared.get().sequences.get(&sequence).copied();
    cx.at_end(Box::new(RestoreSequence { shared: Rc::clone(&m.shared), sequence, before }));
}

/// Carries a statement out that is no query.
pub(crate) struct DdlTask {
    statement: Rc<Statement>,
    effects: Option<(CatalogStamp, Rc<Effects>)>,
    at: usize,
    /// Locks that were taken so far.
    locked: Vec<(RelationId, LockMode)>,
    /// Something other than a lock was done: from here on names are not looked up again.
    committed_to: bool,
    /// Whether the names that it gives were found free, and whether somebody was waited for.
    named: bool,
    waited_for_name: bool,
    /// How many notices were sent.
    noticed: usize,
    /// Relations that are left out, as their lock was not free.
    skipped: Vec<RelationId>,
    /// The lock that was asked for last, and what the wait policy was.
    asked: Option<(RelationId, LockMode, Wait)>,
    /// Rows that a rewrite or a query has yet to write.
    to_write: VecDeque<(Rc<Table>, RowKey, Tuple)>,
    pending_work: Nanos,
    done: bool,
    filled: bool,
}

impl DdlTask {
    pub(crate) fn new(statement: Rc<Statement>) -> Self {
        Self {
            statement,
            effects: None,
            at: 0,
            locked: Vec::new(),
            committed_to: false,
            named: false,
            waited_for_name: false,
            noticed: 0,
            skipped: Vec::new(),
            asked: None,
            to_write: VecDeque::new(),
            pending_work: Nanos::ZERO,
            done: false,
            filled: false,
        }
    }

    /// What the statement does, by the catalog as it is now.
    fn look_up(&mut self, m: &Machine) -> Result<()> {
        let stamp = m.shared.get().stamp(m.session);
        let (mut catalog, mut lookup, version) = {
            let mut state = m.shared.edit();
            let catalog = state.catalog_of(m.session);
            let session = state.session(m.session);
            let mut lookup = (*session.lookup).clone();
            lookup.in_transaction = session.in_transaction;
            (catalog, lookup, state.version)
        };
        let effects = advance(&mut catalog, &mut lookup, &self.statement, version, &NoFacts);
        if let TransactionRule::InsideOnly(name) = effects.transaction
            && !m.shared.get().session(m.session).in_transaction
        {
            return Err(error("25P01", format!("{name} can only be used in transaction blocks")));
        }
        if let Some(unknown) = effects.not_modelled.first() {
            return Err(not_modelled(&unknown.what));
        }
        self.effects = Some((stamp, Rc::new(effects)));
        Ok(())
    }

    fn effects(&self) -> Result<Rc<Effects>> {
        self.effects.as_ref().map(|(_, e)| Rc::clone(e)).ok_or_else(|| error("XX000", "no effects"))
    }

    /// After a wait the names may mean something else: the statement starts over, keeping what it has
    /// locked as far as it still wants it (`RangeVarGetRelidExtended` in namespace.c).
    fn start_over(&mut self, m: &Machine) -> Result<Option<Step<Tuple>>> {
        self.look_up(m)?;
        self.at = 0;
        let effects = self.effects()?;
        let wanted = |relation: RelationId, mode: LockMode| {
            effects.steps.iter().any(
                |s| matches!(s, Effect::Lock { relation: r, mode: l, .. } if (*r, *l) == (relation, mode)),
            )
        };
        let useless = self.locked.iter().position(|(r, l)| !wanted(*r, *l));
        Ok(useless.map(|at| {
            let (relation, mode) = self.locked.remove(at);
            Step::Unlock { tag: LockTag::Relation(relation), mode, scope: Scope::Transaction }
        }))
    }

    fn is_skipped(&self, catalog: &Catalog, relation: RelationId) -> bool {
        let table = catalog.relation(relation).and_then(|r| r.as_index().map(|i| i.table));
        self.skipped.contains(&relation) || table.is_some_and(|t| self.skipped.contains(&t))
    }

    /// One effect: a step to wait for, or nothing if it is done.
    fn effect(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        effects: &Effects,
        effect: &Effect,
    ) -> Result<Option<Step<Tuple>>> {
        let relation_lock = |relation: RelationId, mode, scope, wait: Wait| Step::Lock {
            tag: LockTag::Relation(relation),
            mode,
            scope,
            policy: match wait {
                Wait::Block => WaitPolicy::Block,
                Wait::NoWait => WaitPolicy::NoWait,
                Wait::Skip => WaitPolicy::Skip,
            },
        };
        Ok(match effect {
            Effect::Lock { relation, mode, wait } => {
                if self.locked.contains(&(*relation, *mode)) || self.is_skipped(&effects.before, *relation) {
                    return Ok(None);
                }
                self.asked = Some((*relation, *mode, *wait));
                Some(relation_lock(*relation, *mode, Scope::Transaction, *wait))
            }
            Effect::Unlock { relation, mode } => {
                self.locked.retain(|l| *l != (*relation, *mode));
                let tag = LockTag::Relation(*relation);
                Some(Step::Unlock { tag, mode: *mode, scope: Scope::Transaction })
            }
            Effect::SessionLock { relation, mode } => {
                Some(relation_lock(*relation, *mode, Scope::Session, Wait::Block))
            }
            Effect::SessionUnlock { relation, mode } => {
                let tag = LockTag::Relation(*relation);
                Some(Step::Unlock { tag, mode: *mode, scope: Scope::Session })
            }
            Effect::LockObject { class, oid, mode } => Some(Step::Lock {
                tag: LockTag::Object { class: *class as u32, object: oid.0 },
                mode: *mode,
                scope: Scope::Transaction,
                policy: WaitPolicy::Block,
            }),
            Effect::Work(work) => {
                if self.is_skipped(&effects.before, work.relation) {
                    return Ok(None);
                }
                self.committed_to = true;
                // Counted before the work is done: a rewrite empties the table first.
                let mut sized = effects.after.clone();
                let mut tables = vec![work.relation];
                if let WorkKind::CheckForeignKey { referenced } = &work.kind {
                    tables.push(*referenced);
                }
                for table in tables.into_iter().filter(|t| *t != RelationId(0)) {
                    let rows = cx.committed_count(table);
                    match m.shared.get().virtual_tables.get(&table) {
                        Some(known) => sized.set_size(table, known.size(rows)),
                        None => sized = with_rows(sized, table, rows),
                    }
                }
                let modelled = m.shared.get().durations.of_work(&sized, work);
                self.work(m, cx, effects, work)?;
                self.pending_work = m.work.take().unwrap_or(modelled);
                None
            }
            Effect::Check { condition, otherwise } => {
                self.committed_to = true;
                let lookup = m.shared.get().session(m.session).lookup.clone();
                if !m.exec(cx, |ex| verify::holds(ex, &effects.after, &lookup, condition))? {
                    return Err(from_rules(otherwise));
                }
                None
            }
            Effect::WaitForLockHolders { relation, mode } => {
                Some(Step::WaitForLockHolders { tag: LockTag::Relation(*relation), mode: *mode })
            }
            Effect::WaitForOlderSnapshots => Some(Step::WaitForOlderSnapshots),
            Effect::Publish(changes) => {
                self.committed_to = true;
                self.publish(m, cx, effects, changes);
                None
            }
            Effect::Commit { safe_index_build } => {
                self.committed_to = true;
                self.locked.clear();
                Some(Step::NewTransaction { safe_index_build: *safe_index_build })
            }
            Effect::TakeSnapshot => Some(Step::TakeSnapshot),
        })
    }

    /// Changes the catalog as this transaction sees it.
    fn publish(
        &mut self,
        m: &Machine,
        cx: &mut StepContext<'_, Tuple>,
        effects: &Effects,
        changes: &[Change],
    ) {
        if changes.is_empty() {
            return;
        }
        for change in changes {
            if let Change::Relation(id, Some(relation)) = change
                && relation.has_heap()
                && effects.before.relation(*id).is_none()
            {
                cx.store_relation(*id);
            }
        }
        let number = {
            let mut state = m.shared.edit();
            state.next_change += 1;
            let number = state.next_change;
            let session = state.session_mut(m.session);
            session.changes.push((number, changes.into()));
            session.own_catalog = None;
            number
        };
        cx.at_end(Box::new(CatalogHook { shared: Rc::clone(&m.shared), session: m.session, number }));
    }

    /// What work does to the rows.
    fn work(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        effects: &Effects,
        work: &Work,
    ) -> Result<()> {
        let counted = match &work.kind {
            WorkKind::Analyze | WorkKind::Vacuum { .. } => Some(true),
            WorkKind::BuildIndex { .. } | WorkKind::FillNewHeap => {
                (!cx.scan(work.relation).is_empty()).then_some(true)
            }
            WorkKind::Truncate => Some(false),
            _ => None,
        };
        if let Some(counted) = counted {
            m.shared.edit().table(work.relation).is_counted = counted;
        }
        match &work.kind {
            WorkKind::Truncate => {
                empty(m, cx, work.relation);
                if let Statement::Truncate(truncate) = &*self.statement
                    && truncate.restart_identity
                {
                    restart_sequences(m, cx, &effects.before, work.relation);
                }
                Ok(())
            }
            WorkKind::Rewrite { .. } => self.rewrite(m, cx, effects, work.relation),
            _ => Ok(()),
        }
    }

    /// Writes every row of a table anew: new columns, new types.
    fn rewrite(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        effects: &Effects,
        relation: RelationId,
    ) -> Result<()> {
        let (Some(before), Some(after)) =
            (effects.before.relation(relation).cloned(), effects.after.relation(relation).cloned())
        else {
            return Ok(());
        };
        if m.shared.get().virtual_tables.contains_key(&relation) {
            let mut state = m.shared.edit();
            state.table(relation).file += 1;
            return Ok(());
        }
        let lookup = m.shared.get().session(m.session).lookup.clone();
        let table = Rc::new(Planner::new(&effects.after, &lookup, &[]).table(&after)?);
        let using = self.conversions(effects, &lookup, &before)?;
        let written = m.exec(cx, |ex| {
            let mut found = ex.cx.scan(relation);
            found.sort_by_key(|(_, tuple)| tuple.place);
            let mut written = Vec::with_capacity(found.len());
            for (key, tuple) in found {
                let old = widened(ex, relation, &tuple, before.columns.len());
                let new = rewritten(ex, &before, &after, effects, &table, &using, &old)?;
                written.push((key, Tuple { place: tuple.place, values: Some(new.into()) }));
            }
            Ok(written)
        })?;
        empty(m, cx, relation);
        self.to_write = written.into_iter().map(|(key, tuple)| (Rc::clone(&table), key, tuple)).collect();
        Ok(())
    }

    /// The USING expressions of the statement, by slot.
    fn conversions(
        &self,
        effects: &Effects,
        lookup: &schema_rules::Session,
        before: &Rc<Relation>,
    ) -> Result<Vec<(usize, Typed)>> {
        let Statement::AlterTable(alter) = &*self.statement else { return Ok(Vec::new()) };
        let mut planner = Planner::new(&effects.before, lookup, &[]);
        let items = [table_item(&planner, before, before.name.clone(), 0)];
        let scope = Names { items: &items, parent: None };
        let mut found = Vec::new();
        for action in &alter.actions {
            if let AlterTableAction::AlterColumn {
                column,
                change: ColumnChange::SetType { using: Some(using), .. },
            } = &action.value
                && let Some(column) = before.column(column)
            {
                let slot = usize::from(column.number).saturating_sub(1);
                found.push((slot, Binder::new(&mut planner, scope).compile(using)?));
            }
        }
        Ok(found)
    }

    /// Defaults of added columns that rows older than the column shall show.
    fn note_missing(
        &self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        effects: &Effects,
    ) -> Result<()> {
        let lookup = m.shared.get().session(m.session).lookup.clone();
        for change in &effects.changes {
            let Change::Relation(id, Some(after)) = change else { continue };
            let Some(before) = effects.before.relation(*id) else { continue };
            if !after.has_heap() || after.columns.len() <= before.columns.len() {
                continue;
            }
            let table = Planner::new(&effects.after, &lookup, &[]).table(after)?;
            for slot in before.columns.len()..after.columns.len() {
                let column = &table.columns[slot];
                let value = match &column.default {
                    Some(default) if after.columns[slot].identity.is_none() => {
                        m.exec(cx, |ex| default.eval(ex, &Env::row(&[])))?
                    }
                    _ => Value::Null,
                };
                let mut state = m.shared.edit();
                let missing = &mut state.table(*id).missing;
                missing.resize(slot + 1, Value::Null);
                missing[slot] = value;
            }
        }
        Ok(())
    }

    /// What a statement that stores a query's result has to write.
    fn fill(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>, effects: &Effects) -> Result<()> {
        let (name, source) = match &*self.statement {
            Statement::CreateTableAs(create) if create.with_data => (&create.name, (*create.source).clone()),
            Statement::CreateMaterializedView(create) if create.with_data => {
                (&create.name, Statement::Select((*create.query).clone()))
            }
            Statement::RefreshMaterializedView(refresh) if refresh.with_data => {
                let lookup = m.shared.get().session(m.session).lookup.clone();
                let view = effects.before.find(&lookup, &refresh.name).and_then(|r| r.as_view().cloned());
                let Some(view) = view else { return Ok(()) };
                (&refresh.name, Statement::Select((*view.query).clone()))
            }
            Statement::RefreshMaterializedView(refresh) => {
                let lookup = m.shared.get().session(m.session).lookup.clone();
                if let Some(relation) = effects.before.find(&lookup, &refresh.name) {
                    empty(m, cx, relation.id);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let (catalog, lookup) = {
            let mut state = m.shared.edit();
            (state.catalog_of(m.session), state.session(m.session).lookup.clone())
        };
        let Some(relation) = catalog.find(&lookup, name).cloned() else { return Ok(()) };
        let plan = Planner::new(&effects.before, &lookup, &[]).plan(&source)?;
        let crate::plan::StatementPlan::Query(query) = &*plan.statement else { return Ok(()) };
        let rows = m.exec(cx, |ex| query::run(ex, query, None))?;
        empty(m, cx, relation.id);
        let table = Rc::new(Planner::new(&catalog, &lookup, &[]).table(&relation)?);
        for row in rows.iter() {
            let (key, version) = {
                let mut state = m.shared.edit();
                let data = state.table(relation.id);
                data.next_row += 1;
                data.next_place += 1;
                (data.next_row, Tuple { place: data.next_place, values: Some(Rc::clone(row)) })
            };
            self.to_write.push_back((Rc::clone(&table), key, version));
        }
        m.rows = rows.len() as u64;
        Ok(())
    }

    /// What sequences' statements do to their values.
    fn sequences(&self, m: &Machine, cx: &mut StepContext<'_, Tuple>, effects: &Effects) {
        let Statement::AlterSequence(alter) = &*self.statement else { return };
        let lookup = m.shared.get().session(m.session).lookup.clone();
        let Some(relation) = effects.after.find(&lookup, &alter.name) else { return };
        let Some(definition) = relation.as_sequence() else { return };
        for option in &alter.options {
            if let SequenceOption::Restart(value) = option {
                let last = value.unwrap_or(definition.start);
                remember_sequence(m, cx, relation.id);
                m.shared.edit().sequences.insert(relation.id, SequenceData { last, called: false });
            }
        }
    }

    fn finish(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>, effects: &Effects) -> Result<()> {
        if let Some(failure) = &effects.error {
            let of_catalog = failure.message.strip_prefix("relation \"pg_catalog.");
            let of_catalog = of_catalog.or_else(|| failure.message.strip_prefix("relation \"pg_"));
            if of_catalog.is_some_and(|rest| rest.ends_with("\" does not exist")) {
                return Err(not_modelled("system catalogs as tables"));
            }
            return Err(from_rules(failure));
        }
        self.note_missing(m, cx, effects)?;
        if !effects.changes.is_empty() {
            let modelled = m.shared.get().durations.of_catalog_change();
            self.pending_work = m.work.take().unwrap_or(modelled);
        }
        self.publish(m, cx, effects, &effects.changes);
        self.sequences(m, cx, effects);
        Ok(())
    }
}

/// Empties a table; its rows come back if the transaction fails.
fn empty(m: &Machine, cx: &mut StepContext<'_, Tuple>, relation: RelationId) {
    let old_file = m.shared.edit().table(relation).file;
    cx.at_end(Box::new(ForgetIndexes { shared: Rc::clone(&m.shared), table: relation, old_file }));
    cx.truncate(relation);
    let mut state = m.shared.edit();
    state.forget_indexes(relation);
    state.table(relation).file = old_file + 1;
}

/// RESTART IDENTITY: sequences that the table's columns own begin anew.
fn restart_sequences(m: &Machine, cx: &mut StepContext<'_, Tuple>, catalog: &Catalog, table: RelationId) {
    let owned = catalog
        .relations()
        .filter(|r| r.as_sequence().is_some_and(|s| s.owned_by.is_some_and(|(owner, _)| owner == table)));
    for sequence in owned {
        remember_sequence(m, cx, sequence.id);
        m.shared.edit().sequences.remove(&sequence.id);
    }
}

/// A row with its new columns and in its new types.
fn rewritten(
    ex: &mut Exec<'_, '_>,
    before: &Relation,
    after: &Relation,
    effects: &Effects,
    table: &Table,
    using: &[(usize, Typed)],
    old: &[Value],
) -> Result<Vec<Value>> {
    let mut new = Vec::with_capacity(after.columns.len());
    for (slot, column) in table.columns.iter().enumerate() {
        let (Some(was), Some(is)) = (before.columns.get(slot), after.columns.get(slot)) else {
            let default = column.default.as_ref();
            new.push(default.map_or(Ok(Value::Null), |d| d.eval(ex, &Env::row(&[])))?);
            continue;
        };
        if let Some((_, e)) = using.iter().find(|(s, _)| *s == slot) {
            let value = e.eval(ex, &Env::row(old))?;
            new.push(cast(value, &e.ty, &column.ty)?);
        } else if was.data_type == is.data_type {
            new.push(old[slot].clone());
        } else {
            let from = crate::value::Type::of(&effects.before, &was.data_type);
            new.push(cast(old[slot].clone(), &from, &column.ty)?);
        }
    }
    super::rows::generate(ex, table, &mut new)?;
    Ok(new)
}

impl Task for DdlTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        if self.effects.is_none() {
            self.look_up(m)?;
        }
        if let Some((relation, mode, wait)) = self.asked.take() {
            match last {
                StepOutcome::Unavailable if wait == Wait::Skip => {
                    self.skipped.push(relation);
                    self.warn_skipped(m, relation, "lock not available");
                }
                _ => self.locked.push((relation, mode)),
            }
            self.leave_out_the_dropped(m, relation, mode);
        }
        loop {
            if let Some((table, key, tuple)) = self.to_write.pop_front() {
                let values = tuple.values.clone().unwrap_or_default();
                m.exec(cx, |ex| enter_checked(ex, &table, key, &values))?;
                return Ok(Flow::Yield(Step::Insert { relation: table.id, key, row: tuple }));
            }
            if self.pending_work > Nanos::ZERO {
                let work = std::mem::replace(&mut self.pending_work, Nanos::ZERO);
                return Ok(Flow::Yield(Step::Work(work)));
            }
            if self.done {
                return Ok(Flow::Done);
            }
            let (stamp, effects) = match &self.effects {
                Some((stamp, effects)) => (stamp.clone(), Rc::clone(effects)),
                None => return Err(error("XX000", "no effects")),
            };
            if !self.committed_to && m.shared.get().stamp(m.session) != stamp {
                if let Some(step) = self.start_over(m)? {
                    return Ok(Flow::Yield(step));
                }
                continue;
            }
            self.send_notices(m, &effects);
            if let Some(step) = self.wait_for_numbers(m, cx, &effects) {
                return Ok(Flow::Yield(step));
            }
            if !self.named && self.gives_names_now(&effects) {
                match claim::claim(m, cx, &effects, &self.statement, self.waited_for_name)? {
                    claim::Claimed::Free => self.named = true,
                    claim::Claimed::Wait(step) => {
                        (self.committed_to, self.waited_for_name) = (true, true);
                        return Ok(Flow::Yield(step));
                    }
                }
            }
            let Some(effect) = effects.steps.get(self.at) else {
                if !self.filled {
                    self.committed_to = true;
                    self.finish(m, cx, &effects)?;
                    self.filled = true;
                    self.fill(m, cx, &effects)?;
                    continue;
                }
                self.done = true;
                continue;
            };
            self.at += 1;
            if let Some(step) = self.effect(m, cx, &effects, effect)? {
                return Ok(Flow::Yield(step));
            }
        }
    }
}

impl DdlTask {
    /// Whether the next step comes after the names are entered into the catalog. A table has its name before its
    /// foreign keys lock what they refer to.
    fn gives_names_now(&self, effects: &Effects) -> bool {
        let is_table = matches!(&*self.statement, Statement::CreateTable(_));
        match effects.steps.get(self.at) {
            None | Some(Effect::Work(_) | Effect::Check { .. } | Effect::Publish(_)) => true,
            Some(Effect::SessionLock { .. } | Effect::Commit { .. }) => true,
            Some(Effect::Lock { mode: LockMode::ShareRowExclusive, .. }) => is_table,
            Some(_) => false,
        }
    }

    /// The notices that come before the next step.
    fn send_notices(&mut self, m: &Machine, effects: &Effects) {
        let due = effects.notices.iter().filter(|n| n.after <= self.at).count();
        let mut state = m.shared.edit();
        for notice in effects.notices.iter().take(due).skip(self.noticed) {
            state.notice_with(m.session, "NOTICE", notice.message.clone(), notice.detail.clone());
        }
        self.noticed = self.noticed.max(due);
    }

    /// ANALYZE writes numbers of rows and pages into the catalog entries of the indexes, in place: it waits for
    /// whoever is about to replace such an entry (`systable_inplace_update_begin` in genam.c).
    fn wait_for_numbers(
        &mut self,
        m: &Machine,
        cx: &mut StepContext<'_, Tuple>,
        effects: &Effects,
    ) -> Option<Step<Tuple>> {
        let Some(Effect::Work(Work { relation, kind: WorkKind::Analyze })) = effects.steps.get(self.at)
        else {
            return None;
        };
        let indexes: Vec<RelationId> = effects.before.indexes_of(*relation).map(|i| i.id).collect();
        let state = m.shared.get();
        for (other, session) in state.others(m.session) {
            let is_one = |change: &Change| match change {
                Change::Relation(id, _) => indexes.contains(id),
                _ => false,
            };
            let changes = session.changes.iter().flat_map(|(_, changes)| changes.iter());
            if changes.into_iter().any(is_one) {
                self.committed_to = true;
                return Some(Step::WaitForTransaction(cx.transaction_of(other)));
            }
        }
        None
    }

    /// VACUUM and ANALYZE know their tables by number once they have looked up the names; one that is gone when
    /// its turn comes is left out (`vacuum_open_relation`).
    fn leave_out_the_dropped(&mut self, m: &Machine, relation: RelationId, mode: LockMode) {
        let maintains = matches!(&*self.statement, Statement::Vacuum(_) | Statement::Analyze(_));
        if !maintains || mode == LockMode::AccessShare {
            return;
        }
        self.committed_to = true;
        let is_gone = m.shared.edit().catalog_of(m.session).relation(relation).is_none();
        if is_gone && !self.skipped.contains(&relation) {
            self.skipped.push(relation);
            self.warn_skipped(m, relation, "relation no longer exists");
        }
    }

    /// A table that was named, rather than found as a part of another, is not left out in silence.
    fn warn_skipped(&self, m: &Machine, relation: RelationId, why: &str) {
        let (what, named) = match &*self.statement {
            Statement::Vacuum(v) => ("vacuum", &v.tables),
            Statement::Analyze(a) => ("analyze", &a.tables),
            _ => return,
        };
        let Some((_, effects)) = &self.effects else { return };
        let lookup = m.shared.get().session(m.session).lookup.clone();
        let find = |table: &ast::TableName| effects.before.find(&lookup, &table.name).cloned();
        let Some(found) = named.iter().filter_map(|(table, _)| find(table)).find(|r| r.id == relation) else {
            return;
        };
        let message = format!("skipping {what} of \"{}\" --- {why}", found.name);
        m.shared.edit().notice(m.session, "WARNING", message);
    }
}
