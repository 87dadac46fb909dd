//! What an index is made of, and making it: for `CREATE INDEX`, for constraints, for partitions.
//!
//! Source: `DefineIndex` in `src/backend/commands/indexcmds.c`, `index_create` and `index_build` in
//! `src/backend/catalog/index.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::Expr;

use super::condition::Condition;
use super::naming::index_columns_name;
use super::run::{Outcome, Run};
use super::{ScanReason, WorkKind};
use crate::catalog::{
    Change, ColumnNumber, Constraint, ConstraintKind, DependencyKind, Index, IndexKey, IndexKeyValue, Name,
    ObjectAddress, ObjectClass, Oid, Relation, RelationId, RelationKind,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::columns_of;
use crate::version::PgVersion;

/// What an index is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexRole {
    /// Only itself.
    Plain,
    /// A PRIMARY KEY.
    PrimaryKey,
    /// A UNIQUE constraint.
    Unique,
    /// An EXCLUDE constraint.
    Exclusion,
}

/// An index that is to be.
#[derive(Clone, Debug)]
pub(super) struct IndexSpec {
    pub(super) name: Option<Name>,
    pub(super) method: Name,
    pub(super) keys: Vec<IndexKey>,
    pub(super) included: Vec<ColumnNumber>,
    pub(super) predicate: Option<Rc<Expr>>,
    pub(super) unique: bool,
    pub(super) nulls_not_distinct: bool,
    pub(super) role: IndexRole,
    pub(super) deferrable: bool,
    pub(super) initially_deferred: bool,
    pub(super) options: Vec<(Name, Name)>,
    pub(super) tablespace: Option<Name>,
}

impl IndexSpec {
    /// A btree index over columns.
    pub(super) fn over(columns: &[ColumnNumber]) -> Self {
        let key = |number: &ColumnNumber| IndexKey {
            value: IndexKeyValue::Column(*number),
            operator_class: None,
            collation: None,
            descending: false,
            nulls_first: false,
            exclusion_operator: None,
        };
        Self {
            name: None,
            method: "btree".into(),
            keys: columns.iter().map(key).collect(),
            included: Vec::new(),
            predicate: None,
            unique: false,
            nulls_not_distinct: false,
            role: IndexRole::Plain,
            deferrable: false,
            initially_deferred: false,
            options: Vec::new(),
            tablespace: None,
        }
    }

    /// The same definition as an index that exists; its name is to be chosen anew.
    pub(super) fn like(index: &Index, constraint: Option<&Constraint>) -> Self {
        let role = match constraint.map(|c| &c.kind) {
            Some(ConstraintKind::PrimaryKey { .. }) => IndexRole::PrimaryKey,
            Some(ConstraintKind::Unique { .. }) => IndexRole::Unique,
            Some(ConstraintKind::Exclude { .. }) => IndexRole::Exclusion,
            _ => IndexRole::Plain,
        };
        Self {
            name: None,
            method: index.method.clone(),
            keys: index.keys.clone(),
            included: index.included.clone(),
            predicate: index.predicate.clone(),
            unique: index.unique,
            nulls_not_distinct: index.nulls_not_distinct,
            role,
            deferrable: constraint.is_some_and(|c| c.deferrable),
            initially_deferred: constraint.is_some_and(|c| c.initially_deferred),
            options: Vec::new(),
            tablespace: None,
        }
    }

    pub(super) fn key_columns(&self) -> Vec<ColumnNumber> {
        self.keys
            .iter()
            .filter_map(|key| match &key.value {
                IndexKeyValue::Column(number) => Some(*number),
                IndexKeyValue::Expression(_) => None,
            })
            .collect()
    }
}

/// How an index is built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IndexBuild {
    /// The table is about to be rewritten: the rewrite builds the index.
    pub(super) skip: bool,
    /// An index with the same definition was dropped in this statement: its file is taken over.
    pub(super) reuse_file: bool,
    /// `ON ONLY`: the partitions get none, and the index is not valid.
    pub(super) only: bool,
    /// The partitioned table's index that this is to be a part of.
    pub(super) parent: Option<(RelationId, Option<Oid>)>,
}

