//! `VACUUM`, `ANALYZE`, `CLUSTER`.
//!
//! Source: `src/backend/commands/vacuum.c`, `cluster.c`.

use lock_table::LockMode;
use sql_syntax::ast::{Analyze, Cluster, Ident, MaintenanceOption, TableName, Vacuum, has_option};

use super::run::{Outcome, Run};
use super::{Step, Wait, WorkKind};
use crate::catalog::{Relation, RelationId};
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
        self.not_in_use(&table, "CLUSTER")?;
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
}
