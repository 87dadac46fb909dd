//! UPDATE and DELETE, of a plan's rows and of those that a foreign key's action is about.

use std::collections::VecDeque;
use std::rc::Rc;

use lock_table::{RelationId, RowKey};
use sim_clock::Nanos;
use transactions::{RowLockStrength, Step, StepContext, StepOutcome, WaitPolicy};

use super::Exec;
use super::machine::{Flow, Machine, Task};
use super::pace::Pace;
use super::place::{Place, PlaceTask};
use super::reference::AfterCheck;
use super::rows;
use super::scan::{
    Frame, Origin, SourceRow, contents, holds, mapped, rows as source_rows, still_holds, widened,
};
use super::selection::{FEW, keys_of_values};
use super::serializable;
use super::span::{Span, Targets, move_marks};
use super::trigger::{self, Change, Verdict};
use super::unique::UniqueTask;
use crate::error::{Result, error, not_modelled};
use crate::expr::Env;
use crate::plan::{ForeignKey, Source, StatementPlan, Table, WriteTarget};
use crate::state::Tuple;
use crate::value::Value;
use crate::virtual_table::VirtualTable;

/// What is done to which rows.
pub(super) enum Work {
    /// As a statement says.
    Statement(Rc<StatementPlan>),
    /// As a foreign key's action says: rows of this table whose columns have these values are deleted, or
    /// have their columns set.
    Action { table: Rc<Table>, fk: Rc<ForeignKey>, key: Vec<Value>, set: Option<Vec<Value>> },
}

enum Phase {
    Collect,
    NextRow,
    /// The row's part of the statement's time goes by before the row is locked.
    Worked,
    /// Locked because of a trigger.
    Locked,
    /// A newer version takes as long to make as the one that came to nothing.
    Reworked,
    Change,
    Changed,
    Checked,
    /// A span of a virtual table is changed in one go.
    NextSpan,
    Span,
}

/// A row that is to be changed.
struct Target {
    table: Rc<Table>,
    key: RowKey,
    /// Where its version stands.
    place: u64,
    /// The row of the whole FROM.
    values: Rc<[Value]>,
    /// The row in its own table, as it is and as it is to be; nothing for a deletion.
    old: Rc<[Value]>,
    new: Option<Rc<[Value]>>,
    /// The partition that the new row belongs into, if that is another one.
    moves_to: Option<Place>,
}

/// Changes rows one after the other.
pub(super) struct ModifyTask {
    work: Work,
    phase: Phase,
    found: std::vec::IntoIter<SourceRow>,
    current: Option<(SourceRow, Target)>,
    pace: Pace,
    /// Spans of virtual tables, and how many rows they have together.
    spans: VecDeque<Span>,
    in_spans: u64,
}

impl ModifyTask {
    pub(super) fn new(work: Work) -> Self {
        let found = Vec::new().into_iter();
        let (current, pace, spans) = (None, Pace::default(), VecDeque::new());
        Self { work, phase: Phase::Collect, found, current, pace, spans, in_spans: 0 }
    }

    fn change(&self) -> Change {
        match &self.work {
            Work::Statement(plan) => match &**plan {
                StatementPlan::Delete(_) => Change::Delete,
                _ => Change::Update,
            },
            Work::Action { set: None, .. } => Change::Delete,
            Work::Action { .. } => Change::Update,
        }
    }

    fn collect(&self, ex: &mut Exec<'_, '_>) -> Result<Vec<SourceRow>> {
        let (source, width, filter, cursor) = match &self.work {
            Work::Statement(plan) => match &**plan {
                StatementPlan::Update(u) => (&u.source, u.width, &u.filter, &u.cursor),
                StatementPlan::Delete(d) => (&d.source, d.width, &d.filter, &d.cursor),
                _ => return Ok(Vec::new()),
            },
            Work::Action { table, fk, key, .. } => {
                return match ex.virtual_table(table.id) {
                    Some(known) => Ok(virtual_matching(ex, table, &known, &fk.slots, key, FEW)),
                    None => matching(ex, table, &fk.slots, key),
                };
            }
        };
        let frame =
            Frame { width, outer: None, enough: None, needed: usize::MAX, filter, most: None, passes: None };
        let mut found: Vec<SourceRow> = Vec::new();
        let mut seen: Vec<(RelationId, RowKey)> = Vec::new();
        let joined = !matches!(source, Source::Table(_));
        for row in source_rows(ex, source, frame)? {
            if !holds(ex, filter, &Env::row(&row.values))? {
                continue;
            }
            // Of several partners of one target row only the first counts.
            if joined {
                let Some(target) = target_origin(&row) else { continue };
                let id = (target.relation, target.key);
                if seen.contains(&id) {
                    continue;
                }
                seen.push(id);
            }
            found.push(row);
        }
        match cursor {
            None => Ok(found),
            Some(name) => at_cursor(ex, name, found),
        }
    }