impl Run<'_> {
    pub(super) fn set_index_state(&mut self, index: RelationId, valid: bool, ready: bool) {
        self.catalog.change_relation(index, |r| {
            if let RelationKind::Index(index) = &mut r.kind {
                (index.valid, index.ready) = (valid, ready);
            }
        });
    }

    /// Creates an index, on a partitioned table with all its parts. Gives back its id.
    pub(super) fn define_index(
        &mut self,
        table: RelationId,
        spec: IndexSpec,
        build: IndexBuild,
    ) -> Outcome<RelationId> {
        let relation = self.relation(table);
        if relation.partition_key().is_some() {
            self.check_partitioned_key(&relation, &spec)?;
        }
        let index = self.enter_index(&relation, &spec, build, LockMode::Share)?;
        if relation.partition_key().is_some() {
            if !build.only {
                self.define_index_on_partitions(&relation, index, &spec)?;
            }
            return Ok(index);
        }
        if build.skip || build.reuse_file {
            return Ok(index);
        }
        if self.is_new(table) {
            self.work(table, WorkKind::BuildEmptyIndex { index });
        } else {
            self.build_index(table, index, &spec, false)?;
        }
        Ok(index)
    }

    /// Each partition gets a part of the index, unless it has an index that can become one.
    pub(super) fn define_index_on_partitions(
        &mut self,
        parent: &Relation,
        index: RelationId,
        spec: &IndexSpec,
    ) -> Outcome {
        let constraint = self.relation(index).as_index().and_then(|i| i.constraint);
        for partition in self.partitions_in_bound_order(parent.id) {
            self.lock(partition, LockMode::Share);
            let child = self.relation(partition);
            if let Some(existing) = self.matching_index(&child, parent, spec) {
                self.lock(existing, LockMode::Share);
                self.attach_index(existing, index, constraint);
                continue;
            }
            let part = IndexSpec { name: None, ..self.translated(spec, parent, &child) };
            let build = IndexBuild { parent: Some((index, constraint)), ..IndexBuild::default() };
            self.define_index(partition, part, build)?;
        }
        Ok(())
    }

    /// An index of `child` that has the same definition as `spec` has for `parent` and belongs to no other.
    pub(super) fn matching_index(
        &self,
        child: &Relation,
        parent: &Relation,
        spec: &IndexSpec,
    ) -> Option<RelationId> {
        let wanted = self.translated(spec, parent, child);
        self.catalog
            .indexes_of(child.id)
            .find(|candidate| {
                candidate.as_index().is_some_and(|index| {
                    let constrained = index.constraint.is_some();
                    index.parent.is_none()
                        && index.valid
                        && same_definition(index, &wanted)
                        && (wanted.role == IndexRole::Plain || constrained)
                })
            })
            .map(|index| index.id)
    }

    pub(super) fn attach_index(&mut self, child: RelationId, parent: RelationId, constraint: Option<Oid>) {
        let child_constraint = self.relation(child).as_index().and_then(|i| i.constraint);
        self.catalog.change_relation(child, |r| {
            if let RelationKind::Index(index) = &mut r.kind {
                index.parent = Some(parent);
            }
        });
        self.catalog.add_dependency(
            ObjectAddress::relation(child),
            ObjectAddress::relation(parent),
            DependencyKind::Partition,
        );
        if let (Some(own), Some(theirs)) = (child_constraint, constraint) {
            let table = self.relation(child).as_index().map(|i| i.table);
            if let Some(table) = table {
                self.catalog.change_relation(table, |r| {
                    for c in r.constraints.iter_mut().filter(|c| c.oid == own) {
                        (c.parent, c.inherited, c.local) = (Some(theirs), 1, false);
                    }
                });
            }
            self.catalog.add_dependency(
                ObjectAddress::new(ObjectClass::Constraint, own),
                ObjectAddress::new(ObjectClass::Constraint, theirs),
                DependencyKind::Partition,
            );
        }
    }

    /// A definition for `parent` in terms of `child`, whose columns may be numbered otherwise.
    pub(super) fn translated(&self, spec: &IndexSpec, parent: &Relation, child: &Relation) -> IndexSpec {
        let column = |number: ColumnNumber| {
            let name = parent.column_at(number).map(|c| c.name.clone());
            name.and_then(|name| child.column(&name)).map_or(number, |c| c.number)
        };
        let mut translated = spec.clone();
        for key in &mut translated.keys {
            if let IndexKeyValue::Column(number) = &mut key.value {
                *number = column(*number);
            }
        }
        for number in &mut translated.included {
            *number = column(*number);
        }
        translated
    }

    /// A unique key of a partitioned table must contain its partition key: each part is unique by itself only.
    pub(super) fn check_partitioned_key(&self, table: &Relation, spec: &IndexSpec) -> Outcome {
        if !spec.unique && spec.role != IndexRole::Exclusion {
            return Ok(());
        }
        let Some(key) = table.partition_key() else { return Ok(()) };
        let what = match spec.role {
            IndexRole::PrimaryKey => "PRIMARY KEY",
            IndexRole::Exclusion => "EXCLUDE",
            _ => "UNIQUE",
        };
        if spec.role == IndexRole::Exclusion && self.version < PgVersion::V17 {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "exclusion constraints are not supported on partitioned tables",
            ));
        }
        let columns = spec.key_columns();
        for part in &key.keys {
            let name = match part {
                IndexKeyValue::Column(number) if columns.contains(number) => continue,
                IndexKeyValue::Column(number) => table.column_at(*number).map(|c| c.name.to_string()),
                IndexKeyValue::Expression(_) => None,
            };
            let Some(name) = name else {
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    format!("unsupported {what} constraint with partition key definition"),
                )
                .detail(format!(
                    "{what} constraints cannot be used when partition keys include expressions."
                )));
            };
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "unique constraint on partitioned table must include all partitioning columns",
            )
            .detail(format!(
                "{what} constraint on table \"{}\" lacks column \"{name}\" which is part of the partition key.",
                table.name
            )));
        }
        Ok(())
    }

    /// Puts the index, and its constraint, into the catalog.
    pub(super) fn enter_index(
        &mut self,
        table: &Relation,
        spec: &IndexSpec,
        build: IndexBuild,
        table_mode: LockMode,
    ) -> Outcome<RelationId> {
        let concurrently = table_mode == LockMode::ShareUpdateExclusive;
        let name = self.index_name(table, spec);
        if self.catalog.find_in(&table.schema, &name).is_some() {
            return Err(SqlError::duplicate_relation(&name));
        }
        if !concurrently {
            self.lock(table.id, table_mode);
        }
        let id = self.catalog.new_relation_id();
        let constraint = (spec.role != IndexRole::Plain).then(|| self.catalog.new_oid());
        let partitioned = table.partition_key().is_some();
        let index = Index {
            table: table.id,
            method: spec.method.clone(),
            keys: spec.keys.clone(),
            included: spec.included.clone(),
            predicate: spec.predicate.clone(),
            unique: spec.unique,
            nulls_not_distinct: spec.nulls_not_distinct,
            primary: spec.role == IndexRole::PrimaryKey,
            constraint,
            parent: build.parent.map(|(index, _)| index),
            partitioned,
            valid: !(concurrently || build.only && self.catalog.children_of(table.id).next().is_some()),
            ready: !concurrently,
        };
        let mut relation = Relation::new(id, table.schema.clone(), name.clone(), RelationKind::Index(index));
        relation.persistence = table.persistence;
        relation.options = spec.options.clone();
        relation.tablespace = spec.tablespace.clone();
        self.create_relation(relation);
        if spec.deferrable && !build.skip {
            // A trigger checks the key again at the end (`index_constraint_create` creates it).
            self.lock(table.id, LockMode::ShareRowExclusive);
        }
        if let Some(oid) = constraint {
            self.enter_index_constraint(table, spec, id, oid, name, build.parent.and_then(|(_, c)| c));
        }
        self.index_dependencies(table, id, spec, constraint);
        if let Some((parent, _)) = build.parent {
            self.lock(parent, LockMode::ShareUpdateExclusive);
            self.catalog.add_dependency(
                ObjectAddress::relation(id),
                ObjectAddress::relation(parent),
                DependencyKind::Partition,
            );
        }
        Ok(id)
    }

    pub(super) fn index_name(&self, table: &Relation, spec: &IndexSpec) -> Name {
        if let Some(name) = &spec.name {
            return name.clone();
        }
        let schema = &table.schema;
        let columns = index_columns_name(table, &spec.keys, &spec.included);
        match spec.role {
            IndexRole::PrimaryKey => self.choose_relation_name(schema, &table.name, "", "pkey"),
            IndexRole::Exclusion => self.choose_relation_name(schema, &table.name, &columns, "excl"),
            IndexRole::Unique => self.choose_relation_name(schema, &table.name, &columns, "key"),
            IndexRole::Plain => self.choose_relation_name(schema, &table.name, &columns, "idx"),
        }
    }

    pub(super) fn enter_index_constraint(
        &mut self,
        table: &Relation,
        spec: &IndexSpec,
        index: RelationId,
        oid: Oid,
        name: Name,
        parent: Option<Oid>,
    ) {
        let columns = spec.key_columns();
        let kind = match spec.role {
            IndexRole::PrimaryKey => ConstraintKind::PrimaryKey { index, columns: columns.clone() },
            IndexRole::Exclusion => ConstraintKind::Exclude { index },
            _ => ConstraintKind::Unique { index, columns: columns.clone() },
        };
        let constraint = Constraint {
            deferrable: spec.deferrable,
            initially_deferred: spec.initially_deferred,
            inherited: u16::from(parent.is_some()),
            local: parent.is_none(),
            parent,
            no_inherit: true,
            ..Constraint::new(oid, name, kind)
        };
        self.catalog.change_relation(table.id, |r| r.constraints.push(constraint));
        let address = ObjectAddress::new(ObjectClass::Constraint, oid);
        for column in columns {
            self.catalog.add_dependency(
                address,
                ObjectAddress::column(table.id, column),
                DependencyKind::Auto,
            );
        }
        if let Some(parent) = parent {
            let parent = ObjectAddress::new(ObjectClass::Constraint, parent);
            self.catalog.add_dependency(address, parent, DependencyKind::Partition);
        }
    }

    pub(super) fn index_dependencies(
        &mut self,
        table: &Relation,
        index: RelationId,
        spec: &IndexSpec,
        constraint: Option<Oid>,
    ) {
        let address = ObjectAddress::relation(index);
        if let Some(oid) = constraint {
            let constraint = ObjectAddress::new(ObjectClass::Constraint, oid);
            self.catalog.add_dependency(address, constraint, DependencyKind::Internal);
        }
        let mut columns = spec.key_columns();
        columns.extend(&spec.included);
        let expressions = spec.keys.iter().filter_map(|key| match &key.value {
            IndexKeyValue::Expression(expression) => Some(expression.clone()),
            IndexKeyValue::Column(_) => None,
        });
        let expressions: Vec<Rc<Expr>> = expressions.chain(spec.predicate.clone()).collect();
        for expression in &expressions {
            columns.extend(columns_of(table, expression));
            self.expression_dependencies(address, table, expression, DependencyKind::Normal);
        }
        columns.sort_unstable();
        columns.dedup();
        if constraint.is_none() {
            for column in &columns {
                self.catalog.add_dependency(
                    address,
                    ObjectAddress::column(table.id, *column),
                    DependencyKind::Auto,
                );
            }
            if columns.is_empty() {
                let whole = ObjectAddress::relation(table.id);
                self.catalog.add_dependency(address, whole, DependencyKind::Auto);
            }
        }
    }

    /// Reads the table and builds the index; a unique one finds duplicates then.
    pub(super) fn build_index(
        &mut self,
        table: RelationId,
        index: RelationId,
        spec: &IndexSpec,
        concurrently: bool,
    ) -> Outcome {
        self.work(table, WorkKind::BuildIndex { index, concurrently });
        let name = self.relation(index).name.clone();
        if spec.unique {
            let otherwise = SqlError::new(
                sqlstate::UNIQUE_VIOLATION,
                format!("could not create unique index \"{name}\""),
            );
            self.check(Condition::Unique { relation: table, index }, otherwise)?;
        }
        if spec.role == IndexRole::Exclusion {
            // `IndexCheckExclusion` reads the table once more and looks every row up in the new index.
            self.scan(table, ScanReason::Exclusion);
            let otherwise = SqlError::new(
                sqlstate::EXCLUSION_VIOLATION,
                format!("could not create exclusion constraint \"{name}\""),
            );
            self.check(Condition::Exclusion { relation: table, index }, otherwise)?;
        }
        Ok(())
    }

    /// Builds an index that is in the catalog already.
    pub(super) fn build_again(
        &mut self,
        table: RelationId,
        index: RelationId,
        concurrently: bool,
    ) -> Outcome {
        let relation = self.relation(index);
        let Some(definition) = relation.as_index() else { return Ok(()) };
        let exclusion = definition.keys.iter().any(|k| k.exclusion_operator.is_some());
        let mut spec = IndexSpec::like(definition, None);
        if exclusion {
            spec.role = IndexRole::Exclusion;
        }
        self.build_index(table, index, &spec, concurrently)
    }

    /// Builds every index of a table that has just been written anew (`reindex_relation`).
    pub(super) fn rebuild_indexes(&mut self, table: RelationId) {
        // `reindex_relation` opens the table so, whether it has indexes or not.
        self.lock(table, LockMode::Share);
        let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
        for index in indexes {
            self.lock(index, LockMode::AccessExclusive);
            self.work(table, WorkKind::BuildIndex { index, concurrently: false });
            if self
                .relation(index)
                .as_index()
                .is_some_and(|i| i.keys.iter().any(|k| k.exclusion_operator.is_some()))
            {
                self.scan(table, ScanReason::Exclusion);
            }
        }
    }

    /// Takes an index's catalog entry away and gives what is needed to enter it again.
    pub(super) fn forget_relation(&mut self, id: RelationId) {
        let address = ObjectAddress::relation(id);
        self.catalog.forget_dependencies_of(address);
        for dependency in self.catalog.dependents_of(address) {
            self.catalog.record(Change::Forget(dependency));
        }
        self.catalog.remove_relation(id);
    }
}

pub(super) fn same_definition(index: &Index, spec: &IndexSpec) -> bool {
    let same_key = |(a, b): (&IndexKey, &IndexKey)| {
        let same_value = match (&a.value, &b.value) {
            (IndexKeyValue::Column(x), IndexKeyValue::Column(y)) => x == y,
            (IndexKeyValue::Expression(x), IndexKeyValue::Expression(y)) => same_expression(x, y),
            _ => false,
        };
        same_value
            && a.operator_class == b.operator_class
            && a.collation == b.collation
            && (a.descending, a.nulls_first) == (b.descending, b.nulls_first)
            && a.exclusion_operator == b.exclusion_operator
    };
    let same_predicate = match (&index.predicate, &spec.predicate) {
        (None, None) => true,
        (Some(a), Some(b)) => same_expression(a, b),
        _ => false,
    };
    index.method == spec.method
        && index.unique == spec.unique
        && index.nulls_not_distinct == spec.nulls_not_distinct
        && index.keys.len() == spec.keys.len()
        && index.keys.iter().zip(&spec.keys).all(same_key)
        && index.included == spec.included
        && same_predicate
}

pub(super) fn same_expression(a: &Expr, b: &Expr) -> bool {
    crate::expression::same(a, b)
}
