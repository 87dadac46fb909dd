//! Deleting objects, and everything that goes along with them.
//!
//! Source: `findDependentObjects` and `deleteOneObject` in `src/backend/catalog/dependency.c`. An object's dependents
//! are locked in the order in which `pg_depend` lists them, followed youngest first, and deleted before the object.
//! Deleting a foreign key deletes its triggers, and a trigger cannot go while its table is in use: that is why
//! dropping a referencing table locks the referenced one.

use std::collections::BTreeSet;

use lock_table::LockMode;
use sql_syntax::ast::DropBehavior;

use super::run::{Notice, Outcome, Run};
use crate::catalog::{Change, ConstraintKind, DependencyKind, ObjectAddress, ObjectClass, Oid, RelationId};
use crate::error::{SqlError, sqlstate};

/// What has been found to go, in the order of deletion.
#[derive(Debug, Default)]
struct Doomed {
    order: Vec<ObjectAddress>,
    seen: BTreeSet<ObjectAddress>,
    /// Dependents that only CASCADE may take, with what they depend on.
    forced: Vec<(ObjectAddress, ObjectAddress)>,
}

impl Doomed {
    /// Whether the object, or the whole of which it is a column, has been come across.
    fn has_seen(&self, object: ObjectAddress) -> bool {
        self.seen.contains(&object) || self.seen.contains(&ObjectAddress { column: 0, ..object })
    }
}

