//! `VACUUM`, `ANALYZE`, `CLUSTER`, `REINDEX`, `TRUNCATE`.
//!
//! Source: `src/backend/commands/vacuum.c`, `cluster.c`, `indexcmds.c` (`ReindexIndex` and its relatives),
//! `tablecmds.c` (`ExecuteTruncate`).

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    Analyze, Cluster, DropBehavior, Ident, MaintenanceOption, ObjectName, Reindex, ReindexTarget, TableName,
    Truncate, Vacuum, has_option,
};

use super::run::{Outcome, Run};
use super::{Step, Wait, WorkKind};
use crate::catalog::{IndexKeyValue, Name, Relation, RelationId, RelationKind};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// Options that VACUUM has learned.
const VACUUM_OPTIONS_SINCE: [(&str, PgVersion); 6] = [
    ("parallel", PgVersion::V13),
    ("process_toast", PgVersion::V14),
    ("process_main", PgVersion::V16),
    ("buffer_usage_limit", PgVersion::V16),
    ("skip_database_stats", PgVersion::V16),
    ("only_database_stats", PgVersion::V16),
];

impl Run<'_> {
    // ---- VACUUM and ANALYZE ----

    pub(super) fn vacuum(&mut self, statement: &Vacuum) -> Outcome {
        let full = has_option(&statement.options, "full");
        self.vacuum_options(statement, full)?;
        self.outside_transaction("VACUUM")?;
        let mode = if full { LockMode::AccessExclusive } else { LockMode::ShareUpdateExclusive };
        let skip = has_option(&statement.options, "skip_locked");
        let freeze = has_option(&statement.options, "freeze");
        let names: Vec<&TableName> = statement.tables.iter().map(|(table, _)| table).collect();
        for id in self.tables_to_maintain(&names, skip)? {
            // Each table in a transaction of its own (`vacuum_rel`).
            self.commit(false);
            let relation = self.relation(id);
            let wait = if skip { Wait::Skip } else { Wait::Block };
            self.steps.push(Step::Lock { relation: id, mode, wait });
            if full && relation.has_heap() {
                self.work(id, WorkKind::Rewrite { computed: 0 });
                self.rebuild_indexes(id);
            } else if relation.has_heap() {
                self.work(id, WorkKind::Vacuum { freeze });
                self.truncate_tail(id, &statement.options, &relation);
            }
            if has_option(&statement.options, "analyze") {
                self.commit(false);
                self.steps.push(Step::Lock { relation: id, mode: LockMode::ShareUpdateExclusive, wait });
                self.work(id, WorkKind::Analyze);
            }
        }
        Ok(())
    }

    /// Options are looked at before anything else, also before the transaction (`ExecVacuum`).
    fn vacuum_options(&self, statement: &Vacuum, full: bool) -> Outcome {
        let late = |o: &&MaintenanceOption| {
            VACUUM_OPTIONS_SINCE.iter().any(|(name, since)| *name == o.name && self.version < *since)
        };
        if let Some(option) = statement.options.iter().find(late) {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("unrecognized VACUUM option \"{}\"", option.name),
            ));
        }
        self.only_is_known(&statement.tables)?;
        if full && statement.options.iter().any(|o| o.name == "parallel" && o.is_on()) {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "VACUUM FULL cannot be performed in parallel",
            ));
        }
        let columns = statement.tables.iter().any(|(_, columns)| !columns.is_empty());
        if columns && !has_option(&statement.options, "analyze") {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "ANALYZE option must be specified when a column list is provided",
            ));
        }
        Ok(())
    }

    /// ONLY came to VACUUM and ANALYZE when they began to follow inheritance.
    fn only_is_known(&self, tables: &[(TableName, Vec<Ident>)]) -> Outcome {
        let only = tables.iter().any(|(table, _)| table.only);
        if only && self.version < PgVersion::V18 { Err(SqlError::syntax("ONLY")) } else { Ok(()) }
    }

    /// Empty pages at the end of the table are given back to the system under ACCESS EXCLUSIVE, which is only asked
    /// for, never waited for (`lazy_truncate_heap`). Whether there are any is known to the data alone.
    fn truncate_tail(&mut self, id: RelationId, options: &[MaintenanceOption], relation: &Relation) {
        let off = |o: &MaintenanceOption| o.name == "truncate" && !o.is_on();
        let disabled = relation.options.iter().any(|(n, v)| &**n == "vacuum_truncate" && &**v == "false");
        if options.iter().any(off) || disabled || !self.facts.has_empty_tail(self.catalog, id) {
            return;
        }
        self.steps.push(Step::Lock { relation: id, mode: LockMode::AccessExclusive, wait: Wait::Skip });
        self.steps.push(Step::Unlock { relation: id, mode: LockMode::AccessExclusive });
    }

    pub(super) fn analyze(&mut self, statement: &Analyze) -> Outcome {
        self.only_is_known(&statement.tables)?;
        let skip = has_option(&statement.options, "skip_locked");
        let names: Vec<&TableName> = statement.tables.iter().map(|(table, _)| table).collect();
        let tables = self.tables_to_maintain(&names, skip)?;
        for (table, columns) in &statement.tables {
            let id = self.find(&table.name)?.id;
            for column in columns {
                self.column(id, column)?;
            }
        }
        let wait = if skip { Wait::Skip } else { Wait::Block };
        // Several tables have a transaction each, unless there is one around them all (`vacuum`).
        let each_alone = tables.len() > 1 && !self.session.in_transaction;
        for id in tables {
            if each_alone {
                self.commit(false);
            }
            self.steps.push(Step::Lock { relation: id, mode: LockMode::ShareUpdateExclusive, wait });
            let relation = self.relation(id);
            if relation.partition_key().is_some() || self.catalog.children_of(id).next().is_some() {
                // The statistics of the whole hierarchy are sampled from all of it.
                for child in self.catalog.with_descendants(id).into_iter().skip(1) {
                    self.lock(child, LockMode::AccessShare);
                }
            }
            self.work(id, WorkKind::Analyze);
        }
        Ok(())
    }

    /// The tables of a VACUUM or ANALYZE: those named, with their partitions (`expand_vacuum_rel`), or all. The name is
    /// looked up under ACCESS SHARE, which is given back by VACUUM and kept by ANALYZE inside a transaction.
    fn tables_to_maintain(&mut self, names: &[&TableName], skip: bool) -> Outcome<Vec<RelationId>> {
        if names.is_empty() {
            let all = self.catalog.relations().filter(|r| r.has_heap() || r.partition_key().is_some());
            return Ok(all.map(|r| r.id).collect());
        }
        let mut found = Vec::new();
        for table in names {
            let relation = self.find(&table.name)?;
            if !relation.is_table() && !relation.has_heap() {
                self.notice(format!(
                    "skipping \"{}\" --- cannot vacuum non-tables or special system tables",
                    relation.name
                ));
                continue;
            }
            let wait = if skip { Wait::Skip } else { Wait::Block };
            self.steps.push(Step::Lock { relation: relation.id, mode: LockMode::AccessShare, wait });
            let inherits = self.version >= PgVersion::V18 || relation.partition_key().is_some();
            if inherits && !table.only {
                // Partitions come along since version 10, inheritance children since 18.
                found.extend(self.catalog.with_descendants(relation.id));
            } else {
                found.push(relation.id);
            }
        }
        Ok(found)
    }

    // ---- CLUSTER ----

    pub(super) fn cluster(&mut self, statement: &Cluster) -> Outcome {
        let Some(name) = &statement.table else {
            self.outside_transaction("CLUSTER")?;
            let clustered: Vec<RelationId> =
                self.catalog.relations().filter(|r| r.clustered_on.is_some()).map(|r| r.id).collect();
            for id in clustered {
                self.commit(false);
                self.lock(id, LockMode::AccessExclusive);
                self.cluster_table(id);
            }
            return Ok(());
        };
        let table = self.open(name, LockMode::AccessExclusive)?;
        let index = match &statement.index {
            Some(index) => {
                let found = self.catalog.find_in(&table.schema, &index.name).cloned();
                match found {
                    Some(found) if found.as_index().is_some_and(|i| i.table == table.id) => found,
                    Some(found) => {
                        return Err(SqlError::new(
                            sqlstate::WRONG_OBJECT_TYPE,
                            format!("\"{}\" is not an index for table \"{}\"", found.name, table.name),
                        ));
                    }
                    None => {
                        return Err(SqlError::new(
                            sqlstate::UNDEFINED_OBJECT,
                            format!(
                                "index \"{}\" for table \"{}\" does not exist",
                                index.name.text, table.name
                            ),
                        ));
                    }
                }
            }
            None => match table.clustered_on {
                Some(index) => self.relation(index),
                None => {
                    return Err(SqlError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("there is no previously clustered index for table \"{}\"", table.name),
                    ));
                }
            },
        };
        if table.partition_key().is_some() {
            if self.version < PgVersion::V15 {
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "cannot cluster a partitioned table",
                ));
            }
            self.outside_transaction("CLUSTER")?;
        }
        self.lock(index.id, LockMode::AccessExclusive);
        self.clusterable(&index)?;
        self.catalog.change_relation(table.id, |r| r.clustered_on = Some(index.id));
        for id in self.catalog.with_descendants(table.id) {
            if id != table.id {
                if table.partition_key().is_none() {
                    break;
                }
                self.commit(false);
                self.lock(id, LockMode::AccessExclusive);
            }
            if self.relation(id).has_heap() {
                self.cluster_table(id);
            }
        }
        Ok(())
    }

    fn cluster_table(&mut self, id: RelationId) {
        self.work(id, WorkKind::Rewrite { computed: 0 });
        self.rebuild_indexes(id);
    }

    // ---- REINDEX ----

    pub(super) fn reindex(&mut self, statement: &Reindex) -> Outcome {
        match &statement.target {
            ReindexTarget::Index(name) => self.reindex_index(name, statement.concurrently),
            ReindexTarget::Table(name) => self.reindex_table(name, statement.concurrently),
            ReindexTarget::Schema(schema) => {
                self.outside_transaction("REINDEX SCHEMA")?;
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
                self.outside_transaction("REINDEX DATABASE")?;
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
    fn reindex_index(&mut self, name: &ObjectName, concurrently: bool) -> Outcome {
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
    fn reindex_partitioned_index(
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
        self.reindex_parts(&parts, concurrently)
    }

    fn reindex_parts(&mut self, indexes: &[RelationId], concurrently: bool) -> Outcome {
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

    fn reindex_table(&mut self, name: &ObjectName, concurrently: bool) -> Outcome {
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
            if has_toast_table(&found) {
                // The TOAST table has an index, too.
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
        if indexes.is_empty() && !has_toast_table(&found) {
            self.notice(format!(
                "table \"{}\" has no indexes that can be reindexed concurrently",
                found.name
            ));
            return Ok(());
        }
        self.reindex_concurrently(found.id, &indexes)
    }

    fn rebuild_all(&mut self, table: RelationId) -> Outcome {
        let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
        let relation = self.relation(table);
        if indexes.is_empty() && !has_toast_table(&relation) {
            self.notice(format!("table \"{}\" has no indexes to reindex", relation.name));
        }
        for index in indexes {
            self.lock(index, LockMode::AccessExclusive);
            self.rebuild(table, index)?;
        }
        Ok(())
    }

    /// Builds an index into a new file. An invalid one becomes valid by it.
    fn rebuild(&mut self, table: RelationId, index: RelationId) -> Outcome {
        self.build_again(table, index, false)?;
        self.set_index_state(index, true, true);
        Ok(())
    }

    /// Every table of the schema, or of all, in a transaction of its own (`ReindexMultipleTables`).
    fn reindex_all(&mut self, schema: Option<&str>, concurrently: bool) {
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
    fn reindex_concurrently(&mut self, table: RelationId, indexes: &[RelationId]) -> Outcome {
        let mode = LockMode::ShareUpdateExclusive;
        if indexes.is_empty() {
            // Only the TOAST table's index, which nobody uses, and the snapshots that are older than its copy.
            self.steps.push(Step::SessionLock { relation: table, mode });
            self.commit(false);
            self.steps.push(Step::TakeSnapshot);
            self.commit(false);
            self.steps.push(Step::WaitForOlderSnapshots);
            self.steps.push(Step::SessionUnlock { relation: table, mode });
            return Ok(());
        }
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

    fn wait_for_users(&mut self, relation: RelationId, mode: LockMode) {
        self.steps.push(Step::WaitForLockHolders { relation, mode });
    }

    fn is_safe_index(&self, id: RelationId) -> bool {
        self.relation(id).as_index().is_some_and(|i| {
            i.predicate.is_none() && i.keys.iter().all(|k| matches!(k.value, IndexKeyValue::Column(_)))
        })
    }

    /// An index like another, named `…_ccnew`, not valid and not ready.
    fn concurrent_copy(&mut self, old: &Relation, definition: crate::catalog::Index) -> RelationId {
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

    fn copy_dependencies(&mut self, from: RelationId, to: RelationId) {
        use crate::catalog::ObjectAddress;
        for dependency in self.catalog.dependencies_of(ObjectAddress::relation(from)) {
            self.catalog.add_dependency(ObjectAddress::relation(to), dependency.referenced, dependency.kind);
        }
    }

    /// The copy takes the old index's name, constraint and place; the old one becomes `…_ccold`.
    fn swap_indexes(&mut self, old: RelationId, copy: RelationId) {
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

    fn move_dependents(&mut self, from: RelationId, to: RelationId) {
        use crate::catalog::{Change, ObjectAddress};
        for dependency in self.catalog.dependents_of(ObjectAddress::relation(from)) {
            self.catalog.record(Change::Forget(dependency));
            self.catalog.add_dependency(dependency.dependent, ObjectAddress::relation(to), dependency.kind);
        }
    }

    // ---- TRUNCATE ----

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
    fn truncate_referencing(&mut self, ids: &mut Vec<RelationId>) {
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

    fn truncatable(&self, ids: &[RelationId]) -> Outcome {
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

fn push_new(ids: &mut Vec<RelationId>, id: RelationId) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}

/// Whether values may have to be kept outside of the rows, in a table with an index of its own
/// (`needs_toast_table` in heap.c).
fn has_toast_table(relation: &Relation) -> bool {
    relation.live_columns().any(|c| c.data_type.width().is_none())
}
