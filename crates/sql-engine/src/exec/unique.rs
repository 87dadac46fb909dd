//! Indexes: their entries, and the waits of unique ones.

use std::rc::Rc;

use lock_table::{RelationId, RowKey};
use transactions::{DirtyState, Step, StepContext, StepOutcome, Xid};

use super::Exec;
use super::machine::{Flow, Machine, Task};
use super::scan::widened;
use super::serializable;
use crate::error::{Result, SqlError, error};
use crate::expr::Env;
use crate::plan::{KeyPart, Table, TableIndex};
use crate::state::{IndexData, IndexKey, Tuple};
use crate::value::Value;

/// The key of a row in an index; nothing if the index's predicate leaves the row out.
pub(super) fn key_of(
    ex: &mut Exec<'_, '_>,
    index: &TableIndex,
    values: &[Value],
) -> Result<Option<IndexKey>> {
    let env = Env::row(values);
    if let Some(predicate) = &index.predicate
        && !predicate.holds(ex, &env)?
    {
        return Ok(None);
    }
    let mut key = Vec::with_capacity(index.parts.len());
    for part in &index.parts {
        key.push(match part {
            KeyPart::Slot(slot) => values.get(*slot).cloned().unwrap_or_default(),
            KeyPart::Expression(e) => e.eval(ex, &env)?,
        });
    }
    Ok(Some(key.into()))
}

/// Builds the entries of an index unless they are kept already.
pub(super) fn ensure_built(ex: &mut Exec<'_, '_>, table: RelationId, index: &TableIndex) -> Result<()> {
    if ex.shared.get().indexes.contains_key(&index.id) {
        return Ok(());
    }
    let width = widest(index);
    let mut data = IndexData::default();
    for (row, tuple) in ex.cx.all_versions(table) {
        let values = widened(ex, table, &tuple, width);
        if let Some(key) = key_of(ex, index, &values)? {
            data.add(key, row);
        }
    }
    let mut state = ex.shared.edit();
    state.indexes.insert(index.id, data);
    state.table(table).built.push(index.id);
    Ok(())
}

/// How many columns of a row the index may look at.
fn widest(index: &TableIndex) -> usize {
    let mut width = 0;
    let mut see = |e: &crate::expr::Typed| {
        if let crate::expr::Node::Column(slot) = e.node {
            width = width.max(slot + 1);
        }
    };
    for part in &index.parts {
        match part {
            KeyPart::Slot(slot) => {
                see(&crate::expr::Typed::new(crate::expr::Node::Column(*slot), crate::value::Type::Unknown))
            }
            KeyPart::Expression(e) => e.walk(&mut see),
        }
    }
    if let Some(predicate) = &index.predicate {
        predicate.walk(&mut see);
    }
    width
}

/// Puts a row's entries into the indexes whose entries are kept, and those that have to be unique.
/// An update that left the key as it was finds its entry there.
pub(super) fn enter(
    ex: &mut Exec<'_, '_>,
    table: &Table,
    row: RowKey,
    values: &[Value],
    before: Option<&[Value]>,
) -> Result<()> {
    for index in &table.indexes {
        let kept = ex.shared.get().indexes.contains_key(&index.id);
        let checked = index.unique && index.ready;
        if !(kept || checked) {
            continue;
        }
        ensure_built(ex, table.id, index)?;
        let Some(key) = key_of(ex, index, values)? else { continue };
        if let Some(before) = before
            && key_of(ex, index, before)?.as_ref() == Some(&key)
        {
            continue;
        }
        if let Some(data) = ex.shared.edit().indexes.get_mut(&index.id) {
            data.add(key, row);
        }
    }
    Ok(())
}

/// What stands in the way of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// A row that has it.
    Row(RowKey),
    /// A transaction whose end decides.
    Busy(Xid),
}

