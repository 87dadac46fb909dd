//! What is committed of a table, put aside and compared.

use std::rc::Rc;

use lock_table::RelationId;

use super::Database;
use crate::plan::name_of;
use crate::state::Tuple;
use crate::value::Value;

/// The rows of a table, put aside.
#[derive(Clone, Debug)]
pub struct TableBackup {
    columns: Vec<Rc<str>>,
    rows: Vec<Rc<[Value]>>,
}

impl Database {
    fn committed(&self, table: &str) -> Option<(RelationId, Vec<Rc<str>>, Vec<Rc<[Value]>>)> {
        let state = self.shared.get();
        let relation = state.catalog.find(&state.default_lookup, &name_of(table))?;
        let missing = state.tables.get(&relation.id).map_or(&[][..], |t| &t.missing);
        let live: Vec<usize> =
            relation.live_columns().map(|c| usize::from(c.number).saturating_sub(1)).collect();
        let columns = relation.live_columns().map(|c| Rc::clone(&c.name)).collect();
        let mut rows = self.backends.committed_rows(relation.id);
        rows.sort_by_key(|(key, _)| *key);
        let value = |tuple: &Tuple, at: usize| {
            tuple.values().get(at).or_else(|| missing.get(at)).cloned().unwrap_or_default()
        };
        let rows = rows.iter().map(|(_, t)| live.iter().map(|at| value(t, *at)).collect()).collect();
        Some((relation.id, columns, rows))
    }

    /// What is committed of a table.
    #[must_use]
    pub fn back_up(&self, table: &str) -> Option<TableBackup> {
        self.committed(table).map(|(_, columns, rows)| TableBackup { columns, rows })
    }

    /// Puts a table back as it was, whatever its rows are now; columns that it did not have then are NULL.
    pub fn restore(&mut self, table: &str, backup: TableBackup) {
        let Some(relation) = self.find(table) else { return };
        let mut state = self.shared.edit();
        if state.virtual_tables.contains_key(&relation) {
            return;
        }
        let Some(definition) = state.catalog.relation(relation).cloned() else { return };
        self.backends.drop_relation(relation);
        self.backends.store_relation(relation);
        state.forget_indexes(relation);
        for row in backup.rows {
            let value = |name: &Rc<str>| {
                let at = backup.columns.iter().position(|c| c == name)?;
                row.get(at).cloned()
            };
            let values: Rc<[Value]> = definition
                .columns
                .iter()
                .map(|c| if c.dropped { Value::Null } else { value(&c.name).unwrap_or_default() })
                .collect();
            let data = state.table(relation);
            data.next_row += 1;
            data.next_place += 1;
            let tuple = Tuple { place: data.next_place, values: Some(values) };
            let key = data.next_row;
            self.backends.seed_row(relation, key, tuple);
        }
    }

    /// A number that is the same for the same rows, in whatever order they are.
    #[must_use]
    pub fn checksum(&self, table: &str) -> Option<u64> {
        let (_, columns, rows) = self.committed(table)?;
        let mut sum = 0_u64;
        for row in rows {
            let mut text = String::new();
            for (column, value) in columns.iter().zip(row.iter()) {
                let shown = crate::value::Type::Unknown.show(value);
                text.push_str(column);
                text.push_str(&shown.map_or_else(|| "\u{1}".to_owned(), |s| format!("={s}\u{0}")));
            }
            sum = sum.wrapping_add(fnv(text.as_bytes()));
        }
        Some(sum)
    }
}

/// FNV-1a with a final mix: a sum of such numbers tells sets of rows apart.
fn fnv(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb)
}
