//! What foreign keys do when rows change.
//!
//! Source: `src/backend/utils/adt/ri_triggers.c`. A row that refers looks its row up with FOR KEY SHARE, which locks
//! the other table in ROW SHARE; a key that is unchanged or NULL is not looked up. A row that may be referred to is
//! searched for in the referencing table: in ROW SHARE to refuse, in ROW EXCLUSIVE to cascade, and from end to end
//! if no index leads with the referencing column.

use lock_table::LockMode;
use sql_syntax::ast::{Assignment, Expr, ExprKind, Insert, Literal};

use super::access::leads_an_index;
use super::change::value_of;
use crate::catalog::{ColumnNumber, Constraint, ForeignKey, ReferentialAction, Relation, RelationId};
use crate::effects::run::{Outcome, Run};
use crate::effects::{ScanReason, WorkKind};
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    /// Rows that an INSERT brings in.
    pub(super) fn check_references_of_new_rows(
        &mut self,
        table: &Relation,
        statement: &Insert,
        rows: Option<&[&Vec<Expr>]>,
    ) {
        for (constraint, key) in table.foreign_keys() {
            if !constraint.enforced || !at_once(constraint) {
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
            }
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
        filter: Option<&Expr>,
    ) -> Outcome {
        if self.facts.any_row(self.catalog, table.id, filter) == Some(false) {
            return Ok(());
        }
        let changed = self.changed_columns(table, assignments, filter);
        // Triggers fire in the order of their names, and those of keys that refer to the table come first
        // (`RI_ConstraintTrigger_a_…` before `RI_ConstraintTrigger_c_…`).
        self.act_on_referencing(table, Some(&changed), filter)?;
        for (constraint, key) in table.foreign_keys() {
            let nulled = |c: &ColumnNumber| {
                assignments.iter().any(|a| {
                    let null = matches!(a.value.kind, ExprKind::Literal(Literal::Null));
                    null && a.columns.iter().any(|n| table.column(n).is_some_and(|own| own.number == *c))
                })
            };
            // A key with NULL refers to nothing.
            let refers = key.match_full || !key.columns.iter().any(nulled);
            if constraint.enforced
                && at_once(constraint)
                && refers
                && key.columns.iter().any(|c| changed.contains(c))
            {
                self.look_up(key.referenced);
            }
        }
        Ok(())
    }

    pub(super) fn references_of_deleted_rows(&mut self, table: &Relation, filter: Option<&Expr>) -> Outcome {
        if self.facts.any_row(self.catalog, table.id, filter) == Some(false) {
            return Ok(());
        }
        self.act_on_referencing(table, None, filter)
    }

    /// The columns that the assignments may change.
    fn changed_columns(
        &self,
        table: &Relation,
        assignments: &[Assignment],
        filter: Option<&Expr>,
    ) -> Vec<ColumnNumber> {
        let mut changed = Vec::new();
        for assignment in assignments {
            for name in &assignment.columns {
                let Some(column) = table.column(name) else { continue };
                let itself = crate::expression::bare_column(&assignment.value) == Some(&*column.name);
                let known =
                    self.facts.changes(self.catalog, table.id, column.number, &assignment.value, filter);
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
        filter: Option<&Expr>,
    ) -> Outcome {
        let referencing: Vec<(RelationId, Constraint, ForeignKey)> = self
            .catalog
            .referencing(table.id)
            .filter(|(_, c, _)| c.enforced && c.parent.is_none())
            .map(|(owner, c, key)| (owner.id, c.clone(), key.clone()))
            .collect();
        for (owner, constraint, key) in referencing {
            if changed.is_some_and(|changed| !key.referenced_columns.iter().any(|c| changed.contains(c))) {
                continue;
            }
            let action = if changed.is_some() { key.on_update } else { key.on_delete };
            let refuses = matches!(action, ReferentialAction::NoAction);
            if refuses && !at_once(&constraint) {
                // Looked at when the transaction commits.
                continue;
            }
            self.act_on(table, owner, &constraint, &key, action, filter)?;
            let finds =
                self.facts.still_referenced(self.catalog, table.id, &key, owner, filter) != Some(false);
            if action == ReferentialAction::Cascade && changed.is_none() && owner != table.id && finds {
                let below = self.relation(owner);
                self.act_below(&below, 1)?;
            }
        }
        Ok(())
    }

    /// Rows that a cascade deletes may be referred to in turn. Which rows they are is not followed: nothing is refused.
    fn act_below(&mut self, table: &Relation, depth: u8) -> Outcome {
        const DEEPEST: u8 = 16;
        let referencing: Vec<(RelationId, ForeignKey)> = self
            .catalog
            .referencing(table.id)
            .filter(|(_, c, _)| c.enforced && c.parent.is_none())
            .map(|(owner, _, key)| (owner.id, key.clone()))
            .collect();
        for (owner, key) in referencing {
            self.search(owner, &key, key.on_delete);
            if key.on_delete == ReferentialAction::Cascade && owner != table.id && depth < DEEPEST {
                let below = self.relation(owner);
                self.act_below(&below, depth + 1)?;
            }
        }
        Ok(())
    }

    fn act_on(
        &mut self,
        table: &Relation,
        owner: RelationId,
        constraint: &Constraint,
        key: &ForeignKey,
        action: ReferentialAction,
        filter: Option<&Expr>,
    ) -> Outcome {
        let refuses = matches!(action, ReferentialAction::NoAction | ReferentialAction::Restrict);
        self.search(owner, key, action);
        if refuses && self.facts.still_referenced(self.catalog, table.id, key, owner, filter) == Some(true) {
            let owner = self.relation(owner);
            return Err(SqlError::new(
                sqlstate::FOREIGN_KEY_VIOLATION,
                format!(
                    "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                    table.name, constraint.name, owner.name
                ),
            ));
        }
        Ok(())
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

/// Whether a constraint is looked at when the statement ends, rather than the transaction.
fn at_once(constraint: &Constraint) -> bool {
    !constraint.initially_deferred
}