    /// The row as it is to be, from the row of FROM; nothing if the row is to be left alone.
    fn target(&self, ex: &mut Exec<'_, '_>, row: &SourceRow, current: &Tuple) -> Result<Target> {
        let Some(origin) = target_origin(row) else { return Err(error("XX000", "a row without a table")) };
        let table = match &self.work {
            Work::Action { table, .. } => Rc::clone(table),
            Work::Statement(plan) => {
                let target = write_target(plan)?;
                match rows::part(target, origin.relation) {
                    Some(part) => Rc::clone(&part.table),
                    None => Rc::clone(&target.table),
                }
            }
        };
        let old = contents(ex, table.id, origin.key, current, table.columns.len());
        let is_virtual = ex.virtual_table(table.id).is_some();
        let mut moves_to = None;
        let new = match &self.work {
            Work::Action { set: None, .. } => None,
            Work::Action { fk, set: Some(set), .. } => {
                let mut new = old.to_vec();
                for (slot, value) in fk.slots.iter().zip(set) {
                    new[*slot] = value.clone();
                }
                Some(new)
            }
            Work::Statement(plan) => match &**plan {
                StatementPlan::Update(update) => {
                    let mut new = old.to_vec();
                    let place = |slot: usize| match rows::part(&update.target, table.id) {
                        Some(part) => part.map.get(slot).copied().flatten(),
                        None => Some(slot),
                    };
                    for (slot, value) in &update.set {
                        let value = match value {
                            Some(e) => e.eval(ex, &Env::row(&row.values))?,
                            None => rows::default_of(ex, &update.target.table, *slot)?,
                        };
                        if let Some(at) = place(*slot) {
                            new[at] = value;
                        }
                    }
                    if !is_virtual {
                        moves_to = moved(ex, &update.target, &table, &new)?;
                    }
                    Some(new)
                }
                _ => None,
            },
        };
        let new = match new {
            None => None,
            Some(mut new) => {
                rows::generate(ex, &table, &mut new)?;
                Some(new.into())
            }
        };
        Ok(Target {
            table,
            key: origin.key,
            place: current.place,
            values: Rc::clone(&row.values),
            old,
            new,
            moves_to,
        })
    }

    /// The row of FROM with the target's row replaced by its latest version; nothing if it does not
    /// qualify any more.
    fn recheck(&self, ex: &mut Exec<'_, '_>, row: &SourceRow, current: &Tuple) -> Result<Option<SourceRow>> {
        if target_origin(row).is_some_and(|o| ex.virtual_table(o.relation).is_some()) {
            // What is in its new version is not known either.
            return Ok(Some(row.clone()));
        }
        match &self.work {
            Work::Action { table, fk, key, .. } => {
                let values = widened(ex, table.id, current, table.columns.len());
                let same = fk.slots.iter().zip(key).all(|(s, v)| values[*s] == *v);
                Ok(same.then(|| SourceRow { values, origins: row.origins.clone() }))
            }
            Work::Statement(plan) => {
                let (source, filter) = match &**plan {
                    StatementPlan::Update(u) => (&u.source, &u.filter),
                    StatementPlan::Delete(d) => (&d.source, &d.filter),
                    _ => return Ok(None),
                };
                let Some(origin) = target_origin(row) else { return Ok(None) };
                let values = replaced(ex, source, row, origin, current)?;
                let env = Env::row(&values);
                let holds = still_holds(ex, source, &env)? && holds(ex, filter, &env)?;
                Ok(holds.then(|| SourceRow { values: Rc::clone(&values), origins: row.origins.clone() }))
            }
        }
    }

