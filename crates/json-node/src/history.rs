//! What a session has done, and what may be taken for granted because it has not.
//!
//! A message may presuppose steps: an index on `users` presupposes that `users` was created. On a
//! fresh node such steps are taken first, as if they lay in the past. Once the session has taken a
//! step of that kind itself, nothing of that kind is taken for granted any more.

use std::collections::BTreeMap;

use scenarios::TableBackup;

/// The steps of a session so far.
#[derive(Clone, Default)]
pub(crate) struct History {
    /// Refuses to take anything for granted.
    pub(crate) strict: bool,
    /// The schema was migrated or rolled back.
    pub(crate) schema_steps: bool,
    /// A column was expanded, copied, backfilled or contracted.
    pub(crate) column_steps: bool,
    /// Steps of expand–contract so far: the version that the next one gets is one more.
    pub(crate) column_version: u64,
    /// The columns that steps of this session have filled, by table: what validations are about.
    pub(crate) filled: BTreeMap<String, Vec<String>>,
    /// What tables held before their data was migrated.
    pub(crate) backups: BTreeMap<String, TableBackup>,
}

impl History {
    pub(crate) fn presupposes_schema(&self) -> bool {
        !self.strict && !self.schema_steps
    }

    pub(crate) fn presupposes_columns(&self) -> bool {
        !self.strict && !self.column_steps
    }

    /// Counts a step of expand–contract and gives its version.
    pub(crate) fn next_column_version(&mut self) -> u64 {
        self.column_steps = true;
        self.column_version += 1;
        self.column_version
    }

    pub(crate) fn note_filled(&mut self, table: &str, column: &str) {
        let columns = self.filled.entry(table.to_owned()).or_default();
        if !columns.iter().any(|known| known == column) {
            columns.push(column.to_owned());
        }
    }
}
