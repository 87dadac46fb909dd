//! What serializable transactions note of their reads and writes; see [`crate::serial`].

use std::rc::Rc;

use lock_table::{RelationId, RowKey, SessionId};
use schema_rules::catalog::Relation;
use transactions::{StepContext, StepOutcome, TransactionEnd, TransactionHook};

use super::Exec;
use super::machine::{Flow, Machine, Task};
use crate::error::{Result, not_modelled};
use crate::plan::{KeyPart, Table};
use crate::serial::{MOST_ROWS, Number, Target};
use crate::state::{Shared, Tuple};
use crate::value::Value;

/// Ends the noting with the transaction.
struct EndOfNotes {
    shared: Rc<Shared>,
    session: SessionId,
    number: Number,
}

impl TransactionHook for EndOfNotes {
    fn end(self: Box<Self>, _committed: bool) {}

    fn end_of_transaction(self: Box<Self>, end: TransactionEnd) {
        let mut state = self.shared.edit();
        state.session_mut(self.session).serial = None;
        state.serial.end(self.number, end);
    }
}

/// A serializable transaction's first statement begins: it has its snapshot now.
pub(super) fn enter(m: &Machine, cx: &mut StepContext<'_, Tuple>) {
    let read_only = {
        let state = m.shared.get();
        let session = state.session(m.session);
        match session.serializable {
            Some(read_only) if session.serial.is_none() => read_only,
            _ => return,
        }
    };
    let (snapshot, oldest_running) = cx.snapshot_limits();
    let mut state = m.shared.edit();
    let Some(number) = state.serial.begin(m.session, snapshot, oldest_running, read_only) else { return };
    state.session_mut(m.session).serial = Some(number);
    let hook = EndOfNotes { shared: Rc::clone(&m.shared), session: m.session, number };
    cx.at_end_of_transaction(Box::new(hook));
}

/// Whether a commit can go through.
pub(crate) struct SerialCommit;

impl Task for SerialCommit {
    fn run(
        &mut self,
        m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let mut state = m.shared.edit();
        if let Some(number) = state.session(m.session).serial {
            state.serial.prepare(number)?;
        }
        Ok(Flow::Done)
    }
}

/// Its marks are on buckets.
fn is_hash(index: &Rc<Relation>) -> bool {
    index.as_index().is_some_and(|index| &*index.method == "hash")
}

/// Whether the transaction is one whose reads are noted.
pub(super) fn is_watched(ex: &Exec<'_, '_>) -> bool {
    number(ex).is_some()
}

fn number(ex: &Exec<'_, '_>) -> Option<Number> {
    ex.shared.get().session(ex.session()).serial
}

/// Whether indexes serve small tables: as long as nobody has counted a table's rows it is taken for a large one
/// (`estimate_rel_size` in plancat.c).
fn prefers_index(ex: &Exec<'_, '_>, table: RelationId) -> bool {
    let state = ex.shared.get();
    let forced = state.session(ex.session()).own().settings.get("enable_seqscan");
    let is_forced = forced.is_some_and(|value| matches!(value.as_str(), "off" | "false" | "no" | "0"));
    is_forced || !state.tables.get(&table).is_some_and(|t| t.is_counted)
}

/// A table is read: by an index the rows of these keys, or the whole of it.
pub(super) fn reads(
    ex: &mut Exec<'_, '_>,
    table: RelationId,
    by_index: Option<(RelationId, &[RowKey])>,
) -> Result<()> {
    let Some(me) = number(ex) else { return Ok(()) };
    if by_index.is_some() && ex.shared.get().tables.get(&table).is_some_and(|t| t.next_place > MOST_ROWS) {
        return Err(not_modelled("predicate locks on tables of several pages"));
    }
    let by_index = by_index.filter(|_| prefers_index(ex, table));
    let every: Vec<RowKey>;
    let keys = match by_index {
        Some((index, keys)) => {
            if ex.shared.get().catalog.relation(index).is_some_and(is_hash) {
                return Err(not_modelled("predicate locks of hash indexes"));
            }
            ex.shared.edit().serial.mark(me, Target::Index(index));
            keys
        }
        None => {
            ex.shared.edit().serial.mark(me, Target::Relation(table));
            every = ex.cx.keys(table);
            &every
        }
    };
    for key in keys {
        ex.shared.get().serial.check(me)?;
        for writer in ex.cx.unseen_writers(table, *key) {
            ex.shared.edit().serial.saw_older_than(me, &writer)?;
        }
        if by_index.is_some()
            && let Some(tuple) = ex.cx.row(table, *key)
        {
            ex.shared.edit().serial.mark(me, Target::Row(table, tuple.place));
        }
    }
    Ok(())
}

/// A row is put into a table.
pub(super) fn inserts(ex: &Exec<'_, '_>, table: RelationId) -> Result<()> {
    writes(ex, &[Target::Relation(table)])
}

/// A row's version is replaced or deleted.
pub(super) fn replaces(ex: &Exec<'_, '_>, table: RelationId, place: u64) -> Result<()> {
    writes(ex, &[Target::Row(table, place), Target::Page(table), Target::Relation(table)])
}

/// An entry is put into an index.
pub(super) fn enters(ex: &Exec<'_, '_>, index: RelationId) -> Result<()> {
    writes(ex, &[Target::Index(index)])
}

fn writes(ex: &Exec<'_, '_>, targets: &[Target]) -> Result<()> {
    let Some(me) = number(ex) else { return Ok(()) };
    ex.shared.edit().serial.writes(me, targets)
}

/// Whether the new version of a row needs entries in the indexes: if none of their columns has changed, it is
/// found by the old ones (a heap-only tuple).
pub(super) fn needs_entries(table: &Table, old: &[Value], new: &[Value]) -> bool {
    let changed = |slot: usize| old.get(slot) != new.get(slot);
    table.indexes.iter().any(|index| {
        let mut any = false;
        let mut see = |e: &crate::expr::Typed| {
            e.walk(&mut |e| {
                if let crate::expr::Node::Column(slot) = e.node {
                    any |= changed(slot);
                }
            });
        };
        index.predicate.iter().for_each(&mut see);
        for part in &index.parts {
            if let KeyPart::Expression(e) = part {
                see(e);
            }
        }
        any || index.parts.iter().any(|part| matches!(part, KeyPart::Slot(slot) if changed(*slot)))
    })
}
