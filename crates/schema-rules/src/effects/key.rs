//! Adding PRIMARY KEY, UNIQUE and EXCLUDE constraints.
//!
//! Source: `transformIndexConstraint` in `src/backend/parser/parse_utilcmd.c`, `ATExecAddIndex` and
//! `ATExecAddIndexConstraint` in `src/backend/commands/tablecmds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ConstraintAttributes, Expr, Ident, IndexParameters};

use super::constraint::Adding;
use super::index::options;
use super::index_definition::{IndexBuild, IndexRole, IndexSpec};
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{
    ColumnNumber, Constraint, ConstraintKind, DependencyKind, IndexKey, IndexKeyValue, Name, ObjectAddress,
    ObjectClass, RelationId, RelationKind,
};
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    pub(super) fn exclusion_key(
        &mut self,
        table: RelationId,
        value: &Expr,
        operator: &str,
    ) -> Outcome<IndexKey> {
        let relation = self.relation(table);
        let value = match &value.kind {
            sql_syntax::ast::ExprKind::Column { name, .. } => {
                IndexKeyValue::Column(self.key_column(&relation, name)?)
            }
            _ => IndexKeyValue::Expression(Rc::new(value.clone())),
        };
        let key = IndexSpec::over(&[0]).keys.remove(0);
        Ok(IndexKey { value, exclusion_operator: Some(operator.into()), ..key })
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_key(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        columns: &[Ident],
        index: &IndexParameters,
        attributes: ConstraintAttributes,
        role: IndexRole,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        if let Some(existing) = &index.using_index {
            return self.adopt_index(table, name, &existing.name, attributes, role, queue);
        }
        let relation = self.relation(table);
        if role == IndexRole::PrimaryKey && relation.primary_key().is_some() {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("multiple primary keys for table \"{}\" are not allowed", relation.name),
            ));
        }
        let mut numbers = Vec::new();
        for column in columns {
            numbers.push(self.named_in_key(table, column)?);
        }
        self.keys_are_stored(table, &numbers, role)?;
        let method = if index.without_overlaps { "gist" } else { "btree" };
        for number in &numbers {
            if let Some(column) = self.relation(table).column_at(*number) {
                self.has_default_class(method, &column.data_type)?;
            }
        }
        let mut included = Vec::new();
        for column in &index.include {
            included.push(self.named_in_key(table, column)?);
        }
        let spec = IndexSpec {
            name,
            included,
            unique: true,
            nulls_not_distinct: index.nulls_not_distinct,
            role,
            deferrable: attributes.deferrable.unwrap_or(false) || attributes.initially_deferred == Some(true),
            initially_deferred: attributes.initially_deferred.unwrap_or(false),
            options: options(&index.options),
            tablespace: index.tablespace.as_deref().map(Name::from),
            ..IndexSpec::over(&numbers)
        };
        if role == IndexRole::PrimaryKey {
            self.primary_key_not_null(table, &numbers, adding, queue)?;
        }
        self.add_index_constraint(table, spec, adding, queue)
    }

    /// A virtual column has no values that an index could keep.
    pub(super) fn keys_are_stored(
        &self,
        table: RelationId,
        numbers: &[ColumnNumber],
        role: IndexRole,
    ) -> Outcome {
        let relation = self.relation(table);
        let mut columns = numbers.iter().filter_map(|n| relation.column_at(*n));
        if !columns.any(|c| c.generated.as_ref().is_some_and(|g| !g.stored)) {
            return Ok(());
        }
        let what = if role == IndexRole::PrimaryKey { "primary keys" } else { "unique constraints" };
        Err(SqlError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("{what} on virtual generated columns are not supported"),
        ))
    }

    pub(super) fn named_in_key(&mut self, table: RelationId, column: &str) -> Outcome<ColumnNumber> {
        self.column(table, column).map(|c| c.number).map_err(|_| {
            SqlError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{column}\" named in key does not exist"),
            )
        })
    }

    pub(super) fn add_index_constraint(
        &mut self,
        table: RelationId,
        spec: IndexSpec,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let build = IndexBuild { only: adding.only, skip: queue.rewrites(table), ..IndexBuild::default() };
        self.define_index(table, spec, build).map(drop)
    }

    /// The columns of a primary key become NOT NULL on the table and all below it.
    pub(super) fn primary_key_not_null(
        &mut self,
        table: RelationId,
        columns: &[ColumnNumber],
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let relation = self.relation(table);
        for number in columns {
            let Some(column) = relation.column_at(*number).cloned() else { continue };
            let descend = !adding.only && !column.not_null;
            let ids = if descend { self.catalog.with_descendants(table) } else { vec![table] };
            for (depth, id) in ids.into_iter().enumerate() {
                if depth > 0 {
                    self.lock(id, adding.lock.unwrap_or(LockMode::AccessExclusive));
                }
                let column = self.column(id, &column.name)?;
                let attributes = ConstraintAttributes::default();
                self.set_not_null_on(id, &column, None, attributes, u16::from(depth > 0), queue);
            }
        }
        Ok(())
    }

    /// `USING INDEX`: an index becomes a constraint's, and takes its name.
    pub(super) fn adopt_index(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        index_name: &str,
        attributes: ConstraintAttributes,
        role: IndexRole,
        queue: &mut Queue,
    ) -> Outcome {
        let relation = self.relation(table);
        if relation.partition_key().is_some() {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "ALTER TABLE / ADD CONSTRAINT USING INDEX is not supported on partitioned tables",
            ));
        }
        let Some(found) = self.catalog.find_in(&relation.schema, index_name).cloned() else {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("index \"{index_name}\" does not exist"),
            ));
        };
        let Some(index) = found.as_index().filter(|i| i.table == table) else {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("index \"{index_name}\" does not belong to table \"{}\"", relation.name),
            ));
        };
        self.adoptable(index_name, index)?;
        let index = index.clone();
        let columns: Vec<ColumnNumber> = IndexSpec::like(&index, None)
            .keys
            .iter()
            .filter_map(|key| match &key.value {
                IndexKeyValue::Column(number) => Some(*number),
                IndexKeyValue::Expression(_) => None,
            })
            .collect();
        if role == IndexRole::PrimaryKey {
            let adding = Adding::default();
            self.primary_key_not_null(table, &columns, adding, queue)?;
        }
        let name = name.unwrap_or_else(|| index_name.into());
        if *name != *index_name {
            self.notice(format!(
                "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{index_name}\" to \"{name}\""
            ));
            // `RenameRelationInternal` of an index asks for no more than this.
            self.lock(found.id, LockMode::ShareUpdateExclusive);
        }
        let oid = self.catalog.new_oid();
        let kind = match role {
            IndexRole::PrimaryKey => ConstraintKind::PrimaryKey { index: found.id, columns: columns.clone() },
            _ => ConstraintKind::Unique { index: found.id, columns: columns.clone() },
        };
        let constraint = Constraint {
            deferrable: attributes.deferrable.unwrap_or(false),
            initially_deferred: attributes.initially_deferred.unwrap_or(false),
            no_inherit: true,
            ..Constraint::new(oid, name.clone(), kind)
        };
        self.catalog.change_relation(table, |r| r.constraints.push(constraint));
        self.catalog.change_relation(found.id, |r| {
            r.name = name;
            if let RelationKind::Index(index) = &mut r.kind {
                index.constraint = Some(oid);
                index.primary = role == IndexRole::PrimaryKey;
            }
        });
        let address = ObjectAddress::new(ObjectClass::Constraint, oid);
        self.catalog.forget_dependencies_of(ObjectAddress::relation(found.id));
        self.catalog.add_dependency(ObjectAddress::relation(found.id), address, DependencyKind::Internal);
        for column in columns {
            self.catalog.add_dependency(address, ObjectAddress::column(table, column), DependencyKind::Auto);
        }
        Ok(())
    }

    /// What an index must be to become a constraint's.
    pub(super) fn adoptable(&self, name: &str, index: &crate::catalog::Index) -> Outcome {
        let wrong = |why: String| Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, why));
        if index.constraint.is_some() {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("index \"{name}\" is already associated with a constraint"),
            ));
        }
        if !index.valid {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("index \"{name}\" is not valid"),
            ));
        }
        if !index.unique {
            return wrong(format!("\"{name}\" is not a unique index"));
        }
        if index.keys.iter().any(|k| matches!(k.value, IndexKeyValue::Expression(_))) {
            return wrong(format!("index \"{name}\" contains expressions"));
        }
        if index.predicate.is_some() {
            return wrong(format!("\"{name}\" is a partial index"));
        }
        if index.keys.iter().any(|k| k.descending || k.nulls_first) {
            return wrong(format!("index \"{name}\" column number 1 does not have default sorting behavior"));
        }
        Ok(())
    }
}
