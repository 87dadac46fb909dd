//! Tables of which only the size is known: their rows are told apart, not stored.
//!
//! A scenario says that a table has five million rows, not what is in them. Such a table has the keys from 1 to
//! its number of rows, by its primary key if that is one integer. Statements lock the same relations, indexes
//! and rows as if the rows were there; *which* rows follows from what is known of a statement's conditions, see
//! [`crate::exec`]'s `selection`. What is in a column other than the key is unknown (NULL), and conditions on it
//! are taken to hold.
//!
//! A backfill in batches (`WHERE id IN (SELECT id … WHERE new IS NULL LIMIT 1000)`) is remembered by its
//! condition: committed batches move a *mark*, from which the next one goes on, until no row is left.

use std::rc::Rc;

use lock_table::{RelationId, RowKey, SessionId};
use schema_rules::Catalog;
use schema_rules::catalog::{ObjectAddress, RelationSize};
use transactions::{Backends, TransactionHook};

use crate::state::{SequenceData, Shared, State, Tuple};
use crate::value::{Type, Value};

/// A table whose rows are not stored.
#[derive(Clone, Debug)]
pub(crate) struct VirtualTable {
    /// The slots of its primary key.
    pub(crate) key: Rc<[usize]>,
    /// Whether that is one integer: the row's number then. Otherwise rows are found by a hash of the key.
    pub(crate) is_integer: bool,
    /// The first row and how many there were at first: what hashes fall into.
    first: RowKey,
    rows: u64,
    /// How much room a row takes, if that was said.
    bytes_per_row: u64,
}

impl VirtualTable {
    pub(crate) fn of(
        catalog: &Catalog,
        table: RelationId,
        (first, rows): (RowKey, u64),
        bytes: Option<u64>,
    ) -> Self {
        let relation = catalog.relation(table);
        let columns = relation.and_then(|r| r.primary_key()).map_or(&[][..], |(columns, _)| columns);
        let key: Rc<[usize]> = crate::plan::slots(columns).into();
        let is_integer = match (&*key, relation) {
            ([slot], Some(relation)) => {
                relation.columns.get(*slot).is_some_and(|c| Type::of(catalog, &c.data_type).is_integer())
            }
            _ => false,
        };
        let bytes_per_row = bytes.unwrap_or(0) / rows.max(1);
        Self { key, is_integer, first, rows, bytes_per_row }
    }

    /// How big it is with so many rows.
    pub(crate) fn size(&self, rows: u64) -> RelationSize {
        RelationSize { rows, bytes: self.bytes_per_row.saturating_mul(rows) }
    }

    /// What is known of a row.
    pub(crate) fn values(&self, row: RowKey, width: usize) -> Vec<Value> {
        let mut values = vec![Value::Null; width];
        if let Some(slot) = self.integer_slot().filter(|slot| *slot < width) {
            values[slot] = Value::Int(i64::try_from(row).unwrap_or(i64::MAX));
        }
        values
    }

    /// The slot of a key that numbers the rows.
    pub(crate) fn integer_slot(&self) -> Option<usize> {
        if self.is_integer { self.key.first().copied() } else { None }
    }

    /// The row with this primary key.
    pub(crate) fn row_of(&self, key: &[Value]) -> RowKey {
        match key {
            [Value::Int(n)] if self.is_integer => u64::try_from(*n).unwrap_or(0),
            _ => self.hashed(key, 0),
        }
    }

    /// The row, or one of the rows, that have these values in some column: always the same one.
    pub(crate) fn hashed(&self, values: &[Value], nth: u64) -> RowKey {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for value in values {
            let shown = Type::Unknown.show(value).unwrap_or_default();
            for byte in shown.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 29;
        self.first.saturating_add(hash % self.rows.max(1))
    }
}

/// Rows up to which a backfill has come.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) relation: RelationId,
    /// Its condition, as a number.
    pub(crate) condition: u64,
    /// The columns that the condition reads: what sets none of them changes nothing about it.
    pub(crate) slots: Rc<[usize]>,
    pub(crate) last: RowKey,
}

impl State {
    /// From now on the table, or the partitions below it in equal parts, has these rows and those that are inserted.
    pub(crate) fn set_virtual_rows(
        &mut self,
        backends: &mut Backends<Tuple>,
        table: RelationId,
        rows: u64,
        bytes: Option<u64>,
    ) {
        let catalog = self.catalog.clone();
        let has_heap = |id: &RelationId| catalog.relation(*id).is_some_and(|r| r.has_heap());
        let parts: Vec<RelationId> = catalog.with_descendants(table).into_iter().filter(has_heap).collect();
        let count = parts.len() as u64;
        let mut first = 1;
        for (at, part) in (0..).zip(parts) {
            let own = rows / count + u64::from(at < rows % count);
            backends.drop_relation(part);
            backends.set_extent(part, first, first + own - 1);
            let known = VirtualTable::of(&catalog, part, (first, own), bytes.map(|b| b / count));
            self.catalog.set_size(part, known.size(own));
            self.virtual_tables.insert(part, Rc::new(known));
            first += own;
        }
        let owned = |id: RelationId| {
            let definition = catalog.relation(id)?.as_sequence()?;
            definition.owned_by.filter(|(owner, _)| *owner == table).map(|_| id)
        };
        // A sequence depends on the column that owns it.
        let dependents = catalog.dependents_of(ObjectAddress::relation(table));
        for sequence in dependents.iter().filter_map(|one| one.dependent.as_relation().and_then(owned)) {
            if rows > 0 {
                let last = i64::try_from(rows).unwrap_or(i64::MAX);
                self.sequences.insert(sequence, SequenceData { last, called: true });
            }
        }
    }

    /// The row after which a backfill with this condition goes on, as a session sees it.
    pub(crate) fn mark_of(&self, session: SessionId, relation: RelationId, condition: u64) -> RowKey {
        let committed = self.marks.get(&(relation, condition)).copied().unwrap_or(0);
        let own = |(whose, mark): &(SessionId, Mark)| {
            let is_it = *whose == session && mark.relation == relation && mark.condition == condition;
            is_it.then_some(mark.last)
        };
        self.open_marks.iter().filter_map(own).max().unwrap_or(0).max(committed)
    }
}

/// Moves a mark when the transaction commits, or forgets that it was to be moved.
pub(crate) struct MarkHook {
    shared: Rc<Shared>,
    session: SessionId,
    mark: Mark,
}

impl MarkHook {
    /// The session sees the mark from now on.
    pub(crate) fn open(shared: &Rc<Shared>, session: SessionId, mark: Mark) -> Box<Self> {
        shared.edit().open_marks.push((session, mark.clone()));
        Box::new(Self { shared: Rc::clone(shared), session, mark })
    }
}

impl TransactionHook for MarkHook {
    fn end(self: Box<Self>, committed: bool) {
        let Mark { relation, condition, last, .. } = self.mark;
        let mut state = self.shared.edit();
        let same = |(whose, mark): &(SessionId, Mark)| {
            *whose == self.session
                && (mark.relation, mark.condition, mark.last) == (relation, condition, last)
        };
        if let Some(at) = state.open_marks.iter().position(same) {
            state.open_marks.remove(at);
        }
        if committed {
            let mark = state.marks.entry((relation, condition)).or_insert(0);
            *mark = (*mark).max(last);
        }
    }
}
