//! What a partition gets from its parent: parts of its indexes and foreign keys, copies of its triggers; and what it takes
//! from the default partition.
//!
//! Source: `CloneRowTriggersToPartition`, `CloneForeignKeyConstraints` and `tryAttachPartitionForeignKey` in
//! `src/backend/commands/tablecmds.c`, `check_default_partition_contents` in
//! `src/backend/partitioning/partbounds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::ConstraintAttributes;

use super::ScanReason;
use super::condition::Condition;
use super::constraint::Adding;
use super::index_definition::{IndexBuild, IndexSpec};
use super::partition::bound_conjuncts;
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{
    ConstraintKind, DependencyKind, ObjectAddress, ObjectClass, Oid, PartitionBound, Relation, RelationId,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::{conjuncts, refutes};

impl Run<'_> {
    /// The default partition must not hold rows that the new one is for (`check_default_partition_contents`).
    pub(super) fn check_default_partition(
        &mut self,
        parent: &Relation,
        default: RelationId,
        bound: &Rc<PartitionBound>,
    ) -> Outcome {
        let relation = self.relation(default);
        if self.proves_outside(parent, &relation, bound) {
            return Ok(());
        }
        let condition =
            Condition::OutsideBound { relation: default, parent: parent.id, bound: bound.clone() };
        let otherwise = SqlError::new(
            sqlstate::CHECK_VIOLATION,
            format!(
                "updated partition constraint for default partition \"{}\" would be violated by some row",
                relation.name
            ),
        );
        self.scan(default, ScanReason::PartitionBound);
        self.check(condition, otherwise)
    }

    /// Whether a valid CHECK of the default partition keeps out what the bound takes.
    pub(super) fn proves_outside(
        &self,
        parent: &Relation,
        default: &Relation,
        bound: &PartitionBound,
    ) -> bool {
        let Some(key) = parent.partition_key() else { return false };
        let Some(parts) = bound_conjuncts(parent, key, bound) else { return false };
        default.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::Check(expression) => {
                c.validated
                    && c.enforced
                    && conjuncts(expression).into_iter().any(|part| refutes(part, &parts))
            }
            _ => false,
        })
    }

    pub(super) fn copy_index(
        &mut self,
        table: RelationId,
        source: &Relation,
        index: &Relation,
        build: IndexBuild,
    ) -> Outcome<Option<RelationId>> {
        let Some(definition) = index.as_index() else { return Ok(None) };
        let constraint = definition.constraint.and_then(|oid| source.constraint_at(oid));
        let spec = IndexSpec::like(definition, constraint);
        let target = self.relation(table);
        let spec = self.translated(&spec, source, &target);
        self.define_index(table, spec, build).map(Some)
    }

    /// A new partition gets a part of each of its parent's indexes and foreign keys, and a copy of its row triggers.
    pub(super) fn copy_from_partitioned(&mut self, id: RelationId, parent: RelationId) -> Outcome {
        let parent = self.relation(parent);
        if parent.partition_key().is_none() {
            return Ok(());
        }
        let indexes: Vec<Rc<Relation>> = self.catalog.indexes_of(parent.id).cloned().collect();
        for index in indexes {
            self.lock(index.id, LockMode::AccessShare);
            let constraint = index.as_index().and_then(|i| i.constraint);
            let build = IndexBuild { parent: Some((index.id, constraint)), ..IndexBuild::default() };
            self.copy_index(id, &parent, &index, build)?;
        }
        let mut queue = Queue::default();
        let adding = Adding { with_table: true, ..Adding::default() };
        self.clone_foreign_keys(id, &parent, adding, &mut queue);
        self.clone_triggers(id, &parent);
        Ok(())
    }

    pub(super) fn clone_triggers(&mut self, id: RelationId, parent: &Relation) {
        for trigger in parent.triggers.iter().filter(|t| t.definition.for_each_row) {
            let copy = crate::catalog::Trigger {
                oid: self.catalog.new_oid(),
                parent: Some(trigger.oid),
                ..trigger.clone()
            };
            self.lock(id, LockMode::ShareRowExclusive);
            self.enter_trigger(id, copy);
        }
    }

    /// Gives a partition its part of the parent's foreign keys, in both directions.
    pub(super) fn clone_foreign_keys(
        &mut self,
        id: RelationId,
        parent: &Relation,
        adding: Adding,
        queue: &mut Queue,
    ) {
        let child = self.relation(id);
        for (constraint, key) in parent.foreign_keys() {
            if self.adopt_foreign_key(&child, parent, constraint, key) {
                continue;
            }
            self.lock(key.referenced, LockMode::ShareRowExclusive);
            let part = self.translated_key(key, parent, &child);
            let name = match child.constraint(&constraint.name) {
                Some(_) => self.choose_constraint_name(&child, "", "fkey"),
                None => constraint.name.clone(),
            };
            let attributes = ConstraintAttributes {
                deferrable: Some(constraint.deferrable),
                initially_deferred: Some(constraint.initially_deferred),
                not_valid: !constraint.validated,
                enforced: Some(constraint.enforced),
                ..Default::default()
            };
            self.enter_foreign_key(id, &name, part, attributes, Some(constraint.oid), adding, queue);
        }
        let referencing: Vec<(RelationId, Oid)> =
            self.catalog.referencing(parent.id).map(|(owner, c, _)| (owner.id, c.oid)).collect();
        for (owner, constraint) in referencing {
            self.lock(owner, LockMode::ShareRowExclusive);
            self.lock(id, LockMode::ShareRowExclusive);
            self.needs_partition(constraint, id);
        }
    }

    /// A foreign key of the partition's own that is the same as the parent's becomes a part of it, and is not verified
    /// again (`tryAttachPartitionForeignKey`). The triggers that the two share are dropped on the referenced table.
    pub(super) fn adopt_foreign_key(
        &mut self,
        child: &Relation,
        parent: &Relation,
        theirs: &crate::catalog::Constraint,
        key: &crate::catalog::ForeignKey,
    ) -> bool {
        let wanted = self.translated_key(key, parent, child);
        let same = |own: &crate::catalog::Constraint, k: &crate::catalog::ForeignKey| {
            own.parent.is_none()
                && own.validated
                && (own.deferrable, own.initially_deferred) == (theirs.deferrable, theirs.initially_deferred)
                && own.enforced == theirs.enforced
                && (&k.columns, k.referenced, &k.referenced_columns)
                    == (&wanted.columns, wanted.referenced, &wanted.referenced_columns)
                && (k.on_delete, k.on_update, k.match_full)
                    == (wanted.on_delete, wanted.on_update, wanted.match_full)
        };
        let found = child.foreign_keys().find(|(own, k)| same(own, k)).map(|(own, _)| own.oid);
        let Some(oid) = found else { return false };
        self.lock(key.referenced, LockMode::ShareRowExclusive);
        self.lock(key.referenced, LockMode::AccessExclusive);
        self.catalog.change_relation(child.id, |r| {
            for c in r.constraints.iter_mut().filter(|c| c.oid == oid) {
                (c.parent, c.inherited, c.local) = (Some(theirs.oid), c.inherited + 1, false);
            }
        });
        self.catalog.add_dependency(
            ObjectAddress::new(ObjectClass::Constraint, oid),
            ObjectAddress::new(ObjectClass::Constraint, theirs.oid),
            DependencyKind::Partition,
        );
        true
    }
}