    /// A newer version was met: looks at the row again, and goes on with it or with the next one.
    fn again(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>, current: &Tuple) -> Result<()> {
        let Some((row, _)) = &self.current else { return Ok(()) };
        let row = row.clone();
        let this = &*self;
        let next = m.exec(cx, |ex| {
            let Some(row) = this.recheck(ex, &row, current)? else { return Ok(None) };
            let target = this.target(ex, &row, current)?;
            Ok(Some((row, target)))
        })?;
        self.phase = if next.is_some() { Phase::Reworked } else { Phase::NextRow };
        self.current = next;
        Ok(())
    }

    /// Works out what is to become of the next row; whether it is still there.
    fn start_row(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        row: SourceRow,
    ) -> Result<bool> {
        let this = &*self;
        let target = m.exec(cx, |ex| {
            let Some(origin) = target_origin(&row) else { return Ok(None) };
            let Some(current) = ex.cx.row(origin.relation, origin.key) else { return Ok(None) };
            this.target(ex, &row, &current).map(Some)
        })?;
        self.current = target.map(|target| (row, target));
        Ok(self.current.is_some())
    }

    fn done(&mut self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<()> {
        let Some((_, changed)) = &self.current else { return Ok(()) };
        let Target { table: left, old, new, values, moves_to, .. } = changed;
        // In the columns of the table that the row is in now.
        let (table, now) = match moves_to {
            Some(place) => (&place.table, Some(&place.values)),
            None => (left, new.as_ref()),
        };
        let row = match &self.work {
            Work::Statement(plan) => {
                let target = write_target(plan)?;
                m.exec(cx, |ex| returned(ex, target, table, values, now.map(|now| &**now)))?
            }
            Work::Action { .. } => None,
        };
        if let Some(now) = now {
            for fk in &table.outgoing {
                if moves_to.is_some() || fk.slots.iter().any(|s| old[*s] != now[*s]) {
                    m.after.push(AfterCheck::referencing(fk, now));
                }
            }
        }
        AfterCheck::push_referenced(&mut m.after, left, old, new.as_deref());
        m.rows_written += 1;
        m.rows += u64::from(matches!(self.work, Work::Statement(_)));
        if let Some(row) = row {
            m.push_row(row);
        }
        self.current = None;
        Ok(())
    }

    fn change_step(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
    ) -> Result<Option<Step<Tuple>>> {
        let Some((_, target)) = &self.current else { return Ok(None) };
        let table = Rc::clone(&target.table);
        let (relation, key) = (table.id, target.key);
        let Some(new) = target.new.clone() else { return Ok(Some(Step::Delete { relation, key })) };
        if trigger::before_update(&table, &target.old, &new) == Verdict::Skip {
            return Ok(None);
        }
        if target.moves_to.is_some() {
            return Ok(Some(Step::MoveAway { relation, key }));
        }
        let old = Rc::clone(&target.old);
        let whole = match &self.work {
            Work::Statement(plan) => Some(write_target(plan)?),
            Work::Action { .. } => None,
        };
        let version = m.exec(cx, |ex| {
            if let Some(whole) = whole.filter(|whole| !whole.within.is_empty()) {
                let in_root = rows::part(whole, table.id).map(|part| mapped(&new, &part.map));
                rows::check_within(ex, whole, in_root.as_deref().unwrap_or(&new))?;
            }
            if ex.virtual_table(table.id).is_none() {
                rows::check(ex, &table, &new)?;
            }
            Ok(rows::version(ex, &table, Rc::clone(&new)))
        })?;
        let key_columns_changed = table.key_slots.iter().any(|s| old[*s] != new[*s]);
        Ok(Some(Step::Update { relation, key, new: version, key_columns_changed }))
    }
}

impl Task for ModifyTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let mut last = last;
        loop {
            match self.phase {
                Phase::Collect => {
                    let this = &*self;
                    let targets = m.exec(cx, |ex| match &this.work {
                        Work::Statement(plan) => Targets::of(ex, plan),
                        Work::Action { .. } => Ok(None),
                    })?;
                    let found = match targets {
                        None => m.exec(cx, |ex| this.collect(ex))?,
                        Some(targets) => {
                            self.in_spans = targets.in_spans();
                            self.spans = targets.spans;
                            targets.rows
                        }
                    };
                    if self.in_spans == 0 {
                        self.pace = Pace::of(m, found.len() as u64);
                    }
                    self.found = found.into_iter();
                    self.phase = Phase::NextRow;
                }
                Phase::NextRow => {
                    let Some(row) = self.found.as_slice().first().cloned() else {
                        self.phase = Phase::NextSpan;
                        continue;
                    };
                    let starts = self.start_row(m, cx, row)?;
                    self.found.next();
                    if !starts {
                        continue;
                    }
                    self.phase = Phase::Worked;
                    let span = self.pace.step();
                    if span > Nanos::ZERO {
                        m.worked += span;
                        return Ok(Flow::Yield(Step::Work(span)));
                    }
                }
                Phase::Worked => {
                    self.phase = Phase::Change;
                    let Some((_, target)) = &self.current else { continue };
                    if !m.shared.get().virtual_tables.contains_key(&target.table.id) {
                        trigger::refuse_unknown(&target.table, self.change())?;
                    }
                    if let Some(place) = &target.moves_to {
                        trigger::refuse_unknown(&target.table, Change::Delete)?;
                        trigger::refuse_unknown(&place.table, Change::Insert)?;
                    }
                    let locks_first = trigger::has_before_row(&target.table, self.change());
                    let (relation, key) = (target.table.id, target.key);
                    let strength = strength(target);
                    if locks_first {
                        self.phase = Phase::Locked;
                        let policy = WaitPolicy::Block;
                        return Ok(Flow::Yield(Step::LockRow { relation, key, strength, policy }));
                    }
                }
                Phase::Locked => match std::mem::replace(&mut last, StepOutcome::Done) {
                    StepOutcome::Locked { row, moved: true } | StepOutcome::Recheck(row) => {
                        self.again(m, cx, &row)?;
                    }
                    StepOutcome::Locked { .. }
                    | StepOutcome::Range { .. }
                    | StepOutcome::Done
                    | StepOutcome::Start => {
                        self.phase = Phase::Change;
                    }
                    StepOutcome::Gone | StepOutcome::Unavailable => self.phase = Phase::NextRow,
                },
                Phase::Reworked => {
                    self.phase = Phase::Change;
                    let span = self.pace.of_one();
                    if span > Nanos::ZERO {
                        return Ok(Flow::Yield(Step::Work(span)));
                    }
                }
                Phase::Change => match self.change_step(m, cx)? {
                    None => self.phase = Phase::NextRow,
                    Some(step) => {
                        self.phase = Phase::Changed;
                        return Ok(Flow::Yield(step));
                    }
                },
                Phase::Changed => match std::mem::replace(&mut last, StepOutcome::Done) {
                    StepOutcome::Recheck(row) => self.again(m, cx, &row)?,
                    StepOutcome::Gone | StepOutcome::Unavailable => self.phase = Phase::NextRow,
                    _ => {
                        self.phase = Phase::Checked;
                        if let Some((_, target)) = &self.current {
                            m.exec(cx, |ex| serializable::replaces(ex, target.table.id, target.place))?;
                        }
                        if let Some((_, Target { moves_to: Some(place), .. })) = &self.current {
                            return Ok(Flow::First(Box::new(PlaceTask::new(place.clone()))));
                        }
                        if let Some((_, target)) = &self.current
                            && let Some(new) = &target.new
                        {
                            let table = Rc::clone(&target.table);
                            let old = Some(Rc::clone(&target.old));
                            let task = UniqueTask::new(table, target.key, Rc::clone(new), old);
                            return Ok(Flow::First(Box::new(task)));
                        }
                    }
                },
                Phase::Checked => {
                    self.done(m, cx)?;
                    self.phase = Phase::NextRow;
                }
                Phase::NextSpan => {
                    let Work::Statement(plan) = &self.work else { return Ok(Flow::Done) };
                    let Some(span) = self.spans.front() else {
                        move_marks(m, cx, plan);
                        return Ok(Flow::Done);
                    };
                    let step = span.step(m, plan, self.in_spans);
                    self.phase = Phase::Span;
                    return Ok(Flow::Yield(step));
                }
                Phase::Span => {
                    self.phase = Phase::NextSpan;
                    let rows = match std::mem::replace(&mut last, StepOutcome::Done) {
                        StepOutcome::Range { rows } => rows,
                        _ => 0,
                    };
                    if let (Some(span), Work::Statement(plan)) = (self.spans.pop_front(), &self.work) {
                        self.in_spans = self.in_spans.saturating_sub(span.rows());
                        span.done(m, cx, plan, rows)?;
                    }
                }
            }
        }
    }
}

