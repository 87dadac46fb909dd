//! Which rows are locked, and by whom: as few as there are sessions, of very many.
//!
//! Open addressing with linear probing; what is taken out leaves no mark, as those behind it move up.

use lock_table::{RowKey, SessionId};

/// A row of a table, in one word: a row's number has 40 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row(u64);

impl Row {
    pub(crate) fn new(table: u32, row: RowKey) -> Self {
        Self(u64::from(table) << 40 | row)
    }

    fn hash(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    row: Row,
    holder: Option<SessionId>,
}

const FREE: Place = Place { row: Row(u64::MAX), holder: None };

/// A power of two of places, at least twice as many as rows can be locked.
#[derive(Debug, Default)]
pub(crate) struct LockedRows {
    places: Vec<Place>,
}

impl LockedRows {
    /// Makes room for so many.
    pub(crate) fn make_room(&mut self, rows: usize) {
        let wanted = (2 * rows).next_power_of_two();
        if self.places.len() < wanted {
            let before = std::mem::replace(&mut self.places, vec![FREE; wanted]);
            for Place { row, holder } in before {
                if let Some(holder) = holder {
                    self.lock(row, holder);
                }
            }
        }
    }

    /// Locks the row, or tells who holds it.
    pub(crate) fn lock(&mut self, row: Row, session: SessionId) -> Option<SessionId> {
        let mask = self.places.len() - 1;
        let mut at = row.hash() & mask;
        while let Some(holder) = self.places[at].holder {
            if self.places[at].row == row {
                return Some(holder);
            }
            at = (at + 1) & mask;
        }
        self.places[at] = Place { row, holder: Some(session) };
        None
    }

    /// Unlocks a row that is locked.
    #[inline]
    pub(crate) fn unlock(&mut self, row: Row) {
        let mask = self.places.len() - 1;
        let mut hole = row.hash() & mask;
        while self.places[hole].row != row {
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Place { row, holder } = self.places[at];
            if holder.is_none() {
                break;
            }
            // It may move up unless the hole lies before the place that it was meant for.
            if (at.wrapping_sub(row.hash()) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = self.places[at];
                hole = at;
            }
        }
        self.places[hole] = FREE;
    }
}
