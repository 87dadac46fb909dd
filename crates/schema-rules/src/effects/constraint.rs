//! Adding constraints, in `CREATE TABLE` and `ALTER TABLE`.
//!
//! Source: `ATExecAddConstraint`, `ATAddCheckConstraint`, `ATAddForeignKeyConstraint` in
//! `src/backend/commands/tablecmds.c`; `transformIndexConstraint` in `src/backend/parser/parse_utilcmd.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    ConstraintAttributes, Expr, Ident, IndexParameters, References, TableConstraint, TableConstraintKind,
};

use super::ScanReason;
use super::condition::Condition;
use super::index::{IndexBuild, IndexRole, IndexSpec, options};
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{
    Column, ColumnNumber, Constraint, ConstraintKind, DependencyKind, ForeignKey, IndexKey, IndexKeyValue,
    Name, ObjectAddress, ObjectClass, Oid, Persistence, ReferentialAction, Relation, RelationId,
    RelationKind, TypeId,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::columns_of;
use crate::version::PgVersion;

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

    fn exclusion_key(&mut self, table: RelationId, value: &Expr, operator: &str) -> Outcome<IndexKey> {
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

    // ---- CHECK and NOT NULL ----

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
    fn inherit_check(
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
    fn enter_check(
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
    fn add_not_null(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        column: &str,
        attributes: ConstraintAttributes,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
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

    // ---- PRIMARY KEY, UNIQUE, EXCLUDE ----

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

    fn named_in_key(&mut self, table: RelationId, column: &str) -> Outcome<ColumnNumber> {
        self.column(table, column).map(|c| c.number).map_err(|_| {
            SqlError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{column}\" named in key does not exist"),
            )
        })
    }

    fn add_index_constraint(
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
    fn primary_key_not_null(
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
    fn adopt_index(
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
    fn adoptable(&self, name: &str, index: &crate::catalog::Index) -> Outcome {
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

    // ---- FOREIGN KEY ----

    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_foreign_key(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        columns: &[Ident],
        references: &References,
        attributes: ConstraintAttributes,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let relation = self.relation(table);
        let partitioned = relation.partition_key().is_some();
        let mode = LockMode::ShareRowExclusive;
        let referenced = self.open(&references.table, mode)?;
        if partitioned {
            self.partitioned_foreign_key(&relation, &referenced, attributes, adding)?;
        }
        if !matches!(referenced.kind, RelationKind::Table | RelationKind::PartitionedTable(_)) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("referenced relation \"{}\" is not a table", referenced.name),
            ));
        }
        same_persistence(&relation, &referenced)?;
        let mut own = Vec::new();
        for column in columns {
            own.push(self.column(table, column).map_err(|_| missing_in_key(column))?.number);
        }
        let (theirs, index) = self.referenced_key(&referenced, references)?;
        if own.len() != theirs.len() {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let name = name.unwrap_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|c| c.as_str()).collect();
            self.choose_constraint_name(&relation, &names.join("_"), "fkey")
        });
        self.comparable(&name, table, &own, &referenced, &theirs)?;
        let key = ForeignKey {
            columns: own,
            referenced: referenced.id,
            referenced_columns: theirs,
            referenced_index: index,
            on_delete: action(&references.on_delete),
            on_update: action(&references.on_update),
            match_full: references.match_full,
        };
        self.enter_foreign_key(table, &name, key, attributes, None, adding, queue);
        Ok(())
    }

    /// What a partitioned referencing table may not do.
    fn partitioned_foreign_key(
        &self,
        table: &Relation,
        referenced: &Relation,
        attributes: ConstraintAttributes,
        adding: Adding,
    ) -> Outcome {
        let refuse = |what: &str| {
            Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!(
                    "cannot {what} foreign key on partitioned table \"{}\" referencing relation \"{}\"",
                    table.name, referenced.name
                ),
            ))
        };
        if adding.only {
            return refuse("use ONLY for");
        }
        if attributes.not_valid && self.version < PgVersion::V18 && !adding.with_table {
            return refuse("add NOT VALID")
                .map_err(|e: SqlError| e.detail("This feature is not yet supported on partitioned tables."));
        }
        Ok(())
    }

    /// The referenced columns and the unique index over them.
    fn referenced_key(
        &mut self,
        table: &Relation,
        references: &References,
    ) -> Outcome<(Vec<ColumnNumber>, Option<RelationId>)> {
        if references.columns.is_empty() {
            return match table.primary_key() {
                Some((columns, index)) => Ok((columns.to_vec(), Some(index))),
                None if table.assumed => Ok((vec![self.column(table.id, "id")?.number], None)),
                None => Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{}\"", table.name),
                )),
            };
        }
        let mut columns = Vec::new();
        for column in &references.columns {
            columns.push(self.column(table.id, column).map_err(|_| missing_in_key(column))?.number);
        }
        if table.assumed {
            return Ok((columns, None));
        }
        let mut wanted = columns.clone();
        wanted.sort_unstable();
        let found = self.catalog.indexes_of(table.id).find(|candidate| {
            candidate.as_index().is_some_and(|index| {
                let mut keys: Vec<ColumnNumber> = index
                    .keys
                    .iter()
                    .filter_map(|key| match key.value {
                        IndexKeyValue::Column(number) => Some(number),
                        IndexKeyValue::Expression(_) => None,
                    })
                    .collect();
                keys.sort_unstable();
                index.unique
                    && index.valid
                    && index.predicate.is_none()
                    && index.keys.len() == wanted.len()
                    && keys == wanted
            })
        });
        let Some(found) = found else {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    table.name
                ),
            ));
        };
        let constraint = found.as_index().and_then(|i| i.constraint).and_then(|oid| table.constraint_at(oid));
        if constraint.is_some_and(|c| c.deferrable) {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("cannot use a deferrable unique constraint for referenced table \"{}\"", table.name),
            ));
        }
        Ok((columns, Some(found.id)))
    }

    /// The two sides must have an equality operator between them.
    fn comparable(
        &self,
        name: &str,
        table: RelationId,
        own: &[ColumnNumber],
        referenced: &Relation,
        theirs: &[ColumnNumber],
    ) -> Outcome {
        let table = self.relation(table);
        let referenced = self.relation(referenced.id);
        for (a, b) in own.iter().zip(theirs) {
            let (Some(a), Some(b)) = (table.column_at(*a), referenced.column_at(*b)) else { continue };
            if !self.same_key_family(&a.data_type, &b.data_type) {
                return Err(SqlError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("foreign key constraint \"{name}\" cannot be implemented"),
                )
                .detail(format!(
                    "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                    a.name, b.name, a.data_type.written, b.data_type.written
                )));
            }
        }
        Ok(())
    }

    /// Whether values of two types can be compared by one btree operator family, or be brought to one type.
    fn same_key_family(&self, a: &crate::catalog::ColumnType, b: &crate::catalog::ColumnType) -> bool {
        let (a, b) = (self.catalog.base_type(a), self.catalog.base_type(b));
        if matches!(a.id, TypeId::Unknown) || matches!(b.id, TypeId::Unknown) || a.id == b.id {
            return a.array == b.array;
        }
        let family = |t: &crate::catalog::ColumnType| match t.builtin_name() {
            Some("int2" | "int4" | "int8" | "numeric" | "float4" | "float8") => Some("numbers"),
            Some("text" | "varchar" | "bpchar" | "name") => Some("strings"),
            Some("date" | "timestamp" | "timestamptz") => Some("times"),
            Some("inet" | "cidr") => Some("network"),
            Some("bit" | "varbit") => Some("bits"),
            Some("oid" | "regclass" | "regproc" | "regtype") => Some("oids"),
            _ => None,
        };
        family(&a).is_some() && family(&a) == family(&b)
    }

    /// Enters the foreign key for the table and all its partitions, and has their rows looked up.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn enter_foreign_key(
        &mut self,
        table: RelationId,
        name: &Name,
        key: ForeignKey,
        attributes: ConstraintAttributes,
        parent: Option<Oid>,
        adding: Adding,
        queue: &mut Queue,
    ) {
        let enforced = attributes.enforced != Some(false);
        let validated = enforced && (adding.with_table || !attributes.not_valid);
        let oid = self.catalog.new_oid();
        let constraint = Constraint {
            validated,
            enforced,
            deferrable: attributes.deferrable.unwrap_or(false) || attributes.initially_deferred == Some(true),
            initially_deferred: attributes.initially_deferred.unwrap_or(false),
            inherited: u16::from(parent.is_some()),
            local: parent.is_none(),
            parent,
            ..Constraint::new(oid, name.clone(), ConstraintKind::ForeignKey(key.clone()))
        };
        self.catalog.change_relation(table, |r| r.constraints.push(constraint));
        self.foreign_key_dependencies(table, oid, &key, parent);
        // `CreateTrigger` for the triggers that enforce it, on both sides.
        self.lock(table, LockMode::ShareRowExclusive);
        let referenced_parts = self.catalog.with_descendants(key.referenced);
        for part in referenced_parts.into_iter().skip(1) {
            self.lock(part, LockMode::ShareRowExclusive);
        }
        let relation = self.relation(table);
        if relation.partition_key().is_some() {
            self.foreign_key_on_partitions(&relation, name, &key, attributes, oid, adding, queue);
        } else if validated && !adding.with_table && !self.is_new(table) {
            queue.table(table).foreign_keys.push((name.clone(), Rc::new(key)));
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn foreign_key_on_partitions(
        &mut self,
        parent: &Relation,
        name: &Name,
        key: &ForeignKey,
        attributes: ConstraintAttributes,
        oid: Oid,
        adding: Adding,
        queue: &mut Queue,
    ) {
        for id in self.partitions_in_bound_order(parent.id) {
            self.lock(id, adding.lock.unwrap_or(LockMode::ShareRowExclusive));
            let child = self.relation(id);
            let part = self.translated_key(key, parent, &child);
            let name = match child.constraint(name) {
                Some(_) => self.choose_constraint_name(&child, "", "fkey"),
                None => name.clone(),
            };
            self.enter_foreign_key(id, &name, part, attributes, Some(oid), adding, queue);
        }
    }

    /// A foreign key of `parent` in terms of `child`'s columns.
    pub(super) fn translated_key(&self, key: &ForeignKey, parent: &Relation, child: &Relation) -> ForeignKey {
        let column = |number: &ColumnNumber| {
            let name = parent.column_at(*number).map(|c| c.name.clone());
            name.and_then(|name| child.column(&name)).map_or(*number, |c| c.number)
        };
        ForeignKey { columns: key.columns.iter().map(column).collect(), ..key.clone() }
    }

    pub(super) fn foreign_key_dependencies(
        &mut self,
        table: RelationId,
        oid: Oid,
        key: &ForeignKey,
        parent: Option<Oid>,
    ) {
        let address = ObjectAddress::new(ObjectClass::Constraint, oid);
        for column in &key.columns {
            self.catalog.add_dependency(address, ObjectAddress::column(table, *column), DependencyKind::Auto);
        }
        for column in &key.referenced_columns {
            let column = ObjectAddress::column(key.referenced, *column);
            self.catalog.add_dependency(address, column, DependencyKind::Normal);
        }
        if let Some(index) = key.referenced_index {
            self.catalog.add_dependency(address, ObjectAddress::relation(index), DependencyKind::Normal);
        }
        if let Some(parent) = parent {
            let parent = ObjectAddress::new(ObjectClass::Constraint, parent);
            self.catalog.add_dependency(address, parent, DependencyKind::Partition);
        }
    }
}

pub(super) fn duplicate_constraint(name: &str, table: &str) -> SqlError {
    SqlError::new(
        sqlstate::DUPLICATE_OBJECT,
        format!("constraint \"{name}\" for relation \"{table}\" already exists"),
    )
}

fn missing_in_key(column: &str) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_COLUMN,
        format!("column \"{column}\" referenced in foreign key constraint does not exist"),
    )
}

fn same_persistence(table: &Relation, referenced: &Relation) -> Outcome {
    let allowed = match table.persistence {
        Persistence::Permanent => referenced.persistence == Persistence::Permanent,
        Persistence::Unlogged => referenced.persistence != Persistence::Temporary,
        Persistence::Temporary => referenced.persistence == Persistence::Temporary,
    };
    if allowed {
        return Ok(());
    }
    let message = match table.persistence {
        Persistence::Permanent => "constraints on permanent tables may reference only permanent tables",
        Persistence::Unlogged => {
            "constraints on unlogged tables may reference only permanent or unlogged tables"
        }
        Persistence::Temporary => "constraints on temporary tables may reference only temporary tables",
    };
    Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, message))
}

pub(super) fn action(written: &sql_syntax::ast::ReferentialAction) -> ReferentialAction {
    use sql_syntax::ast::ReferentialAction as Written;
    match written {
        Written::NoAction => ReferentialAction::NoAction,
        Written::Restrict => ReferentialAction::Restrict,
        Written::Cascade => ReferentialAction::Cascade,
        Written::SetNull(_) => ReferentialAction::SetNull,
        Written::SetDefault(_) => ReferentialAction::SetDefault,
    }
}