/// What RETURNING makes of a changed row, if there is one.
fn returned(
    ex: &mut Exec<'_, '_>,
    target: &WriteTarget,
    table: &Table,
    values: &[Value],
    new: Option<&[Value]>,
) -> Result<Option<Rc<[Value]>>> {
    if target.returning.is_empty() {
        return Ok(None);
    }
    let mut shown = values.to_vec();
    if let Some(new) = new {
        let in_root: Vec<Value> = match rows::part(target, table.id) {
            Some(part) => mapped(new, &part.map),
            None => new.to_vec(),
        };
        shown[..in_root.len()].clone_from_slice(&in_root);
    }
    target.returning.iter().map(|e| e.eval(ex, &Env::row(&shown))).collect::<Result<_>>().map(Some)
}

fn strength(target: &Target) -> RowLockStrength {
    match &target.new {
        None => RowLockStrength::Update,
        Some(_) if target.moves_to.is_some() => RowLockStrength::Update,
        Some(new) => {
            let changed = target.table.key_slots.iter().any(|s| target.old[*s] != new[*s]);
            if changed { RowLockStrength::Update } else { RowLockStrength::NoKeyUpdate }
        }
    }
}

/// The first entry of FROM is what is changed.
fn target_origin(row: &SourceRow) -> Option<&Origin> {
    row.origins.iter().find(|o| o.item == 0)
}

