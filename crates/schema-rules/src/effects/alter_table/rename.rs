//! `RENAME` and `SET SCHEMA`: a statement of their own each, whatever they share with `ALTER TABLE` in spelling.
//!
//! Source: `RenameRelation`, `renameatt`, `RenameConstraint`, `AlterTableNamespace` in `tablecmds.c`. Renaming an
//! index asks for no more than SHARE UPDATE EXCLUSIVE on it (since version 12), unless it is called a table.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{AlterTable, AlterTableAction, Expr, Ident, RelationKeyword};

use crate::catalog::{
    ConstraintKind, Generated, IndexKeyValue, Name, ObjectAddress, ObjectClass, PartitionKey, Relation,
    RelationId, RelationKind,
};
use crate::effects::constraint::duplicate_constraint;
use crate::effects::run::{Outcome, Run, plain};
use crate::error::{SqlError, sqlstate};
use crate::expression::rename_column;

pub(super) fn is_rename(action: &AlterTableAction) -> bool {
    use AlterTableAction as A;
    matches!(action, A::RenameTo(_) | A::RenameColumn { .. } | A::RenameConstraint { .. } | A::SetSchema(_))
}

impl Run<'_> {
    pub(super) fn rename(&mut self, statement: &AlterTable, action: &AlterTableAction) -> Outcome {
        let relation = match self.find(&statement.name) {
            Err(_) if statement.if_exists => {
                self.notice(format!("relation \"{}\" does not exist, skipping", plain(&statement.name)));
                return Ok(());
            }
            found => found?,
        };
        let index = relation.as_index().is_some();
        let renames = matches!(action, AlterTableAction::RenameTo(_));
        let weak = index && statement.keyword == RelationKeyword::Index && renames;
        self.lock(relation.id, if weak { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive });
        match action {
            AlterTableAction::RenameTo(to) => {
                self.fits_keyword_for_rename(&relation, statement.keyword)?;
                self.rename_relation(&relation, to)
            }
            AlterTableAction::RenameColumn { column, to } => {
                self.rename_column(&relation, column, to, statement.only)
            }
            AlterTableAction::RenameConstraint { name, to } => self.rename_constraint(&relation, name, to),
            AlterTableAction::SetSchema(schema) => self.set_schema(&relation, schema),
            _ => Ok(()),
        }
    }

    /// `ALTER VIEW … RENAME` wants a view; `ALTER TABLE` and `ALTER INDEX` take each other's objects.
    fn fits_keyword_for_rename(&self, relation: &Relation, keyword: RelationKeyword) -> Outcome {
        match keyword {
            RelationKeyword::Table | RelationKeyword::Index => Ok(()),
            _ => self.fits_keyword(relation, keyword),
        }
    }

    fn rename_relation(&mut self, relation: &Relation, to: &Ident) -> Outcome {
        if self.catalog.find_in(&relation.schema, to).is_some() {
            return Err(SqlError::duplicate_relation(to));
        }
        let name: Name = to.as_str().into();
        self.catalog.change_relation(relation.id, |r| r.name = name.clone());
        // A constraint is named like its index.
        if let Some(index) = relation.as_index()
            && let Some(oid) = index.constraint
        {
            self.catalog.change_relation(index.table, |r| {
                r.constraints.iter_mut().filter(|c| c.oid == oid).for_each(|c| c.name = name.clone());
            });
        }
        Ok(())
    }

    fn rename_column(&mut self, relation: &Relation, from: &Ident, to: &Ident, only: bool) -> Outcome {
        let missing =
            || SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", from.text));
        let column = self.column(relation.id, from).map_err(|_| missing())?;
        if column.inherited > 0 {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("cannot rename inherited column \"{}\"", from.text),
            ));
        }
        let descendants = self.catalog.with_descendants(relation.id);
        if only && descendants.len() > 1 {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("inherited column \"{}\" must be renamed in child tables too", from.text),
            ));
        }
        for id in descendants.iter().skip(1) {
            self.lock(*id, LockMode::AccessExclusive);
        }
        for id in descendants {
            let relation = self.relation(id);
            if relation.column(to).is_some() {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{}\" of relation \"{}\" already exists", to.text, relation.name),
                ));
            }
            self.rename_column_in(id, from, to);
        }
        Ok(())
    }

    /// Expressions are kept as text here, so that every one of the table's own follows the new name.
    fn rename_column_in(&mut self, id: RelationId, from: &str, to: &str) {
        let rename = |expression: &Rc<Expr>| Rc::new(rename_column(expression, from, to));
        self.catalog.change_relation(id, |r| {
            for column in &mut r.columns {
                if !column.dropped && &*column.name == from {
                    column.name = to.into();
                }
                if let Some(generated) = &column.generated {
                    column.generated =
                        Some(Generated { expression: rename(&generated.expression), ..*generated });
                }
            }
            for constraint in &mut r.constraints {
                if let ConstraintKind::Check(expression) = &mut constraint.kind {
                    *expression = rename(expression);
                }
            }
            if let RelationKind::PartitionedTable(key) = &r.kind {
                let mut key: PartitionKey = (**key).clone();
                rename_keys(&mut key.keys, &rename);
                r.kind = RelationKind::PartitionedTable(Rc::new(key));
            }
        });
        let indexes: Vec<RelationId> = self.catalog.indexes_of(id).map(|i| i.id).collect();
        for index in indexes {
            self.catalog.change_relation(index, |r| {
                if let RelationKind::Index(index) = &mut r.kind {
                    for key in &mut index.keys {
                        rename_keys(std::slice::from_mut(&mut key.value), &rename);
                    }
                    index.predicate = index.predicate.as_ref().map(&rename);
                }
            });
        }
    }

    fn rename_constraint(&mut self, relation: &Relation, from: &Ident, to: &Ident) -> Outcome {
        let Some(constraint) = relation.constraint(from).cloned() else {
            if relation.assumed {
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{}\" for table \"{}\" does not exist", from.text, relation.name),
            ));
        };
        if relation.constraint(to).is_some() {
            return Err(duplicate_constraint(to, &relation.name));
        }
        let name: Name = to.as_str().into();
        let index = match &constraint.kind {
            ConstraintKind::PrimaryKey { index, .. }
            | ConstraintKind::Unique { index, .. }
            | ConstraintKind::Exclude { index } => Some(*index),
            _ => None,
        };
        if let Some(index) = index {
            if self.catalog.find_in(&relation.schema, to).is_some() {
                return Err(SqlError::duplicate_relation(to));
            }
            self.lock(index, LockMode::ShareUpdateExclusive);
            self.catalog.change_relation(index, |r| r.name = name.clone());
        }
        let inherits = matches!(constraint.kind, ConstraintKind::Check(_) | ConstraintKind::NotNull(_));
        let ids = if inherits && !constraint.no_inherit {
            self.catalog.with_descendants(relation.id)
        } else {
            vec![relation.id]
        };
        for (depth, id) in ids.into_iter().enumerate() {
            if depth > 0 {
                self.lock(id, LockMode::AccessExclusive);
            }
            self.catalog.change_relation(id, |r| {
                r.constraints
                    .iter_mut()
                    .filter(|c| c.name == constraint.name)
                    .for_each(|c| c.name = name.clone());
            });
        }
        Ok(())
    }

    /// Indexes and owned sequences move along.
    fn set_schema(&mut self, relation: &Relation, schema: &Ident) -> Outcome {
        let name = self.existing_schema(schema)?;
        if let Some(schema) = self.catalog.schema(&name) {
            let address = ObjectAddress::new(ObjectClass::Schema, schema.oid);
            self.lock_object(address, LockMode::AccessShare);
        }
        if relation.as_sequence().is_some_and(|s| s.owned_by.is_some()) {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cannot move an owned sequence into another schema",
            ));
        }
        if name == relation.schema {
            return Ok(());
        }
        if self.catalog.find_in(&name, &relation.name).is_some() {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_TABLE,
                format!("relation \"{}\" already exists in schema \"{name}\"", relation.name),
            ));
        }
        self.move_to_schema(relation.id, &name);
        let indexes: Vec<RelationId> = self.catalog.indexes_of(relation.id).map(|i| i.id).collect();
        for index in indexes {
            self.catalog.change_relation(index, |r| r.schema = name.clone());
        }
        for dependency in self.catalog.dependents_of(ObjectAddress::relation(relation.id)) {
            let Some(id) = dependency.dependent.as_relation() else { continue };
            if self.relation(id).as_sequence().is_some() {
                self.lock(id, LockMode::AccessExclusive);
                self.move_to_schema(id, &name);
            }
        }
        Ok(())
    }

    fn move_to_schema(&mut self, id: RelationId, schema: &Name) {
        let address = ObjectAddress::relation(id);
        for dependency in self.catalog.dependencies_of(address) {
            if dependency.dependent == address && dependency.referenced.class == ObjectClass::Schema {
                self.catalog.record(crate::catalog::Change::Forget(dependency));
            }
        }
        if let Some(new) = self.catalog.schema(schema) {
            let new = ObjectAddress::new(ObjectClass::Schema, new.oid);
            self.catalog.add_dependency(address, new, crate::catalog::DependencyKind::Normal);
        }
        self.catalog.change_relation(id, |r| r.schema = schema.clone());
    }
}

fn rename_keys(keys: &mut [IndexKeyValue], rename: &dyn Fn(&Rc<Expr>) -> Rc<Expr>) {
    for key in keys {
        if let IndexKeyValue::Expression(expression) = key {
            *expression = rename(expression);
        }
    }
}
