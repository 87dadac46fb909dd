//! `VALIDATE`, `ALTER` and `DROP CONSTRAINT`.
//!
//! Source: `ATExecValidateConstraint`, `ATExecAlterConstraint`, `ATExecDropConstraint` in `tablecmds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ConstraintAttributes, DropBehavior, Ident};

use super::Alter;
use crate::catalog::{Constraint, ConstraintKind, ObjectAddress, ObjectClass, Relation, RelationId};
use crate::effects::ScanReason;
use crate::effects::condition::Condition;
use crate::effects::run::{Outcome, Run};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    fn named_constraint(&self, table: &Relation, name: &str) -> Outcome<Constraint> {
        table.constraint(name).cloned().ok_or_else(|| {
            SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name),
            )
        })
    }

    // ---- VALIDATE ----

    /// Reads the rows under a lock that lets reads and writes go on.
    pub(super) fn validate_constraint(&mut self, alter: &mut Alter<'_>, name: &Ident) -> Outcome {
        let table = self.relation(alter.table);
        if table.assumed && table.constraint(name).is_none() {
            self.scan(table.id, ScanReason::Constraint);
            return Ok(());
        }
        let constraint = self.named_constraint(&table, name)?;
        let wrong = |why: String| Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, why));
        let validatable = match constraint.kind {
            ConstraintKind::Check(_) | ConstraintKind::ForeignKey(_) => true,
            ConstraintKind::NotNull(_) => self.version >= PgVersion::V18,
            _ => false,
        };
        if !validatable {
            let what = if self.version >= PgVersion::V18 {
                format!("cannot validate constraint \"{}\" of relation \"{}\"", name.text, table.name)
            } else {
                format!(
                    "constraint \"{}\" of relation \"{}\" is not a foreign key or check constraint",
                    name.text, table.name
                )
            };
            return wrong(what);
        }
        if !constraint.enforced {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "cannot validate NOT ENFORCED constraint",
            ));
        }
        if constraint.validated {
            return Ok(());
        }
        match &constraint.kind {
            ConstraintKind::ForeignKey(_) => self.validate_foreign_key(alter, alter.table, &constraint),
            _ => self.validate_rows(alter, &constraint),
        }
    }

    fn validate_foreign_key(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        constraint: &Constraint,
    ) -> Outcome {
        self.mark_validated(id, constraint);
        let ConstraintKind::ForeignKey(key) = &constraint.kind else { return Ok(()) };
        if self.relation(id).has_heap() {
            alter.queue.table(id).foreign_keys.push((constraint.name.clone(), Rc::new(key.clone())));
            return Ok(());
        }
        let parts: Vec<RelationId> = self.catalog.children_of(id).map(|c| c.id).collect();
        for part in parts {
            let child = self.relation(part);
            let Some(theirs) = child.constraints.iter().find(|c| c.parent == Some(constraint.oid)) else {
                continue;
            };
            self.lock(part, alter.lock);
            self.validate_foreign_key(alter, part, theirs)?;
        }
        Ok(())
    }

    /// A CHECK, or a NOT NULL of PostgreSQL 18, on the table and all below it.
    fn validate_rows(&mut self, alter: &mut Alter<'_>, constraint: &Constraint) -> Outcome {
        let descend = !constraint.no_inherit;
        let ids = if descend { self.catalog.with_descendants(alter.table) } else { vec![alter.table] };
        if alter.only && ids.len() > 1 {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                "constraint must be validated on child tables too",
            ));
        }
        for id in ids.iter().skip(1) {
            self.lock(*id, alter.lock);
        }
        for id in ids {
            let relation = self.relation(id);
            let Some(own) = relation.constraint(&constraint.name).filter(|c| !c.validated).cloned() else {
                continue;
            };
            self.mark_validated(id, &own);
            match &own.kind {
                ConstraintKind::Check(expression) => {
                    let condition = Condition::Check { relation: id, expression: expression.clone() };
                    let otherwise = self.check_violated(&own.name, &relation.name);
                    alter.queue.verify(id, ScanReason::Constraint, condition, otherwise);
                }
                ConstraintKind::NotNull(number) => {
                    let column = relation.column_at(*number).map(|c| c.name.to_string()).unwrap_or_default();
                    let otherwise = self.contains_nulls(&column, &relation.name);
                    let condition = Condition::NoNulls { relation: id, column: *number };
                    self.catalog.change_relation(id, |r| {
                        r.columns.iter_mut().filter(|c| c.number == *number).for_each(|c| c.not_null = true);
                    });
                    alter.queue.verify(id, ScanReason::Constraint, condition, otherwise);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mark_validated(&mut self, id: RelationId, constraint: &Constraint) {
        self.catalog.change_relation(id, |r| {
            r.constraints.iter_mut().filter(|c| c.oid == constraint.oid).for_each(|c| c.validated = true);
        });
    }

    // ---- ALTER ----

    pub(super) fn alter_constraint(
        &mut self,
        alter: &mut Alter<'_>,
        name: &Ident,
        attributes: ConstraintAttributes,
    ) -> Outcome {
        let table = self.relation(alter.table);
        let constraint = self.named_constraint(&table, name)?;
        if attributes.inherit || attributes.no_inherit {
            self.work_on_catalogs();
            return Ok(());
        }
        let ConstraintKind::ForeignKey(key) = &constraint.kind else {
            let message = match attributes.enforced {
                Some(_) => format!(
                    "cannot alter enforceability of constraint \"{}\" of relation \"{}\"",
                    name.text, table.name
                ),
                None => format!(
                    "constraint \"{}\" of relation \"{}\" is not a foreign key constraint",
                    name.text, table.name
                ),
            };
            return Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, message));
        };
        if constraint.parent.is_some() {
            let state = if self.version >= PgVersion::V18 { "55000" } else { "XX000" };
            return Err(SqlError::new(
                state,
                format!("cannot alter constraint \"{}\" on relation \"{}\"", name.text, table.name),
            ));
        }
        let key = key.clone();
        if let Some(enforced) = attributes.enforced
            && enforced != constraint.enforced
        {
            // Its triggers are dropped, or created, on both sides.
            let mode = if enforced { LockMode::ShareRowExclusive } else { LockMode::AccessExclusive };
            self.lock(key.referenced, mode);
            if enforced {
                self.lock(alter.table, mode);
                alter.queue.table(alter.table).foreign_keys.push((constraint.name.clone(), Rc::new(key)));
            }
        }
        self.change_timing(alter.table, constraint.oid, attributes, alter.lock);
        Ok(())
    }

    /// The new timing, here and in the copies that partitions have (`ATExecAlterConstrRecurse`).
    fn change_timing(
        &mut self,
        id: RelationId,
        oid: crate::catalog::Oid,
        attributes: ConstraintAttributes,
        mode: LockMode,
    ) {
        self.catalog.change_relation(id, |r| {
            for c in r.constraints.iter_mut().filter(|c| c.oid == oid) {
                c.deferrable = attributes
                    .deferrable
                    .unwrap_or(c.deferrable || attributes.initially_deferred == Some(true));
                c.initially_deferred =
                    attributes.initially_deferred.unwrap_or(c.initially_deferred) && c.deferrable;
                if let Some(enforced) = attributes.enforced {
                    (c.enforced, c.validated) = (enforced, enforced);
                }
            }
        });
        let parts: Vec<RelationId> = self.catalog.children_of(id).map(|c| c.id).collect();
        for part in parts {
            let copy = self.relation(part).constraints.iter().find(|c| c.parent == Some(oid)).map(|c| c.oid);
            if let Some(copy) = copy {
                self.lock(part, mode);
                self.change_timing(part, copy, attributes, mode);
            }
        }
    }

    // ---- DROP ----

    pub(super) fn drop_constraint(
        &mut self,
        alter: &mut Alter<'_>,
        name: &Ident,
        if_exists: bool,
        behavior: DropBehavior,
    ) -> Outcome {
        let table = self.relation(alter.table);
        let Some(constraint) = table.constraint(name).cloned() else {
            if table.assumed {
                return Ok(());
            }
            if if_exists {
                self.notice(format!(
                    "constraint \"{}\" of relation \"{}\" does not exist, skipping",
                    name.text, table.name
                ));
                return Ok(());
            }
            return self.named_constraint(&table, name).map(drop);
        };
        if constraint.inherited > 0 {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("cannot drop inherited constraint \"{}\" of relation \"{}\"", name.text, table.name),
            ));
        }
        if let ConstraintKind::ForeignKey(key) = &constraint.kind
            && key.referenced != alter.table
        {
            self.lock(key.referenced, alter.lock);
        }
        if let ConstraintKind::NotNull(number) = constraint.kind
            && table.primary_key().is_some_and(|(columns, _)| columns.contains(&number))
        {
            let column = table.column_at(number).map(|c| c.name.to_string()).unwrap_or_default();
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("column \"{column}\" is in a primary key"),
            ));
        }
        let mut targets = vec![ObjectAddress::new(ObjectClass::Constraint, constraint.oid)];
        let inherits = matches!(constraint.kind, ConstraintKind::Check(_) | ConstraintKind::NotNull(_))
            && !constraint.no_inherit;
        if inherits {
            self.collect_inherited(alter, alter.table, &constraint, &mut targets);
        }
        self.perform_deletion(&targets, behavior)
    }

    /// The same constraint in every child that has it only from here.
    fn collect_inherited(
        &mut self,
        alter: &Alter<'_>,
        id: RelationId,
        constraint: &Constraint,
        targets: &mut Vec<ObjectAddress>,
    ) {
        let children: Vec<RelationId> = self.catalog.children_of(id).map(|c| c.id).collect();
        for child in children {
            self.lock(child, alter.lock);
            let Some(theirs) = self.relation(child).constraint(&constraint.name).cloned() else { continue };
            if !alter.only && theirs.inherited <= 1 && !theirs.local {
                targets.push(ObjectAddress::new(ObjectClass::Constraint, theirs.oid));
                self.collect_inherited(alter, child, &theirs, targets);
            } else {
                self.catalog.change_relation(child, |r| {
                    for c in r.constraints.iter_mut().filter(|c| c.oid == theirs.oid) {
                        c.inherited = c.inherited.saturating_sub(1);
                        c.local = true;
                    }
                });
            }
        }
    }
}
