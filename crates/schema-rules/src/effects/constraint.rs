//! Adding constraints, in `CREATE TABLE` and `ALTER TABLE`.
//!
//! Source: `ATExecAddConstraint` in `src/backend/commands/tablecmds.c`. Each kind has a module: `check`, `key`,
//! `foreign_key`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{TableConstraint, TableConstraintKind};

use super::index::options;
use super::index_definition::{IndexRole, IndexSpec};
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{IndexKeyValue, Name, RelationId};
use crate::error::{SqlError, sqlstate};

/// How a constraint is added.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Adding {
    /// `ALTER TABLE ONLY`.
    pub(super) only: bool,
    /// That the table is created by this very statement: there is nothing to verify.
    pub(super) with_table: bool,
    /// The lock that the statement has on the table, for its children.
    pub(super) lock: Option<LockMode>,
}

impl Run<'_> {
    /// Adds a table constraint.
    pub(super) fn add_constraint(
        &mut self,
        table: RelationId,
        constraint: &TableConstraint,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let name = constraint.name.as_deref().map(Name::from);
        if let Some(name) = &name
            && self.relation(table).constraint(name).is_some()
        {
            return Err(duplicate_constraint(name, &self.relation(table).name));
        }
        let attributes = constraint.attributes;
        match &constraint.kind {
            TableConstraintKind::Check(expression) => {
                self.add_check(table, name, &Rc::new(expression.clone()), attributes, adding, queue)
            }
            TableConstraintKind::NotNull(column) => {
                self.add_not_null(table, name, column, attributes, adding, queue)
            }
            TableConstraintKind::PrimaryKey { columns, index } => {
                self.add_key(table, name, columns, index, attributes, IndexRole::PrimaryKey, adding, queue)
            }
            TableConstraintKind::Unique { columns, index } => {
                self.add_key(table, name, columns, index, attributes, IndexRole::Unique, adding, queue)
            }
            TableConstraintKind::ForeignKey { columns, references } => {
                self.add_foreign_key(table, name, columns, references, attributes, adding, queue)
            }
            TableConstraintKind::Exclude { access_method, elements, index, predicate } => {
                let keys =
                    elements.iter().map(|(value, operator)| self.exclusion_key(table, value, operator));
                let keys = keys.collect::<Outcome<Vec<_>>>()?;
                let method = access_method.as_deref().unwrap_or("btree");
                self.index_method_exists(method)?;
                for key in &keys {
                    if let IndexKeyValue::Column(number) = key.value
                        && let Some(column) = self.relation(table).column_at(number)
                    {
                        self.has_default_class(method, &column.data_type)?;
                    }
                }
                let spec = IndexSpec {
                    name,
                    method: access_method.as_deref().unwrap_or("btree").into(),
                    keys,
                    predicate: predicate.clone().map(Rc::new),
                    role: IndexRole::Exclusion,
                    deferrable: attributes.deferrable.unwrap_or(false),
                    initially_deferred: attributes.initially_deferred.unwrap_or(false),
                    options: options(&index.options),
                    ..IndexSpec::over(&[])
                };
                self.add_index_constraint(table, spec, adding, queue)
            }
        }
    }

    // ---- CHECK and NOT NULL ----
}

pub(super) fn duplicate_constraint(name: &str, table: &str) -> SqlError {
    SqlError::new(
        sqlstate::DUPLICATE_OBJECT,
        format!("constraint \"{name}\" for relation \"{table}\" already exists"),
    )
}
