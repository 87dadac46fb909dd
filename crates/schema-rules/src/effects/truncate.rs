//! `TRUNCATE`.
//!
//! Source: `ExecuteTruncate` in `src/backend/commands/tablecmds.c`.

use lock_table::LockMode;
use sql_syntax::ast::{DropBehavior, Truncate};

use super::WorkKind;
use super::run::{Outcome, Run};
use crate::catalog::RelationId;
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    /// Temporary tables of other sessions are left alone (`RELATION_IS_OTHER_TEMP`).
    fn is_others_temporary(&self, id: RelationId) -> bool {
        let schema = &self.relation(id).schema;
        schema.starts_with("pg_temp_") && !self.session.search_path.contains(schema)
    }

    /// Each table gets a new, empty file, and so does each of its indexes.
    pub(super) fn truncate(&mut self, statement: &Truncate) -> Outcome {
        let mut ids = Vec::new();
        for table in &statement.tables {
            let relation = self.open(&table.name, LockMode::AccessExclusive)?;
            if !relation.is_table() {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a table", relation.name),
                ));
            }
            if table.only && relation.partition_key().is_some() {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    "cannot truncate only a partitioned table",
                )
                .hint("Do not specify the ONLY keyword, or use TRUNCATE ONLY on the partitions directly."));
            }
            push_new(&mut ids, relation.id);
            if !table.only {
                for id in self.catalog.with_descendants(relation.id).into_iter().skip(1) {
                    if self.is_others_temporary(id) {
                        continue;
                    }
                    self.lock(id, LockMode::AccessExclusive);
                    push_new(&mut ids, id);
                }
            }
        }
        if statement.behavior == DropBehavior::Cascade {
            self.truncate_referencing(&mut ids);
        }
        self.truncatable(&ids)?;
        for id in &ids {
            self.not_in_use(&self.relation(*id), "TRUNCATE")?;
        }
        if statement.restart_identity {
            for id in ids.clone() {
                for sequence in self.owned_sequences(&self.relation(id)) {
                    self.lock(sequence, LockMode::AccessExclusive);
                    self.work(sequence, WorkKind::NewSequenceFile);
                }
            }
        }
        for id in ids {
            if self.relation(id).has_heap() {
                self.truncate_one(id);
            }
        }
        Ok(())
    }

    pub(super) fn truncate_one(&mut self, id: RelationId) {
        self.work(id, WorkKind::Truncate);
        self.lock(id, LockMode::Share);
        let indexes: Vec<RelationId> = self.catalog.indexes_of(id).map(|i| i.id).collect();
        for index in indexes {
            self.lock(index, LockMode::AccessExclusive);
            self.work(id, WorkKind::BuildEmptyIndex { index });
        }
    }

    /// CASCADE takes every table that refers to one of them, and so on.
    pub(super) fn truncate_referencing(&mut self, ids: &mut Vec<RelationId>) {
        let mut next = 0;
        while let Some(id) = ids.get(next).copied() {
            let referencing: Vec<RelationId> =
                self.catalog.referencing(id).map(|(owner, _, _)| owner.id).collect();
            for owner in referencing {
                if !ids.contains(&owner) {
                    self.notice(format!("truncate cascades to table \"{}\"", self.relation(owner).name));
                    self.lock(owner, LockMode::AccessExclusive);
                    ids.push(owner);
                }
            }
            next += 1;
        }
    }

    pub(super) fn truncatable(&self, ids: &[RelationId]) -> Outcome {
        for id in ids {
            if let Some((owner, _, _)) =
                self.catalog.referencing(*id).find(|(owner, _, _)| !ids.contains(&owner.id))
            {
                let table = &self.relation(*id).name;
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "cannot truncate a table referenced in a foreign key constraint",
                )
                .detail(format!("Table \"{}\" references \"{table}\".", owner.name))
                .hint(format!(
                    "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                    owner.name
                )));
            }
        }
        Ok(())
    }
}

pub(super) fn push_new(ids: &mut Vec<RelationId>, id: RelationId) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}
