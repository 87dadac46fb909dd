//! The catalog: what a database consists of, as a value.
//!
//! A [`Catalog`] is built from statements and advanced by them. It is a value in the plain sense: a clone costs a
//! few reference counts and never sees later changes, so a transaction keeps the catalog from before it to roll
//! back to, and a statement that fails leaves the old one in place.
//!
//! Every write goes through `Catalog::record` and is kept as a [`Change`] until [`Catalog::take_changes`]. The changes
//! of a transaction can be applied to another clone: two sessions with DDL of their own see their own changes over
//! what is committed, as in PostgreSQL.
//!
//! Invariants: a name in `names` leads to a relation in `relations`; relations refer to each other by id only; what
//! depends on what is in `depend`, and nowhere else.

mod change;
mod constraint;
mod depend;
mod function;
mod index;
mod lookup;
mod object;
mod relation;
mod session;
mod types;

use std::{cell::Cell, rc::Rc};

pub use change::Change;
pub use constraint::*;
pub use depend::Dependency;
pub use function::Function;
pub use index::*;
pub use lookup::NameError;
pub use object::{ColumnNumber, DependencyKind, ObjectAddress, ObjectClass, Oid, RelationId};
pub use relation::*;
pub use session::{Cursor, OpenTransaction, ServerObjects, Session};
pub use types::*;

use persistent::PersistentMap;

/// A name as the server has it: folded, cut to 63 bytes.
pub type Name = Rc<str>;

/// A schema's name and the name of an object in it.
pub type QualifiedName = (Name, Name);

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: Name,
}

/// An object of which no more is known than its name and what it stands on: extended statistics, publications,
/// extensions.
#[derive(Clone, Debug)]
pub struct NamedObject {
    /// Its class.
    pub class: ObjectClass,
    /// Its oid.
    pub oid: Oid,
    /// The schema, for classes that live in one (empty otherwise).
    pub schema: Name,
    /// Its name.
    pub name: Name,
    /// The relations that it is about.
    pub relations: Rc<[RelationId]>,
    /// That it covers tables that it does not name (`FOR ALL TABLES`).
    pub all_tables: bool,
}

/// What a database consists of. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Catalog {
    relations: PersistentMap<RelationId, Rc<Relation>>,
    names: PersistentMap<QualifiedName, RelationId>,
    schemas: PersistentMap<Name, Rc<Schema>>,
    types: PersistentMap<Oid, Rc<TypeDef>>,
    type_names: PersistentMap<QualifiedName, Oid>,
    functions: PersistentMap<(Name, Name, Oid), Rc<Function>>,
    others: PersistentMap<(ObjectClass, Name, Name), Rc<NamedObject>>,
    depend: depend::Dependencies,
    sizes: PersistentMap<RelationId, RelationSize>,
    /// Counts changes: whoever has compiled something against the catalog compares it.
    generation: u64,
    /// Where generations come from: one clock for a catalog and all copies, so that none has the number of another
    /// whose contents differ.
    clock: Rc<Cell<u64>>,
    changes: Vec<Change>,
    counters: Rc<Counters>,
}

/// Shared between clones, as the server's own oid counter is shared between transactions: two sessions that create
/// a table each, before either commits, must not both get the same id.
#[derive(Clone, Debug, Default)]
struct Counters {
    relation: Cell<u32>,
    oid: Cell<u32>,
    dependency: Cell<u32>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalog {
    /// An empty database: it has the schema `public` and nothing else.
    pub fn new() -> Self {
        let mut catalog = Self {
            relations: PersistentMap::default(),
            names: PersistentMap::default(),
            schemas: PersistentMap::default(),
            types: PersistentMap::default(),
            type_names: PersistentMap::default(),
            functions: PersistentMap::default(),
            others: PersistentMap::default(),
            depend: depend::Dependencies::default(),
            sizes: PersistentMap::default(),
            generation: 0,
            clock: Rc::default(),
            changes: Vec::new(),
            counters: Rc::default(),
        };
        let public = Schema { oid: catalog.new_oid(), name: "public".into() };
        catalog.record(Change::Schema(public.name.clone(), Some(Rc::new(public))));
        catalog.changes.clear();
        catalog
    }

    /// A copy for another server: what either of the two counts from now on, the other does not notice.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { counters: Rc::new(Counters::clone(&self.counters)), ..self.clone() }
    }

    /// A number that changes whenever the catalog does; catalogs with a common origin have the same number only if
    /// they are the same.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// An id that no relation of this catalog or of its clones has.
    pub fn new_relation_id(&self) -> RelationId {
        let next = self.counters.relation.get() + 1;
        self.counters.relation.set(next);
        RelationId(next)
    }

