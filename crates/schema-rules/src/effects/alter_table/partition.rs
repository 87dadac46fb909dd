//! `ATTACH` and `DETACH PARTITION`, `INHERIT` and `NO INHERIT`.
//!
//! Source: `ATExecAttachPartition`, `QueuePartitionConstraintValidation`, `ATExecDetachPartition`,
//! `DetachPartitionFinalize`, `ATExecAddInherit` in `tablecmds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{self, DetachMode, Expr, ObjectName};

use super::Alter;
use crate::catalog::{
    ConstraintKind, DependencyKind, ObjectAddress, PartitionBound, Relation, RelationId, RelationKind,
};
use crate::effects::condition::Condition;
use crate::effects::constraint::Adding;
use crate::effects::index_definition::{IndexBuild, IndexSpec};
use crate::effects::partition::{bound, bound_conjuncts, bound_fits, is_not_null_of, keys_to_partition};
use crate::effects::run::{Outcome, Run};
use crate::effects::{ScanReason, Step};
use crate::error::{SqlError, sqlstate};
use crate::expression::implies;
use crate::version::PgVersion;

impl Run<'_> {
    // ---- ATTACH ----

    pub(super) fn attach_partition(
        &mut self,
        alter: &mut Alter<'_>,
        name: &ObjectName,
        written: &ast::PartitionBound,
    ) -> Outcome {
        let parent = self.relation(alter.table);
        if parent.partition_key().is_none() && !parent.assumed {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("table \"{}\" is not partitioned", parent.name),
            ));
        }
        let bound = Rc::new(bound(written));
        let default = self.default_partition(alter.table);
        if let Some(default) = default {
            self.lock(default, LockMode::AccessExclusive);
        }
        let child = self.open(name, LockMode::AccessExclusive)?;
        for below in self.catalog.with_descendants(child.id).into_iter().skip(1) {
            self.lock(below, LockMode::AccessExclusive);
        }
        if child.is_partition() {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is already a partition", child.name),
            ));
        }
        if let (Some(default), PartitionBound::Default) = (default, &*bound) {
            return Err(self.second_default(&child.name, default));
        }
        self.fits_below(&parent, &child)?;
        bound_fits(&parent, &bound)?;
        self.bound_is_free(&parent, &child.name, &bound)?;
        self.enter_below(&parent, child.id, DependencyKind::Auto);
        let child_bound = bound.clone();
        self.catalog.change_relation(child.id, |r| r.partition_bound = Some(child_bound));
        self.ensure_indexes(&parent, child.id)?;
        self.clone_triggers(child.id, &parent);
        let adding = Adding::default();
        self.clone_foreign_keys(child.id, &parent, adding, &mut alter.queue);
        self.verify_bound(alter, &parent, child.id, &bound);
        if let Some(default) = default {
            self.verify_default(alter, &parent, default, &bound);
        }
        Ok(())
    }

    /// Every column of the parent must be there with its type and NOT NULL, every CHECK with its condition, and
    /// nothing else.
    fn fits_below(&mut self, parent: &Relation, child: &Relation) -> Outcome {
        if parent.assumed || child.assumed {
            return Ok(());
        }
        let wrong = |message: String| Err(SqlError::new(sqlstate::DATATYPE_MISMATCH, message));
        for column in parent.live_columns() {
            let Some(own) = child.column(&column.name) else {
                return wrong(format!("child table is missing column \"{}\"", column.name));
            };
            if own.data_type.id != column.data_type.id
                || own.data_type.array != column.data_type.array
                || own.data_type.modifiers != column.data_type.modifiers
            {
                return wrong(format!(
                    "child table \"{}\" has different type for column \"{}\"",
                    child.name, column.name
                ));
            }
            if column.not_null && !own.not_null {
                let of = if self.version >= PgVersion::V18 {
                    format!(" \"{}\"", child.name)
                } else {
                    String::new()
                };
                return wrong(format!(
                    "column \"{}\" in child table{of} must be marked NOT NULL",
                    column.name
                ));
            }
        }
        if parent.partition_key().is_some()
            && let Some(extra) = child.live_columns().find(|c| parent.column(&c.name).is_none())
        {
            return wrong(format!(
                "table \"{}\" contains column \"{}\" not found in parent \"{}\"",
                child.name, extra.name, parent.name
            ));
        }
        for constraint in &parent.constraints {
            let ConstraintKind::Check(expression) = &constraint.kind else { continue };
            if constraint.no_inherit {
                continue;
            }
            match child.constraint(&constraint.name).map(|c| &c.kind) {
                Some(ConstraintKind::Check(own)) if crate::expression::same(own, expression) => {}
                Some(_) => {
                    return wrong(format!(
                        "child table \"{}\" has different definition for check constraint \"{}\"",
                        child.name, constraint.name
                    ));
                }
                None => return wrong(format!("child table is missing constraint \"{}\"", constraint.name)),
            }
        }
        Ok(())
    }

    fn enter_below(&mut self, parent: &Relation, child: RelationId, kind: DependencyKind) {
        let names: Vec<_> = parent.live_columns().map(|c| c.name.clone()).collect();
        let checks: Vec<_> = parent
            .constraints
            .iter()
            .filter(|c| matches!(c.kind, ConstraintKind::Check(_)) && !c.no_inherit)
            .map(|c| c.name.clone())
            .collect();
        self.catalog.change_relation(child, |r| {
            r.parents.push(parent.id);
            for column in r.columns.iter_mut().filter(|c| names.contains(&c.name)) {
                column.inherited += 1;
                column.local = false;
            }
            for constraint in r.constraints.iter_mut().filter(|c| checks.contains(&c.name)) {
                constraint.inherited += 1;
            }
        });
        let (child, parent) = (ObjectAddress::relation(child), ObjectAddress::relation(parent.id));
        self.catalog.add_dependency(child, parent, kind);
    }

    /// The partition gets a part of each of the parent's indexes, or one of its own becomes one.
    fn ensure_indexes(&mut self, parent: &Relation, child: RelationId) -> Outcome {
        let indexes: Vec<Rc<Relation>> = self.catalog.indexes_of(parent.id).cloned().collect();
        for index in indexes {
            self.lock(index.id, LockMode::AccessShare);
            let Some(definition) = index.as_index() else { continue };
            let constraint = definition.constraint.and_then(|oid| parent.constraint_at(oid));
            let spec = IndexSpec::like(definition, constraint);
            let relation = self.relation(child);
            if let Some(existing) = self.matching_index(&relation, parent, &spec) {
                self.lock(index.id, LockMode::ShareUpdateExclusive);
                self.attach_index(existing, index.id, definition.constraint);
                continue;
            }
            let build =
                IndexBuild { parent: Some((index.id, definition.constraint)), ..IndexBuild::default() };
            self.copy_index(child, parent, &index, build)?;
        }
        Ok(())
    }

    /// The rows are read unless the table's constraints prove that they fit.
    fn verify_bound(
        &mut self,
        alter: &mut Alter<'_>,
        parent: &Relation,
        child: RelationId,
        bound: &Rc<PartitionBound>,
    ) {
        let relation = self.relation(child);
        if matches!(&**bound, PartitionBound::Default) && self.catalog.children_of(parent.id).count() == 1 {
            return;
        }
        if self.proves_inside(parent, &relation, bound) {
            return;
        }
        if relation.partition_key().is_some() {
            let below: Vec<RelationId> = self.catalog.children_of(child).map(|c| c.id).collect();
            for id in below {
                self.verify_bound(alter, parent, id, bound);
            }
            return;
        }
        let of = if self.version >= PgVersion::V13 {
            format!(" of relation \"{}\"", relation.name)
        } else {
            String::new()
        };
        let otherwise = SqlError::new(
            sqlstate::CHECK_VIOLATION,
            format!("partition constraint{of} is violated by some row"),
        );
        let condition = Condition::WithinBound { relation: child, parent: parent.id, bound: bound.clone() };
        alter.queue.verify(child, ScanReason::PartitionBound, condition, otherwise);
    }

    /// Whether valid CHECKs and NOT NULLs imply the bound.
    fn proves_inside(&self, parent: &Relation, child: &Relation, bound: &PartitionBound) -> bool {
        let Some(key) = parent.partition_key() else { return false };
        let Some(goal) = bound_conjuncts(parent, key, bound) else { return false };
        let not_nulls: Vec<Expr> =
            child.live_columns().filter(|c| c.not_null).map(|c| is_not_null_of(&c.name)).collect();
        let checks = child.constraints.iter().filter_map(|c| match &c.kind {
            ConstraintKind::Check(expression) if c.validated && c.enforced => Some(&**expression),
            _ => None,
        });
        let known: Vec<&Expr> = checks.chain(&not_nulls).collect();
        implies(&known, &goal)
    }

    fn verify_default(
        &mut self,
        alter: &mut Alter<'_>,
        parent: &Relation,
        default: RelationId,
        bound: &Rc<PartitionBound>,
    ) {
        let relation = self.relation(default);
        if self.proves_outside(parent, &relation, bound) {
            return;
        }
        for id in self.catalog.with_descendants(default) {
            let leaf = self.relation(id);
            if !leaf.has_heap() {
                continue;
            }
            let otherwise = SqlError::new(
                sqlstate::CHECK_VIOLATION,
                format!(
                    "updated partition constraint for default partition \"{}\" would be violated by some row",
                    leaf.name
                ),
            );
            let condition = Condition::OutsideBound { relation: id, parent: parent.id, bound: bound.clone() };
            alter.queue.verify(id, ScanReason::PartitionBound, condition, otherwise);
        }
    }

    /// `ALTER INDEX … ATTACH PARTITION`: both tables are locked as for reading before the indexes are.
    pub(super) fn attach_index_partition(&mut self, alter: &mut Alter<'_>, name: &ObjectName) -> Outcome {
        let parent = self.relation(alter.table);
        let child = self.find(name)?;
        let (Some(theirs), Some(own)) = (parent.as_index(), child.as_index()) else {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not an index", child.name),
            ));
        };
        self.lock(theirs.table, LockMode::AccessShare);
        self.lock(own.table, LockMode::AccessShare);
        self.lock(child.id, LockMode::AccessExclusive);
        if own.parent == Some(parent.id) {
            return Ok(());
        }
        let table = self.relation(theirs.table);
        let part = self.relation(own.table);
        let refuse = |state: &'static str, detail: String| {
            Err(SqlError::new(
                state,
                format!("cannot attach index \"{}\" as a partition of index \"{}\"", child.name, parent.name),
            )
            .detail(detail))
        };
        if own.parent.is_some() {
            let detail = format!("Index \"{}\" is already attached to another index.", child.name);
            return refuse(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, detail);
        }
        if !part.parents.contains(&table.id) {
            let detail = format!(
                "Index \"{}\" is not an index on any partition of table \"{}\".",
                child.name, table.name
            );
            return refuse(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, detail);
        }
        let taken = self
            .catalog
            .indexes_of(part.id)
            .any(|i| i.as_index().is_some_and(|i| i.parent == Some(parent.id)));
        if taken {
            let detail = format!("Another index is already attached for partition \"{}\".", part.name);
            return refuse(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, detail);
        }
        let spec = IndexSpec::like(theirs, None);
        if self.matching_index(&part, &table, &spec) != Some(child.id)
            && !self.same_index(&part, &table, &spec, child.id)
        {
            let detail = "The index definitions do not match.".into();
            return refuse(sqlstate::INVALID_OBJECT_DEFINITION, detail);
        }
        let constraint = theirs.constraint;
        self.attach_index(child.id, parent.id, constraint);
        self.validate_partitioned_index(parent.id, table.id);
        Ok(())
    }

    fn same_index(&self, part: &Relation, table: &Relation, spec: &IndexSpec, index: RelationId) -> bool {
        let wanted = self.translated(spec, table, part);
        self.relation(index)
            .as_index()
            .is_some_and(|i| crate::effects::index_definition::same_definition(i, &wanted))
    }

    /// A partitioned index is valid once every partition has a valid part (`validatePartitionedIndex`).
    fn validate_partitioned_index(&mut self, index: RelationId, table: RelationId) {
        let parts = self.catalog.children_of(table).count();
        let attached = self
            .catalog
            .relations()
            .filter(|r| r.as_index().is_some_and(|i| i.parent == Some(index) && i.valid))
            .count();
        if attached == parts {
            self.set_index_state(index, true, true);
        }
    }

    // ---- DETACH ----

    pub(super) fn detach_partition(
        &mut self,
        alter: &mut Alter<'_>,
        name: &ObjectName,
        mode: DetachMode,
    ) -> Outcome {
        let parent = self.relation(alter.table);
        let default = self.default_partition(alter.table);
        if mode != DetachMode::Finalize
            && let Some(default) = default
        {
            if mode == DetachMode::Concurrently {
                return Err(SqlError::new(
                    sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "cannot detach partitions concurrently when a default partition exists",
                ));
            }
            self.lock(default, LockMode::AccessExclusive);
        }
        let lock = match mode {
            DetachMode::Plain if self.version < PgVersion::V14 => LockMode::ShareUpdateExclusive,
            DetachMode::Plain | DetachMode::Finalize => LockMode::AccessExclusive,
            DetachMode::Concurrently => LockMode::ShareUpdateExclusive,
        };
        let child = self.open(name, lock)?;
        if mode == DetachMode::Finalize {
            // `ATExecDetachPartitionFinalize` waits before it looks at what there is to complete.
            self.steps.push(Step::TakeSnapshot);
            self.steps.push(Step::WaitForOlderSnapshots);
        }
        if !child.parents.contains(&parent.id) && !child.assumed {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{}\" is not a partition of relation \"{}\"", child.name, parent.name),
            ));
        }
        match mode {
            DetachMode::Plain if child.detach_pending => {
                return Err(self.pending(&child, &parent));
            }
            DetachMode::Concurrently => self.detach_concurrently(&parent, &child)?,
            DetachMode::Finalize => {
                if !child.detach_pending {
                    return Err(SqlError::new(
                        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!("cannot complete detaching partition \"{}\"", child.name),
                    ));
                }
            }
            DetachMode::Plain => self.still_refers_to(&child)?,
        }
        self.leave_references(&parent, child.id);
        self.detach_finalize(&parent, child.id)
    }

    /// Nobody may refer to the rows that go (`ATDetachCheckNoForeignKeyRefs`).
    fn still_refers_to(&mut self, child: &Relation) -> Outcome {
        for (owner, name, key) in keys_to_partition(self.catalog, self.version, child) {
            self.lock(owner, LockMode::Share);
            if self.relation(owner).has_heap() {
                self.scan(owner, ScanReason::Constraint);
            }
            let otherwise = SqlError::new(
                sqlstate::FOREIGN_KEY_VIOLATION,
                format!("removing partition \"{}\" violates foreign key constraint \"{name}\"", child.name),
            );
            let condition =
                Condition::Unreferenced { relation: owner, key: Rc::new(key), partition: child.id };
            self.check(condition, otherwise)?;
        }
        Ok(())
    }

    /// The triggers on the partition of those who refer to the partitioned table go.
    fn leave_references(&mut self, parent: &Relation, child: RelationId) {
        let referencing: Vec<RelationId> =
            self.catalog.referencing(parent.id).map(|(owner, _, _)| owner.id).collect();
        for dependency in self.catalog.dependents_of(ObjectAddress::relation(child)) {
            let foreign = dependency.dependent.class == crate::catalog::ObjectClass::Constraint
                && dependency.referenced == ObjectAddress::relation(child)
                && self.owner_of(dependency.dependent).is_some_and(|owner| referencing.contains(&owner));
            if foreign {
                self.catalog.record(crate::catalog::Change::Forget(dependency));
            }
        }
    }

    fn pending(&self, child: &Relation, parent: &Relation) -> SqlError {
        SqlError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "partition \"{}\" already pending detach in partitioned table \"{}.{}\"",
                child.name, parent.schema, parent.name
            ),
        )
        .hint("Use ALTER TABLE ... DETACH PARTITION ... FINALIZE to complete the pending detach operation.")
    }

    /// First transaction: the partition is marked as going. Then everybody who may still plan with it is waited
    /// for. The second takes the partition for itself.
    fn detach_concurrently(&mut self, parent: &Relation, child: &Relation) -> Outcome {
        if child.detach_pending {
            return Err(self.pending(child, parent));
        }
        self.still_refers_to(child)?;
        let mode = LockMode::ShareUpdateExclusive;
        self.catalog.change_relation(child.id, |r| r.detach_pending = true);
        self.commit(false);
        self.steps.push(Step::WaitForLockHolders { relation: parent.id, mode: LockMode::AccessExclusive });
        self.lock(parent.id, mode);
        self.lock(child.id, LockMode::AccessExclusive);
        Ok(())
    }

    /// The partition becomes a table of its own: its foreign keys, triggers and indexes stand alone.
    fn detach_finalize(&mut self, parent: &Relation, child: RelationId) -> Outcome {
        let relation = self.relation(child);
        for (constraint, key) in relation.foreign_keys() {
            if constraint.parent.is_some() {
                self.lock(key.referenced, LockMode::ShareRowExclusive);
            }
        }
        // The constraints of those who refer to the partition go, with their triggers.
        for (owner, ..) in keys_to_partition(self.catalog, self.version, &relation) {
            self.lock(owner, LockMode::AccessExclusive);
        }
        let names: Vec<_> = parent.live_columns().map(|c| c.name.clone()).collect();
        self.catalog.change_relation(child, |r| {
            r.parents.retain(|p| *p != parent.id);
            (r.partition_bound, r.detach_pending) = (None, false);
            for column in r.columns.iter_mut().filter(|c| names.contains(&c.name)) {
                column.inherited = column.inherited.saturating_sub(1);
                column.local = true;
            }
            for constraint in &mut r.constraints {
                constraint.inherited = constraint.inherited.saturating_sub(1);
                (constraint.parent, constraint.local) = (None, true);
            }
            r.triggers.retain(|t| t.parent.is_none());
        });
        let indexes: Vec<RelationId> = self.catalog.indexes_of(child).map(|i| i.id).collect();
        for index in indexes {
            if self.relation(index).as_index().is_some_and(|i| i.parent.is_some()) {
                self.lock(index, LockMode::AccessExclusive);
                self.catalog.change_relation(index, |r| {
                    if let RelationKind::Index(index) = &mut r.kind {
                        index.parent = None;
                    }
                });
            }
            self.forget_partition_dependencies(ObjectAddress::relation(index));
        }
        let address = ObjectAddress::relation(child);
        for dependency in self.catalog.dependencies_of(address) {
            if dependency.dependent == address && dependency.referenced == ObjectAddress::relation(parent.id)
            {
                self.catalog.record(crate::catalog::Change::Forget(dependency));
            }
        }
        for constraint in &relation.constraints {
            let oid = constraint.oid;
            self.forget_partition_dependencies(ObjectAddress::new(
                crate::catalog::ObjectClass::Constraint,
                oid,
            ));
        }
        Ok(())
    }

    fn forget_partition_dependencies(&mut self, address: ObjectAddress) {
        for dependency in self.catalog.dependencies_of(address) {
            if dependency.kind == DependencyKind::Partition {
                self.catalog.record(crate::catalog::Change::Forget(dependency));
            }
        }
    }

    // ---- INHERIT ----

    pub(super) fn inherit(&mut self, alter: &mut Alter<'_>, name: &ObjectName) -> Outcome {
        let parent = self.open(name, LockMode::ShareUpdateExclusive)?;
        let child = self.relation(alter.table);
        let wrong = |message: String| Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, message));
        if parent.partition_key().is_some() {
            return wrong(format!("cannot inherit from partitioned table \"{}\"", parent.name));
        }
        if parent.is_partition() {
            return wrong("cannot inherit from a partition".into());
        }
        if child.is_partition() {
            return wrong("cannot change inheritance of a partition".into());
        }
        if child.parents.contains(&parent.id) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_TABLE,
                format!("relation \"{}\" would be inherited from more than once", parent.name),
            ));
        }
        if self.catalog.with_descendants(child.id).contains(&parent.id) {
            return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, "circular inheritance not allowed"));
        }
        self.fits_below(&parent, &child)?;
        self.enter_below(&parent, child.id, DependencyKind::Normal);
        Ok(())
    }

    pub(super) fn no_inherit(&mut self, alter: &mut Alter<'_>, name: &ObjectName) -> Outcome {
        let parent = self.open(name, LockMode::AccessShare)?;
        let child = self.relation(alter.table);
        if child.is_partition() {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                "cannot change inheritance of a partition",
            ));
        }
        if !child.parents.contains(&parent.id) && !child.assumed {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{}\" is not a parent of relation \"{}\"", parent.name, child.name),
            ));
        }
        self.detach_finalize(&parent, alter.table)
    }
}