/// Whether another row has the key, or may have it.
pub(super) fn conflict(
    ex: &mut Exec<'_, '_>,
    table: RelationId,
    index: &TableIndex,
    key: &[Value],
    own: Option<RowKey>,
) -> Result<Option<Conflict>> {
    if !index.nulls_not_distinct && key.iter().any(Value::is_null) {
        return Ok(None);
    }
    if let Some(known) = ex.virtual_table(table) {
        // Of other columns than the key it is not known who has which value: nobody is taken to have it.
        let is_key =
            |part: &KeyPart| matches!(part, KeyPart::Slot(slot) if Some(*slot) == known.integer_slot());
        if !matches!(index.parts.as_slice(), [part] if is_key(part)) {
            return Ok(None);
        }
        let row = known.row_of(key);
        return Ok(match ex.cx.dirty_state(table, row) {
            DirtyState::Live => Some(Conflict::Row(row)),
            DirtyState::Busy(xid) => Some(Conflict::Busy(xid)),
            DirtyState::Dead => None,
        });
    }
    ensure_built(ex, table, index)?;
    let rows: Vec<RowKey> = {
        let state = ex.shared.get();
        let data = state.indexes.get(&index.id);
        data.and_then(|d| d.entries.get(key)).map_or_else(Vec::new, |rows| rows.to_vec())
    };
    let width = widest(index);
    let mut stale = Vec::new();
    let mut found = None;
    for row in rows {
        let versions = ex.cx.dirty_versions(table, row);
        let mut any = false;
        for (tuple, state) in versions {
            let values = widened(ex, table, &tuple, width);
            if key_of(ex, index, &values)?.as_deref() != Some(key) {
                continue;
            }
            any = true;
            match state {
                _ if own == Some(row) => {}
                DirtyState::Live => found = Some(Conflict::Row(row)),
                DirtyState::Busy(xid) if found.is_none() => found = Some(Conflict::Busy(xid)),
                DirtyState::Busy(_) | DirtyState::Dead => {}
            }
        }
        if !any && own != Some(row) {
            stale.push(row);
        }
    }
    if !stale.is_empty() {
        forget(ex, index.id, key, &stale);
    }
    Ok(found)
}

/// Entries of rows of which no version has the key any more.
fn forget(ex: &Exec<'_, '_>, index: RelationId, key: &[Value], stale: &[RowKey]) {
    let mut state = ex.shared.edit();
    let Some(data) = state.indexes.get_mut(&index) else { return };
    if let Some(rows) = data.entries.get_mut(key) {
        rows.retain(|r| !stale.contains(r));
        if rows.is_empty() {
            data.entries.remove(key);
        }
    }
}

/// The error of a key that is there twice.
pub(super) fn violation(index: &TableIndex) -> SqlError {
    let name = &index.name;
    error("23505", format!("duplicate key value violates unique constraint \"{name}\""))
}

/// Checks a row that was just written against the unique indexes, waiting for transactions that decide
/// (`_bt_check_unique` in nbtinsert.c).
pub(super) struct UniqueTask {
    table: Rc<Table>,
    row: RowKey,
    values: Rc<[Value]>,
    next: usize,
    entered: bool,
    /// The row as it was before an update: indexes whose key is as before are not looked at.
    before: Option<Rc<[Value]>>,
}

impl UniqueTask {
    pub(super) fn new(
        table: Rc<Table>,
        row: RowKey,
        values: Rc<[Value]>,
        before: Option<Rc<[Value]>>,
    ) -> Self {
        Self { table, row, values, next: 0, entered: false, before }
    }
}

impl Task for UniqueTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let table = Rc::clone(&self.table);
        if m.shared.get().virtual_tables.contains_key(&table.id) {
            // The key was looked at when the row was inserted.
            return Ok(Flow::Done);
        }
        if !self.entered {
            m.exec(cx, |ex| enter(ex, &table, self.row, &self.values, self.before.as_deref()))?;
            self.entered = true;
        }
        let is_watched = m.shared.get().session(m.session).serial.is_some();
        let is_new = || {
            self.before.as_deref().is_none_or(|old| serializable::needs_entries(&table, old, &self.values))
        };
        let makes_entries = is_watched && is_new();
        while let Some(index) = table.indexes.get(self.next) {
            let is_checked = index.unique && index.ready;
            if !is_checked && !makes_entries {
                self.next += 1;
                continue;
            }
            let (row, values, before) = (self.row, &self.values, self.before.as_deref());
            let found = m.exec(cx, |ex| {
                let Some(key) = key_of(ex, index, values)? else { return Ok(None) };
                let is_kept = match before {
                    Some(before) => key_of(ex, index, before)?.as_ref() == Some(&key),
                    None => false,
                };
                let found = match is_checked && !is_kept {
                    true => conflict(ex, table.id, index, &key, Some(row))?,
                    false => None,
                };
                if makes_entries && !matches!(found, Some(Conflict::Busy(_))) {
                    serializable::enters(ex, index.id)?;
                }
                Ok(found)
            })?;
            match found {
                Some(Conflict::Row(_)) => return Err(violation(index)),
                Some(Conflict::Busy(xid)) => return Ok(Flow::Yield(Step::WaitForTransaction(xid))),
                None => self.next += 1,
            }
        }
        Ok(Flow::Done)
    }
}