    /// An oid that no other object of this catalog or of its clones has.
    pub fn new_oid(&self) -> Oid {
        let next = self.counters.oid.get() + 1;
        self.counters.oid.set(next);
        Oid(next)
    }

    /// The relation of this id.
    pub fn relation(&self, id: RelationId) -> Option<&Rc<Relation>> {
        self.relations.get(&id)
    }

    /// All relations in the order of their creation.
    pub fn relations(&self) -> impl Iterator<Item = &Rc<Relation>> {
        self.relations.values()
    }

    /// The schema of this name.
    pub fn schema(&self, name: &str) -> Option<&Rc<Schema>> {
        self.schemas.get(name)
    }

    /// All schemas by name.
    pub fn schemas(&self) -> impl Iterator<Item = &Rc<Schema>> {
        self.schemas.values()
    }

    /// The type of this oid.
    pub fn type_def(&self, oid: Oid) -> Option<&Rc<TypeDef>> {
        self.types.get(&oid)
    }

    /// All types in the order of their creation.
    pub fn types(&self) -> impl Iterator<Item = &Rc<TypeDef>> {
        self.types.values()
    }

    /// All functions by schema and name.
    pub fn functions(&self) -> impl Iterator<Item = &Rc<Function>> {
        self.functions.values()
    }

    /// All statistics objects, publications and extensions.
    pub fn named_objects(&self) -> impl Iterator<Item = &Rc<NamedObject>> {
        self.others.values()
    }

    /// The statistics object, publication or extension of this name (the schema is empty where there is none).
    pub fn named_object(&self, class: ObjectClass, schema: &str, name: &str) -> Option<&Rc<NamedObject>> {
        self.others.get(&(class, Name::from(schema), Name::from(name)))
    }

    /// How big a relation is: what was set for it, else nothing at all.
    pub fn size(&self, id: RelationId) -> RelationSize {
        self.sizes.get(&id).copied().unwrap_or_default()
    }

    /// Sets how big a relation is. Sizes are not part of a transaction's changes.
    pub fn set_size(&mut self, id: RelationId, size: RelationSize) {
        self.sizes.insert(id, size);
    }

    /// Forgets how big a relation is.
    pub fn clear_size(&mut self, id: RelationId) {
        self.sizes.remove(&id);
    }

    /// Whether anyone has said how big the relation is.
    pub fn has_size(&self, id: RelationId) -> bool {
        self.sizes.contains_key(&id)
    }

    /// The indexes of a table, oldest first: the order in which the server's relation cache lists and locks them
    /// (`RelationGetIndexList` sorts by oid).
    pub fn indexes_of(&self, table: RelationId) -> impl Iterator<Item = &Rc<Relation>> {
        self.depend.indexes_of(table).filter_map(|id| self.relation(id))
    }

    /// The partitions and inheritance children of a table, in the order of their oids, as
    /// `find_inheritance_children` returns them.
    pub fn children_of(&self, parent: RelationId) -> impl Iterator<Item = &Rc<Relation>> {
        self.depend.children_of(parent).filter_map(|id| self.relation(id))
    }

    /// The foreign keys of other tables (or of the table itself) that refer to this one, oldest first.
    pub fn referencing(
        &self,
        table: RelationId,
    ) -> impl Iterator<Item = (&Rc<Relation>, &Constraint, &ForeignKey)> {
        self.depend.referencing(table).filter_map(|(owner, oid)| {
            let owner = self.relation(owner)?;
            let constraint = owner.constraint_at(oid)?;
            match &constraint.kind {
                ConstraintKind::ForeignKey(fk) => Some((owner, constraint, fk)),
                _ => None,
            }
        })
    }

    /// The table and all tables below it, breadth first, as `find_all_inheritors` returns them.
    pub fn with_descendants(&self, table: RelationId) -> Vec<RelationId> {
        let mut found = vec![table];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            for child in self.depend.children_of(parent) {
                if !found.contains(&child) {
                    found.push(child);
                }
            }
            next += 1;
        }
        found
    }

    /// What depends on an object (`pg_depend` by `refobjid`): for a whole relation also what depends on its columns.
    pub fn dependents_of(&self, object: ObjectAddress) -> Vec<Dependency> {
        self.depend.dependents_of(object)
    }

    /// What an object depends on.
    pub fn dependencies_of(&self, object: ObjectAddress) -> Vec<Dependency> {
        self.depend.dependencies_of(object)
    }
}
