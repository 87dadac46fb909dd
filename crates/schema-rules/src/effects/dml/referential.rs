//! What foreign keys do when rows change.
//!
//! Source: `src/backend/utils/adt/ri_triggers.c`. A row that refers looks its row up with FOR KEY SHARE, which locks
//! the other table in ROW SHARE; a key that is unchanged or NULL is not looked up. A row that may be referred to is
//! searched for in the referencing table: in ROW SHARE to refuse, in ROW EXCLUSIVE to cascade, and from end to end
//! if no index leads with the referencing column.

use lock_table::LockMode;
use sql_syntax::ast::{Assignment, Expr, ExprKind, Insert, Literal, TriggerEvent};

use super::access::leads_an_index;
use super::change::value_of;
use crate::catalog::{ColumnNumber, Constraint, ForeignKey, ReferentialAction, Relation, RelationId};
use crate::effects::condition::{Affected, Written};
use crate::effects::run::{Outcome, Run};
use crate::effects::{ScanReason, WorkKind};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    /// Rows that an INSERT brings in.
    pub(super) fn check_references_of_new_rows(
        &mut self,
        table: &Relation,
        statement: &Insert,
        rows: Option<&[&Vec<Expr>]>,
        written: Option<&Written<'_>>,
    ) -> Outcome {
        if self.session.is_replica {
            return Ok(());
        }
        for (constraint, key) in table.foreign_keys() {
            if !constraint.enforced {
                continue;
            }
            if !self.at_once(constraint) {
                self.put_off(table.id);
                continue;
            }
            let given =
                |row: &&Vec<Expr>| key.columns.iter().all(|c| self.has_value(table, statement, row, *c));
            let looks_up = match rows {
                Some(rows) => rows.iter().any(given),
                None => {
                    let named = |c: &ColumnNumber| {
                        let name = table.column_at(*c).map(|c| c.name.clone());
                        statement.columns.is_empty()
                            || name.is_some_and(|n| statement.columns.iter().any(|c| *c.text == *n))
                    };
                    key.columns.iter().all(named)
                }
            };
            if looks_up {
                self.look_up(key.referenced);
                if let Some(written) = written {
                    self.reference_holds(table, constraint, key, written)?;
                }
            }
        }
        self.put_off_triggers(table, &TriggerEvent::Insert);
        Ok(())
    }

    /// A constraint trigger that is deferred fires when the transaction commits.
    fn put_off_triggers(&mut self, table: &Relation, event: &TriggerEvent) {
        let same = |e: &TriggerEvent| std::mem::discriminant(e) == std::mem::discriminant(event);
        let deferred = table.triggers.iter().any(|t| {
            let definition = &t.definition;
            t.enabled
                && definition.constraint
                && definition.attributes.initially_deferred == Some(true)
                && definition.events.iter().any(same)
        });
        if deferred {
            self.put_off(table.id);
        }
    }

    fn has_value(&self, table: &Relation, statement: &Insert, row: &[Expr], column: ColumnNumber) -> bool {
        let Some(column) = table.column_at(column) else { return false };
        match value_of(table, statement, row, &column.name) {
            Some(value) if matches!(value.kind, ExprKind::Literal(Literal::Null)) => false,
            Some(value) if !matches!(value.kind, ExprKind::Default) => true,
            _ => column.default.is_some() || column.identity.is_some(),
        }
    }

    fn look_up(&mut self, referenced: RelationId) {
        self.lock(referenced, LockMode::RowShare);
        self.work(referenced, WorkKind::Rows { count: Some(1), written: true });
    }

    /// Rows that an UPDATE changes: as referring ones, and as ones that are referred to.
    pub(super) fn references_of_changed_rows(
        &mut self,
        table: &Relation,
        assignments: &[Assignment],
        affected: Affected<'_>,
        written: Option<&Written<'_>>,
    ) -> Outcome {
        if self.session.is_replica || self.facts.any_row(self.catalog, table.id, affected) == Some(false) {
            return Ok(());
        }
        let changed = self.changed_columns(table, assignments, affected);
        // Triggers fire in the order of their names, and those of keys that refer to the table come first
        // (`RI_ConstraintTrigger_a_…` before `RI_ConstraintTrigger_c_…`).
        self.act_on_referencing(table, Some(&changed), affected)?;
        for (constraint, key) in table.foreign_keys() {
            let nulled = |c: &ColumnNumber| {
                assignments.iter().any(|a| {
                    let null = matches!(a.value.kind, ExprKind::Literal(Literal::Null));
                    null && a.columns.iter().any(|n| table.column(n).is_some_and(|own| own.number == *c))
                })
            };
            // A key with NULL refers to nothing.
            let refers = key.match_full || !key.columns.iter().any(nulled);
            if !constraint.enforced || !refers || !key.columns.iter().any(|c| changed.contains(c)) {
                continue;
            }
            if !self.at_once(constraint) {
                self.put_off(table.id);
                continue;
            }
            self.look_up(key.referenced);
            if let Some(written) = written {
                self.reference_holds(table, constraint, key, written)?;
            }
        }
        self.put_off_triggers(table, &TriggerEvent::Update(Vec::new()));
        Ok(())
    }

    pub(super) fn references_of_deleted_rows(&mut self, table: &Relation, affected: Affected<'_>) -> Outcome {
        if self.session.is_replica || self.facts.any_row(self.catalog, table.id, affected) == Some(false) {
            return Ok(());
        }
        self.put_off_triggers(table, &TriggerEvent::Delete);
        self.act_on_referencing(table, None, affected)
    }

    /// The columns that the assignments may change.
    fn changed_columns(
        &self,
        table: &Relation,
        assignments: &[Assignment],
        affected: Affected<'_>,
    ) -> Vec<ColumnNumber> {
        let mut changed = Vec::new();
        for assignment in assignments {
            for name in &assignment.columns {
                let Some(column) = table.column(name) else { continue };
                let itself = crate::expression::bare_column(&assignment.value) == Some(&*column.name);
                let known =
                    self.facts.changes(self.catalog, table.id, column.number, &assignment.value, affected);
                if !itself && known != Some(false) {
                    changed.push(column.number);
                }
            }
        }
        changed
    }

    /// What the foreign keys that refer to the table do about rows that change their key (or, without `changed`, go).
    fn act_on_referencing(
        &mut self,
        table: &Relation,
        changed: Option<&[ColumnNumber]>,
        affected: Affected<'_>,
    ) -> Outcome {
        for (owner, constraint, key) in self.referring_to(table.id) {
            if changed.is_some_and(|changed| !key.referenced_columns.iter().any(|c| changed.contains(c))) {
                continue;
            }
            let action = if changed.is_some() { key.on_update } else { key.on_delete };
            if action == ReferentialAction::NoAction && !self.at_once(&constraint) {
                // Looked at when the transaction commits.
                self.put_off(table.id);
                continue;
            }
            let path = vec![(owner, key)];
            self.act(table, table, &constraint, &path, action, affected)?;
            if action == ReferentialAction::Cascade && changed.is_none() && owner != table.id {
                self.act_below(table, &path, affected)?;
            }
        }
        Ok(())
    }

    fn referring_to(&self, table: RelationId) -> Vec<(RelationId, Constraint, ForeignKey)> {
        let referring = self.catalog.referencing(table).filter(|(_, c, _)| c.enforced && c.parent.is_none());
        referring.map(|(owner, c, key)| (owner.id, c.clone(), key.clone())).collect()
    }

    /// Rows that a cascade deletes at the end of a path may be referred to in turn.
    fn act_below(
        &mut self,
        table: &Relation,
        path: &[(RelationId, ForeignKey)],
        affected: Affected<'_>,
    ) -> Outcome {
        const DEEPEST: usize = 16;
        let Some((last, _)) = path.last() else { return Ok(()) };
        if self.facts.still_referenced(self.catalog, table.id, path, affected) == Some(false) {
            return Ok(());
        }
        let deleted_from = self.relation(*last);
        for (owner, constraint, key) in self.referring_to(deleted_from.id) {
            let action = key.on_delete;
            let mut path = path.to_vec();
            path.push((owner, key));
            self.act(table, &deleted_from, &constraint, &path, action, affected)?;
            if action == ReferentialAction::Cascade && owner != deleted_from.id && path.len() < DEEPEST {
                self.act_below(table, &path, affected)?;
            }
        }
        Ok(())
    }

    /// Looks for the rows that the last key of the path is about, and refuses or changes them.
    fn act(
        &mut self,
        table: &Relation,
        deleted_from: &Relation,
        constraint: &Constraint,
        path: &[(RelationId, ForeignKey)],
        action: ReferentialAction,
        affected: Affected<'_>,
    ) -> Outcome {
        let Some((owner, key)) = path.last() else { return Ok(()) };
        self.search(*owner, key, action);
        let finds = || self.facts.still_referenced(self.catalog, table.id, path, affected) == Some(true);
        let owner = self.relation(*owner);
        match action {
            ReferentialAction::NoAction | ReferentialAction::Restrict if finds() => Err(SqlError::new(
                if self.version >= PgVersion::V18 && action == ReferentialAction::Restrict {
                    sqlstate::RESTRICT_VIOLATION
                } else {
                    sqlstate::FOREIGN_KEY_VIOLATION
                },
                format!(
                    "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                    deleted_from.name, constraint.name, owner.name
                ),
            )),
            ReferentialAction::SetNull => {
                let columns = key.columns.iter().filter_map(|c| owner.column_at(*c));
                match columns.into_iter().find(|c| c.not_null) {
                    Some(column) if finds() => Err(SqlError::new(
                        sqlstate::NOT_NULL_VIOLATION,
                        format!(
                            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                            column.name, owner.name
                        ),
                    )),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Looks for referring rows, to refuse or to change them.
    fn search(&mut self, owner: RelationId, key: &ForeignKey, action: ReferentialAction) {
        let refuses = matches!(action, ReferentialAction::NoAction | ReferentialAction::Restrict);
        let mode = if refuses { LockMode::RowShare } else { LockMode::RowExclusive };
        for id in self.catalog.with_descendants(owner) {
            self.lock(id, mode);
            let relation = self.relation(id);
            if !relation.has_heap() {
                continue;
            }
            let column =
                key.columns.first().and_then(|c| self.relation(owner).column_at(*c).map(|c| c.name.clone()));
            let indexed = column.is_some_and(|c| leads_an_index(self.catalog, &relation, &c));
            if indexed {
                self.work(id, WorkKind::Rows { count: None, written: !refuses });
            } else {
                self.scan(id, ScanReason::Query);
            }
        }
    }
}