pub(super) fn write_target(plan: &StatementPlan) -> Result<&WriteTarget> {
    match plan {
        StatementPlan::Update(u) => Ok(&u.target),
        StatementPlan::Delete(d) => Ok(&d.target),
        StatementPlan::Insert(i) => Ok(&i.target),
        StatementPlan::Query(_) => Err(error("XX000", "a query changes nothing")),
    }
}

/// The row of FROM with one table's part taken from another version.
pub(super) fn replaced(
    ex: &Exec<'_, '_>,
    source: &Source,
    row: &SourceRow,
    origin: &Origin,
    current: &Tuple,
) -> Result<Rc<[Value]>> {
    let mut tables = Vec::new();
    source.tables(&mut tables);
    let Some(scan) = tables.into_iter().find(|s| s.item == origin.item) else {
        return Err(error("XX000", "a row of no table"));
    };
    let part = super::scan::scanned(ex, scan, origin.relation, current, usize::MAX);
    let mut values = row.values.to_vec();
    values[scan.offset..scan.offset + part.len().min(scan.width)]
        .clone_from_slice(&part[..part.len().min(scan.width)]);
    Ok(values.into())
}

/// Where the row belongs after an update, if that is another partition than the one it is in.
fn moved(ex: &mut Exec<'_, '_>, target: &WriteTarget, table: &Table, new: &[Value]) -> Result<Option<Place>> {
    if table.id == target.table.id || target.table.routing.is_none() {
        return Ok(None);
    }
    let Some(part) = rows::part(target, table.id) else { return Ok(None) };
    let (leaf, mut values, way) = rows::route(ex, target, mapped(new, &part.map))?;
    if leaf.id == table.id {
        return Ok(None);
    }
    rows::generate(ex, &leaf, &mut values)?;
    Ok(Some(Place { table: leaf, values: values.into(), way }))
}

