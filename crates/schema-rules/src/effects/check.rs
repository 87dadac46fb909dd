//! Adding CHECK and NOT NULL constraints.
//!
//! Source: `ATAddCheckConstraint` (PostgreSQL 18: `ATAddCheckNNConstraint`), `ATExecSetNotNull` and
//! `NotNullImpliedByRelConstraints` in `src/backend/commands/tablecmds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ConstraintAttributes, Expr, ExprKind, Literal};

use super::ScanReason;
use super::condition::Condition;
use super::constraint::Adding;
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{
    Column, Constraint, ConstraintKind, DependencyKind, Name, ObjectAddress, ObjectClass, Oid, Relation,
    RelationId, TypeId,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::columns_of;
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn add_check(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        expression: &Rc<Expr>,
        attributes: ConstraintAttributes,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let relation = self.relation(table);
        self.check_columns_exist(&relation, expression)?;
        check_fits(&relation, expression)?;
        let columns = columns_of(&self.relation(table), expression);
        let name = name.unwrap_or_else(|| {
            let single = match columns.as_slice() {
                [one] => relation.column_at(*one).map_or("", |c| &*c.name),
                _ => "",
            };
            self.choose_constraint_name(&relation, single, "check")
        });
        let children: Vec<RelationId> = self.catalog.children_of(table).map(|c| c.id).collect();
        if adding.only && !attributes.no_inherit && !children.is_empty() {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                "constraint must be added to child tables too",
            ));
        }
        self.enter_check(table, &name, expression, attributes, 0, queue, adding);
        if attributes.no_inherit || adding.only {
            return Ok(());
        }
        for child in children {
            self.lock(child, adding.lock.unwrap_or(LockMode::AccessExclusive));
            self.inherit_check(child, &name, expression, attributes, queue, adding)?;
        }
        Ok(())
    }

    /// Adds a parent's CHECK to a child, which may have one of the name already: it is merged then.
    pub(super) fn inherit_check(
        &mut self,
        child: RelationId,
        name: &Name,
        expression: &Rc<Expr>,
        attributes: ConstraintAttributes,
        queue: &mut Queue,
        adding: Adding,
    ) -> Outcome {
        if self.relation(child).constraint(name).is_some() {
            self.notice(format!("merging constraint \"{name}\" with inherited definition"));
            self.catalog.change_relation(child, |r| {
                r.constraints.iter_mut().filter(|c| c.name == *name).for_each(|c| c.inherited += 1);
            });
        } else {
            self.enter_check(child, name, expression, attributes, 1, queue, adding);
        }
        let below: Vec<RelationId> = self.catalog.children_of(child).map(|c| c.id).collect();
        for grandchild in below {
            self.lock(grandchild, adding.lock.unwrap_or(LockMode::AccessExclusive));
            self.inherit_check(grandchild, name, expression, attributes, queue, adding)?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn enter_check(
        &mut self,
        table: RelationId,
        name: &Name,
        expression: &Rc<Expr>,
        attributes: ConstraintAttributes,
        inherited: u16,
        queue: &mut Queue,
        adding: Adding,
    ) {
        let relation = self.relation(table);
        let enforced = attributes.enforced != Some(false);
        let validated = enforced && !attributes.not_valid;
        let oid = self.catalog.new_oid();
        let constraint = Constraint {
            validated,
            enforced,
            no_inherit: attributes.no_inherit,
            inherited,
            local: inherited == 0,
            ..Constraint::new(oid, name.clone(), ConstraintKind::Check(expression.clone()))
        };
        self.catalog.change_relation(table, |r| r.constraints.push(constraint));
        self.check_dependencies(&relation, oid, expression);
        if validated && !adding.with_table && !self.is_new(table) {
            let condition = Condition::Check { relation: table, expression: expression.clone() };
            let otherwise = self.check_violated(name, &relation.name);
            queue.verify(table, ScanReason::Constraint, condition, otherwise);
        }
    }

    pub(super) fn check_dependencies(&mut self, relation: &Relation, oid: Oid, expression: &Expr) {
        let address = ObjectAddress::new(ObjectClass::Constraint, oid);
        let columns = columns_of(relation, expression);
        for column in &columns {
            let column = ObjectAddress::column(relation.id, *column);
            self.catalog.add_dependency(address, column, DependencyKind::Auto);
        }
        if columns.is_empty() {
            let whole = ObjectAddress::relation(relation.id);
            self.catalog.add_dependency(address, whole, DependencyKind::Auto);
        }
        self.expression_dependencies(address, relation, expression, DependencyKind::Normal);
    }

    /// What is said about a row that violates a CHECK; PostgreSQL 13 added the relation's name.
    pub(super) fn check_violated(&self, name: &str, table: &str) -> SqlError {
        let of =
            if self.version >= PgVersion::V13 { format!(" of relation \"{table}\"") } else { String::new() };
        SqlError::new(
            sqlstate::CHECK_VIOLATION,
            format!("check constraint \"{name}\"{of} is violated by some row"),
        )
    }

    pub(super) fn contains_nulls(&self, column: &str, table: &str) -> SqlError {
        let of =
            if self.version >= PgVersion::V13 { format!(" of relation \"{table}\"") } else { String::new() };
        SqlError::new(sqlstate::NOT_NULL_VIOLATION, format!("column \"{column}\"{of} contains null values"))
    }

    /// `ADD CONSTRAINT … NOT NULL column`, which PostgreSQL 18 knows.
    pub(super) fn add_not_null(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        column: &str,
        attributes: ConstraintAttributes,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let relation = self.relation(table);
        let existing = relation.column(column).and_then(|c| {
            relation
                .constraints
                .iter()
                .find(|k| matches!(k.kind, ConstraintKind::NotNull(n) if n == c.number))
        });
        if let (Some(name), Some(existing)) = (&name, existing)
            && existing.name != *name
        {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "cannot create not-null constraint \"{name}\" on column \"{column}\" of table \"{}\"",
                    relation.name
                ),
            ));
        }
        let descendants = if adding.only { vec![table] } else { self.catalog.with_descendants(table) };
        for (depth, id) in descendants.into_iter().enumerate() {
            let column = self.column(id, column)?;
            let inherited = u16::from(depth > 0);
            self.set_not_null_on(id, &column, name.clone(), attributes, inherited, queue);
        }
        Ok(())
    }

    /// Marks one column of one table NOT NULL, and has its rows read unless something proves them.
    pub(super) fn set_not_null_on(
        &mut self,
        table: RelationId,
        column: &Column,
        name: Option<Name>,
        attributes: ConstraintAttributes,
        inherited: u16,
        queue: &mut Queue,
    ) {
        if self.version >= PgVersion::V18 {
            self.enter_not_null_constraint(table, column, name, !attributes.not_valid, inherited);
        }
        if attributes.not_valid {
            return;
        }
        let needs_proof = !column.not_null && !self.proves_not_null(table, column);
        self.catalog.change_relation(table, |r| {
            if let Some(c) = r.columns.iter_mut().find(|c| c.number == column.number) {
                c.not_null = true;
            }
        });
        if needs_proof && !self.is_new(table) {
            let condition = Condition::NoNulls { relation: table, column: column.number };
            let otherwise = self.contains_nulls(&column.name, &self.relation(table).name);
            queue.verify(table, ScanReason::Constraint, condition, otherwise);
        }
    }

    /// PostgreSQL 18 keeps each NOT NULL as a constraint with a name.
    pub(super) fn enter_not_null_constraint(
        &mut self,
        table: RelationId,
        column: &Column,
        name: Option<Name>,
        validated: bool,
        inherited: u16,
    ) {
        let relation = self.relation(table);
        let existing = relation
            .constraints
            .iter()
            .find(|c| matches!(&c.kind, ConstraintKind::NotNull(number) if *number == column.number))
            .map(|c| c.oid);
        if let Some(oid) = existing {
            self.catalog.change_relation(table, |r| {
                for c in r.constraints.iter_mut().filter(|c| c.oid == oid) {
                    c.validated |= validated;
                    c.inherited += inherited;
                    c.local |= inherited == 0;
                }
            });
            return;
        }
        let name = name.unwrap_or_else(|| self.choose_constraint_name(&relation, &column.name, "not_null"));
        let oid = self.catalog.new_oid();
        let kind = ConstraintKind::NotNull(column.number);
        let constraint =
            Constraint { validated, inherited, local: inherited == 0, ..Constraint::new(oid, name, kind) };
        self.catalog.change_relation(table, |r| r.constraints.push(constraint));
        self.catalog.add_dependency(
            ObjectAddress::new(ObjectClass::Constraint, oid),
            ObjectAddress::column(table, column.number),
            DependencyKind::Auto,
        );
    }

    /// Whether a valid CHECK of the table proves that a column has no NULLs: `SET NOT NULL` then reads nothing
    /// (PostgreSQL 12 and later; `NotNullImpliedByRelConstraints`). Only an explicit `IS NOT NULL`, alone or in a
    /// conjunction, is a proof: a CHECK such as `amount > 0` is satisfied by NULL.
    pub(super) fn proves_not_null(&self, table: RelationId, column: &Column) -> bool {
        let relation = self.relation(table);
        relation.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::Check(expression) => {
                c.validated && c.enforced && crate::expression::implies_not_null(expression, &column.name)
            }
            ConstraintKind::NotNull(number) => c.validated && *number == column.number && column.not_null,
            _ => false,
        })
    }
}

