//! `DROP` of every kind: what is named is looked up and locked.
//!
//! Source: `RemoveRelations` in `src/backend/commands/tablecmds.c`, `RemoveObjects` in `dropcmds.c`, `index_drop` in
//! `src/backend/catalog/index.c`. What goes along with it is found by the module `deletion`.

use lock_table::LockMode;
use sql_syntax::ast::{Drop, DropBehavior, ObjectKind, ObjectName};

use super::run::{Outcome, Run, plain};
use super::{Step, WorkKind};
use crate::catalog::{ObjectAddress, ObjectClass, Relation, RelationKind};
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    pub(super) fn drop_objects(&mut self, statement: &Drop) -> Outcome {
        use ObjectKind as K;
        if statement.concurrently {
            return self.drop_index_concurrently(statement);
        }
        match statement.kind {
            K::Table | K::Index | K::View | K::MaterializedView | K::Sequence | K::ForeignTable => {
                self.drop_relations(statement)
            }
            K::Trigger | K::Rule | K::Policy => self.drop_from_table(statement),
            K::Type | K::Domain => self.drop_types(statement),
            K::Function | K::Procedure | K::Routine => self.drop_functions(statement),
            K::Schema => self.drop_schemas(statement),
            K::Statistics => self.drop_named(statement, ObjectClass::Statistics, "statistics object"),
            K::Publication => self.drop_named(statement, ObjectClass::Publication, "publication"),
            K::Extension => self.drop_named(statement, ObjectClass::Extension, "extension"),
            K::Tablespace => self.drop_tablespace(statement),
            K::Owned => {
                let roles: Vec<_> = statement.names.iter().map(|n| n.name.clone()).collect();
                self.drop_owned(&roles, statement.behavior)
            }
            K::Role => {
                for name in statement.names.iter().filter(|_| !statement.if_exists) {
                    self.role_exists(&name.name)?;
                }
                self.work_on_catalogs();
                Ok(())
            }
            kind => {
                self.not_modelled(format!("DROP {}", kind.as_str()), "no lock on any table");
                Ok(())
            }
        }
    }

    pub(super) fn drop_tablespace(&mut self, statement: &Drop) -> Outcome {
        self.outside_transaction("DROP TABLESPACE")?;
        for name in statement.names.iter().filter(|_| !statement.if_exists) {
            self.tablespace_exists(&name.name)?;
        }
        self.work_on_catalogs();
        Ok(())
    }

    pub(super) fn drop_relations(&mut self, statement: &Drop) -> Outcome {
        let mut targets = Vec::new();
        for name in &statement.names {
            let Some(relation) = self.find_to_drop(name, statement)? else { continue };
            self.of_kind(&relation, statement.kind)?;
            self.lock_to_drop(&relation, LockMode::AccessExclusive);
            self.not_in_use(&relation, &format!("DROP {}", statement.kind.as_str()))?;
            targets.push(ObjectAddress::relation(relation.id));
        }
        self.perform_deletion(&targets, statement.behavior)
    }

    /// Nothing if it does not exist and `IF EXISTS` says that this is fine.
    pub(super) fn find_to_drop(
        &mut self,
        name: &ObjectName,
        statement: &Drop,
    ) -> Outcome<Option<std::rc::Rc<Relation>>> {
        if let Some(found) = self.catalog.find(self.session, name) {
            return Ok(Some(found.clone()));
        }
        if self.session.assume_unknown && matches!(statement.kind, ObjectKind::Table) && !statement.if_exists
        {
            return self.find(name).map(Some);
        }
        let what = statement.kind.as_str().to_lowercase();
        if statement.if_exists || self.session.assume_unknown {
            self.notice(format!("{what} \"{}\" does not exist, skipping", plain(name)));
            return Ok(None);
        }
        let state = match statement.kind {
            ObjectKind::Index => sqlstate::UNDEFINED_OBJECT,
            _ => sqlstate::UNDEFINED_TABLE,
        };
        Err(SqlError::new(state, format!("{what} \"{}\" does not exist", plain(name))))
    }

    pub(super) fn of_kind(&self, relation: &Relation, kind: ObjectKind) -> Outcome {
        let fits = match (kind, &relation.kind) {
            (ObjectKind::Table, RelationKind::Table | RelationKind::PartitionedTable(_)) => true,
            (ObjectKind::Index, RelationKind::Index(_)) => true,
            (ObjectKind::View, RelationKind::View(_)) => true,
            (ObjectKind::MaterializedView, RelationKind::MaterializedView { .. }) => true,
            (ObjectKind::Sequence, RelationKind::Sequence(_)) => true,
            (ObjectKind::ForeignTable, RelationKind::ForeignTable) => true,
            _ => relation.assumed,
        };
        if fits {
            return Ok(());
        }
        let article = if matches!(kind, ObjectKind::Index) { "an" } else { "a" };
        Err(SqlError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not {article} {}", relation.name, kind.as_str().to_lowercase()),
        ))
    }

    /// An index's table and a partition's parent are locked first, so that nobody who comes from there deadlocks
    /// with the drop (`RangeVarCallbackForDropRelation`).
    pub(super) fn lock_to_drop(&mut self, relation: &Relation, mode: LockMode) {
        if let Some(index) = relation.as_index() {
            self.lock(index.table, mode);
            if index.partitioned {
                for part in self.catalog.with_descendants(index.table).into_iter().skip(1) {
                    self.lock(part, mode);
                }
            }
        }
        if relation.is_partition() {
            for parent in &relation.parents {
                self.lock(*parent, mode);
            }
        }
        self.lock(relation.id, mode);
    }

    /// Two waits for everybody who uses the table: the first for those that may use the index in queries, after it
    /// has been marked invalid; the second for those that may still maintain it, after it has been marked dead.
    /// Source: `index_drop` in `src/backend/catalog/index.c`.
    pub(super) fn drop_index_concurrently(&mut self, statement: &Drop) -> Outcome {
        self.outside_transaction("DROP INDEX CONCURRENTLY")?;
        let [name] = statement.names.as_slice() else {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "DROP INDEX CONCURRENTLY does not support dropping multiple objects",
            ));
        };
        if statement.behavior == DropBehavior::Cascade {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "DROP INDEX CONCURRENTLY does not support CASCADE",
            ));
        }
        let Some(relation) = self.find_to_drop(name, statement)? else { return Ok(()) };
        self.of_kind(&relation, ObjectKind::Index)?;
        let mode = LockMode::ShareUpdateExclusive;
        let Some(index) = relation.as_index().cloned() else { return Ok(()) };
        if index.partitioned {
            self.lock_to_drop(&relation, mode);
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot drop partitioned index \"{}\" concurrently", relation.name),
            ));
        }
        self.lock_to_drop(&relation, mode);
        self.droppable(ObjectAddress::relation(relation.id))?;
        let (id, table) = (relation.id, index.table);
        self.steps.push(Step::SessionLock { relation: table, mode });
        self.steps.push(Step::SessionLock { relation: id, mode });
        self.set_index_state(id, false, index.ready);
        self.commit(false);
        self.steps.push(Step::WaitForLockHolders { relation: table, mode: LockMode::AccessExclusive });
        self.set_index_state(id, false, false);
        self.commit(false);
        self.steps.push(Step::WaitForLockHolders { relation: table, mode: LockMode::AccessExclusive });
        self.lock(table, mode);
        self.lock(id, LockMode::AccessExclusive);
        self.work(table, WorkKind::Catalog);
        self.forget_relation(id);
        self.steps.push(Step::SessionUnlock { relation: id, mode });
        self.steps.push(Step::SessionUnlock { relation: table, mode });
        Ok(())
    }

    /// The table is first opened as for reading, to look the object up, and locked in full when it is deleted
    /// (`get_object_address_relobject`, `RemoveTriggerById`): an upgrade, with the deadlocks that upgrades bring.
    pub(super) fn drop_from_table(&mut self, statement: &Drop) -> Outcome {
        let (Some(on), Some(name)) = (&statement.on, statement.names.first()) else { return Ok(()) };
        let what = statement.kind.as_str().to_lowercase();
        if statement.if_exists && self.catalog.find(self.session, on).is_none() {
            self.notice(format!("relation \"{}\" does not exist, skipping", plain(on)));
            return Ok(());
        }
        let table = self.open(on, LockMode::AccessShare)?;
        let own = name.name.as_str();
        let found = match statement.kind {
            ObjectKind::Trigger => table
                .triggers
                .iter()
                .find(|t| &*t.name == own)
                .map(|t| ObjectAddress::new(ObjectClass::Trigger, t.oid)),
            ObjectKind::Rule => table
                .rules
                .iter()
                .find(|r| &*r.name == own)
                .map(|r| ObjectAddress::new(ObjectClass::Rule, r.oid)),
            _ => table
                .policies
                .iter()
                .find(|p| &*p.name == own)
                .map(|p| ObjectAddress::new(ObjectClass::Policy, p.oid)),
        };
        match found {
            Some(address) => {
                self.lock_object(address, LockMode::AccessExclusive);
                self.perform_deletion(&[address], statement.behavior)
            }
            None if statement.if_exists => {
                // Nothing was found in the table: its lock is given back at once.
                self.steps.push(Step::Unlock { relation: table.id, mode: LockMode::AccessShare });
                self.notice(format!(
                    "{what} \"{own}\" for relation \"{}\" does not exist, skipping",
                    table.name
                ));
                Ok(())
            }
            None if table.assumed => {
                self.lock(table.id, LockMode::AccessExclusive);
                Ok(())
            }
            None => {
                let joint = if statement.kind == ObjectKind::Rule { "for relation" } else { "for table" };
                Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("{what} \"{own}\" {joint} \"{}\" does not exist", table.name),
                ))
            }
        }
    }

    pub(super) fn drop_types(&mut self, statement: &Drop) -> Outcome {
        let mut targets = Vec::new();
        for name in &statement.names {
            match self.catalog.find_type(self.session, name.schema(), &name.name) {
                Some(def) => targets.push(ObjectAddress::new(ObjectClass::Type, def.oid)),
                None => self.missing(statement, "type", sqlstate::UNDEFINED_OBJECT, name)?,
            }
        }
        self.drop_addresses(&targets, statement.behavior)
    }

    pub(super) fn drop_functions(&mut self, statement: &Drop) -> Outcome {
        let mut targets = Vec::new();
        for name in &statement.names {
            match self.catalog.find_functions(self.session, name).first() {
                Some(function) => targets.push(ObjectAddress::new(ObjectClass::Function, function.oid)),
                None => self.missing(statement, "function", sqlstate::UNDEFINED_FUNCTION, name)?,
            }
        }
        self.drop_addresses(&targets, statement.behavior)
    }

    pub(super) fn drop_schemas(&mut self, statement: &Drop) -> Outcome {
        let mut targets = Vec::new();
        for name in &statement.names {
            match self.catalog.schema(&name.name) {
                Some(schema) => targets.push(ObjectAddress::new(ObjectClass::Schema, schema.oid)),
                None => self.missing(statement, "schema", sqlstate::INVALID_SCHEMA_NAME, name)?,
            }
        }
        self.drop_addresses(&targets, statement.behavior)
    }

    pub(super) fn drop_named(&mut self, statement: &Drop, class: ObjectClass, what: &str) -> Outcome {
        let mut targets = Vec::new();
        for name in &statement.names {
            let schemas: Vec<crate::catalog::Name> = match (class, name.schema()) {
                (ObjectClass::Statistics, Some(schema)) => vec![schema.into()],
                (ObjectClass::Statistics, None) => self.session.search_path.to_vec(),
                _ => vec!["".into()],
            };
            let found = schemas
                .iter()
                .find_map(|schema| self.catalog.named_object(class, schema, &name.name))
                .cloned();
            match found {
                Some(object) => targets.push(ObjectAddress::new(class, object.oid)),
                None => self.missing(statement, what, sqlstate::UNDEFINED_OBJECT, name)?,
            }
        }
        self.drop_addresses(&targets, statement.behavior)
    }

    pub(super) fn missing(
        &mut self,
        statement: &Drop,
        what: &str,
        state: &'static str,
        name: &ObjectName,
    ) -> Outcome {
        let text = format!("{what} \"{}\" does not exist", plain(name));
        if statement.if_exists || self.session.assume_unknown {
            self.notice(format!("{text}, skipping"));
            return Ok(());
        }
        Err(SqlError::new(state, text))
    }

    pub(super) fn drop_addresses(&mut self, targets: &[ObjectAddress], behavior: DropBehavior) -> Outcome {
        for target in targets {
            self.lock_object(*target, LockMode::AccessExclusive);
        }
        self.perform_deletion(targets, behavior)
    }
}