/// The rows of a table with these values, as they are committed or our own now.
pub(super) fn matching(
    ex: &mut Exec<'_, '_>,
    table: &Table,
    slots: &[usize],
    key: &[Value],
) -> Result<Vec<SourceRow>> {
    if let Some(known) = ex.virtual_table(table.id) {
        return Ok(virtual_matching(ex, table, &known, slots, key, 0));
    }
    let mut found = Vec::new();
    for (row, tuple) in keyed_rows(ex, table, slots, key)? {
        let values = widened(ex, table.id, &tuple, table.columns.len());
        if slots.iter().zip(key).all(|(s, v)| values[*s] == *v) {
            let origin = Origin { item: 0, relation: table.id, key: row };
            found.push((tuple.place, SourceRow { values, origins: smallvec::smallvec![origin] }));
        }
    }
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

/// The same of a virtual table: the row with these values if they are its key or those of a unique index, else
/// as many rows as are said.
fn virtual_matching(
    ex: &Exec<'_, '_>,
    table: &Table,
    known: &VirtualTable,
    slots: &[usize],
    key: &[Value],
    others: u64,
) -> Vec<SourceRow> {
    let is_over = |i: &crate::plan::TableIndex| {
        i.unique
            && i.parts.len() == slots.len()
            && i.parts.iter().all(|p| matches!(p, crate::plan::KeyPart::Slot(s) if slots.contains(s)))
    };
    let rows = if table.indexes.iter().any(is_over) { 1 } else { others };
    let keys = keys_of_values(ex, table.id, known, slots, key, rows);
    let row = |key: RowKey| SourceRow {
        values: known.values(key, table.columns.len()).into(),
        origins: smallvec::smallvec![Origin { item: 0, relation: table.id, key }],
    };
    keys.into_iter().map(row).collect()
}

/// Rows that may have the key: by an index over these columns if there is one.
fn keyed_rows(
    ex: &mut Exec<'_, '_>,
    table: &Table,
    slots: &[usize],
    key: &[Value],
) -> Result<Vec<(RowKey, Tuple)>> {
    let serves = |i: &&crate::plan::TableIndex| {
        i.predicate.is_none()
            && i.parts.len() == slots.len()
            && i.parts.iter().all(|p| matches!(p, crate::plan::KeyPart::Slot(s) if slots.contains(s)))
    };
    let Some(index) = table.indexes.iter().find(serves) else {
        serializable::reads(ex, table.id, None)?;
        return Ok(ex.cx.scan(table.id));
    };
    super::unique::ensure_built(ex, table.id, index)?;
    let entry: Vec<Value> = index
        .parts
        .iter()
        .filter_map(|p| match p {
            crate::plan::KeyPart::Slot(s) => slots.iter().position(|x| x == s).map(|at| key[at].clone()),
            crate::plan::KeyPart::Expression(_) => None,
        })
        .collect();
    let rows: Vec<RowKey> = {
        let state = ex.shared.get();
        let data = state.indexes.get(&index.id);
        data.and_then(|d| d.entries.get(entry.as_slice())).map_or_else(Vec::new, |r| r.to_vec())
    };
    serializable::reads(ex, table.id, Some((index.id, &rows)))?;
    Ok(rows.into_iter().filter_map(|row| Some((row, ex.cx.row(table.id, row)?))).collect())
}

/// WHERE CURRENT OF: the row that the cursor stands on.
fn at_cursor(ex: &Exec<'_, '_>, name: &str, found: Vec<SourceRow>) -> Result<Vec<SourceRow>> {
    let state = ex.shared.get();
    let Some(cursor) = state.session(ex.session()).own().cursors.get(name) else {
        return Err(error("34000", format!("cursor \"{name}\" does not exist")));
    };
    let at = cursor.at.checked_sub(1).and_then(|n| cursor.origins.get(n)).copied();
    if at == Some(None) {
        return Err(not_modelled("WHERE CURRENT OF"));
    }
    let Some((relation, key)) = at.flatten() else {
        return Err(error("24000", format!("cursor \"{name}\" is not positioned on a row")));
    };
    let same = |r: &SourceRow| r.origins.iter().any(|o| (o.relation, o.key) == (relation, key));
    Ok(found.into_iter().filter(same).collect())
}