impl Run<'_> {
    /// Deletes objects that are locked already, with everything that depends on them.
    pub(super) fn perform_deletion(&mut self, targets: &[ObjectAddress], behavior: DropBehavior) -> Outcome {
        let mut doomed = Doomed::default();
        for target in targets {
            self.droppable(*target)?;
            self.find_dependent_objects(*target, targets, &mut doomed);
        }
        let mut forced = std::mem::take(&mut doomed.forced);
        let mut known = BTreeSet::new();
        forced.retain(|(dependent, _)| {
            known.insert(*dependent) && !self.goes_automatically(*dependent, &doomed)
        });
        // What goes last is named first (`reportDependentObjects` in dependency.c).
        let turn = |dependent: &ObjectAddress| doomed.order.iter().rposition(|gone| gone == dependent);
        forced.sort_by_key(|(dependent, _)| std::cmp::Reverse(turn(dependent)));
        doomed.forced = forced;
        if behavior == DropBehavior::Restrict && !doomed.forced.is_empty() {
            return Err(self.still_needed(targets, &doomed));
        }
        self.announce_cascade(&doomed);
        for address in std::mem::take(&mut doomed.order) {
            self.delete_one(address);
        }
        Ok(())
    }

    /// One object is named in the message; several are counted there and named in the detail, up to a limit
    /// (`reportDependentObjects` in dependency.c).
    fn announce_cascade(&mut self, doomed: &Doomed) {
        const REPORTED: usize = 100;
        let mut lines: Vec<String> = doomed
            .forced
            .iter()
            .map(|(dependent, _)| format!("drop cascades to {}", self.describe(*dependent)))
            .collect();
        let count = lines.len();
        if count < 2 {
            return lines.pop().into_iter().for_each(|line| self.notice(line));
        }
        if count > REPORTED {
            let left = count - REPORTED;
            let objects = if left == 1 { "object" } else { "objects" };
            lines.truncate(REPORTED);
            lines.push(format!("and {left} other {objects} (see server log for list)"));
        }
        self.notices.push(Notice {
            message: format!("drop cascades to {count} other objects"),
            detail: Some(lines.join("\n")),
            after: self.steps.len(),
        });
    }

    /// An object that is part of another's implementation cannot be dropped by itself.
    pub(super) fn droppable(&self, target: ObjectAddress) -> Outcome {
        for dependency in self.catalog.dependencies_of(target) {
            if dependency.dependent != target {
                continue;
            }
            if matches!(dependency.kind, DependencyKind::Internal | DependencyKind::Partition) {
                if dependency.kind == DependencyKind::Partition && target.class == ObjectClass::Relation {
                    let table = self.catalog.relation(RelationId(target.oid)).is_some_and(|r| r.is_table());
                    if table {
                        continue;
                    }
                }
                return Err(SqlError::new(
                    sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!(
                        "cannot drop {} because {} requires it",
                        self.describe(target),
                        self.describe(dependency.referenced)
                    ),
                )
                .hint(format!("You can drop {} instead.", self.describe(dependency.referenced))));
            }
        }
        Ok(())
    }

    fn find_dependent_objects(
        &mut self,
        object: ObjectAddress,
        targets: &[ObjectAddress],
        doomed: &mut Doomed,
    ) {
        if doomed.has_seen(object) {
            return;
        }
        doomed.seen.insert(object);
        let mut dependents = Vec::new();
        for dependency in self.catalog.dependents_of(object) {
            let other = dependency.dependent;
            if doomed.has_seen(other) || covers(object, other) {
                continue;
            }
            self.acquire_deletion_lock(other);
            if dependency.kind == DependencyKind::Normal && !targets.iter().any(|t| covers(*t, other)) {
                doomed.forced.push((other, dependency.referenced));
            }
            dependents.push(dependency);
        }
        dependents.sort_by_key(|d| std::cmp::Reverse(self.age(d.dependent)));
        for dependency in dependents {
            self.find_dependent_objects(dependency.dependent, targets, doomed);
        }
        doomed.order.push(object);
    }

    /// An object that is also an automatic dependent of something that goes is not in the way.
    fn goes_automatically(&self, dependent: ObjectAddress, doomed: &Doomed) -> bool {
        self.catalog.dependencies_of(dependent).iter().any(|d| {
            d.dependent == dependent && d.kind != DependencyKind::Normal && doomed.has_seen(d.referenced)
        })
    }

    /// When an object was made, for following the youngest first: by the first dependency that was noted for it.
    fn age(&self, object: ObjectAddress) -> u32 {
        self.catalog.dependencies_of(object).iter().map(|d| d.sequence).min().unwrap_or(0)
    }

    /// Relations are locked as relations, columns by their tables, everything else by itself
    /// (`AcquireDeletionLock`).
    fn acquire_deletion_lock(&mut self, object: ObjectAddress) {
        match object.as_relation() {
            Some(relation) => self.lock(relation, LockMode::AccessExclusive),
            None if object.class == ObjectClass::Default => {}
            None => self.lock_object(object, LockMode::AccessExclusive),
        }
    }

    fn delete_one(&mut self, object: ObjectAddress) {
        match object.class {
            ObjectClass::Relation if object.column == 0 => self.delete_relation(RelationId(object.oid)),
            ObjectClass::Relation => self.delete_column(object),
            ObjectClass::Constraint => self.delete_constraint(object),
            ObjectClass::Default => self.delete_default(object),
            ObjectClass::Trigger | ObjectClass::Rule | ObjectClass::Policy => self.delete_from_table(object),
            ObjectClass::Type => {
                if let Some(def) = self.catalog.type_def(Oid(object.oid)).cloned() {
                    self.catalog.record(Change::TypeName((def.schema.clone(), def.name.clone()), None));
                    self.catalog.record(Change::Type(def.oid, None));
                }
            }
            ObjectClass::Function => {
                let found = self.catalog.functions().find(|f| f.oid.0 == object.oid).cloned();
                if let Some(f) = found {
                    self.catalog.record(Change::Function((f.schema.clone(), f.name.clone(), f.oid), None));
                }
            }
            ObjectClass::Schema => {
                let name = self.catalog.schemas().find(|s| s.oid.0 == object.oid).map(|s| s.name.clone());
                if let Some(name) = name {
                    self.catalog.record(Change::Schema(name, None));
                }
            }
            ObjectClass::Statistics => {
                self.delete_named(object, Some(LockMode::ShareUpdateExclusive));
            }
            ObjectClass::Publication | ObjectClass::Extension => self.delete_named(object, None),
            ObjectClass::PublicationRelation | ObjectClass::Role | ObjectClass::Other => {}
        }
        self.catalog.forget_dependencies_of(object);
    }

    fn delete_named(&mut self, object: ObjectAddress, table_lock: Option<LockMode>) {
        let found =
            self.catalog.named_objects().find(|o| (o.class, o.oid.0) == (object.class, object.oid)).cloned();
        let Some(found) = found else { return };
        if let Some(mode) = table_lock {
            for relation in found.relations.iter() {
                if self.catalog.relation(*relation).is_some() {
                    self.lock(*relation, mode);
                }
            }
        }
        let key = (found.class, found.schema.clone(), found.name.clone());
        self.catalog.record(Change::Other(key, None));
    }

    fn delete_relation(&mut self, id: RelationId) {
        let Some(relation) = self.catalog.relation(id).cloned() else { return };
        if relation.is_partition() {
            // The default partition's constraint follows from its siblings' bounds (`heap_drop_with_catalog`).
            for parent in &relation.parents {
                if let Some(default) = self.default_partition(*parent).filter(|d| *d != id) {
                    self.lock(default, LockMode::AccessExclusive);
                }
            }
        }
        let columns = relation.columns.iter().map(|c| ObjectAddress::column(id, c.number));
        for column in columns {
            self.catalog.forget_dependencies_of(column);
        }
        self.forget_relation(id);
    }

    fn delete_column(&mut self, column: ObjectAddress) {
        let Some(relation) = column.as_relation() else { return };
        self.lock(relation, LockMode::AccessExclusive);
        self.catalog.change_relation(relation, |r| {
            if let Some(c) = r.columns.iter_mut().find(|c| c.number == column.column) {
                c.dropped = true;
                c.name = format!("........pg.dropped.{}........", c.number).into();
                (c.default, c.generated, c.identity, c.not_null) = (None, None, None, false);
            }
        });
    }

    fn delete_constraint(&mut self, object: ObjectAddress) {
        let Some(owner) = self.owner_of(object) else { return };
        let relation = self.relation(owner);
        let Some(constraint) = relation.constraint_at(Oid(object.oid)).cloned() else { return };
        if let ConstraintKind::ForeignKey(key) = &constraint.kind {
            // Its triggers go first: the younger ones, on the referencing table, before those on the referenced.
            self.lock(owner, LockMode::AccessExclusive);
            // A partition's copy of its parent's key has triggers on the partition alone.
            if constraint.parent.is_none() {
                self.lock(key.referenced, LockMode::AccessExclusive);
            }
        }
        self.lock(owner, LockMode::AccessExclusive);
        self.catalog.change_relation(owner, |r| {
            r.constraints.retain(|c| c.oid != constraint.oid);
            if let ConstraintKind::NotNull(number) = constraint.kind {
                r.columns.iter_mut().filter(|c| c.number == number).for_each(|c| c.not_null = false);
            }
        });
    }

    fn delete_default(&mut self, object: ObjectAddress) {
        let relation = RelationId(object.oid);
        self.lock(relation, LockMode::AccessExclusive);
        self.catalog.change_relation(relation, |r| {
            for column in r.columns.iter_mut().filter(|c| c.number == object.column) {
                (column.default, column.generated) = (None, None);
            }
        });
    }

    fn delete_from_table(&mut self, object: ObjectAddress) {
        let Some(owner) = self.owner_of(object) else { return };
        self.lock(owner, LockMode::AccessExclusive);
        let oid = Oid(object.oid);
        self.catalog.change_relation(owner, |r| match object.class {
            ObjectClass::Trigger => r.triggers.retain(|t| t.oid != oid),
            ObjectClass::Rule => r.rules.retain(|x| x.oid != oid),
            _ => r.policies.retain(|p| p.oid != oid),
        });
    }

    /// The table that a constraint, trigger, rule or policy is on.
    pub(super) fn owner_of(&self, object: ObjectAddress) -> Option<RelationId> {
        let oid = Oid(object.oid);
        self.catalog.dependencies_of(object).into_iter().find_map(|d| {
            let relation = self.catalog.relation(d.referenced.as_relation()?)?;
            let owns = match object.class {
                ObjectClass::Constraint => relation.constraint_at(oid).is_some(),
                ObjectClass::Trigger => relation.triggers.iter().any(|t| t.oid == oid),
                ObjectClass::Rule => relation.rules.iter().any(|r| r.oid == oid),
                _ => relation.policies.iter().any(|p| p.oid == oid),
            };
            owns.then_some(relation.id)
        })
    }

    fn still_needed(&self, targets: &[ObjectAddress], doomed: &Doomed) -> SqlError {
        let what = match targets {
            [one] => format!("cannot drop {}", self.describe(*one)),
            _ => "cannot drop desired object(s)".into(),
        };
        let details: Vec<String> = doomed
            .forced
            .iter()
            .map(|(dependent, on)| format!("{} depends on {}", self.describe(*dependent), self.describe(*on)))
            .collect();
        SqlError::new(
            sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("{what} because other objects depend on it"),
        )
        .detail(details.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too.")
    }

    /// An object as messages name it (`getObjectDescription`).
    pub(super) fn describe(&self, object: ObjectAddress) -> String {
        let relation = |id: RelationId| match self.catalog.relation(id) {
            Some(relation) => format!("{} {}", relation.kind_name(), relation.name),
            None => "a relation that is gone".into(),
        };
        let on_owner = |what: &str, name: String| match self.owner_of(object) {
            Some(owner) => format!("{what} {name} on {}", relation(owner)),
            None => format!("{what} {name}"),
        };
        let oid = Oid(object.oid);
        let owner = self.owner_of(object).map(|id| self.relation(id));
        match object.class {
            ObjectClass::Relation if object.column == 0 => relation(RelationId(object.oid)),
            ObjectClass::Relation | ObjectClass::Default => {
                let id = RelationId(object.oid);
                let column = self
                    .catalog
                    .relation(id)
                    .and_then(|r| r.column_at(object.column))
                    .map(|c| c.name.clone());
                let what =
                    if object.class == ObjectClass::Default { "default value for column" } else { "column" };
                format!("{what} {} of {}", column.as_deref().unwrap_or("?"), relation(id))
            }
            ObjectClass::Constraint => {
                let name = owner.and_then(|o| o.constraint_at(oid).map(|c| c.name.to_string()));
                on_owner("constraint", name.unwrap_or_default())
            }
            ObjectClass::Trigger => {
                let name =
                    owner.and_then(|o| o.triggers.iter().find(|t| t.oid == oid).map(|t| t.name.to_string()));
                on_owner("trigger", name.unwrap_or_default())
            }
            ObjectClass::Rule => on_owner("rule", String::new()),
            ObjectClass::Policy => on_owner("policy", String::new()),
            ObjectClass::Type => {
                format!("type {}", self.catalog.type_def(oid).map_or("?", |t| &t.name))
            }
            ObjectClass::Function => {
                let name = self.catalog.functions().find(|f| f.oid == oid).map(|f| f.name.to_string());
                format!("function {}()", name.unwrap_or_default())
            }
            ObjectClass::Schema => {
                let name = self.catalog.schemas().find(|s| s.oid == oid).map(|s| s.name.to_string());
                format!("schema {}", name.unwrap_or_default())
            }
            class => {
                let found = self.catalog.named_objects().find(|o| (o.class, o.oid) == (class, oid));
                format!("{class} {}", found.map_or("?", |o| &o.name))
            }
        }
    }
}

/// Whether `other` is `object`, or a column of it.
fn covers(object: ObjectAddress, other: ObjectAddress) -> bool {
    (object.class, object.oid) == (other.class, other.oid)
        && (object.column == other.column || object.class == ObjectClass::Relation && object.column == 0)
}
