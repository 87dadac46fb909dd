//! What an UPDATE or DELETE changes of virtual tables: some rows, or whole spans of them as one thing.

use std::collections::VecDeque;
use std::rc::Rc;

use lock_table::{RelationId, RowKey};
use sim_clock::Nanos;
use smallvec::smallvec;
use transactions::{RangeDeed, Step, StepContext};

use super::Exec;
use super::machine::Machine;
use super::modify::write_target;
use super::reference::AfterCheck;
use super::scan::{Frame, Origin, SourceRow, known_of};
use super::selection::Selection;
use super::trigger::{self, Change};
use super::{join, rows, scan};
use crate::error::Result;
use crate::expr::Env;
use crate::plan::{Source, StatementPlan, Table, TableScan};
use crate::state::Tuple;
use crate::value::Value;
use crate::virtual_table::{Mark, MarkHook};

/// As many rows are changed one by one if they are to be returned.
const LISTED: u64 = 10_000;

/// A stretch of a virtual table that is to be changed.
pub(super) struct Span {
    table: Rc<Table>,
    first: RowKey,
    last: RowKey,
    count: u64,
    mark: Option<Mark>,
}

/// The rows of virtual tables that a statement changes.
#[derive(Default)]
pub(super) struct Targets {
    pub(super) rows: Vec<SourceRow>,
    pub(super) spans: VecDeque<Span>,
}

impl Targets {
    /// Nothing if the statement's table is stored. What it is joined with narrows the rows down as far as it is
    /// known who belongs to whom.
    pub(super) fn of(ex: &mut Exec<'_, '_>, plan: &StatementPlan) -> Result<Option<Self>> {
        let (source, width, filter) = match plan {
            StatementPlan::Update(u) => (&u.source, u.width, &u.filter),
            StatementPlan::Delete(d) => (&d.source, d.width, &d.filter),
            StatementPlan::Insert(_) | StatementPlan::Query(_) => return Ok(None),
        };
        let Some(scan) = target_scan(source) else { return Ok(None) };
        let own = scan.has_heap.then_some(scan.relation);
        let relations: Vec<RelationId> = own.into_iter().chain(scan.parts.iter().map(|(p, _)| *p)).collect();
        if relations.iter().all(|id| ex.virtual_table(*id).is_none()) {
            return Ok(None);
        }
        let target = write_target(plan)?;
        let frame =
            Frame { width, outer: None, enough: None, needed: usize::MAX, filter, most: None, passes: None };
        let mut found = Self::default();
        for relation in relations {
            let Some(known) = ex.virtual_table(relation) else { continue };
            let mut selection = Selection::of_scan(ex, scan, relation, &known, frame)?;
            if let Some(keys) = join::keys_of_target(ex, source, scan, relation, &known, frame)? {
                selection = selection.narrowed(keys);
            }
            let count = selection.count(ex, relation);
            let lists = !target.returning.is_empty() && count <= LISTED;
            match &selection {
                Selection::Span { first, last, .. } if !lists => {
                    let part = rows::part(target, relation);
                    let table = Rc::clone(part.map_or(&target.table, |p| &p.table));
                    let mark = selection.mark(relation, *last);
                    found.spans.push_back(Span { table, first: *first, last: *last, count, mark });
                    ex.rows_read += count;
                }
                _ => {
                    for key in selection.shown(ex, relation, Frame { most: Some(usize::MAX), ..frame }) {
                        let values = known_of(scan, relation, &known, key);
                        let values = scan::placed(&values, scan.offset, width).into();
                        let origin = Origin { item: scan.item, relation, key };
                        found.rows.push(SourceRow { values, origins: smallvec![origin] });
                    }
                }
            }
        }
        Ok(Some(found))
    }

    /// How many rows the spans have.
    pub(super) fn in_spans(&self) -> u64 {
        self.spans.iter().map(|span| span.count).sum()
    }
}

/// The table that is changed: the first entry of FROM.
fn target_scan(source: &Source) -> Option<&TableScan> {
    let mut tables = Vec::new();
    source.tables(&mut tables);
    tables.into_iter().find(|scan| scan.item == 0)
}

impl Span {
    pub(super) const fn rows(&self) -> u64 {
        self.count
    }

    /// Its change, in its part of the time of all spans together.
    pub(super) fn step(&self, m: &mut Machine, plan: &StatementPlan, all: u64) -> Result<Step<Tuple>> {
        let (change, deed) = match plan {
            StatementPlan::Update(update) => {
                let keyed = update.set.iter().any(|(slot, _)| self.table.key_slots.contains(slot));
                (Change::Update, RangeDeed::Update { key_columns_changed: keyed })
            }
            _ => (Change::Delete, RangeDeed::Delete),
        };
        trigger::refuse_unknown(&self.table, change)?;
        let modelled = || m.shared.get().durations.of_rows(m.rows_read, m.rows_written.saturating_add(all));
        let left = m.work.unwrap_or_else(modelled) - m.worked;
        let share = u128::from(left.0) * u128::from(self.count) / u128::from(all.max(1));
        let work = Nanos(u64::try_from(share).unwrap_or(u64::MAX));
        m.worked += work;
        Ok(Step::WriteRange { relation: self.table.id, first: self.first, last: self.last, deed, work })
    }

    /// So many rows were changed: what is to be checked, and how far the backfill has come.
    pub(super) fn done(
        self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        plan: &StatementPlan,
        rows: u64,
    ) -> Result<()> {
        m.rows += rows;
        m.rows_written += rows;
        m.marks.extend(self.mark.clone());
        if rows == 0 {
            return Ok(());
        }
        match plan {
            StatementPlan::Update(update) => {
                for fk in &self.table.outgoing {
                    let value = |slot: &usize| {
                        let set = update.set.iter().find(|(s, _)| s == slot)?;
                        set.1.as_ref().filter(|e| e.is_row_independent())
                    };
                    let Some(key) = fk.slots.iter().map(value).collect::<Option<Vec<_>>>() else { continue };
                    let key = m.exec(cx, |ex| {
                        key.iter().map(|e| e.eval(ex, &Env::row(&[]))).collect::<Result<Vec<_>>>()
                    })?;
                    m.after.push(AfterCheck::Referencing { fk: Rc::clone(fk), key });
                }
            }
            _ => {
                // Who refers to which of the rows is not known; the tables are locked all the same.
                for fk in &self.table.incoming {
                    let key = vec![Value::Null; fk.referenced_slots.len()];
                    m.after.push(AfterCheck::Referenced { fk: Rc::clone(fk), key, new: None });
                }
            }
        }
        Ok(())
    }
}

/// Backfills that this statement has moved on go on from there once it has committed.
pub(super) fn move_marks(m: &mut Machine, cx: &mut StepContext<'_, Tuple>, plan: &StatementPlan) {
    let StatementPlan::Update(update) = plan else {
        // Rows that are deleted are gone: nothing has to be remembered.
        return m.marks.clear();
    };
    let target = &update.target;
    for mark in std::mem::take(&mut m.marks) {
        let is_target =
            mark.relation == target.table.id || target.parts.iter().any(|p| p.table.id == mark.relation);
        let sets = update.set.iter().any(|(slot, _)| mark.slots.contains(slot));
        if is_target && sets {
            cx.at_end(MarkHook::open(&m.shared, m.session, mark));
        }
    }
}