/// What a CHECK must not be made of, and that it is true or false.
pub(super) fn check_fits(table: &Relation, expression: &Expr) -> Outcome {
    let refuse = |state, message: String| Err(SqlError::new(state, message));
    let (mut subquery, mut aggregate) = (false, false);
    crate::expression::walk(expression, &mut |part| match &part.kind {
        ExprKind::Subquery(_)
        | ExprKind::Exists(_)
        | ExprKind::InSubquery { .. }
        | ExprKind::ArraySubquery(_) => {
            subquery = true;
        }
        ExprKind::Function(call) => aggregate |= call.star || call.name.name.text == "sum",
        _ => {}
    });
    if subquery {
        return refuse(sqlstate::FEATURE_NOT_SUPPORTED, "cannot use subquery in check constraint".into());
    }
    if aggregate {
        let message = "aggregate functions are not allowed in check constraints".into();
        return refuse(sqlstate::GROUPING_ERROR, message);
    }
    let of_type = match &expression.kind {
        ExprKind::Column { name, .. } => {
            match table.column(name).map(|c| (c.data_type.id, c.data_type.array)) {
                Some((TypeId::Builtin(builtin), false)) => builtin.display,
                _ => "boolean",
            }
        }
        ExprKind::Literal(Literal::Integer(_)) => "integer",
        ExprKind::Literal(Literal::Numeric(_)) => "numeric",
        _ => "boolean",
    };
    if of_type == "boolean" {
        return Ok(());
    }
    let message = format!("argument of CHECK must be type boolean, not type {of_type}");
    refuse(sqlstate::DATATYPE_MISMATCH, message)
}
