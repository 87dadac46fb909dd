//! The work queue of `ALTER TABLE`: what its last phase has to do to each table's rows.
//!
//! Source: `AlteredTableInfo` and `ATRewriteTables` in `src/backend/commands/tablecmds.c`. Phase 1 looks at the
//! actions and locks children, phase 2 changes the catalogs, phase 3 reads or rewrites each table at most once for
//! all actions together, and verifies foreign keys after that.

use std::rc::Rc;

use lock_table::LockMode;

use super::condition::Condition;
use super::run::{Outcome, Run};
use super::{ScanReason, WorkKind};
use crate::catalog::{ForeignKey, Name, RelationId, RelationKind};
use crate::error::{SqlError, sqlstate};

/// What phase 3 has to do to one table.
#[derive(Clone, Debug)]
pub(super) struct TableWork {
    pub(super) table: RelationId,
    /// A new heap is written.
    pub(super) rewrite: bool,
    /// The file is copied to another tablespace.
    pub(super) new_tablespace: Option<Name>,
    /// Columns whose values are computed during a rewrite.
    pub(super) computed: u32,
    /// What the rows must satisfy, with what is said if they do not.
    pub(super) conditions: Vec<(Condition, SqlError)>,
    /// Why the rows have to be read even if there is no rewrite.
    pub(super) scan: Option<ScanReason>,
    /// Foreign keys whose rows have to be looked up.
    pub(super) foreign_keys: Vec<(Name, Rc<ForeignKey>)>,
}

/// The tables in the order in which the statement came to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    tables: Vec<TableWork>,
}

impl Queue {
    pub(super) fn table(&mut self, table: RelationId) -> &mut TableWork {
        let at = self.tables.iter().position(|t| t.table == table).unwrap_or_else(|| {
            self.tables.push(TableWork {
                table,
                rewrite: false,
                new_tablespace: None,
                computed: 0,
                conditions: Vec::new(),
                scan: None,
                foreign_keys: Vec::new(),
            });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    /// Whether the table's heap is going to be rewritten, as far as is known by now.
    pub(super) fn rewrites(&self, table: RelationId) -> bool {
        self.tables.iter().any(|t| t.table == table && t.rewrite)
    }

    /// The rows of `table` have to satisfy something that has to be looked at.
    pub(super) fn verify(
        &mut self,
        table: RelationId,
        reason: ScanReason,
        condition: Condition,
        otherwise: SqlError,
    ) {
        let work = self.table(table);
        work.scan.get_or_insert(reason);
        work.conditions.push((condition, otherwise));
    }
}

impl Run<'_> {
    /// Phase 3.
    pub(super) fn rewrite_tables(&mut self, queue: Queue) -> Outcome {
        for work in &queue.tables {
            self.rewrite_table(work)?;
        }
        for work in &queue.tables {
            for (name, key) in &work.foreign_keys {
                self.verify_foreign_key(work.table, name, key)?;
            }
        }
        Ok(())
    }

    fn rewrite_table(&mut self, work: &TableWork) -> Outcome {
        let relation = self.relation(work.table);
        if !relation.has_heap() {
            // Partitioned and foreign tables have no rows of their own.
            return self.move_file(work);
        }
        if work.rewrite {
            self.work(work.table, WorkKind::Rewrite { computed: work.computed });
            self.check_all(work)?;
            self.catalog.change_relation(work.table, |r| {
                r.columns.iter_mut().for_each(|c| c.has_missing = false);
            });
            self.rebuild_indexes(work.table);
        } else if let Some(reason) = work.scan {
            self.scan(work.table, reason);
            self.check_all(work)?;
        }
        self.move_file(work)
    }

    fn check_all(&mut self, work: &TableWork) -> Outcome {
        for (condition, otherwise) in &work.conditions {
            self.check(condition.clone(), otherwise.clone())?;
        }
        Ok(())
    }

    fn move_file(&mut self, work: &TableWork) -> Outcome {
        if let Some(tablespace) = &work.new_tablespace {
            let has_file = !matches!(
                self.relation(work.table).kind,
                RelationKind::PartitionedTable(_) | RelationKind::View(_)
            );
            if has_file && !work.rewrite {
                self.work(work.table, WorkKind::CopyFile);
            }
            self.catalog.change_relation(work.table, |r| r.tablespace = Some(tablespace.clone()));
        }
        Ok(())
    }

    /// Joins the two tables and looks for rows that refer to nothing (`RI_Initial_Check` in `ri_triggers.c`).
    pub(super) fn verify_foreign_key(
        &mut self,
        table: RelationId,
        name: &str,
        key: &Rc<ForeignKey>,
    ) -> Outcome {
        self.lock(key.referenced, LockMode::RowShare);
        let relation = self.relation(table);
        if !relation.has_heap() {
            return Ok(());
        }
        // The join starts with the rows that refer to something: if there are none, the other table is not read.
        let no_references = |c: &crate::catalog::ColumnNumber| {
            let new = relation.column_at(*c).is_some_and(|c| self.added_null.contains(&(table, c.number)));
            new || self.facts.all_null(self.catalog, table, *c) == Some(true)
        };
        if key.columns.iter().any(no_references) {
            self.scan(table, ScanReason::Constraint);
            return Ok(());
        }
        self.work(table, WorkKind::CheckForeignKey { referenced: key.referenced });
        let otherwise = SqlError::new(
            sqlstate::FOREIGN_KEY_VIOLATION,
            format!(
                "insert or update on table \"{}\" violates foreign key constraint \"{name}\"",
                relation.name
            ),
        );
        self.check(Condition::ForeignKey { relation: table, key: key.clone() }, otherwise)
    }
}
