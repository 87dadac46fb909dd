//! What depends on what: `pg_depend`, `pg_inherits` and the lists that PostgreSQL reads off its other catalogs.

use super::{ConstraintKind, DependencyKind, ObjectAddress, Oid, Relation, RelationId};
use persistent::PersistentMap;

/// One row of `pg_depend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// What is needed.
    pub referenced: ObjectAddress,
    /// Who needs it.
    pub dependent: ObjectAddress,
    /// In what way.
    pub kind: DependencyKind,
    /// Grows with every row: `pg_depend` is read in index order, and entries of one object come as they were written.
    pub sequence: u32,
}

type Row = (ObjectAddress, DependencyKind);

/// `pg_depend` with both of its indexes, and back references that would otherwise take a search of all relations.
#[derive(Clone, Debug, Default)]
pub(super) struct Dependencies {
    by_referenced: PersistentMap<(ObjectAddress, u32), Row>,
    by_dependent: PersistentMap<(ObjectAddress, u32), Row>,
    indexes: PersistentMap<(RelationId, RelationId), ()>,
    children: PersistentMap<(RelationId, RelationId), ()>,
    referencing: PersistentMap<(RelationId, Oid), RelationId>,
}

impl Dependencies {
    pub(super) fn add(&mut self, d: &Dependency) {
        self.by_referenced.insert((d.referenced, d.sequence), (d.dependent, d.kind));
        self.by_dependent.insert((d.dependent, d.sequence), (d.referenced, d.kind));
    }

    pub(super) fn remove(&mut self, d: &Dependency) {
        self.by_referenced.remove(&(d.referenced, d.sequence));
        self.by_dependent.remove(&(d.dependent, d.sequence));
    }

    pub(super) fn dependents_of(&self, object: ObjectAddress) -> Vec<Dependency> {
        scan(&self.by_referenced, object)
            .map(|(referenced, sequence, dependent, kind)| Dependency {
                referenced,
                dependent,
                kind,
                sequence,
            })
            .collect()
    }

    pub(super) fn dependencies_of(&self, object: ObjectAddress) -> Vec<Dependency> {
        scan(&self.by_dependent, object)
            .map(|(dependent, sequence, referenced, kind)| Dependency {
                referenced,
                dependent,
                kind,
                sequence,
            })
            .collect()
    }

    pub(super) fn indexes_of(&self, table: RelationId) -> impl Iterator<Item = RelationId> {
        of(&self.indexes, table)
    }

    pub(super) fn children_of(&self, parent: RelationId) -> impl Iterator<Item = RelationId> {
        of(&self.children, parent)
    }

    pub(super) fn referencing(&self, table: RelationId) -> impl Iterator<Item = (RelationId, Oid)> {
        self.referencing
            .range_from(&(table, Oid(0)))
            .take_while(move |((referenced, _), _)| *referenced == table)
            .map(|((_, oid), owner)| (*owner, *oid))
    }

    /// Follows a relation's definition from `old` to `new`.
    pub(super) fn follow(&mut self, id: RelationId, old: Option<&Relation>, new: Option<&Relation>) {
        for relation in old.into_iter() {
            if let Some(index) = relation.as_index() {
                self.indexes.remove(&(index.table, id));
            }
            for parent in &relation.parents {
                self.children.remove(&(*parent, id));
            }
            for (constraint, fk) in relation.foreign_keys() {
                self.referencing.remove(&(fk.referenced, constraint.oid));
            }
        }
        for relation in new.into_iter() {
            if let Some(index) = relation.as_index() {
                self.indexes.insert((index.table, id), ());
            }
            for parent in &relation.parents {
                self.children.insert((*parent, id), ());
            }
            for constraint in &relation.constraints {
                if let ConstraintKind::ForeignKey(fk) = &constraint.kind {
                    self.referencing.insert((fk.referenced, constraint.oid), id);
                }
            }
        }
    }
}

fn of(
    pairs: &PersistentMap<(RelationId, RelationId), ()>,
    first: RelationId,
) -> impl Iterator<Item = RelationId> {
    pairs
        .range_from(&(first, RelationId(0)))
        .take_while(move |((a, _), ())| *a == first)
        .map(|((_, b), ())| *b)
}

/// The rows of one object; those of its columns too when `object` is whole.
fn scan(
    rows: &PersistentMap<(ObjectAddress, u32), Row>,
    object: ObjectAddress,
) -> impl Iterator<Item = (ObjectAddress, u32, ObjectAddress, DependencyKind)> {
    rows.range_from(&(object, 0))
        .take_while(move |((at, _), _)| {
            (at.class, at.oid) == (object.class, object.oid)
                && (object.column == 0 || at.column == object.column)
        })
        .map(|((at, sequence), (other, kind))| (*at, *sequence, *other, *kind))
}
