//! `REINDEX`, in place and concurrently.
//!
//! Source: `ReindexIndex`, `ReindexTable`, `ReindexPartitions`, `ReindexMultipleTables` and
//! `ReindexRelationConcurrently` in `src/backend/commands/indexcmds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ObjectName, Reindex, ReindexTarget};

use super::run::{Outcome, Run};
use super::{Step, WorkKind};
use crate::catalog::{IndexKeyValue, Name, Relation, RelationId, RelationKind};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn reindex(&mut self, statement: &Reindex) -> Outcome {
        match &statement.target {
            ReindexTarget::Index(name) => self.reindex_index(name, statement.concurrently),
            ReindexTarget::Table(name) => self.reindex_table(name, statement.concurrently),
            ReindexTarget::Schema(schema) => {
                self.outside_transaction(if statement.concurrently {
                    "REINDEX CONCURRENTLY"
                } else {
                    "REINDEX SCHEMA"
                })?;
                if self.catalog.schema(schema).is_none() && !self.session.assume_unknown {
                    return Err(SqlError::new(
                        sqlstate::INVALID_SCHEMA_NAME,
                        format!("schema \"{}\" does not exist", schema.text),
                    ));
                }
                self.reindex_all(Some(schema.as_str()), statement.concurrently);
                Ok(())
            }
            ReindexTarget::Database(_) => {
                self.outside_transaction(if statement.concurrently {
                    "REINDEX CONCURRENTLY"
                } else {
                    "REINDEX DATABASE"
                })?;
                self.reindex_all(None, statement.concurrently);
                Ok(())
            }
            ReindexTarget::System(_) => {
                self.outside_transaction("REINDEX SYSTEM")?;
                if statement.concurrently {
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "cannot reindex system catalogs concurrently",
                    ));
                }
                self.not_modelled("REINDEX SYSTEM", "no lock on any table of the user's");
                Ok(())
            }
        }
    }

    /// The table is locked before the index, so that nobody who comes from the table deadlocks with it
    /// (`RangeVarCallbackForReindexIndex`).
    pub(super) fn reindex_index(&mut self, name: &ObjectName, concurrently: bool) -> Outcome {
        if concurrently {
            self.outside_transaction("REINDEX CONCURRENTLY")?;
        }
        let found = self.find(name)?;
        let Some(index) = found.as_index().cloned() else {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not an index", found.name),
            ));
        };
        if index.partitioned {
            return self.reindex_partitioned_index(&found, index.table, concurrently);
        }
        if concurrently {
            self.lock(index.table, LockMode::ShareUpdateExclusive);
            return self.reindex_concurrently(index.table, &[found.id]);
        }
        self.lock(index.table, LockMode::Share);
        self.lock(found.id, LockMode::AccessExclusive);
        self.rebuild(index.table, found.id)
    }

    /// From version 14 on a partitioned index is rebuilt part by part, each in a transaction of its own.
    pub(super) fn reindex_partitioned_index(
        &mut self,
        index: &Relation,
        table: RelationId,
        concurrently: bool,
    ) -> Outcome {
        if self.version < PgVersion::V14 {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "REINDEX is not yet implemented for partitioned indexes",
            ));
        }
        self.outside_transaction("REINDEX INDEX")?;
        let mode = if concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share };
        self.lock(table, mode);
        let mut parts = vec![index.id];
        let mut next = 0;
        while let Some(parent) = parts.get(next).copied() {
            let below =
                self.catalog.relations().filter(|r| r.as_index().is_some_and(|i| i.parent == Some(parent)));
            parts.extend(below.map(|r| r.id).collect::<Vec<_>>());
            next += 1;
        }
        for part in parts.iter().skip(1) {
            self.lock(*part, LockMode::Share);
        }
        self.reindex_parts(&parts, concurrently)
    }

    pub(super) fn reindex_parts(&mut self, indexes: &[RelationId], concurrently: bool) -> Outcome {
        for id in indexes {
            let relation = self.relation(*id);
            let Some(index) = relation.as_index().filter(|i| !i.partitioned).cloned() else { continue };
            self.commit(false);
            if concurrently {
                self.lock(index.table, LockMode::ShareUpdateExclusive);
                self.reindex_concurrently(index.table, &[*id])?;
            } else {
                self.lock(index.table, LockMode::Share);
                self.lock(*id, LockMode::AccessExclusive);
                self.rebuild(index.table, *id)?;
            }
        }
        Ok(())
    }

    pub(super) fn reindex_table(&mut self, name: &ObjectName, concurrently: bool) -> Outcome {
        if concurrently {
            self.outside_transaction("REINDEX CONCURRENTLY")?;
        }
        let found = self.find(name)?;
        let mode = if concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share };
        if found.partition_key().is_some() {
            if self.version < PgVersion::V14 {
                self.lock(found.id, mode);
                self.notice("REINDEX of partitioned tables is not yet implemented, skipping");
                return Ok(());
            }
            self.outside_transaction("REINDEX TABLE")?;
            self.lock(found.id, mode);
            let tables = self.catalog.with_descendants(found.id);
            for part in tables.iter().skip(1) {
                // `ReindexPartitions` looks for them so, whatever is to come.
                self.lock(*part, LockMode::Share);
            }
            let indexes: Vec<RelationId> =
                tables.iter().flat_map(|t| self.catalog.indexes_of(*t).map(|i| i.id)).collect();
            return self.reindex_parts(&indexes, concurrently);
        }
        if !found.has_heap() {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a table or materialized view", found.name),
            ));
        }
        self.lock(found.id, mode);
        if !concurrently {
            if found.has_toast_table() {
                // The TOAST table has an index too.
                self.work_on_catalogs();
            }
            return self.rebuild_all(found.id);
        }
        let mut indexes = Vec::new();
        for index in self.catalog.indexes_of(found.id).cloned().collect::<Vec<_>>() {
            let Some(definition) = index.as_index() else { continue };
            let exclusion = definition.keys.iter().any(|k| k.exclusion_operator.is_some());
            if !definition.valid {
                self.notice(format!(
                    "cannot reindex invalid index \"{}.{}\" concurrently, skipping",
                    index.schema, index.name
                ));
            } else if exclusion {
                self.notice(format!(
                    "cannot reindex exclusion constraint index \"{}.{}\" concurrently, skipping",
                    index.schema, index.name
                ));
            } else {
                indexes.push(index.id);
            }
        }
        // The index of the TOAST table is rebuilt along with the table's own.
        if indexes.is_empty() && !found.has_toast_table() {
            self.notice(format!(
                "table \"{}\" has no indexes that can be reindexed concurrently",
                found.name
            ));
            return Ok(());
        }
        self.reindex_concurrently(found.id, &indexes)
    }

    pub(super) fn rebuild_all(&mut self, table: RelationId) -> Outcome {
        let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
        let relation = self.relation(table);
        if indexes.is_empty() && !relation.has_toast_table() {
            self.notice(format!("table \"{}\" has no indexes to reindex", relation.name));
        }
        for index in indexes {
            self.lock(index, LockMode::AccessExclusive);
            self.rebuild(table, index)?;
        }
        Ok(())
    }

    /// Builds an index into a new file. An invalid one becomes valid by it.
    pub(super) fn rebuild(&mut self, table: RelationId, index: RelationId) -> Outcome {
        self.build_again(table, index, false)?;
        self.set_index_state(index, true, true);
        Ok(())
    }

    /// Every table of the schema, or of all, in a transaction of its own (`ReindexMultipleTables`).
    pub(super) fn reindex_all(&mut self, schema: Option<&str>, concurrently: bool) {
        let of_schema = |r: &&Rc<Relation>| schema.is_none_or(|s| &*r.schema == s) && r.has_heap();
        let tables: Vec<RelationId> = self.catalog.relations().filter(of_schema).map(|r| r.id).collect();
        for table in tables {
            let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
            self.commit(false);
            if concurrently && !indexes.is_empty() {
                self.lock(table, LockMode::ShareUpdateExclusive);
                let _ = self.reindex_concurrently(table, &indexes);
                continue;
            }
            self.lock(table, LockMode::Share);
            let _ = self.rebuild_all(table);
        }
    }

    /// `ReindexRelationConcurrently`: a copy of each index is created, built and validated as by `CREATE INDEX
    /// CONCURRENTLY`, takes the old one's place and name, and the old one is dropped as by `DROP INDEX CONCURRENTLY`:
    /// five waits, of which the last two are for readers too.
    pub(super) fn reindex_concurrently(&mut self, table: RelationId, indexes: &[RelationId]) -> Outcome {
        let mode = LockMode::ShareUpdateExclusive;
        let mut pairs = Vec::new();
        for id in indexes {
            let old = self.relation(*id);
            let Some(definition) = old.as_index().cloned() else { continue };
            if definition.keys.iter().any(|k| k.exclusion_operator.is_some()) {
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "concurrent index creation for exclusion constraints is not supported",
                ));
            }
            self.lock(*id, mode);
            let copy = self.concurrent_copy(&old, definition);
            self.steps.push(Step::SessionLock { relation: *id, mode });
            self.steps.push(Step::SessionLock { relation: copy, mode });
            pairs.push((*id, copy));
        }
        self.steps.push(Step::SessionLock { relation: table, mode });
        let safe = self.version >= PgVersion::V14 && indexes.iter().all(|id| self.is_safe_index(*id));
        self.commit(safe);
        self.wait_for_users(table, LockMode::Share);
        for (_, copy) in &pairs {
            self.lock(table, mode);
            self.lock(*copy, LockMode::RowExclusive);
            self.build_again(table, *copy, true)?;
            self.set_index_state(*copy, false, true);
            self.commit(safe);
        }
        self.wait_for_users(table, LockMode::Share);
        for (_, copy) in &pairs {
            self.lock(table, mode);
            self.lock(*copy, LockMode::RowExclusive);
            self.steps.push(Step::TakeSnapshot);
            self.work(table, WorkKind::ValidateIndex { index: *copy });
            self.commit(safe);
            self.steps.push(Step::WaitForOlderSnapshots);
        }
        if pairs.is_empty() {
            // The TOAST table's index is alone, and snapshots older than its copy are waited for all the same.
            self.steps.push(Step::TakeSnapshot);
            self.commit(false);
            self.steps.push(Step::WaitForOlderSnapshots);
        }
        for (old, copy) in &pairs {
            self.swap_indexes(*old, *copy);
        }
        self.commit(false);
        self.wait_for_users(table, LockMode::AccessExclusive);
        for (old, _) in &pairs {
            self.set_index_state(*old, false, false);
        }
        self.commit(false);
        self.wait_for_users(table, LockMode::AccessExclusive);
        for (old, _) in &pairs {
            self.lock(table, mode);
            self.lock(*old, LockMode::AccessExclusive);
            self.forget_relation(*old);
        }
        self.work(table, WorkKind::Catalog);
        for (old, copy) in &pairs {
            self.steps.push(Step::SessionUnlock { relation: *old, mode });
            self.steps.push(Step::SessionUnlock { relation: *copy, mode });
        }
        self.steps.push(Step::SessionUnlock { relation: table, mode });
        Ok(())
    }

    pub(super) fn wait_for_users(&mut self, relation: RelationId, mode: LockMode) {
        self.steps.push(Step::WaitForLockHolders { relation, mode });
    }

    pub(super) fn is_safe_index(&self, id: RelationId) -> bool {
        self.relation(id).as_index().is_some_and(|i| {
            i.predicate.is_none() && i.keys.iter().all(|k| matches!(k.value, IndexKeyValue::Column(_)))
        })
    }

    /// An index like another, named `…_ccnew`, not valid and not ready.
    pub(super) fn concurrent_copy(
        &mut self,
        old: &Relation,
        definition: crate::catalog::Index,
    ) -> RelationId {
        let id = self.catalog.new_relation_id();
        let name: Name = self.choose_relation_name(&old.schema, &old.name, "", "ccnew");
        let index = crate::catalog::Index {
            valid: false,
            ready: false,
            constraint: None,
            primary: false,
            ..definition
        };
        let copy = Relation { id, name, kind: RelationKind::Index(index), ..old.clone() };
        self.create_relation(copy);
        self.copy_dependencies(old.id, id);
        id
    }

    pub(super) fn copy_dependencies(&mut self, from: RelationId, to: RelationId) {
        use crate::catalog::ObjectAddress;
        for dependency in self.catalog.dependencies_of(ObjectAddress::relation(from)) {
            self.catalog.add_dependency(ObjectAddress::relation(to), dependency.referenced, dependency.kind);
        }
    }

    /// The copy takes the old index's name, constraint and place; the old one becomes `…_ccold`.
    pub(super) fn swap_indexes(&mut self, old: RelationId, copy: RelationId) {
        let before = self.relation(old);
        let Some(definition) = before.as_index().cloned() else { return };
        let name = before.name.clone();
        let old_name = self.choose_relation_name(&before.schema, &name, "", "ccold");
        self.catalog.change_relation(old, |r| {
            r.name = old_name;
            if let RelationKind::Index(index) = &mut r.kind {
                (index.constraint, index.primary, index.valid, index.parent) = (None, false, false, None);
            }
        });
        self.catalog.change_relation(copy, |r| {
            r.name = name;
            if let RelationKind::Index(index) = &mut r.kind {
                (index.constraint, index.primary, index.parent) =
                    (definition.constraint, definition.primary, definition.parent);
                (index.valid, index.ready) = (true, true);
            }
        });
        self.catalog.change_relation(definition.table, |r| r.replace_index(old, copy));
        let users: Vec<RelationId> =
            self.catalog.referencing(definition.table).map(|(owner, _, _)| owner.id).collect();
        for user in users {
            self.catalog.change_relation(user, |r| r.replace_index(old, copy));
        }
        self.move_dependents(old, copy);
    }

    pub(super) fn move_dependents(&mut self, from: RelationId, to: RelationId) {
        use crate::catalog::{Change, ObjectAddress};
        for dependency in self.catalog.dependents_of(ObjectAddress::relation(from)) {
            self.catalog.record(Change::Forget(dependency));
            self.catalog.add_dependency(dependency.dependent, ObjectAddress::relation(to), dependency.kind);
        }
    }
}
