//! `ADD COLUMN` and `DROP COLUMN`.
//!
//! Source: `ATExecAddColumn` and `ATExecDropColumn` in `tablecmds.c`; manual, `ALTER TABLE`, "Notes": a default that
//! is not volatile is kept in the catalog and the rows are left alone; a volatile one, a stored generated column, an
//! identity column and a domain with constraints have every row written anew.

use lock_table::LockMode;
use sql_syntax::ast::{
    ColumnConstraintKind, ColumnDef, DropBehavior, Ident, TableConstraintKind, Volatility,
};

use super::{Alter, Pass};
use crate::catalog::{Column, IndexKeyValue, ObjectAddress, RelationId, RelationKind, TypeId, TypeKind};
use crate::effects::ScanReason;
use crate::effects::condition::Condition;
use crate::effects::constraint::Adding;
use crate::effects::create_table::column_constraints;
use crate::effects::run::{Outcome, Run};
use crate::error::{SqlError, sqlstate};
use crate::expression::volatility;
use crate::version::PgVersion;

/// Columns that every table has.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

impl Run<'_> {
    pub(super) fn add_column(
        &mut self,
        alter: &mut Alter<'_>,
        definition: &ColumnDef,
        if_not_exists: bool,
    ) -> Outcome {
        let table = self.relation(alter.table);
        if table.is_partition() {
            return Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, "cannot add column to a partition"));
        }
        if matches!(
            table.kind,
            RelationKind::Index(_)
                | RelationKind::Sequence(_)
                | RelationKind::View(_)
                | RelationKind::MaterializedView { .. }
        ) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("ALTER action ADD COLUMN cannot be performed on relation \"{}\"", table.name),
            ));
        }
        let name = definition.name.as_str();
        if table.column(name).is_some() {
            if if_not_exists {
                self.notice(format!(
                    "column \"{name}\" of relation \"{}\" already exists, skipping",
                    table.name
                ));
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" of relation \"{}\" already exists", table.name),
            ));
        }
        if SYSTEM_COLUMNS.contains(&name) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column name \"{name}\" conflicts with a system column name"),
            ));
        }
        if alter.only && self.catalog.children_of(alter.table).next().is_some() {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                "column must be added to child tables too",
            ));
        }
        self.add_column_below(alter, alter.table, definition, 0)
    }

    /// Adds the column to one table and then to those below it.
    fn add_column_below(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        definition: &ColumnDef,
        depth: u16,
    ) -> Outcome {
        let table = self.relation(id);
        if let Some(existing) = table.column(&definition.name) {
            // A child that has the column already takes it over.
            let number = existing.number;
            self.catalog.change_relation(id, |r| {
                r.columns.iter_mut().filter(|c| c.number == number).for_each(|c| c.inherited += 1);
            });
        } else {
            self.add_column_to(alter, id, definition, depth)?;
        }
        let children: Vec<RelationId> = self.catalog.children_of(id).map(|c| c.id).collect();
        for child in children {
            self.lock(child, alter.lock);
            self.add_column_below(alter, child, definition, depth + 1)?;
        }
        Ok(())
    }

    fn add_column_to(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        definition: &ColumnDef,
        depth: u16,
    ) -> Outcome {
        let table = self.relation(id);
        let Some(written) = &definition.data_type else { return Err(SqlError::syntax(",")) };
        let data_type = self.resolve_type(written)?;
        let mut column = Column::new(table.next_column_number(), definition.name.as_str().into(), data_type);
        (column.inherited, column.local) = (depth.min(1), depth == 0);
        let owned = if depth == 0 {
            self.column_properties(&table.schema, &table.name, id, &mut column, definition)?
        } else {
            self.inherited_properties(alter, &mut column, definition)?;
            None
        };
        let not_null = column.not_null;
        let has_default = column.default.is_some() || column.generated.is_some() || column.identity.is_some();
        let domain = self.catalog.has_domain_constraints(&column.data_type);
        let default_in_domain = column.default.is_none() && self.domain_default(&column).is_some();
        let plain_default = column.default.clone().or_else(|| self.domain_default(&column));
        self.default_sequences_of_rows(plain_default.as_deref());
        let volatile = plain_default
            .as_ref()
            .map(|value| volatility(self.catalog, self.session, value))
            .inspect(|v| {
                if let Some(function) = &v.unknown {
                    self.not_modelled.push(super::super::run::NotModelled {
                        what: format!("function {function} in a default"),
                        assumed: "it is not volatile".into(),
                    });
                }
            })
            .is_some_and(|v| v.class == Volatility::Volatile);
        let stored = column.generated.as_ref().is_some_and(|g| g.stored);
        let is_virtual = column.generated.as_ref().is_some_and(|g| !g.stored);
        let rewrite = stored || volatile || column.identity.is_some() || domain && !is_virtual;
        column.has_missing = (has_default || default_in_domain) && !rewrite && !is_virtual;
        let missing = column.has_missing;
        self.functions_exist(plain_default.as_deref())?;
        self.catalog.change_relation(id, |r| r.columns.push(column.clone()));
        let table = self.relation(id);
        self.one_column_dependencies(&table, &column);
        if let Some(owned) = &owned {
            self.own_sequence(owned);
        }
        if !has_default && !default_in_domain {
            self.added_null.push((id, column.number));
        }
        if rewrite {
            let work = alter.queue.table(id);
            work.rewrite = true;
            work.computed += 1;
        }
        if domain && !is_virtual && !self.is_new(id) {
            self.verify_domain(alter, id, &column)?;
        }
        if not_null && self.version >= PgVersion::V18 {
            let name = definition.constraints.iter().find_map(|c| match c.kind {
                ColumnConstraintKind::NotNull => c.name.as_deref().map(Into::into),
                _ => None,
            });
            self.enter_not_null_constraint(id, &column, name, true, depth.min(1));
        }
        if not_null && !missing && !self.is_new(id) {
            // Nothing is known about the values: rows are looked at, and without a default every one is NULL.
            let otherwise = self.contains_nulls(&column.name, &table.name);
            let condition = if has_default || default_in_domain {
                Condition::NoNulls { relation: id, column: column.number }
            } else {
                Condition::Empty { relation: id }
            };
            alter.queue.verify(id, ScanReason::Constraint, condition, otherwise);
        }
        Ok(())
    }

    /// Every row's value has to satisfy what the column's domain demands.
    pub(super) fn verify_domain(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        column: &Column,
    ) -> Outcome {
        let mut current = column.data_type.clone();
        while let TypeId::User(oid) = current.id
            && !current.array
            && let Some(def) = self.catalog.type_def(oid).cloned()
            && let TypeKind::Domain(domain) = &def.kind
        {
            if domain.not_null && domain.default.is_none() {
                let otherwise = SqlError::new(
                    sqlstate::NOT_NULL_VIOLATION,
                    format!("domain {} does not allow null values", def.name),
                );
                let condition = Condition::NoNulls { relation: id, column: column.number };
                alter.queue.verify(id, ScanReason::Domain, condition, otherwise);
            }
            for check in &domain.checks {
                let expression = check.condition.clone();
                let condition = Condition::DomainCheck { relation: id, column: column.number, expression };
                if self.facts.holds(self.catalog, &condition) == Some(false) {
                    return Err(SqlError::new(
                        sqlstate::CHECK_VIOLATION,
                        format!("value for domain {} violates check constraint \"{}\"", def.name, check.name),
                    ));
                }
            }
            current = domain.base.clone();
        }
        Ok(())
    }

    /// A child's column takes the parent's properties; a sequence is shared.
    fn inherited_properties(
        &mut self,
        alter: &Alter<'_>,
        column: &mut Column,
        definition: &ColumnDef,
    ) -> Outcome {
        let parent = self.column(alter.table, &definition.name)?;
        column.not_null = parent.not_null;
        column.default = parent.default;
        column.generated = parent.generated;
        column.identity = parent.identity;
        column.collation = parent.collation;
        Ok(())
    }

    /// The rewrite calls `nextval` for every row there is.
    fn default_sequences_of_rows(&mut self, default: Option<&sql_syntax::ast::Expr>) {
        let mut names = Vec::new();
        if let Some(default) = default {
            crate::expression::walk(default, &mut |part| {
                if let sql_syntax::ast::ExprKind::Function(call) = &part.kind {
                    names.extend(crate::effects::references::sequence_argument(call));
                }
            });
        }
        for name in names {
            if let Some(sequence) = self.catalog.find(self.session, &name).map(|r| r.id) {
                self.lock(sequence, LockMode::RowExclusive);
            }
        }
    }

    fn domain_default(&self, column: &Column) -> Option<std::rc::Rc<sql_syntax::ast::Expr>> {
        let crate::catalog::TypeId::User(oid) = column.data_type.id else { return None };
        match &self.catalog.type_def(oid)?.kind {
            crate::catalog::TypeKind::Domain(domain) => domain.default.clone(),
            _ => None,
        }
    }

    /// Built-in functions that came with a later version do not exist.
    pub(in crate::effects) fn functions_exist(&self, expression: Option<&sql_syntax::ast::Expr>) -> Outcome {
        let Some(expression) = expression else { return Ok(()) };
        let mut missing = None;
        crate::expression::walk(expression, &mut |part| {
            if let sql_syntax::ast::ExprKind::Function(call) = &part.kind
                && call.name.schema().is_none_or(|s| s == "pg_catalog")
                && let Some(function) = crate::expression::builtin_function(&call.name.name)
                && self.version < function.since
                && self.catalog.find_functions(self.session, &call.name).is_empty()
            {
                missing.get_or_insert_with(|| call.name.to_string());
            }
        });
        match missing {
            Some(name) => Err(SqlError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("function {name}() does not exist"),
            )
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")),
            None => Ok(()),
        }
    }

    /// CHECK, PRIMARY KEY, UNIQUE and REFERENCES of a new column, in their passes.
    pub(super) fn constraints_of_new_column(
        &mut self,
        alter: &mut Alter<'_>,
        definition: &ColumnDef,
        pass: Pass,
    ) -> Outcome {
        for mut constraint in column_constraints(definition) {
            let own_pass = match constraint.kind {
                TableConstraintKind::PrimaryKey { .. } | TableConstraintKind::Unique { .. } => Pass::AddIndex,
                _ => Pass::AddConstraint,
            };
            if own_pass != pass {
                continue;
            }
            let foreign_key = matches!(constraint.kind, TableConstraintKind::ForeignKey { .. });
            if foreign_key && !says_default(definition) {
                // Every row has NULL in the new column: there is nothing to look up
                // (`transformFKConstraints` skips the validation and calls the constraint valid).
                let adding = Adding { with_table: true, ..alter.adding() };
                constraint.attributes.not_valid = false;
                self.add_constraint(alter.table, &constraint, adding, &mut alter.queue)?;
                continue;
            }
            let adding = alter.adding();
            self.add_constraint(alter.table, &constraint, adding, &mut alter.queue)?;
        }
        Ok(())
    }

    pub(super) fn drop_column(
        &mut self,
        alter: &mut Alter<'_>,
        name: &Ident,
        if_exists: bool,
        behavior: DropBehavior,
    ) -> Outcome {
        let table = self.relation(alter.table);
        let Some(column) = table.column(name).cloned() else {
            if table.assumed {
                return Ok(());
            }
            if if_exists {
                self.notice(format!(
                    "column \"{}\" of relation \"{}\" does not exist, skipping",
                    name.text, table.name
                ));
                return Ok(());
            }
            return Err(SqlError::no_such_column(name, &table.name));
        };
        if column.inherited > 0 {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("cannot drop inherited column \"{}\"", name.text),
            ));
        }
        if let Some(key) = table.partition_key()
            && key.keys.iter().any(|k| matches!(k, IndexKeyValue::Column(number) if *number == column.number))
        {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!(
                    "cannot drop column \"{}\" because it is part of the partition key of relation \"{}\"",
                    name.text, table.name
                ),
            ));
        }
        let mut targets = Vec::new();
        self.collect_column(alter, alter.table, name, &mut targets)?;
        self.perform_deletion(&targets, behavior)
    }

    /// The column here and in every child that has it only from here.
    fn collect_column(
        &mut self,
        alter: &Alter<'_>,
        id: RelationId,
        name: &Ident,
        targets: &mut Vec<ObjectAddress>,
    ) -> Outcome {
        let column = self.column(id, name)?;
        targets.push(ObjectAddress::column(id, column.number));
        let children: Vec<RelationId> = self.catalog.children_of(id).map(|c| c.id).collect();
        if alter.only && !children.is_empty() && self.relation(id).partition_key().is_some() {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                "cannot drop column from only the partitioned table when partitions exist",
            ));
        }
        for child in children {
            self.lock(child, alter.lock);
            let Some(theirs) = self.relation(child).column(name).cloned() else { continue };
            if !alter.only && theirs.inherited == 1 && !theirs.local {
                self.collect_column(alter, child, name, targets)?;
            } else {
                self.catalog.change_relation(child, |r| {
                    for c in r.columns.iter_mut().filter(|c| c.number == theirs.number) {
                        c.inherited = c.inherited.saturating_sub(1);
                        c.local = true;
                    }
                });
            }
        }
        Ok(())
    }
}

/// Whether the definition has a default of any kind, be it NULL.
fn says_default(definition: &ColumnDef) -> bool {
    let says = |c: &sql_syntax::ast::ColumnConstraint| {
        matches!(
            c.kind,
            ColumnConstraintKind::Default(_)
                | ColumnConstraintKind::Generated { .. }
                | ColumnConstraintKind::Identity { .. }
        )
    };
    definition.constraints.iter().any(says)
        || definition.data_type.as_ref().is_some_and(|t| t.serial_base().is_some())
}
