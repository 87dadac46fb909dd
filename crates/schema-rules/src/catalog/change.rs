//! Every write to a catalog is a [`Change`], so that it can be repeated on another clone.

use std::rc::Rc;

use super::{
    Catalog, Dependency, DependencyKind, Function, Name, NamedObject, ObjectAddress, ObjectClass, Oid,
    QualifiedName, Relation, RelationId, Schema, TypeDef,
};

/// One entry put into the catalog, or (with nothing) taken out.
#[derive(Clone, Debug)]
pub enum Change {
    /// A relation's definition.
    Relation(RelationId, Option<Rc<Relation>>),
    /// The name of a relation.
    Name(QualifiedName, Option<RelationId>),
    /// A schema.
    Schema(Name, Option<Rc<Schema>>),
    /// A type's definition.
    Type(Oid, Option<Rc<TypeDef>>),
    /// The name of a type.
    TypeName(QualifiedName, Option<Oid>),
    /// A function or procedure.
    Function((Name, Name, Oid), Option<Rc<Function>>),
    /// A statistics object, a publication, an extension.
    Other((ObjectClass, Name, Name), Option<Rc<NamedObject>>),
    /// A dependency that now holds.
    Depend(Dependency),
    /// A dependency that no longer holds.
    Forget(Dependency),
}

impl Catalog {
    /// Makes a change and remembers it.
    pub(crate) fn record(&mut self, change: Change) {
        self.apply(&change);
        self.changes.push(change);
    }

    /// The changes since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Repeats changes that were made to a clone.
    pub fn apply_changes(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply(change);
        }
    }

    fn apply(&mut self, change: &Change) {
        self.generation = self.clock.get() + 1;
        self.clock.set(self.generation);
        match change {
            Change::Relation(id, value) => {
                let old = self.relations.get(id).cloned();
                self.depend.follow(*id, old.as_deref(), value.as_deref());
                put(&mut self.relations, id, value);
            }
            Change::Name(name, value) => put(&mut self.names, name, value),
            Change::Schema(name, value) => put(&mut self.schemas, name, value),
            Change::Type(oid, value) => put(&mut self.types, oid, value),
            Change::TypeName(name, value) => put(&mut self.type_names, name, value),
            Change::Function(name, value) => put(&mut self.functions, name, value),
            Change::Other(name, value) => put(&mut self.others, name, value),
            Change::Depend(dependency) => self.depend.add(dependency),
            Change::Forget(dependency) => self.depend.remove(dependency),
        }
    }

    /// Puts a relation in place of what had its id, keeping its name and its place in the inheritance and index
    /// lists true.
    pub(crate) fn put_relation(&mut self, relation: Relation) {
        let id = relation.id;
        if let Some(old) = self.relation(id).cloned() {
            if (&old.schema, &old.name) != (&relation.schema, &relation.name) {
                self.record(Change::Name((old.schema.clone(), old.name.clone()), None));
                self.record(Change::Name((relation.schema.clone(), relation.name.clone()), Some(id)));
            }
        } else {
            self.record(Change::Name((relation.schema.clone(), relation.name.clone()), Some(id)));
        }
        self.record(Change::Relation(id, Some(Rc::new(relation))));
    }

    /// Changes a relation in place.
    pub(crate) fn change_relation(&mut self, id: RelationId, change: impl FnOnce(&mut Relation)) {
        if let Some(relation) = self.relation(id) {
            let mut changed = (**relation).clone();
            change(&mut changed);
            self.put_relation(changed);
        }
    }

    /// Notes that `dependent` needs `referenced`.
    pub(crate) fn add_dependency(
        &mut self,
        dependent: ObjectAddress,
        referenced: ObjectAddress,
        kind: DependencyKind,
    ) {
        let sequence = self.counters.dependency.get() + 1;
        self.counters.dependency.set(sequence);
        self.record(Change::Depend(Dependency { referenced, dependent, kind, sequence }));
    }

    /// Forgets what an object needs: it is gone, or about to need something else.
    pub(crate) fn forget_dependencies_of(&mut self, dependent: ObjectAddress) {
        for dependency in self.dependencies_of(dependent) {
            self.record(Change::Forget(dependency));
        }
    }

    /// Forgets which column a sequence belongs to.
    pub(crate) fn forget_owner(&mut self, sequence: RelationId) {
        for dependency in self.dependencies_of(ObjectAddress::relation(sequence)) {
            if dependency.referenced.column > 0 {
                self.record(Change::Forget(dependency));
            }
        }
    }

    /// Takes a relation out; what depends on it must be gone already.
    pub(crate) fn remove_relation(&mut self, id: RelationId) {
        if let Some(relation) = self.relation(id).cloned() {
            self.record(Change::Name((relation.schema.clone(), relation.name.clone()), None));
            self.record(Change::Relation(id, None));
        }
    }
}

fn put<K: Ord + Clone, V: Clone>(map: &mut persistent::PersistentMap<K, V>, key: &K, value: &Option<V>) {
    match value {
        Some(value) => map.insert(key.clone(), value.clone()),
        None => map.remove(key),
    };
}
