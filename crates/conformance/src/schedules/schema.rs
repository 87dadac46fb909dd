//! The tables of a schedule, their rows, indexes and foreign keys.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use lock_table::{RelationId, RowKey};
use transactions::TransactionHook;

/// A row of any table: `(id, k, v)`, and of the child table `(cid, pid, -)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) k: i64,
    pub(crate) v: i64,
}

/// A foreign key from a column of the child to the parent's `id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForeignKey {
    pub(crate) child: RelationId,
    pub(crate) column: fn(&Row) -> i64,
    pub(crate) parent: RelationId,
}

/// The tables of a schedule as far as statements change them.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) foreign_keys: RefCell<Vec<ForeignKey>>,
    pub(crate) dropped: RefCell<Vec<RelationId>>,
    pub(crate) last_key: Cell<RowKey>,
    /// The entries of the unique indexes, by table, column, value and row. A row is written before its entries
    /// are, so one whose writer still waits for another's key is not found by third ones.
    pub(crate) entries: RefCell<BTreeSet<(RelationId, usize, i64, RowKey)>>,
}

/// The columns with a unique index, in the order in which entries are made.
pub(crate) const UNIQUE: [fn(&Row) -> i64; 2] = [|row| row.id, |row| row.k];

impl Schema {
    /// Makes the index entries of a row that was always there.
    pub(crate) fn seed(&self, table: RelationId, key: RowKey, row: &Row) {
        let entries = UNIQUE.iter().enumerate().map(|(column, value)| (table, column, value(row), key));
        self.entries.borrow_mut().extend(entries);
    }

    pub(crate) fn next_key(&self) -> RowKey {
        self.last_key.set(self.last_key.get() + 1);
        self.last_key.get()
    }

    pub(crate) fn of_child(&self, child: RelationId) -> Vec<ForeignKey> {
        self.foreign_keys.borrow().iter().filter(|it| it.child == child).copied().collect()
    }

    pub(crate) fn of_parent(&self, parent: RelationId) -> Vec<ForeignKey> {
        self.foreign_keys.borrow().iter().filter(|it| it.parent == parent).copied().collect()
    }
}

/// Undoes DROP TABLE.
pub(crate) struct Undrop {
    pub(crate) schema: Rc<Schema>,
    pub(crate) table: RelationId,
}

impl TransactionHook for Undrop {
    fn end(self: Box<Self>, committed: bool) {
        if !committed {
            self.schema.dropped.borrow_mut().retain(|&table| table != self.table);
        }
    }
}

/// Undoes ADD FOREIGN KEY.
pub(crate) struct DropKey {
    pub(crate) schema: Rc<Schema>,
    pub(crate) child: RelationId,
    pub(crate) parent: RelationId,
}

impl TransactionHook for DropKey {
    fn end(self: Box<Self>, committed: bool) {
        if !committed {
            let mut keys = self.schema.foreign_keys.borrow_mut();
            if let Some(at) = keys.iter().rposition(|it| (it.child, it.parent) == (self.child, self.parent)) {
                keys.remove(at);
            }
        }
    }
}
